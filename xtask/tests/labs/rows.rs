//! What is said of this repository's own images. No engine is needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{self, Said};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn say(args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let said = Said::of(&command.args(args).current_dir(repository()).output().unwrap());
    assert_eq!(said.status, Some(0), "{said}");
    said
}

fn images(args: &[&str]) -> BTreeMap<String, Value> {
    lab::images(&say(&[args, &["--json"]].concat()))
}

/// The first seven digits of HEAD.
fn sha() -> String {
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository()).output();
    String::from_utf8(asked.unwrap().stdout).unwrap()[..7].to_owned()
}

/// Each target's tags on `channel`; the template of what waits for observed facts.
fn tags(channel: &str) -> BTreeMap<String, Vec<String>> {
    let sha = sha();
    let text = |tag: &Value| {
        let known = tag["tag"].as_str().map(|text| text.replace(&sha, "SHA"));
        known.unwrap_or_else(|| tag["template"].as_str().unwrap().to_owned())
    };
    let of_image = |image: &Value| image["tags"].as_array().unwrap().iter().map(text).collect();
    let images = images(&["tags", "--channel", channel]);
    images.iter().map(|(name, image)| (name.clone(), of_image(image))).collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

const TARGETS: [&str; 15] = [
    "boileroom-base:cuda11.8",
    "boileroom-base:cuda12.6",
    "bot",
    "bot-base",
    "bot-ci",
    "bot-devcontainer",
    "chai1:cuda11.8",
    "chai1:cuda12.6",
    "drawio-converter",
    "itwinai:jlab",
    "itwinai:tf",
    "itwinai:torch",
    "ml-platform",
    "notebook-processor",
    "plantuml-converter",
];

#[test]
fn list_and_graph_show_all() {
    let listed = images(&["list"]);
    assert_eq!(listed.keys().collect::<Vec<_>>(), TARGETS);
    let graph = images(&["graph"]);
    assert_eq!(graph.keys().collect::<Vec<_>>(), TARGETS);
    let edges: Vec<(&str, Vec<String>)> = graph
        .iter()
        .map(|(name, image)| {
            let parent = |parent: &Value| {
                let variant = parent["variant"].as_str();
                let id = parent["id"].as_str().unwrap();
                variant.map_or_else(|| id.to_owned(), |variant| format!("{id}:{variant}"))
            };
            (name.as_str(), image["parents"].as_array().unwrap().iter().map(parent).collect())
        })
        .filter(|(_, parents): &(&str, Vec<String>)| !parents.is_empty())
        .collect();
    // D1, E1: from FROM lines, and from [parents].
    assert_eq!(
        edges,
        [
            ("bot", vec!["bot-base".to_owned()]),
            ("bot-ci", vec!["bot-base".to_owned()]),
            ("bot-devcontainer", vec!["bot-base".to_owned()]),
            ("chai1:cuda11.8", vec!["boileroom-base:cuda11.8".to_owned()]),
            ("chai1:cuda12.6", vec!["boileroom-base:cuda12.6".to_owned()]),
        ]
    );
    let tree = say(&["graph"]).stdout;
    assert!(
        tree.contains("python:3.12-slim\n└── bot-base\n    ├── bot\n    ├── bot-ci\n"),
        "{tree}"
    );
}

#[test]
fn a_services() {
    let planned = images(&["plan", "notebook-processor", "drawio-converter", "plantuml-converter"]);
    for (id, image) in &planned {
        // A2: from the workspace root; A4: the tags of the push script.
        assert_eq!(image["context"], ".", "{id}");
        assert_eq!(image["tags"], json!(["0.3.0", "latest"]), "{id}");
        assert_eq!(image["name"], format!("clm-{id}"));
    }
    assert_eq!(planned.len(), 3);
}

#[test]
fn b_ml_platform() {
    let image = &images(&["plan", "ml-platform"])["ml-platform"];
    assert_eq!(
        strings(&image["repositories"]),
        [
            "ghcr.io/maniaclab/ml-platform",
            "docker.io/ivukotic/ml_platform",
            "hub.opensciencegrid.org/usatlas/ml-platform"
        ]
    );
    assert_eq!(strings(&image["platforms"]), ["linux/amd64"]);
    assert_eq!(image["args"]["CUDA_VERSION"], "12.6");
    assert_eq!(image["external"][0]["reference"], "ghcr.io/prefix-dev/pixi:noble-cuda-12.6.3");
    assert_eq!(image["labels"]["org.maniaclab.tensorflow"], "2.19.1", "from pixi.lock");
    let of = |channel: &str| tags(channel).remove("ml-platform").unwrap();
    assert_eq!(of("main"), ["latest", "sha-SHA"]);
    assert_eq!(of("release"), ["2026.2.0", "2026.2", "latest", "sha-SHA"]);
    assert_eq!(of("pr"), [""; 0]);
}

#[test]
fn b_cuda_is_the_same_everywhere() {
    let folder = repository().join("images/ml-platform");
    let pixi: toml::Table =
        std::fs::read_to_string(folder.join("pixi.toml")).unwrap().parse().unwrap();
    let cuda = pixi["system-requirements"]["cuda"].as_str().unwrap();
    let image = &images(&["plan", "ml-platform"])["ml-platform"];
    assert_eq!(image["args"]["CUDA_VERSION"], cuda);
    let base = image["args"]["PIXI_IMAGE"].as_str().unwrap();
    assert!(base.contains(&format!("-cuda-{cuda}.")), "{base}");
}

#[test]
fn c_itwinai() {
    const OBSERVED: &str = "{{ version }}-{{ framework }}{{ framework_version }}-{{ distro }}";
    let jlab = format!("jlab-{OBSERVED}");
    let release = tags("release");
    assert_eq!(release["itwinai:torch"], [OBSERVED, "torch-latest"]);
    assert_eq!(release["itwinai:tf"], [OBSERVED]);
    assert_eq!(release["itwinai:jlab"], [jlab.as_str()]);
    assert_eq!(tags("main")["itwinai:jlab"], ["jlab-SHA", &jlab]);
    let latest: Vec<_> =
        release.values().flatten().filter(|tag| tag.ends_with("-latest")).collect();
    assert_eq!(latest.len(), 1, "as few as possible");
    for (channel, name) in [("dev", "itwinai-dev"), ("main", "itwinai-dev"), ("release", "itwinai")]
    {
        for (target, image) in images(&["tags", "itwinai", "--channel", channel]) {
            let expected = format!("ghcr.io/intertwin-eu/{name}");
            assert_eq!(strings(&image["repositories"]), [expected], "{target} {channel}");
        }
    }
    let planned = images(&["plan", "itwinai", "--channel", "main"]);
    let (torch, tf) = (&planned["itwinai:torch"], &planned["itwinai:tf"]);
    assert_eq!(torch["dockerfile"], "images/itwinai/env-files/torch/Dockerfile");
    assert_eq!(tf["dockerfile"], "images/itwinai/env-files/tensorflow/Dockerfile");
    // C3, C4: what their script passed.
    let args = &torch["args"];
    assert_eq!(args["ITWINAI_VERSION"], "0.2.2");
    assert!(args["COMMIT_HASH"].as_str().unwrap().starts_with(&sha()));
    assert_eq!(
        args["IMAGE_FULL_NAME"],
        format!("ghcr.io/intertwin-eu/itwinai-dev:torch-{}", sha())
    );
    assert!(args["CREATION_DATE"].as_str().unwrap().ends_with('Z'));
    let base = "docker.io/pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime";
    assert_eq!(args["BASE_IMG_NAME"], base);
    assert_eq!(torch["external"][0]["reference"], base);
    assert_eq!(torch["labels"]["org.opencontainers.image.base.name"], base);
    assert_eq!(torch["labels"]["org.opencontainers.image.version"], "0.2.2");
    // A stamp that nothing but LABEL sees is no input.
    let other = images(&["plan", "itwinai:torch", "--channel", "release"]);
    assert_eq!(other["itwinai:torch"]["key"], torch["key"]);
    assert_ne!(other["itwinai:torch"]["args"]["IMAGE_FULL_NAME"], args["IMAGE_FULL_NAME"]);
}

#[test]
fn d_bot() {
    let planned = images(&[
        "plan",
        "bot",
        "bot-ci",
        "bot-devcontainer",
        "--all-platforms",
        "--channel",
        "main",
    ]);
    let both = vec!["linux/amd64", "linux/arm64"];
    for (id, platforms, repository) in [
        ("bot-base", both.clone(), Some("ghcr.io/cs24-1/cs24-1-bot-base")),
        ("bot-ci", vec!["linux/amd64"], Some("ghcr.io/cs24-1/cs24-1-bot-ci")),
        ("bot", both.clone(), Some("ghcr.io/cs24-1/cs24-1-bot")),
        ("bot-devcontainer", both, None),
    ] {
        let image = &planned[id];
        assert_eq!(strings(&image["platforms"]), platforms, "{id}");
        if let Some(repository) = repository {
            assert_eq!(strings(&image["repositories"]), [repository]);
            assert_eq!(image["tags"][0], "latest", "{id}");
            // D5: both platforms read their own cache.
            let caches = strings(&image["command"]);
            for platform in &platforms {
                let slug = platform.replace('/', "-");
                let cache = format!("ref={repository}:buildcache-{slug}");
                assert!(caches.iter().any(|word| word.contains(&cache)), "{cache}");
            }
        }
        if id != "bot-base" {
            let parent = &image["parents"][0];
            assert_eq!(parent["via"], "FROM");
            assert_eq!(parent["reference"], "ghcr.io/cs24-1/cs24-1-bot-base:latest");
        }
    }
    let listed = images(&["list"]);
    assert_eq!(listed["bot-devcontainer"]["publish"], false);
    assert_eq!(listed["bot-devcontainer"]["folder"], "images/bot/.devcontainer");
    assert_eq!(listed["bot-ci"]["folder"], listed["bot"]["folder"]);
}

#[test]
fn e_boileroom() {
    let planned = images(&["plan", "chai1"]);
    for (line, full, torch, index) in [
        ("11.8", "11.8.0", "torch==2.5.1+cu118", "cu118"),
        ("12.6", "12.6.3", "torch==2.6.0+cu126", "cu126"),
    ] {
        let base = &planned[&format!("boileroom-base:cuda{line}")];
        assert_eq!(
            base["args"]["MICROMAMBA_IMAGE"],
            format!("mambaorg/micromamba:2.4-cuda{full}-ubuntu22.04")
        );
        assert_eq!(strings(&base["repositories"]), ["ghcr.io/boileroom/base"]);
        let chai = &planned[&format!("chai1:cuda{line}")];
        assert_eq!(chai["args"]["TORCH"], torch);
        assert_eq!(
            chai["args"]["TORCH_INDEX_URL"],
            format!("https://download.pytorch.org/whl/{index}")
        );
        assert_eq!(strings(&chai["repositories"]), ["ghcr.io/boileroom/chai1"]);
        assert_eq!(strings(&chai["platforms"]), ["linux/amd64"]);
        assert_eq!(chai["parents"][0]["variant"], format!("cuda{line}"));
        // E1: exactly this base, by the argument.
        let key = base["key"].as_str().unwrap().trim_start_matches("sha256:");
        let bound = format!("--build-arg=BASE_IMAGE=base:key-{}", &key[..12]);
        assert!(strings(&chai["command"]).contains(&bound.as_str()), "{bound}");
    }
    for id in ["boileroom-base", "chai1"] {
        let of = |channel: &str, line: &str| tags(channel).remove(&format!("{id}:{line}")).unwrap();
        // E2, E5: the default line has the bare tags.
        assert_eq!(of("dev", "cuda12.6"), ["dev", "cuda12.6-dev"]);
        assert_eq!(of("dev", "cuda11.8"), ["cuda11.8-dev"]);
        assert_eq!(of("release", "cuda12.6"), ["cuda12.6-0.3.1", "0.3.1", "latest"]);
        assert_eq!(of("release", "cuda11.8"), ["cuda11.8-0.3.1"]);
    }
}

#[test]
fn e_githubs_cache_in_its_workflows() {
    let planned = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["plan", "chai1:cuda12.6", "bot", "--json"]).current_dir(repository());
        for name in ["ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let said = Said::of(&command.output().unwrap());
        assert_eq!(said.status, Some(0), "{said}");
        let command = |id: &str| strings(&lab::images(&said)[id]["command"]).join(" ");
        [command("chai1:cuda12.6"), command("bot")]
    };
    let [chai, bot] = planned(&[]);
    assert!(!chai.contains("type=gha") && !bot.contains("type=gha"));
    let [chai, bot] =
        planned(&[("ACTIONS_RUNTIME_TOKEN", "t"), ("ACTIONS_RESULTS_URL", "https://x.invalid/")]);
    for word in [
        "--cache-from=type=gha,scope=chai1-cuda12.6-linux-amd64 ",
        "--cache-to=type=gha,scope=chai1-cuda12.6-linux-amd64,mode=max,ignore-error=true ",
    ] {
        assert!(chai.contains(word), "{chai}");
    }
    // D5: theirs is the registry's, which a plan does not write.
    assert!(bot.contains("--cache-from=type=registry,") && !bot.contains("--cache-to"), "{bot}");
}

/// Every Dockerfile of `images/` has what the README promises of them.
#[test]
fn dockerfiles_follow_their_rules() {
    for image in images(&["list"]).values() {
        let folder = image["folder"].as_str().unwrap();
        if !folder.starts_with("images/") {
            continue;
        }
        let file = image["dockerfile"].as_str().unwrap();
        let text = std::fs::read_to_string(repository().join(file)).unwrap();
        assert!(text.starts_with("# syntax=docker/dockerfile:1\n"), "{file}");
        for line in text.lines() {
            let installs = line.contains("pip install") || line.contains("apt-get install");
            assert!(!(installs && line.contains("--no-cache")), "{file}: {line}");
        }
        let last_user = text.lines().rev().find_map(|line| line.strip_prefix("USER "));
        assert_eq!(last_user, Some("1000:1000"), "{file}");
        let readme = std::fs::read_to_string(repository().join(folder).join("README.md")).unwrap();
        assert!(
            (10..=30).contains(&readme.lines().count()),
            "{folder}: {}",
            readme.lines().count()
        );
    }
}
