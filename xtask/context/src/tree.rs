//! The files of the workspace as they are on the disk: each folder is listed at most once a run, when first asked for.

use std::fs;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use crate::index::{Hash, Stat};

/// A path of a folder. Times, owners and absolute places are no part of it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: Box<str>,
    /// Permission bits, 664 and 775 taken as 644 and 755.
    pub(crate) mode: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    File(File),
    Symlink(Symlink),
    Folder(Arc<Folder>),
    /// A socket, pipe or device: BuildKit refuses or skips it.
    Other,
    /// It cannot be a path in a manifest: its name is not UTF-8. The text says so.
    Unnameable(Box<str>),
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) stat: Stat,
    /// Of the content, once somebody asked.
    pub(crate) hash: OnceLock<Hash>,
}

#[derive(Debug)]
pub(crate) struct Symlink {
    /// As written.
    pub(crate) target: Box<str>,
    pub(crate) stat: Stat,
}

/// A folder, listed when first asked for.
#[derive(Debug)]
pub struct Folder {
    path: Utf8PathBuf,
    /// Nothing where there is no folder.
    stat: OnceLock<Option<Stat>>,
    children: OnceLock<Result<Vec<Node>, String>>,
}

impl Folder {
    /// The folder at `path`, which is absolute or as good as that.
    pub fn new(path: Utf8PathBuf) -> Arc<Self> {
        Arc::new(Self { path, stat: OnceLock::new(), children: OnceLock::new() })
    }

    fn with_stat(path: Utf8PathBuf, stat: Stat) -> Arc<Self> {
        Arc::new(Self { path, stat: OnceLock::from(Some(stat)), children: OnceLock::new() })
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// As it was before it was listed: another, once something was put into it, taken out or renamed.
    pub(crate) fn stat(&self) -> Option<&Stat> {
        let stat = || fs::metadata(&self.path).ok().map(|metadata| Stat::of(&metadata));
        self.stat.get_or_init(stat).as_ref()
    }

    /// What is in it, sorted by name.
    ///
    /// # Errors
    /// Where it cannot be listed. An absent folder is empty.
    pub(crate) fn children(&self) -> anyhow::Result<&[Node]> {
        let list = || {
            self.stat();
            list(&self.path).map_err(|error| format!("{error:#}"))
        };
        self.children.get_or_init(list).as_deref().map_err(|why| anyhow::anyhow!("{why}"))
    }

    pub(crate) fn child(&self, name: &str) -> anyhow::Result<Option<&Node>> {
        let children = self.children()?;
        let found = children.binary_search_by(|node| node.name.as_ref().cmp(name));
        Ok(found.ok().map(|index| &children[index]))
    }

    /// The folder at `path` below it, when no link is on the way.
    pub fn descend(self: &Arc<Self>, path: &Utf8Path) -> Option<Arc<Self>> {
        let mut at = self.clone();
        for part in path.components() {
            let next = match &at.child(part.as_str()).ok()??.kind {
                Kind::Folder(folder) => folder.clone(),
                _ => return None,
            };
            at = next;
        }
        Some(at)
    }
}

fn list(folder: &Utf8Path) -> anyhow::Result<Vec<Node>> {
    let failed = || format!("failed to list {folder}");
    let list = match fs::read_dir(folder) {
        Ok(list) => list,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(failed),
    };
    let mut children = Vec::new();
    for entry in list {
        let entry = entry.with_context(failed)?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // What vanished since the listing is as if it had never been there.
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(error).with_context(failed),
        };
        children.push(node(folder, &entry.file_name(), &metadata)?);
    }
    children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    children.shrink_to_fit();
    Ok(children)
}

fn node(
    folder: &Utf8Path,
    name: &std::ffi::OsStr,
    metadata: &fs::Metadata,
) -> anyhow::Result<Node> {
    let mode = mode_of(metadata);
    let Some(name) = name.to_str() else {
        let name = name.to_string_lossy();
        let why = format!("failed to read {folder}: the name {name:?} is not UTF-8");
        return Ok(Node { name: name.into(), mode, kind: Kind::Unnameable(why.into()) });
    };
    let kind = metadata.file_type();
    let kind = if kind.is_dir() {
        Kind::Folder(Folder::with_stat(folder.join(name), Stat::of(metadata)))
    } else if kind.is_file() {
        Kind::File(File { stat: Stat::of(metadata), hash: OnceLock::new() })
    } else if kind.is_symlink() {
        let link = folder.join(name);
        let target =
            fs::read_link(&link).with_context(|| format!("failed to read the link {link}"))?;
        // What is no text is written so that two of these are never the same.
        let target = match target.to_str() {
            Some(target) => target.into(),
            None => target.as_os_str().as_encoded_bytes().escape_ascii().to_string().into(),
        };
        Kind::Symlink(Symlink { target, stat: Stat::of(metadata) })
    } else {
        Kind::Other
    };
    Ok(Node { name: name.into(), mode, kind })
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
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
