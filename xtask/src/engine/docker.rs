//! The engine that was found: where it is, what it is, and how it is asked.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::Invocation;
use super::environment::Environment;
use super::http::Api;
use super::version::Version;
use crate::reference::Platform;

/// A reachable Docker engine with buildx, both new enough. Made by [`Engine::find`].
#[derive(Debug)]
pub struct Engine {
    /// The docker program.
    pub docker: Utf8PathBuf,
    /// Docker's configuration folder.
    pub(super) config: Option<Utf8PathBuf>,
    /// Whether the docker program calls what leads to it the context `default`.
    pub(super) is_default_context: bool,
    /// buildx, where docker would find it.
    pub(super) plugin: Option<Utf8PathBuf>,
    /// `unix:///…`, `tcp://…`, `ssh://…`, `npipe://…`.
    pub endpoint: String,
    pub origin: Origin,
    /// As the engine says it, e.g. `28.5.2+dfsg4`.
    pub version: String,
    pub api: Version,
    /// Nothing for a developer's build.
    pub buildx: Option<Version>,
    pub store: Store,
    /// The platform that it runs without emulation.
    pub platform: Platform,
    /// E.g. `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// The data root, where it is on this machine.
    pub data_root: Option<DataRoot>,
    pub(super) environment: Environment,
    /// Variables that lead the docker program to this engine.
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) http: Option<Api>,
}

/// How the engine was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable names it.
    DockerHost,
    /// The current Docker context, which by default is the socket of the system.
    Context,
    /// `engine start` brought it up.
    Private,
}

/// Where the engine keeps images. The classic store has no images of several platforms, no attestations and no OCI
/// layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Containerd,
    Classic,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataRoot {
    pub path: Utf8PathBuf,
}

impl DataRoot {
    /// The free bytes there; nothing where `df` does not say.
    pub fn free(&self) -> Option<u64> {
        free_bytes(&self.path)
    }
}

impl Engine {
    /// One that nothing is known of, to show the commands that would be given where none is reached.
    pub fn unreached() -> Self {
        Self {
            docker: "docker".into(),
            config: None,
            is_default_context: false,
            plugin: None,
            endpoint: String::new(),
            origin: Origin::Context,
            version: String::new(),
            api: Version::new(0, 0, 0),
            buildx: None,
            store: Store::Containerd,
            platform: Platform::native(),
            system: String::new(),
            data_root: None,
            environment: Environment::default(),
            variables: Vec::new(),
            http: None,
        }
    }

    /// `docker` on its way to this engine.
    pub fn command(&self) -> Invocation {
        self.to_engine(Invocation::new(self.docker.as_str()))
    }

    /// buildx on its way to this engine: the plug-in itself where it was found, which docker would look for and ask
    /// for its name at every call, else `docker buildx`.
    pub fn buildx(&self) -> Invocation {
        match &self.plugin {
            Some(plugin) => self.to_engine(Invocation::new(plugin.as_str())),
            None => self.command().arg("buildx"),
        }
    }

    fn to_engine(&self, command: Invocation) -> Invocation {
        let command = command.environment(self.environment.clone());
        self.variables.iter().fold(command, |command, (name, value)| command.env(*name, value))
    }

    /// Whether its files are this machine's.
    pub fn is_local(&self) -> bool {
        self.data_root.is_some()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Containerd => "containerd",
            Self::Classic => "classic",
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let private = if self.origin == Origin::Private { "private " } else { "" };
        write!(
            f,
            "{private}Docker {} at {} ({} image store, {}",
            self.version, self.endpoint, self.store, self.platform
        )?;
        match self.buildx {
            Some(buildx) => write!(f, ", buildx {buildx})"),
            None => f.write_str(")"),
        }
    }
}

/// Free bytes where `path` lies.
pub(super) fn free_bytes(path: &Utf8Path) -> Option<u64> {
    // POSIX's format, in kibibytes: one header line, then device, size, used, available.
    let table = Invocation::new("df").args(["-kP", path.as_str()]).read().ok()?;
    let kibibytes: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes * 1024)
}
