//! Why a command did not do what it was asked, in its own words.

use std::fmt;

use super::child::Stopped;

/// How many of the last lines of stderr an error repeats.
const LAST_LINES: usize = 8;

/// A command that did not do what it was asked. Completes «failed to …: ».
#[derive(Debug)]
pub struct Failure {
    pub command: String,
    pub why: Why,
    /// The last lines that it wrote to stderr.
    pub stderr: String,
}

#[derive(Debug)]
pub enum Why {
    NotStarted(std::io::Error),
    /// `None`: ended by a signal.
    Status(Option<i32>),
    Stopped(Stopped),
}

impl Failure {
    /// The last line that the program wrote, its own word for what went wrong.
    pub fn last_line(&self) -> Option<&str> {
        self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())
    }

    pub fn is_timeout(&self) -> bool {
        matches!(self.why, Why::Stopped(Stopped::TimedOut(_)))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "could not be started: {error}"),
            Self::Status(Some(status)) => write!(f, "ended with status {status}"),
            Self::Status(None) => f.write_str("was killed by a signal"),
            Self::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.command, self.why)?;
        for line in self.stderr.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The last lines that say something.
pub(super) fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
