//! What the benchmarks share: generated workspaces, the binary that people run, clocks, and results in a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary that `cargo xtask` runs: of the development profile, whatever this benchmark was built with.
pub(crate) fn xtask() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package=xtask", "--bin=xtask", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo builds the xtask");
    let built = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .next_back();
    let built = built.expect("cargo names the binary");
    println!("measured: {}, of the profile that `cargo xtask` uses", built.display());
    built
}

/// This repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a workspace")
}

/// Writes `results` to `target/dockyard/bench/NAME.json`.
pub(crate) fn keep(name: &str, results: &Value) {
    let folder = root().join("target/dockyard/bench");
    std::fs::create_dir_all(&folder).expect("the folder is made");
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(results).expect("JSON");
    std::fs::write(&file, text + "\n").expect("the results are written");
    println!("written: {}", file.display());
}

/// A number from the environment.
pub(crate) fn number(variable: &str, otherwise: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text:?} is no number")),
        Err(_) => otherwise,
    }
}

/// How one process ran.
pub(crate) struct Run {
    pub(crate) output: Output,
    pub(crate) wall: Duration,
    /// The most memory at a time, in kilobytes; nothing where the system does not tell (it does on Linux).
    pub(crate) peak: Option<u64>,
}

/// Runs `command` and watches it.
pub(crate) fn run(command: &mut Command) -> Run {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the process starts");
    let status = format!("/proc/{}/status", child.id());
    let (ended, watched) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut peak = None;
        loop {
            peak = high_water_mark(&status).or(peak);
            if watched.recv_timeout(Duration::from_millis(2)) != Err(TIMEOUT) {
                return peak;
            }
        }
    });
    let mut errors = child.stderr.take().expect("stderr is piped");
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut errors, &mut text).map(|_| text)
    });
    let mut output = child.wait_with_output().expect("the process ends");
    let wall = start.elapsed();
    drop(ended);
    output.stderr = errors.join().expect("no thread panics").expect("stderr is read");
    Run { output, wall, peak: watcher.join().expect("no thread panics") }
}

const TIMEOUT: std::sync::mpsc::RecvTimeoutError = std::sync::mpsc::RecvTimeoutError::Timeout;

/// `VmHWM` of a process that has not ended.
fn high_water_mark(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

impl Run {
    /// What it said, when it did what it should.
    pub(crate) fn read(&self) -> &[u8] {
        let said = String::from_utf8_lossy(&self.output.stderr);
        assert!(self.output.status.success(), "{}: {said}", self.output.status);
        &self.output.stdout
    }
}

/// The one in the middle, in seconds.
pub(crate) fn median(times: &[Duration]) -> f64 {
    middle(&times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
}

/// The median; of an even number, the mean of the two in the middle.
pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 0 => f64::midpoint(values[half - 1], values[half]),
        values => values[half],
    }
}

/// How busy the machine is besides: the load of the last minute.
pub(crate) fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Rounded, so that nobody reads more into it than there is.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A workspace in a folder that goes with this value.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("dockyard-bench-").tempdir();
        let workspace = Self { folder: folder.expect("a temporary folder") };
        workspace.write(
            "Cargo.toml",
            &format!("[workspace]\n[workspace.metadata.dockyard]\nregistries = [{REGISTRY:?}]\n"),
        );
        workspace.write(".gitignore", "/target/\n");
        workspace
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Everything so far as one commit.
    pub(crate) fn commit(&self) {
        let who = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let git = |args: &[&str]| {
            let status = Command::new("git").args(who).args(args).current_dir(self.root()).status();
            assert!(status.expect("git starts").success(), "git {args:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--no-gpg-sign", "--message=x"]);
    }
}

/// Nobody can own it, so nothing is asked of a registry.
pub(crate) const REGISTRY: &str = "bench.invalid/acme";
