//! Which targets does a person mean? An id, `id:variant`, a name, or a folder.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::load;
use crate::mistake::{Mistake, Mistakes};
use crate::workspace::{Target, TargetName, Workspace, nearest};

/// The targets that `words` name; all when there is no word. An id without a variant means all its variants.
///
/// # Errors
/// Every word that names nothing, with the nearest id.
pub(super) fn select(
    workspace: &Workspace,
    words: &[String],
) -> anyhow::Result<BTreeSet<TargetName>> {
    let targets = &workspace.targets;
    if words.is_empty() {
        return Ok(targets.iter().map(Target::target_name).collect());
    }
    let mut mistakes = Mistakes::default();
    let mut selected = BTreeSet::new();
    let here = load::current_folder()?;
    for word in words {
        let named: Vec<TargetName> =
            targets.iter().filter(|target| names(target, word)).map(Target::target_name).collect();
        let found = if named.is_empty() { in_folder(workspace, &here, word) } else { named };
        if found.is_empty() {
            mistakes.push(unknown(targets, word));
        }
        selected.extend(found);
    }
    mistakes.none()?;
    Ok(selected)
}

fn names(target: &Target, word: &str) -> bool {
    match word.split_once(':') {
        Some((id, variant)) => {
            (id == target.id.as_str() || id == target.name)
                && target.variant.as_ref().is_some_and(|own| own.as_str() == variant)
        }
        None => word == target.id.as_str() || word == target.name,
    }
}

/// The targets whose `image.toml` is in the folder `word`, relative to the current folder or to the workspace root.
fn in_folder(workspace: &Workspace, here: &Utf8Path, word: &str) -> Vec<TargetName> {
    let root = &workspace.root;
    for start in [here, root.as_path()] {
        let Some(folder) = load::below(root, &start.join(word)) else { continue };
        let found: Vec<TargetName> = workspace
            .targets
            .iter()
            .filter(|target| target.folder == folder)
            .map(Target::target_name)
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn unknown(targets: &[Target], word: &str) -> Mistake {
    let id = word.split(':').next().unwrap_or(word);
    let of_image: Vec<String> = targets
        .iter()
        .filter(|target| target.id.as_str() == id)
        .filter_map(|target| Some(format!("{}:{}", target.id, target.variant.as_ref()?)))
        .collect();
    let mistake = Mistake::new(format!("there is no image {word:?}"));
    if !of_image.is_empty() {
        return mistake.mend(format!("one of {}", of_image.join(", ")));
    }
    if targets.iter().any(|target| target.id.as_str() == id) {
        return mistake.mend(format!("{id:?} has no variants"));
    }
    match nearest(id, targets.iter().map(|target| target.id.as_str())) {
        Some(near) => mistake.mend(format!("did you mean {near:?}?")),
        None => mistake.mend("`cargo xtask list` shows the ids"),
    }
}
