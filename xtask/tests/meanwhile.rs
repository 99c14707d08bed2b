//! What others do while a build runs: to its inputs, to its images, and to the engine. Nothing is recorded wrongly.
//!
//! A program in the place of buildx runs the real one and then, before that has ended for our program, a script.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::os::unix::fs::PermissionsExt as _;

use lab::{Lab, Said, token};

/// `child` has files of every kind, and is built on an image of the name that is given.
fn lab() -> Option<(Lab, String)> {
    let mut lab = Lab::with_base(engines::any()?)?;
    let parent = format!("parent-{}", &token()[..12]);
    lab.image(&parent, "", "FROM registry.invalid/lab/base\nCOPY image.toml /\n");
    let dockerfile = format!("FROM registry.invalid/lab/{parent}\nCOPY src /src\nCOPY *.txt /\n");
    lab.image("child", "", &dockerfile);
    lab.file("child/src/deep/file", "1");
    lab.file("child/a.txt", "1");
    lab.file("child/unread/stays", "1");
    lab.file("child/.dockerignore", "**/none\n");
    std::os::unix::fs::symlink("deep", lab.root().join("child/src/link")).unwrap();
    let config = lab.root().join("target/docker");
    let real: Vec<String> = lab.test.engine.buildx().argv().map(str::to_owned).collect();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" build \"*) {} \"$@\" || exit; . \"$0.sh\";; *) exec {0} \"$@\";; esac\n",
        real.join(" ")
    );
    lab.file("target/docker/cli-plugins/docker-buildx", &script);
    let plugin = config.join("cli-plugins/docker-buildx");
    std::fs::set_permissions(plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    lab.set("DOCKER_CONFIG", config.as_str());
    then(&lab, "");
    lab.commit();
    Some((lab, parent))
}

/// `script` runs after each build, in the workspace, with the build's arguments.
fn then(lab: &Lab, script: &str) {
    lab.file("target/docker/cli-plugins/docker-buildx.sh", script);
}

fn build(lab: &Lab) -> (String, Said) {
    let said = lab.say(&["build", "child", "--json"]);
    assert_eq!(said.status, Some(0), "{said}");
    (lab::images(&said)["child"]["status"].as_str().unwrap().to_owned(), said)
}

#[test]
fn what_changes_during_a_build_is_not_recorded() {
    let Some((lab, parent)) = lab() else { return };
    assert_eq!(build(&lab).0, "built");
    assert_eq!(build(&lab).0, "skipped");
    let names = lab.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &parent]).stdout;
    let name = names.lines().find(|name| name.contains(":key-")).unwrap();
    let move_parent = format!("docker tag base:dev {name}");
    let inputs = "its inputs changed while it was built";
    let another = "another process built";
    for (script, told) in [
        ("echo x >child/a.txt", inputs),
        // From here on, all is as it was in the end.
        ("mv child/a.txt kept; echo x >child/a.txt; mv kept child/a.txt", inputs),
        ("echo x >child/src/deep/stray; rm child/src/deep/stray", inputs),
        ("echo x >child/stray.txt; rm child/stray.txt", inputs),
        ("ln -sfn other child/src/link; ln -sfn deep child/src/link", inputs),
        ("chmod 700 child/src/deep; chmod 755 child/src/deep", inputs),
        (
            "mv child/Dockerfile kept; echo FROM scratch >child/Dockerfile; mv kept child/Dockerfile",
            inputs,
        ),
        (
            "mv child/.dockerignore kept; echo src >child/.dockerignore; mv kept child/.dockerignore",
            inputs,
        ),
        // By another workspace whose keys are the same.
        (move_parent.as_str(), another),
        (
            "for word; do case $word in --tag=child:key-*) docker tag base:dev ${word#--tag=};; esac; done",
            another,
        ),
    ] {
        lab.file("child/src/fresh", &token());
        then(&lab, script);
        let (status, said) = build(&lab);
        assert_eq!(status, "built", "{script}");
        assert!(said.stderr.contains(told), "{script}: {said}");
        then(&lab, "");
        assert_eq!(build(&lab).0, "built", "it was recorded: {script}");
        assert_eq!(build(&lab).0, "skipped", "{script}");
    }
}

/// What is no input, and beside none.
#[test]
fn what_is_no_input_may_change_during_a_build() {
    let Some((lab, _)) = lab() else { return };
    then(
        &lab,
        "echo x >beside.txt; echo x >child/unread/file; rm child/unread/stays; echo '# y' >>README",
    );
    assert_eq!(build(&lab).0, "built");
    assert_eq!(build(&lab).0, "skipped");
}

/// Under load, BuildKit fails builds that it has exported, because it was too slow to note that (moby/buildkit#3966).
#[test]
fn what_an_engine_under_load_gives_up_is_built_again() {
    let Some((lab, _)) = lab() else { return };
    then(
        &lab,
        "if mkdir \"$0.begun\" 2>/dev/null; then\n\
         echo 'ERROR: failed to solve: DeadlineExceeded: context deadline exceeded' >&2; exit 1\nfi\n",
    );
    assert_eq!(build(&lab).0, "built");
    let begun = "target/docker/cli-plugins/docker-buildx.begun";
    assert!(lab.root().join(begun).is_dir(), "the first build did not fail");
    assert_eq!(build(&lab).0, "skipped");
}
