//! The files of the workspace: which `image.toml`s there are, and the text of a file or why it has none.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::git;
use super::paths::shown;
use crate::mistake::{Mistake, Place};

/// Files read once each.
pub(super) struct Texts<'a> {
    pub(super) root: &'a Utf8Path,
    pub(super) read: BTreeMap<Utf8PathBuf, Result<String, String>>,
}

impl Texts<'_> {
    pub(super) fn get(&mut self, file: &Utf8Path) -> Result<&str, String> {
        let read = || read_text(self.root, file).map_err(|unreadable| unreadable.why);
        self.read.entry(file.to_owned()).or_insert_with(read).as_deref().map_err(Clone::clone)
    }
}

/// Why a file of the workspace gives no text.
pub(super) struct Unreadable {
    pub(super) why: String,
    /// In the file itself.
    pub(super) place: Option<Place>,
    mend: Option<&'static str>,
}

impl Unreadable {
    fn new(why: String) -> Self {
        Self { why, place: None, mend: None }
    }

    /// As a mistake, at `place` and with `mend` where the file itself has none.
    pub(super) fn at(self, place: Place, mend: Option<&'static str>) -> Mistake {
        let mistake = Mistake::new(self.why).at(self.place.unwrap_or(place));
        match self.mend.or(mend) {
            Some(mend) => mistake.mend(mend),
            None => mistake,
        }
    }
}

/// The text of a file below `root`.
pub(super) fn read_text(root: &Utf8Path, file: &Utf8Path) -> Result<String, Unreadable> {
    let path = root.join(file);
    let canonical = path.canonicalize_utf8().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Unreadable::new(format!("there is no file {}", shown(file)))
        }
        _ => Unreadable::new(format!("{} cannot be opened: {error}", shown(file))),
    })?;
    if !canonical.starts_with(root) {
        let why = format!("{} leads out of the workspace, to {canonical}", shown(file));
        let mend = "put the file itself there";
        return Err(Unreadable { mend: Some(mend), ..Unreadable::new(why) });
    }
    let bytes = fs::read(&path)
        .map_err(|error| Unreadable::new(format!("{} cannot be read: {error}", shown(file))))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        Unreadable {
            why: "this is not UTF-8".to_owned(),
            place: Some(Place::of_offset(file, &before, valid)),
            mend: Some("save the file as UTF-8"),
        }
    })
}

/// Every `image.toml` that git does not ignore; outside git, every one below `root`.
pub(super) fn image_files(root: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let mut files = match git::listed(root, "image.toml") {
        Some(listed) => {
            let mut files = listed.files;
            files.retain(|file| root.join(file).is_file());
            for folder in listed.nested {
                let inner = image_files(&root.join(&folder))?;
                files.extend(inner.into_iter().map(|file| folder.join(file)));
            }
            files
        }
        None => {
            let mut found = Vec::new();
            walk(root, Utf8Path::new(""), &mut found)?;
            found
        }
    };
    files.sort();
    files.dedup();
    Ok(files)
}

pub(super) fn walk(
    root: &Utf8Path,
    folder: &Utf8Path,
    found: &mut Vec<Utf8PathBuf>,
) -> anyhow::Result<()> {
    let path = root.join(folder);
    for entry in path.read_dir_utf8().with_context(|| format!("failed to list {path}"))? {
        let entry = entry.with_context(|| format!("failed to list {path}"))?;
        let kind =
            entry.file_type().with_context(|| format!("failed to look at {}", entry.path()))?;
        let name = entry.file_name();
        if kind.is_dir() {
            // Cargo marks its target folders so that tools pass over them.
            let skip = name == ".git" || entry.path().join("CACHEDIR.TAG").is_file();
            if !skip {
                walk(root, &folder.join(name), found)?;
            }
        } else if name == "image.toml" && entry.path().is_file() {
            found.push(folder.join(name));
        }
    }
    Ok(())
}
