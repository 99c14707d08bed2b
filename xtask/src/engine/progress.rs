//! What is a build doing? The bytes of `docker buildx build --progress=rawjson` become events.
//!
//! Nothing is lost: what is not a progress value (`ERROR: failed to solve: …`, warnings of the CLI, garbage) is an
//! [`Event::Text`]. Reads no clock: every time is the engine's. Called by [`run_build`](super::build::run_build).

mod base64;
mod lines;
mod many;
mod step;
mod stream;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use lines::printable;
pub use many::ProgressOfMany;
pub use step::Step;

use lines::Lines;
use stream::{Piece, Stream};

/// One thing that happened in a build.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A step began to run. BuildKit may run one again after it finished; it then starts and finishes twice.
    Started(Arc<Step>),
    Finished {
        step: Arc<Step>,
        /// Taken from the cache instead of run.
        cached: bool,
        /// BuildKit's word for what went wrong; [`CANCELED`] in it where another step's failure ended this one.
        error: Option<String>,
        seconds: f64,
    },
    /// One whole line of a step's output, without its end, escape codes and control characters.
    Log {
        step: Arc<Step>,
        output: Output,
        /// Since the step's start.
        seconds: f64,
        text: String,
    },
    /// What BuildKit's linter found.
    Warning(Warning),
    /// A part of a step with a count of its own: a layer that is fetched, a context that is sent.
    Transfer {
        step: Arc<Step>,
        id: String,
        /// Bytes, mostly.
        current: u64,
        /// Where it is known.
        total: Option<u64>,
        done: bool,
    },
    /// A line that is not progress.
    Text(String),
}

impl Event {
    /// Whether a step has failed by itself. A cache that cannot be moved is no failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Finished { step, error: Some(error), .. }
            if !step.moves_cache() && !error.contains(CANCELED))
    }
}

/// What BuildKit says of a step that ended because another one failed or the build was stopped.
pub const CANCELED: &str = "context canceled";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    Stdout,
    Stderr,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    pub short: String,
    pub detail: Vec<String>,
    /// As the builder knows it: the Dockerfile's file name, without its folder.
    pub file: Option<String>,
    pub line: Option<u32>,
    pub url: Option<String>,
}

/// Reads one build's progress.
#[derive(Debug, Default)]
pub struct Progress {
    stream: Stream,
    vertexes: BTreeMap<String, Known>,
    numbered: usize,
}

/// What is known of a vertex, BuildKit's node of the build graph: a step, once it started.
#[derive(Debug, Default)]
struct Known {
    name: String,
    step: Option<Arc<Step>>,
    started: Option<Timestamp>,
    running: bool,
    /// What earlier runs of the step took.
    seconds_before: f64,
    stdout: Lines,
    stderr: Lines,
}

impl Progress {
    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(Event)) {
        self.stream.feed(bytes);
        while let Some(piece) = self.stream.next_piece() {
            self.piece(piece, emit);
        }
    }

    /// The stream has ended: what is incomplete comes out as it is.
    pub fn finish(mut self, emit: &mut dyn FnMut(Event)) {
        while let Some(piece) = self.stream.last_piece() {
            self.piece(piece, emit);
        }
        for known in self.vertexes.values_mut() {
            known.rest_of_lines(emit);
        }
    }

    fn piece(&mut self, piece: Piece, emit: &mut dyn FnMut(Event)) {
        let update = match piece {
            Piece::Text(text) => return emit(Event::Text(text)),
            Piece::Update(update) => update,
        };
        // What a step said before it ended may stand in the same update as its end, behind it.
        let vertexes = update.vertexes.unwrap_or_default();
        let mut ends = Vec::new();
        for (index, vertex) in vertexes.iter().enumerate() {
            self.start(vertex, emit);
            if vertexes[index + 1..].iter().any(|later| later.digest == vertex.digest) {
                self.end(vertex, emit);
            } else {
                ends.push(vertex);
            }
        }
        for status in update.statuses.into_iter().flatten() {
            let (_, step) = self.known(&status.vertex);
            emit(Event::Transfer {
                step,
                id: status.id,
                current: status.current.max(0).unsigned_abs(),
                total: status
                    .total
                    .and_then(|total| u64::try_from(total).ok())
                    .filter(|total| *total > 0),
                done: status.completed.is_some(),
            });
        }
        for log in update.logs.into_iter().flatten() {
            self.log(&log, emit);
        }
        for warning in update.warnings.into_iter().flatten() {
            emit(Event::Warning(warning.into()));
        }
        for vertex in ends {
            self.end(vertex, emit);
        }
    }

    fn start(&mut self, vertex: &wire::Vertex, emit: &mut dyn FnMut(Event)) {
        let known = self.vertexes.entry(vertex.digest.clone()).or_default();
        if !vertex.name.is_empty() {
            known.name.clone_from(&vertex.name);
        }
        let Some(started) = vertex.start() else { return };
        let (known, step) = self.known(&vertex.digest);
        // The same run is reported several times: only a new start is news.
        if !known.running && known.started != Some(started) {
            known.running = true;
            known.started = Some(started);
            emit(Event::Started(step));
        }
    }

    fn end(&mut self, vertex: &wire::Vertex, emit: &mut dyn FnMut(Event)) {
        let (Some(started), Some(completed)) = (vertex.start(), vertex.end()) else { return };
        let (known, step) = self.known(&vertex.digest);
        if known.running {
            known.running = false;
            known.rest_of_lines(emit);
            known.seconds_before += between(started, completed);
            let error = Some(vertex.error.clone()).filter(|error| !error.is_empty());
            emit(Event::Finished {
                step,
                cached: vertex.cached,
                error,
                seconds: known.seconds_before,
            });
        }
    }

    fn log(&mut self, log: &wire::Log, emit: &mut dyn FnMut(Event)) {
        let (known, step) = self.known(&log.vertex);
        let seconds = match (known.started, wire::time(log.timestamp.as_deref())) {
            (Some(started), Some(now)) => known.seconds_before + between(started, now),
            _ => 0.0,
        };
        let output = if log.stream == 2 { Output::Stderr } else { Output::Stdout };
        let lines = if output == Output::Stderr { &mut known.stderr } else { &mut known.stdout };
        // What is not base64 is shown as it came.
        let data = base64::decode(&log.data).unwrap_or_else(|| log.data.clone().into_bytes());
        lines.feed(&data, seconds, &mut |seconds, text| {
            emit(Event::Log { step: Arc::clone(&step), output, seconds, text });
        });
    }

    /// The vertex and its step, which gets its number at the first mention.
    fn known(&mut self, digest: &str) -> (&mut Known, Arc<Step>) {
        let known = self.vertexes.entry(digest.to_owned()).or_default();
        let numbered = &mut self.numbered;
        let step = known.step.get_or_insert_with(|| {
            *numbered += 1;
            let name = if known.name.is_empty() { digest } else { &known.name };
            Arc::new(Step { number: *numbered, digest: digest.to_owned(), name: name.to_owned() })
        });
        let step = Arc::clone(step);
        (known, step)
    }
}

impl Known {
    fn rest_of_lines(&mut self, emit: &mut dyn FnMut(Event)) {
        let Some(step) = &self.step else { return };
        for (lines, output) in
            [(&mut self.stdout, Output::Stdout), (&mut self.stderr, Output::Stderr)]
        {
            lines.finish(&mut |seconds, text| {
                emit(Event::Log { step: Arc::clone(step), output, seconds, text });
            });
        }
    }
}

fn between(start: Timestamp, end: Timestamp) -> f64 {
    start.duration_until(end).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests;
