//! `ci`: the workflow, and the commands that its jobs call. Each works outside GitHub too: what it needs is in the
//! checkout and in registries.

mod build;
mod check;
mod generate;
mod github;
mod ground;
mod names;
mod parents;
mod plan;
mod publish;
mod pull_request;
mod source;
mod xtask;

use std::process::ExitCode;

use crate::cli::{CiCommand, Global};
use crate::engine::interrupt;

pub(super) fn run(global: &Global, command: &CiCommand) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    match command {
        CiCommand::Generate(args) => generate::run(global, args),
        CiCommand::Plan(args) => plan::run(global, args),
        CiCommand::Build(args) => build::run(global, args),
        CiCommand::Publish(args) => publish::run(global, args),
        CiCommand::Check(args) => check::run(global, args),
    }
}
