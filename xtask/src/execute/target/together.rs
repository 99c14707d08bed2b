//! Several targets by one process, where each is expected to take seconds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::Utf8Path;

use super::parents::Looked;
use super::{Made, NotMade, Prepared, Start, Workshop, file_name};
use crate::engine::build::{Built, NotAll, Part, Told, run_together};
use crate::engine::buildx::Build;
use crate::engine::progress::Event;
use crate::engine::{Invocation, bake};
use crate::execute::{self, Done, Job, Limits};
use crate::plan::Step;

/// How many builds that could not be done together run at once.
const APART: usize = 4;

/// A step, and the file for its log.
pub type Logged<'a> = (&'a Step, &'a Utf8Path);
/// A build, and the file for its log.
type Logging<'a> = (&'a Prepared<'a>, &'a Utf8Path);

impl Workshop<'_> {
    /// Whether `step` can be made together with others.
    pub fn shares(&self, step: &Step) -> bool {
        let fresh = self.no_cache && step.named;
        self.builder.is_some_and(|builder| {
            !fresh && bake::shares(step, self.root, self.engine, builder, &self.caching)
        })
    }

    /// Makes the images of `steps`, which all [share](Self::shares), and tells what [`make`](Self::make) gives for each when
    /// it has ended. `sink` gets events. Both with the index of the step.
    ///
    /// Where one of them cannot be built, each is built by itself: then none ends because of another, and each failure is
    /// told as one. Steps that had ended are in BuildKit's cache, and those that took long go on; what has just begun
    /// begins again. Without `keep_going`, what has not begun again when one fails is not told of.
    pub fn make_together(
        &self,
        steps: &[Logged<'_>],
        keep_going: bool,
        sink: &(dyn Fn(usize, &Event) + Sync),
        done: Done<'_, Made, NotMade>,
    ) {
        let mut prepared = Vec::new();
        for (index, (step, log)) in steps.iter().enumerate() {
            match self.prepare(step) {
                Ok(Start::UpToDate(made)) => done(vec![(index, Ok(made))]),
                Err(error) => done(vec![(index, Err(error.into()))]),
                Ok(Start::Build(build)) => prepared.push((index, build, *log)),
            }
        }
        let builds: Vec<Logging<'_>> =
            prepared.iter().map(|(_, build, log)| (&**build, *log)).collect();
        let sink = |part: usize, event: &Event| sink(prepared[part].0, event);
        let done = |results: Vec<(usize, Result<Made, NotMade>)>| {
            done(results.into_iter().map(|(part, made)| (prepared[part].0, made)).collect());
        };
        self.build_all(&builds, keep_going, &sink, &done);
    }

    fn build_all(
        &self,
        builds: &[Logging<'_>],
        keep_going: bool,
        sink: &(dyn Fn(usize, &Event) + Sync),
        done: Done<'_, Made, NotMade>,
    ) {
        if builds.len() < 2 || self.apart.load(Ordering::Relaxed) {
            return self.build_each(builds, keep_going, sink, done);
        }
        std::thread::scope(|threads| {
            let rest = RefCell::new((0..builds.len()).collect::<BTreeSet<usize>>());
            let start = Instant::now();
            let handed_over = RefCell::new(BTreeMap::new());
            let tell = |told| match told {
                Told::Built(built) => {
                    rest.borrow_mut().retain(|part| built.iter().all(|(own, _)| own != part));
                    threads.spawn(|| self.settle_all(builds, built, done));
                }
                Told::HandOver(part) => {
                    rest.borrow_mut().remove(&part);
                    let ((build, log), before) = (builds[part], start.elapsed());
                    let own = threads.spawn(move || {
                        let made = self.build(build, log, &|event| sink(part, event), before);
                        let is_made = made.is_ok();
                        done(vec![(part, made)]);
                        is_made
                    });
                    handed_over.borrow_mut().insert(part, own);
                }
            };
            let together = self.bake(builds, sink, &tell);
            let mut rest: Vec<usize> = rest.take().into_iter().collect();
            if let Err(not_all) = together {
                // One whose own build goes on says nothing about the others, unless that fails, too.
                let own = not_all.failed.and_then(|part| handed_over.take().remove(&part));
                if let Some(own) = own {
                    if own.join().unwrap_or(false) || keep_going {
                        self.build_rest(builds, &rest, keep_going, sink, done);
                    }
                    return;
                }
                self.apart.store(true, Ordering::Relaxed);
                // What is known to fail is told first.
                rest.sort_by_key(|part| Some(*part) != not_all.failed);
                let note = not_all.note();
                let done = |mut results: Vec<(usize, Result<Made, NotMade>)>| {
                    for (part, made) in &mut results {
                        if let (Ok(made), true) = (made, Some(&*part) == rest.first()) {
                            made.notes.extend(note.clone());
                        }
                    }
                    done(results);
                };
                self.build_rest(builds, &rest, keep_going, sink, &done);
            }
        });
    }

    /// These parts of `builds`, together once more unless that is over.
    fn build_rest(
        &self,
        builds: &[Logging<'_>],
        parts: &[usize],
        keep_going: bool,
        sink: &(dyn Fn(usize, &Event) + Sync),
        done: Done<'_, Made, NotMade>,
    ) {
        let rest: Vec<Logging<'_>> = parts.iter().map(|part| builds[*part]).collect();
        let sink = |part: usize, event: &Event| sink(parts[part], event);
        let done = |results: Vec<(usize, Result<Made, NotMade>)>| {
            done(results.into_iter().map(|(part, made)| (parts[part], made)).collect());
        };
        self.build_all(&rest, keep_going, &sink, &done);
    }

    /// What has to be done when these parts of `builds` have ended well.
    fn settle_all(
        &self,
        builds: &[Logging<'_>],
        built: Vec<(usize, Built)>,
        done: Done<'_, Made, NotMade>,
    ) {
        let names: Vec<String> =
            built.iter().map(|(part, _)| builds[*part].0.step.local_name()).collect();
        let looked = Looked::new(self, built.iter().map(|(part, _)| builds[*part].0));
        let settled = built.into_iter().zip(self.engine.all_stored(&names));
        let settled = settled.map(|((part, built), image)| {
            let settle = || self.settle(builds[part].0, built, image?, &looked);
            (part, settle())
        });
        done(settled.collect());
    }

    /// Each by a process of its own.
    fn build_each(
        &self,
        builds: &[Logging<'_>],
        keep_going: bool,
        sink: &(dyn Fn(usize, &Event) + Sync),
        done: Done<'_, Made, NotMade>,
    ) {
        let jobs = vec![Job::default(); builds.len()];
        let alone = |part: usize| {
            let (build, log) = builds[part];
            let made = self.build(build, log, &|event| sink(part, event), Duration::ZERO);
            let outcome = if made.is_ok() { Ok(()) } else { Err(()) };
            done(vec![(part, made)]);
            outcome
        };
        execute::run(&jobs, Limits::new(APART, keep_going), &|| false, &alone, &|_, _| {});
    }

    /// All by one process, as [`run_together`] does it.
    fn bake(
        &self,
        prepared: &[Logging<'_>],
        sink: &(dyn Fn(usize, &Event) + Sync),
        tell: &dyn Fn(Told),
    ) -> Result<(), NotAll> {
        let (invocation, targets) = self
            .bake_of(prepared)
            .map_err(|error| NotAll { failed: None, text: vec![format!("{error:#}")] })?;
        let parts: Vec<Part<'_>> =
            targets.iter().zip(prepared).map(|(target, (_, log))| Part { target, log }).collect();
        run_together(&invocation, &parts, sink, tell)
    }

    /// The command, and what it calls each of the builds.
    fn bake_of(&self, prepared: &[Logging<'_>]) -> anyhow::Result<(Invocation, Vec<String>)> {
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
        let targets = (0..builds.len()).map(bake::target).collect();
        Ok((bake::invocation(&builds[0], &definition), targets))
    }
}
