//! Workspaces in temporary folders, and what the binary says of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A workspace that a test writes down file by file.
pub(crate) struct Workspace {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

/// What the binary said, and its exit status.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A workspace that is published to `ghcr.io/acme`.
pub(crate) fn workspace() -> Workspace {
    configured("registries = [\"ghcr.io/acme\"]")
}

/// A workspace with these lines under `[workspace.metadata.dockyard]`.
pub(crate) fn configured(lines: &str) -> Workspace {
    let folder = tempfile::Builder::new().prefix("dockyard-").tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("images");
    std::fs::create_dir(&root).unwrap();
    let cargo = format!("[workspace]\n[workspace.metadata.dockyard]\n{lines}\n");
    Workspace { _folder: folder, root }.file("Cargo.toml", &cargo)
}

impl Workspace {
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes())
    }

    pub(crate) fn bytes(self, path: &str, bytes: &[u8]) -> Self {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    /// An image in `folder`: its `image.toml` and its Dockerfile.
    pub(crate) fn image(self, folder: &str, toml: &str, dockerfile: &str) -> Self {
        self.file(&format!("{folder}/image.toml"), toml)
            .file(&format!("{folder}/Dockerfile"), dockerfile)
    }

    #[cfg(unix)]
    pub(crate) fn link(self, path: &str, to: &str) -> Self {
        std::os::unix::fs::symlink(to, self.root.join(path)).unwrap();
        self
    }

    /// Everything so far as one commit, always the same one.
    pub(crate) fn committed(self) -> Self {
        self.git(&["init", "--quiet", "--initial-branch=main"]).git(&["add", "--all"]).git(&[
            "commit",
            "--quiet",
            "--no-gpg-sign",
            "--message=x",
        ])
    }

    pub(crate) fn git(self, args: &[&str]) -> Self {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.root).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "x")
                .env(format!("GIT_{who}_EMAIL"), "x@example.org")
                .env(format!("GIT_{who}_DATE"), "2026-03-05T12:00:00Z");
        }
        assert!(command.status().unwrap().success(), "git {args:?}");
        self
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs `xtask` with `args` at the root.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.run_in("", args)
    }

    /// Runs `xtask` in a folder of the workspace, on a machine where no engine serves.
    pub(crate) fn run_in(&self, folder: &str, args: &[&str]) -> Said {
        self.run_with(folder, args, &[])
    }

    pub(crate) fn run_with(
        &self,
        folder: &str,
        args: &[&str],
        variables: &[(&str, &Path)],
    ) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(self.root.join(folder));
        // Nothing of the machine, nor of a CI that runs these tests, may show.
        for (name, _) in std::env::vars_os() {
            if name != "PATH" && name != "SYSTEMROOT" {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.root.parent().unwrap())
            .env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap())
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .envs(variables.iter().copied());
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

    /// What must succeed: its stdout.
    pub(crate) fn read(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.status, 0, "{args:?}: {}", said.stderr);
        said.stdout
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.read(args)).unwrap()
    }

    /// `plan --json` for every platform.
    pub(crate) fn plan(&self) -> Value {
        self.json(&["plan", "--json", "--all-platforms"])
    }

    /// The graph of `plan --json`, a paragraph an image in build order.
    pub(crate) fn graph(&self) -> String {
        graph(&self.plan())
    }

    /// What must fail: `stdout`, `stderr` and the status, and nothing was written.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert!(!self.root.join("target").exists(), "{args:?} wrote something");
        assert_eq!(said.stdout, "", "{args:?}");
        format!("{}status {}\n", said.stderr, said.status)
    }
}

/// The fields of `plan --json` that a graph is made of.
pub(crate) fn graph(plan: &Value) -> String {
    let mut text = String::new();
    for image in plan["images"].as_array().unwrap() {
        writeln!(text, "{} for {}", name(image), list(&image["platforms"])).unwrap();
        for parent in image["parents"].as_array().unwrap() {
            let (via, reference) = (word(&parent["via"]), word(&parent["reference"]));
            writeln!(text, "  {via} {} as {reference}", name(parent)).unwrap();
        }
        for base in image["external"].as_array().unwrap() {
            let (via, reference) = (word(&base["via"]), word(&base["reference"]));
            writeln!(text, "  {via} {reference} for {}", list(&base["platforms"])).unwrap();
            if let Some(note) = base["note"].as_str() {
                writeln!(text, "    {note}").unwrap();
            }
        }
        for (name, value) in image["args"].as_object().unwrap() {
            writeln!(text, "  {name}={value}").unwrap();
        }
    }
    text
}

/// `id` or `id:variant`.
pub(crate) fn name(image: &Value) -> String {
    let id = word(&image["id"]);
    image["variant"].as_str().map_or(id.to_owned(), |variant| format!("{id}:{variant}"))
}

/// The image of `plan --json` with this name.
pub(crate) fn find<'a>(plan: &'a Value, wanted: &str) -> &'a Value {
    plan["images"]
        .as_array()
        .unwrap()
        .iter()
        .find(|image| name(image) == wanted)
        .unwrap_or_else(|| panic!("no {wanted} in {plan:#}"))
}

/// The fields `keys` of an image, one a line.
pub(crate) fn fields(image: &Value, keys: &[&str]) -> String {
    keys.iter().fold(String::new(), |text, key| format!("{text}{key} = {}\n", image[key]))
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(values: &Value) -> String {
    values.as_array().unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
}
