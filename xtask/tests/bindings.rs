//! A child is built on exactly the parent that was built before it: proved by content, for every way in which a
//! Dockerfile names a parent and every kind of builder. No registry is ever reached: `registry.invalid` is nobody's.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/buildkitd.rs"]
mod buildkitd;
#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::collections::BTreeMap;

use buildkitd::Buildkitd;
use engines::TestEngine;
use lab::{Lab, token};

/// Each child, and how it comes by the parent's `/token`, which it keeps as `/read`.
const CHILDREN: &[(&str, &str, &str)] = &[
    ("from", "", "FROM registry.invalid/lab/parent\nRUN cp /token /read\n"),
    ("copy", "", "FROM scratch\nCOPY --from=registry.invalid/lab/parent /token /read\n"),
    (
        "mount",
        "",
        "FROM registry.invalid/lab/base\nRUN --mount=from=registry.invalid/lab/parent,target=/p cp /p/token /read\n",
    ),
    ("inferred", "", "ARG BASE=registry.invalid/lab/parent\nFROM ${BASE}\nRUN cp /token /read\n"),
    (
        "declared",
        "parents.BASE = \"parent\"\n",
        "ARG BASE\nFROM ${BASE} AS a\nFROM scratch\nCOPY --from=a /token /read\n",
    ),
    (
        "spelt-twice",
        "",
        "FROM registry.invalid/lab/parent AS a\nRUN cp /token /first\n\
         FROM registry.invalid/lab/parent:latest AS b\nRUN cp /token /second\n\
         FROM registry.invalid/lab/base\nCOPY --from=a /first /first\nCOPY --from=b /second /second\n\
         RUN cmp /first /second && cp /first /read\n",
    ),
    // Docker Hub's two spellings, by an alias.
    (
        "familiar",
        "",
        "FROM docker.io/lab/parent AS a\nFROM lab/parent:latest\nCOPY --from=a /token /first\n\
         RUN cmp /first /token && cp /token /read\n",
    ),
    // A context would replace the stage: only the argument can be used, and the stage keeps its steps.
    ("own-name", "", "ARG BASE=parent\nFROM ${BASE} AS parent\nRUN cp /token /read\n"),
    // A stage is not the image of the same name.
    (
        "stage",
        "",
        "FROM registry.invalid/lab/parent AS p\nRUN cp /token /read\nFROM scratch AS parent\nCOPY --from=p /read /read\n\
         FROM scratch\nCOPY --from=parent /read /read\n",
    ),
];

/// A workspace with a parent, its children, and a pair with variants.
fn family(test: &'static TestEngine) -> Option<Lab> {
    let lab = Lab::with_base(test)?;
    lab.file(
        "Cargo.toml",
        "[workspace.metadata.dockyard]\nregistries = [\"registry.invalid/lab\"]\n\
         aliases = [\"docker.io/lab\", \"docker.io/library\"]\n",
    );
    lab.file("parent/given", &token());
    // The same key gives another content when it is built again.
    let with_token = "RUN cat /given > /token && head -c 16 /dev/urandom | md5sum >> /token\n";
    lab.image(
        "parent",
        "",
        &format!("FROM registry.invalid/lab/base\nCOPY given /given\n{with_token}"),
    );
    for (id, toml, dockerfile) in CHILDREN {
        lab.image(id, toml, dockerfile);
    }
    lab.file("pair/given", &token());
    lab.image(
        "pair",
        "tags = [\"{{ variant }}\"]\n[variants.lite]\ndefault = true\nargs.V = \"lite\"\n\
         [variants.full]\nargs.V = \"full\"\n",
        &format!("FROM registry.invalid/lab/base\nARG V\nCOPY given /given\n{with_token}RUN echo $V >> /token\n"),
    );
    lab.image(
        "of-pair",
        "tags = [\"{{ variant }}\"]\n[variants.lite]\ndefault = true\nargs.V = \"lite\"\n\
         [variants.full]\nargs.V = \"full\"\n",
        "ARG V\nFROM registry.invalid/lab/pair:${V}\nRUN cp /token /read\n",
    );
    lab.image("of-default", "", "FROM registry.invalid/lab/pair\nRUN cp /token /read\n");
    lab.commit();
    Some(lab)
}

/// Every child has what its parent has now.
fn children_have_their_parents(lab: &Lab, images: &BTreeMap<String, serde_json::Value>) {
    let content =
        |name: &str, path: &str| lab.content(images[name]["digest"].as_str().unwrap(), path);
    let parent = content("parent", "/token");
    for (id, ..) in CHILDREN {
        assert_eq!(content(id, "/read"), parent, "{id}");
    }
    let pairs =
        [("pair:lite", "of-pair:lite"), ("pair:full", "of-pair:full"), ("pair:lite", "of-default")];
    for (parent, child) in pairs {
        assert_eq!(content(child, "/read"), content(parent, "/token"), "{child}");
    }
}

/// Built, found up to date, and built again when a parent was.
fn prove(lab: &Lab, builder: &[&str]) {
    let built = lab.build(builder, 0);
    assert!(built.values().all(|image| image["status"] == "built"), "{built:#?}");
    children_have_their_parents(lab, &built);
    assert_eq!(files_of_run(lab), Vec::<String>::new());

    let again = lab.statuses(builder, 0);
    assert!(again.values().all(|status| status == "skipped"), "{again:?}");

    // Equal keys, another content.
    std::fs::remove_dir_all(lab.root().join("target/dockyard/records/parent")).unwrap();
    lab.build(&[&["parent", "--force", "--no-cache"], builder].concat(), 0);
    let after = lab.build(builder, 0);
    assert_ne!(after["parent"]["digest"], built["parent"]["digest"]);
    for (name, image) in &after {
        let is_child = CHILDREN.iter().any(|(id, ..)| id == name);
        assert_eq!(image["status"], if is_child { "built" } else { "skipped" }, "{name}");
    }
    children_have_their_parents(lab, &after);
}

/// What a run has left behind of layouts and metadata.
fn files_of_run(lab: &Lab) -> Vec<String> {
    let left = lab::files(&lab.root().join("target/dockyard/tmp"));
    left.into_iter().map(camino::Utf8PathBuf::into_string).collect()
}

#[test]
fn on_the_docker_driver_with_the_containerd_store() {
    let Some(lab) = engines::containerd().and_then(family) else { return };
    prove(&lab, &[]);
}

#[test]
fn on_the_docker_driver_with_the_classic_store() {
    let Some(lab) = engines::classic().and_then(family) else { return };
    prove(&lab, &[]);
}

#[test]
fn on_a_remote_builder() {
    let Some(mut lab) = engines::any().and_then(family) else { return };
    let Some(daemon) = Buildkitd::start() else { return };
    lab.create_builder(&["--driver=remote", &daemon.endpoint()]);
    prove(&lab, &["--builder=apart"]);
}

#[test]
fn on_a_container_builder() {
    let Some(mut lab) = engines::containerd().and_then(family) else { return };
    let Some(image) = buildkitd::image(lab.test) else { return };
    lab.create_builder(&["--driver=docker-container", &format!("--driver-opt=image={image}")]);
    let _removed = RemovedAtTheEnd(&lab);
    prove(&lab, &["--builder=apart"]);
}

/// A builder whose container must not outlive the test.
struct RemovedAtTheEnd<'a>(&'a Lab);

impl Drop for RemovedAtTheEnd<'_> {
    fn drop(&mut self) {
        let mut command = self.0.test.command("docker");
        command.env("BUILDX_CONFIG", self.0.root().join("target/buildx"));
        let _removed = command.args(["buildx", "rm", "apart"]).output();
    }
}

#[test]
fn on_a_remote_builder_beside_the_classic_store() {
    let Some(mut lab) = engines::classic().and_then(family) else { return };
    let Some(daemon) = Buildkitd::start() else { return };
    lab.create_builder(&["--driver=remote", &daemon.endpoint()]);
    prove(&lab, &["--builder=apart"]);
}

#[test]
fn a_stage_that_hides_its_parent_is_refused() {
    let Some(lab) = engines::any().and_then(family) else { return };
    lab.image("hidden", "", "FROM parent AS parent\nRUN cp /token /read\n");
    let said = lab.say(&["build", "hidden"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(
        said.stderr.contains("hidden/Dockerfile:1") && said.stderr.contains("rename the stage"),
        "{said}"
    );
    assert!(lab.records().is_empty());
}

#[test]
fn a_builder_that_is_not_there_is_named_with_the_mend() {
    let Some(lab) = engines::any().and_then(family) else { return };
    let said = lab.say(&["build", "--builder=nowhere"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(
        said.stderr.contains("\"nowhere\"") && said.stderr.contains("docker buildx ls"),
        "{said}"
    );
}
