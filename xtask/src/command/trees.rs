//! What differs between a checkout of the workspace and its work tree, as far as keys see it?
//!
//! What a checkout cannot carry is no difference: empty folders, permissions besides «executable», the content behind
//! a Git LFS pointer, and files that git ignores, which are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::load::Loaded;
use crate::engine::interrupt;
use crate::key::{Keys, Line, PlatformKey};
use crate::plan;
use crate::workspace::{Git, TargetName};

/// The longest pointer that Git LFS writes.
const LONGEST_POINTER: u64 = 1024;

/// A tree of files and the keys of its targets.
pub(super) struct Tree<'a> {
    root: &'a Utf8Path,
    keys: &'a Keys,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a Utf8Path, keys: &'a Keys) -> Self {
        Self { root, keys }
    }
}

/// What differs between two trees.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Each target whose inputs differ, with what differs.
    pub(super) of_targets: BTreeMap<TargetName, Vec<String>>,
    /// Inputs that git ignores: no checkout has them, and they were not compared.
    pub(super) ignored: BTreeSet<Utf8PathBuf>,
}

/// What differs between `old`, a checkout, and `new`, the work tree that `loaded` is; a child of a target that differs
/// does too. Ends early when we are interrupted.
pub(super) fn differences(
    loaded: &Loaded,
    old: &Tree<'_>,
    new: &Tree<'_>,
) -> anyhow::Result<Differences> {
    let mut found = Differences::default();
    for vertex in &loaded.graph.vertices {
        if interrupt::interrupted() {
            break;
        }
        let mut reasons = Vec::new();
        for (platform, key) in new.keys.of(&vertex.name) {
            match old.keys.get(&vertex.name, platform) {
                None => reasons.push(format!("new: it was not there for {platform}")),
                Some(before) if before.key == key.key => {}
                Some(before) => {
                    let trees = Trees { old: old.root, new: new.root };
                    reasons.extend(trees.differences(before, key, &mut found.ignored)?);
                }
            }
        }
        for edge in &vertex.parents {
            if found.of_targets.contains_key(&edge.parent) {
                reasons.push(format!("its parent {} is affected", edge.parent));
            }
        }
        reasons.sort();
        reasons.dedup();
        if !reasons.is_empty() {
            found.of_targets.insert(vertex.name.clone(), reasons);
        }
    }
    Ok(found)
}

struct Trees<'a> {
    old: &'a Utf8Path,
    new: &'a Utf8Path,
}

impl Trees<'_> {
    fn differences(
        &self,
        old: &PlatformKey,
        new: &PlatformKey,
        left_out: &mut BTreeSet<Utf8PathBuf>,
    ) -> anyhow::Result<Vec<String>> {
        let changes = plan::of_inputs(&old.inputs, &new.inputs);
        // A parent counts where it is affected itself.
        let counts = |change: &plan::Change| !matches!(change, plan::Change::Parent { .. });
        let mut reasons: Vec<String> =
            changes.into_iter().filter(counts).map(|change| change.to_string()).collect();
        let (before, now) = (files(self.old, old)?, files(self.new, new)?);
        let added: Vec<&Utf8Path> =
            now.keys().filter(|path| !before.contains_key(*path)).map(AsRef::as_ref).collect();
        let ignored: BTreeSet<Utf8PathBuf> = Git::ignored(self.new, &added).into_iter().collect();
        for (path, line) in &now {
            match before.get(path) {
                None if ignored.contains(path) => {}
                None => reasons.push(format!("new: {path}")),
                Some(old) if old == line => {}
                Some(_) => reasons.push(format!("changed: {path}")),
            }
        }
        let gone = before.keys().filter(|path| !now.contains_key(*path));
        reasons.extend(gone.map(|path| format!("gone: {path}")));
        left_out.extend(ignored);
        Ok(reasons)
    }
}

/// What a checkout carries of a path: whether it is executable, and its content.
type Carried = (bool, String);

fn files(root: &Utf8Path, key: &PlatformKey) -> anyhow::Result<BTreeMap<Utf8PathBuf, Carried>> {
    let mut files = BTreeMap::new();
    for read in &key.reads {
        for line in read.manifest.lines()?.into_iter().filter(|line| line.content != "folder") {
            let path = read.folder.join(&line.path);
            let carried = (line.mode & 0o100 != 0, behind_pointer(&root.join(&path), line));
            files.insert(path, carried);
        }
    }
    Ok(files)
}

/// The content that a Git LFS pointer stands for, which names it by its SHA-256 as a key does.
fn behind_pointer(file: &Utf8Path, line: Line) -> String {
    if line.bytes.is_none_or(|bytes| bytes > LONGEST_POINTER) {
        return line.content;
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let pointer = text.strip_prefix("version https://git-lfs.github.com/spec/v1\n");
    let object = pointer.and_then(|rest| rest.lines().find_map(|line| line.strip_prefix("oid ")));
    object.map_or(line.content, str::to_owned)
}
