//! How long does a plan take, and how much memory, when nothing has changed and when no hash is known?
//!
//! `cargo bench --bench planning`. Two generated workspaces: 200 images over 50,000 files and 1,000 over 250,000; cold
//! is without Dockyard's index of hashes, warm is with it, both with the files in the system's cache. No engine is
//! asked. Nothing is asserted: the numbers are printed and kept.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Run, Workspace, load, median, number, rounded, run};

/// Images and files.
const SIZES: [(usize, usize); 2] = [(200, 50_000), (1_000, 250_000)];
/// A file this young is read again, for it may change within the clock's resolution.
const GROWN: Duration = Duration::from_secs(3);

fn main() {
    let rounds = number("DOCKYARD_BENCH_ROUNDS", 5);
    let binary = support::xtask();
    let measured: Vec<Value> =
        SIZES.iter().map(|&(images, files)| measure(&binary, images, files, rounds)).collect();
    println!("{:>7} {:>8} {:>9} {:>9} {:>9}", "images", "files", "cold", "warm", "peak");
    for one in &measured {
        println!(
            "{:>7} {:>8} {:>7.3} s {:>7.3} s {:>6.1} MB",
            one["images"].to_string(),
            one["files"].to_string(),
            one["cold_seconds"].as_f64().unwrap_or(f64::NAN),
            one["warm_seconds"].as_f64().unwrap_or(f64::NAN),
            one["peak_megabytes"].as_f64().unwrap_or(f64::NAN),
        );
    }
    let ratio = |field: &str| {
        let value = |one: &Value| one[field].as_f64().unwrap_or(f64::NAN);
        rounded(value(&measured[1]) / value(&measured[0]))
    };
    let (warm, peak) = (ratio("warm_seconds"), ratio("peak_megabytes"));
    println!("five times the work: {warm} times as long, {peak} times the memory (warm)");
    let results = json!({
        "sizes": measured, "warm_ratio": warm, "peak_ratio": peak, "rounds": rounds, "load": load(),
    });
    support::keep("planning", &results);
}

fn measure(binary: &Path, images: usize, files: usize, rounds: usize) -> Value {
    let workspace = generate(images, files);
    std::thread::sleep(GROWN);
    let plan = || {
        let mut command = Command::new(binary);
        command.arg("plan").current_dir(workspace.root());
        let ran = run(command.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
        ran.read();
        ran
    };
    let cold = || {
        let state = workspace.root().join("target");
        assert!(!state.exists() || std::fs::remove_dir_all(state).is_ok(), "the state goes");
        plan()
    };
    let walls = |runs: &[Run]| runs.iter().map(|run| run.wall).collect::<Vec<_>>();
    let cold: Vec<Run> = (0..rounds.min(3)).map(|_| cold()).collect();
    let warm: Vec<Run> = (0..rounds).map(|_| plan()).collect();
    let peak = warm.iter().filter_map(|run| run.peak).max();
    json!({
        "images": images,
        "files": files,
        "cold_seconds": rounded(median(&walls(&cold))),
        "warm_seconds": rounded(median(&walls(&warm))),
        "peak_megabytes": peak.and_then(|peak| u32::try_from(peak).ok()).map(|peak| f64::from(peak) / 1024.0).map(rounded),
    })
}

/// Half of the images have a context of their own with an ignore file; the others copy their folder from the root's.
fn generate(images: usize, files: usize) -> Workspace {
    let workspace = Workspace::new();
    workspace
        .write(".dockerignore", "/target\n/.git\n**/*.md\n!README.md\n**/__pycache__\n*.log\n");
    for image in 0..images {
        let folder = format!("images/i{image:04}");
        let base = match image {
            0 => "debian:trixie-slim".to_owned(),
            _ if image <= images / 10 => format!("{}/i0000", support::REGISTRY),
            _ => format!("{}/i{:04}", support::REGISTRY, 1 + image % (images / 10)),
        };
        let (toml, source) = if image % 2 == 0 {
            workspace.write(&format!("{folder}/.dockerignore"), "**/*.md\n!README.md\n*.log\n");
            ("", ".")
        } else {
            ("context = \"/\"\n", folder.as_str())
        };
        let dockerfile = format!("FROM {base}\nCOPY {source} /app\nRUN make -C /app\n");
        workspace.write(&format!("{folder}/image.toml"), toml);
        workspace.write(&format!("{folder}/Dockerfile"), &dockerfile);
        for file in 0..files / images {
            let path = format!("{folder}/part{:02}/f{file:04}.py", file / 25);
            workspace.write(&path, &format!("# {image} {file}\n{}", "x = 1\n".repeat(50)));
        }
    }
    workspace.commit();
    workspace
}
