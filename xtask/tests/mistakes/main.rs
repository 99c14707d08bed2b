//! What a person reads who got something wrong: the whole of stderr and the exit status, as they stand. Nothing is
//! printed on stdout, and nothing is written below `target`.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]
#![expect(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod configuration;
mod contexts;
mod dockerfiles;
mod graph;
#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "../support/workspace.rs"]
mod support;

use expect_test::Expect;
use support::{Workspace, configured, workspace};
mod tags;
mod toml;
mod typed;
mod values;

fn plan(workspace: &Workspace, expected: &Expect) {
    expected.assert_eq(&workspace.refused(&["plan"]));
}

/// An image with this `image.toml`, whose Dockerfile is good.
fn toml(text: &str, expected: &Expect) {
    plan(&workspace().image("app", text, "FROM debian:13\n"), expected);
}

/// An image with this Dockerfile, whose `image.toml` is empty.
fn dockerfile(text: &str, expected: &Expect) {
    plan(&workspace().image("app", "", text), expected);
}

/// A workspace with this configuration.
fn config(lines: &str, expected: &Expect) {
    plan(&configured(lines).image("app", "", "FROM debian:13\n"), expected);
}
