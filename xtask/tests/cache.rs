//! `cache du` and `cache prune` on a real builder.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/engines.rs"]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/workspace.rs"]
mod workspace;

use engines::TestEngine;
use serde_json::Value;

fn run(
    engine: &TestEngine,
    workspace: &workspace::Workspace,
    args: &[&str],
) -> (i32, String, String) {
    let mut command = engine.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(args).current_dir(workspace.root()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn json(engine: &TestEngine, workspace: &workspace::Workspace, args: &[&str]) -> Value {
    let (status, stdout, stderr) = run(engine, workspace, args);
    assert_eq!(status, 0, "{args:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// An engine of its own: other tests' caches are not to be emptied.
#[test]
fn a_cache_is_seen_bounded_and_emptied() {
    let Some(engine) = engines::own("cache") else { return };
    let engine = &engine;
    let workspace = workspace::workspace()
        .image("a", "", "FROM scratch\nCOPY big /big\n")
        .bytes("a/big", &vec![7; 3_000_000]);
    let (status, _, stderr) = run(engine, &workspace, &["build"]);
    assert_eq!(status, 0, "{stderr}");
    // The image itself keeps its layers in use.
    let (status, _, stderr) = run(engine, &workspace, &["build", "--no-cache"]);
    assert_eq!(status, 0, "{stderr}");

    let before = json(engine, &workspace, &["cache", "du", "--json"]);
    assert!(before["bytes"].as_u64().unwrap() >= 3_000_000, "{before:#}");
    let kinds = before["kinds"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["kind"] == "source.local"), "{before:#}");
    let (_, table, said) = run(engine, &workspace, &["cache", "du"]);
    assert!(table.starts_with("type ") && table.contains("source.local"), "{table}");
    assert!(said.contains("reclaimable"), "{said}");

    // Nothing is that old, and so nothing goes.
    let old = json(engine, &workspace, &["cache", "prune", "--older-than", "168h", "--json"]);
    assert_eq!(old["reclaimed"], 0);
    let (_, _, shown) = run(engine, &workspace, &["cache", "prune", "--keep", "20GB", "--dry-run"]);
    assert!(shown.contains("=20000000000") && shown.contains("until 20GB are left"), "{shown}");
    let kept = json(engine, &workspace, &["cache", "prune", "--keep", "20GB", "--json"]);
    assert_eq!(kept["reclaimed"], 0);
    let du = json(engine, &workspace, &["cache", "du", "--json"]);
    assert_eq!(du["bytes"], before["bytes"]);

    let gone = json(engine, &workspace, &["cache", "prune", "--keep", "1kB", "--json"]);
    assert!(gone["reclaimed"].as_u64().unwrap() > 0, "{gone}");
    let after = json(engine, &workspace, &["cache", "du", "--json"]);
    assert!(after["bytes"].as_u64() < before["bytes"].as_u64(), "{after:#}");
    // What was built is still there.
    let plan = json(engine, &workspace, &["plan", "--json"]);
    assert_eq!(plan["images"][0]["action"], "skip");
}

#[test]
fn values_are_checked_before_anything_is_asked() {
    let workspace = workspace::workspace();
    for (args, why) in [
        (["cache", "prune", "--older-than", "1h,type=x"], "is no age"),
        (["cache", "prune", "--keep", "lots"], "is no size"),
    ] {
        let said = workspace.run(&args);
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{args:?}");
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
    let said = workspace.run(&["cache", "du"]);
    assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{}", said.stderr);
}
