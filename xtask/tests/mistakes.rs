//! What a person reads who got something wrong: the whole of stderr and the exit status, as they stand. Nothing is
//! printed on stdout, and nothing is written below `target`.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "support/workspace.rs"]
mod support;

use expect_test::{Expect, expect};
use support::{Workspace, configured, workspace};

fn plan(workspace: &Workspace, expected: &Expect) {
    expected.assert_eq(&workspace.refused(&["plan"]));
}

/// An image with this `image.toml`, whose Dockerfile is good.
fn toml(text: &str, expected: &Expect) {
    plan(&workspace().image("app", text, "FROM debian:13\n"), expected);
}

/// An image with this Dockerfile, whose `image.toml` is empty.
fn dockerfile(text: &str, expected: &Expect) {
    plan(&workspace().image("app", "", text), expected);
}

/// A workspace with this configuration.
fn config(lines: &str, expected: &Expect) {
    plan(&configured(lines).image("app", "", "FROM debian:13\n"), expected);
}

// image.toml

#[test]
fn malformed_toml() {
    toml(
        "name = \"x\nversion = 1\n",
        &expect![[r#"
        error: app/image.toml:1:10: TOML: invalid basic string, expected `"`
        status 2
    "#]],
    );
    toml(
        "name = \"x\"\nname = \"y\"\n[args\n",
        &expect![[r#"
        error: app/image.toml:2:1: TOML: duplicate key
        error: app/image.toml:3:6: TOML: unclosed table, expected `]`
        status 2
    "#]],
    );
    toml(
        "name = x\n",
        &expect![[r#"
        error: app/image.toml:1:8: TOML: string values must be quoted, expected literal string
        status 2
    "#]],
    );
}

#[test]
fn unknown_keys() {
    toml(
        "\ncontxt = \"/\"\n\n[args]\n[variants.a]\nplatform = [\"linux/amd64\"]\n",
        &expect![[r#"
        error: app/image.toml:2:1: unknown key `contxt`
          mend: did you mean `context`?
        error: app/image.toml:6:1: unknown key `variants.a.platform`
          mend: did you mean `platforms`?
        status 2
    "#]],
    );
    toml(
        "colour = 1\n",
        &expect![[r#"
        error: app/image.toml:1:1: unknown key `colour`
          mend: known here: `args`, `build`, `cache`, `context`, `contexts`, `description`, `dockerfile`, `external`, `facts`, `id`, `image`, `labels`, `limits`, `name`, `parents`, `pixi`, `platforms`, `publish`, `repositories`, `secrets`, `ssh`, `tags`, `target`, `test`, `variants`, `version`
        status 2
    "#]],
    );
    toml(
        "[test]\nruns = []\n[test.http]\nports = 1\nport = 80\n",
        &expect![[r#"
        error: app/image.toml:2:1: unknown key `test.runs`
          mend: did you mean `run`?
        error: app/image.toml:4:1: unknown key `test.http.ports`
          mend: did you mean `port`?
        status 2
    "#]],
    );
    toml(
        "[variants.lite]\nid = \"x\"\nname = \"y\"\n",
        &expect![[r#"
            error: app/image.toml:2:1: unknown key `variants.lite.id`
              mend: the variants of an image share its id; write another image instead
            error: app/image.toml:3:1: unknown key `variants.lite.name`
              mend: the variants of an image share its name; `tags` and `repositories` may differ
            status 2
        "#]],
    );
    toml(
        "[image.a]\n[image.b]\nplatfroms = []\n",
        &expect![[r#"
        error: app/image.toml:3:1: unknown key `image.b.platfroms`
          mend: did you mean `platforms`?
        status 2
    "#]],
    );
    toml(
        "id = \"x\"\n[image.a]\nid = \"b\"\n",
        &expect![[r#"
            error: app/image.toml:1:6: `id` at the top of a file with `[image.ID]` tables
              mend: move it into one of the tables, or remove `id`
            error: app/image.toml:3:1: unknown key `image.a.id`
              mend: the id is the table's name: [image.ID]; remove the key
            status 2
        "#]],
    );
}

#[test]
fn wrong_types_of_every_key() {
    toml(
        "id = 1\nname = true\nversion = 2026.3\n",
        &expect![[r#"
        error: app/image.toml:1:6: `id` is an integer
          mend: write it in quotes: "1"
        error: app/image.toml:2:8: `name` is a boolean
          mend: write it in quotes: "true"
        error: app/image.toml:3:11: `version` is a float
          mend: write it in quotes: "2026.3"
        status 2
    "#]],
    );
    toml(
        "id = 1\nname = 2\ndescription = 3\nversion = 4\ncontext = 5\ndockerfile = 6\ntarget = 7\n\
        platforms = 8\npublish = 9\nrepositories = 10\ntags = 11\nlabels = 12\ncache = 13\nsecrets = 14\n\
        ssh = 15\ncontexts = 16\nbuild = 17\nargs = 18\nparents = 19\nfacts = 20\nvariants = 21\ntest = 22\n\
        pixi = 23\nlimits = 24\nexternal = 25\nimage = 26\n",
        &expect![[r#"
            error: app/image.toml:1:6: `id` at the top of a file with `[image.ID]` tables
              mend: move it into one of the tables, or remove `id`
            error: app/image.toml:2:8: `name` at the top of a file with `[image.ID]` tables
              mend: move it into one of the tables, or remove `name`
            error: app/image.toml:3:15: `description` is an integer
              mend: write it in quotes: "3"
            error: app/image.toml:4:11: `version` is an integer
              mend: write it in quotes: "4"
            error: app/image.toml:5:11: `context` is an integer
              mend: write it in quotes: "5"
            error: app/image.toml:6:14: `dockerfile` is an integer
              mend: write it in quotes: "6"
            error: app/image.toml:7:10: `target` is an integer
              mend: write it in quotes: "7"
            error: app/image.toml:8:13: `platforms` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:9:11: `publish` is an integer
              mend: write true or false
            error: app/image.toml:10:16: `repositories` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:11:8: `tags` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:12:10: `labels` is an integer
              mend: write a table: the line [labels], its keys below it
            error: app/image.toml:13:9: `cache` is an integer
              mend: write a table: the line [cache], its keys below it
            error: app/image.toml:14:11: `secrets` is an integer
              mend: write a table: the line [secrets], its keys below it
            error: app/image.toml:15:7: `ssh` is an integer
              mend: write true or false
            error: app/image.toml:16:12: `contexts` is an integer
              mend: write a table: the line [contexts], its keys below it
            error: app/image.toml:17:9: `build` is an integer
              mend: write a table: the line [build], its keys below it
            error: app/image.toml:18:8: `args` is an integer
              mend: write a table: the line [args], its keys below it
            error: app/image.toml:19:11: `parents` is an integer
              mend: write a table: the line [parents], its keys below it
            error: app/image.toml:20:9: `facts` is an integer
              mend: write a table: the line [facts], its keys below it
            error: app/image.toml:21:12: `variants` is an integer
              mend: write a table: the line [variants], its keys below it
            error: app/image.toml:22:8: `test` is an integer
              mend: write a table: the line [test], its keys below it
            error: app/image.toml:23:8: `pixi` is an integer
              mend: write a table: the line [pixi], its keys below it
            error: app/image.toml:24:10: `limits` is an integer
              mend: write a table: the line [limits], its keys below it
            error: app/image.toml:25:12: `external` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:26:9: `image` is an integer
              mend: write a table: the line [image], its keys below it
            status 2
        "#]],
    );
    toml(
        "version = { file = 1, key = 2 }\nplatforms = [1]\nrepositories = { main = 1 }\ntags = { dev = [1] }\n\
        labels = { a = 1 }\ncache = { registry = 1, mode = 2 }\nsecrets = { a = 1, b = { env = 2 } }\n\
        contexts = { a = 1 }\nbuild = { network = 1, shm-size = 2, ulimits = 3, add-hosts = { a = [] } }\n\
        args = { A = [] }\nparents = { A = 1 }\nfacts = { a = [], b = { probe = 1 } }\nvariants = { a = 1 }\n\
        test = { run = [1, { cmd = 1 }], http = 1, mount = 1, gpus = 1 }\npixi = { environment = 1, cuda = 12.6 }\n\
        limits = { size = 5 }\nexternal = [1]\n",
        &expect![[r#"
            error: app/image.toml:1:20: `version.file` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:1:29: `version.key` is an integer
              mend: write it in quotes: "2"
            error: app/image.toml:2:14: `platforms` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:3:25: `repositories.main` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:4:17: `tags.dev` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:5:16: `labels.a` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:6:22: `cache.registry` is an integer
              mend: write true or false
            error: app/image.toml:6:32: `cache.mode` is an integer
              mend: write it in quotes: "2"
            error: app/image.toml:7:17: `secrets.a` is an integer
              mend: write a table: the line [secrets.a], its keys below it
            error: app/image.toml:7:32: `secrets.b.env` is an integer
              mend: write it in quotes: "2"
            error: app/image.toml:8:18: `contexts.a` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:9:21: `build.network` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:9:35: `build.shm-size` is an integer
              mend: write it in quotes: "2"
            error: app/image.toml:9:48: `build.ulimits` is an integer
              mend: write a table: the line [build.ulimits], its keys below it
            error: app/image.toml:9:69: `build.add-hosts.a` is an array
              mend: write a text in quotes
            error: app/image.toml:10:14: `args.A` is an array
              mend: write a text in quotes
            error: app/image.toml:11:17: `parents.A` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:12:15: `facts.a` is an array
              mend: write a text in quotes
            error: app/image.toml:12:33: `facts.b.probe` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:13:18: `variants.a` is an integer
              mend: write a table: the line [variants.a], its keys below it
            error: app/image.toml:14:17: a test has no command
              mend: write a list of words, e.g. ["python", "--version"], or { cmd = ["…"], expect = "…" }
            error: app/image.toml:14:28: `test.run.cmd` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: app/image.toml:14:41: `test.http` is an integer
              mend: write a table: the line [test.http], its keys below it
            error: app/image.toml:14:52: `test.mount` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:14:62: `test.gpus` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:15:24: `pixi.environment` is an integer
              mend: write it in quotes: "1"
            error: app/image.toml:15:34: `pixi.cuda` is a float
              mend: write it in quotes: "12.6"
            error: app/image.toml:16:19: `limits.size` is an integer
              mend: write it in quotes: "5"
            error: app/image.toml:17:13: `external` is an integer
              mend: write it in quotes: "1"
            status 2
        "#]],
    );
}

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
fn image_toml_that_is_not_utf8() {
    plan(
        &workspace()
            .bytes("app/image.toml", b"id = \"a\"\nname = \"\xff\"\n")
            .file("app/Dockerfile", "FROM debian:13\n"),
        &expect![[r#"
            error: app/image.toml:2:9: this is not UTF-8
              mend: save the file as UTF-8
            status 2
        "#]],
    );
}

// Versions, facts and tags

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

// Dockerfiles

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

// The graph

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

// Contexts

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

// The workspace's configuration

#[test]
fn the_workspaces_configuration() {
    config(
        "registries = 1\naliases = 2\nversion = 3\nplatforms = 4\ntags = 5\nlabels = 6\ncache = 7\nstaging = 8\n\
        mirrors = 9\npolicy = 10\nbases = 11\nattestations = 12\nregistry = 13\nregistires = []",
        &expect![[r#"
            error: Cargo.toml:3:14: `workspace.metadata.dockyard.registries` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:4:11: `workspace.metadata.dockyard.aliases` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:5:11: `workspace.metadata.dockyard.version` is an integer
              mend: write it in quotes: "3"
            error: Cargo.toml:6:13: `workspace.metadata.dockyard.platforms` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:7:8: `workspace.metadata.dockyard.tags` is an integer
              mend: write a list of texts, e.g. ["a", "b"]
            error: Cargo.toml:8:10: `workspace.metadata.dockyard.labels` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.labels], its keys below it
            error: Cargo.toml:9:9: `workspace.metadata.dockyard.cache` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.cache], its keys below it
            error: Cargo.toml:10:11: `workspace.metadata.dockyard.staging` is an integer
              mend: write it in quotes: "8"
            error: Cargo.toml:11:11: `workspace.metadata.dockyard.mirrors` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.mirrors], its keys below it
            error: Cargo.toml:12:10: `workspace.metadata.dockyard.policy` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.policy], its keys below it
            error: Cargo.toml:13:9: `workspace.metadata.dockyard.bases` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.bases], its keys below it
            error: Cargo.toml:14:16: `workspace.metadata.dockyard.attestations` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.attestations], its keys below it
            error: Cargo.toml:15:12: `workspace.metadata.dockyard.registry` is an integer
              mend: write a table: the line [workspace.metadata.dockyard.registry], its keys below it
            error: Cargo.toml:16:1: unknown key `workspace.metadata.dockyard.registires`
              mend: did you mean `registries`?
            status 2
        "#]],
    );
    config(
        "registries = [\"https://ghcr.io/acme\", \"GHCR.io/Acme\", \"-x\"]\naliases = [\"a b\"]\n\
        staging = \"ghcr.io/x:tag\"\nmirrors = { \"docker.io\" = \"http://x\" }\n\
        policy = { max-matching = { \"*\" = \"many\" }, forbid = [1] }\n\
        bases = { \"debian:trixie-slim\" = {}, \"x y\" = \"trixie\", \"a\" = \"-o\" }\n\
        attestations = { provenance = \"yes\" }\nregistry = { \"ghcr.io\" = { user = \"A\" } }",
        &expect![[r#"
            error: Cargo.toml:3:15: "https://ghcr.io/acme" is not a valid registry: a scheme does not belong here; begin with the registry's host
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:3:39: "GHCR.io/Acme" is not a valid registry: 'A' may not stand in a name (only lower case)
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:3:55: "-x" is not a valid registry: "-x" must begin and end with a letter or digit
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:4:12: "a b" is not a valid registry: ' ' may not stand in a name
              mend: write a host and a path without a scheme, e.g. "ghcr.io/acme"
            error: Cargo.toml:5:11: "ghcr.io/x:tag" is not a valid repository: a tag or digest does not belong here
            error: Cargo.toml:6:27: "http://x" is not a valid registry: a scheme does not belong here; begin with the registry's host
            error: Cargo.toml:7:35: "many" is no number of tags; write e.g. 4
            error: Cargo.toml:7:55: `workspace.metadata.dockyard.policy.forbid` is an integer
              mend: write it in quotes: "1"
            error: Cargo.toml:8:34: the base has no `suite`
              mend: suite = "trixie"
            error: Cargo.toml:8:38: "x y" is not a valid reference: ' ' may not stand in a name
            error: Cargo.toml:8:62: "-o" is no name of a suite or package
              mend: write it as Debian does, e.g. "trixie"
            error: Cargo.toml:9:31: unknown provenance "yes"
              mend: `min` or `max`; leave the key out for none
            error: Cargo.toml:10:14: the login for "ghcr.io" is not whole
              mend: write { user = "NAME_OF_SECRET", secret = "NAME_OF_SECRET" }
            status 2
        "#]],
    );
}

#[test]
fn no_workspace() {
    let empty = workspace();
    let folder = empty.root().parent().unwrap().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let above = empty.run_in("..", &["list"]);
    let parent = empty.root().parent().unwrap().to_str().unwrap().to_owned();
    expect![[r#"
        error: no Dockyard workspace at or above PARENT
          mend: add [workspace.metadata.dockyard] to the root Cargo.toml, or name the folder with --root
        status 2
    "#]].assert_eq(&format!(
        "{}status {}\n",
        above.stderr.replace(&parent, "PARENT"),
        above.status
    ));
    let said = |args: &[&str]| {
        let said = empty.run(args);
        format!("{}status {}\n", said.stderr.replace(&parent, "PARENT"), said.status)
    };
    expect![[r#"
        error: there is no folder nowhere
          mend: name the workspace's root folder with --root
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "nowhere"]));
    expect![[r#"
        error: there is no PARENT/elsewhere/Cargo.toml
          mend: name the workspace's root folder with --root
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
    std::fs::write(folder.join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    expect![[r#"
        error: Cargo.toml:1:1: there is no [workspace.metadata.dockyard] section
          mend: add one; it may be empty
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
    std::fs::write(folder.join("Cargo.toml"), "[workspace.metadata.dockyard\n").unwrap();
    expect![[r#"
        error: Cargo.toml:1:29: TOML: unclosed table, expected `]`
        status 2
    "#]]
    .assert_eq(&said(&["list", "--root", "../elsewhere"]));
}

#[test]
fn a_workspace_without_images() {
    let said = workspace().run(&["list"]);
    expect![[r#"
        no image yet: write a Dockerfile and an empty image.toml into a folder
        status 0
    "#]]
    .assert_eq(&format!("{}{}status {}\n", said.stdout, said.stderr, said.status));
}

// What is typed

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

// Everything at once

#[test]
fn every_independent_mistake_in_one_run() {
    plan(
        &workspace()
            .image("a", "contxt = \".\"\nplatforms = [\"linux\"]\n", "FROM debian:13\n")
            .image("b", "", "ARG X\nFROM $X\n")
            .image("c", "version = \"2026.03.05\"\n", "FROM debian:13\nCPOY . /\n")
            .image("d", "parents.BASE = \"e\"\n", "ARG BASE\nFROM $BASE\n")
            .image("e", "args.X = \"{{ nope }}\"\ntags = [\"{{ nope }}\"]\n", "FROM debian:13\n")
            .file("f/image.toml", "")
            .file("g/image.toml", "id = \n"),
        &expect![[r#"
            error: a/image.toml:1:1: unknown key `contxt`
              mend: did you mean `context`?
            error: a/image.toml:2:14: "linux" is not a valid platform: write os/architecture, e.g. linux/amd64 or linux/arm/v7
            error: b/Dockerfile:2:6: the argument X in FROM has no value
              mend: set `args.X = "…"` in image.toml, or give `ARG X` a default
            error: c/Dockerfile:2:1: "CPOY" is no instruction
              mend: did you mean COPY?
            error: c/image.toml:1:11: the version "2026.03.05" has the zero-padded number "03", which versions do not have; write "2026.3.5"
            error: e/image.toml:1:10: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            error: e/image.toml:2:9: the template "{{ nope }}": there is no fact `nope`
              mend: known: base_digest, base_name, branch, commit, created, date, id, major, minor, name, patch, reference, sha, variant, version; add others under [facts]
            error: f/image.toml:1:1: the Dockerfile of f: there is no file f/Dockerfile
              mend: create it, or name another with `dockerfile = "PATH"`
            error: g/image.toml:1:6: TOML: string values must be quoted, expected literal string
            status 2
        "#]],
    );
}
