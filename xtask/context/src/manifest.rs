//! The paths that an instruction reads, one line each, and their hash.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::context::{Context, Entry, Found};
use crate::index::{Hash, Index, hex};
use crate::selection::{self, Selection};
use crate::tree::{File, Kind, Symlink};

/// What one instruction reads, hashed. Its lines are not kept: they are made again from the files as they were seen.
#[derive(Clone, Debug)]
pub struct Manifest {
    hash: Hash,
    pub files: u64,
    pub bytes: u64,
    /// Over sizes, times and inodes, also of folders that were looked into.
    stats: u64,
    context: Context,
    selection: Selection,
}

/// One path of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Relative to the context.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// `sha256:…` of a file's content, `-> target` of a link, `folder`, or `other`.
    pub content: String,
    /// A file's size; nothing for what is no file.
    pub bytes: Option<u64>,
}

impl Manifest {
    /// What `selection` takes of `context`, with the hashes that `index` remembers where files have not changed.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or a path that is no UTF-8.
    pub fn new(context: Context, selection: Selection, index: &Index) -> anyhow::Result<Self> {
        let Found { entries, listed } = selection::find(&context, &selection)?;
        let hashes = entries
            .par_iter()
            .with_min_len(64)
            .map(|entry| hash(&context, entry, index))
            .collect::<anyhow::Result<Vec<Option<Hash>>>>()?;
        let mut hasher = Sha256::new();
        let mut stats = DefaultHasher::new();
        let mut writer = Writer::default();
        let (mut files, mut bytes) = (0, 0);
        for (entry, hash) in entries.iter().zip(&hashes) {
            match &entry.node.kind {
                Kind::File(File { stat, .. }) => {
                    files += 1;
                    bytes += stat.size;
                    stat.hash(&mut stats);
                }
                Kind::Symlink(Symlink { stat, .. }) => stat.hash(&mut stats),
                Kind::Folder(folder) => folder.stat().hash(&mut stats),
                Kind::Other | Kind::Unnameable(_) => {}
            }
            writer.write(entry, hash.as_ref(), &mut hasher);
        }
        for folder in listed {
            folder.stat().hash(&mut stats);
        }
        drop(entries);
        let (hash, stats) = (hasher.finalize().into(), stats.finish());
        Ok(Self { hash, files, bytes, stats, context, selection })
    }

    /// Whether the paths and contents are those of `then`, and nothing was written, made or renamed in between, even to be
    /// put back: folders change with what is in them, so that a path that was there for a moment shows, too.
    pub fn is_untouched_since(&self, then: &Self) -> bool {
        self.hash == then.hash && self.stats == then.stats
    }

    /// One line a path, sorted by path, as they were when the manifest was made.
    ///
    /// # Errors
    /// None that making it did not have.
    pub fn lines(&self) -> anyhow::Result<Vec<Line>> {
        let found = selection::find(&self.context, &self.selection)?;
        Ok(found.entries.iter().map(Line::of).collect())
    }

    /// SHA-256 over the lines: `sha256:…`.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex(&self.hash))
    }
}

fn hash(context: &Context, entry: &Entry<'_>, index: &Index) -> anyhow::Result<Option<Hash>> {
    let Kind::File(file) = &entry.node.kind else { return Ok(None) };
    if let Some(hash) = file.hash.get() {
        return Ok(Some(*hash));
    }
    let hash = index.hash(&context.root.path().join(&entry.path), &file.stat)?;
    Ok(Some(*file.hash.get_or_init(|| hash)))
}

impl Line {
    /// Of an entry whose content was hashed.
    fn of(entry: &Entry<'_>) -> Self {
        let bytes = match &entry.node.kind {
            Kind::File(File { stat, .. }) => Some(stat.size),
            _ => None,
        };
        let content = match &entry.node.kind {
            Kind::File(File { hash, .. }) => {
                format!("sha256:{}", hash.get().map(hex).unwrap_or_default())
            }
            Kind::Symlink(link) => format!("-> {}", link.target),
            Kind::Folder(_) => "folder".to_owned(),
            Kind::Other | Kind::Unnameable(_) => "other".to_owned(),
        };
        Self { path: entry.path.clone(), mode: mode(entry), content, bytes }
    }

    /// As it is kept in a file.
    pub fn to_text(&self) -> String {
        let bytes = self.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        format!("{:o} {bytes} {}\0{}\0", self.mode, self.content, self.path)
    }

    /// The lines of a file that [`Line::to_text`] wrote; nothing where it is damaged.
    pub fn parse_all(text: &str) -> Option<Vec<Self>> {
        let mut lines = Vec::new();
        let mut parts = text.split_terminator('\0');
        while let Some(head) = parts.next() {
            let mut head = head.splitn(3, ' ');
            let mode = u32::from_str_radix(head.next()?, 8).ok()?;
            let bytes = match head.next()? {
                "-" => None,
                bytes => Some(bytes.parse().ok()?),
            };
            let content = head.next()?.to_owned();
            lines.push(Self { path: parts.next()?.to_owned(), mode, content, bytes });
        }
        Some(lines)
    }
}

/// A link's own mode means nothing: it differs between systems.
fn mode(entry: &Entry<'_>) -> u32 {
    if matches!(entry.node.kind, Kind::Symlink(_)) { 0o777 } else { entry.node.mode }
}

/// Writes entries into a hash, one buffer for all.
#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn write(&mut self, entry: &Entry<'_>, hash: Option<&Hash>, hasher: &mut Sha256) {
        let text = &mut self.text;
        text.clear();
        // NUL cannot stand in a path, so no two lists of entries give the same text. Writing to a `String` cannot fail.
        let _written = write!(text, "{:o}\0", mode(entry));
        match (&entry.node.kind, hash) {
            (Kind::Symlink(link), _) => {
                text.push_str("-> ");
                text.push_str(&link.target);
            }
            (Kind::File(_), Some(hash)) => {
                text.push_str("sha256:");
                text.push_str(&hex(hash));
            }
            (Kind::Folder(_), _) => text.push_str("folder"),
            _ => text.push_str("other"),
        }
        text.push('\0');
        text.push_str(&entry.path);
        text.push('\0');
        hasher.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip() {
        let line = |path: &str, mode, content: &str, bytes| Line {
            path: path.to_owned(),
            mode,
            content: content.to_owned(),
            bytes,
        };
        let lines = vec![
            line("a b\n", 0o644, "sha256:00", Some(7)),
            line("é/l", 0o777, "-> x y", None),
            line("d", 0o1777, "folder", None),
        ];
        let text: String = lines.iter().map(Line::to_text).collect();
        assert_eq!(Line::parse_all(&text), Some(lines));
        assert_eq!(Line::parse_all("a"), None);
    }
}
