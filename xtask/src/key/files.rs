//! The files of build contexts, walked and hashed once each, however many images read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::index::{Index, hex};
use super::sources;
use super::tree::{Entry, Kind, Tree};
use crate::dockerfile::ignore::{BadPattern, Ignore};
use crate::dockerfile::{ContextRead, Reading};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::workspace::shown;

/// What one instruction reads, hashed.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// SHA-256 over `lines`, in hexadecimal.
    pub hash: String,
    pub files: u64,
    pub bytes: u64,
    /// One line a path: `mode content path`, sorted by path.
    pub lines: Arc<Vec<Line>>,
}

/// One path of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// `sha256:…` of a file's content, `-> target` of a link, `folder`, or `other`.
    pub content: String,
    /// A file's size; nothing for what is no file.
    pub bytes: Option<u64>,
}

/// The contexts of a workspace.
#[derive(Debug)]
pub struct Contexts<'a> {
    root: &'a Utf8Path,
    index: Index,
    trees: BTreeMap<(Utf8PathBuf, Utf8PathBuf), Tree>,
    manifests: BTreeMap<(Utf8PathBuf, Utf8PathBuf, String), Arc<Manifest>>,
}

impl<'a> Contexts<'a> {
    /// Contexts below `root`; `state` is the folder where the index of file hashes is kept.
    pub fn new(root: &'a Utf8Path, state: &Utf8Path) -> Self {
        Self {
            root,
            index: Index::load(state.join("index")),
            trees: BTreeMap::new(),
            manifests: BTreeMap::new(),
        }
    }

    /// What `read` of a Dockerfile takes from `context` (a folder relative to the root).
    ///
    /// # Errors
    /// A bad ignore file or a context that takes in `target/` or `.git`: a [`Mistake`]; else the machine's trouble.
    pub fn read(
        &mut self,
        context: &Utf8Path,
        dockerfile: &Utf8Path,
        read: &ContextRead,
    ) -> anyhow::Result<Arc<Manifest>> {
        let ignore_file = ignore_file(self.root, context, dockerfile, read.context.is_some());
        let what = match &read.reading {
            Reading::Paths { sources, parents, .. } => format!("{parents} {}", sources.join("\0")),
            Reading::Whole { .. } | Reading::Always { .. } => ".".to_owned(),
        };
        let tree_key = (context.to_owned(), ignore_file.clone().unwrap_or_default());
        let key = (tree_key.0.clone(), tree_key.1.clone(), what);
        if let Some(known) = self.manifests.get(&key) {
            return Ok(known.clone());
        }
        let tree = match self.trees.entry(tree_key) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let ignore = load_ignore(self.root, ignore_file.as_deref())?;
                entry.insert(Tree::new(self.root.join(context), ignore))
            }
        };
        let whole = match &read.reading {
            Reading::Paths { sources, .. } => {
                sources.iter().any(|source| source == "." || source.is_empty())
            }
            Reading::Whole { .. } | Reading::Always { .. } => true,
        };
        if whole && context.as_str().is_empty() {
            refuse_own_output(tree, dockerfile, ignore_file.as_deref(), read)?;
        }
        let entries = match &read.reading {
            Reading::Paths { sources, parents, .. } => sources::entries(tree, sources, *parents)?,
            Reading::Whole { .. } | Reading::Always { .. } => sources::whole(tree)?,
        };
        let manifest = Arc::new(manifest(tree.root(), &entries, &self.index)?);
        self.manifests.insert(key, manifest.clone());
        Ok(manifest)
    }

    /// Keeps the hashes of files for the next run.
    pub fn save(&mut self) {
        self.index.save();
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, which wins outright, else the context's own. Named contexts have
/// only their own.
fn ignore_file(
    root: &Utf8Path,
    context: &Utf8Path,
    dockerfile: &Utf8Path,
    named: bool,
) -> Option<Utf8PathBuf> {
    let beside = Utf8PathBuf::from(format!("{dockerfile}.dockerignore"));
    let own = context.join(".dockerignore");
    let candidates = if named { vec![own] } else { vec![beside, own] };
    candidates.into_iter().find(|file| root.join(file).is_file())
}

fn load_ignore(root: &Utf8Path, file: Option<&Utf8Path>) -> anyhow::Result<Ignore> {
    let Some(file) = file else { return Ok(Ignore::default()) };
    let text =
        fs::read_to_string(root.join(file)).with_context(|| format!("failed to read {file}"))?;
    Ignore::parse(&text).map_err(|wrong| {
        let mistake = |bad: BadPattern| Mistake::new(bad.why).at(Place::new(file, bad.line, 1));
        wrong.into_iter().map(mistake).collect::<Mistakes>().into()
    })
}

/// A context that takes in what this tool itself writes could never be up to date.
fn refuse_own_output(
    tree: &Tree,
    dockerfile: &Utf8Path,
    ignore_file: Option<&Utf8Path>,
    read: &ContextRead,
) -> anyhow::Result<()> {
    let taken: Vec<&str> =
        [".git", "target"].into_iter().filter(|path| !tree.ignores(path)).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let lines = taken.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(" and ");
    let file = ignore_file.map_or_else(|| format!("{dockerfile}.dockerignore"), shown);
    Err(Mistake::new(format!(
        "{} takes {lines} of the workspace into the build context",
        read.instruction
    ))
    .at(Place::new(dockerfile, read.line, 1))
    .mend(format!("add the lines {lines} to {file}"))
    .into_error())
}

fn manifest(root: &Utf8Path, entries: &[Entry], index: &Index) -> anyhow::Result<Manifest> {
    let contents = entries
        .par_iter()
        .map(|entry| match &entry.kind {
            Kind::File(stat) => index
                .hash(&root.join(&entry.path), stat)
                .map(|hash| format!("sha256:{}", hex(&hash))),
            Kind::Symlink(target) => Ok(format!("-> {target}")),
            Kind::Folder => Ok("folder".to_owned()),
            Kind::Other => Ok("other".to_owned()),
        })
        .collect::<anyhow::Result<Vec<String>>>()?;
    let mut hasher = Sha256::new();
    let mut lines = Vec::with_capacity(entries.len());
    let (mut files, mut bytes) = (0, 0);
    let mut text = String::new();
    for (entry, content) in entries.iter().zip(contents) {
        let size = match &entry.kind {
            Kind::File(stat) => Some(stat.size),
            _ => None,
        };
        files += u64::from(size.is_some());
        bytes += size.unwrap_or(0);
        // A link's own mode means nothing: it differs between systems.
        let mode = if matches!(entry.kind, Kind::Symlink(_)) { 0o777 } else { entry.mode };
        text.clear();
        // NUL cannot stand in a path, so no two lists of entries give the same text. Writing to a `String` cannot fail.
        let _written = write!(text, "{mode:o}\0{content}\0{}\0", entry.path);
        hasher.update(text.as_bytes());
        lines.push(Line { path: entry.path.clone(), mode, content, bytes: size });
    }
    Ok(Manifest { hash: hex(&hasher.finalize().into()), files, bytes, lines: Arc::new(lines) })
}
