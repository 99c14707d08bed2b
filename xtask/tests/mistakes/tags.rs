//! Versions, facts, templates and tags.

use expect_test::expect;

use super::{config, plan, toml};
use crate::support::workspace;

#[test]
fn versions() {
    toml(
        "version = \"2026.03.05\"\n",
        &expect![[r#"
            error: app/image.toml:1:11: the version "2026.03.05" has the zero-padded number "03", which versions do not have; write "2026.3.5"
            status 2
        "#]],
    );
    toml(
        "version = \"newest\"\n",
        &expect![[r#"
        error: app/image.toml:1:11: "newest" is no version; write numbers with dots, e.g. 1.2.3, 2026.3.5 or 1.2.3-rc.1
        status 2
    "#]],
    );
    toml(
        "version = { file = \"nothing.toml\", key = \"version\" }\n",
        &expect![[r#"
            error: app/image.toml:1:11: the version: there is no file app/nothing.toml
            status 2
        "#]],
    );
    toml(
        "version = { file = \"image.toml\", key = \"project.version\" }\n",
        &expect![[r#"
        error: app/image.toml:1:11: the version: app/image.toml has no `project.version`
        status 2
    "#]],
    );
    toml(
        "version = { file = \"image.toml\", match = '(' }\n",
        &expect![[r#"
            error: app/image.toml:1:42: "(" is no regular expression: found open group without closing ')'
            status 2
        "#]],
    );
    toml(
        "version = { file = \"image.toml\", match = '^nothing$' }\n",
        &expect![[r#"
        error: app/image.toml:1:11: the version: nothing in app/image.toml matches "^nothing$"
        status 2
    "#]],
    );
    config(
        "version = \"01.2\"",
        &expect![[r#"
            error: Cargo.toml:3:11: the version "01.2" has the zero-padded number "01", which versions do not have; write "1.2"
            status 2
        "#]],
    );
}

#[test]
fn a_git_tag_that_is_not_there() {
    let toml = "version = { git-tag = \"v*\" }\ntags = { release = [\"{{ version }}\"] }\n";
    let workspace = workspace().image("app", toml, "FROM debian:13\n").committed();
    assert_eq!(workspace.run(&["plan"]).status, 0);
    expect![[r#"
        error: app/image.toml:2:21: the template "{{ version }}": `version` has no value: the version comes from a git tag "v*", and HEAD has none (channel release)
          mend: give it a value, take it out of `tags`, or choose another --channel
        status 2
    "#]].assert_eq(&workspace.refused(&["plan", "--channel", "release"]));
    let tagged = workspace.git(&["tag", "v1.2.0"]);
    assert_eq!(tagged.json(&["tags", "--json"])["images"][0]["tags"][0]["tag"], "1.2.0");
}

#[test]
fn facts() {
    toml(
        "[facts]\na = { pixi-lock = \"pytorch\" }\nb = { file = \"image.toml\", key = \"x\" }\n\
        c = { file = \"image.toml\", match = '^(nothing)$' }\n",
        &expect![[r#"
            error: app/image.toml:2:5: the fact `a`: there is no file app/pixi.lock
            error: app/image.toml:3:5: the fact `b`: app/image.toml has no `x`
            error: app/image.toml:4:5: the fact `c`: nothing in app/image.toml matches "^(nothing)$"
            status 2
        "#]],
    );
}

#[test]
fn templates_with_undefined_names() {
    toml(
        "tags = [\"{{ versoin }}\", \"{{ version\"]\nlabels = { a = \"{{ nope }}\" }\nversion = \"1\"\n",
        &expect![[r#"
            error: app/image.toml:1:9: the template "{{ versoin }}": there is no fact `versoin`
              mend: did you mean `version`?
            error: app/image.toml:1:26: the template "{{ version": unexpected end of input, expected end of variable block
            error: app/image.toml:2:16: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            status 2
        "#]],
    );
    toml(
        "[args]\nA = \"{{ framwork }}\"\n[facts]\nframework = \"torch\"\n",
        &expect![[r#"
        error: app/image.toml:2:5: the template "{{ framwork }}": there is no fact `framwork`
          mend: did you mean `framework`?
        status 2
    "#]],
    );
    toml(
        "tags = [\"{{ version }}\"]\n",
        &expect![[r#"
            error: app/image.toml:1:9: the template "{{ version }}": `version` has no value: the image has no version; write version = "…" (channel dev)
              mend: give it a value, take it out of `tags`, or choose another --channel
            status 2
        "#]],
    );
    toml(
        "[args]\nA = \"{{ distro }}\"\n[facts]\ndistro = { os-release = \"ID\" }\n",
        &expect![[r#"
        error: app/image.toml:2:5: the argument A uses `distro`, which is read from the built image and can only serve tags
        status 2
    "#]],
    );
    toml(
        "tags = { release = [\"{{ nope }}\"] }\n",
        &expect![[r#"
            error: app/image.toml:1:21: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            status 2
        "#]],
    );
    toml(
        "[args]\nA = \"{{ variant }}\"\n",
        &expect![[r#"
        error: app/image.toml:2:5: the template "{{ variant }}": `variant` has no value: the image has no variants
        status 2
    "#]],
    );
    config(
        "tags = [\"{{ nope }}\"]",
        &expect![[r#"
            error: Cargo.toml:3:9: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            status 2
        "#]],
    );
}

#[test]
fn tags_that_cannot_be() {
    toml(
        "tags = [\"///\", \"\"]\n",
        &expect![[r#"
            error: app/image.toml:1:9: the tag "///" of app: nothing of "///" can stand in a tag
              mend: a tag has letters, digits, `_`, `.` and `-`
            error: app/image.toml:1:16: the tag "" of app: nothing of "" can stand in a tag
              mend: a tag has letters, digits, `_`, `.` and `-`
            status 2
        "#]],
    );
    // Two targets want one tag; and two values that become the same.
    toml(
        "tags = [\"latest\"]\n[variants.a]\n[variants.b]\n",
        &expect![[r#"
            error: app/image.toml:1:9: app:a and app:b both want the tag ghcr.io/acme/app:latest
              mend: give each variant `tags` of its own, e.g. "{{ variant }}"
            status 2
        "#]],
    );
    plan(
        &workspace().image("a", "name = \"x\"\ntags = [\"a/b\"]\n", "FROM debian:13\n").image(
            "b",
            "name = \"x\"\ntags = [\"a+b\"]\n",
            "FROM debian:13\n",
        ),
        &expect![[r#"
            error: b/image.toml:2:9: a and b both want the tag ghcr.io/acme/x:a-b
              mend: give one of them other `tags`, another `name`, or other `repositories`
            status 2
        "#]],
    );
    plan(
        &workspace()
            .image("a", "name = \"x\"\nrepositories = [\"ghcr.io/a/x\"]\n", "FROM debian:13\n")
            .image("b", "name = \"x\"\nrepositories = [\"ghcr.io/b/x\"]\n", "FROM debian:13\n"),
        &expect![[r#"
            error: b/image.toml:1:1: a and b both want the tag x:dev
              mend: give one of them another `name`: in the engine both have this one
            status 2
        "#]],
    );
    toml(
        "[variants.a]\ndefault = true\n[variants.b]\ndefault = true\n",
        &expect![[r#"
        error: app/image.toml:3:11: two variants of "app" are the default one
          mend: write `default = true` in one of them
        status 2
    "#]],
    );
}
