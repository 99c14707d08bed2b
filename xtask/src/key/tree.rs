//! A build context as BuildKit sees it: every path that its ignore file lets through.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::index::Stat;
use crate::dockerfile::ignore::Ignore;

/// What a path of the context is. Times, owners and absolute places are no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File(Stat),
    Symlink(String),
    Folder,
    /// A socket, pipe or device: BuildKit refuses or skips it.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Relative to the context, with `/` between parts.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Permission bits, 664 and 775 taken as 644 and 755.
    pub(super) mode: u32,
}

/// One context with one ignore file; what is asked for is walked once.
#[derive(Debug)]
pub(super) struct Tree {
    /// The context's folder.
    root: Utf8PathBuf,
    ignore: Ignore,
    walked: BTreeMap<String, Arc<Vec<Entry>>>,
}

impl Tree {
    pub(super) fn new(root: Utf8PathBuf, ignore: Ignore) -> Self {
        Self { root, ignore, walked: BTreeMap::new() }
    }

    pub(super) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Whether the ignore file keeps `path` out.
    pub(super) fn ignores(&self, path: &str) -> bool {
        self.ignore.matches(path)
    }

    /// `path` itself and everything below it, sorted by path; empty when it is not there or ignored. The empty path
    /// is the whole context.
    pub(super) fn below(&mut self, path: &str) -> anyhow::Result<Arc<Vec<Entry>>> {
        if let Some(known) = self.walked.get(path) {
            return Ok(known.clone());
        }
        let mut entries = Vec::new();
        if path.is_empty() {
            self.walk_folder(path, &mut entries)?;
        } else if let Some(metadata) = look_at(&self.root.join(path))? {
            self.add(path, &metadata, &mut entries)?;
        }
        // BuildKit sends a folder that is ignored when something below it is not.
        let mut parents: Vec<Entry> = Vec::new();
        for entry in &entries {
            let mut rest = entry.path.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                rest = parent;
                if !parent.starts_with(path) || !self.ignores(parent) {
                    break;
                }
                parents.push(Entry { path: parent.to_owned(), kind: Kind::Folder, mode: 0 });
            }
        }
        for mut parent in parents {
            if let Some(metadata) = look_at(&self.root.join(&parent.path))? {
                parent.mode = mode_of(&metadata);
                entries.push(parent);
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        let entries = Arc::new(entries);
        self.walked.insert(path.to_owned(), entries.clone());
        Ok(entries)
    }

    /// Adds `path` and what is below it.
    fn add(
        &self,
        path: &str,
        metadata: &fs::Metadata,
        entries: &mut Vec<Entry>,
    ) -> anyhow::Result<()> {
        let ignored = self.ignore.matches(path);
        let kind = metadata.file_type();
        if kind.is_dir() {
            if ignored && !self.ignore.may_reinclude_below(path) {
                return Ok(());
            }
            if !ignored {
                entries.push(Entry {
                    path: path.to_owned(),
                    kind: Kind::Folder,
                    mode: mode_of(metadata),
                });
            }
            return self.walk_folder(path, entries);
        }
        if ignored {
            return Ok(());
        }
        let file = self.root.join(path);
        let kind = if kind.is_symlink() {
            let target =
                fs::read_link(&file).with_context(|| format!("failed to read the link {file}"))?;
            Kind::Symlink(target.to_string_lossy().into_owned())
        } else if kind.is_file() {
            Kind::File(Stat::of(metadata))
        } else {
            Kind::Other
        };
        entries.push(Entry { path: path.to_owned(), kind, mode: mode_of(metadata) });
        Ok(())
    }

    fn walk_folder(&self, path: &str, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
        let folder = self.root.join(path);
        let list = fs::read_dir(&folder).with_context(|| format!("failed to list {folder}"))?;
        for entry in list {
            let entry = entry.with_context(|| format!("failed to list {folder}"))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                anyhow::bail!(
                    "failed to read {folder}: the name {} is not UTF-8; rename it, or keep it out with the ignore file",
                    name.display()
                );
            };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            // A file that vanished since the listing is as if it had never been there.
            let Some(metadata) = look_at(&self.root.join(&path))? else { continue };
            self.add(&path, &metadata, entries)?;
        }
        Ok(())
    }
}

/// Nothing when there is nothing at `path`.
fn look_at(path: &Utf8Path) -> anyhow::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("failed to look at {path}")),
    }
}

/// Permission bits. 664 and 775 are what a umask of 002 makes of 644 and 755, and the same commit must give the same
/// key under both.
#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    match metadata.mode() & 0o7777 {
        0o664 => 0o644,
        0o775 => 0o755,
        mode => mode,
    }
}

/// BuildKit's client on Windows gives every path these permissions.
#[cfg(not(unix))]
fn mode_of(_metadata: &fs::Metadata) -> u32 {
    0o755
}
