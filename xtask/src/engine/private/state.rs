//! Where a private engine keeps what, and how it stands.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::super::environment::Environment;
use super::super::http::Api;
use super::super::interrupt;
use super::{Status, process};

/// A unix socket's path has 108 bytes (`unix(7)`), and containerd's below our folder are the longest.
const LONGEST_FOLDER: usize = 107 - "/exec/containerd/containerd-debug.sock".len();
/// How long an engine may take to answer a ping.
const PING: Duration = Duration::from_secs(2);
/// How long one `start` waits for another. The first downloads 100 MB.
const LOCK: Duration = Duration::from_mins(10);

/// The folder of a private engine, `$XDG_STATE_HOME/dockyard/engine`.
#[derive(Clone, Debug)]
pub struct State {
    folder: Utf8PathBuf,
}

impl State {
    pub fn of(environment: &Environment) -> anyhow::Result<Self> {
        Ok(Self { folder: environment.state_folder()?.join("engine") })
    }

    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub fn socket(&self) -> Utf8PathBuf {
        self.folder.join("docker.sock")
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket())
    }

    pub fn log(&self) -> Utf8PathBuf {
        self.folder.join("dockerd.log")
    }

    /// `DOCKER_CONFIG` for this engine: buildx as a plug-in, builders of its own, and, by a link, the person's own
    /// `config.json` with the logins.
    pub fn config_folder(&self) -> Utf8PathBuf {
        self.folder.join("config")
    }

    /// One of the unpacked programs.
    pub fn program(&self, name: &str) -> Option<Utf8PathBuf> {
        ["usr/bin", "usr/sbin", "usr/libexec/docker/cli-plugins", "usr/lib/docker/cli-plugins"]
            .iter()
            .map(|folder| self.root().join(folder).join(name))
            .find(|program| program.is_file())
    }

    pub(super) fn root(&self) -> Utf8PathBuf {
        self.folder.join("root")
    }

    pub(super) fn pid_file(&self) -> Utf8PathBuf {
        self.folder.join("dockerd.pid")
    }

    pub(super) fn status(&self) -> Status {
        if !self.root().exists() {
            return Status::Absent;
        }
        match process::dockerd(self) {
            None => Status::Stopped,
            Some(pid) if self.answers() => Status::Running { pid, endpoint: self.endpoint() },
            Some(pid) => Status::Silent { pid },
        }
    }

    pub(super) fn answers(&self) -> bool {
        let api = Api::new(Path::new(self.socket().as_str()));
        api.ask("GET", "/_ping", PING).is_ok_and(|answer| answer.status == 200)
    }

    /// Keeps a second `start` or `stop` waiting as long as the file is held. It lies outside of what a purge removes.
    pub(super) fn lock(&self, say: &dyn Fn(&str)) -> anyhow::Result<File> {
        if self.folder.as_str().len() > LONGEST_FOLDER {
            bail!(
                "{} is too long for the sockets of a private engine ({LONGEST_FOLDER} bytes at most): set \
                 XDG_STATE_HOME to a shorter folder",
                self.folder
            );
        }
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("failed to make {}", self.folder))?;
        let path = self.folder.with_extension("lock");
        let file = File::create(&path).with_context(|| format!("failed to open {path}"))?;
        interrupt::listen();
        let start = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("failed to lock {path}"));
                }
                Err(TryLockError::WouldBlock) if interrupt::interrupted() => bail!("interrupted"),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK => {
                    bail!("another process holds {path} for {} minutes", LOCK.as_secs() / 60)
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut said, true) {
                say("waiting for another process that starts or stops the private engine");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Where a person's Docker configuration is: `DOCKER_CONFIG`, else `~/.docker`.
pub fn user_config_folder(environment: &Environment) -> Option<Utf8PathBuf> {
    if let Some(folder) = environment.get("DOCKER_CONFIG") {
        return Some(folder.into());
    }
    let home = environment.get(if cfg!(windows) { "USERPROFILE" } else { "HOME" })?;
    Some(Utf8Path::new(home).join(".docker"))
}
