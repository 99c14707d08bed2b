//! What does each command do? One file a command, each reading as: load, graph, plan, execute, report.
//!
//! Nothing is decided here. Called by [`crate::main`].

mod adopt;
mod affected;
mod again;
mod ask;
mod build;
mod cache;
mod check;
mod ci;
mod clean;
mod dirty;
mod doctor;
mod engine;
mod graph;
mod inspect;
mod keys;
mod lint;
mod list;
mod load;
mod lock_update;
mod make;
mod new;
mod outdated;
mod plan;
mod publication;
mod push;
mod registries;
mod run;
mod select;
mod session;
mod setup;
mod steps;
mod stops;
mod tagging;
mod tags;
mod test;
mod trees;
mod verify;
mod why;
mod written;

use std::process::ExitCode;

pub use keys::keys;

use crate::cli::{Cli, Command};

/// A step failed, or a check found something.
pub(crate) const FAILED: u8 = 1;

/// Runs `cli`'s command.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::List(args) => list::run(&global, &args),
        Command::Graph(args) => graph::run(&global, &args),
        Command::Tags(args) => tags::run(&global, &args),
        Command::Plan(args) => plan::run(&global, &args),
        Command::Build(args) => build::run(&global, &args),
        Command::Why(args) => why::run(&global, &args),
        Command::Affected(args) => affected::run(&global, &args),
        Command::LockUpdate(args) => lock_update::run(&global, &args),
        Command::Outdated(args) => outdated::run(&global, &args),
        Command::Run(args) => run::run(&global, &args),
        Command::Test(args) => test::run(&global, &args),
        Command::Push(args) => push::push(&global, &args),
        Command::Promote(args) => push::promote(&global, &args),
        Command::Inspect(args) => inspect::run(&global, &args),
        Command::Lint(args) => lint::run(&global, &args),
        Command::Adopt(args) => adopt::run(&global, &args),
        Command::New(args) => new::run(&global, &args),
        Command::Clean(args) => clean::run(&global, &args),
        Command::Cache(command) => cache::run(&global, &command),
        Command::Ci(command) => ci::run(&global, &command),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Engine(command) => engine::run(&command),
    }
}
