//! `new`: the folder of a new image, from a template.

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use super::{load, written};
use crate::cli::{Global, NewArgs};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::ImageId;
use crate::workspace::{self, Workspace};

pub(super) fn run(global: &Global, args: &NewArgs) -> anyhow::Result<ExitCode> {
    let root = load::root(global)?.canonicalize_utf8()?;
    let folder = folder(&root, &args.folder)?;
    let id = id(&root, &folder)?;
    let files = args.template.files(&id);
    refuse_existing(&root, &folder, files.iter().map(|(path, _)| *path))?;
    for (path, text) in &files {
        let file = folder.join(path);
        if !args.dry_run {
            written::write(&root.join(&file), text)?;
        }
        anstream::println!("{file}");
    }
    if !global.quiet {
        let what = if args.dry_run { "would be written" } else { "written" };
        anstream::eprintln!(
            "{} files {what}; then: {}",
            files.len(),
            args.template.next(&id).join(" && ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder that a person named from where they stand, relative to the workspace's root.
fn folder(root: &Utf8Path, named: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let here = load::current_folder()?.canonicalize_utf8()?;
    let start = if here.starts_with(root) { here } else { root.to_owned() };
    let outside = || {
        Mistake::new(format!("{named} is not below the workspace's root, {root}"))
            .mend("name a folder of the workspace")
            .into_error()
    };
    let full = start.join(named);
    let below = full.strip_prefix(root).ok().and_then(workspace::clean).ok_or_else(outside)?;
    if below.as_str().is_empty() {
        return Err(outside());
    }
    if written::is_inside(root, &below) { Ok(below) } else { Err(outside()) }
}

/// The folder's name as an id that no other image has.
fn id(root: &Utf8Path, folder: &Utf8Path) -> anyhow::Result<ImageId> {
    let name = folder.file_name().unwrap_or_default();
    let id: ImageId = name.parse().map_err(|invalid| {
        Mistake::new(format!("the folder's name is the image's id, and {invalid}"))
            .mend("name the folder with small letters, digits and `-`")
            .into_error()
    })?;
    let reading = Workspace::load(root)?;
    if let Some(other) = reading.workspace.targets.iter().find(|target| target.id == id) {
        return Err(Mistake::new(format!("there is an image {id} already"))
            .at(other.place.clone())
            .mend("name the folder otherwise")
            .into_error());
    }
    Ok(id)
}

/// Nothing is overwritten: whatever is there is named, before anything is written.
fn refuse_existing<'a>(
    root: &Utf8Path,
    folder: &Utf8Path,
    files: impl Iterator<Item = &'a str>,
) -> Result<(), Mistakes> {
    let there = files
        .map(|file| folder.join(file))
        .filter(|file| root.join(file).symlink_metadata().is_ok());
    let mistake = |file: Utf8PathBuf| {
        Mistake::new(format!("{file} exists, and `new` overwrites nothing"))
            .mend("name another folder, or move it away")
    };
    there.map(mistake).collect::<Mistakes>().none()
}
