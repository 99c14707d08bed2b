//! What changes a key and what must not; what a change affects. No engine is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// A workspace in a git repository: a shared package and three services, one context.
struct Fixture {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
}

const SERVICES: [&str; 3] = ["bot", "notebook", "web"];

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().join("first");
        let fixture = Self { _folder: folder, root };
        fixture.write(
            "Cargo.toml",
            "[workspace]\nmembers = []\n[workspace.metadata.dockyard]\nregistries = [\"ghcr.io/acme\"]\n",
        );
        fixture.write(".gitignore", "/target\n*.local\n");
        fixture.write("docs/guide.md", "text");
        fixture.write("shared/lib.py", "shared = 1");
        fixture.write("shared/run.sh", "#!/bin/sh\n");
        fs::set_permissions(fixture.root.join("shared/run.sh"), fs::Permissions::from_mode(0o755))
            .unwrap();
        for service in SERVICES {
            let path = |file: &str| format!("services/{service}/{file}");
            fixture.write(&path("main.py"), service);
            fixture.write(&path("image.toml"), "context = \"/\"\n");
            fixture.write(&path("Dockerfile.dockerignore"), "*\n!shared\n!services\n**/*.md\n");
            fixture.write(&path("notes.md"), "notes");
            fixture.write(
                &path("Dockerfile"),
                &format!("FROM scratch\nCOPY shared /shared\nCOPY services/{service} /app\n"),
            );
        }
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture.git(&["config", "user.email", "a@b.c"]);
        fixture.git(&["config", "user.name", "a"]);
        fixture.commit();
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) {
        run(Command::new("git").args(args).current_dir(&self.root));
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "x"]);
    }

    fn xtask(&self, args: &[&str]) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(args)
            .current_dir(&self.root)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn affected(&self) -> BTreeMap<String, Vec<String>> {
        let (success, stdout, stderr) = self.xtask(&["affected", "--since", "HEAD", "--json"]);
        assert!(success, "{stderr}");
        let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(json["version"], 1);
        let image = |image: &serde_json::Value| {
            let reasons = image["reasons"].as_array().unwrap().iter();
            (
                image["id"].as_str().unwrap().to_owned(),
                reasons.map(|reason| reason.as_str().unwrap().to_owned()).collect(),
            )
        };
        json["images"].as_array().unwrap().iter().map(image).collect()
    }

    fn names(&self) -> Vec<String> {
        self.affected().into_keys().collect()
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn keys(root: &Utf8Path) -> BTreeMap<String, String> {
    let keys = dockyard::keys(root).unwrap();
    let key = |id: &str| {
        let name = dockyard::workspace::TargetName { id: id.parse().unwrap(), variant: None };
        let of_platforms: Vec<String> =
            keys.of(&name).map(|(_, key)| key.key.to_string()).collect();
        assert!(!of_platforms.is_empty(), "{id}");
        (id.to_owned(), of_platforms.join(" "))
    };
    SERVICES.iter().map(|id| key(id)).collect()
}

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

#[test]
fn two_clones_have_equal_keys() {
    let fixture = Fixture::new();
    let expected = keys(&fixture.root);
    for (folder, umask) in [("second", "002"), ("third/deeper", "022")] {
        let clone = fixture.root.with_file_name(folder);
        let script = format!("umask {umask} && git clone -q {} {clone}", fixture.root);
        run(Command::new("sh").args(["-c", &script]));
        assert_eq!(keys(&clone), expected, "{folder}");
    }
}

#[test]
fn provenance_and_publication_are_no_inputs() {
    let fixture = Fixture::new();
    let expected = keys(&fixture.root);
    // Commit, dates, branch, remote.
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "another"]);
    fixture.git(&["checkout", "-q", "-b", "feature/x"]);
    fixture.git(&["tag", "v9.9.9"]);
    fixture.git(&["remote", "add", "origin", "https://github.com/fork/repository"]);
    for file in ["shared/lib.py", "services/bot/main.py"] {
        let file = fs::File::options().append(true).open(fixture.root.join(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    // Tags, registry, labels, repositories.
    for service in SERVICES {
        fixture.write(
            &format!("services/{service}/image.toml"),
            "context = \"/\"\ndescription = \"x\"\nversion = \"1.2.3\"\ntags = [\"{{ version }}\"]\nrepositories = [\"quay.io/x/y\"]\nlabels = { a = \"{{ commit }}\" }\n",
        );
        if service != "bot" {
            fixture.write(
                &format!("services/{service}/image.toml"),
                &format!("context = \"/\"\nrepositories = [\"quay.io/x/{service}\"]\n"),
            );
        }
    }
    // The folder of an image is read by its own COPY: its image.toml is a file like others there.
    let changed = keys(&fixture.root);
    for service in SERVICES {
        assert_ne!(changed[service], expected[service], "image.toml is copied");
    }
    for service in SERVICES {
        let file = format!("services/{service}/Dockerfile.dockerignore");
        let text = fs::read_to_string(fixture.root.join(&file)).unwrap();
        fixture.write(&file, &format!("{text}**/image.toml\n**/Dockerfile*\n"));
    }
    let with = keys(&fixture.root);
    for service in SERVICES {
        fixture.write(&format!("services/{service}/image.toml"), "context = \"/\"\n");
    }
    assert_eq!(keys(&fixture.root), with);
}

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
