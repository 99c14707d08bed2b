//! `affected --since`: what a change affects.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::{Fixture, SERVICES, run};

#[test]
fn a_change_affects_the_images_that_read_it() {
    let fixture = Fixture::new();
    assert!(fixture.names().is_empty());

    fixture.write("services/bot/main.py", "changed");
    assert_eq!(
        fixture.affected(),
        BTreeMap::from([("bot".to_owned(), vec!["changed: services/bot/main.py".to_owned()])])
    );
    fixture.commit();
    assert!(fixture.names().is_empty(), "the work tree is HEAD");

    fixture.write("shared/lib.py", "shared = 2");
    assert_eq!(fixture.names(), SERVICES);
    fixture.commit();

    fixture.write("services/bot/notes.md", "every ignore file leaves it out");
    fixture.write("docs/guide.md", "nobody reads it");
    assert!(fixture.names().is_empty());
    // What a checkout cannot carry.
    fixture.write("services/web/cache.local", "git ignores it");
    fs::create_dir(fixture.root.join("services/web/hollow")).unwrap();
    fs::set_permissions(fixture.root.join("shared/lib.py"), fs::Permissions::from_mode(0o600))
        .unwrap();
    assert!(fixture.names().is_empty());
    let said = fixture.xtask(&["affected", "--since", "HEAD"]).2;
    assert!(said.contains("services/web/cache.local"), "{said}");

    let worktrees =
        Command::new("git").args(["worktree", "list"]).current_dir(&fixture.root).output().unwrap();
    assert_eq!(
        String::from_utf8(worktrees.stdout).unwrap().lines().count(),
        1,
        "none is left over"
    );
}

#[test]
fn a_pointer_of_git_lfs_stands_for_its_content() {
    let fixture = Fixture::new();
    let content = "large";
    let hash = "1ca5ea42049d6a5d7fac9bf0e1ea4c2f9c2f5a9a6f0a8a8f6ed7c1cf4f5c7d7e";
    let real = Command::new("sh").args(["-c", "printf large | sha256sum"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap()[..64].to_owned();
    let pointer = |oid: &str| {
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 5\n")
    };
    fixture.write("services/bot/model", &pointer(&real));
    fixture.commit();
    fixture.write("services/bot/model", content);
    assert!(fixture.names().is_empty());
    fixture.write("services/bot/model", &pointer(hash));
    assert_eq!(fixture.names(), ["bot"]);
}

#[test]
fn what_git_cannot_answer_is_refused_in_words() {
    let fixture = Fixture::new();
    for (revision, words) in
        [("--output=/x", "is no revision"), ("nowhere", "git knows no revision")]
    {
        let (success, _, stderr) = fixture.xtask(&["affected", "--since", revision]);
        assert!(!success && stderr.contains(words), "{stderr}");
    }
    fixture.write("shared/lib.py", "shared = 2");
    fixture.commit();
    let shallow = fixture.root.with_file_name("shallow");
    run(Command::new("git").args([
        "clone",
        "-q",
        "--depth=1",
        &format!("file://{}", fixture.root),
        shallow.as_str(),
    ]));
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["affected", "--since", "HEAD~1"])
        .current_dir(&shallow)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the clone is shallow"), "{said}");
}
