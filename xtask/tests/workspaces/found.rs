//! Where images lie, and how a person names them.

use super::SCRATCH;
use crate::support::{Workspace, find, name, workspace};

/// The ids that `list` finds.
fn listed(workspace: &Workspace) -> Vec<String> {
    workspace.json(&["list", "--json"])["images"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn what_git_ignores_is_no_image() {
    let files = || {
        workspace()
            .image("kept", "", SCRATCH)
            .image("build/generated", "", SCRATCH)
            .image("a/cache", "", SCRATCH)
            .file(".gitignore", "/build/\n")
            .file("a/.gitignore", "cache\n")
    };
    assert_eq!(listed(&files()), ["cache", "generated", "kept"]);
    let tracked = files().committed();
    assert_eq!(listed(&tracked), ["kept"]);
    // What is not added yet is an image all the same; what was deleted is none.
    let changed = tracked.image("new", "", SCRATCH);
    std::fs::remove_file(changed.root().join("kept/image.toml")).unwrap();
    assert_eq!(listed(&changed), ["new"]);
}

#[test]
fn a_repository_inside_is_part_of_the_workspace() {
    let workspace = workspace()
        .image("a", "", SCRATCH)
        .committed()
        .image("vendor/b", "", SCRATCH)
        .file("vendor/b/.gitignore", "ignored\n")
        .image("vendor/b/ignored", "", SCRATCH)
        .git(&["init", "--quiet", "vendor/b"]);
    assert_eq!(listed(&workspace), ["a", "b"]);
}

#[test]
fn a_repository_around_may_ignore_the_workspace() {
    let workspace = workspace().image("a", "", SCRATCH);
    std::fs::write(workspace.root().parent().unwrap().join(".gitignore"), "images\n").unwrap();
    let workspace = workspace.git(&["init", "--quiet", ".."]);
    assert_eq!(listed(&workspace), ["a"]);
}

#[test]
fn a_hook_of_another_repository_misleads_nobody() {
    let workspace = workspace().image("a", "", SCRATCH).committed();
    let other = tempfile::tempdir().unwrap();
    let variables = [("GIT_DIR", other.path()), ("GIT_WORK_TREE", other.path())];
    let said = workspace.run_with("", &["plan", "--json"], &variables);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let labels = &find(&plan, "a")["labels"];
    assert_eq!(labels["org.opencontainers.image.created"], "2026-03-05T12:00:00Z");
    assert_eq!(labels["org.opencontainers.image.revision"].as_str().unwrap().len(), 40);
}

#[test]
fn folders_of_every_kind() {
    let workspace = workspace()
        .image(".devcontainer", "", SCRATCH)
        .image("Größe und Maß", "", SCRATCH)
        .image("UPPER.Case", "", SCRATCH)
        .image(".", "", SCRATCH);
    assert_eq!(listed(&workspace), ["devcontainer", "gr--e-und-ma", "images", "upper.case"]);
}

#[test]
fn the_key_is_the_same_in_every_checkout() {
    let plan = || workspace().image("app", "args.C = \"1\"", "FROM scratch\nCOPY . /\n").plan();
    assert_eq!(plan(), plan());
}

#[test]
fn an_image_is_named_by_id_variant_name_or_folder() {
    let workspace = workspace()
        .image(
            "services/nb",
            "id = \"nb\"\nname = \"clm-nb\"\n[variants.lite]\n[variants.full]\n",
            SCRATCH,
        )
        .image("base", "", SCRATCH);
    let planned = |folder: &str, words: &[&str]| {
        let said = workspace.run_in(folder, &[&["plan", "--json"], words].concat());
        assert_eq!(said.status, 0, "{}", said.stderr);
        let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        plan["images"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let both = ["nb:full", "nb:lite"];
    for word in ["nb", "clm-nb", "services/nb", "./services/nb/"] {
        assert_eq!(planned("", &[word]), both, "{word}");
    }
    assert_eq!(planned("", &["nb:lite"]), ["nb:lite"]);
    assert_eq!(planned("", &["clm-nb:full", "base"]), ["base", "nb:full"]);
    // From a folder below, relative to it or to the root.
    assert_eq!(planned("services", &["nb"]), both);
    assert_eq!(planned("services/nb", &["."]), both);
    assert_eq!(planned("services", &["services/nb"]), both);
    assert_eq!(planned("services", &["../base"]), ["base"]);
    assert_eq!(planned("services", &["--root", "..", "base"]), ["base"]);
    assert_eq!(planned("..", &["--root", "images"]).len(), 3);
}

#[test]
fn build_arguments_are_for_the_named_images() {
    let workspace = workspace().image("base", "args.X = \"0\"", SCRATCH).image(
        "app",
        "args.X = \"0\"",
        "FROM ghcr.io/acme/base\n",
    );
    let plan = workspace.json(&["plan", "app", "--json", "--build-arg", "X=1"]);
    assert_eq!(find(&plan, "app")["args"]["X"], "1");
    assert_eq!(find(&plan, "base")["args"]["X"], "0");
}
