//! `ci generate`: the workflows of this workspace, written, or compared with what is there.

use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::Utf8Path;

use super::source::Ground;
use crate::ci;
use crate::cli::{CiGenerateArgs, Global};
use crate::command::{FAILED, load};
use crate::mistake::{Mistake, Mistakes};
use crate::workspace::{Target, Workspace};

/// The command that mends a stale workflow.
const COMMAND: &str = "cargo xtask ci generate";

/// A file, and what it ought to hold; nothing where there should be none.
struct Generated {
    file: &'static str,
    text: Option<String>,
}

/// Whether there is something for `lock-update` to keep.
fn has_locks(workspace: &Workspace) -> bool {
    let is_pixis = |target: &Target| {
        let folder = workspace.root.join(&target.folder);
        ["pixi.lock", "pixi.toml"].iter().any(|name| folder.join(name).exists())
    };
    !workspace.lock.is_empty() || workspace.targets.iter().any(is_pixis)
}

pub(super) fn run(global: &Global, args: &CiGenerateArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::default())?;
    let workspace = &loaded.workspace;
    let ground = Ground::of(&workspace.root)?;
    let source = ground.source(&loaded);
    let images = ci::images(&source);
    if let (Some(jobs), false) = (images.levels, global.quiet) {
        anstream::eprintln!(
            "note: {jobs} jobs are more than a workflow of GitHub's holds, so that the jobs of {} are levels of the graph",
            ci::IMAGES
        );
    }
    let locks = has_locks(workspace).then(|| ci::headed(&ci::locks_workflow(&source)));
    let generated = [
        Generated { file: ci::IMAGES, text: Some(ci::headed(&images.text)) },
        Generated { file: ci::LOCKS, text: locks },
    ];
    let repository = &ground.repository;
    if args.check { check(repository, &generated) } else { write(global, repository, &generated) }
}

fn check(root: &Utf8Path, all: &[Generated]) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for generated in all {
        let why = match (read(root, generated.file)?, &generated.text) {
            (None, Some(_)) => "is missing".to_owned(),
            (Some(there), Some(text)) if there != *text => {
                format!("is stale from line {} on", first_difference(&there, text))
            }
            (Some(there), None) if ci::is_generated(&there) => "is no longer needed".to_owned(),
            _ => continue,
        };
        anstream::eprintln!("error: {} {why}\n  mend: {COMMAND}", generated.file);
        status = ExitCode::from(FAILED);
    }
    Ok(status)
}

fn write(global: &Global, root: &Utf8Path, all: &[Generated]) -> anyhow::Result<ExitCode> {
    let mut mistakes = Mistakes::default();
    let mut changed = Vec::new();
    for generated in all {
        match (read(root, generated.file)?, &generated.text) {
            (Some(there), Some(text)) if there == *text => {}
            (Some(there), Some(_)) if !ci::is_generated(&there) => mistakes.push(
                Mistake::new(format!("{} was not generated, and is kept", generated.file))
                    .mend("move it to another name, or remove it"),
            ),
            (Some(there), None) if ci::is_generated(&there) => changed.push(generated),
            (_, Some(_)) => changed.push(generated),
            (_, None) => {}
        }
    }
    mistakes.none()?;
    for generated in &changed {
        let file = root.join(generated.file);
        let folder = file.parent().unwrap_or(root);
        let done = match &generated.text {
            Some(text) => fs::create_dir_all(folder).and_then(|()| fs::write(&file, text)),
            None => fs::remove_file(&file),
        };
        done.with_context(|| format!("failed to write {file}"))?;
        let removed = if generated.text.is_none() { " (removed)" } else { "" };
        anstream::println!("{}{removed}", generated.file);
    }
    if !global.quiet && changed.is_empty() {
        anstream::eprintln!("every workflow is current");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file's text, with the ends of lines that were committed, whatever git made of them.
fn read(root: &Utf8Path, file: &str) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(root.join(file)) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {file}")),
    }
}

fn first_difference(one: &str, two: &str) -> usize {
    1 + one.lines().zip(two.lines()).take_while(|(one, two)| one == two).count()
}
