//! A workspace with a registry, and jobs that run in clones of it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use ureq::http::Method;

use crate::engines::TestEngine;
use crate::lab::{Lab, Said};
use crate::registries::Registry;

/// A repository, the registry that it publishes to, and the engine of its runners.
pub(crate) struct Forge {
    pub(crate) lab: Lab,
    pub(crate) registry: Registry,
    runners: tempfile::TempDir,
}

/// What a job's command did.
#[derive(Debug)]
pub(crate) struct Did {
    pub(crate) said: Said,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
}

impl Forge {
    /// With `base`, which has a shell; `more` stands in the workspace's table.
    pub(crate) fn new(test: &'static TestEngine, more: &str) -> Option<Self> {
        Self::with(test, Registry::open()?, more)
    }

    /// As [`new`](Self::new), with a registry that nobody reads without a login.
    pub(crate) fn locked(test: &'static TestEngine) -> Option<Self> {
        let registry = Registry::locked()?;
        let authority = registry.authority.clone().unwrap();
        let mut forge = Self::with(test, registry, "")?;
        forge.lab.set("SSL_CERT_FILE", authority.as_str());
        Some(forge)
    }

    fn with(test: &'static TestEngine, registry: Registry, more: &str) -> Option<Self> {
        let lab = Lab::with_base(test)?;
        lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nregistries = [\"{}/lab\"]\nversion = \"0.3.0\"\n{more}\n",
                registry.host
            ),
        );
        let runners = tempfile::Builder::new().prefix("runs-").tempdir().unwrap();
        Some(Self { lab, registry, runners })
    }

    /// An image on the base, with a file that says `text`.
    pub(crate) fn child(&self, id: &str, of: &str, toml: &str, text: &str) {
        let parent = format!("{}/lab/{of}", self.registry.host);
        self.lab.image(id, toml, &format!("FROM {parent}\nCOPY text /{id}\n"));
        self.lab.file(&format!("{id}/text"), text);
    }

    /// A new folder, gone with the forge.
    pub(crate) fn folder(&self, prefix: &str) -> Utf8PathBuf {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(self.runners.path());
        Utf8PathBuf::from_path_buf(folder.unwrap().keep()).unwrap()
    }

    /// A clone for one job.
    fn clone(&self) -> Utf8PathBuf {
        let root = self.folder("job-").join("work");
        self.lab.git(&["clone", "--quiet", ".", root.as_str()]);
        root
    }

    /// Runs `xtask` with `args` in a clone of its own, as a job does.
    pub(crate) fn job(&self, args: &[&str], variables: &[(&str, &str)]) -> Did {
        let root = self.clone();
        let mut command = self.lab.xtask(args);
        run(&root, &mut command, variables)
    }

    /// What a tag names.
    pub(crate) fn tag(&self, id: &str, tag: &str) -> Option<String> {
        self.registry.tag(&format!("lab/{id}"), tag)
    }

    /// What the registry holds at a path that is there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.registry.request(&Method::GET, path, "", &[]);
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    /// All repositories with all their tags, as the registry lists them.
    pub(crate) fn catalogue(&self) -> BTreeMap<String, BTreeSet<String>> {
        let (_, _, body) = self.registry.request(&Method::GET, "/v2/_catalog", "", &[]);
        let json: Value = serde_json::from_slice(&body).unwrap();
        let names = json["repositories"].as_array().unwrap().iter();
        let names = names.map(|name| name.as_str().unwrap().to_owned());
        names.map(|name| (name.clone(), self.tags(&name))).collect()
    }

    fn tags(&self, repository: &str) -> BTreeSet<String> {
        let path = format!("/v2/{repository}/tags/list");
        let (_, _, body) = self.registry.request(&Method::GET, &path, "", &[]);
        let json: Value = serde_json::from_slice(&body).unwrap();
        let tags = json["tags"].as_array().into_iter().flatten();
        tags.map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }
}

/// Runs `command` in `root`, the work tree of a job.
pub(crate) fn run(root: &Utf8Path, command: &mut Command, variables: &[(&str, &str)]) -> Did {
    let folder = root.parent().unwrap();
    let (output, summary) = (folder.join("output"), folder.join("summary"));
    for file in [&output, &summary] {
        std::fs::write(file, "").unwrap();
    }
    // Nothing of a CI that runs these tests may show.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GITHUB_")) {
            command.env_remove(name);
        }
    }
    command
        .current_dir(root)
        .env("XDG_STATE_HOME", folder)
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .envs(variables.iter().copied());
    let said = Said::of(&command.output().unwrap());
    let outputs = std::fs::read_to_string(output).unwrap();
    let outputs = outputs.lines().map(|line| {
        let (name, value) = line.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    Did { outputs: outputs.collect(), summary: std::fs::read_to_string(summary).unwrap(), said }
}

impl Did {
    /// The list in an output.
    pub(crate) fn list(&self, output: &str) -> Vec<String> {
        serde_json::from_str(&self.outputs[output]).unwrap_or_else(|_| panic!("{}", self.said))
    }

    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.said.status, Some(status), "{}", self.said);
        self
    }
}
