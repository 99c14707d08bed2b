//! Containers that a run of ours starts: named and labelled beforehand, and always removed.
//!
//! A run holds the lock on a file of its own as long as it lives. Its containers carry the file's name, so that the
//! next run of the workspace knows which were left by one that was killed: a dead process holds no lock. What a
//! container is for is decided elsewhere. Called by `execute`.

mod spec;
mod state;

use std::fs::File;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use spec::Spec;
pub use state::State;

use super::image::path_segment;
use super::{Engine, Invocation, Stopped, child, interrupt};

/// How long a short question about a container, or its start, may take.
const LIMIT: Duration = Duration::from_mins(2);
const WORKSPACE: &str = "dockyard.workspace";
const RUN: &str = "dockyard.run";
const LOCK: &str = "lock";

/// The containers of this run.
#[derive(Debug)]
pub struct Containers<'e> {
    pub engine: &'e Engine,
    workspace: String,
    run: String,
    /// Locked until the end. Its removal tells nobody anything: a run without a lock is over.
    _lock: tempfile::NamedTempFile,
    count: AtomicUsize,
}

/// A container that goes when this value does.
#[derive(Debug)]
pub struct Container<'c> {
    containers: &'c Containers<'c>,
    name: String,
}

/// How a program in a container came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status of its own.
    Exited(i64),
    OutOfMemory,
    /// The engine did not start it, and says why on stderr.
    NotStarted,
    TimedOut,
}

impl<'e> Containers<'e> {
    /// Removes what killed runs of the workspace at `root` left, and begins a run, whose lock is below `state`.
    ///
    /// # Errors
    /// When the lock cannot be made, or the engine does not answer.
    pub fn begin(engine: &'e Engine, root: &Utf8Path, state: &Utf8Path) -> anyhow::Result<Self> {
        // From here on, Ctrl-C ends nothing but what it is told to.
        interrupt::listen();
        let folder = state.join("runs");
        let make = || -> std::io::Result<tempfile::NamedTempFile> {
            std::fs::create_dir_all(&folder)?;
            loop {
                let file = tempfile::Builder::new()
                    .prefix("run-")
                    .rand_bytes(12)
                    .suffix(&format!(".{LOCK}"))
                    .tempfile_in(&folder)?;
                file.as_file().lock()?;
                // Another process may have taken it for a dead run's before it was locked.
                if file.path().exists() {
                    return Ok(file);
                }
            }
        };
        let lock = make().with_context(|| format!("failed to make a lock in {folder}"))?;
        let run = lock.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let containers = Self {
            engine,
            workspace: workspace_token(root),
            run: run.context("a file that was just made has a name")?,
            _lock: lock,
            count: AtomicUsize::new(0),
        };
        containers.remove_leftovers(&folder)?;
        Ok(containers)
    }

    fn remove_leftovers(&self, folder: &Utf8Path) -> anyhow::Result<()> {
        for (name, run) in self.list(&format!("{WORKSPACE}={}", self.workspace))? {
            if run != self.run && is_over(&folder.join(format!("{run}.{LOCK}"))) {
                self.remove(&name)?;
            }
        }
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.path().extension() == Some(LOCK) && is_over(entry.path()) {
                let _taken = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Names and runs of the containers with `label`.
    fn list(&self, label: &str) -> anyhow::Result<Vec<(String, String)>> {
        let format = format!("--format={{{{.Names}}}}\t{{{{.Label \"{RUN}\"}}}}");
        let filter = format!("--filter=label={label}");
        let listed =
            self.engine.command().args(["container", "ls", "--all", &filter, &format]).read()?;
        let line =
            |line: &str| line.split_once('\t').map(|(name, run)| (name.to_owned(), run.to_owned()));
        Ok(listed.lines().filter_map(line).collect())
    }

    fn container(&self) -> Container<'_> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Container { containers: self, name: format!("dockyard-{}-{number}", self.run) }
    }

    fn command(&self, verb: &str, options: &[&str], name: &str, spec: &Spec<'_>) -> Invocation {
        let command =
            self.engine.command().args(["container", verb]).args(options.to_vec()).args([
                format!("--name={name}"),
                format!("--label={WORKSPACE}={}", self.workspace),
                format!("--label={RUN}={}", self.run),
            ]);
        spec.complete(command)
    }

    /// Runs a container to its end, `limit` at most, and removes it. Its output goes to `stdout` and `stderr`.
    ///
    /// # Errors
    /// When docker cannot be run, or we are interrupted.
    pub fn run(
        &self,
        spec: &Spec<'_>,
        stdout: &File,
        stderr: &File,
        limit: Duration,
    ) -> anyhow::Result<Ended> {
        let container = self.container();
        // The container is ended by its name, whatever its program does about signals.
        let command = self.command("run", &["--sig-proxy=false"], &container.name, spec);
        let ended = container.follow(&command, stdout, stderr, limit)?;
        // Docker's own failures have the status 125 (126, 127), which a program may have, too.
        let Some(status) = ended else { return Ok(Ended::TimedOut) };
        let state = container.state()?.unwrap_or_default();
        Ok(match state {
            State { started: false, .. } => Ended::NotStarted,
            State { out_of_memory: true, .. } => Ended::OutOfMemory,
            _ => Ended::Exited(status),
        })
    }

    /// A container that is not started: to look into its image.
    ///
    /// # Errors
    /// When the engine cannot make it.
    pub fn create(&self, spec: &Spec<'_>) -> anyhow::Result<Container<'_>> {
        let container = self.container();
        self.command("create", &[], &container.name, spec).read_within(LIMIT)?;
        Ok(container)
    }

    /// A container that runs on.
    ///
    /// # Errors
    /// When the engine cannot start it.
    pub fn start(&self, spec: &Spec<'_>) -> anyhow::Result<Container<'_>> {
        let container = self.container();
        self.command("run", &["--detach"], &container.name, spec).read_within(LIMIT)?;
        Ok(container)
    }

    /// Removes a container, running or not, with its unnamed volumes; also when we are interrupted.
    fn remove(&self, name: &str) -> anyhow::Result<()> {
        if self.engine.http.is_none() {
            let command =
                self.engine.command().args(["container", "rm", "--force", "--volumes", "--", name]);
            return match command.run_regardless() {
                Err(failure) if failure.stderr.contains("No such container") => Ok(()),
                result => Ok(result?),
            };
        }
        let path = format!("/containers/{}?force=true&v=true", path_segment(name));
        let answer = self.engine.ask("DELETE", &path)?;
        match answer.status {
            // 409: somebody else removes it already.
            204 | 404 | 409 => Ok(()),
            _ => bail!("failed to remove the container {name}: {}", answer.message()),
        }
    }
}

impl Drop for Containers<'_> {
    /// A docker program that was ended in time may have left a container that came into being after it.
    fn drop(&mut self) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Without a socket this is left to the next run: a docker program that is asked ends when we are interrupted.
        let filter = format!("{{\"label\":[\"{RUN}={}\"]}}", self.run);
        let path = format!("/containers/json?all=true&filters={}", path_segment(&filter));
        let Ok(answer) = self.engine.ask("GET", &path) else { return };
        let listed: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        for id in listed.iter().filter_map(|container| container["Id"].as_str()) {
            let _left_to_the_next_run = self.remove(id);
        }
    }
}

impl Container<'_> {
    /// How it is; nothing where it is gone.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn state(&self) -> anyhow::Result<Option<State>> {
        let engine = self.containers.engine;
        let json = if engine.http.is_some() {
            let answer =
                engine.ask("GET", &format!("/containers/{}/json", path_segment(&self.name)))?;
            match answer.status {
                200 => answer.json()?,
                404 => return Ok(None),
                _ => bail!("failed to look at a container: {}", answer.message()),
            }
        } else {
            let command = engine.command().args(["container", "inspect", "--", &self.name]);
            match command.read() {
                Ok(text) => serde_json::from_str::<Value>(&text)?[0].take(),
                Err(failure) if failure.stderr.to_ascii_lowercase().contains("no such") => {
                    return Ok(None);
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        Ok(Some(State::parse(&json)))
    }

    /// Writes everything that it has said so far to `file`.
    ///
    /// # Errors
    /// When docker cannot say.
    pub fn logs(&self, file: &File) -> anyhow::Result<()> {
        let command =
            self.containers.engine.command().args(["container", "logs", "--", &self.name]);
        let handle =
            command.duct().stdout_file(file.try_clone()?).stderr_file(file.try_clone()?).start()?;
        child::wait(&handle, Some(LIMIT))?;
        Ok(())
    }

    /// Runs a further program in it, `limit` at most.
    ///
    /// # Errors
    /// When docker cannot be run, or we are interrupted.
    pub fn exec(
        &self,
        words: &[String],
        stdout: &File,
        stderr: &File,
        limit: Duration,
    ) -> anyhow::Result<Ended> {
        let command =
            self.containers.engine.command().args(["container", "exec", "--", &self.name]);
        let ended = self.follow(&command.args(words), stdout, stderr, limit)?;
        Ok(ended.map_or(Ended::TimedOut, Ended::Exited))
    }

    /// Copies a file of it, links followed within it, to the new file `to`. Whether it was there.
    ///
    /// # Errors
    /// When docker fails otherwise.
    pub fn copy(&self, path: &str, to: &Utf8Path) -> anyhow::Result<bool> {
        let from = format!("{}:{path}", self.name);
        let command = self.containers.engine.command();
        match command.args(["container", "cp", "--follow-link", "--", &from, to.as_str()]).read() {
            Ok(_) => Ok(true),
            // `Could not find the file /etc/x in container …`
            Err(failure) if failure.stderr.to_ascii_lowercase().contains("could not find") => {
                Ok(false)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Follows `command`; its status, or nothing where it was ended after `limit`, the container first.
    fn follow(
        &self,
        command: &Invocation,
        stdout: &File,
        stderr: &File,
        limit: Duration,
    ) -> anyhow::Result<Option<i64>> {
        let handle = command
            .duct()
            .stdout_file(stdout.try_clone()?)
            .stderr_file(stderr.try_clone()?)
            .start()
            .with_context(|| format!("failed to start `{command}`"))?;
        let end = || {
            let _again_when_dropped = self.containers.remove(&self.name);
        };
        match child::wait_or(&handle, Some(limit), &end) {
            Ok(output) => Ok(Some(output.status.code().map_or(-1, i64::from))),
            Err(Stopped::TimedOut(_)) => Ok(None),
            Err(stopped) => Err(stopped).with_context(|| format!("`{command}`")),
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _left_to_the_next_run = self.containers.remove(&self.name);
    }
}

/// Whether no process holds the lock of this file.
fn is_over(lock: &Utf8Path) -> bool {
    match File::options().read(true).write(true).open(lock) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// The same for every run of this workspace on this machine: an engine may serve several machines.
fn workspace_token(root: &Utf8Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| Invocation::new("hostname").read().ok())
        .unwrap_or_default();
    let root = root.canonicalize_utf8().unwrap_or_else(|_| Utf8PathBuf::from(root));
    let hash = Sha256::digest(format!("{}\0{root}", host.trim()));
    hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
