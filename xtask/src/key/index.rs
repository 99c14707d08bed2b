//! Remembers the hashes of files that have not changed, as git's index does, so that a second look reads nothing.
//!
//! Losing the index costs time, never correctness. A file that changed within the clock's resolution of the last look
//! is read again («racy git»).

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

/// What tells a changed file from an unchanged one without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Bytes.
    pub(super) size: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    changed: i128,
    inode: u64,
    device: u64,
}

impl Stat {
    #[cfg(unix)]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds = |time: std::io::Result<SystemTime>| {
            time.ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0))
        };
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.modified()),
            changed: nanoseconds(metadata.created()),
            inode: 0,
            device: 0,
        }
    }

    fn newest(&self) -> i128 {
        self.modified.max(self.changed)
    }
}

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// File systems keep times to two seconds at worst (FAT); a file this young is read again.
const RESOLUTION: Duration = Duration::from_secs(2);
const HEADER: &str = "dockyard index 1";

/// The hashes known from the last run and those of this one.
#[derive(Debug)]
pub(super) struct Index {
    file: Utf8PathBuf,
    known: HashMap<String, (Stat, Hash)>,
    new: Mutex<Vec<(String, Stat, Hash)>>,
    started: i128,
}

impl Index {
    /// Loads the index kept in `file`; an unreadable one is as good as none.
    pub(super) fn load(file: Utf8PathBuf) -> Self {
        let known = fs::read(&file).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Self { file, known, new: Mutex::default(), started: now() }
    }

    /// The hash of the content of `path`, whose `stat` was just taken.
    pub(super) fn hash(&self, path: &Utf8Path, stat: &Stat) -> anyhow::Result<Hash> {
        if let Some((known, hash)) = self.known.get(path.as_str())
            && known == stat
        {
            return Ok(*hash);
        }
        let hash = hash_file(path)?;
        let resolution = i128::try_from(RESOLUTION.as_nanos()).unwrap_or(i128::MAX);
        if stat.newest() + resolution < self.started
            && let Ok(mut new) = self.new.lock()
        {
            new.push((path.as_str().to_owned(), *stat, hash));
        }
        Ok(hash)
    }

    /// Writes what is new, atomically. A failure is no error: the next run reads the files again.
    pub(super) fn save(&mut self) {
        let new = std::mem::take(&mut *match self.new.lock() {
            Ok(new) => new,
            Err(poisoned) => poisoned.into_inner(),
        });
        if new.is_empty() {
            return;
        }
        for (path, stat, hash) in new {
            self.known.insert(path, (stat, hash));
        }
        let mut bytes = Vec::with_capacity(self.known.len() * 160);
        let mut write = || -> std::io::Result<()> {
            writeln!(bytes, "{HEADER}")?;
            for (path, (stat, hash)) in &self.known {
                let Stat { size, modified, changed, inode, device } = stat;
                let hash = hex(hash);
                bytes.write_all(
                    format!("{size} {modified} {changed} {inode} {device} {hash} {path}\0")
                        .as_bytes(),
                )?;
            }
            let folder = self.file.parent().unwrap_or(Utf8Path::new("."));
            fs::create_dir_all(folder)?;
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            temporary.write_all(&bytes)?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        let _lost = write();
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<String, (Stat, Hash)>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
    let mut known = HashMap::with_capacity(text.len() / 160);
    for line in text.split_terminator('\0') {
        let mut parts = line.splitn(7, ' ');
        let stat = Stat {
            size: parts.next()?.parse().ok()?,
            modified: parts.next()?.parse().ok()?,
            changed: parts.next()?.parse().ok()?,
            inode: parts.next()?.parse().ok()?,
            device: parts.next()?.parse().ok()?,
        };
        let hash = from_hex(parts.next()?)?;
        known.insert(parts.next()?.to_owned(), (stat, hash));
    }
    Some(known)
}

fn hash_file(path: &Utf8Path) -> anyhow::Result<Hash> {
    let mut file = fs::File::open(path).with_context(|| format!("failed to open {path}"))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer).with_context(|| format!("failed to read {path}"))? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

pub(super) fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}
