//! The rules of the graph as tables: images in, edges and external bases out.

use super::{Binding, Node, Scope, build};
use crate::dockerfile::Dockerfile;
use crate::tags::{Facts, Stamps, every_tag};
use crate::workspace::{Target, targets_of};

/// Published to ghcr.io/acme, and known as old/….
const CONFIG: &str = "registries = [\"ghcr.io/acme\"]\naliases = [\"docker.io/old\"]";

/// The edges of the image `app` among `images` of folder, image.toml and Dockerfile; or the mistakes.
fn app(config: &str, images: &[(&str, &str, &str)]) -> String {
    let files: Vec<(String, String)> = images
        .iter()
        .map(|(folder, toml, _)| (format!("{folder}/image.toml"), (*toml).to_owned()))
        .collect();
    let targets = targets_of(config, &files);
    let parsed: Vec<Dockerfile> = targets.iter().map(|target| parse(target, images)).collect();
    let node = |(target, dockerfile)| {
        let target: &Target = target;
        Node {
            target,
            dockerfile,
            args: target.args.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect(),
            tags: every_tag(target, &Facts::new(target, &Stamps::default())),
        }
    };
    let nodes: Vec<Node<'_>> = targets.iter().zip(&parsed).map(node).collect();
    let scope = Scope {
        prefixes: if config == CONFIG {
            vec!["ghcr.io/acme", "docker.io/old"]
        } else {
            vec!["docker.io/library"]
        },
        build_platform: "linux/amd64".parse().unwrap(),
        is_whole: true,
        triggers: &super::Triggers::new(),
    };
    let graph = match build(&nodes, &scope) {
        Ok(graph) => graph,
        Err(mistakes) => return mistakes.to_string(),
    };
    let vertex = graph.vertices.iter().find(|vertex| vertex.name.id.as_str() == "app").unwrap();
    let by = |binding: &Binding| match binding {
        Binding::Context(name) => format!("context {name}"),
        Binding::Argument(name) => format!("argument {name}"),
        Binding::Impossible => "nothing".to_owned(),
    };
    let edges = vertex
        .parents
        .iter()
        .map(|edge| format!("{} {} by {}", edge.via, edge.parent, by(&edge.binding)));
    let externals = vertex.external.iter().map(|base| {
        let note = if base.note.is_some() { ", noted" } else { "" };
        format!("{} external {}{note}", base.via, base.reference.familiar())
    });
    edges.chain(externals).collect::<Vec<_>>().join("; ")
}

fn parse(target: &Target, images: &[(&str, &str, &str)]) -> Dockerfile {
    let text = images.iter().find(|(folder, ..)| *folder == target.folder.as_str()).unwrap().2;
    Dockerfile::parse(&target.dockerfile.value, text).unwrap()
}

const NB: (&str, &str, &str) = (
    "nb",
    "version = \"0.3.0\"\n[variants.lite]\ndefault = true\n[variants.full]\n\
     tags = { main = [\"full\"], release = [\"{{ version }}-full\"] }\n",
    "FROM scratch\n",
);

#[test]
fn a_reference_means_a_target() {
    for (dockerfile, expected) in [
        // Its tag picks the variant, of any channel; none and `latest` the default one.
        ("FROM ghcr.io/acme/nb", "FROM nb:lite by context ghcr.io/acme/nb"),
        ("FROM ghcr.io/acme/nb:latest", "FROM nb:lite by context ghcr.io/acme/nb"),
        ("FROM ghcr.io/acme/nb:dev", "FROM nb:lite by context ghcr.io/acme/nb:dev"),
        ("FROM ghcr.io/acme/nb:0.3", "FROM nb:lite by context ghcr.io/acme/nb:0.3"),
        ("FROM ghcr.io/acme/nb:full", "FROM nb:full by context ghcr.io/acme/nb:full"),
        ("FROM ghcr.io/acme/nb:0.3.0-full", "FROM nb:full by context ghcr.io/acme/nb:0.3.0-full"),
        // Any other is a deliberate pin, and so is a digest.
        ("FROM ghcr.io/acme/nb:0.2.9", "FROM external ghcr.io/acme/nb:0.2.9, noted"),
        // An alias, in both spellings.
        ("FROM old/nb", "FROM nb:lite by context old/nb"),
        ("FROM docker.io/old/nb:latest", "FROM nb:lite by context old/nb"),
        // Only a declared repository is ours.
        ("FROM nb", "FROM external nb"),
        ("FROM ghcr.io/other/nb", "FROM external ghcr.io/other/nb"),
        ("FROM ghcr.io/acme/sub/nb", "FROM external ghcr.io/acme/sub/nb"),
        // Itself, as it was published.
        ("FROM ghcr.io/acme/app", "FROM external ghcr.io/acme/app, noted"),
        ("FROM ghcr.io/acme/app:dev", "FROM external ghcr.io/acme/app:dev, noted"),
        // Every way to name an image.
        (
            "FROM scratch\nCOPY --from=ghcr.io/acme/nb / /",
            "COPY --from nb:lite by context ghcr.io/acme/nb",
        ),
        (
            "FROM debian\nRUN --mount=from=old/nb,target=/x true",
            "RUN --mount=from nb:lite by context old/nb; FROM external debian",
        ),
        ("FROM debian AS nb\nFROM nb\nCOPY --from=nb / /", "FROM external debian"),
        (
            "FROM ghcr.io/acme/nb AS a\nFROM ghcr.io/acme/nb:latest\nCOPY --from=a / /",
            "FROM nb:lite by context ghcr.io/acme/nb; FROM nb:lite by context ghcr.io/acme/nb",
        ),
    ] {
        assert_eq!(app(CONFIG, &[NB, ("app", "", dockerfile)]), expected, "{dockerfile}");
    }
}

#[test]
fn what_image_toml_says_of_references() {
    for (toml, dockerfile, expected) in [
        (
            "external = [\"ghcr.io/acme/nb\"]",
            "FROM ghcr.io/acme/nb:full",
            "FROM external ghcr.io/acme/nb:full",
        ),
        (
            "external = [\"old/nb:full\"]",
            "FROM old/nb:full\nCOPY --from=old/nb / /",
            "COPY --from nb:lite by context old/nb; FROM external old/nb:full",
        ),
        ("parents.B = \"nb\"", "ARG B\nFROM $B", "FROM nb:lite by argument B"),
        ("parents.B = \"nb:full\"", "ARG B=debian\nFROM ${B} AS b", "FROM nb:full by argument B"),
        (
            "contexts.x = \"docker-image://ghcr.io/acme/nb:full\"",
            "FROM x",
            "context nb:full by context x",
        ),
        ("contexts.x = \"docker-image://alpine:3\"", "FROM x", "context external alpine:3"),
        (
            "args.B = \"ghcr.io/acme/nb\"",
            "ARG B\nFROM $B",
            "FROM nb:lite by context ghcr.io/acme/nb",
        ),
        (
            "parents = { A = \"nb\", B = \"nb\" }",
            "ARG A\nARG B\nFROM $A AS a\nFROM $B\nCOPY --from=a / /",
            "FROM nb:lite by argument A; FROM nb:lite by argument B",
        ),
    ] {
        assert_eq!(app(CONFIG, &[NB, ("app", toml, dockerfile)]), expected, "{toml}");
    }
}

#[test]
fn a_stage_may_have_the_name_of_an_image() {
    let ours = |dockerfile: &str| {
        let images = [("debian", "", "FROM scratch"), ("app", "", dockerfile)];
        app("registries = [\"docker.io/library\"]", &images)
    };
    // The context would replace the stage and drop its steps, so only an argument can bind the image.
    assert_eq!(
        ours("FROM debian AS debian\nRUN true"),
        "app/Dockerfile:1:6: a stage has the same name as the image debian, so that the image cannot be replaced \
         without replacing the stage\n  mend: rename the stage"
    );
    assert_eq!(ours("ARG B=debian\nFROM $B AS debian\nRUN true"), "FROM debian by argument B");
    // It is the whole name that counts, its tag too.
    assert_eq!(ours("FROM debian:dev AS debian\nRUN true"), "FROM debian by context debian:dev");
    // Of an external base, nothing has to be bound.
    assert_eq!(ours("FROM alpine AS alpine\nRUN true"), "FROM external alpine");
}

#[test]
fn platforms_of_parents() {
    let base = ("base", "platforms = [\"linux/amd64\"]", "FROM scratch");
    let both = "platforms = [\"linux/amd64\", \"linux/arm64\"]";
    for (dockerfile, expected) in [
        // A stage on the builder's own platform does not need the parent for the others.
        (
            "FROM --platform=$BUILDPLATFORM ghcr.io/acme/base AS a\nFROM scratch\nCOPY --from=a / /",
            "FROM base by context ghcr.io/acme/base",
        ),
        (
            "FROM ghcr.io/acme/base",
            "app/Dockerfile:1:6: app needs base for linux/arm64, which is made only for linux/amd64\n  \
             mend: add \"linux/arm64\" to the platforms of base, or take it from those of app",
        ),
    ] {
        assert_eq!(app(CONFIG, &[base, ("app", both, dockerfile)]), expected, "{dockerfile}");
    }
}

#[test]
fn owners_by_repository() {
    let owner = |id: &'static str, toml: &'static str| (id, toml, "FROM scratch");
    let by_channel = "repositories = { main = [\"quay.io/a/x\"], dev = [\"quay.io/a/x-dev\"] }";
    for (owners, reference, expected) in [
        (vec![owner("x", by_channel)], "quay.io/a/x", "FROM x by context quay.io/a/x"),
        (
            vec![owner("x", by_channel)],
            "quay.io/a/x-dev:dev",
            "FROM x by context quay.io/a/x-dev:dev",
        ),
        // A registry or alias with the name stays ours beside the repositories.
        (vec![owner("x", by_channel)], "old/x", "FROM x by context old/x"),
        (vec![owner("x", "name = \"y\"")], "ghcr.io/acme/y", "FROM x by context ghcr.io/acme/y"),
        (vec![owner("x", "name = \"y\"")], "ghcr.io/acme/x", "FROM external ghcr.io/acme/x"),
        (
            vec![
                owner("x", "name = \"z\"\ntags = [\"a\"]"),
                owner("y", "name = \"z\"\ntags = [\"b\"]"),
            ],
            "ghcr.io/acme/z:b",
            "FROM y by context ghcr.io/acme/z:b",
        ),
        (
            vec![owner("x", "name = \"z\""), owner("y", "name = \"z\"")],
            "ghcr.io/acme/z",
            "app/Dockerfile:1:6: ghcr.io/acme/z could be any of x, y\n  mend: name the one that is meant under [parents], \
             or give the images different names or tags",
        ),
        (
            vec![owner("x", "[variants.a]\n[variants.b]")],
            "ghcr.io/acme/x",
            "FROM external ghcr.io/acme/x, noted",
        ),
    ] {
        let dockerfile = format!("FROM {reference}\n");
        let mut images = owners.clone();
        images.push(("app", "", &dockerfile));
        assert_eq!(app(CONFIG, &images), expected, "{owners:?} {reference}");
    }
}
