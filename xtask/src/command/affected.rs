//! `affected --since REV`: the images whose keys differ between the merge base with REV and the work tree.
//!
//! What a checkout cannot carry is no difference: empty folders, permissions besides «executable», the content behind
//! a Git LFS pointer, and files that git ignores, which are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use super::keys::of_workspace;
use super::{load, select};
use crate::cli::{AffectedArgs, Global};
use crate::engine::interrupt;
use crate::key::{Line, PlatformKey, state_folder};
use crate::plan;
use crate::report::{self, AffectedJson, AffectedList};
use crate::workspace::{Checkout, Git, TargetName};

/// The longest pointer that Git LFS writes.
const LONGEST_POINTER: u64 = 1024;

pub(super) fn run(global: &Global, args: &AffectedArgs) -> anyhow::Result<ExitCode> {
    // With the signals listened to, an interruption ends in the checkout being removed.
    interrupt::listen();
    let root = load::root(global)?.canonicalize_utf8()?;
    let checkout = Checkout::merge_base(&root, &args.since, &state_folder(&root).join("tmp"))?;
    let (loaded, now) = of_workspace(&root)?;
    let (_, before) = of_workspace(&checkout.root)?;
    let selected = select::select(&loaded.workspace, &args.images)?;

    let mut affected: BTreeMap<TargetName, Vec<String>> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    for vertex in &loaded.graph.vertices {
        if interrupt::interrupted() {
            return Ok(ExitCode::FAILURE);
        }
        let mut reasons = Vec::new();
        for (platform, key) in now.of(&vertex.name) {
            match before.get(&vertex.name, platform) {
                None => reasons.push(format!("new: it was not there for {platform}")),
                Some(old) if old.key == key.key => {}
                Some(old) => {
                    let trees = Trees { old: &checkout.root, new: &root };
                    reasons.extend(trees.differences(old, key, &mut left_out)?);
                }
            }
        }
        for edge in &vertex.parents {
            if affected.contains_key(&edge.parent) {
                reasons.push(format!("its parent {} is affected", edge.parent));
            }
        }
        reasons.sort();
        reasons.dedup();
        if !reasons.is_empty() {
            affected.insert(vertex.name.clone(), reasons);
        }
    }
    if !global.quiet && !left_out.is_empty() {
        let files: Vec<&str> = left_out.iter().take(5).map(|path| path.as_str()).collect();
        anstream::eprintln!(
            "note: {} inputs that git ignores were not compared: {}",
            left_out.len(),
            files.join(", ")
        );
    }
    let of_image = |(name, reasons): (TargetName, Vec<String>)| AffectedJson {
        id: name.id.to_string(),
        variant: name.variant.as_ref().map(ToString::to_string),
        reasons,
    };
    let images: Vec<AffectedJson> =
        affected.into_iter().filter(|(name, _)| selected.contains(name)).map(of_image).collect();
    if args.json {
        report::json(&AffectedList { version: 1, images })?;
    } else {
        anstream::print!("{}", report::affected(&images));
    }
    Ok(ExitCode::SUCCESS)
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
