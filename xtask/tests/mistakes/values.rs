//! Values that mean nothing, or look like options.

use expect_test::expect;

use super::{plan, toml};
use crate::support::workspace;

#[test]
fn values_that_mean_nothing() {
    toml(
        "platforms = [\"linux\", \"amd64\", \"linux/amd64\", \"linux/x86_64\", \"linux/quantum\"]\n\
        repositories = [\"https://ghcr.io/acme/x\", \"ghcr.io/acme/x:tag\", \"Big/x\"]\n\
        external = [\"a b\"]\n\
        cache = { mode = \"all\" }\nbuild = { network = \"my-net\", shm-size = \"much\", ulimits = { nofile = \"x\" }, add-hosts = { h = \"x y\" } }\n\
        limits = { size = \"big\" }\ntest = { http = { port = 0, timeout = \"soon\" }, gpus = \"maybe\" }\n\
        version = { file = \"x\" }\n",
        &expect![[r#"
            error: app/image.toml:1:14: "linux" is not a valid platform: write os/architecture, e.g. linux/amd64 or linux/arm/v7
            error: app/image.toml:1:23: "amd64" is not a valid platform: write os/architecture, e.g. linux/amd64 or linux/arm/v7
            error: app/image.toml:1:47: linux/amd64 stands here twice
              mend: remove one of them
            error: app/image.toml:2:17: "https://ghcr.io/acme/x" is not a valid repository: a scheme does not belong here; begin with the registry's host
            error: app/image.toml:2:43: "ghcr.io/acme/x:tag" is not a valid repository: a tag or digest does not belong here
            error: app/image.toml:3:13: "a b" is not a valid reference: ' ' may not stand in a name
            error: app/image.toml:4:18: unknown cache mode "all"
              mend: `min` or `max`
            error: app/image.toml:5:21: unknown network "my-net"
              mend: `default`, `none` or `host`
            error: app/image.toml:5:42: "much" is no size of memory
              mend: write e.g. "2g" or "512m"
            error: app/image.toml:5:71: "x" is no value of `ulimits`
              mend: write "1024" or "1024:2048"; -1 is no limit
            error: app/image.toml:5:96: "x y" is no value of `add-hosts`
              mend: write an IP address, or host-gateway
            error: app/image.toml:6:19: "big" is no size
              mend: write e.g. "5GB"
            error: app/image.toml:7:26: `http` needs a port from 1 to 65535
              mend: port = 8000
            error: app/image.toml:7:39: "soon" is no duration
              mend: write e.g. "60s" or "2m"
            error: app/image.toml:7:56: unknown value "maybe" of `gpus`
              mend: `optional`, `required` or `none`
            error: app/image.toml:8:11: it is not clear where the value stands
              mend: write { file = "pyproject.toml", key = "project.version" }, { file = "setup.cfg", match = '^version = (\S+)' } or { git-tag = "v*" }
            status 2
        "#]],
    );
    toml(
        "platforms = []\n",
        &expect![[r#"
        error: app/image.toml:1:13: `platforms` names no platform
          mend: write e.g. ["linux/amd64"], or leave the key out
        status 2
    "#]],
    );
    toml(
        "secrets = { a = {}, b = { env = \"A\", file = \"b\" }, c = { env = \"A-B\" } }\n",
        &expect![[r#"
            error: app/image.toml:1:13: the secret "a" needs one source
              mend: write { env = "NAME" } or { file = "PATH" }
            error: app/image.toml:1:21: the secret "b" needs one source
              mend: write { env = "NAME" } or { file = "PATH" }
            error: app/image.toml:1:64: "A-B" is not a valid name of an environment variable
              mend: letters, digits and `_`, beginning with a letter or `_`
            status 2
        "#]],
    );
    toml(
        "labels = { \"a=b\" = \"c\" }\nsecrets.a.file = \"/../x\"\nversion = {}\nfacts.a.match = \"x\"\n",
        &expect![[r#"
            error: app/image.toml:1:20: "a=b" cannot be the name of a label
              mend: a label's name has no `=` and no line break, and does not begin with `-`
            error: app/image.toml:2:18: the path "/../x" leads out of the workspace
              mend: a secret from elsewhere comes in a variable: { env = "NAME" }
            error: app/image.toml:3:11: it is not clear where the value stands
              mend: write { file = "pyproject.toml", key = "project.version" }, { file = "setup.cfg", match = '^version = (\S+)' } or { git-tag = "v*" }
            error: app/image.toml:4:7: a fact needs one source
              mend: a text, { file, key | match }, { pixi-lock | uv-lock | requirements = "PACKAGE" }, { probe = ["cmd"] } or { os-release = "KEY" }
            status 2
        "#]],
    );
    toml(
        "contexts = { context = \".\", data = \"https://example.org\", \"\" = \".\" }\n",
        &expect![[r#"
            error: app/image.toml:1:14: BuildKit does not let a context be called "context"
              mend: choose another name
            error: app/image.toml:1:36: "https://example.org" is no context that Dockyard can follow
              mend: a folder of the workspace, or docker-image://REFERENCE
            error: app/image.toml:1:59: "" is not a valid name of a context
              mend: a name that a Dockerfile can copy from: `COPY --from=NAME`
            status 2
        "#]],
    );
    toml(
        "[facts]\nversion = \"1\"\n\"a-b\" = \"1\"\nc = {}\nd = { file = \"x\" }\ne = { probe = [] }\n",
        &expect![[r#"
            error: app/image.toml:2:1: "version" is given by Dockyard
              mend: choose another name of letters, digits and `_`
            error: app/image.toml:3:1: "a-b" is no name for a fact
              mend: choose another name of letters, digits and `_`
            error: app/image.toml:4:5: a fact needs one source
              mend: a text, { file, key | match }, { pixi-lock | uv-lock | requirements = "PACKAGE" }, { probe = ["cmd"] } or { os-release = "KEY" }
            error: app/image.toml:5:5: it is not clear where the value stands
              mend: write { file = "pyproject.toml", key = "project.version" }, { file = "setup.cfg", match = '^version = (\S+)' }
            error: app/image.toml:6:5: the probe has no command
              mend: write e.g. probe = ["python", "--version"]
            status 2
        "#]],
    );
}

#[test]
fn ids_and_values_that_look_like_options_or_hold_anything() {
    for id in ["-x", "a b", "a\\nb", "$(reboot)", "a;b", "../a", "A", "", "a/b", "ä"] {
        let said = workspace()
            .image("app", &format!("id = \"{id}\"\n"), "FROM debian:13\n")
            .refused(&["plan"]);
        assert!(said.starts_with("error: app/image.toml:1:6: "), "{id}: {said}");
        assert!(
            said.contains("is not a valid id: ") && said.ends_with("status 2\n"),
            "{id}: {said}"
        );
    }
    toml(
        "id = \"--help\"\n",
        &expect![[r#"
        error: app/image.toml:1:6: "--help" is not a valid id: "--help" must begin and end with a letter or digit
        status 2
    "#]],
    );
    toml(
        "name = \"-x\"\ntarget = \"-y\"\ndockerfile = \"-z\"\n",
        &expect![[r#"
            error: app/image.toml:1:8: "-x" is not a valid name of an image: "-x" must begin and end with a letter or digit
            status 2
        "#]],
    );
    toml(
        "[variants.\"-x\"]\n[variants.\"a\\nb\"]\n",
        &expect![[r#"
        error: app/image.toml:1:11: "-x" is not a valid variant name: it begins with a letter or digit
        error: app/image.toml:2:11: "a\nb" is not a valid variant name: only letters, digits, `_`, `.` and `-` may stand in it
        status 2
    "#]],
    );
    toml(
        "[args]\n\"-A\" = \"1\"\n\"A B\" = \"1\"\n\"A=B\" = \"1\"\n",
        &expect![[r#"
            error: app/image.toml:2:1: "-A" is not a valid name of a build argument
              mend: letters, digits and `_`, beginning with a letter or `_`
            error: app/image.toml:3:1: "A B" is not a valid name of a build argument
              mend: letters, digits and `_`, beginning with a letter or `_`
            error: app/image.toml:4:1: "A=B" is not a valid name of a build argument
              mend: letters, digits and `_`, beginning with a letter or `_`
            status 2
        "#]],
    );
    toml(
        "build = { add-hosts = { \"a=b\" = \"1\" }, ulimits = { \"-x\" = 1 } }\n",
        &expect![[r#"
            error: app/image.toml:1:25: "a=b" is not a valid name
              mend: letters, digits, `_`, `.` and `-`, beginning with a letter or digit
            error: app/image.toml:1:33: "1" is no value of `add-hosts`
              mend: write an IP address, or host-gateway
            error: app/image.toml:1:52: "-x" is not a valid name
              mend: letters, digits, `_`, `.` and `-`, beginning with a letter or digit
            status 2
        "#]],
    );
    toml(
        "target = \"a\\nb\"\ncontext = \"a\\nb\"\n",
        &expect![[r#"
            error: app/image.toml:2:11: the path "a\nb" holds '\n'
            status 2
        "#]],
    );
    toml(
        "description = \"a\\u0000b\"\n",
        &expect![[r#"
        error: app/image.toml:1:15: `description` holds a NUL character
        status 2
    "#]],
    );
}

#[test]
fn a_folder_that_gives_no_id() {
    plan(
        &workspace().image("---", "", "FROM debian:13\n"),
        &expect![[r#"
        error: ---/image.toml:1:1: the folder's name "---" gives no id; write id = "…" into its image.toml
        status 2
    "#]],
    );
}

#[test]
fn two_images_of_one_id() {
    plan(
        &workspace()
            .image("a/tool", "", "FROM debian:13\n")
            .image("b/tool", "", "FROM debian:13\n")
            .image("c", "\nid = \"tool\"\n", "FROM debian:13\n"),
        &expect![[r#"
            error: b/tool/image.toml:1:1: two images have the id "tool"; the other is at a/tool/image.toml:1:1
              mend: give one of them another `id`
            error: c/image.toml:2:6: two images have the id "tool"; the other is at a/tool/image.toml:1:1
              mend: give one of them another `id`
            status 2
        "#]],
    );
}

#[test]
fn publication_decides_nothing_that_is_built() {
    let of = |dockerfile: &str| {
        workspace()
            .image("app", "[args]\nNAME = \"{{ reference }}\"\n", dockerfile)
            .refused(&["plan"])
    };
    expect![[r#"
        error: app/image.toml:2:8: the argument NAME of app says where the image is published, and RUN sees it (app/Dockerfile:3)
          mend: let only LABEL see it: move the ARG below that line, or write the value without `reference`
        status 2
    "#]]
    .assert_eq(&of("FROM scratch\nARG NAME\nRUN [\"/x\"]\nLABEL name=$NAME\n"));
    let fine = workspace().image(
        "app",
        "[args]\nNAME = \"{{ reference }}\"\n",
        "FROM scratch\nRUN [\"/x\"]\nARG NAME\nLABEL name=$NAME\n",
    );
    assert_eq!(fine.plan()["images"][0]["args"]["NAME"], "ghcr.io/acme/app:dev");
}
