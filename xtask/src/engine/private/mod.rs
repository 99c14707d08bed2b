//! A Docker engine of one's own, for a machine that has none.
//!
//! The programs come from the distribution's packages, or a newer Debian's, verified by apt and only unpacked; they
//! run on a socket, data root, bridge and firewall rules of their own below one folder. System-wide are `runc`,
//! `iptables` and `iproute2`, installed where they are missing. No other engine is touched. Called by `engine
//! start|stop|status` and `build --setup`; an engine that runs is found by [`super::Engine::find`].

mod archive;
mod daemon;
mod network;
mod packages;
mod preflight;
mod process;
mod state;

use std::time::Duration;

use anyhow::Context;
use camino::Utf8PathBuf;

use super::environment::Environment;
use super::substitute::Word;

pub(super) use archive::Archive;
pub(super) use packages::{install_packages, programs_path};
pub(super) use preflight::is_root;
pub use state::{State, user_config_folder};

/// What `start` may be told. Everything has a default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Mirrors of Docker Hub, as `registry-mirrors` of dockerd's configuration.
    pub registry_mirrors: Vec<String>,
    /// Registries without TLS, as `insecure-registries`.
    pub insecure_registries: Vec<String>,
    /// Debian's archive; default `http://deb.debian.org/debian`.
    pub debian_mirror: Option<String>,
    /// The suite of Debian whose packages are taken; default: this system's own, or a newer Debian's where these are
    /// too old.
    pub suite: Option<Word>,
    /// The classic image store, as Docker had it before 29 on machines that were upgraded, instead of containerd's.
    pub classic_store: bool,
    /// Where package lists and packages are kept; default: with the engine. May be shared by several engines.
    pub packages: Option<Utf8PathBuf>,
}

/// How a private engine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// There was never one, or it was purged.
    Absent,
    /// Its programs and images are there.
    Stopped,
    /// It should run but does not answer: it is starting, ending or stuck.
    Silent {
        pid: u32,
    },
    Running {
        pid: u32,
        endpoint: String,
    },
}

/// What `start` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    Already { endpoint: String },
    Now { endpoint: String },
}

/// How the engine of `environment`'s person stands. Running is what is our dockerd and answers.
pub fn status(environment: &Environment) -> anyhow::Result<Status> {
    Ok(State::of(environment)?.status())
}

/// Brings the engine up, or finds that it runs. `say` gets a line for each step that takes over a second.
pub fn start(
    environment: &Environment,
    options: &Options,
    say: &dyn Fn(&str),
) -> anyhow::Result<Started> {
    let state = State::of(environment)?;
    let _lock = state.lock(say)?;
    let endpoint = state.endpoint();
    if let Status::Silent { pid } = state.status() {
        say(&format!("waiting for the private engine (process {pid}) to answer"));
        daemon::wait_for_answer(&state, Duration::from_secs(20));
    }
    match state.status() {
        Status::Running { endpoint, .. } => {
            daemon::check_running(&state, options)?;
            return Ok(Started::Already { endpoint });
        }
        Status::Silent { pid } => {
            say(&format!("ending the private engine (process {pid}), which does not answer"));
            process::end_all(&state)?;
        }
        // A killed dockerd leaves containers, which the next one would end too, but slowly.
        Status::Absent | Status::Stopped => process::end_all(&state)?,
    }
    preflight::check(environment)?;
    packages::install(&state, environment, options, say)?;
    packages::install_system_wide(environment, say)?;
    let network = network::up(&state, environment)?;
    daemon::configure(&state, environment, options, &network)?;
    say("starting the private Docker engine");
    daemon::start(&state, environment)?;
    Ok(Started::Now { endpoint })
}

/// Ends the engine with everything that it started, and takes its bridge and firewall rules away. With `purge` its
/// programs, images and caches go too. Whether there was anything to stop or purge.
pub fn stop(environment: &Environment, purge: bool, say: &dyn Fn(&str)) -> anyhow::Result<bool> {
    let state = State::of(environment)?;
    if !state.folder().exists() {
        return Ok(false);
    }
    let _lock = state.lock(say)?;
    let processes = process::of(&state);
    if !processes.is_empty() {
        say("stopping the private Docker engine");
    }
    process::end_all(&state)?;
    process::unmount_all(&state)?;
    let had_network = network::down(&state, environment)?;
    for file in [state.pid_file(), state.socket()] {
        if file.exists() {
            std::fs::remove_file(&file).with_context(|| format!("failed to remove {file}"))?;
        }
    }
    if purge {
        let folder = state.folder();
        std::fs::remove_dir_all(folder).with_context(|| format!("failed to remove {folder}"))?;
    }
    Ok(purge || had_network || !processes.is_empty())
}
