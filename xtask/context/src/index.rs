//! Remembers the hashes of files that have not changed, as git's index does, so that a second look reads nothing.
//!
//! Losing the index costs time, never correctness. A file that changed within the clock's resolution of the last look
//! is read again («racy git»). The file is a sorted table of fixed rows, so that loading it parses nothing.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

/// What tells a changed file from an unchanged one without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stat {
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    changed: i64,
    inode: u64,
    device: u64,
}

impl Stat {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds = |time: std::io::Result<SystemTime>| {
            time.ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
        };
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.modified()),
            changed: nanoseconds(metadata.created()),
            inode: 0,
            device: 0,
        }
    }

    fn newest(&self) -> i64 {
        self.modified.max(self.changed)
    }

    fn write(&self, row: &mut Vec<u8>) {
        row.extend(self.size.to_le_bytes());
        row.extend(self.modified.to_le_bytes());
        row.extend(self.changed.to_le_bytes());
        row.extend(self.inode.to_le_bytes());
        row.extend(self.device.to_le_bytes());
    }
}

/// A number that changes when the file at `path`, or a link there, is written or replaced, even to be put back: over sizes,
/// times and inodes. Of what is not there, always the same.
pub fn stamp(path: &Utf8Path) -> u64 {
    let stat = |metadata: std::io::Result<fs::Metadata>| metadata.ok().as_ref().map(Stat::of);
    let mut hasher = DefaultHasher::new();
    (stat(fs::symlink_metadata(path)), stat(fs::metadata(path))).hash(&mut hasher);
    hasher.finish()
}

/// A SHA-256.
pub type Hash = [u8; 32];

/// File systems keep times to two seconds at worst (FAT); a file this young is read again.
const RESOLUTION: Duration = Duration::from_secs(2);
const HEADER: &[u8] = b"dockyard index 2";
/// A row: 8 bytes of the path's fingerprint, 40 of the stat, 32 of the hash.
const ROW: usize = 8 + STAT + 32;
const STAT: usize = 40;

type Row = [u8; ROW];

/// The hashes known from the last run and those of this one.
#[derive(Debug)]
pub struct Index {
    file: Utf8PathBuf,
    /// Sorted.
    known: Vec<Row>,
    new: Mutex<Vec<Row>>,
    started: i64,
}

impl Index {
    /// Loads the index kept in `file`; an unreadable one is as good as none.
    pub fn load(file: Utf8PathBuf) -> Self {
        let known = fs::File::open(&file).ok().and_then(rows).unwrap_or_default();
        Self { file, known, new: Mutex::default(), started: now() }
    }

    /// The hash of the content of `path`, whose `stat` was just taken.
    pub(crate) fn hash(&self, path: &Utf8Path, stat: &Stat) -> anyhow::Result<Hash> {
        let mut row = Vec::with_capacity(ROW);
        row.extend(fingerprint(path).to_be_bytes());
        stat.write(&mut row);
        if let Some(hash) = self.find(&row) {
            return Ok(hash);
        }
        let hash = hash_file(path)?;
        let resolution = i64::try_from(RESOLUTION.as_nanos()).unwrap_or(i64::MAX);
        if stat.newest().saturating_add(resolution) < self.started
            && let Ok(mut new) = self.new.lock()
        {
            row.extend(hash);
            new.extend(Row::try_from(row));
        }
        Ok(hash)
    }

    /// The hash of the row that begins with `start`. Fingerprints are evenly spread, so a row lies close to where its
    /// own says.
    fn find(&self, start: &[u8]) -> Option<Hash> {
        let known = &self.known;
        let first = u64::from_be_bytes(start.first_chunk().copied()?);
        let guess = (u128::from(first) * known.len() as u128) >> 64;
        let guess = usize::try_from(guess).ok()?;
        let is_before = |row: &Row| row[..start.len()] < *start;
        let (mut low, mut high, mut step) = (guess, guess, 4);
        while low > 0 && !is_before(&known[low - 1]) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 4;
        while high < known.len() && is_before(&known[high]) {
            high = (high + step).min(known.len());
            step *= 2;
        }
        let at = low + known[low..high].partition_point(is_before);
        known.get(at)?.strip_prefix(start)?.try_into().ok()
    }

    /// Writes what is new, atomically. A failure is no error: the next run reads the files again.
    pub fn save(&mut self) {
        let mut new = std::mem::take(&mut *match self.new.lock() {
            Ok(new) => new,
            Err(poisoned) => poisoned.into_inner(),
        });
        if new.is_empty() {
            return;
        }
        // One row a path: the newest.
        new.sort_unstable();
        self.known.retain(|known| {
            let at = new.partition_point(|row| row[..8] < known[..8]);
            new.get(at).is_none_or(|row| row[..8] != known[..8])
        });
        self.known.extend(new);
        self.known.sort_unstable();
        let write = || -> std::io::Result<()> {
            let folder = self.file.parent().unwrap_or(Utf8Path::new("."));
            fs::create_dir_all(folder)?;
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            temporary.write_all(HEADER)?;
            temporary.write_all(self.known.as_flattened())?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        let _lost = write();
    }
}

fn rows(mut file: fs::File) -> Option<Vec<Row>> {
    let size = usize::try_from(file.metadata().ok()?.len()).ok()?.checked_sub(HEADER.len())?;
    let mut header = [0; HEADER.len()];
    file.read_exact(&mut header).ok()?;
    if header != HEADER || size % ROW != 0 {
        return None;
    }
    let mut rows = vec![[0; ROW]; size / ROW];
    file.read_exact(rows.as_flattened_mut()).ok()?;
    // A table that somebody else wrote out of order would hide rows, and nothing worse.
    Some(rows)
}

/// Of a path, so that rows have one length. Two paths with one fingerprint would still need equal inodes, sizes and times.
fn fingerprint(path: &Utf8Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.as_str().hash(&mut hasher);
    hasher.finish()
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

/// In hexadecimal digits.
pub fn hex(hash: &Hash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose content was changed behind the same size and times is not seen, an index that fails to see more is
    /// a bug: an old file is read once, a young one always.
    #[test]
    fn old_files_are_read_once_and_young_ones_always() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let file = root.join("file");
        fs::write(&file, "one").unwrap();
        let stat = Stat::of(&fs::metadata(&file).unwrap());
        let one = Index::load(root.join("index")).hash(&file, &stat).unwrap();
        assert_eq!(hex(&one), hex(&Sha256::digest("one").into()));

        let mut young = Index::load(root.join("index"));
        young.hash(&file, &stat).unwrap();
        young.save();
        fs::write(&file, "two").unwrap();
        let two = Index::load(root.join("index")).hash(&file, &stat).unwrap();
        assert_ne!(two, one, "the file was as young as the look at it");

        let mut later = Index::load(root.join("index"));
        later.started += 10_000_000_000;
        later.hash(&file, &stat).unwrap();
        later.save();
        fs::write(&file, "six").unwrap();
        assert_eq!(Index::load(root.join("index")).hash(&file, &stat).unwrap(), two);
        let other = Stat { changed: stat.changed + 1, ..stat };
        assert_ne!(Index::load(root.join("index")).hash(&file, &other).unwrap(), two);
    }

    #[test]
    fn a_row_is_found_wherever_it_lies() {
        for lengths in [0, 1, 2, 7, 300] {
            let row = |first: u64| {
                let mut row = [0; ROW];
                row[..8].copy_from_slice(&first.to_be_bytes());
                row[ROW - 8..].copy_from_slice(&first.to_le_bytes());
                row
            };
            // Evenly spread, and all in one corner.
            for spread in [u64::MAX / 301, 1] {
                let known: Vec<Row> = (0..lengths).map(|number| row(number * spread)).collect();
                let index = Index {
                    file: Utf8PathBuf::new(),
                    known: known.clone(),
                    new: Mutex::default(),
                    started: 0,
                };
                for row in &known {
                    assert_eq!(index.find(&row[..8 + STAT]).unwrap(), row[8 + STAT..]);
                }
                for absent in [lengths * spread, u64::MAX - 1] {
                    assert_eq!(index.find(&row(absent)[..8 + STAT]), None);
                }
            }
        }
    }
}
