//! `new`: what it writes lists, plans and lints clean, and nothing that exists is touched.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/engines.rs"]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/workspace.rs"]
mod workspace;

const TEMPLATES: [&str; 4] = ["service", "pixi", "python", "base"];

#[test]
fn every_template_lists_plans_and_lints_clean() {
    let workspace = workspace::workspace();
    for template in TEMPLATES {
        let folder = format!("images/my-{template}");
        let said = workspace.read(&["new", &folder, "--template", template]);
        assert!(said.lines().all(|line| line.starts_with(&folder)), "{said}");
        if template == "pixi" {
            // What `lock-update` would write.
            std::fs::write(workspace.root().join(&folder).join("pixi.lock"), "version: 6\n")
                .unwrap();
        }
    }
    let listed = workspace.json(&["list", "--json"]);
    assert_eq!(listed["images"].as_array().unwrap().len(), TEMPLATES.len());
    let plan = workspace.plan();
    for template in TEMPLATES {
        let image = workspace::find(&plan, &format!("my-{template}"));
        assert!(image["inputs"]["files"].as_u64().unwrap() > 0, "{image:#}");
    }
    let said = workspace.run(&["lint"]);
    assert_eq!((said.status, said.stdout.as_str()), (0, ""));

    let Some(engine) = engines::newest() else { return };
    let mut lint = engine.command(env!("CARGO_BIN_EXE_xtask"));
    let output = lint.args(["lint"]).current_dir(workspace.root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.stdout.as_slice(), said.as_str()),
        (b"".as_slice(), "nothing to mend in 4 images\n")
    );
    engine.debian();
    for image in ["my-service", "my-base"] {
        let mut build = engine.command(env!("CARGO_BIN_EXE_xtask"));
        let output = build.args(["test", image]).current_dir(workspace.root()).output().unwrap();
        assert!(output.status.success(), "{image}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_apps_pass_their_own_tests() {
    let workspace = workspace::workspace();
    for template in ["service", "pixi", "python"] {
        workspace.read(&["new", template, "--template", template]);
        let mut tests = std::process::Command::new("python3");
        tests.args(["-m", "unittest", "tests.test_app"]);
        let output = tests.current_dir(workspace.root().join(template)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("Ran 0"), "{template}: {said}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_written_outside() {
    let workspace =
        workspace::workspace().file("a/README.md", "mine").image("b/x", "", "FROM scratch");
    let status = |args: &[&str]| {
        let said = workspace.run(args);
        assert_eq!(said.stdout, "", "{args:?}");
        format!("{}{}", said.stderr, said.status)
    };
    let said = status(&["new", "a", "--template", "base"]);
    assert!(said.contains("a/README.md exists") && said.ends_with('2'), "{said}");
    assert_eq!(std::fs::read_dir(workspace.root().join("a")).unwrap().count(), 1);
    for (folder, why) in [
        ("../out", "is not below the workspace's root"),
        ("/tmp/out", "is not below the workspace's root"),
        (".", "is not below the workspace's root"),
        ("Upper", "the folder's name is the image's id"),
        ("c/x", "there is an image x already"),
    ] {
        let said = status(&["new", folder, "--template", "base"]);
        assert!(said.contains(why) && said.ends_with('2'), "{folder}: {said}");
    }
    let workspace = workspace.link("out", "..");
    let said = workspace.run(&["new", "out/y", "--template", "base"]);
    assert_eq!(said.status, 2, "{}", said.stderr);
    assert!(!workspace.root().join("../y").exists());

    let shown = workspace.read(&["new", "d", "--template", "base", "--dry-run"]);
    assert!(shown.contains("d/Dockerfile"), "{shown}");
    assert!(!workspace.root().join("d").exists());
    // From a folder below the root, the folder is that one's.
    let said = workspace.run_in("b", &["new", "e", "--template", "base"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(workspace.root().join("b/e/Dockerfile").exists());
}
