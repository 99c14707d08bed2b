//! The workflow that builds, tests and publishes images: one job a target and platform, in the order of the graph.

use std::collections::{BTreeMap, BTreeSet};

use super::component::{Component, components};
use super::job::{JobId, PLAN, PUBLISH};
use super::login::{Login, logins};
use super::runner::{Runner, Runners};
use super::step::{self, Xtask};
use super::yaml::{self, Map, Node};
use crate::graph::{Edge, Graph, Vertex};
use crate::reference::{Platform, Reference, Repository};
use crate::workspace::{Attestations, Config, SecretSource, Target, TargetName, is_secret_name};

/// Compressed layers that do not fit beside what GitHub's runners bring: unpacked, packed and sent they need several
/// times as much.
const LARGE: u64 = 3_000_000_000;

/// What the workflow is made from.
pub struct Source<'s> {
    pub config: &'s Config,
    pub targets: &'s [Target],
    pub graph: &'s Graph,
    pub xtask: &'s Xtask,
    /// The workspace's folder in the repository, where it is not the repository's root.
    pub folder: Option<&'s str>,
}

/// A job that builds `target` for `platform`.
struct Build<'s> {
    id: JobId,
    target: &'s Target,
    vertex: &'s Vertex,
    platform: &'s Platform,
    runner: Runner<'s>,
}

/// The text of `.github/workflows/images.yml`.
pub fn workflow(source: &Source<'_>) -> String {
    let runners = Runners::new(&source.config.ci.runners);
    let images = Images { source, targets: by_name(source.targets), runners: &runners };
    let builds = images.builds();
    let checks: Vec<Component> = components(source.graph);
    let mut jobs = Map::new().with(PLAN, images.plan(&builds)).after_comment(
        "What is stale, by what staging repositories hold under today's keys. All other jobs ask this one.",
    );
    for (arch, runner) in images.architectures(&builds) {
        if arch != runners.main().arch {
            jobs = jobs.with(&format!("xtask-{arch}"), images.xtask(arch, &runner, &builds));
        }
    }
    for build in &builds {
        jobs = jobs.with(build.id.as_str(), images.build(build));
    }
    for component in &checks {
        jobs = jobs.with(component.job().as_str(), images.check(component));
    }
    if !builds.is_empty() {
        jobs = jobs.with(PUBLISH, images.publish(&builds)).after_comment(
            "Moves tags, once everything is built and tested; nothing before this job writes a public tag.",
        );
    }
    let document = Map::new()
        .with("name", "images")
        .with("on", images.triggers())
        .with("permissions", Map::new())
        .after_comment("Each job says which it needs.")
        .with("concurrency", concurrency())
        .after_comment("A newer commit of a pull request ends the checks of the one before; all else runs to its end.")
        .with_some("defaults", defaults(source))
        .with("jobs", jobs);
    yaml::document(&document)
}

fn by_name(targets: &[Target]) -> BTreeMap<TargetName, &Target> {
    targets.iter().map(|target| (target.target_name(), target)).collect()
}

fn concurrency() -> Map {
    Map::new()
        .with(
            "group",
            "images-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
        )
        .with("cancel-in-progress", "${{ github.event_name == 'pull_request' }}")
}

/// Where scripts run.
pub(super) fn defaults(source: &Source<'_>) -> Option<Map> {
    let folder = source.folder?;
    Some(Map::new().with("run", Map::new().with("working-directory", folder)))
}

fn read_contents() -> Map {
    Map::new().with("contents", "read")
}

/// What GitHub's token may do; with its packages nothing where nobody logs in with it.
pub(super) fn permissions(logins: &BTreeSet<Login>, packages: &str) -> Map {
    let with_token = logins.iter().any(Login::is_with_token);
    read_contents().with_some("packages", with_token.then_some(packages))
}

pub(super) fn runs_on(runner: &Runner<'_>) -> Node {
    match runner.labels {
        [label] => Node::from(label.as_str()),
        labels => Node::from(labels.to_vec()),
    }
}

/// A job of a push, a schedule or a person runs, where it has work; no pull request's ever does.
fn of_publication(has_work: &str) -> String {
    format!(
        "${{{{ !failure() && !cancelled() && github.event_name != 'pull_request' && {has_work} }}}}"
    )
}

struct Images<'s> {
    source: &'s Source<'s>,
    targets: BTreeMap<TargetName, &'s Target>,
    runners: &'s Runners,
}

impl<'s> Images<'s> {
    /// In build order. What has no staging repository is built where its children are.
    fn builds(&self) -> Vec<Build<'s>> {
        let mut builds = Vec::new();
        for vertex in &self.source.graph.vertices {
            let Some(target) = self.targets.get(&vertex.name).filter(|it| is_staged(it)) else {
                continue;
            };
            builds.extend(target.platforms.iter().map(|platform| Build {
                id: JobId::build(&vertex.name, platform),
                target,
                vertex,
                platform,
                runner: self.runners.of(platform),
            }));
        }
        builds
    }

    /// What `xtask`s are needed, and a runner that builds each.
    fn architectures(&self, builds: &[Build<'s>]) -> BTreeMap<&'s str, Runner<'s>> {
        let mut all = BTreeMap::new();
        for build in builds {
            all.entry(build.runner.arch).or_insert_with(|| build.runner.clone());
        }
        for component in components(self.source.graph) {
            let (runner, _) = self.runner_of(&component);
            all.entry(runner.arch).or_insert(runner);
        }
        all
    }

    fn triggers(&self) -> Map {
        let ci = &self.source.config.ci;
        let push = Map::new().with("branches", vec![ci.branch.as_str()]).with("tags", vec!["v*"]);
        let images = Map::new()
            .with("description", "Images: ids between commas; none for all")
            .with("type", "string")
            .with("default", "");
        let dispatch = Map::new().with("inputs", Map::new().with("images", images));
        let mut on = Map::new()
            .with("push", push)
            .with("pull_request", Map::new())
            .with("workflow_dispatch", dispatch);
        if let Some(schedule) = &ci.schedule {
            on = on
                .with("schedule", vec![Map::new().with("cron", schedule.as_str())])
                .after_comment(
                    "What was staged may be gone, and bases without a lock may have moved.",
                );
        }
        on
    }

    fn plan(&self, builds: &[Build<'s>]) -> Map {
        let staging: Vec<Repository> =
            builds.iter().filter_map(|build| self.staging(build.target)).collect();
        let logins = logins(&staging, self.source.config);
        let mut steps = vec![step::checkout()];
        steps.extend(step::build_xtask(self.source.xtask, self.source.folder));
        steps.push(step::upload_xtask(self.runners.main().arch));
        let no_pull_request = "github.event_name != 'pull_request'";
        steps.extend(logins.iter().map(|login| step::login(login, Some(no_pull_request))));
        steps.push(
            Map::new()
                .with("id", "plan")
                .with("run", "xtask ci plan")
                .with("env", Map::new().with("DOCKYARD_IMAGES", "${{ inputs.images }}")),
        );
        let output = |name: &str| format!("${{{{ steps.plan.outputs.{name} }}}}");
        let outputs = ["jobs", "components", "publish"]
            .into_iter()
            .fold(Map::new(), |map, name| map.with(name, output(name)));
        Map::new()
            .with("runs-on", runs_on(&self.runners.main()))
            .with("permissions", permissions(&logins, "read"))
            .with("outputs", outputs)
            .with("steps", steps)
    }

    /// The xtask for another architecture, built where a job needs it.
    fn xtask(&self, arch: &str, runner: &Runner<'s>, builds: &[Build<'s>]) -> Map {
        let platforms: BTreeSet<&Platform> =
            builds.iter().filter(|it| it.runner.arch == arch).map(|it| it.platform).collect();
        let mut wanted: Vec<String> = platforms
            .into_iter()
            .map(|platform| {
                format!("contains(needs.plan.outputs.jobs, '{}\"')", JobId::end(platform))
            })
            .collect();
        let checks = components(self.source.graph);
        if checks.iter().any(|component| self.runner_of(component).0.arch == arch) {
            wanted.push("needs.plan.outputs.components != '[]'".to_owned());
        }
        let mut steps = vec![step::checkout()];
        steps.extend(step::build_xtask(self.source.xtask, self.source.folder));
        steps.push(step::upload_xtask(arch));
        Map::new()
            .with("needs", vec![PLAN])
            .with("if", format!("${{{{ {} }}}}", wanted.join(" || ")))
            .with("runs-on", runs_on(runner))
            .with("permissions", read_contents())
            .with("steps", steps)
    }

    fn build(&self, build: &Build<'s>) -> Map {
        let name = build.target.target_name();
        let parents = self.parents(build.vertex, build.platform);
        let mut needs = self.needs(build.runner.arch);
        needs.extend(
            parents.iter().map(|(name, platform)| JobId::build(name, platform).to_string()),
        );

        let mut steps = Self::begin(build.runner.arch);
        let logins = self.logins(build);
        steps.extend(logins.iter().map(|login| step::login(login, None)));
        if needs_room(build.target) {
            steps.push(step::disk_room());
        }
        if build.runner.is_emulated {
            steps.push(step::emulator());
        }
        let cache = &build.target.cache;
        if cache.registry
            || cache.github
            || self.source.config.attestations != Attestations::default()
        {
            steps.push(step::buildx());
        }
        if cache.github {
            steps.push(step::cache_access());
        }
        steps.push(
            Map::new()
                .with("id", "build")
                .with("run", format!("xtask ci build {name} --platform {}", build.platform))
                .with_some("env", Self::environment(build, &parents)),
        );
        let has_work = format!("contains(fromJSON(needs.plan.outputs.jobs), '{}')", build.id);
        Map::new()
            .with("name", format!("{name} ({})", build.platform))
            .with("needs", needs)
            .with("if", of_publication(&has_work))
            .with("runs-on", runs_on(&build.runner))
            .with("permissions", permissions(&logins, "write"))
            .with("outputs", Map::new().with("digest", "${{ steps.build.outputs.digest }}"))
            .with("steps", steps)
    }

    /// The build's secrets, and the digests of its parents.
    fn environment(build: &Build<'s>, parents: &BTreeSet<(TargetName, Platform)>) -> Option<Map> {
        let mut map = Map::new();
        for source in build.target.secrets.values() {
            if let SecretSource::Env(name) = source
                && is_secret_name(name)
            {
                map = map.with(name, format!("${{{{ secrets.{name} }}}}"));
            }
        }
        if !parents.is_empty() {
            let line = |(name, platform): &(TargetName, Platform)| {
                let job = JobId::build(name, platform);
                format!("{name} {platform} ${{{{ needs.{job}.outputs.digest }}}}")
            };
            map = map.with("DOCKYARD_PARENTS", Node::Lines(parents.iter().map(line).collect()));
        }
        (map != Map::new()).then_some(map)
    }

    fn check(&self, component: &Component) -> Map {
        let (runner, is_emulated) = self.runner_of(component);
        let mut steps = Self::begin(runner.arch);
        if self.of(component).any(needs_room) {
            steps.push(step::disk_room());
        }
        if is_emulated {
            steps.push(step::emulator());
        }
        steps.push(Map::new().with("run", format!("xtask ci check {}", component.name())));
        let (id, name) = (component.job(), component.name());
        Map::new()
            .with("name", format!("check {name}"))
            .with("needs", self.needs(runner.arch))
            .with(
                "if",
                format!("${{{{ github.event_name == 'pull_request' && contains(fromJSON(needs.plan.outputs.components), '{id}') }}}}"),
            )
            .with("runs-on", runs_on(&runner))
            .with("permissions", read_contents())
            .with("steps", steps)
    }

    fn publish(&self, builds: &[Build<'s>]) -> Map {
        let mut needs = vec![PLAN.to_owned()];
        needs.extend(builds.iter().map(|build| build.id.to_string()));
        let mut steps = Self::begin(self.runners.main().arch);
        let published = builds.iter().flat_map(|build| build.target.all_repositories());
        let staging = self.source.config.staging.iter();
        let logins = logins(published.chain(staging), self.source.config);
        steps.extend(logins.iter().map(|login| step::login(login, None)));
        steps.push(
            Map::new()
                .with("run", "xtask ci publish --yes")
                .with("env", Map::new().with("DOCKYARD_IMAGES", "${{ inputs.images }}")),
        );
        let mut concurrency = Map::new()
            .with("group", "images-publish-${{ github.ref }}")
            .with("cancel-in-progress", false);
        if self.source.config.ci.queue {
            concurrency = concurrency.with("queue", "max");
        }
        Map::new()
            .with("needs", needs)
            .with("if", of_publication("needs.plan.outputs.publish == 'true'"))
            .with("runs-on", runs_on(&self.runners.main()))
            .with("permissions", permissions(&logins, "write"))
            .with("concurrency", concurrency)
            .after_comment("One publication of a branch or tag at a time, and none is cancelled that has begun.")
            .with("steps", steps)
    }

    /// The jobs before every other.
    fn needs(&self, arch: &str) -> Vec<String> {
        let mut needs = vec![PLAN.to_owned()];
        if arch != self.runners.main().arch {
            needs.push(format!("xtask-{arch}"));
        }
        needs
    }

    fn begin(arch: &str) -> Vec<Map> {
        let mut steps = vec![step::checkout()];
        steps.extend(step::download_xtask(arch));
        steps
    }

    /// The parents that jobs of their own build before; through those that are built in place, their parents.
    fn parents(&self, vertex: &Vertex, platform: &Platform) -> BTreeSet<(TargetName, Platform)> {
        let mut parents = BTreeSet::new();
        for edge in &vertex.parents {
            let Some(target) = self.targets.get(&edge.parent) else { continue };
            for of_parent in platforms_of(edge, platform, target) {
                if is_staged(target) {
                    parents.insert((edge.parent.clone(), of_parent));
                } else if let Some(parent) = self.source.graph.get(&edge.parent) {
                    parents.extend(self.parents(parent, &of_parent));
                }
            }
        }
        parents
    }

    /// The logins to where a job sends, and to what it starts from.
    fn logins(&self, build: &Build<'s>) -> BTreeSet<Login> {
        let config = self.source.config;
        let mut repositories: Vec<Repository> = self.staging(build.target).into_iter().collect();
        let parents = build.vertex.parents.iter().filter_map(|edge| self.targets.get(&edge.parent));
        repositories.extend(parents.filter_map(|parent| self.staging(parent)));
        // Of bases from elsewhere only where a login is named: most are public.
        let from = |reference: &Reference| {
            config.mirrored(reference).unwrap_or_else(|| reference.clone()).repository
        };
        let bases = build.vertex.external.iter().map(|base| from(&base.reference));
        repositories.extend(bases.filter(|base| config.logins.contains_key(base.registry())));
        logins(&repositories, config)
    }

    fn staging(&self, target: &Target) -> Option<Repository> {
        let own = || target.all_repositories().first().map(|repository| (*repository).clone());
        is_staged(target).then(|| self.source.config.staging.clone().or_else(own)).flatten()
    }

    fn of(&self, component: &Component) -> impl Iterator<Item = &'s Target> {
        component.targets.iter().filter_map(|name| self.targets.get(name).copied())
    }

    /// Where a part is checked, and whether something in it has to be emulated there.
    fn runner_of(&self, component: &Component) -> (Runner<'s>, bool) {
        let all: Vec<&Target> = self.of(component).collect();
        let main = Platform::amd64();
        let first = all.iter().flat_map(|target| &target.platforms).next();
        let platform = if all.iter().any(|target| target.platforms.contains(&main)) {
            &main
        } else {
            first.unwrap_or(&main)
        };
        let runner = self.runners.of(platform);
        let is_native = |target: &&Target| {
            target.platforms.iter().any(|own| self.runners.of(own) == runner && !runner.is_emulated)
        };
        let is_emulated = !all.iter().all(is_native);
        (runner, is_emulated)
    }
}

/// The platforms of the parent that the child needs for `platform`: where it is the builder's own, any that it has.
fn platforms_of(edge: &Edge, platform: &Platform, parent: &Target) -> Vec<Platform> {
    let used = edge.uses.iter().filter(|(child, _)| child == platform);
    used.flat_map(|(_, of_parent)| match of_parent {
        Some(of_parent) => vec![of_parent.clone()],
        None => parent.platforms.clone(),
    })
    .collect()
}

fn is_staged(target: &Target) -> bool {
    target.publish && !target.all_repositories().is_empty()
}

fn needs_room(target: &Target) -> bool {
    target.free_disk.unwrap_or_else(|| target.size_limit.is_some_and(|limit| limit >= LARGE))
}
