//! New files of a workspace: none is overwritten, and none lies outside.

use std::fs::{self, File};
use std::io::Write as _;

use anyhow::Context as _;
use camino::Utf8Path;

/// Whether `path`, relative to `root`, lies below it: a symbolic link on the way may lead out.
pub(super) fn is_inside(root: &Utf8Path, path: &Utf8Path) -> bool {
    let full = root.join(path);
    let there = full.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    let real = there.and_then(|folder| folder.canonicalize_utf8().ok());
    real.is_some_and(|real| real.starts_with(root))
}

/// Writes a file that is not there yet, and the folders above it.
pub(super) fn write(file: &Utf8Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(file.parent().unwrap_or(file))?;
        File::create_new(file)?.write_all(text.as_bytes())
    };
    write().with_context(|| format!("failed to write {file}"))
}
