//! One build from start to end: `docker buildx build` runs, its events are passed on, and its log is written.
//!
//! Which command that is, and what its result means for the graph, is decided elsewhere. Called by `command` as the
//! work of a job.

mod failure;
mod log;
mod tally;
mod together;

use std::io::Read;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

pub use failure::{BuildFailure, Cause, Excerpt};
pub use together::{NotAll, Part, Told, run_together};

use super::child::Stopped;
use super::progress::{Event, Progress, Warning};
use super::{Invocation, child, interrupt};
use log::Log;
use tally::Tally;

/// How often it is looked whether we were interrupted.
const LOOK: Duration = Duration::from_millis(50);
/// How long the output may stay open after the docker CLI has ended: its plug-in holds it.
const PLUGIN_GRACE: Duration = Duration::from_secs(3);

/// What a build that succeeded was like.
#[derive(Debug)]
pub struct Built {
    pub time: Duration,
    /// Instructions that were run. `FROM` and BuildKit's own steps do not count.
    pub steps_run: usize,
    /// Instructions whose result was in the cache.
    pub steps_cached: usize,
    /// Each once.
    pub warnings: Vec<Warning>,
    /// Why caches beyond the builder's own were not written.
    pub cache_troubles: Vec<String>,
    pub log: Utf8PathBuf,
    /// Why the log ends early, where it does: a build is not given up for its log.
    pub log_error: Option<std::io::Error>,
}

/// Runs `invocation`, a `docker buildx build --progress=rawjson …`, to its end; `sink` gets every event as it happens,
/// and the file `log` gets the whole log in words.
///
/// When we are [interrupted](super::interrupt), the build is ended, its processes are waited for, and
/// [`Cause::Interrupted`] is the error.
pub fn run_build(
    invocation: &Invocation,
    log: &Utf8Path,
    sink: &(dyn Fn(&Event) + Sync),
) -> Result<Built, Box<BuildFailure>> {
    let start = Instant::now();
    interrupt::listen();
    let fails = |cause| Box::new(BuildFailure::before_start(cause, log.to_owned()));
    if interrupt::interrupted() {
        return Err(fails(Cause::Interrupted));
    }
    let mut log_file =
        Log::create(log, invocation).map_err(|error| fails(Cause::no_log(log, &error)))?;
    let mut tally = Tally::default();
    let mut pass_on = |event: Event| {
        log_file.event(&event);
        sink(&event);
        tally.take(event);
    };
    let mut progress = Progress::default();
    let feed = |bytes: &[u8]| {
        progress.feed(bytes, &mut pass_on);
        true
    };
    let status =
        attend(invocation, feed).map_err(|error| fails(Cause::no_program(invocation, &error)))?;
    progress.finish(&mut pass_on);

    let time = start.elapsed();
    match &status {
        Ok(status) => log_file.end(&format!("{status} after {:.1} s", time.as_secs_f64())),
        Err(stopped) => log_file.end(&format!("{stopped} after {:.1} s", time.as_secs_f64())),
    }
    match status {
        Ok(status) if status.success() => Ok(tally.into_built(time, log.to_owned(), log_file)),
        status => Err(Box::new(tally.into_failure(&status, time, log.to_owned()))),
    }
}

/// Runs a build to its end, and feeds what it writes as it comes, and nothing at times when nothing comes; when `feed`
/// wants no more, it is ended.
///
/// # Errors
/// When it cannot be started.
fn attend(
    invocation: &Invocation,
    feed: impl FnMut(&[u8]) -> bool,
) -> std::io::Result<Result<ExitStatus, Stopped>> {
    let (handle, chunks) = start_child(invocation)?;
    let guard = EndOnPanic(&handle);
    follow(&handle, &chunks, feed);
    let status = child::wait(&handle, None).map(|output| output.status);
    drop(guard);
    Ok(status)
}

/// Starts the child with stdout and stderr as one pipe, and reads that pipe on a thread of its own: a child that is
/// asked to end must not wait for us to read.
fn start_child(invocation: &Invocation) -> std::io::Result<(duct::Handle, Receiver<Vec<u8>>)> {
    let (mut reader, writer) = std::io::pipe()?;
    let handle = invocation.duct().stdout_to_stderr().stderr_file(writer).start()?;
    let (send, chunks) = mpsc::channel();
    // Not joined: a process that outlives the CLI could hold the pipe open for ever.
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    Ok((handle, chunks))
}

/// Feeds what the child writes, or nothing for a while, until nobody can write any more, and ends the child when we are
/// interrupted, or when `feed` wants no more.
fn follow(handle: &duct::Handle, chunks: &Receiver<Vec<u8>>, mut feed: impl FnMut(&[u8]) -> bool) {
    let (mut asked_to_end, mut wanted) = (false, true);
    let mut gone_since = None;
    loop {
        if (interrupt::interrupted() || !wanted) && !asked_to_end {
            child::end(handle);
            asked_to_end = true;
        }
        match chunks.recv_timeout(LOOK) {
            Ok(chunk) => wanted &= feed(&chunk),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) if matches!(handle.try_wait(), Ok(None)) => {
                wanted &= feed(&[]);
            }
            Err(RecvTimeoutError::Timeout) => {
                if gone_since.get_or_insert_with(Instant::now).elapsed() >= PLUGIN_GRACE {
                    return;
                }
            }
        }
    }
}

/// A sink that panics must not leave a build behind.
struct EndOnPanic<'a>(&'a duct::Handle);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            child::end(self.0);
        }
    }
}
