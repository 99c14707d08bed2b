//! What is typed.

use expect_test::expect;

use crate::support::workspace;

#[test]
fn unknown_images() {
    let workspace = workspace()
        .image(
            "notebook-processor",
            "[variants.lite]\ndefault = true\n[variants.full]\n",
            "FROM debian:13\n",
        )
        .image("base", "", "FROM debian:13\n");
    expect![[r#"
        error: there is no image "bse"
          mend: did you mean "base"?
        error: there is no image "notebook-procesor"
          mend: did you mean "notebook-processor"?
        error: there is no image "zzz"
          mend: `cargo xtask list` shows the ids
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["plan", "notebook-procesor", "bse", "zzz"]));
    expect![[r#"
        error: there is no image "base:"
          mend: "base" has no variants
        error: there is no image "base:x"
          mend: "base" has no variants
        error: there is no image "notebook-processor:ful"
          mend: one of notebook-processor:full, notebook-processor:lite
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["plan", "notebook-processor:ful", "base:x", "base:"]));
    expect![[r#"
        error: there is no image "notebook-procesor"
          mend: did you mean "notebook-processor"?
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["build", "notebook-procesor"]));
    expect![[r#"
        error: there is no image ""
          mend: `cargo xtask list` shows the ids
        error: there is no image "a\nb"
          mend: `cargo xtask list` shows the ids
        error: there is no image "nowhere/at/all"
          mend: `cargo xtask list` shows the ids
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["plan", "nowhere/at/all", "a\nb", ""]));
}

#[test]
fn wrong_options() {
    let workspace = workspace().image("app", "", "FROM debian:13\n");
    expect![[r#"
        error: app/image.toml:1:1: app is not made for linux/riscv64, only for linux/amd64
          mend: add it to `platforms`, or ask for another --platform
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["plan", "--platform", "linux/riscv64"]));
    expect![[r#"
        error: invalid value 'linux' for '--platform <PLATFORM>': "linux" is not a valid platform: write os/architecture, e.g. linux/amd64 or linux/arm/v7

        For more information, try '--help'.
        status 2
    "#]].assert_eq(&workspace.refused(&["plan", "--platform", "linux"]));
    expect![[r#"
        error: --build-arg "=1": "" is no name of an argument
          mend: write [ID:]KEY=VALUE
        error: --build-arg "X" has no value
          mend: write [ID:]KEY=VALUE
        error: --build-arg "a b=1": "a b" is no name of an argument
          mend: write [ID:]KEY=VALUE
        error: --build-arg "ap:X=1": there is no image "ap"
          mend: did you mean "app"?
        status 2
    "#]]
    .assert_eq(&workspace.refused(&[
        "plan",
        "--build-arg",
        "X",
        "--build-arg",
        "ap:X=1",
        "--build-arg",
        "a b=1",
        "--build-arg",
        "=1",
    ]));
    expect![[r#"
        error: invalid value 'prod' for '--channel <CHANNEL>'
          [possible values: dev, pr, main, release]

          tip: a similar value exists: 'pr'

        For more information, try '--help'.
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["plan", "--channel", "prod"]));
    expect![[r#"
        error: unrecognized subcommand 'bild'

          tip: a similar subcommand exists: 'build'

        Usage: cargo xtask [OPTIONS] <COMMAND>

        For more information, try '--help'.
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["bild"]));
    expect![[r#"
        error: invalid value '0' for '--jobs <N>': 0 is not in 1..=65535

        For more information, try '--help'.
        status 2
    "#]]
    .assert_eq(&workspace.refused(&["build", "--jobs", "0"]));
}

#[test]
fn no_engine() {
    let workspace = workspace().image("app", "", "FROM debian:13\n");
    for args in [&["build"][..], &["run", "app"]] {
        let said = workspace.refused(args);
        let lines: Vec<&str> = said.lines().collect();
        // Which of them depends on whether this machine has a docker program.
        let what =
            ["error: the Docker engine at unix:///nowhere/docker.sock", "error: there is no"];
        assert!(what.iter().any(|what| lines[0].starts_with(what)), "{said}");
        assert!(lines[1].starts_with("  mend: "), "{said}");
        assert_eq!(lines[2..], ["status 2"], "{said}");
    }
    // What was mistyped comes first.
    let said = workspace.refused(&["run", "ap"]);
    assert!(said.starts_with("error: there is no image \"ap\""), "{said}");
}
