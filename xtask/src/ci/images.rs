//! The workflow that builds, tests and publishes images: what all its jobs have in common, and the first and last of
//! them.

use std::collections::BTreeSet;

use super::each;
use super::job::{JobId, PLAN, PUBLISH};
use super::levels::Levels;
use super::login::{Login, logins};
use super::runner::{Runner, Runners};
use super::step;
use super::work::{Source, Work};
use super::yaml::{self, Map, Node};
use crate::reference::Platform;

/// GitHub takes 1,048,576 characters (`ParseOptions.MaxFileSize` of its runner); the header and a few more images fit in
/// between.
const MOST_CHARACTERS: usize = 1_000_000;

/// The workflow of `.github/workflows/images.yml`.
pub struct Images {
    pub text: String,
    /// How many jobs there would be, one each, where that is more than GitHub takes, and levels take their place.
    pub levels: Option<usize>,
}

pub fn images(source: &Source<'_>) -> Images {
    let runners = Runners::new(&source.config.ci.runners);
    let work = Work::new(source, &runners);
    let frame = Frame { source, runners: &runners, work: &work };
    let text = frame.text(&[], &|jobs, main| each::add(jobs, &work, main));
    if text.chars().count() <= MOST_CHARACTERS {
        return Images { text, levels: None };
    }
    let levels = Levels::new(&work);
    let text = frame.text(&levels.names(), &|jobs, main| levels.add(jobs, main));
    Images { text, levels: Some(work.builds.len() + work.checks.len()) }
}

/// What the plan hands on beside its lists, where the workflow has levels: the runs of each job that has work.
pub fn runs_of(source: &Source<'_>, stale: &BTreeSet<&str>) -> Vec<(String, String)> {
    if images(source).levels.is_none() {
        return Vec::new();
    }
    let runners = Runners::new(&source.config.ci.runners);
    Levels::new(&Work::new(source, &runners)).outputs(stale)
}

struct Frame<'f> {
    source: &'f Source<'f>,
    runners: &'f Runners,
    work: &'f Work<'f>,
}

/// Adds the jobs between the first and the last, given the architecture of the main runner; gives the ids of those that
/// build.
type Add<'a> = dyn Fn(Map, &str) -> (Map, Vec<String>) + 'a;

impl Frame<'_> {
    fn text(&self, outputs: &[String], add: &Add<'_>) -> String {
        let main = self.runners.main();
        let mut jobs = Map::new().with(PLAN, self.plan(outputs)).after_comment(
            "What is stale, by what staging repositories hold under today's keys. All other jobs ask this one.",
        );
        for (arch, runner) in self.work.architectures() {
            if arch != main.arch {
                jobs = jobs.with(&format!("xtask-{arch}"), self.xtask(arch, &runner));
            }
        }
        let (mut jobs, builds) = add(jobs, main.arch);
        if !builds.is_empty() {
            jobs = jobs.with(PUBLISH, self.publish(builds)).after_comment(
                "Moves tags, once everything is built and tested; nothing before this job writes a public tag.",
            );
        }
        let concurrency = Map::new()
            .with(
                "group",
                "images-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
            )
            .with("cancel-in-progress", "${{ github.event_name == 'pull_request' }}");
        let document = Map::new()
            .with("name", "images")
            .with("on", self.triggers())
            .with("permissions", Map::new())
            .after_comment("Each job says which it needs.")
            .with("concurrency", concurrency)
            .after_comment("A newer commit of a pull request ends the checks of the one before; all else runs to its end.")
            .with_some("defaults", defaults(self.source))
            .with("jobs", jobs);
        yaml::document(&document)
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

    fn plan(&self, outputs: &[String]) -> Map {
        let logins = logins(&self.work.staging, self.source.config);
        let mut steps = vec![step::checkout()];
        steps.extend(step::build_xtask(self.source.xtask, self.source.folder));
        steps.push(step::upload_xtask(self.runners.main().arch));
        let no_pull_request = "github.event_name != 'pull_request'";
        steps.extend(logins.iter().map(|login| step::login(login, Some(no_pull_request))));
        steps.push(with_images(Map::new().with("id", PLAN), "xtask ci plan"));
        let names = ["jobs", "components", "publish"].into_iter();
        let outputs =
            names.chain(outputs.iter().map(String::as_str)).fold(Map::new(), |map, name| {
                map.with(name, format!("${{{{ steps.plan.outputs.{name} }}}}"))
            });
        Map::new()
            .with("runs-on", runs_on(&self.runners.main()))
            .with("permissions", permissions(&logins, "read"))
            .with("outputs", outputs)
            .with("steps", steps)
    }

    /// The xtask for another architecture, built where a job needs it.
    fn xtask(&self, arch: &str, runner: &Runner<'_>) -> Map {
        let builds = self.work.builds.iter().filter(|build| build.runner.arch == arch);
        let platforms: BTreeSet<&Platform> = builds.map(|build| build.platform).collect();
        let has_job =
            |platform| format!("contains(needs.plan.outputs.jobs, '{}\"')", JobId::end(platform));
        let mut wanted: Vec<String> = platforms.into_iter().map(has_job).collect();
        if self.work.checks.iter().any(|check| check.runner.arch == arch) {
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

    fn publish(&self, builds: Vec<String>) -> Map {
        let needs: Vec<String> = [PLAN.to_owned()].into_iter().chain(builds).collect();
        let published = self.work.builds.iter().flat_map(|build| build.target.all_repositories());
        let logins = logins(published.chain(&self.work.staging), self.source.config);
        let mut steps = begin(self.runners.main().arch);
        steps.extend(logins.iter().map(|login| step::login(login, None)));
        steps.push(with_images(Map::new(), "xtask ci publish --yes"));
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
}

/// A step that is told which images a person chose; never as words of its script.
fn with_images(step: Map, run: &str) -> Map {
    let env = Map::new().with("DOCKYARD_IMAGES", "${{ inputs.images }}");
    step.with("run", run).with("env", env)
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
pub(super) fn of_publication(has_work: &str) -> String {
    format!(
        "${{{{ !failure() && !cancelled() && github.event_name != 'pull_request' && {has_work} }}}}"
    )
}

/// The jobs before every other; `main` is the architecture whose xtask the plan has built.
pub(super) fn needs(arch: &str, main: &str) -> Vec<String> {
    let mut needs = vec![PLAN.to_owned()];
    if arch != main {
        needs.push(format!("xtask-{arch}"));
    }
    needs
}

/// How every job begins.
pub(super) fn begin(arch: &str) -> Vec<Map> {
    let mut steps = vec![step::checkout()];
    steps.extend(step::download_xtask(arch));
    steps
}

/// How a job begins whose runs are on several architectures.
pub(super) fn begin_any() -> Vec<Map> {
    begin("${{ matrix.run.arch }}")
}
