//! `affected --since REV`: the images whose keys differ between the merge base with REV and the work tree.

use std::process::ExitCode;

use super::keys::of_workspace;
use super::trees::{Differences, Tree, differences};
use super::{load, select};
use crate::cli::{AffectedArgs, Global};
use crate::engine::interrupt;
use crate::report::{self, AffectedJson, AffectedList};
use crate::workspace::{Checkout, TargetName};

pub(super) fn run(global: &Global, args: &AffectedArgs) -> anyhow::Result<ExitCode> {
    // With the signals listened to, an interruption ends in the checkout being removed.
    interrupt::listen();
    let root = load::root(global)?.canonicalize_utf8()?;
    let checkout = Checkout::merge_base(&root, &args.since)?;
    let (loaded, now) = of_workspace(&root)?;
    let (_, before) = of_workspace(&checkout.root)?;
    let selected = select::select(&loaded.workspace, &args.images)?;

    let Differences { of_targets: affected, ignored } =
        differences(&loaded, &Tree::new(&checkout.root, &before), &Tree::new(&root, &now))?;
    if interrupt::interrupted() {
        return Ok(ExitCode::FAILURE);
    }
    if !global.quiet && !ignored.is_empty() {
        let files: Vec<&str> = ignored.iter().take(5).map(|path| path.as_str()).collect();
        anstream::eprintln!(
            "note: {} inputs that git ignores were not compared: {}",
            ignored.len(),
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
