//! Several targets by one process, where each is expected to take seconds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::Utf8Path;

use super::{Made, NotMade, Prepared, Start, Workshop, file_name};
use crate::engine::build::{Built, Part, run_together};
use crate::engine::buildx::Build;
use crate::engine::progress::Event;
use crate::engine::{LocalImage, bake};
use crate::execute::{self, Job, Limits, Outcome};
use crate::plan::Step;

/// How many builds that could not be done together run at once. There are up to four such groups.
const APART: usize = 2;

/// A step, and the file for its log.
pub type Logged<'a> = (&'a Step, &'a Utf8Path);
/// A build, and the file for its log.
type Logging<'a> = (&'a Prepared<'a>, &'a Utf8Path);

impl Workshop<'_> {
    /// Whether `step` can be made together with others.
    pub fn shares(&self, step: &Step) -> bool {
        let fresh = self.no_cache && step.named;
        self.builder.is_some_and(|builder| {
            !fresh && bake::shares(step, self.engine, builder, &self.caching)
        })
    }

    /// Makes the images of `steps`, which all [share](Self::shares), and gives what [`make`](Self::make) gives for each.
    /// `sink` gets events with the index of their step.
    ///
    /// Where one of them cannot be built, each is built by itself: then none ends because of another, and each failure is
    /// told as one. Steps that had ended are in BuildKit's cache, and those that took long go on; what has just begun
    /// begins again.
    pub fn make_together(
        &self,
        steps: &[Logged<'_>],
        sink: &(dyn Fn(usize, &Event) + Sync),
    ) -> Vec<Result<Made, NotMade>> {
        let mut results: Vec<Option<Result<Made, NotMade>>> = Vec::new();
        let mut prepared = Vec::new();
        for (index, (step, log)) in steps.iter().enumerate() {
            results.push(match self.prepare(step) {
                Ok(Start::UpToDate(made)) => Some(Ok(made)),
                Err(error) => Some(Err(error.into())),
                Ok(Start::Build(build)) => {
                    prepared.push((index, build, *log));
                    None
                }
            });
        }
        let builds: Vec<Logging<'_>> =
            prepared.iter().map(|(_, build, log)| (&**build, *log)).collect();
        let made = self.build_all(&builds, &|part, event| sink(prepared[part].0, event));
        for ((index, ..), made) in prepared.iter().zip(made) {
            results[*index] = Some(made);
        }
        results.into_iter().map(|result| result.expect("each has been made or not")).collect()
    }

    fn build_all(
        &self,
        builds: &[Logging<'_>],
        sink: &(dyn Fn(usize, &Event) + Sync),
    ) -> Vec<Result<Made, NotMade>> {
        let every: Vec<usize> = (0..builds.len()).collect();
        if builds.len() < 2 || self.apart.load(Ordering::Relaxed) {
            return self.build_each(builds, &every, sink);
        }
        std::thread::scope(|threads| {
            let own = RefCell::new(BTreeMap::new());
            let start = Instant::now();
            let hand_over = |part: usize| {
                let ((build, log), before) = (builds[part], start.elapsed());
                let running = threads
                    .spawn(move || self.build(build, log, &|event| sink(part, event), before));
                own.borrow_mut().insert(part, running);
            };
            let together = self.bake(builds, sink, &hand_over).unwrap_or_default();
            let own = own.into_inner();
            let rest: Vec<usize> =
                every.into_iter().filter(|part| !own.contains_key(part)).collect();
            let made = match together {
                Some(built) => self.settle_all(builds, &rest, built.into_iter().flatten()),
                None => {
                    self.apart.store(true, Ordering::Relaxed);
                    self.build_each(builds, &rest, sink)
                }
            };
            let mut made: BTreeMap<usize, _> = rest.into_iter().zip(made).collect();
            for (part, running) in own {
                let result = running.join();
                made.insert(part, result.unwrap_or_else(|panic| resume_unwind(panic)));
            }
            made.into_values().collect()
        })
    }

    /// What has to be done when these parts of `builds` have ended well.
    fn settle_all(
        &self,
        builds: &[Logging<'_>],
        parts: &[usize],
        built: impl Iterator<Item = Built>,
    ) -> Vec<Result<Made, NotMade>> {
        let builds = parts.iter().map(|part| builds[*part].0);
        let names: Vec<String> = builds.clone().map(|build| build.step.local_name()).collect();
        let images: Vec<anyhow::Result<Option<LocalImage>>> = match self.engine.images(&names) {
            Ok(images) => images.into_iter().map(Ok).collect(),
            // Of one or of all: each is asked for again, and tells its own.
            Err(_) => names.iter().map(|name| self.engine.image(name)).collect(),
        };
        let settled = builds
            .zip(built)
            .zip(images)
            .map(|((build, built), image)| self.settle(build, built, image?));
        settled.collect()
    }

    /// These parts of `builds`, each by a process of its own.
    fn build_each(
        &self,
        builds: &[Logging<'_>],
        parts: &[usize],
        sink: &(dyn Fn(usize, &Event) + Sync),
    ) -> Vec<Result<Made, NotMade>> {
        let jobs = vec![Job::default(); parts.len()];
        let alone = |position: usize| {
            let (build, log) = builds[parts[position]];
            self.build(build, log, &|event| sink(parts[position], event), Duration::ZERO)
        };
        let outcomes = execute::run(&jobs, Limits::new(APART, true), &|| false, &alone, &|_, _| {});
        let result = |outcome| match outcome {
            Outcome::Done(made) => Ok(made),
            Outcome::Failed(failure) => Err(failure),
            Outcome::Blocked { .. } | Outcome::NotStarted => {
                unreachable!("no build needs another, and all are kept going")
            }
        };
        outcomes.into_iter().map(result).collect()
    }

    /// All by one process. Nothing where they could not be built like that.
    fn bake(
        &self,
        prepared: &[Logging<'_>],
        sink: &(dyn Fn(usize, &Event) + Sync),
        hand_over: &dyn Fn(usize),
    ) -> anyhow::Result<Option<Vec<Option<Built>>>> {
        let mut builds: Vec<Build<'_>> =
            prepared.iter().map(|(build, _)| self.build_of(build)).collect::<Result<_, _>>()?;
        let images: BTreeSet<_> = builds.iter().flat_map(Build::engine_images).collect();
        // A target is built once a run: its name is no other group's.
        let name = format!("{}.with-others", file_name(&prepared[0].0.step.name()));
        let policy = self.write_policy(&name, &images)?;
        builds[0].source_policy = policy.as_deref();
        let definition = self.scratch.join(format!("{name}.bake.json"));
        std::fs::write(&definition, bake::definition(&builds))
            .with_context(|| format!("failed to write {definition}"))?;
        let targets: Vec<String> = (0..builds.len()).map(bake::target).collect();
        let parts: Vec<Part<'_>> =
            targets.iter().zip(prepared).map(|(target, (_, log))| Part { target, log }).collect();
        Ok(run_together(&bake::invocation(&builds[0], &definition), &parts, sink, hand_over))
    }
}
