//! What `clean` removes.

use serde::Serialize;

use super::table::{Align, Table};
use crate::clean::Removal;
use crate::human;

/// A row a name that goes.
pub fn removals(removals: &[Removal]) -> Table {
    let mut table = Table::new([
        ("image", Align::Left),
        ("name", Align::Left),
        ("size", Align::Right),
        ("made", Align::Left),
        ("why", Align::Left),
    ]);
    for removal in removals {
        let mut names: Vec<&str> = removal.names.iter().map(String::as_str).collect();
        if names.is_empty() {
            names.push("-");
        }
        for (number, name) in names.into_iter().enumerate() {
            // The size is the image's, which goes once. One that keeps another name keeps its content.
            let size = match removal.bytes {
                Some(bytes) if number == 0 => human::bytes(bytes),
                _ => "-".to_owned(),
            };
            table.row([
                removal.image.hex()[..12].to_owned(),
                name.to_owned(),
                size,
                removal.created.chars().take(10).collect(),
                removal.why.clone(),
            ]);
        }
    }
    table
}

/// What became of an image that was to go.
#[derive(Clone, Debug)]
pub enum ImageState {
    WouldGo,
    Removed,
    /// It, or one of its names, was kept by the engine, for this reason.
    Kept(String),
}

#[derive(Clone, Debug, Serialize)]
pub struct RemovedFile {
    /// Relative to the workspace root.
    pub path: String,
    pub why: &'static str,
}

/// `clean --json`.
#[derive(Debug, Serialize)]
pub struct CleanJson {
    version: u32,
    images: Vec<ImageJson>,
    files: Vec<RemovedFile>,
    /// By how many bytes the layers of all images have become less; nothing for a dry run, or where the engine does not
    /// say it.
    reclaimed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ImageJson {
    digest: String,
    of: Option<String>,
    names: Vec<String>,
    bytes: Option<u64>,
    created: String,
    why: String,
    status: &'static str,
    error: Option<String>,
}

impl CleanJson {
    pub fn new(
        images: impl IntoIterator<Item = (Removal, ImageState)>,
        files: Vec<RemovedFile>,
        reclaimed: Option<u64>,
    ) -> Self {
        let image = |(removal, state): (Removal, ImageState)| {
            let (status, error) = match state {
                ImageState::WouldGo => ("would-go", None),
                ImageState::Removed => ("removed", None),
                ImageState::Kept(why) => ("kept", Some(why)),
            };
            ImageJson {
                digest: removal.image.to_string(),
                of: removal.of,
                names: removal.names,
                bytes: removal.bytes,
                created: removal.created,
                why: removal.why,
                status,
                error,
            }
        };
        Self { version: 1, images: images.into_iter().map(image).collect(), files, reclaimed }
    }
}
