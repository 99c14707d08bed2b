//! Contexts and paths.

use expect_test::expect;

use super::{plan, toml};
use crate::support::workspace;

#[test]
fn contexts_outside_the_workspace() {
    toml(
        "\ncontext = \"../..\"\ndockerfile = \"../../Dockerfile\"\n",
        &expect![[r#"
        error: app/image.toml:2:11: the path "../.." leads out of the workspace
        error: app/image.toml:3:14: the path "../../Dockerfile" leads out of the workspace
        status 2
    "#]],
    );
    toml(
        "contexts = { data = \"/../data\" }\n",
        &expect![[r#"
        error: app/image.toml:1:21: the path "/../data" leads out of the workspace
        status 2
    "#]],
    );
    toml(
        "context = \"nowhere\"\n[variants.a]\n[variants.b]\n",
        &expect![[r#"
            error: app/image.toml:1:11: the context of app: there is no folder app/nowhere
              mend: name a folder of the workspace: relative to this file's, or from the root with a leading `/`
            status 2
        "#]],
    );
    toml(
        "context = \"image.toml\"\n",
        &expect![[r#"
            error: app/image.toml:1:11: the context of app: app/image.toml is not a folder
              mend: name a folder of the workspace: relative to this file's, or from the root with a leading `/`
            status 2
        "#]],
    );
    toml(
        "contexts = { data = \"nowhere\" }\n",
        &expect![[r#"
            error: app/image.toml:1:21: the context "data" of app: there is no folder app/nowhere
              mend: name a folder of the workspace: relative to this file's, or from the root with a leading `/`
            status 2
        "#]],
    );
}

#[test]
#[cfg(unix)]
fn links_out_of_the_workspace() {
    let out = |toml: &str| {
        let workspace = workspace().image("app", toml, "FROM debian:13\n").link("app/out", "/usr");
        std::fs::create_dir_all(workspace.root().join("app/in")).unwrap();
        workspace
    };
    plan(
        &out("\ncontext = \"out\"\n"),
        &expect![[r#"
            error: app/image.toml:2:11: the context of app: the folder app/out leads out of the workspace, to /usr
              mend: name a folder of the workspace: relative to this file's, or from the root with a leading `/`
            status 2
        "#]],
    );
    plan(
        &out("\ndockerfile = \"out/bin/env\"\n"),
        &expect![[r#"
            error: app/image.toml:2:14: the Dockerfile of app: app/out/bin/env leads out of the workspace, to /usr/bin/env
              mend: put the file itself there
            status 2
        "#]],
    );
    plan(
        &out("contexts = { data = \"out/bin\" }\n"),
        &expect![[r#"
            error: app/image.toml:1:21: the context "data" of app: the folder app/out/bin leads out of the workspace, to /usr/bin
              mend: name a folder of the workspace: relative to this file's, or from the root with a leading `/`
            status 2
        "#]],
    );
}

#[test]
fn a_context_that_holds_the_records() {
    plan(
        &workspace().image("app", "context = \"/\"\n", "FROM debian:13\nCOPY . /\n"),
        &expect![[r#"
        error: app/Dockerfile:2:1: COPY takes `.git` and `target` of the workspace into the build context
          mend: add the lines `.git` and `target` to app/Dockerfile.dockerignore
        status 2
    "#]],
    );
}

#[test]
fn a_copy_of_nothing() {
    let said = workspace().image("app", "", "FROM debian:13\nCOPY nothing /\n").run(&["plan"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
}

#[test]
fn windows_paths() {
    toml(
        "context = \"..\\\\shared\"\n",
        &expect![[r#"
            error: app/image.toml:1:11: the path "..\\shared" holds '\\'; write `/` between folders
            status 2
        "#]],
    );
}
