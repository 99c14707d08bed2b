//! What images need of each other.

use expect_test::expect;

use super::{dockerfile, plan};
use crate::support::{configured, workspace};

#[test]
fn cycles() {
    plan(
        &workspace()
            .image("a", "", "FROM debian:13\nCOPY --from=ghcr.io/acme/b / /\n")
            .image("b", "", "FROM ghcr.io/acme/c\n")
            .image("c", "", "FROM ghcr.io/acme/a\n"),
        &expect![[r#"
            error: a/Dockerfile:2:13: the images need each other in a circle: a → b → c → a
              mend: one of them must not start from or copy from the next
            status 2
        "#]],
    );
    dockerfile(
        "FROM debian:13 AS x\nCOPY --from=y / /\nFROM debian:13 AS y\nCOPY --from=x / /\n",
        &expect![[r#"
        error: app/Dockerfile:1:1: stages copy from each other in a circle: x → y → x
        status 2
    "#]],
    );
}

#[test]
fn a_platform_that_a_parent_lacks() {
    plan(
        &workspace().image("base", "", "FROM debian:13\n").image(
            "app",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            "FROM ghcr.io/acme/base\nCOPY --from=ghcr.io/acme/base /a /b\n",
        ),
        &expect![[r#"
            error: app/Dockerfile:2:13: app needs base for linux/arm64, which is made only for linux/amd64
              mend: add "linux/arm64" to the platforms of base, or take it from those of app
            status 2
        "#]],
    );
}

#[test]
fn parents_that_are_not_there() {
    let base = || workspace().image("base", "[variants.cpu]\n[variants.gpu]\n", "FROM debian:13\n");
    let app = "ARG BASE\nFROM $BASE\n";
    plan(
        &base().image("app", "parents.BASE = \"bas\"\n", app),
        &expect![[r#"
        error: app/image.toml:1:16: there is no image "bas"
          mend: did you mean "base"?
        status 2
    "#]],
    );
    plan(
        &base().image("app", "parents.BASE = \"base\"\n", app),
        &expect![[r#"
            error: app/image.toml:1:16: no variant of base is the default one
              mend: write one of base:cpu, base:gpu, or `default = true` in one of them
            status 2
        "#]],
    );
    plan(
        &base().image("app", "parents.BASE = \"base:tpu\"\n", app),
        &expect![[r#"
        error: app/image.toml:1:16: base has no variant "tpu"
          mend: one of base:cpu, base:gpu
        status 2
    "#]],
    );
    plan(
        &base().image("app", "parents.BSAE = \"base:cpu\"\n", "FROM debian:13\n"),
        &expect![[r#"
        error: app/image.toml:1:16: nothing in app/Dockerfile starts from or copies from the argument BSAE
          mend: write `ARG BSAE` before the first FROM and `FROM ${BSAE}`, or remove the entry
        status 2
    "#]],
    );
    plan(
        &base().image("app", "parents.BASE = \"base:cpu\"\nargs.BASE = \"debian:13\"\n", app),
        &expect![[r#"
            error: app/image.toml:1:16: BASE stands under both [args] and [parents]
              mend: remove one of them: [parents] gives the argument its value
            status 2
        "#]],
    );
}

#[test]
fn a_reference_that_could_be_several() {
    plan(
        &workspace()
            .image("a", "repositories = [\"ghcr.io/acme/x\"]\ntags = [\"a\"]\n", "FROM debian:13\n")
            .image("b", "repositories = [\"ghcr.io/acme/x\"]\ntags = [\"b\"]\n", "FROM debian:13\n")
            .image("c", "", "FROM ghcr.io/acme/x\n"),
        &expect![[r#"
            error: c/Dockerfile:1:6: ghcr.io/acme/x could be any of a, b
              mend: name the one that is meant under [parents], or give the images different names or tags
            status 2
        "#]],
    );
}

#[test]
fn a_stage_that_hides_a_parent() {
    plan(
        &configured("registries = [\"docker.io/library\"]")
            .image("base", "", "FROM debian:13\n")
            .image("app", "", "FROM base AS base\nRUN true\n"),
        &expect![[r#"
            error: app/Dockerfile:1:6: a stage has the same name as the image base, so that the image cannot be replaced without replacing the stage
              mend: rename the stage
            status 2
        "#]],
    );
}
