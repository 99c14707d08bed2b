//! What changes a workflow, and who notices.

use super::support::{self, Workspace};
use super::{IMAGES, LOCKS, generated, levels, read};

/// The places where `new` has lines that `old` has not, as text; `old` must be the rest of it.
fn added(old: &str, new: &str) -> Vec<String> {
    let mut hunks: Vec<String> = Vec::new();
    let mut old = old.lines().peekable();
    let mut inside = false;
    for line in new.lines() {
        if old.peek() == Some(&line) {
            old.next();
            inside = false;
            continue;
        }
        if !inside {
            hunks.push(String::new());
        }
        inside = true;
        let hunk = hunks.last_mut().unwrap();
        *hunk = format!("{hunk}{line}\n");
    }
    assert_eq!(old.next(), None, "lines went or moved");
    hunks
}

fn two() -> Workspace {
    support::workspace().image("base", "", "FROM debian\n").image(
        "zoo",
        "",
        "FROM ghcr.io/acme/base\n",
    )
}

#[test]
fn an_image_adds_its_job_and_a_line_of_the_last_job() {
    let workspace = two();
    let before = generated(&workspace);
    let workspace = workspace.image("middle", "", "FROM ghcr.io/acme/base\n");
    let [job, need] = added(&before, &generated(&workspace)).try_into().unwrap();
    // The line before is the next job's, too.
    let jobs: Vec<&str> =
        job.lines().filter(|line| line.contains("middle") && !line.starts_with("   ")).collect();
    assert_eq!(jobs, ["  build-middle__linux-amd64:"], "{job}");
    assert_eq!(job.matches("runs-on:").count(), 1, "{job}");
    assert_eq!(need, "      - build-middle__linux-amd64\n");
}

#[test]
fn an_image_of_its_own_adds_its_check_too() {
    let workspace = two();
    let before = generated(&workspace);
    let workspace = workspace.image("alone", "", "FROM debian\n");
    let hunks = added(&before, &generated(&workspace));
    assert_eq!(hunks.len(), 3, "{hunks:?}");
    assert!(hunks[1].contains("xtask ci check alone"), "{hunks:?}");
}

#[test]
fn among_two_hundred_nothing_else_moves() {
    let workspace = levels(200, 40);
    let before = generated(&workspace);
    let workspace = workspace.image("image-2-new", "", "FROM ghcr.io/acme/image-1-003\n");
    let hunks = added(&before, &generated(&workspace));
    // For two platforms, a job and a line each.
    assert_eq!(hunks.len(), 2, "{hunks:?}");
    assert_eq!(hunks[0].matches("runs-on:").count(), 2);
    assert_eq!(hunks[1].lines().count(), 2);
}

#[test]
fn equal_workspaces_have_equal_workflows() {
    let workspace = levels(20, 5);
    let first = generated(&workspace);
    std::fs::remove_file(workspace.root().join(IMAGES)).unwrap();
    assert_eq!(generated(&workspace), first);
    assert_eq!(generated(&levels(20, 5)), first);
}

#[test]
fn a_stale_workflow_is_found_and_the_command_named() {
    let workspace = two();
    let missing = workspace.run(&["ci", "generate", "--check"]);
    assert_eq!((missing.status, missing.stdout.as_str()), (1, ""));
    assert!(
        missing.stderr.contains(".github/workflows/images.yml is missing"),
        "{}",
        missing.stderr
    );
    assert!(!workspace.root().join(IMAGES).exists());

    let text = generated(&workspace);
    let current = workspace.run(&["ci", "generate", "--check"]);
    assert_eq!((current.status, current.stderr.as_str()), (0, ""));
    // git may have given it other ends of lines.
    let workspace = workspace.file(IMAGES, &text.replace('\n', "\r\n"));
    assert_eq!(workspace.run(&["ci", "generate", "--check"]).status, 0);

    let both = "platforms = [\"linux/amd64\", \"linux/arm64\"]";
    let workspace = workspace.file(IMAGES, &text).file("base/image.toml", both);
    let stale = workspace.run(&["ci", "generate", "--check"]);
    expect_test::expect![[r"
        error: .github/workflows/images.yml is stale from line 1 on
          mend: cargo xtask ci generate
    "]]
    .assert_eq(
        &stale
            .stderr
            .replace(|c: char| c.is_ascii_digit(), "1")
            .replace("111", "1")
            .replace("11", "1"),
    );
    assert_eq!(stale.status, 1);
    assert_eq!(read(workspace.root(), IMAGES), text);
    assert_ne!(generated(&workspace), text);
    assert_eq!(workspace.run(&["ci", "generate", "--check"]).status, 0);
}

#[test]
fn a_workspace_in_a_folder_has_its_workflow_where_github_looks() {
    let workspace = two();
    let above = workspace.root().parent().unwrap().to_owned();
    std::fs::create_dir(above.join(".git")).unwrap();
    workspace.read(&["ci", "generate"]);
    assert!(!workspace.root().join(IMAGES).exists());
    let text = read(&above, IMAGES);
    assert!(text.contains("\n    working-directory: images\n"), "{text}");
    assert!(text.contains("hashFiles('images/Cargo.lock')"), "{text}");
    assert_eq!(workspace.run(&["ci", "generate", "--check"]).status, 0);
}

#[test]
fn room_is_made_for_large_images_and_where_a_person_says() {
    let steps = |toml: &str| {
        let workspace = support::workspace().image("a", toml, "FROM debian\n");
        generated(&workspace).matches("sudo rm").count()
    };
    assert_eq!(steps(""), 0);
    assert_eq!(steps("limits = { size = \"500MB\" }"), 0);
    // Where it is built, and where a pull request is checked.
    assert_eq!(steps("limits = { size = \"5GB\" }"), 2);
    assert_eq!(steps("limits = { size = \"5GB\" }\nci = { free-disk = false }"), 0);
    assert_eq!(steps("ci = { free-disk = true }"), 2);
}

#[test]
fn locks_have_a_workflow_where_there_are_some() {
    let workspace = two();
    generated(&workspace);
    assert!(!workspace.root().join(LOCKS).exists());
    let workspace = workspace.file("base/pixi.toml", "");
    let said = workspace.run(&["ci", "generate", "--check"]);
    assert!(said.stderr.contains("locks.yml is missing"), "{}", said.stderr);
    generated(&workspace);
    assert!(read(workspace.root(), LOCKS).contains("xtask lock-update --upgrade"));
    std::fs::remove_file(workspace.root().join("base/pixi.toml")).unwrap();
    let said = workspace.run(&["ci", "generate", "--check"]);
    assert!(said.stderr.contains("locks.yml is no longer needed"), "{}", said.stderr);
    generated(&workspace);
    assert!(!workspace.root().join(LOCKS).exists());
}

#[test]
fn nobodys_own_workflow_is_overwritten() {
    let workspace = two().file(IMAGES, "name: mine\n");
    let said = workspace.refused(&["ci", "generate"]);
    assert!(said.contains("was not generated") && said.ends_with("status 2\n"), "{said}");
    assert_eq!(read(workspace.root(), IMAGES), "name: mine\n");
}
