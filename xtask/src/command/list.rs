//! `list`: the images of the workspace.

use std::process::ExitCode;

use super::load;
use crate::cli::{Global, ListArgs};
use crate::report::{self, ListJson};
use crate::workspace::shown;

pub(super) fn run(global: &Global, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::default())?;
    if args.json {
        report::json(&ListJson::new(&loaded.workspace.targets, &loaded.graph))?;
        return Ok(ExitCode::SUCCESS);
    }
    if loaded.workspace.targets.is_empty() {
        anstream::eprintln!(
            "no image yet: write a Dockerfile and an empty image.toml into a folder"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = report::Table::new(
        ["image", "version", "platforms", "folder", "description"]
            .map(|title| (title, report::Align::Left)),
    );
    for target in &loaded.workspace.targets {
        let platforms: Vec<String> = target.platforms.iter().map(ToString::to_string).collect();
        table.row([
            target.target_name().to_string(),
            target.known_version.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            platforms.join(","),
            shown(&target.folder),
            target.description.clone().unwrap_or_default(),
        ]);
    }
    anstream::print!("{table}");
    Ok(ExitCode::SUCCESS)
}
