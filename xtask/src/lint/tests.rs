//! Each rule finds its fixture, does not find the mended one, and lets itself be allowed.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::graph::{Node, Scope};
use crate::reference::Platform;
use crate::workspace::targets_of;

/// What stands around a Dockerfile in a fixture.
#[derive(Clone, Copy, Default)]
struct Around {
    toml: &'static str,
    ignore: Option<&'static str>,
    folders: &'static [&'static str],
    clutter: &'static [&'static str],
    pixi: Option<&'static str>,
    lock: Option<&'static str>,
}

/// `rule line` of every finding, comments respected.
fn lint(dockerfile: &str, around: Around) -> Vec<String> {
    let text = dockerfile.replace("        ", "");
    let targets = targets_of(
        "registries = [\"ghcr.io/acme\"]",
        &[("x/image.toml".to_owned(), around.toml.to_owned())],
    );
    let mut target = targets[0].clone();
    for (name, fact) in &target.facts {
        if let crate::workspace::FactSource::Literal(value) = &fact.source {
            target.known_facts.insert(name.clone(), value.clone());
        }
    }
    let file = Dockerfile::parse(Utf8Path::new("x/Dockerfile"), &text).unwrap();
    let args: BTreeMap<String, String> = target
        .args
        .iter()
        .map(|(name, value)| (name.clone(), value.value.replace("{{ commit }}", "c0ffee")))
        .collect();
    let node = Node { target: &target, dockerfile: &file, args: args.clone(), tags: Vec::new() };
    let triggers = BTreeMap::new();
    let scope = Scope {
        prefixes: vec!["ghcr.io/acme"],
        build_platform: Platform::native(),
        is_whole: true,
        triggers: &triggers,
    };
    let graph = crate::graph::build(&[node], &scope).unwrap();
    let vertex = &graph.vertices[0];
    let resolved: Vec<&Resolved> = vertex.platforms.values().collect();
    let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
    let surroundings = Surroundings {
        ignore: around
            .ignore
            .map(|text| (Utf8PathBuf::from("x/.dockerignore"), Ignore::parse(text).unwrap())),
        folders: set(around.folders),
        clutter: set(around.clutter),
        pixi: around.pixi.map(|text| (Utf8PathBuf::from("x/pixi.toml"), text.to_owned())),
    };
    let locked = around.lock.map(|name| {
        let reference: Reference = name.parse().unwrap();
        let image = LockedImage {
            reference: reference.clone(),
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            platforms: BTreeMap::new(),
            onbuild: Vec::new(),
            created: None,
        };
        (reference, image)
    });
    let image = Image {
        target: &target,
        dockerfile: &file,
        resolved: &resolved,
        args: &args,
        external: &vertex.external,
        lock: &locked.into_iter().collect(),
        surroundings: &surroundings,
    };
    let mut texts = BTreeMap::from([
        (Utf8PathBuf::from("x/Dockerfile"), text),
        (Utf8PathBuf::from("x/image.toml"), around.toml.to_owned()),
    ]);
    texts.extend(surroundings.pixi.clone());
    let found = settle(findings([image]), &texts);
    assert!(found.iter().all(|one| !one.why.is_empty() && !one.mend.is_empty()), "{found:?}");
    found.iter().map(|one| format!("{} {}:{}", one.rule, one.file, one.line)).collect()
}

struct Case {
    rule: &'static str,
    bad: &'static str,
    /// The line of the finding.
    line: usize,
    good: &'static [&'static str],
    around: Around,
}

const NONE: Around =
    Around { toml: "", ignore: None, folders: &[], clutter: &[], pixi: None, lock: None };

fn cases() -> Vec<Case> {
    let case = |rule, bad, line, good| Case { rule, bad, line, good, around: NONE };
    vec![
        case(
            "cache-mount",
            "FROM debian:13\nRUN pip install x",
            2,
            &[
                "FROM debian:13\nRUN --mount=type=cache,target=/root/.cache/pip pip install x",
                "FROM debian:13\nENV PIP_CACHE_DIR=/c\nRUN --mount=type=cache,dst=/c pip install x",
                "FROM debian:13\nRUN echo pip install x && pip --version",
                "FROM debian:13\nRUN pip install --no-deps .",
            ],
        ),
        case(
            "cache-mount",
            "FROM debian:13\nRUN apt-get update && apt-get install -y x",
            2,
            &[
                "FROM debian:13\nRUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get install -y x",
            ],
        ),
        case(
            "cache-mount",
            "FROM debian:13\nRUN <<EOF\nset -e\nnpm ci\nEOF",
            2,
            &["FROM debian:13\nRUN --mount=type=cache,target=/root/.npm <<EOF\nnpm ci\nEOF"],
        ),
        case(
            "cache-mount",
            "FROM debian:13\nRUN mamba env create -f e.yml",
            2,
            &[
                "FROM debian:13\nRUN --mount=type=cache,target=/opt/conda/pkgs mamba env create -f e.yml",
            ],
        ),
        case(
            "cache-mount-user",
            "FROM debian:13\nUSER 1000\nRUN --mount=type=cache,target=/h/.cache/pip pip install x",
            3,
            &[
                "FROM debian:13\nUSER 1000\nRUN --mount=type=cache,target=/h/.cache/pip,uid=1000,gid=1000 pip install x",
                "FROM debian:13\nUSER 1000\nUSER root\nRUN --mount=type=cache,target=/h/.cache/pip pip install x",
            ],
        ),
        case(
            "cache-mount-user",
            "FROM debian:13 AS a\nUSER jo\nFROM a\nRUN --mount=type=cache,target=/h/.cache/pip pip install x",
            4,
            &[
                "FROM debian:13 AS a\nUSER jo\nFROM debian:13\nRUN --mount=type=cache,target=/h/.cache/pip pip install x",
            ],
        ),
        case(
            "no-cache-dir",
            "FROM debian:13\nRUN --mount=type=cache,target=/root/.cache/pip pip install --no-cache-dir x",
            2,
            &["FROM debian:13\nRUN --mount=type=cache,target=/root/.cache/pip pip install x"],
        ),
        case(
            "no-cache-dir",
            "FROM debian:13\nENV PIP_NO_CACHE_DIR=1\nRUN --mount=type=cache,target=/root/.cache/pip pip install x",
            3,
            &[
                "FROM debian:13\nENV PIP_NO_CACHE_DIR=0\nRUN --mount=type=cache,target=/root/.cache/pip pip install x",
            ],
        ),
        case(
            "no-cache-dir",
            "FROM debian:13\nRUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt apt-get install -y x && rm -rf /var/lib/apt/lists/*",
            2,
            &[
                "FROM debian:13\nRUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt rm -f /etc/apt/apt.conf.d/docker-clean && apt-get install -y x",
            ],
        ),
        Case {
            around: Around { folders: &["src"], ..NONE },
            ..case(
                "requirements-first",
                "FROM debian:13\nCOPY src /app\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r r.txt",
                2,
                &[
                    "FROM debian:13\nCOPY r.txt .\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r r.txt\nCOPY src /app",
                    "FROM debian:13\nCOPY src /app\nRUN --mount=type=cache,target=/root/.cache/pip pip install /app",
                    "FROM debian:13 AS a\nCOPY src /app\nFROM debian:13\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r r.txt\nCOPY --from=a /app /app",
                ],
            )
        },
        Case {
            around: Around { toml: "[args]\nGIT = \"{{ commit }}\"\n", ..NONE },
            ..case(
                "stamp",
                "FROM debian:13\nARG GIT\nLABEL rev=$GIT\nRUN make",
                4,
                &["FROM debian:13\nRUN make\nARG GIT\nLABEL rev=$GIT"],
            )
        },
        Case {
            around: Around { folders: &["."], ..NONE },
            ..case(
                "ignore-file",
                "FROM debian:13\nCOPY . /app",
                2,
                &["FROM debian:13\nCOPY x /app"],
            )
        },
        Case {
            around: Around {
                ignore: Some("*.md\n"),
                folders: &["src"],
                clutter: &["src/a/__pycache__"],
                ..NONE
            },
            ..case(
                "ignore-file",
                "FROM debian:13\nCOPY src /app",
                2,
                &["FROM debian:13\nCOPY other /app"],
            )
        },
        Case {
            around: Around { ignore: Some("*\n!src\n"), ..NONE },
            ..case(
                "ignore-file",
                "FROM debian:13\nCOPY lib /app",
                2,
                &["FROM debian:13\nCOPY src /app"],
            )
        },
        case(
            "syntax",
            "FROM debian:13\nCOPY --exclude=*.md a b /x/",
            2,
            &[
                "# syntax=docker/dockerfile:1\nFROM debian:13\nCOPY --exclude=*.md a b /x/",
                "# syntax=docker/dockerfile:1.7-labs\nFROM debian:13\nCOPY --exclude=*.md a b /x/",
                "FROM debian:13\nRUN --mount=type=bind,source=a,target=/x <<EOF\ntrue\nEOF",
            ],
        ),
        case(
            "syntax",
            "# syntax=docker/dockerfile:1.3\nFROM debian:13\nRUN <<EOF\ntrue\nEOF",
            3,
            &["# syntax=docker/dockerfile:1.4\nFROM debian:13\nRUN <<EOF\ntrue\nEOF"],
        ),
        Case {
            around: Around { lock: Some("node:latest"), ..NONE },
            ..case(
                "unlocked-latest",
                "FROM debian:latest",
                1,
                &[
                    "FROM debian:13",
                    "FROM node",
                    "FROM scratch",
                    "FROM debian:13 AS latest\nFROM latest",
                ],
            )
        },
        Case {
            around: Around { toml: "[facts]\ncuda = \"12.6\"\n", ..NONE },
            ..case(
                "cuda-version",
                "FROM nvidia/cuda:12.4.1-base",
                1,
                &[
                    "FROM nvidia/cuda:12.6.3-base",
                    "FROM x/pytorch:2.5-cuda12.6-cudnn9",
                    "FROM debian:13\nARG INDEX=https://x.org/whl/cu126",
                ],
            )
        },
        Case {
            around: Around { toml: "[args]\nCUDA_VERSION = \"12.6\"\n", ..NONE },
            ..case(
                "cuda-version",
                "ARG CUDA_VERSION=1.0\nFROM debian:13\nENV CONDA_OVERRIDE_CUDA=11.8",
                3,
                &["FROM debian:13\nENV CONDA_OVERRIDE_CUDA=12"],
            )
        },
        case(
            "secret",
            "FROM debian:13\nARG HF_TOKEN",
            2,
            &[
                "FROM debian:13\nRUN --mount=type=secret,id=hf true",
                "FROM debian:13\nENV JUPYTER_TOKEN=\"\" TOKENIZERS_PARALLELISM=no API_KEY_FILE=/run/secrets/k",
            ],
        ),
        case(
            "secret",
            "FROM debian:13\nENV INDEX=https://jo:hunter2@pypi.example.org/simple",
            2,
            &["FROM debian:13\nENV INDEX=https://pypi.example.org/simple"],
        ),
        Case {
            around: Around { pixi: Some("[dependencies]\npython = \"*\"\nfoo = \"*\"\n"), ..NONE },
            ..case(
                "pixi-entrypoint",
                "FROM ghcr.io/prefix-dev/pixi:0.77.0 AS b\nFROM debian:13\nCOPY --from=b /app/.pixi/envs/ml /app/.pixi/envs/ml\nRUN foo --version",
                4,
                &[
                    "FROM ghcr.io/prefix-dev/pixi:0.77.0 AS b\nFROM debian:13\nCOPY --from=b /app/.pixi/envs/ml /app/.pixi/envs/ml\nRUN /app/entrypoint.sh foo --version",
                    "FROM ghcr.io/prefix-dev/pixi:0.77.0 AS b\nFROM debian:13\nCOPY --from=b /app/.pixi/envs/ml /app/.pixi/envs/ml\nSHELL [\"/app/entrypoint.sh\", \"bash\", \"-c\"]\nRUN foo --version",
                    "FROM ghcr.io/prefix-dev/pixi:0.77.0 AS b\nFROM debian:13\nRUN foo\nCOPY --from=b /app/.pixi/envs/ml /app/.pixi/envs/ml\nRUN mkdir /x && chmod 755 /x",
                    "FROM debian:13 AS b\nFROM debian:13\nRUN foo --version",
                ],
            )
        },
        case(
            "brace-expansion",
            "FROM debian:13\nRUN mkdir -p /x/{a,b}",
            2,
            &[
                "FROM debian:13\nSHELL [\"/bin/bash\", \"-c\"]\nRUN mkdir -p /x/{a,b}",
                "FROM debian:13\nRUN mkdir -p /x/a /x/b '{a,b}'",
                "FROM debian:13\nRUN bash -c 'mkdir /x/{a,b}'",
                "FROM fedora:43\nRUN mkdir -p /x/{a,b}",
                "FROM debian:13\nRUN <<EOF\n#!/bin/bash\nmkdir /x/{a,b}\nEOF",
                "FROM debian:13\nRUN python3 <<EOF\nprint({1,2})\nEOF",
            ],
        ),
    ]
}

#[test]
fn every_rule_finds_its_fixture_and_not_the_mended_one() {
    for Case { rule, bad, line, good, around } in cases() {
        assert_eq!(lint(bad, around), [format!("{rule} x/Dockerfile:{line}")], "{bad}");
        for good in good {
            assert_eq!(lint(good, around), [""; 0], "{rule}: {good}");
        }
    }
    let tested: BTreeSet<&str> = cases().iter().map(|case| case.rule).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(tested, all);
}

#[test]
fn a_comment_on_the_line_before_allows_a_finding() {
    for Case { rule, bad, line, around, .. } in cases() {
        let with = |comment: &str| {
            let mut lines: Vec<&str> = bad.lines().collect();
            lines.insert(line - 1, comment);
            lines.join("\n")
        };
        let allowed = with(&format!("# dockyard: allow(other, {rule}) because"));
        assert_eq!(lint(&allowed, around), [""; 0], "{allowed}");
        let other = with("# dockyard: allow(other)");
        assert_eq!(lint(&other, around), [format!("{rule} x/Dockerfile:{}", line + 1)], "{other}");
    }
}

#[test]
fn findings_in_other_files_are_allowed_there() {
    let args = Around { toml: "[args]\nAPI_KEY = \"x\"\n", ..NONE };
    assert_eq!(lint("FROM debian:13", args), ["secret x/image.toml:2"]);
    let args = Around { toml: "[args]\n# dockyard: allow(secret)\nAPI_KEY = \"x\"\n", ..NONE };
    assert_eq!(lint("FROM debian:13", args), [""; 0]);

    let pixi = "[workspace]\nname = \"x\"\n[system-requirements]\ncuda = \"12.4\"\n";
    let toml = "[facts]\ncuda = \"12.6\"\n[pixi]\ncuda = \"{{ cuda }}\"\n";
    let around = Around { toml, pixi: Some(pixi), ..NONE };
    assert_eq!(lint("FROM debian:13", around), ["cuda-version x/pixi.toml:4"]);
    let toml = "[facts]\ncuda = \"12.6\"\n[pixi]\ncuda = \"12.4\"\n";
    assert_eq!(lint("FROM debian:13", Around { toml, ..NONE }), ["cuda-version x/image.toml:4"]);
    let pixi = "[feature.old.system-requirements]\ncuda = \"11\"\n[environments]\nml = [\"new\"]\n\
                [feature.new.system-requirements]\ncuda = \"12\"\n";
    let toml = "[facts]\ncuda = \"12.6\"\n[pixi]\nenvironment = \"ml\"\n";
    assert_eq!(lint("FROM debian:13", Around { toml, pixi: Some(pixi), ..NONE }), [""; 0]);
}

#[test]
fn no_secret_is_repeated() {
    let file =
        Dockerfile::parse(Utf8Path::new("D"), "FROM a:1\nENV X=https://jo:hunter2@h/").unwrap();
    let warning = Warning {
        rule: "SecretsUsedInArgOrEnv".to_owned(),
        line: 2,
        detail: "d".to_owned(),
        description: "e".to_owned(),
        url: "u".to_owned(),
    };
    let theirs = of_buildkit(&file, warning);
    let ours = Finding { rule: "secret".to_owned(), ..theirs.clone() };
    assert_eq!(settle(vec![theirs, ours.clone()], &BTreeMap::new()), [ours]);
}
