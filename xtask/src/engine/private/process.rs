//! The processes of a private engine: those whose program lies in its folder. Only these are ever ended.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use camino::Utf8Path;

use super::super::Invocation;
use super::state::State;

/// How long dockerd has to stop its containers, each of which has ten seconds.
const STOP: u32 = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// `dockerd`, `containerd`, `containerd-shim-runc-v2`, `docker-proxy`.
    pub(super) program: String,
    path: PathBuf,
}

/// The engine's processes, dockerd first.
pub(super) fn of(state: &State) -> Vec<Process> {
    let Ok(root) = state.root().canonicalize() else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut processes: Vec<Process> = pids
        .filter_map(|pid| {
            let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let program = path.file_name()?.to_str()?.trim_end_matches(" (deleted)").to_owned();
            path.starts_with(&root).then_some(Process { pid, program, path })
        })
        .collect();
    processes.sort_by_key(|process| (process.program != "dockerd", process.pid));
    processes
}

/// The running dockerd. It is known by its program, not by its pid file, which a kill or a reboot leaves behind.
pub(super) fn dockerd(state: &State) -> Option<u32> {
    of(state).into_iter().find(|process| process.program == "dockerd").map(|process| process.pid)
}

/// Ends them all: dockerd in peace, so that it stops its containers; then what a killed dockerd left behind.
pub(super) fn end_all(state: &State) -> anyhow::Result<()> {
    for process in of(state).iter().filter(|process| process.program == "dockerd") {
        signal(process, "TERM", None)?;
        wait_until_gone(state, process, Duration::from_secs(STOP.into()));
        if is_there(state, process) {
            signal(process, "KILL", None)?;
        }
    }
    // A shim that ends leaves its container running: first the containers, then the shims.
    for process in of(state) {
        if process.program.starts_with("containerd-shim") {
            for child in children(process.pid) {
                signal(&process, "KILL", Some(child))?;
            }
        }
    }
    for kind in ["TERM", "KILL"] {
        let left = of(state);
        for process in &left {
            signal(process, kind, None)?;
        }
        for process in &left {
            wait_until_gone(state, process, Duration::from_secs(5));
        }
    }
    match of(state).as_slice() {
        [] => Ok(()),
        left => {
            let pids: Vec<String> =
                left.iter().map(|process| format!("{} {}", process.program, process.pid)).collect();
            bail!("processes of the private engine do not end: {}", pids.join(", "))
        }
    }
}

/// Unmounts what a killed engine left mounted below its folder: a purge would else delete through it.
pub(super) fn unmount_all(state: &State) -> anyhow::Result<()> {
    for target in mounts_below(state.folder()).into_iter().rev() {
        let unmount = Invocation::new("umount").args(["--lazy", "--", &target]);
        unmount.run().with_context(|| format!("failed to unmount {target}"))?;
    }
    match mounts_below(state.folder()).first() {
        None => Ok(()),
        Some(target) => bail!("{target} is still mounted: unmount it"),
    }
}

/// `proc_pid_mountinfo(5)`: the fifth field is the mount point, with octal escapes.
fn mounts_below(folder: &Utf8Path) -> Vec<String> {
    let Ok(folder) = folder.canonicalize_utf8() else { return Vec::new() };
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
    let targets = targets.map(|target| target.replace("\\040", " ").replace("\\134", "\\"));
    targets.filter(|target| Utf8Path::new(target).starts_with(&folder)).collect()
}

/// `start-stop-daemon` (of dpkg) sends the signal only where the pid still is that program's, or that parent's child.
fn signal(process: &Process, signal: &str, child: Option<u32>) -> anyhow::Result<()> {
    let command = Invocation::new("/sbin/start-stop-daemon")
        .args(["--stop", "--oknodo", "--quiet", "--signal", signal]);
    let pid = process.pid.to_string();
    let command = if let Some(child) = child {
        command.args(["--pid", &child.to_string(), "--ppid", &pid])
    } else {
        let path = process.path.to_string_lossy();
        command.args(["--pid", &pid, "--exec", path.trim_end_matches(" (deleted)")])
    };
    Ok(command.run()?)
}

fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        // `pid (name) state ppid …`; the name may hold anything, parentheses too.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(1).and_then(|field| field.parse().ok()) == Some(parent)
    })
    .collect()
}

fn is_there(state: &State, process: &Process) -> bool {
    of(state).contains(process)
}

fn wait_until_gone(state: &State, process: &Process, limit: Duration) {
    let start = Instant::now();
    while is_there(state, process) && start.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(50));
    }
}
