//! The log of a test: what was run, and everything that it said.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

/// How much of what a command said is searched and shown; the log has all of it.
const MOST_BYTES: u64 = 64 << 20;
/// How many of the last lines a failure shows.
const LAST_LINES: usize = 20;

#[derive(Debug)]
pub(super) struct Transcript {
    pub(super) path: Utf8PathBuf,
    /// Every writer appends, so that what different programs say follows each other.
    pub(super) file: File,
}

impl Transcript {
    /// A new log at `path`, in place of an older one.
    pub(super) fn create(path: &Utf8Path) -> anyhow::Result<Self> {
        let create = || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            File::create(path)?;
            File::options().append(true).read(true).open(path)
        };
        let file = create().with_context(|| format!("failed to write the log {path}"))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a line of our own.
    pub(super) fn say(&self, line: &str) {
        // A test is not given up for its log.
        let _lost = writeln!(&self.file, "{line}");
    }

    pub(super) fn mark(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// What was said since `mark`.
    pub(super) fn since(&self, mark: u64) -> String {
        let mut bytes = Vec::new();
        let read = || -> std::io::Result<usize> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(mark))?;
            file.take(MOST_BYTES).read_to_end(&mut bytes)
        };
        let _as_far_as_it_can_be_read = { read }();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The last lines that say something.
pub(super) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines[from..].iter().map(|line| (*line).to_owned()).collect()
}
