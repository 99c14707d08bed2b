//! actionlint, GitHub's schema of workflows, and what of GitHub's rules they do not look at.

use std::path::Path;
use std::process::Command;

use super::{IMAGES, LOCKS, REPOSITORY, every_character, generated, levels, support};

/// Whether `program` is there; a run that requires everything fails where it is not.
fn is_there(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok_and(|it| it.status.success());
    let required = std::env::var("DOCKYARD_REQUIRE_ENGINE").is_ok_and(|value| value == "1");
    assert!(found || !required, "{program} is not on PATH; .ci/run installs it");
    found
}

/// actionlint and the schema find nothing in the workflows at `root`.
pub(crate) fn clean(root: &Path, files: &[&str]) {
    for file in files {
        assert!(root.join(file).exists(), "{file}");
    }
    if is_there("actionlint", "-version") {
        nothing_found(Command::new("actionlint").args(files).current_dir(root));
    }
    if is_there("check-jsonschema", "--version") {
        let mut check = Command::new("check-jsonschema");
        nothing_found(
            check.arg("--builtin-schema=vendor.github-workflows").args(files).current_dir(root),
        );
    }
}

fn nothing_found(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
}

#[test]
fn nothing_is_found_in_this_repositorys_workflows() {
    let root = Path::new(REPOSITORY);
    clean(root, &[IMAGES, LOCKS, ".github/workflows/xtask.yml"]);
}

#[test]
fn this_repositorys_workflows_are_current() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_xtask"));
    nothing_found(check.args(["ci", "generate", "--check"]).current_dir(REPOSITORY));
}

#[test]
fn nothing_is_found_in_the_workflow_of_one_image() {
    let workspace = support::workspace().image("one", "", "FROM debian\n");
    generated(&workspace);
    clean(workspace.root(), &[IMAGES]);
}

#[test]
fn nothing_is_found_in_the_workflow_of_two_hundred_images() {
    let workspace = levels(200, 40);
    generated(&workspace);
    clean(workspace.root(), &[IMAGES]);
}

#[test]
fn nothing_is_found_where_ids_have_every_character() {
    let workspace = every_character();
    generated(&workspace);
    clean(workspace.root(), &[IMAGES]);
}

#[test]
fn nothing_is_found_where_everything_is_chosen() {
    let workspace = support::configured(
        "registries = [\"ghcr.io/acme\", \"docker.io/acme\", \"localhost:5000/x\"]
staging = \"hub.example.org/staging/all\"
attestations = { provenance = \"max\", sbom = true }
[workspace.metadata.dockyard.registry]
\"docker.io\" = { user = \"USER_NAME\", secret = \"PASSWORD\" }
\"hub.example.org\" = { user = \"ROBOT\", secret = \"ROBOT_TOKEN\" }
[workspace.metadata.dockyard.ci]
branch = \"release/2.x\"
schedule = \"\"
[workspace.metadata.dockyard.ci.runners]
\"linux/amd64\" = [\"self-hosted\", \"linux\", \"x64\"]
\"linux/riscv64\" = \"ubuntu-24.04-riscv\"",
    )
    .file(".cargo/config.toml", "[alias]\nxtask = \"run -p tools --bin dock --release --\"\n")
    .file(".github/actionlint.yaml", "self-hosted-runner:\n  labels: [ubuntu-24.04-riscv]\n")
    .file("base/pixi.toml", "")
    .file("base/pixi.lock", "version: 6\n")
    .image(
        "base",
        "publish = false\nplatforms = [\"linux/amd64\", \"linux/riscv64\", \"linux/s390x\"]\n",
        "FROM debian\n",
    )
    .image(
        "app",
        "platforms = [\"linux/amd64\", \"linux/riscv64\", \"linux/s390x\"]
cache = { registry = true, mode = \"max\" }
secrets = { token = { env = \"HF_TOKEN\" } }
limits = { size = \"12GB\" }
[parents]\nBASE = \"base\"\n",
        "ARG BASE\nFROM ${BASE}\n",
    );
    // actionlint takes its own configuration from a repository's root only.
    let workspace = workspace.git(&["init", "--quiet"]);
    let text = generated(&workspace);
    for expected in [
        "cargo build --locked --package tools --release --bin dock",
        "target/release/dock",
        "docker/setup-qemu-action@",
        "docker/setup-buildx-action@",
        "actions/github-script@",
        "HF_TOKEN: ${{ secrets.HF_TOKEN }}",
        "username: ${{ secrets.ROBOT }}",
        "sudo rm -rf",
        "release/2.x",
        "- self-hosted",
        "xtask-riscv64",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(!text.contains("schedule"), "{text}");
    clean(workspace.root(), &[IMAGES, LOCKS]);
}
