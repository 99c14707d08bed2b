//! Cases 13 to 17: arguments, ignore files, Dockerfiles and contexts of every kind, and folders of several images.

use expect_test::expect;

use super::native;
#[cfg(unix)]
use crate::support::word;
use crate::support::{fields, find, graph, workspace};

#[test]
fn arguments_are_passed_whole() {
    let toml = r#"
        version = "1.2.3"
        [args]
        EQUALS = "a=b=c"
        COMMAS = "a,b"
        SPACES = " a  b "
        QUOTES = "a\"b'c`d"
        LINES = "a\nb\n"
        TEMPLATE = "v{{ version }}\n"
        BRACES = "{a} #b {"
        DOLLAR = "$HOME ${X} %PATH%"
        UNICODE = "Größe ✓"
        NUMBER = 12
        YES = true
        EMPTY = ""
        DASH = "--network=host"
    "#;
    let plan = workspace().image("app", toml, "FROM scratch\n").plan();
    expect![[r#"
        app for linux/amd64
          BRACES="{a} #b {"
          COMMAS="a,b"
          DASH="--network=host"
          DOLLAR="$HOME ${X} %PATH%"
          EMPTY=""
          EQUALS="a=b=c"
          LINES="a\nb\n"
          NUMBER="12"
          QUOTES="a\"b'c`d"
          SPACES=" a  b "
          TEMPLATE="v1.2.3\n"
          UNICODE="Größe ✓"
          YES="true"
    "#]]
    .assert_eq(&graph(&plan));
}

#[test]
fn arguments_from_the_command_line() {
    let said = workspace().image("a", "args.X = \"1\"", "FROM scratch\n").image(
        "b",
        "args.X = \"1\"",
        "FROM scratch\n",
    );
    let plan = said.json(&[
        "plan",
        "--json",
        "--build-arg",
        "X=a=b,c",
        "--build-arg",
        "b:X=only b",
        "--build-arg=Y=",
    ]);
    expect![[r#"
        a for NATIVE
          X="a=b,c"
          Y=""
        b for NATIVE
          X="only b"
          Y=""
    "#]]
    .assert_eq(&graph(&plan).replace(&native(), "NATIVE"));
}

#[test]
fn ignore_files_take_out_and_back() {
    let inputs = |ignore: &str| {
        let workspace = workspace()
            .image("app", "context = \"/\"", "FROM scratch\nCOPY . /\n")
            .file("docker/x/file", "kept")
            .file("docker/other", "not")
            .file("README.md", "not")
            .file("docs/guide.md", "kept")
            .file("docs/deep/down/guide.md", "kept")
            .file(".dockerignore", &format!(".git\ntarget\n{ignore}"));
        find(&workspace.plan(), "app")["inputs"]["files"].as_u64().unwrap()
    };
    // Cargo.toml, .dockerignore, the image's own two, and the five files.
    assert_eq!(inputs(""), 9);
    assert_eq!(inputs("docker/\n!docker/x/file\n"), 8);
    assert_eq!(inputs("*.md\n"), 8);
    assert_eq!(inputs("**/*.md\n"), 6);
    assert_eq!(inputs("*\n!docker/x/file\n!docs/**\ndocs/deep\n"), 2);
}

#[test]
fn a_dockerfile_may_have_its_own_ignore_file() {
    let plan = workspace()
        .image("app", "", "FROM scratch\nCOPY . /\n")
        .file("app/.dockerignore", "*\n")
        .file("app/Dockerfile.dockerignore", "*\n!one\n")
        .file("app/one", "1")
        .file("app/two", "2")
        .plan();
    assert_eq!(find(&plan, "app")["inputs"], serde_json::json!({"files": 1, "bytes": 1}));
}

#[test]
fn lines_that_look_like_from_in_a_heredoc_are_none() {
    let dockerfile = "FROM debian:13
RUN <<A cat > /x && cat <<-\"B\" > /y
FROM evil:1
COPY --from=evil:2 / /
A
\tFROM evil:3
\tB
COPY <<EOF /file
FROM evil:4
EOF
RUN echo \\
  # FROM evil:5

  done
";
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
    "#]]
    .assert_eq(&workspace().image("app", "", dockerfile).graph());
}

#[test]
fn a_backtick_may_escape_and_windows_may_end_the_lines() {
    let dockerfile = "\u{feff}# escape=`\r\n# syntax=docker/dockerfile:1\r\nARG TAG=13\r\nFROM `\r\n  debian:${TAG} AS a\r\nRUN dir C:\\\r\nFROM a\r\nCOPY --from=alpine:3 `\r\n  /x /x\r\n";
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
          COPY --from docker.io/library/alpine:3 for linux/amd64
    "#]]
    .assert_eq(&workspace().image("app", "", dockerfile).graph());
}

#[test]
fn triggers_of_a_stage_fire_in_the_next() {
    let dockerfile =
        "FROM debian:13 AS base\nONBUILD COPY --from=ghcr.io/acme/tool:1 /x /x\nFROM base\n";
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
          COPY --from ghcr.io/acme/tool:1 for linux/amd64
    "#]]
    .assert_eq(&workspace().image("app", "", dockerfile).graph());
}

#[test]
#[cfg(unix)]
fn contexts_hold_links_and_names_of_every_kind() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = workspace()
        .image("app", "", "FROM scratch\nCOPY . /\n")
        .file("app/with space", "1")
        .file("app/with\nnewline", "2")
        .file("app/größe ✓", "3")
        .link("app/link", "with space")
        .link("app/dangling", "/nowhere/at/all");
    let plan = workspace.plan();
    assert_eq!(find(&plan, "app")["inputs"]["files"], 5, "links are no files");
    let key = |plan: &serde_json::Value| word(&find(plan, "app")["key"]).to_owned();
    assert_eq!(key(&plan), key(&workspace.plan()));

    let file = workspace.root().join("app/with space");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(key(&plan), key(&workspace.plan()), "an executable bit alone is a change");
}

#[test]
fn images_lie_anywhere() {
    let workspace = workspace()
        .file(
            "docker/image.toml",
            "
            context = \"/\"
            platforms = [\"linux/amd64\", \"linux/arm64\"]
            [image.bot]
            [image.bot-base]
            dockerfile = \"Dockerfile.base\"
            [image.bot-ci]
            dockerfile = \"Dockerfile.ci\"
            platforms = [\"linux/amd64\"]
            ",
        )
        .file("docker/Dockerfile", "FROM ghcr.io/acme/bot-base\n")
        .file("docker/Dockerfile.base", "FROM python:3.12\n")
        .file("docker/Dockerfile.ci", "FROM ghcr.io/acme/bot-base:latest\n")
        .image(
            ".devcontainer",
            "id = \"dev\"\npublish = false",
            "FROM ghcr.io/acme/bot-ci\nCOPY --from=ghcr.io/acme/root / /\n",
        )
        .image(".", "id = \"root\"", "FROM scratch\n");
    expect![[r#"
        bot-base for linux/amd64 linux/arm64
          FROM docker.io/library/python:3.12 for linux/amd64 linux/arm64
        root for linux/amd64
        bot for linux/amd64 linux/arm64
          FROM bot-base as ghcr.io/acme/bot-base
        bot-ci for linux/amd64
          FROM bot-base as ghcr.io/acme/bot-base:latest
        dev for linux/amd64
          FROM bot-ci as ghcr.io/acme/bot-ci
          COPY --from root as ghcr.io/acme/root
    "#]]
    .assert_eq(&workspace.graph());
    let plan = workspace.plan();
    let shown = ["folder", "context", "dockerfile", "target", "name", "repositories"];
    expect![[r#"
        folder = "docker"
        context = "."
        dockerfile = "docker/Dockerfile.base"
        target = null
        name = "bot-base"
        repositories = ["ghcr.io/acme/bot-base"]
    "#]]
    .assert_eq(&fields(find(&plan, "bot-base"), &shown));
    expect![[r#"
        folder = ".devcontainer"
        context = ".devcontainer"
        dockerfile = ".devcontainer/Dockerfile"
        target = null
        name = "dev"
        repositories = ["ghcr.io/acme/dev"]
    "#]]
    .assert_eq(&fields(find(&plan, "dev"), &shown));
    expect![[r#"
        folder = "."
        context = "."
        dockerfile = "Dockerfile"
        target = null
        name = "root"
        repositories = ["ghcr.io/acme/root"]
    "#]]
    .assert_eq(&fields(find(&plan, "root"), &shown));
}
