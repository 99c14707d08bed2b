//! An image of the engine as an OCI layout, for builders that do not see the engine's images.

use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::buildx::Parent;
use super::{Engine, Invocation};
use crate::reference::Digest;

/// Writes the image `name` as an OCI layout into `folder` (which is made), as Docker 25 and newer save images. It is
/// named relative to `root`, where builds run: buildx takes what follows a `@` or `:` in its path for a digest or tag.
///
/// # Errors
/// When the image cannot be saved or unpacked.
pub fn export(
    engine: &Engine,
    name: &str,
    root: &Utf8Path,
    folder: &Utf8Path,
) -> anyhow::Result<Parent> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {folder}"))?;
    let archive = Utf8PathBuf::from(format!("{folder}.tar"));
    engine
        .command()
        .args(["image", "save", "--output", archive.as_str(), "--", name])
        .run()
        .with_context(|| format!("failed to hand {name} on to the builder"))?;
    let unpacked =
        Invocation::new("tar").args(["-x", "-f", archive.as_str(), "-C", folder.as_str()]).run();
    let _left = fs::remove_file(&archive);
    unpacked.with_context(|| format!("failed to unpack the layout of {name}"))?;
    let digest =
        first_manifest(folder).with_context(|| format!("failed to read the layout of {name}"))?;
    let folder = folder.strip_prefix(root).unwrap_or(folder).to_owned();
    Ok(Parent::Layout { folder, digest })
}

/// The digest that `index.json` names (OCI image layout, «index.json file»).
fn first_manifest(folder: &Utf8Path) -> anyhow::Result<Digest> {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let digest = index["manifests"][0]["digest"].as_str().context("it names no manifest")?;
    Ok(digest.parse()?)
}
