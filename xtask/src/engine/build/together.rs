//! Several builds in one process, from start to end: `docker buildx bake` runs, and each build has its own events and
//! log.

use std::time::Instant;

use camino::Utf8Path;

use super::super::progress::{Event, ProgressOfMany};
use super::super::{Invocation, interrupt};
use super::log::Log;
use super::tally::Tally;
use super::{Built, attend};

/// One of the builds.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// As bake calls it.
    pub target: &'a str,
    pub log: &'a Utf8Path,
}

/// Runs `invocation`, a `docker buildx bake --progress=rawjson …` of the targets of `parts`, to its end. `sink` gets every
/// event with the index of its part.
///
/// Nothing where not all of them were built: which of them failed, and why, is only said well by a build of its own.
/// What was built until then is in BuildKit's cache.
pub fn run_together(
    invocation: &Invocation,
    parts: &[Part<'_>],
    sink: &(dyn Fn(usize, &Event) + Sync),
) -> Option<Vec<Built>> {
    interrupt::listen();
    if interrupt::interrupted() {
        return None;
    }
    let mut builds = Vec::with_capacity(parts.len());
    for part in parts {
        let (log, now) = (Log::create(part.log, invocation).ok()?, Instant::now());
        builds.push((log, Tally::default(), now, now));
    }
    let mut pass_on = |index: usize, event: Event| {
        let (log, tally, _, last) = &mut builds[index];
        log.event(&event);
        sink(index, &event);
        tally.take(event);
        *last = Instant::now();
    };
    let mut progress = ProgressOfMany::new(parts.iter().map(|part| part.target));
    let status = attend(invocation, |bytes| progress.feed(bytes, &mut pass_on)).ok()?;
    progress.finish(&mut pass_on);
    if !status.is_ok_and(|status| status.success()) {
        return None;
    }
    let built = builds.into_iter().zip(parts).map(|((mut log, tally, first, last), part)| {
        let time = last.duration_since(first);
        log.end(&format!("built together with others, after {:.1} s", time.as_secs_f64()));
        tally.into_built(time, part.log.to_owned(), log)
    });
    Some(built.collect())
}
