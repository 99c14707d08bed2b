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
