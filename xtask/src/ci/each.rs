//! A job for each target and platform, and for each connected part.

use super::images::{begin, needs, of_publication, permissions, runs_on};
use super::job::JobId;
use super::step;
use super::work::{Build, Check, Work};
use super::yaml::{Map, Node};

/// Adds the jobs to `jobs`; gives their ids that the last job waits for.
pub(super) fn add(jobs: Map, work: &Work<'_>, main: &str) -> (Map, Vec<String>) {
    let jobs =
        work.builds.iter().fold(jobs, |jobs, one| jobs.with(one.id.as_str(), build(one, main)));
    let jobs =
        work.checks.iter().fold(jobs, |jobs, one| jobs.with(one.id.as_str(), check(one, main)));
    (jobs, work.builds.iter().map(|build| build.id.to_string()).collect())
}

fn build(build: &Build<'_>, main: &str) -> Map {
    let name = build.target.target_name();
    let mut needs = needs(build.runner.arch, main);
    let parents = build.parents.iter();
    needs.extend(parents.map(|(name, platform)| JobId::build(name, platform).to_string()));

    let mut steps = begin(build.runner.arch);
    steps.extend(build.logins.iter().map(|login| step::login(login, None)));
    if build.needs_room {
        steps.push(step::disk_room(None));
    }
    if build.runner.is_emulated {
        steps.push(step::emulator(None));
    }
    if build.needs_builder {
        steps.push(step::buildx(None));
    }
    if build.target.cache.github {
        steps.push(step::cache_access(None));
    }
    steps.push(
        Map::new()
            .with("id", "build")
            .with("run", format!("xtask ci build {name} --platform {}", build.platform))
            .with_some("env", environment(build)),
    );
    let has_work = format!("contains(fromJSON(needs.plan.outputs.jobs), '{}')", build.id);
    Map::new()
        .with("name", format!("{name} ({})", build.platform))
        .with("needs", needs)
        .with("if", of_publication(&has_work))
        .with("runs-on", runs_on(&build.runner))
        .with("permissions", permissions(&build.logins, "write"))
        .with("outputs", Map::new().with("digest", "${{ steps.build.outputs.digest }}"))
        .with("steps", steps)
}

/// The secrets of builds, and the digests of parents.
fn environment(build: &Build<'_>) -> Option<Map> {
    let mut map = secrets(build.secrets.iter().copied());
    if !build.parents.is_empty() {
        let lines = build.parents.iter().map(|(name, platform)| {
            let job = JobId::build(name, platform);
            format!("{name} {platform} ${{{{ needs.{job}.outputs.digest }}}}")
        });
        map = map.with("DOCKYARD_PARENTS", Node::Lines(lines.collect()));
    }
    (map != Map::new()).then_some(map)
}

/// Variables that hold the secrets of their names.
pub(super) fn secrets<'n>(names: impl Iterator<Item = &'n str>) -> Map {
    names.fold(Map::new(), |map, name| map.with(name, format!("${{{{ secrets.{name} }}}}")))
}

fn check(check: &Check<'_>, main: &str) -> Map {
    let mut steps = begin(check.runner.arch);
    if check.needs_room {
        steps.push(step::disk_room(None));
    }
    if check.is_emulated {
        steps.push(step::emulator(None));
    }
    steps.push(Map::new().with("run", format!("xtask ci check {}", check.name)));
    let has_work = format!("contains(fromJSON(needs.plan.outputs.components), '{}')", check.id);
    Map::new()
        .with("name", format!("check {}", check.name))
        .with("needs", needs(check.runner.arch, main))
        .with("if", format!("${{{{ github.event_name == 'pull_request' && {has_work} }}}}"))
        .with("runs-on", runs_on(&check.runner))
        .with("permissions", Map::new().with("contents", "read"))
        .with("steps", steps)
}
