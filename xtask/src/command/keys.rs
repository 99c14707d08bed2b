//! Keys without a plan: of a workspace as it lies there, asking no engine.

use camino::Utf8Path;

use super::load::{self, Loaded};
use super::session::Substitutes;
use super::steps;
use crate::cli::Global;
use crate::key::Keys;

/// The keys of every target of the workspace at `root`.
///
/// # Errors
/// Everything that is wrong in the workspace.
pub fn keys(root: &Utf8Path) -> anyhow::Result<Keys> {
    Ok(of_workspace(root)?.1)
}

pub(super) fn of_workspace(root: &Utf8Path) -> anyhow::Result<(Loaded, Keys)> {
    let loaded = load::load(&Global::at(root), &load::Typed::default())?;
    let bases = Substitutes::locked(&loaded.workspace).bases;
    let vertices: Vec<_> = loaded.graph.vertices.iter().collect();
    let keys = steps::keys(&loaded, &vertices, &bases)?;
    Ok((loaded, keys))
}
