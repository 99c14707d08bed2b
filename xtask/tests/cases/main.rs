//! The hard cases of the five systems that Dockyard replaces, each a workspace of a few files and the graph that
//! `plan --json` gives for it. None needs an engine: the graph is what the files say.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]
#![expect(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod files;
mod parents;
mod references;
#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "../support/workspace.rs"]
mod support;

/// The platform of this machine, as the binary names it.
fn native() -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{arch}")
}
