//! Is what is about to be published what HEAD says? As `cargo publish` asks, of the inputs that keys see.

use std::collections::BTreeSet;

use super::keys::of_workspace;
use super::load::Loaded;
use super::trees::{Differences, Tree, differences};
use crate::key::Keys;
use crate::mistake::{Mistake, Mistakes};
use crate::workspace::{Checkout, TargetName};

/// The most files that a message names.
const MOST_NAMED: usize = 5;

/// # Errors
/// [`Mistakes`]: each of `targets` whose inputs are not those of HEAD, with what differs. Outside a repository there is
/// nothing to differ from.
pub(super) fn refuse(
    loaded: &Loaded,
    keys: &Keys,
    targets: &BTreeSet<TargetName>,
) -> anyhow::Result<()> {
    let root = &loaded.workspace.root;
    let Some(head) = Checkout::head(root)? else { return Ok(()) };
    let mend = "commit it, or publish it all the same: --allow-dirty";
    let (_, before) = of_workspace(&head.root).map_err(|_| {
        Mistake::new(
            "HEAD is no workspace that can be read, so that nothing says what is published",
        )
        .mend(mend)
        .into_error()
    })?;
    let Differences { of_targets, ignored } =
        differences(loaded, &Tree::new(&head.root, &before), &Tree::new(root, keys))?;
    let mut mistakes = Mistakes::default();
    for (name, reasons) in of_targets.iter().filter(|(name, _)| targets.contains(*name)) {
        let more = reasons.len().saturating_sub(MOST_NAMED);
        let text = reasons[..reasons.len() - more].join(", ");
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        mistakes.push(Mistake::new(format!("{name} differs from HEAD: {text}{more}")).mend(mend));
    }
    if mistakes.is_empty() && !ignored.is_empty() {
        let files: Vec<&str> = ignored.iter().take(MOST_NAMED).map(|path| path.as_str()).collect();
        mistakes.push(
            Mistake::new(format!(
                "{} files that git ignores would be in what is published: {}",
                ignored.len(),
                files.join(", ")
            ))
            .mend("name them in .dockerignore, or publish them all the same: --allow-dirty"),
        );
    }
    Ok(mistakes.none()?)
}
