//! The paths that an instruction reads, one line each, and their hash.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::context::{Context, Entry};
use super::index::{Hash, hex};
use super::tree::{File, Kind};
use crate::dockerfile::Reading;

/// What one instruction reads, hashed. Its lines are not kept: they are made again from the files as they were seen.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(super) hash: Hash,
    pub files: u64,
    pub bytes: u64,
    /// Over sizes, times and inodes: tells a file that was changed and put back from one that was left alone.
    pub(super) stats: u64,
    pub(super) source: Option<(Context, Reading)>,
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
    /// SHA-256 over the lines: `sha256:…`.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex(&self.hash))
    }
}

impl Line {
    /// Of an entry whose content was hashed.
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        let bytes = match &entry.node.kind {
            Kind::File(File { stat, .. }) => Some(stat.size),
            _ => None,
        };
        let content = match &entry.node.kind {
            Kind::File(File { hash, .. }) => {
                format!("sha256:{}", hash.get().map(hex).unwrap_or_default())
            }
            Kind::Symlink(target) => format!("-> {target}"),
            Kind::Folder(_) => "folder".to_owned(),
            Kind::Other | Kind::Unnameable(_) => "other".to_owned(),
        };
        Self { path: entry.path.clone(), mode: mode(entry), content, bytes }
    }

    /// As it is kept in a file.
    pub(super) fn to_text(&self) -> String {
        let bytes = self.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        format!("{:o} {bytes} {}\0{}\0", self.mode, self.content, self.path)
    }

    /// The lines of a file that [`Line::to_text`] wrote; nothing where it is damaged.
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
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
pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn write(&mut self, entry: &Entry<'_>, hash: Option<&Hash>, hasher: &mut Sha256) {
        let text = &mut self.text;
        text.clear();
        // NUL cannot stand in a path, so no two lists of entries give the same text. Writing to a `String` cannot fail.
        let _written = write!(text, "{:o}\0", mode(entry));
        match (&entry.node.kind, hash) {
            (Kind::Symlink(target), _) => {
                text.push_str("-> ");
                text.push_str(target);
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
