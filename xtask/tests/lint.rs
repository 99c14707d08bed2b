//! `lint`: this repository's images have nothing to mend, and BuildKit's own checks are asked for.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/engines.rs"]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/workspace.rs"]
mod workspace;

use std::path::Path;

use engines::TestEngine;
use serde_json::Value;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A Dockerfile in which BuildKit finds something, and Dockyard too.
const POOR: &str = "# syntax=docker/dockerfile:1\nFROM ghcr.io/nowhere/base:1 AS Base\n\
    ENV PATH=$CONDA_DIR/bin:$PATH\nMAINTAINER me\nRUN pip install x\n\
    # dockyard: allow(JSONArgsRecommended)\nCMD echo hello\n";

fn run(engine: &TestEngine, root: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = engine.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(args).current_dir(root).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn this_repository_has_nothing_to_mend() {
    let Some(engine) = engines::newest() else { return };
    let (status, stdout, stderr) = run(engine, Path::new(REPOSITORY), &["lint", "--json"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(said["findings"], serde_json::json!([]));
    // Whatever there is was looked at by BuildKit too.
    assert_eq!(said["notes"], serde_json::json!([]));
    assert!(said["images"].as_u64().unwrap() >= 3, "{said}");
}

#[test]
fn buildkit_is_asked_without_a_network() {
    let Some(engine) = engines::newest() else { return };
    let workspace = workspace::workspace().image("a", "", POOR);
    let (status, stdout, stderr) = run(engine, workspace.root(), &["lint", "--json"]);
    assert_eq!(status, 1, "{stderr}");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(said["notes"], serde_json::json!([]));
    let found: Vec<String> = (said["findings"].as_array().unwrap().iter())
        .map(|one| format!("{}:{} {}", one["file"], one["line"], one["rule"]).replace('"', ""))
        .collect();
    // `$CONDA_DIR` is the base's.
    let expected = [
        "a/Dockerfile:2 StageNameCasing",
        "a/Dockerfile:4 MaintainerDeprecated",
        "a/Dockerfile:5 cache-mount",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_old_buildx_and_no_engine_are_noted() {
    let workspace = workspace::workspace().image("a", "", POOR);
    let said = workspace.run(&["lint", "a"]);
    assert_eq!(said.status, 1);
    assert_eq!(
        said.stdout,
        "a/Dockerfile:5:1: cache-mount: pip installs without a cache mount\n  \
         why: every time the step runs, all packages are downloaded again\n  \
         mend: RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked …\n"
    );
    assert!(said.stderr.contains("note: BuildKit's own checks were not run: "), "{}", said.stderr);
    assert!(said.stderr.ends_with(
        "1 finding in 1 image; `# dockyard: allow(RULE)` on the line before allows one\n"
    ));

    let Some(engine) = engines::oldest() else { return };
    let (status, stdout, stderr) = run(engine, workspace.root(), &["lint"]);
    assert_eq!(status, 1);
    assert!(stdout.contains("cache-mount") && !stdout.contains("StageNameCasing"), "{stdout}");
    let note = format!("they need buildx 0.15.0, and {} is here", engine.engine.buildx.unwrap());
    assert!(stderr.contains(&note), "{stderr}");
}

/// Dockyard's own rules are all there without BuildKit's: nothing to mend, and one note of what was not looked at.
#[test]
fn this_repository_on_the_oldest_buildx() {
    let Some(engine) = engines::oldest() else { return };
    let (status, stdout, stderr) = run(engine, Path::new(REPOSITORY), &["lint", "--json"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(said["findings"], serde_json::json!([]));
    let notes = said["notes"].as_array().unwrap();
    assert!(notes.len() == 1 && notes[0].as_str().unwrap().contains("buildx 0.15.0"), "{said:#}");
}

#[test]
fn an_unknown_image_is_a_mistake() {
    let workspace = workspace::workspace().image("a", "", POOR);
    let said = workspace.run(&["lint", "b"]);
    assert_eq!((said.status, said.stdout.as_str()), (2, ""));
}
