//! Dockyard: a monorepo of container images, with its automation as `cargo xtask`.
//!
//! A repository's own xtask depends on this library and calls [`main`]. A command is a pipeline of values: the
//! [`workspace`] is read, its Dockerfiles make the [`graph`], inputs make [`key`]s, these and what the [`engine`] holds
//! make a [`plan`], and the plan is printed ([`report`]) or executed ([`execute`]).
//!
//! Imports go one way, downwards: command → execute, report, lock → registry → engine → plan → graph, key, tags →
//! dockerfile → workspace → reference, mistake, human. `ARCHITECTURE.md` has the whole.

mod cli;
mod command;

pub mod adopt;
pub mod ci;
pub mod clean;
pub mod dockerfile;
pub mod engine;
pub mod execute;
pub mod graph;
pub mod human;
pub mod key;
pub mod lint;
pub mod lock;
pub mod mistake;
pub mod new;
pub mod plan;
pub mod publish;
pub mod reference;
pub mod registry;
pub mod report;
pub mod tags;
pub mod workspace;

use std::process::ExitCode;

pub use command::keys;

use clap::Parser as _;

/// The exit status for wrong usage or configuration.
const MISTAKEN: u8 = 2;
/// The exit status after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Runs the command that this process was started with, and says what went wrong. The whole of an xtask's `main`.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.global.color {
        cli::When::Auto => {}
        cli::When::Always => anstream::ColorChoice::Always.write_global(),
        cli::When::Never => anstream::ColorChoice::Never.write_global(),
    }
    let result = command::run(cli);
    if engine::interrupt::interrupted() {
        anstream::eprintln!("interrupted");
        return ExitCode::from(INTERRUPTED);
    }
    result.unwrap_or_else(|error| {
        report::error(&error);
        let mistaken = error.is::<mistake::Mistakes>() || error.is::<engine::NotFound>();
        ExitCode::from(if mistaken { MISTAKEN } else { command::FAILED })
    })
}
