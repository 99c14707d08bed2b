//! Cases 8, 9 and 18: what is this workspace's, and for which platforms; arguments that nobody wrote.

use expect_test::expect;

use crate::support::{configured, find, workspace};

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
    let plan = ours.plan();
    let command = find(&plan, "app")["command"].as_array().unwrap();
    let bound = |word: &serde_json::Value| {
        word.as_str().is_some_and(|word| word.starts_with("--build-arg=BASE=debian:key-"))
    };
    assert!(command.iter().any(bound), "{command:?}");
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
