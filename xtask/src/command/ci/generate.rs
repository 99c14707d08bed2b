//! `ci generate`: the workflows of this workspace, written, or compared with what is there.

use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::Utf8Path;

use super::xtask::xtask;
use crate::ci::{self, Source};
use crate::cli::{CiGenerateArgs, Global};
use crate::command::{FAILED, load};
use crate::mistake::{Mistake, Mistakes};

/// The command that mends a stale workflow.
const COMMAND: &str = "cargo xtask ci generate";

/// A file, and what it ought to hold.
struct Generated {
    file: &'static str,
    text: String,
}

pub(super) fn run(global: &Global, args: &CiGenerateArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::default())?;
    let workspace = &loaded.workspace;
    let xtask = xtask(&workspace.root)?;
    let source = Source {
        config: &workspace.config,
        targets: &workspace.targets,
        graph: &loaded.graph,
        xtask: &xtask,
    };
    let generated = [Generated { file: ci::IMAGES, text: ci::headed(&ci::workflow(&source)) }];
    if args.check {
        check(&workspace.root, &generated)
    } else {
        write(global, &workspace.root, &generated)
    }
}

fn check(root: &Utf8Path, all: &[Generated]) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for generated in all {
        let why = match read(root, generated.file)? {
            None => "is missing".to_owned(),
            Some(text) if text == generated.text => continue,
            Some(text) => {
                format!("is stale from line {} on", first_difference(&text, &generated.text))
            }
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
        match read(root, generated.file)? {
            Some(text) if text == generated.text => {}
            Some(text) if !ci::is_generated(&text) => mistakes.push(
                Mistake::new(format!("{} was not generated, and is kept", generated.file))
                    .mend("move it to another name, or remove it"),
            ),
            _ => changed.push(generated),
        }
    }
    mistakes.none()?;
    for generated in &changed {
        let file = root.join(generated.file);
        let folder = file.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, &generated.text))
            .with_context(|| format!("failed to write {file}"))?;
        anstream::println!("{}", generated.file);
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
