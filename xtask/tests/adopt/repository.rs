//! Repositories that are to be adopted, and what the binary makes of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where the adopted repositories' xtask gets Dockyard from, in these tests.
pub(crate) const DOCKYARD: &str = "https://git.example.org/dockyard";

pub(crate) struct Repository {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Repository {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("dockyard-").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("repository");
        std::fs::create_dir(&root).unwrap();
        let new = Self { _folder: folder, root };
        new.git(&["init", "--quiet", "--initial-branch=main"]);
        new
    }

    /// One of `tests/fixtures/adopt`, committed.
    pub(crate) fn of(name: &str) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/adopt").join(name);
        let new = Self::new();
        let from = format!("{}/.", fixture.display());
        assert!(Command::new("cp").args(["-a", &from]).arg(&new.root).status().unwrap().success());
        new.committed()
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn committed(self) -> Self {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--no-gpg-sign", "--message=x"]);
        self
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.root).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "x")
                .env(format!("GIT_{who}_EMAIL"), "x@example.org")
                .env(format!("GIT_{who}_DATE"), "2026-03-05T12:00:00Z");
        }
        assert!(command.status().unwrap().success(), "git {args:?}");
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name != "PATH" {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.root.parent().unwrap())
            .env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap())
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(self.root.to_str().unwrap(), "ROOT")
        };
        Said {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn adopt(&self) -> Said {
        self.run(&["adopt", "--dockyard", DOCKYARD])
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let said = self.run(args);
        assert_eq!(said.status, 0, "{args:?}: {}", said.stderr);
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// Every file with its bytes, git's own and Dockyard's state left out.
    pub(crate) fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut content = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(&self.root).unwrap().to_owned();
                if path.is_symlink() {
                    let to = std::fs::read_link(&path).unwrap();
                    content.insert(below, to.into_os_string().into_encoded_bytes());
                } else if path.is_dir() {
                    if !matches!(below.to_str(), Some(".git" | "target")) {
                        folders.push(path);
                    }
                } else {
                    content.insert(below, std::fs::read(&path).unwrap());
                }
            }
        }
        content
    }

    /// Adopts the repository, and checks what always holds: the dry run tells what is written and writes nothing,
    /// nothing that existed changes, a second run writes nothing and says so.
    pub(crate) fn adopted(self) -> Self {
        let before = self.content();
        let dry = self.json(&["adopt", "--dockyard", DOCKYARD, "--dry-run", "--json"]);
        assert_eq!(self.content(), before, "the dry run wrote something");
        assert!(!self.root.join("target").exists(), "the dry run wrote something");
        let said = self.adopt();
        assert_eq!(said.status, 0, "{}", said.stderr);
        let after = self.content();
        for (path, bytes) in &before {
            assert_eq!(after.get(path), Some(bytes), "{} was edited", path.display());
        }
        let new: BTreeMap<&str, &[u8]> = after
            .iter()
            .filter(|(path, _)| !before.contains_key(*path))
            .map(|(path, bytes)| (path.to_str().unwrap(), bytes.as_slice()))
            .collect();
        let told: BTreeMap<&str, &[u8]> = dry["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| (file["path"].as_str().unwrap(), file["text"].as_str().unwrap().as_bytes()))
            .collect();
        assert_eq!(new, told);
        assert!(told.keys().any(|path| path.ends_with("image.toml")));

        let again = self.adopt();
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert!(again.stderr.contains("nothing"), "{}", again.stderr);
        assert_eq!(self.content(), after, "the second run wrote something");
        let plan = dry["plan"]["images"].as_array().unwrap().iter();
        let names: Vec<String> = plan.map(name).collect();
        assert!(names.iter().all(|name| again.stdout.contains(name.as_str())), "{}", again.stdout);
        self
    }

    /// What is planned on `channel`, a paragraph an image.
    pub(crate) fn planned(&self, channel: &str) -> String {
        let plan = self.json(&["plan", "--json", "--all-platforms", "--channel", channel]);
        let mut text = String::new();
        for image in plan["images"].as_array().unwrap() {
            writeln!(text, "{}", name(image)).unwrap();
            for key in
                ["context", "dockerfile", "target", "platforms", "args", "repositories", "tags"]
            {
                let value = &image[key];
                let empty = value.is_null()
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty);
                if !empty {
                    writeln!(text, "  {key} {value}").unwrap();
                }
            }
            for parent in image["parents"].as_array().unwrap() {
                let (via, reference) = (&parent["via"], &parent["reference"]);
                writeln!(
                    text,
                    "  {} {} as {}",
                    via.as_str().unwrap(),
                    name(parent),
                    reference.as_str().unwrap()
                )
                .unwrap();
            }
        }
        let head = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(&self.root)
            .output()
            .unwrap();
        let head = String::from_utf8(head.stdout).unwrap();
        text.replace(head.trim(), "COMMIT").replace(&head[..7], "SHA")
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// `id` or `id:variant`.
pub(crate) fn name(image: &Value) -> String {
    let id = image["id"].as_str().unwrap();
    image["variant"].as_str().map_or(id.to_owned(), |variant| format!("{id}:{variant}"))
}
