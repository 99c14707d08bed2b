//! `graph`: which image needs which.

use std::process::ExitCode;

use super::load;
use crate::cli::{Global, GraphArgs, GraphFormat};
use crate::report::{self, GraphJson};

pub(super) fn run(global: &Global, args: &GraphArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::default())?;
    let format = if args.json { GraphFormat::Json } else { args.format };
    match format {
        GraphFormat::Json => report::json(&GraphJson::new(&loaded.graph))?,
        GraphFormat::Tree => anstream::print!("{}", report::tree(&loaded.graph)),
        GraphFormat::Mermaid => anstream::print!("{}", report::mermaid(&loaded.graph)),
        GraphFormat::Dot => anstream::print!("{}", report::dot(&loaded.graph)),
    }
    Ok(ExitCode::SUCCESS)
}
