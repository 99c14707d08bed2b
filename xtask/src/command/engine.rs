//! `engine start|stop|status`: the private engine.

use std::process::ExitCode;

use super::FAILED;
use crate::cli::EngineCommand;
use crate::engine::Environment;
use crate::engine::private::{self, Options, Started, Status};
use crate::report;

pub(super) fn run(command: &EngineCommand) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_process();
    match command {
        EngineCommand::Start(start) => {
            let options = Options {
                registry_mirrors: start.registry_mirror.clone(),
                insecure_registries: start.insecure_registry.clone(),
                debian_mirror: start.debian_mirror.clone(),
                suite: start.suite.clone(),
                classic_store: start.classic_store,
                packages: None,
            };
            match private::start(&environment, &options, &say)? {
                Started::Already { endpoint } => {
                    say(&format!("the private engine runs already: {endpoint}"));
                }
                Started::Now { endpoint } => say(&format!("the private engine runs: {endpoint}")),
            }
            Ok(ExitCode::SUCCESS)
        }
        EngineCommand::Stop { purge } => {
            let stopped = private::stop(&environment, *purge, &say)?;
            say(if stopped {
                "the private engine is stopped"
            } else {
                "there was no private engine to stop"
            });
            Ok(ExitCode::SUCCESS)
        }
        EngineCommand::Status { json } => status(&private::status(&environment)?, *json),
    }
}

/// Narration.
pub(super) fn say(line: &str) {
    anstream::eprintln!("{line}");
}

fn status(status: &Status, json: bool) -> anyhow::Result<ExitCode> {
    let (word, pid, endpoint) = match status {
        Status::Absent => ("absent", None, None),
        Status::Stopped => ("stopped", None, None),
        Status::Silent { pid } => ("silent", Some(*pid), None),
        Status::Running { pid, endpoint } => ("running", Some(*pid), Some(endpoint.as_str())),
    };
    if json {
        report::json(&serde_json::json!({
            "version": 1, "state": word, "pid": pid, "endpoint": endpoint,
        }))?;
    } else {
        let pid = pid.map_or_else(String::new, |pid| format!(", process {pid}"));
        let endpoint =
            endpoint.map_or_else(String::new, |endpoint| format!(", DOCKER_HOST={endpoint}"));
        anstream::println!("{word}{pid}{endpoint}");
    }
    let runs = matches!(status, Status::Running { .. });
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
