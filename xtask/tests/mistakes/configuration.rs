//! The workspace and its configuration; everything at once.

use expect_test::expect;

use super::{config, plan};
use crate::support::workspace;

#[test]
fn the_workspaces_configuration() {
    config(
        "registries = 1\naliases = 2\nversion = 3\nplatforms = 4\ntags = 5\nlabels = 6\ncache = 7\nstaging = 8\n\
        mirrors = 9\npolicy = 10\nbases = 11\nattestations = 12\nregistry = 13\nregistires = []",
        &expect![[r#"
            error: Cargo.toml:3:14: `workspace.metadata.dockyard.registries` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:4:11: `workspace.metadata.dockyard.aliases` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:5:11: `workspace.metadata.dockyard.version` is an integer
              mend: write it in quotes: "3"
            error: Cargo.toml:6:13: `workspace.metadata.dockyard.platforms` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:7:8: `workspace.metadata.dockyard.tags` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:8:10: `workspace.metadata.dockyard.labels` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.labels], its keys below it
            error: Cargo.toml:9:9: `workspace.metadata.dockyard.cache` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.cache], its keys below it
            error: Cargo.toml:10:11: `workspace.metadata.dockyard.staging` is an integer
              mend: write it in quotes: "8"
            error: Cargo.toml:11:11: `workspace.metadata.dockyard.mirrors` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.mirrors], its keys below it
            error: Cargo.toml:12:10: `workspace.metadata.dockyard.policy` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.policy], its keys below it
            error: Cargo.toml:13:9: `workspace.metadata.dockyard.bases` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.bases], its keys below it
            error: Cargo.toml:14:16: `workspace.metadata.dockyard.attestations` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.attestations], its keys below it
            error: Cargo.toml:15:12: `workspace.metadata.dockyard.registry` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.registry], its keys below it
            error: Cargo.toml:16:1: unknown key `workspace.metadata.dockyard.registires`
              mend: did you mean `registries`?
            status 2
        "#]],
    );
    config(
        "registries = [\"https://ghcr.io/acme\", \"GHCR.io/Acme\", \"-x\"]\naliases = [\"a b\"]\n\
        staging = \"ghcr.io/x:tag\"\nmirrors = { \"docker.io\" = \"http://x\" }\n\
        policy = { max-matching = { \"*\" = \"many\" }, forbid = [1] }\n\
        bases = { \"debian:trixie-slim\" = {}, \"x y\" = \"trixie\", \"a\" = \"-o\" }\n\
        attestations = { provenance = \"yes\" }\nregistry = { \"ghcr.io\" = { user = \"A\" } }",
        &expect![[r#"
            error: Cargo.toml:3:15: "https://ghcr.io/acme" is not a valid registry: a scheme does not belong here; begin with the registry's host
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:3:39: "GHCR.io/Acme" is not a valid registry: 'A' may not stand in a name (only lower case)
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:3:55: "-x" is not a valid registry: "-x" must begin and end with a letter or digit
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:4:12: "a b" is not a valid registry: ' ' may not stand in a name
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:5:11: "ghcr.io/x:tag" is not a valid repository: a tag or digest does not belong here
            error: Cargo.toml:6:27: "http://x" is not a valid registry: a scheme does not belong here; begin with the registry's host
            error: Cargo.toml:7:35: "many" is no number of tags; write e.g. 4
            error: Cargo.toml:7:55: `workspace.metadata.dockyard.policy.forbid` is an integer
              mend: write it in quotes: "1"
            error: Cargo.toml:8:34: the base has no `suite`
              mend: suite = "trixie"
            error: Cargo.toml:8:38: "x y" is not a valid reference: ' ' may not stand in a name
            error: Cargo.toml:8:62: "-o" is no name of a suite or package
              mend: write it as Debian does, e.g. "trixie"
            error: Cargo.toml:9:31: unknown provenance "yes"
              mend: `min` or `max`; leave the key out for none
            error: Cargo.toml:10:14: the login for "ghcr.io" is not whole
              mend: write { user = "NAME_OF_SECRET", secret = "NAME_OF_SECRET" }
            status 2
        "#]],
    );
}

// Paths of the machine are shown as its system writes them.
#[cfg(unix)]
#[test]
fn no_workspace() {
    let empty = workspace();
    let folder = empty.root().parent().unwrap().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let above = empty.run_in("..", &["list"]);
    let parent = empty.root().parent().unwrap().to_str().unwrap().to_owned();
    expect![[r#"
        error: no Dockyard workspace at or above PARENT
          mend: add [workspace.metadata.dockyard] to the root Cargo.toml, or name the folder with --root
        status 2
    "#]].assert_eq(&format!(
        "{}status {}\n",
        above.stderr.replace(&parent, "PARENT"),
        above.status
    ));
    let said = |args: &[&str]| {
        let said = empty.run(args);
        format!("{}status {}\n", said.stderr.replace(&parent, "PARENT"), said.status)
    };
    expect![[r#"
        error: there is no folder nowhere
          mend: name the workspace's root folder with --root
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "nowhere"]));
    expect![[r#"
        error: there is no PARENT/elsewhere/Cargo.toml
          mend: name the workspace's root folder with --root
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
    std::fs::write(folder.join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    expect![[r#"
        error: Cargo.toml:1:1: there is no [workspace.metadata.dockyard] section
          mend: add one; it may be empty
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
    std::fs::write(folder.join("Cargo.toml"), "[workspace.metadata.dockyard\n").unwrap();
    expect![[r#"
        error: Cargo.toml:1:29: TOML: unclosed table, expected `]`
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
}

#[test]
fn a_workspace_without_images() {
    let said = workspace().run(&["list"]);
    expect![[r#"
        no image yet: write a Dockerfile and an empty image.toml into a folder
        status 0
    "#]]
    .assert_eq(&format!("{}{}status {}\n", said.stdout, said.stderr, said.status));
}

#[test]
fn every_independent_mistake_in_one_run() {
    plan(
        &workspace()
            .image("a", "contxt = \".\"\nplatforms = [\"linux\"]\n", "FROM debian:13\n")
            .image("b", "", "ARG X\nFROM $X\n")
            .image("c", "version = \"2026.03.05\"\n", "FROM debian:13\nCPOY . /\n")
            .image("d", "parents.BASE = \"e\"\n", "ARG BASE\nFROM $BASE\n")
            .image("e", "args.X = \"{{ nope }}\"\ntags = [\"{{ nope }}\"]\n", "FROM debian:13\n")
            .file("f/image.toml", "")
            .file("g/image.toml", "id = \n"),
        &expect![[r#"
            error: a/image.toml:1:1: unknown key `contxt`
              mend: did you mean `context`?
            error: a/image.toml:2:14: "linux" is not a valid platform: write os/architecture, e.g. linux/amd64 or linux/arm/v7
            error: b/Dockerfile:2:6: the argument X in FROM has no value
              mend: set `args.X = "…"` in image.toml, or give `ARG X` a default
            error: c/Dockerfile:2:1: "CPOY" is no instruction
              mend: did you mean COPY?
            error: c/image.toml:1:11: the version "2026.03.05" has the zero-padded number "03", which versions do not have; write "2026.3.5"
            error: e/image.toml:1:10: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            error: e/image.toml:2:9: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            error: f/image.toml:1:1: the Dockerfile of f: there is no file f/Dockerfile
              mend: create it, or name another with `dockerfile = "PATH"`
            error: g/image.toml:1:6: TOML: string values must be quoted, expected literal string
            status 2
        "#]],
    );
}
