//! dockerd itself: its configuration, its start, and its last words.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use camino::Utf8Path;
use serde_json::json;

use super::super::environment::Environment;
use super::super::{Invocation, child, interrupt};
use super::network::Network;
use super::state::{State, user_config_folder};
use super::{Options, programs_path};

/// How long dockerd may take to answer. 3 s is usual; a slow disk with many images takes longer.
const START: Duration = Duration::from_secs(90);
const LAST_LINES: usize = 10;

/// Writes dockerd's configuration and the `DOCKER_CONFIG` folder of its clients.
pub(super) fn configure(
    state: &State,
    environment: &Environment,
    options: &Options,
    network: &Network,
) -> anyhow::Result<()> {
    let mut config = json!({
        "features": { "containerd-snapshotter": !options.classic_store },
        "data-root": state.folder().join("data"),
        "exec-root": state.folder().join("exec"),
        "pidfile": state.pid_file(),
        "hosts": [state.endpoint()],
        "bridge": network.bridge,
        "iptables": false,
        "ip6tables": false,
        "ip-forward": true,
        "registry-mirrors": options.registry_mirrors,
        "insecure-registries": options.insecure_registries,
    });
    // For `docker run --init`: it is run inside of containers, so it must be the static one.
    if let Some(init) = state.program("tini-static").or_else(|| state.program("docker-init")) {
        config["init-path"] = json!(init);
    }
    if let Some(proxy) = state.program("docker-proxy") {
        config["userland-proxy-path"] = json!(proxy);
    }
    // Overlays cannot lie on an overlay, which is what a container's own file system is.
    if is_overlay(state.folder()) {
        config["storage-driver"] = json!(if options.classic_store { "vfs" } else { "native" });
    }
    write(&state.folder().join("daemon.json"), &serde_json::to_string_pretty(&config)?)?;

    let folder = state.config_folder();
    let plugins = folder.join("cli-plugins");
    fs::create_dir_all(&plugins).with_context(|| format!("failed to make {plugins}"))?;
    let buildx =
        state.program("docker-buildx").context("the unpacked packages have no docker-buildx")?;
    link(&buildx, &plugins.join("docker-buildx"))?;
    // By a link, which `docker login` writes through, the person's logins serve here and no secret is copied. With
    // DOCKER_HOST set, the current context that may stand there is not looked at.
    match user_config_folder(environment).filter(|user| *user != folder) {
        Some(user) => {
            link(&camino::absolute_utf8(user.join("config.json"))?, &folder.join("config.json"))
        }
        None => Ok(()),
    }
}

/// Whether the engine that runs is the one that is asked for, as far as `options` insist.
pub(super) fn check_running(state: &State, options: &Options) -> anyhow::Result<()> {
    let suite = super::packages::suite_of(state);
    let config = fs::read(state.folder().join("daemon.json")).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
    let classic = config["features"]["containerd-snapshotter"] == false;
    let other = match &options.suite {
        Some(wanted) if suite.as_deref() != Some(wanted.as_str()) => "from another suite",
        _ if options.classic_store && !classic => "with the containerd image store",
        _ => return Ok(()),
    };
    bail!("the private engine runs already, {other}: stop it first (cargo xtask engine stop)")
}

/// Starts dockerd in a session of its own, so that it outlives us and no Ctrl-C reaches it, and waits until it
/// answers.
pub(super) fn start(state: &State, environment: &Environment) -> anyhow::Result<()> {
    // dockerd would wait ten seconds for the containerd of a pid file that a kill left behind.
    let containerd = state.folder().join("exec/containerd/containerd.pid");
    for stale in [state.pid_file(), state.socket(), containerd] {
        if stale.exists() {
            fs::remove_file(&stale).with_context(|| format!("failed to remove {stale}"))?;
        }
    }
    let root = state.root();
    let path = format!(
        "{}:{}:{}",
        root.join("usr/bin"),
        root.join("usr/sbin"),
        programs_path(environment)
    );
    let dockerd = state.program("dockerd").context("the unpacked packages have no dockerd")?;
    let command = Invocation::new("setsid")
        .args([dockerd.as_str(), "--config-file", state.folder().join("daemon.json").as_str()])
        .environment(environment.clone().with("PATH", path).without("DOCKER_HOST"))
        .folder("/");
    let log = state.log();
    let file = fs::File::create(&log).with_context(|| format!("failed to write {log}"))?;
    let handle = command
        .duct()
        .stderr_to_stdout()
        .stdout_file(file)
        .start()
        .context("failed to start dockerd")?;
    interrupt::listen();
    let start = Instant::now();
    loop {
        if state.answers() {
            return Ok(());
        }
        if handle.try_wait()?.is_some() {
            bail!("dockerd ended at once; the last lines of {log}:\n{}", last_lines(&log));
        }
        if interrupt::interrupted() || start.elapsed() > START {
            child::end(&handle);
            if interrupt::interrupted() {
                bail!("interrupted");
            }
            bail!(
                "dockerd did not answer within {START:?}; the last lines of {log}:\n{}",
                last_lines(&log)
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for an engine that somebody else started.
pub(super) fn wait_for_answer(state: &State, limit: Duration) {
    let start = Instant::now();
    while start.elapsed() < limit && !state.answers() && !interrupt::interrupted() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn last_lines(log: &Utf8Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn is_overlay(folder: &Utf8Path) -> bool {
    let kind =
        Invocation::new("stat").args(["--file-system", "--format=%T", folder.as_str()]).read();
    kind.is_ok_and(|kind| kind == "overlayfs")
}

fn write(path: &Utf8Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write {path}"))
}

#[cfg(unix)]
fn link(target: &Utf8Path, path: &Utf8Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to replace {path}"));
        }
        _ => {}
    }
    std::os::unix::fs::symlink(target, path).with_context(|| format!("failed to link {path}"))
}

#[cfg(not(unix))]
fn link(_target: &Utf8Path, _path: &Utf8Path) -> anyhow::Result<()> {
    bail!("a private engine needs Linux")
}
