//! `image.toml`: its form, its keys and their types.

use expect_test::expect;

use super::{plan, toml};
use crate::support::workspace;

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
              mend: known here: `args`, `build`, `cache`, `ci`, `context`, `contexts`, `description`, `dockerfile`, `external`, `facts`, `id`, `image`, `labels`, `limits`, `name`, `parents`, `pixi`, `platforms`, `publish`, `repositories`, `secrets`, `ssh`, `tags`, `target`, `test`, `variants`, `version`
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
}

#[test]
fn wrong_types_inside_every_key() {
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
