//! `why` names the cause, whatever it is, on a real engine.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::os::unix::fs::PermissionsExt as _;

use lab::{Lab, token};

const EXTERNAL: &str = "why.dockyard.test/external:1";

/// An image that reads all kinds of inputs, its parent, and a base of nobody's; all built.
struct Built {
    lab: Lab,
}

impl Built {
    fn new() -> Option<Self> {
        let lab = Lab::new(engines::any()?);
        let external = "FROM scratch\nCOPY Dockerfile /external\n";
        lab.file("target/external/Dockerfile", external);
        let folder = lab.root().join("target/external");
        let made = lab.docker(&["buildx", "build", "--load", "--tag", EXTERNAL, folder.as_str()]);
        assert_eq!(made.status, Some(0), "{made}");

        lab.image("parent", "", "FROM scratch\nCOPY token /token\n");
        lab.file("parent/token", &token());
        lab.image("web", "[args]\nGREETING = \"hello\"\n", &dockerfile("COPY run.sh /run.sh"));
        lab.file("web/.dockerignore", "*.log\n");
        lab.file("web/src/main.py", "main");
        lab.file("web/src/other.py", "other");
        lab.file("web/run.sh", "#!/bin/sh\n");
        lab.commit();
        let built = lab.statuses(&[], 0);
        assert!(built.values().all(|status| status == "built"), "{built:?}");
        Some(Self { lab })
    }

    /// What `why web` says after `change`, which is taken back.
    fn after(&self, change: impl FnOnce(&Lab)) -> String {
        change(&self.lab);
        let said = self.lab.say(&["why", "web"]);
        assert_eq!(said.status, Some(0), "{said}");
        self.lab.git(&["checkout", "--quiet", "--", "."]);
        self.lab.git(&["clean", "--quiet", "--force", "-d"]);
        said.stdout
    }

    #[track_caller]
    fn names(&self, cause: &str, change: impl FnOnce(&Lab)) {
        let said = self.after(change);
        assert!(said.starts_with("web is stale\n"), "{cause}: {said}");
        assert!(said.lines().any(|line| line.trim() == cause), "{cause}: {said}");
    }
}

fn dockerfile(last: &str) -> String {
    format!(
        "FROM registry.invalid/lab/parent\nARG GREETING\nLABEL greeting=$GREETING\n\
         COPY --from={EXTERNAL} /external /external\nCOPY src /src\n{last}\n"
    )
}

#[test]
fn every_cause_is_named() {
    let Some(built) = Built::new() else { return };
    let up_to_date = built.after(|_| ());
    assert!(up_to_date.starts_with("web is up to date\n  last built 20"), "{up_to_date}");
    assert!(up_to_date.contains(" s, because:\n    never built here\n"), "{up_to_date}");

    built.names("changed: web/src/main.py (COPY, Dockerfile:5)", |lab| {
        lab.file("web/src/main.py", "other");
    });
    built.names("new: web/src/new.py (COPY, Dockerfile:5)", |lab| {
        lab.file("web/src/new.py", "");
    });
    built.names("gone: web/src/other.py (COPY, Dockerfile:5)", |lab| {
        std::fs::remove_file(lab.root().join("web/src/other.py")).unwrap();
    });
    built.names("mode changed: web/run.sh 644 → 755 (COPY, Dockerfile:6)", |lab| {
        let file = lab.root().join("web/run.sh");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
    built.names("new ignore rule: src/other.py (web/.dockerignore)", |lab| {
        lab.file("web/.dockerignore", "*.log\nsrc/other.py\n");
    });
    built.names("changed: argument GREETING: hello → goodbye", |lab| {
        lab.file("web/image.toml", "[args]\nGREETING = \"goodbye\"\n");
    });
    built.names("new: network: none", |lab| {
        let text = "build = { network = \"none\" }\n[args]\nGREETING = \"hello\"\n";
        lab.file("web/image.toml", text);
    });
    built.names("changed: the Dockerfile", |lab| {
        lab.file("web/Dockerfile", &dockerfile("COPY run.sh /moved.sh"));
    });
    built.names("changed: the parent parent", |lab| lab.file("parent/token", &token()));
    let digest = format!("sha256:{}", "1".repeat(64));
    let platform = &built.lab.test.engine.platform;
    built.names(&format!("changed: base {EXTERNAL} {platform}: unlocked → {digest}"), |lab| {
        let lock = format!("[[image]]\nreference = \"{EXTERNAL}\"\ndigest = \"{digest}\"\n");
        lab.file("images.lock", &lock);
    });
    assert_eq!(built.after(|_| ()), up_to_date, "everything is as it was");

    built.names("the image is gone from the engine", |lab| {
        let names = lab.docker(&["image", "ls", "--format={{.Repository}}:{{.Tag}}"]).stdout;
        let of_web = |name: &&str| name.starts_with("web:") || name.contains("/lab/web:");
        let names: Vec<&str> = names.lines().filter(of_web).collect();
        let gone = lab.docker(&[&["image", "rm", "--force"], &names[..]].concat());
        assert_eq!(gone.status, Some(0), "{gone}");
    });
    let built_again = built.lab.statuses(&[], 0);
    assert_eq!(built_again["web"], "built");
    let said = built.after(|_| ());
    assert!(said.contains("because:\n    the image is gone from the engine"), "{said}");
}
