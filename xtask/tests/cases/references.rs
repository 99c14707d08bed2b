//! Cases 1 to 4: arguments, bases and references.

use expect_test::expect;

use super::native;
use crate::support::{configured, find, graph, workspace};

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
