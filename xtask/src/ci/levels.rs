//! Where a job for each target is more than GitHub takes: a few jobs for each level of the graph, whose runs come from
//! the plan.
//!
//! A level begins when all of the one before has ended, and every run has all logins and secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::each::secrets;
use super::images::{begin_any, needs, of_publication, permissions};
use super::job::{JobId, PLAN};
use super::step;
use super::work::{Build, Check, Work};
use super::yaml::Map;

/// The most runs that one job can have («Actions limits», Job Matrix).
const MOST_RUNS: usize = 256;

/// The builds by level, and the checks: each list is one or several jobs.
pub(super) struct Levels<'w> {
    lists: Vec<(String, Vec<Run>)>,
    work: &'w Work<'w>,
}

/// What one run of a job needs to know.
struct Run {
    id: JobId,
    value: Value,
}

impl<'w> Levels<'w> {
    pub(super) fn new(work: &'w Work<'w>) -> Self {
        let mut level_of: BTreeMap<&JobId, usize> = BTreeMap::new();
        let mut levels: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
        for build in &work.builds {
            let parents = build.parents.iter().map(|(name, platform)| JobId::build(name, platform));
            let before = parents.filter_map(|id| level_of.get(&id).copied()).max();
            let level = before.map_or(1, |before| before + 1);
            level_of.insert(&build.id, level);
            levels.entry(level).or_default().push(of_build(build));
        }
        let levels = levels.into_iter().map(|(level, runs)| (format!("level-{level}"), runs));
        let checks = ("check".to_owned(), work.checks.iter().map(of_check).collect());
        Self { lists: levels.chain([checks]).collect(), work }
    }

    /// The outputs of the plan that has `stale` jobs: a list of runs for each job, no longer than GitHub takes.
    pub(super) fn outputs(&self, stale: &BTreeSet<&str>) -> Vec<(String, String)> {
        let mut outputs = Vec::new();
        for (name, runs) in &self.lists {
            let stale: Vec<&Value> = runs
                .iter()
                .filter(|run| stale.contains(run.id.as_str()))
                .map(|run| &run.value)
                .collect();
            let mut chunks = stale.chunks(MOST_RUNS);
            for job in jobs_of(name, runs) {
                let chunk = chunks.next().unwrap_or_default();
                outputs.push((job, json!(chunk).to_string()));
            }
        }
        outputs
    }

    /// The names of these outputs, which are the jobs', too.
    pub(super) fn names(&self) -> Vec<String> {
        self.lists.iter().flat_map(|(name, runs)| jobs_of(name, runs)).collect()
    }

    /// Adds the jobs to `jobs`; gives the ids that the last job waits for.
    pub(super) fn add(&self, mut jobs: Map, main: &str) -> (Map, Vec<String>) {
        let mut first: Vec<String> = vec![PLAN.to_owned()];
        for arch in self.work.architectures().into_keys() {
            first.extend(needs(arch, main).into_iter().filter(|need| need != PLAN));
        }
        let mut before: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for (name, runs) in &self.lists {
            let names = jobs_of(name, runs);
            for job in &names {
                let needs = first.iter().cloned();
                jobs = if name == "check" {
                    jobs.with(job, check(job, needs.collect()))
                } else {
                    jobs.with(job, self.build(job, needs.chain(before.iter().cloned()).collect()))
                };
            }
            if name != "check" {
                all.extend(names.iter().cloned());
                before = names;
            }
        }
        (jobs, all)
    }

    fn build(&self, job: &str, needs: Vec<String>) -> Map {
        let builds = &self.work.builds;
        let logins = builds.iter().flat_map(|build| build.logins.iter().cloned()).collect();
        let mut steps = begin_any();
        steps.extend(BTreeSet::iter(&logins).map(|login| step::login(login, None)));
        steps.push(step::disk_room(Some("matrix.run.room")));
        steps.push(step::emulator(Some("matrix.run.emulated")));
        steps.push(step::buildx(Some("matrix.run.builder")));
        steps.push(step::cache_access(Some("matrix.run.cache")));
        let secrets = secrets(
            builds.iter().flat_map(|it| &it.secrets).copied().collect::<BTreeSet<_>>().into_iter(),
        );
        let env = secrets
            .with("IMAGE", "${{ matrix.run.image }}")
            .with("PLATFORM", "${{ matrix.run.platform }}");
        let run = "xtask ci build \"$IMAGE\" --platform \"$PLATFORM\"";
        steps.push(Map::new().with("run", run).with("env", env));
        Map::new()
            .with("name", "${{ matrix.run.image }} (${{ matrix.run.platform }})")
            .with("needs", needs)
            .with("if", of_publication(&has_runs(job)))
            .with("strategy", strategy(job))
            .with("runs-on", "${{ matrix.run.runner }}")
            .with("permissions", permissions(&logins, "write"))
            .with("steps", steps)
    }
}

fn check(job: &str, needs: Vec<String>) -> Map {
    let mut steps = begin_any();
    steps.push(step::disk_room(Some("matrix.run.room")));
    steps.push(step::emulator(Some("matrix.run.emulated")));
    let env = Map::new().with("IMAGE", "${{ matrix.run.image }}");
    steps.push(Map::new().with("run", "xtask ci check \"$IMAGE\"").with("env", env));
    let condition = format!(
        "${{{{ !failure() && !cancelled() && github.event_name == 'pull_request' && {} }}}}",
        has_runs(job)
    );
    Map::new()
        .with("name", "check ${{ matrix.run.image }}")
        .with("needs", needs)
        .with("if", condition)
        .with("strategy", strategy(job))
        .with("runs-on", "${{ matrix.run.runner }}")
        .with("permissions", Map::new().with("contents", "read"))
        .with("steps", steps)
}

fn has_runs(job: &str) -> String {
    format!("needs.plan.outputs.{job} != '[]'")
}

fn strategy(job: &str) -> Map {
    let runs = format!("${{{{ fromJSON(needs.plan.outputs.{job}) }}}}");
    Map::new().with("fail-fast", false).with("matrix", Map::new().with("run", runs))
}

/// As many jobs as may be needed for `runs`.
fn jobs_of(name: &str, runs: &[Run]) -> Vec<String> {
    (1..=runs.len().div_ceil(MOST_RUNS)).map(|number| format!("{name}-{number}")).collect()
}

fn of_build(build: &Build<'_>) -> Run {
    let value = json!({
        "image": build.target.target_name().to_string(),
        "platform": build.platform,
        "runner": build.runner.labels,
        "arch": build.runner.arch,
        "emulated": build.runner.is_emulated,
        "room": build.needs_room,
        "builder": build.needs_builder,
        "cache": build.target.cache.github,
    });
    Run { id: build.id.clone(), value }
}

fn of_check(check: &Check<'_>) -> Run {
    let value = json!({
        "image": check.name.to_string(),
        "runner": check.runner.labels,
        "arch": check.runner.arch,
        "emulated": check.is_emulated,
        "room": check.needs_room,
    });
    Run { id: check.id.clone(), value }
}
