//! The hard cases of the five systems that Dockyard replaces, each a workspace of a few files and the graph that
//! `plan --json` gives for it. None needs an engine: the graph is what the files say.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "support/workspace.rs"]
mod support;

use expect_test::expect;
use support::{configured, fields, find, graph, word, workspace};

// Case 1: what FROM expands to, per variant and platform.

#[test]
fn global_arguments_choose_the_base_per_variant_and_platform() {
    let toml = "
        platforms = [\"linux/amd64\", \"linux/arm64\"]
        [variants.lite]
        default = true
        args.VARIANT = \"lite\"
        [variants.full]
        args.VARIANT = \"full\"
    ";
    let dockerfile = "
ARG VARIANT=lite
ARG TARGETARCH
FROM python:3.12-slim AS base-lite
FROM nvidia/cuda:12.6.3-base-ubuntu22.04 AS base-full-amd64
FROM ubuntu:22.04 AS base-full-arm64
FROM base-full-${TARGETARCH} AS base-full
FROM base-${VARIANT} AS packages-lite
FROM base-${VARIANT} AS packages-full
RUN pip install torch
FROM packages-${VARIANT} AS final
COPY --from=docker.io/library/busybox:1 /bin/busybox /bin/
";
    expect![[r#"
        notebook:full for linux/amd64 linux/arm64
          FROM docker.io/nvidia/cuda:12.6.3-base-ubuntu22.04 for linux/amd64
          FROM docker.io/library/ubuntu:22.04 for linux/arm64
          COPY --from docker.io/library/busybox:1 for linux/amd64 linux/arm64
          VARIANT="full"
        notebook:lite for linux/amd64 linux/arm64
          FROM docker.io/library/python:3.12-slim for linux/amd64 linux/arm64
          COPY --from docker.io/library/busybox:1 for linux/amd64 linux/arm64
          VARIANT="lite"
    "#]]
    .assert_eq(&workspace().image("notebook", toml, dockerfile).graph());
}

#[test]
fn a_stage_is_never_taken_for_an_image_of_the_workspace() {
    // `base` is a stage here, although an image is called so; and only reached stages count.
    let said = configured("registries = [\"docker.io/library\"]")
        .image("base", "", "FROM debian:13\n")
        .image(
            "app",
            "target = \"final\"",
            "FROM alpine:3 AS base\nFROM unreached:1 AS other\nFROM base AS final\nFROM later:1\n",
        )
        .graph();
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/alpine:3 for linux/amd64
        base for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
    "#]]
    .assert_eq(&said);
}

// Case 2: arguments without a default.

#[test]
fn automatic_platform_arguments_are_buildkits() {
    let dockerfile = "
FROM --platform=$BUILDPLATFORM golang:1.24 AS build
ARG TARGETOS TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build
FROM alpine-$TARGETARCH:3
COPY --from=build /x /x
";
    let plan = workspace()
        .image("tool", "platforms = [\"linux/arm64\", \"linux/amd64\"]", dockerfile)
        .plan();
    let said = graph(&plan).replace(&native(), "NATIVE");
    assert!(said.contains("FROM docker.io/library/alpine-arm64:3 for linux/arm64"), "{said}");
    assert!(said.contains("FROM docker.io/library/golang:1.24 for NATIVE"), "{said}");
}

/// The platform of this machine, as the binary names it.
fn native() -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{arch}")
}

#[test]
fn an_argument_gets_its_value_from_args() {
    let said =
        workspace().image("app", "args.BASE = \"debian:13\"", "ARG BASE\nFROM $BASE\n").graph();
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
          BASE="debian:13"
    "#]]
    .assert_eq(&said);
}

// Case 3: several bases; the label names the one that the final stage starts from.

#[test]
fn the_label_names_the_base_of_the_final_stage() {
    let plan = workspace()
        .image(
            "app",
            "",
            "FROM ghcr.io/prefix-dev/pixi:0.41.4 AS build\nFROM debian:bookworm-slim\nCOPY --from=build /app /app\n",
        )
        .plan();
    expect![[r#"
        app for linux/amd64
          FROM ghcr.io/prefix-dev/pixi:0.41.4 for linux/amd64
          FROM docker.io/library/debian:bookworm-slim for linux/amd64
    "#]]
    .assert_eq(&graph(&plan));
    let labels = &find(&plan, "app")["labels"];
    assert_eq!(
        labels["org.opencontainers.image.base.name"],
        "docker.io/library/debian:bookworm-slim"
    );
}

// Case 4: references in every spelling.

#[test]
fn references_are_normalised() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let dockerfile = format!(
        "
FROM localhost:5000/x AS a
FROM debian:13@{digest} AS b
FROM ubuntu AS c
FROM docker.io/library/alpine:3 AS d
FROM registry.example:8443/team/tool:1.2 AS e
FROM index.docker.io/acme/tool AS f
FROM scratch
COPY --from=a / /
COPY --from=b / /
COPY --from=c / /
COPY --from=d / /
COPY --from=e / /
COPY --from=f / /
"
    );
    let plan = workspace().image("app", "", &dockerfile).plan();
    expect![[r#"
        app for linux/amd64
          FROM localhost:5000/x for linux/amd64
          FROM docker.io/library/debian:13@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef for linux/amd64
          FROM docker.io/library/ubuntu for linux/amd64
          FROM docker.io/library/alpine:3 for linux/amd64
          FROM registry.example:8443/team/tool:1.2 for linux/amd64
          FROM docker.io/acme/tool for linux/amd64
    "#]].assert_eq(&graph(&plan));
    assert_eq!(find(&plan, "app")["external"][1]["digest"], digest.as_str());
}

#[test]
fn two_spellings_of_one_reference_are_one_parent() {
    let said = configured("registries = [\"docker.io/acme\"]")
        .image("base", "", "FROM scratch\n")
        .image(
            "app",
            "",
            "FROM acme/base AS a\nFROM docker.io/acme/base:latest\nCOPY --from=a /x /x\n",
        )
        .graph();
    expect![[r#"
        base for linux/amd64
        app for linux/amd64
          FROM base as docker.io/acme/base
          FROM base as docker.io/acme/base:latest
    "#]]
    .assert_eq(&said);
}

// Case 8: what is this workspace's, and what only looks like it.

#[test]
fn a_registry_or_an_alias_makes_a_reference_ours() {
    let said = configured("registries = [\"ghcr.io/owner\"]\naliases = [\"quay.io/old\"]")
        .image("bot-base", "", "FROM python:3.12\n")
        .image("bot-ci", "", "FROM ghcr.io/owner/bot-base:latest\n")
        .image("bot-prod", "", "FROM quay.io/old/bot-base\n")
        .image("bot-dev", "", "FROM ghcr.io/someone/bot-base\n")
        .graph();
    expect![[r#"
        bot-base for linux/amd64
          FROM docker.io/library/python:3.12 for linux/amd64
        bot-dev for linux/amd64
          FROM ghcr.io/someone/bot-base for linux/amd64
        bot-ci for linux/amd64
          FROM bot-base as ghcr.io/owner/bot-base:latest
        bot-prod for linux/amd64
          FROM bot-base as quay.io/old/bot-base
    "#]]
    .assert_eq(&said);
}

#[test]
fn the_same_last_name_alone_is_no_parent() {
    let said = workspace()
        .image("pytorch", "", "FROM pytorch/pytorch:2.5\n")
        .image("python", "", "FROM python:3.12\n")
        .graph();
    expect![[r#"
        python for linux/amd64
          FROM docker.io/library/python:3.12 for linux/amd64
        pytorch for linux/amd64
          FROM docker.io/pytorch/pytorch:2.5 for linux/amd64
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_stage_called_as_its_base_keeps_its_steps() {
    // The workspace's own debian can then only be given by an argument.
    let ours = configured("registries = [\"docker.io/library\"]")
        .image("debian", "", "FROM scratch\n")
        .image("app", "", "ARG BASE=debian\nFROM ${BASE} AS debian\nRUN true\n");
    expect![[r#"
        debian for linux/amd64
        app for linux/amd64
          FROM debian as docker.io/library/debian
    "#]]
    .assert_eq(&ours.graph());
    let external = workspace().image("app", "", "FROM debian AS debian\nRUN true\n");
    expect![[r#"
        app for linux/amd64
          FROM docker.io/library/debian for linux/amd64
    "#]]
    .assert_eq(&external.graph());
}

#[test]
fn a_tag_picks_the_variant() {
    let said = workspace()
        .image(
            "nb",
            "
            version = \"0.3.0\"
            [variants.lite]
            default = true
            [variants.full]
            tags = [\"{{ version }}-full\", \"full\"]
            ",
            "FROM scratch\n",
        )
        .image("untagged", "", "FROM ghcr.io/acme/nb\n")
        .image("latest", "", "FROM ghcr.io/acme/nb:latest\n")
        .image("full", "", "FROM ghcr.io/acme/nb:0.3.0-full\n")
        .image("lite", "", "FROM ghcr.io/acme/nb:0.3.0\n")
        .image("pinned", "", "FROM ghcr.io/acme/nb:0.2.9\n")
        .image("opted-out", "external = [\"ghcr.io/acme/nb\"]", "FROM ghcr.io/acme/nb:full\n")
        .graph();
    expect![[r#"
        nb:full for linux/amd64
        nb:lite for linux/amd64
        opted-out for linux/amd64
          FROM ghcr.io/acme/nb:full for linux/amd64
        pinned for linux/amd64
          FROM ghcr.io/acme/nb:0.2.9 for linux/amd64
            no tag of nb:full or nb:lite gives ghcr.io/acme/nb:0.2.9, so it is taken as a deliberate pin; to build on today's, name it under [parents]
        full for linux/amd64
          FROM nb:full as ghcr.io/acme/nb:0.3.0-full
        latest for linux/amd64
          FROM nb:lite as ghcr.io/acme/nb:latest
        lite for linux/amd64
          FROM nb:lite as ghcr.io/acme/nb:0.3.0
        untagged for linux/amd64
          FROM nb:lite as ghcr.io/acme/nb
    "#]].assert_eq(&said);
}

// Case 9: platforms of parents.

#[test]
fn a_child_may_have_fewer_platforms_than_its_parent() {
    let said = workspace()
        .image("base", "platforms = [\"linux/amd64\", \"linux/arm64\"]", "FROM debian:13\n")
        .image("ci", "platforms = [\"linux/amd64\"]", "FROM ghcr.io/acme/base\n")
        .graph();
    expect![[r#"
        base for linux/amd64 linux/arm64
          FROM docker.io/library/debian:13 for linux/amd64 linux/arm64
        ci for linux/amd64
          FROM base as ghcr.io/acme/base
    "#]]
    .assert_eq(&said);
}

// Case 13: build arguments with every character.

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

// Case 14: ignore files.

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

// Case 15: what a Dockerfile may look like.

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

// Case 16: strange files.

#[test]
#[cfg(unix)]
fn contexts_hold_links_and_names_of_every_kind() {
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

    use std::os::unix::fs::PermissionsExt as _;
    let file = workspace.root().join("app/with space");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(key(&plan), key(&workspace.plan()), "an executable bit alone is a change");
}

// Case 17: several images in one folder, in a dot-folder, at the root.

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

// Case 18: arguments that nobody wrote.

#[test]
fn nobody_fills_in_an_argument_that_is_not_written() {
    let dockerfile = "
ARG CUDA_VERSION=12.6
ARG MICROMAMBA_VERSION
FROM nvidia/cuda:${CUDA_VERSION}-base
ARG MICROMAMBA_VERSION
ARG VERSION
RUN install $MICROMAMBA_VERSION
";
    let toml = "version = \"9.9.9\"\n[facts]\ncuda = \"11.8\"\n";
    expect![[r#"
        app for linux/amd64
          FROM docker.io/nvidia/cuda:12.6-base for linux/amd64
    "#]]
    .assert_eq(&workspace().image("app", toml, dockerfile).graph());
}

#[test]
fn an_argument_names_the_parent() {
    let dockerfile = "ARG BASE_IMG_NAME\nFROM ${BASE_IMG_NAME}\n";
    let workspace = workspace()
        .image("base", "[variants.cpu]\ndefault = true\n[variants.gpu]\n", "FROM debian:13\n")
        .image("cpu", "parents.BASE_IMG_NAME = \"base\"", dockerfile)
        .image("gpu", "parents.BASE_IMG_NAME = \"base:gpu\"", dockerfile);
    expect![[r#"
        base:cpu for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
        base:gpu for linux/amd64
          FROM docker.io/library/debian:13 for linux/amd64
        cpu for linux/amd64
          FROM base:cpu as ghcr.io/acme/base
        gpu for linux/amd64
          FROM base:gpu as ghcr.io/acme/base
    "#]]
    .assert_eq(&workspace.graph());
}
