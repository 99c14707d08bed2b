//! Really built in a closed network: bases are made from Debian's archive and lie in a loopback registry under the
//! names that the Dockerfiles have, `mirrors` leads there, and packages come from PyPI by arguments.

use std::process::Command;

use dockyard::engine::substitute::{SubstituteRecipe, Variant};
use dockyard::execute::test::{Subject, Tester};
use dockyard::reference::Reference;
use dockyard::workspace::Workspace;
use serde_json::Value;

use crate::engines::{self, TestEngine};
use crate::lab::{Lab, succeed};
use crate::registries::Registry;
use crate::{frontend, rows};

pub(crate) const SLIM: &str = "library/python:3.12-slim";
const MICROMAMBA: &str = "mambaorg/micromamba:2.4-cuda12.6.3-ubuntu22.04";
const PYTORCH: &str = "pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime";
/// What stands in for a base has these packages.
pub(crate) const PYTHON: &[&str] = &["ca-certificates", "python3", "python3-pip", "python3-venv"];

pub(crate) const PYPI: &str = "https://pypi.org/simple";

/// A copy of this repository's images, whose Docker Hub is a registry on loopback.
pub(crate) struct Closed {
    pub(crate) registry: Registry,
    pub(crate) lab: Lab,
}

impl Closed {
    /// With `base` as Docker Hub's `name`.
    fn new(test: &'static TestEngine, name: &str, base: &str) -> Option<Self> {
        Self::with_bases(test, name, &[base])
    }

    /// With the images `bases`, each of another platform, as Docker Hub's `name`.
    pub(crate) fn with_bases(
        test: &'static TestEngine,
        name: &str,
        bases: &[&str],
    ) -> Option<Self> {
        let registry = Registry::open()?;
        let frontend = format!("{}/hub/docker/dockerfile:1", registry.host);
        frontend::image(test, &frontend)?;
        let lab = Lab::new(test);
        let docker = |args: &[&str]| {
            let said = lab.docker(args);
            assert_eq!(said.status, Some(0), "{args:?}: {said}");
        };
        let push = |image: &str| {
            docker(&["push", "--quiet", image]);
            docker(&["rmi", image]);
        };
        push(&frontend);
        let mirrored = format!("{}/hub/{name}", registry.host);
        let mut parts = Vec::new();
        for (number, base) in bases.iter().enumerate() {
            let part = format!("{mirrored}-part{number}");
            test.engine.tag(base, &part).unwrap();
            push(&part);
            parts.push(part);
        }
        let index = ["buildx", "imagetools", "create", "--tag", &mirrored];
        docker(&[&index[..], &parts.iter().map(String::as_str).collect::<Vec<_>>()].concat());
        copy(&lab, "images");
        lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nmirrors = {{ \"docker.io\" = \"{}/hub\" }}\n",
                registry.host
            ),
        );
        lab.commit();
        Some(Self { registry, lab })
    }

    /// Where images may be published to, in the place of a registry and owner.
    pub(crate) fn repositories(&self) -> String {
        format!("{}/cs24-1", self.registry.host)
    }

    fn status(&self, args: &[&str]) -> Vec<(String, String)> {
        self.lab.statuses(args, 0).into_iter().collect()
    }

    /// `test`, which must end with `status`.
    fn test(&self, args: &[&str], status: i32) -> String {
        let said = self.lab.say(&[&["test"], args].concat());
        assert_eq!(said.status, Some(status), "{said}");
        said.stderr
    }

    pub(crate) fn append(&self, file: &str, text: &str) {
        let path = self.lab.root().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + text).unwrap();
    }
}

/// The name of a base with `packages`, made once an engine.
pub(crate) fn stand_in(test: &TestEngine, packages: &[&str]) -> String {
    let recipe = SubstituteRecipe {
        reference: "dockyard.invalid/stand-in".parse::<Reference>().unwrap(),
        suite: "trixie".parse().unwrap(),
        variant: Variant::Minbase,
        include: packages.iter().map(|package| package.parse().unwrap()).collect(),
        mirror: None,
    };
    let made = engines::locked("stand-in", || {
        recipe.provide(&test.engine, &test.engine.platform, &|line| eprintln!("{line}"))
    });
    made.expect("Debian's archive is reached").name
}

/// The files of `folder` that git knows or would take up.
pub(crate) fn copy(lab: &Lab, folder: &str) {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", folder]);
    let root = rows::repository();
    let listed = succeed(list.current_dir(&root)).unwrap();
    for file in listed.split_terminator('\0').filter(|file| root.join(file).is_file()) {
        let to = lab.root().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root.join(file), to).unwrap();
    }
}

/// A closed network whose `name` is Debian with Python.
fn with_python(name: &str) -> Option<Closed> {
    let test = engines::any()?;
    Closed::new(test, name, &stand_in(test, PYTHON))
}

fn pairs(statuses: &[(String, String)]) -> Vec<(&str, &str)> {
    statuses.iter().map(|(id, status)| (id.as_str(), status.as_str())).collect()
}

#[test]
fn d_the_bots_hierarchy() {
    let Some(it) = with_python(SLIM) else { return };
    let small = "--build-arg=bot-base:TORCH_REQUIREMENTS=requirements-small.txt";
    let index = format!("--build-arg=bot-base:TORCH_INDEX_URL={PYPI}");
    let all = ["bot", "bot-ci", "bot-devcontainer", small, &index];
    let ids = ["bot", "bot-base", "bot-ci", "bot-devcontainer"];
    assert_eq!(pairs(&it.status(&all)), ids.map(|id| (id, "built")));
    assert_eq!(pairs(&it.status(&all)), ids.map(|id| (id, "skipped")));

    // D4: the checkout's own tests and lint, in the image.
    let test = ["bot-ci", "bot", small, &index];
    it.test(&test, 0);
    it.append(
        "images/bot/tests/test_bot.py",
        "\n\ndef test_of_today() -> None:\n    assert False\n",
    );
    let said = it.test(&["bot-ci", small, &index], 1);
    assert!(said.contains("test_of_today"), "{said}");

    // Code is the bot's alone.
    it.append("images/bot/bot/answers.toml", "# more\n");
    let statuses = it.status(&all);
    let built: Vec<_> = pairs(&statuses).into_iter().filter(|(_, s)| *s == "built").collect();
    assert_eq!(built, [("bot", "built")]);

    // D3, D6: requirements of the children; then the base's: base first, each child once, on the new base.
    it.append("images/bot/requirements/requirements.txt", "# more\n");
    let statuses = it.status(&all);
    assert_eq!(
        pairs(&statuses),
        [
            ("bot", "built"),
            ("bot-base", "skipped"),
            ("bot-ci", "built"),
            ("bot-devcontainer", "built")
        ]
    );
    it.append("images/bot/requirements/requirements-small.txt", "tomli==2.3.0\n");
    let built = it.lab.build(&all, 0);
    let base = built["bot-base"]["digest"].as_str().unwrap();
    for id in ids {
        assert_eq!(built[id]["status"], "built", "{id}");
        if id != "bot-base" {
            let labels = &it.lab.config(built[id]["digest"].as_str().unwrap())["Labels"];
            assert_eq!(labels["org.opencontainers.image.base.digest"], base, "{id}");
        }
    }
    assert_eq!(pairs(&it.status(&all)), ids.map(|id| (id, "skipped")));
    assert!(it.registry.log().contains("/v2/hub/docker/dockerfile/manifests/1"));
}

#[test]
fn e_boileroom_and_chai1() {
    let Some(it) = with_python(MICROMAMBA) else { return };
    let index = format!("--build-arg=chai1:TORCH_INDEX_URL={PYPI}");
    let args = [
        "chai1:cuda12.6",
        "--build-arg=chai1:TORCH=numpy",
        "--build-arg=chai1:REQUIREMENTS=requirements-small.txt",
        "--build-arg=boileroom-base:PYTHON_FROM=distribution",
        &index,
    ];
    let built = it.lab.build(&args, 0);
    let (base, chai) = (&built["boileroom-base:cuda12.6"], &built["chai1:cuda12.6"]);
    let labels = &it.lab.config(chai["digest"].as_str().unwrap())["Labels"];
    assert_eq!(labels["org.opencontainers.image.base.digest"], base["digest"], "{base:#}");
    // E5: by import, and by /health.
    it.test(&args, 0);
    let with_base = [&["boileroom-base:cuda12.6"], &args[1..]].concat();
    it.test(&with_base, 0);
}

#[test]
fn c_itwinai_with_its_observed_facts() {
    let Some(test) = engines::any() else { return };
    // PyTorch itself has a gigabyte; what is observed of it is its version.
    let skeleton = "dockyard.invalid/pytorch-skeleton:test";
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {}\nRUN echo '__version__ = \"2.6.0+cu126\"' >/usr/lib/python3/dist-packages/torch.py\n",
        stand_in(test, PYTHON)
    );
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let mut build = test.command("docker");
    build.args(["buildx", "build", "--builder=default", "--provenance=false", "--tag", skeleton]);
    succeed(build.arg(folder.path())).unwrap();
    let Some(it) = Closed::new(test, PYTORCH, skeleton) else { return };
    built_with_provenance(&it);
}

#[test]
#[ignore = "it makes and moves a base of more than a gigabyte"]
fn c_itwinai_on_a_real_pytorch() {
    let Some(test) = engines::any() else { return };
    let packages = ["ca-certificates", "python3", "python3-pip", "python3-torch"];
    let Some(it) = Closed::new(test, PYTORCH, &stand_in(test, &packages)) else { return };
    built_with_provenance(&it);
    it.test(&["itwinai:torch", "itwinai:jlab"], 0);
}

fn built_with_provenance(it: &Closed) {
    let built = it.lab.build(&["itwinai:torch"], 0);
    let image = &built["itwinai:torch"];
    let labels = &it.lab.config(image["digest"].as_str().unwrap())["Labels"];
    assert_eq!(labels["itwinai_version"], "0.2.2");
    assert_eq!(labels["base_img_name"], format!("docker.io/{PYTORCH}"));
    let commit =
        Command::new("git").args(["rev-parse", "HEAD"]).current_dir(it.lab.root()).output();
    assert_eq!(labels["commit_hash"], String::from_utf8(commit.unwrap().stdout).unwrap().trim());
    // C2, and the tag that a release would have: the distribution is the stand-in's.
    assert_eq!(release_tag(&it.lab, image), "0.2.2-torch2.6-trixie");

    // The next commit builds nothing.
    it.lab.file("README.md", "more\n");
    it.lab.commit();
    assert_eq!(it.lab.statuses(&["itwinai:torch"], 0)["itwinai:torch"], "skipped");
}

/// The first release tag, with the facts that are observed in `image`.
fn release_tag(lab: &Lab, image: &Value) -> String {
    let workspace = Workspace::load(lab.root()).unwrap().workspace;
    let name =
        |target: &&dockyard::workspace::Target| target.target_name().to_string() == "itwinai:torch";
    let target = workspace.targets.iter().find(name).unwrap();
    let engine = &lab.test.engine;
    let reference = image["digest"].as_str().unwrap();
    let identity = reference.parse().unwrap();
    let subject = Subject {
        target,
        platform: &engine.platform,
        reference,
        identity: &identity,
        fetch: false,
        size: None,
        alone: true,
    };
    let tester = Tester::new(engine, lab.root()).unwrap();
    let found = tester.observe(&[subject]).unwrap().facts;
    let stamps = dockyard::tags::Stamps::new(&workspace.git);
    let mut facts = dockyard::tags::Facts::new(target, &stamps);
    for (name, value) in &found {
        facts.set(name, value);
    }
    let template =
        &target.tags.as_ref().unwrap().get(dockyard::workspace::Channel::Release).unwrap()[0];
    dockyard::tags::render(template, &facts).unwrap().text
}
