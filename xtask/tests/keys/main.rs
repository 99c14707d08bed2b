//! What changes a key and what must not; what a change affects. No engine is asked.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

mod affected;
mod inputs;
mod provenance;

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

    /// What `plan --json` says of each image in the workspace at `root`, with these variables and no engine.
    fn plan(root: &Utf8Path, variables: &[(&str, &str)]) -> BTreeMap<String, Value> {
        let mut command = planning(root);
        command.envs(variables.iter().copied());
        planned(&mut command)
    }

    fn affected(&self) -> BTreeMap<String, Vec<String>> {
        let (success, stdout, stderr) = self.xtask(&["affected", "--since", "HEAD", "--json"]);
        assert!(success, "{stderr}");
        let json: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(json["version"], 1);
        let image = |image: &Value| {
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

fn planning(root: &Utf8Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["plan", "--json"]).current_dir(root);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    command
}

fn planned(command: &mut Command) -> BTreeMap<String, Value> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(images) = plan["images"].take() else { panic!("no images in {plan:#}") };
    images.into_iter().map(|image| (image["id"].as_str().unwrap().to_owned(), image)).collect()
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
