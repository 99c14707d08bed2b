//! What is an input.

use crate::{Fixture, SERVICES, keys};

#[test]
fn an_unlocked_base_may_copy_anything_and_a_locked_one_what_its_triggers_say() {
    let fixture = Fixture::new();
    for service in SERVICES {
        fixture.write(
            &format!("services/{service}/Dockerfile"),
            &format!("FROM debian:trixie-slim\nCOPY services/{service} /app\n"),
        );
    }
    let digest = format!("sha256:{}", "1".repeat(64));
    let lock = |onbuild: &str| {
        format!(
            "[[image]]\nreference = \"debian:trixie-slim\"\ndigest = \"{digest}\"\nonbuild = [{onbuild}]\n"
        )
    };
    let bot_changes = |path: &str| {
        let before = keys(&fixture.root)["bot"].clone();
        fixture.write(path, &format!("{path} {before}"));
        keys(&fixture.root)["bot"] != before
    };
    assert!(bot_changes("shared/lib.py"), "an unknown ONBUILD may read it");
    fixture.write("images.lock", &lock(""));
    assert!(!bot_changes("shared/lib.py"));
    fixture.write("images.lock", &lock("\"COPY shared /shared\""));
    assert!(bot_changes("shared/lib.py"));
    assert!(!bot_changes("services/web/main.py"));
}

#[test]
fn a_parents_triggers_read_the_childs_context() {
    let fixture = Fixture::new();
    fixture.write("services/bot/Dockerfile", "FROM scratch\nONBUILD COPY shared/lib.py /lib.py\n");
    fixture.write("services/web/Dockerfile", "FROM ghcr.io/acme/bot\n");
    let before = keys(&fixture.root);
    fixture.write("shared/lib.py", "other");
    let now = keys(&fixture.root);
    assert_eq!(now["bot"], before["bot"]);
    assert_ne!(now["web"], before["web"]);
}

fn digest(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

fn locked(reference: &str, digit: &str) -> String {
    let digest = digest(digit);
    format!("[[image]]\nreference = \"{reference}\"\ndigest = \"{digest}\"\n")
}

#[test]
fn the_locks_digests_of_bases_and_of_the_frontend_are_inputs() {
    let fixture = Fixture::new();
    let frontend = "docker/dockerfile:1.20";
    let base = "debian:trixie-slim";
    fixture.write(
        "services/bot/Dockerfile",
        &format!("# syntax={frontend}\nFROM scratch\nCOPY shared /s\n"),
    );
    fixture.write("services/web/Dockerfile", &format!("FROM {base}\nCOPY shared /s\n"));
    let changed = |lock: &str| {
        let before = keys(&fixture.root);
        fixture.write("images.lock", lock);
        let now = keys(&fixture.root);
        SERVICES.into_iter().filter(|id| now[*id] != before[*id]).collect::<Vec<_>>()
    };
    assert_eq!(changed(&locked(frontend, "1")), ["bot"], "now it is locked");
    assert_eq!(changed(&(locked(frontend, "1") + &locked(base, "1"))), ["web"]);
    assert_eq!(changed(&(locked(frontend, "2") + &locked(base, "1"))), ["bot"]);
    assert_eq!(changed(&(locked(frontend, "2") + &locked(base, "2"))), ["web"]);
    assert!(
        changed(&(locked(frontend, "2") + &locked(base, "2") + &locked("alpine:3", "3")))
            .is_empty()
    );
}

#[test]
fn the_plan_names_the_bases_that_nothing_fixes() {
    let fixture = Fixture::new();
    let exact = format!("alpine@{}", digest("1"));
    for (service, base) in
        [("bot", "debian:trixie-slim"), ("notebook", "debian:trixie-slim"), ("web", &exact)]
    {
        fixture.write(&format!("services/{service}/Dockerfile"), &format!("FROM {base}\n"));
    }
    let plan = || fixture.xtask(&["plan"]).1;
    let said = plan();
    assert!(
        said.contains("note: not locked, each as old as the last build that fetched it: debian:trixie-slim (bot, notebook)"),
        "{said}"
    );
    assert!(!said.contains("alpine"), "{said}");
    fixture.write("images.lock", &locked("debian:trixie-slim", "1"));
    let said = plan();
    assert!(!said.contains("not locked"), "{said}");
}

/// The facts of the base are known after the graph is made, and other facts may stand beside them.
#[test]
fn an_argument_counts_by_its_value_also_where_that_is_known_late() {
    let fixture = Fixture::new();
    let base = "debian:trixie-slim";
    let files = "[args]\nINFO = \"{{ base_name }} {{ version }}\"\nBASE = \"{{ base_digest }}\"\n";
    let settings = |version: &str| format!("context = \"/\"\nversion = \"{version}\"\n{files}");
    fixture.write("services/bot/image.toml", &settings("1.0"));
    fixture.write(
        "services/bot/Dockerfile",
        &format!("FROM {base}\nARG INFO BASE\nRUN echo $INFO $BASE\n"),
    );
    let of_platform = |digit: &str| {
        let of_index = locked(base, digit);
        format!("{of_index}platforms = {{ \"linux/amd64\" = \"{}\" }}\n", digest("9"))
    };
    fixture.write("images.lock", &of_platform("1"));
    let changes = |file: &str, text: &str| {
        let before = keys(&fixture.root)["bot"].clone();
        fixture.write(file, text);
        keys(&fixture.root)["bot"] != before
    };
    assert!(changes("services/bot/image.toml", &settings("2.0")));
    assert!(changes("images.lock", &of_platform("2")), "the argument has the index's digest");
    assert!(!changes("README.md", "text"));

    // In a path, it may be any path.
    let copies = format!("FROM {base}\nARG INFO\nCOPY conf/$INFO /\n");
    assert!(changes("services/bot/Dockerfile", &copies));
    assert!(changes("services/other/file", "1"));
}

#[test]
fn readings_of_one_line_count_each() {
    let fixture = Fixture::new();
    fixture.write(
        "services/bot/Dockerfile",
        "FROM scratch\nONBUILD COPY shared /a\nONBUILD COPY --exclude=lib.py shared /b\n",
    );
    fixture.write("services/web/Dockerfile", "FROM ghcr.io/acme/bot\n");
    let before = keys(&fixture.root);
    fixture.write("shared/lib.py", "other");
    assert_ne!(keys(&fixture.root)["web"], before["web"]);
}

/// BuildKit carries out the triggers of an image that comes in as a further context, too.
#[test]
fn triggers_of_a_further_context_may_read_anything() {
    let fixture = Fixture::new();
    fixture.write("services/web/Dockerfile", "FROM tool\n");
    let context =
        |image: &str| format!("context = \"/\"\ncontexts.tool = \"docker-image://{image}\"\n");
    let changes = |path: &str| {
        let before = keys(&fixture.root)["web"].clone();
        fixture.write(path, &format!("{path} {before}"));
        keys(&fixture.root)["web"] != before
    };
    fixture.write("services/web/image.toml", &context("ghcr.io/acme/bot"));
    fixture.write("services/bot/Dockerfile", "FROM scratch\nCOPY services/bot /app\n");
    assert!(!changes("shared/lib.py"));
    fixture.write("services/bot/Dockerfile", "FROM scratch\nONBUILD COPY shared /shared\n");
    assert!(changes("shared/lib.py"));

    fixture.write("services/web/image.toml", &context("debian:trixie-slim"));
    fixture.write("images.lock", &locked("debian:trixie-slim", "1"));
    assert!(!changes("shared/lib.py"));
    let triggers = locked("debian:trixie-slim", "1") + "onbuild = [\"COPY shared /shared\"]\n";
    fixture.write("images.lock", &triggers);
    assert!(changes("shared/lib.py"));
}

#[test]
fn the_frontend_of_an_argument_is_the_one_that_counts() {
    let fixture = Fixture::new();
    let (written, given) = ("docker/dockerfile:1.20", "docker/dockerfile:1.19");
    fixture.write("services/bot/Dockerfile", &format!("# syntax={written}\nFROM scratch\n"));
    let argument = format!("context = \"/\"\nargs.BUILDKIT_SYNTAX = \"{given}\"\n");
    fixture.write("services/bot/image.toml", &argument);
    let changes = |lock: &str| {
        let before = keys(&fixture.root)["bot"].clone();
        fixture.write("images.lock", lock);
        keys(&fixture.root)["bot"] != before
    };
    assert!(changes(&(locked(written, "1") + &locked(given, "1"))));
    assert!(!changes(&(locked(written, "2") + &locked(given, "1"))));
    assert!(changes(&(locked(written, "2") + &locked(given, "2"))));
}

/// To a frontend that runs in a container, an empty ignore file beside the Dockerfile is none.
#[test]
fn an_ignore_file_behind_an_empty_one_is_an_input() {
    let fixture = Fixture::new();
    fixture.write("services/bot/Dockerfile.dockerignore", "");
    fixture.write(".dockerignore", "shared/lib.py\n");
    let before = keys(&fixture.root);
    fixture.write(".dockerignore", "shared/run.sh\n");
    let now = keys(&fixture.root);
    assert_ne!(now["bot"], before["bot"]);
    assert_eq!(now["web"], before["web"]);
}

#[test]
fn a_further_context_that_takes_in_what_builds_write_is_refused() {
    let fixture = Fixture::new();
    fixture.write("services/bot/image.toml", "context = \"/\"\ncontexts.src = \"/\"\n");
    fixture.write("services/bot/Dockerfile", "FROM scratch\nCOPY --from=src . .\n");
    let (success, _, said) = fixture.xtask(&["plan"]);
    assert!(!success && said.contains("to .dockerignore"), "{said}");
    fixture.write(".dockerignore", "target\n.git\n");
    assert!(fixture.xtask(&["plan"]).0);
}
