//! Waiting for a child, and ending it.

use std::fmt;
use std::process::Output;
use std::time::{Duration, Instant};

use super::interrupt;

/// How often a wait looks whether we were interrupted.
const LOOK: Duration = Duration::from_millis(50);
/// How long a child has between being asked to end and being killed. The docker CLI passes the request on to its
/// plug-in, which cancels the build.
const GRACE: Duration = Duration::from_secs(10);

/// Why a child did not come to its own end.
#[derive(Debug)]
pub enum Stopped {
    Interrupted,
    TimedOut(Duration),
    Lost(std::io::Error),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("was interrupted"),
            Self::TimedOut(limit) => write!(f, "did not end within {limit:?}"),
            Self::Lost(error) => write!(f, "was lost: {error}"),
        }
    }
}

impl std::error::Error for Stopped {}

/// Waits for `handle` (of an `unchecked` expression) to end by itself. After `limit`, or when we are interrupted, the
/// child is ended first.
pub fn wait(handle: &duct::Handle, limit: Option<Duration>) -> Result<&Output, Stopped> {
    wait_or(handle, limit, &|| ())
}

/// As [`wait`]; `before_end` is called before the child is ended, for what ends with it but not through it.
pub(super) fn wait_or<'h>(
    handle: &'h duct::Handle,
    limit: Option<Duration>,
    before_end: &dyn Fn(),
) -> Result<&'h Output, Stopped> {
    interrupt::listen();
    let start = Instant::now();
    loop {
        if let Some(output) = handle.wait_timeout(LOOK).map_err(Stopped::Lost)? {
            return Ok(output);
        }
        let stopped = match limit {
            _ if interrupt::interrupted() => Stopped::Interrupted,
            Some(limit) if start.elapsed() >= limit => Stopped::TimedOut(limit),
            _ => continue,
        };
        before_end();
        end(handle);
        return Err(stopped);
    }
}

/// Asks the child to end, and kills it when it does not. Reaps it.
pub fn end(handle: &duct::Handle) {
    #[cfg(unix)]
    {
        use duct::unix::HandleExt;
        // It may have ended since; then there is nothing to ask.
        let _gone = handle.send_signal(signal_hook::consts::SIGTERM);
        if matches!(handle.wait_timeout(GRACE), Ok(Some(_)) | Err(_)) {
            return;
        }
    }
    let _gone = handle.kill();
    // A grandchild may hold the pipes open for ever: the child itself is dead and reaped by now.
    let _output = handle.wait_timeout(GRACE);
}
