//! Several builds in one process, from start to end: `docker buildx bake` runs, and each build has its own events and
//! log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::super::progress::{Event, ProgressOfMany};
use super::super::{Invocation, interrupt};
use super::log::Log;
use super::tally::Tally;
use super::{Built, attend};

/// An instruction that runs longer than this has cost too much to be ended because another build of the process fails.
const LONG: Duration = Duration::from_secs(15);

/// How long a build of its own may take until BuildKit runs the step for it, too.
const JOINED: Duration = Duration::from_secs(10);

/// One of the builds.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// As bake calls it.
    pub target: &'a str,
    pub log: &'a Utf8Path,
}

/// What is known of a part while it is built.
struct Running {
    log: Log,
    tally: Tally,
    /// The instructions that run, by the number of their step. Contexts that are sent and images that are exported are no
    /// such: a second client would do that once more.
    instructions: BTreeMap<usize, Instant>,
    begun: Instant,
    last: Instant,
    /// When it was handed over: somebody else writes its log since, and tells of it.
    handed_over: Option<Instant>,
    /// Whether its image is in the engine.
    exported: bool,
}

impl Running {
    fn new(log: Log) -> Self {
        let now = Instant::now();
        let (tally, instructions) = (Tally::default(), BTreeMap::new());
        let (handed_over, exported) = (None, false);
        Self { log, tally, instructions, begun: now, last: now, handed_over, exported }
    }

    fn event(&mut self, event: Event) {
        self.last = Instant::now();
        match &event {
            Event::Started(step) if step.position().is_some() => {
                self.instructions.insert(step.number, self.last);
            }
            Event::Finished { step, error, .. } => {
                self.instructions.remove(&step.number);
                self.exported |= error.is_none() && step.name.starts_with("exporting to image");
            }
            _ => {}
        }
        self.log.event(&event);
        self.tally.take(event);
    }

    fn takes_long(&self) -> bool {
        self.handed_over.is_none()
            && self.instructions.values().any(|started| started.elapsed() > LONG)
    }

    /// Whether the process is no longer needed for it.
    fn is_done(&self) -> bool {
        self.handed_over.map_or(self.exported, |since| since.elapsed() > JOINED)
    }
}

/// Runs `invocation`, a `docker buildx bake --progress=rawjson …` of the targets of `parts`, to its end. `sink` gets every
/// event with the index of its part.
///
/// The index of a part of which a step takes long is given to `hand_over`, once, which starts a build of its own. BuildKit
/// then runs that step for both, and goes on when one of them is ended. Nothing more is told of such a part, and it has no
/// result here.
///
/// Ends when all that was not handed over is built.
///
/// # Errors
/// Where not all of them were built, the one that failed, as far as that is known. Why, is only said well by a build of its
/// own. What was built until then is in BuildKit's cache.
pub fn run_together(
    invocation: &Invocation,
    parts: &[Part<'_>],
    sink: &(dyn Fn(usize, &Event) + Sync),
    hand_over: &dyn Fn(usize),
) -> Result<Vec<Option<Built>>, Option<usize>> {
    interrupt::listen();
    if interrupt::interrupted() {
        return Err(None);
    }
    let mut builds = Vec::with_capacity(parts.len());
    for part in parts {
        builds.push(Running::new(Log::create(part.log, invocation).map_err(|_| None)?));
    }
    let pass_on = |builds: &mut Vec<Running>, index: usize, event: Event| {
        let build = &mut builds[index];
        if build.handed_over.is_none() {
            sink(index, &event);
            build.event(event);
        }
    };
    let mut progress = ProgressOfMany::new(parts.iter().map(|part| part.target));
    let feed = |bytes: &[u8]| {
        progress.feed(bytes, &mut |index, event| pass_on(&mut builds, index, event));
        for (index, build) in builds.iter_mut().enumerate() {
            if build.takes_long() {
                build.handed_over = Some(Instant::now());
                hand_over(index);
            }
        }
        !(builds.iter().any(|build| build.handed_over.is_some())
            && builds.iter().all(Running::is_done))
    };
    let status = attend(invocation, feed).map_err(|_| None)?;
    progress.finish(&mut |index, event| pass_on(&mut builds, index, event));
    let succeeded =
        status.is_ok_and(|status| status.success()) || builds.iter().all(Running::is_done);
    if !succeeded || interrupt::interrupted() {
        return Err(builds.iter().position(|build| build.tally.has_failed()));
    }
    let built = builds.into_iter().zip(parts).map(|(mut build, part)| {
        let time = build.last.duration_since(build.begun);
        build.handed_over.is_none().then(|| {
            build
                .log
                .end(&format!("built together with others, after {:.1} s", time.as_secs_f64()));
            build.tally.into_built(time, part.log.to_owned(), build.log)
        })
    });
    Ok(built.collect())
}
