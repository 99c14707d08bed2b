//! Dockerfiles.

use expect_test::expect;

use super::{dockerfile, plan};
use crate::support::workspace;

#[test]
fn a_missing_dockerfile() {
    plan(
        &workspace().file("app/image.toml", ""),
        &expect![[r#"
        error: app/image.toml:1:1: the Dockerfile of app: there is no file app/Dockerfile
          mend: create it, or name another with `dockerfile = "PATH"`
        status 2
    "#]],
    );
    plan(
        &workspace().file("app/image.toml", "\ndockerfile = \"Dockerfile.ci\"\n"),
        &expect![[r#"
        error: app/image.toml:2:14: the Dockerfile of app: there is no file app/Dockerfile.ci
          mend: create it, or name another with `dockerfile = "PATH"`
        status 2
    "#]],
    );
    plan(
        &workspace().file("app/image.toml", "[image.a]\n[image.b]\n[variants.x]\n[variants.y]\n"),
        &expect![[r#"
        error: app/image.toml:1:8: the Dockerfile of a: there is no file app/Dockerfile
          mend: create it, or name another with `dockerfile = "PATH"`
        error: app/image.toml:2:8: the Dockerfile of b: there is no file app/Dockerfile
          mend: create it, or name another with `dockerfile = "PATH"`
        status 2
    "#]],
    );
}

#[test]
fn a_dockerfile_that_is_not_utf8() {
    plan(
        &workspace()
            .file("app/image.toml", "")
            .bytes("app/Dockerfile", b"FROM debian:13\nLABEL a=\"\xe4\"\n"),
        &expect![[r#"
            error: app/Dockerfile:2:10: this is not UTF-8
              mend: save the file as UTF-8
            status 2
        "#]],
    );
}

#[test]
fn a_dockerfile_that_is_none() {
    dockerfile(
        "",
        &expect![[r#"
            error: app/Dockerfile:1:1: the file has no FROM
              mend: begin with one: `FROM debian:trixie-slim`, or `FROM scratch`
            status 2
        "#]],
    );
    dockerfile(
        "FORM debian:13\nRUN true\n",
        &expect![[r#"
            error: app/Dockerfile:1:1: "FORM" is no instruction
              mend: did you mean FROM?
            status 2
        "#]],
    );
    dockerfile(
        "FROM debian:13\nCOPY --form=x a b\nRUN <<E\n",
        &expect![[r#"
        error: app/Dockerfile:2:1: COPY has no flag --form
          mend: did you mean --from?
        error: app/Dockerfile:3:1: the heredoc `<<E` has no line that ends it
        status 2
    "#]],
    );
    dockerfile(
        "FROM Debian:13\n",
        &expect![[r#"
        error: app/Dockerfile:1:6: "Debian:13" is not a valid reference: 'D' may not stand in a name (only lower case)
        status 2
    "#]],
    );
    dockerfile(
        "FROM debian:13 AS a\nFROM debian:13\nCOPY --from=7 /a /b\n",
        &expect![[r#"
        error: app/Dockerfile:3:13: there is no stage 7
        status 2
    "#]],
    );
}

#[test]
fn arguments_without_a_value_in_from() {
    dockerfile(
        "ARG BASE\nFROM ${BASE}\n",
        &expect![[r#"
        error: app/Dockerfile:2:6: the argument BASE in FROM has no value
          mend: set `args.BASE = "…"` in image.toml, or give `ARG BASE` a default
        status 2
    "#]],
    );
    dockerfile(
        "ARG TAG\nFROM debian:$TAG AS a\nFROM ghcr.io/acme/x:${VERSION}\nCOPY --from=a / /\n",
        &expect![[r#"
        error: app/Dockerfile:2:13: the argument TAG in FROM has no value
          mend: set `args.TAG = "…"` in image.toml, or give `ARG TAG` a default
        error: app/Dockerfile:3:21: the argument VERSION in FROM has no value
          mend: write `ARG VERSION=…` before the first FROM; FROM sees no other arguments
        status 2
    "#]],
    );
    dockerfile(
        "ARG P\nFROM --platform=$P debian:13\n",
        &expect![[r#"
        error: app/Dockerfile:2:17: the argument P in FROM has no value
          mend: set `args.P = "…"` in image.toml, or give `ARG P` a default
        status 2
    "#]],
    );
    plan(
        &workspace().image(
            "app",
            "[variants.a]\nargs.BASE = \"debian:13\"\n[variants.b]\n[variants.c]\n",
            "ARG BASE\nFROM $BASE\n",
        ),
        &expect![[r#"
            error: app/Dockerfile:2:6: the argument BASE in FROM has no value (app:b, app:c)
              mend: set `args.BASE = "…"` in image.toml, or give `ARG BASE` a default
            status 2
        "#]],
    );
}

#[test]
fn a_stage_that_is_not_there() {
    plan(
        &workspace().image("app", "\ntarget = \"finl\"\n", "FROM debian:13 AS final\n"),
        &expect![[r#"
            error: app/image.toml:2:10: app/Dockerfile has no stage "finl"
              mend: did you mean "final"?
            status 2
        "#]],
    );
}
