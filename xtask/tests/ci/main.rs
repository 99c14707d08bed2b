//! The generated workflows: what GitHub, its schema and actionlint say of them, what changes them, and what reaches a
//! shell.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

mod changes;
mod injection;
mod limits;
mod lint;
#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "../support/workspace.rs"]
mod support;
mod yaml;

use std::path::Path;

use support::Workspace;

const IMAGES: &str = ".github/workflows/images.yml";
const LOCKS: &str = ".github/workflows/locks.yml";
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The workflow of the images, written anew.
fn generated(workspace: &Workspace) -> String {
    workspace.read(&["ci", "generate"]);
    read(workspace.root(), IMAGES)
}

fn read(root: &Path, file: &str) -> String {
    std::fs::read_to_string(root.join(file)).unwrap()
}

/// Ids with every character that there may be, next to each other in every way; variants and platforms likewise.
fn every_character() -> Workspace {
    let alphabet: String = ('a'..='z').chain('0'..='9').collect();
    let long = format!("{}-{}", alphabet.repeat(3), "x".repeat(19));
    let mut workspace = support::configured("registries = [\"ghcr.io/acme\"]");
    for id in [
        "0",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a--b",
        "a---b.c_d__e",
        "on",
        "true",
        "null",
        &alphabet,
        &long,
    ] {
        let toml = format!(
            "id = \"{id}\"\nplatforms = [\"linux/amd64\", \"linux/arm64\", \"linux/arm/v7\"]\n"
        );
        workspace = workspace.image(&format!("images/{id}"), &toml, "FROM debian\n");
    }
    let capitals: String = ('A'..='Z').collect();
    let toml = format!(
        "id = \"variants\"\n[variants.a]\ndefault = true\n[variants.A]\ntags = [\"A\"]\n[variants.\"{capitals}.x_-\"]\ntags = [\"B\"]\n"
    );
    workspace.image("images/variants", &toml, "FROM ghcr.io/acme/a__b\n")
}

/// `count` images in levels of `width`, each on two of the level before, for two platforms.
fn levels(count: usize, width: usize) -> Workspace {
    let config = "registries = [\"ghcr.io/acme\"]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]";
    let mut workspace = support::configured(config);
    for number in 0..count {
        let (level, place) = (number / width, number % width);
        let parent =
            |place: usize| format!("ghcr.io/acme/image-{}-{:03}", level - 1, place % width);
        let dockerfile = if level == 0 {
            "FROM debian\n".to_owned()
        } else {
            format!("FROM {}\nCOPY --from={} /a /b\n", parent(place), parent(place + 1))
        };
        workspace = workspace.image(&format!("image-{level}-{place:03}"), "", &dockerfile);
    }
    workspace
}
