//! `mirrors`: what a registry holds is fetched from elsewhere, and nothing else changes. `*.invalid` is nobody's, so
//! that only what a loopback registry served can have been built on.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/frontend.rs"]
mod frontend;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/registries.rs"]
mod registries;

use std::collections::BTreeSet;

use engines::TestEngine;
use lab::Lab;
use registries::Registry;

/// A base, an image to copy from, one that a `RUN` mounts, and one that only an argument can replace.
const DOCKERFILE: &str = "ARG TOOL=tool\n\
    FROM ${TOOL} AS tool\nRUN cp /.fresh /of-tool\n\
    FROM far.invalid/lab/base:1\n\
    COPY --from=far.invalid/lab/copied /.fresh /of-copied\n\
    COPY --from=tool /of-tool /of-tool\n\
    RUN --mount=from=far.invalid/lab/mounted:2,target=/m cp /m/.fresh /of-mounted\n";

/// What the mirrors hold, below the registry's host.
const HELD: [&str; 4] =
    ["lab/base:1", "lab/copied:latest", "lab/mounted:2", "hub/library/tool:latest"];

struct Mirrored {
    registry: Registry,
    lab: Lab,
}

impl Mirrored {
    fn new(test: &'static TestEngine) -> Option<Self> {
        let registry = Registry::open()?;
        let lab = Lab::new(test);
        lab.image("app", "", DOCKERFILE);
        let mirrored = Self { registry, lab };
        mirrored.with_mirrors(true);
        mirrored.lab.commit();
        Some(mirrored)
    }

    fn with_mirrors(&self, mirrors: bool) {
        self.configure(mirrors, "");
    }

    fn configure(&self, mirrors: bool, more: &str) {
        let host = &self.registry.host;
        let section = if mirrors {
            format!(
                "mirrors = {{ \"far.invalid\" = \"{host}\", \"docker.io\" = \"{host}/hub/\" }}\n"
            )
        } else {
            String::new()
        };
        self.lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nregistries = [\"registry.invalid/lab\"]\n{section}{more}"
            ),
        );
    }

    /// Puts an image with a shell, and a `/.fresh` of its own, into the registry; what its `/.fresh` holds.
    fn put(&self, path: &str) -> Option<String> {
        let source = Lab::with_base(self.lab.test)?;
        let built = source.build(&["base"], 0);
        self.push(built["base"]["digest"].as_str().unwrap(), path);
        Some(std::fs::read_to_string(source.root().join("base/fresh")).unwrap())
    }

    fn push(&self, image: &str, path: &str) {
        let name = format!("{}/{path}", self.registry.host);
        for args in [&["tag", image, &name][..], &["push", "--quiet", &name], &["rmi", &name]] {
            let said = self.lab.docker(args);
            assert_eq!(said.status, Some(0), "{args:?}: {said}");
        }
    }

    fn plan(&self, args: &[&str]) -> serde_json::Value {
        let said = self.lab.say(&[&["plan", "--json"], args].concat());
        assert_eq!(said.status, Some(0), "{said}");
        lab::images(&said)["app"].clone()
    }
}

fn words(image: &serde_json::Value) -> BTreeSet<String> {
    let words = image["command"].as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_use_of_an_image_is_fetched_from_the_mirror() {
    let Some(it) = engines::any().and_then(Mirrored::new) else { return };
    let mut held = Vec::new();
    for path in HELD {
        let Some(fresh) = it.put(path) else { return };
        held.push(fresh);
    }
    let host = &it.registry.host;
    let planned = it.plan(&[]);
    let words = words(&planned);
    for word in [
        format!("--build-context=far.invalid/lab/base:1=docker-image://{host}/lab/base:1"),
        format!("--build-context=far.invalid/lab/copied=docker-image://{host}/lab/copied"),
        format!("--build-context=far.invalid/lab/mounted:2=docker-image://{host}/lab/mounted:2"),
        // A context would replace the stage `tool`.
        format!("--build-arg=TOOL={host}/hub/library/tool"),
    ] {
        assert!(words.contains(&word), "{word} in {words:#?}");
    }
    let label = &planned["labels"]["org.opencontainers.image.base.name"];
    assert_eq!(
        label, "far.invalid/lab/base:1",
        "a label names the image, not where it was fetched"
    );

    let built = it.lab.build(&[], 0);
    let image = built["app"]["digest"].as_str().unwrap();
    let of = |path: &str| it.lab.content(image, path);
    assert_eq!(of("/.fresh"), held[0]);
    assert_eq!(of("/of-copied"), held[1]);
    assert_eq!(of("/of-mounted"), held[2]);
    assert_eq!(of("/of-tool"), held[3]);

    // A mirror is the surroundings' affair: without it, the same key, and nothing to build.
    it.with_mirrors(false);
    let without = it.plan(&[]);
    assert_eq!(without["key"], planned["key"]);
    assert_eq!(without["action"], "skip");

    // `--pull` fetches from the mirror anew.
    it.with_mirrors(true);
    let Some(moved) = it.put(HELD[0]) else { return };
    assert_eq!(it.lab.statuses(&[], 0)["app"], "skipped");
    let built = it.lab.build(&["--pull"], 0);
    assert_eq!(it.lab.content(built["app"]["digest"].as_str().unwrap(), "/.fresh"), moved);
}

#[test]
fn a_locked_base_is_fetched_by_its_digest() {
    let Some(it) = engines::any().and_then(Mirrored::new) else { return };
    let digest = format!("sha256:{}", "1".repeat(64));
    let image = |reference: &str| {
        format!("[[image]]\nreference = \"{reference}\"\ndigest = \"{digest}\"\n")
    };
    it.lab.file(
        "images.lock",
        &format!(
            "version = 1\n{}{}",
            image("far.invalid/lab/base:1"),
            image("docker/dockerfile:1")
        ),
    );
    it.lab.file("app/Dockerfile", &format!("# syntax=docker/dockerfile:1\n{DOCKERFILE}"));
    let (host, words) = (&it.registry.host, words(&it.plan(&[])));
    for word in [
        format!("--build-context=far.invalid/lab/base:1=docker-image://{host}/lab/base@{digest}"),
        format!("--build-arg=BUILDKIT_SYNTAX={host}/hub/docker/dockerfile@{digest}"),
    ] {
        assert!(words.contains(&word), "{word} in {words:#?}");
    }
}

#[test]
fn the_frontend_is_fetched_from_the_mirror() {
    let Some(it) = engines::any().and_then(Mirrored::new) else { return };
    if it.put(HELD[0]).is_none()
        || frontend::image(it.lab.test, "dockyard.invalid/frontend:test").is_none()
    {
        return;
    }
    it.push("dockyard.invalid/frontend:test", "frontend/dockerfile:1");
    let dockerfile = |syntax: &str| {
        it.lab.file(
            "app/Dockerfile",
            &format!("# syntax={syntax}\nFROM far.invalid/lab/base:1\nRUN <<DONE\necho done > /done\nDONE\n"),
        );
    };
    dockerfile("far.invalid/frontend/dockerfile:1");
    let planned = it.plan(&[]);
    let argument =
        format!("--build-arg=BUILDKIT_SYNTAX={}/frontend/dockerfile:1", it.registry.host);
    assert!(words(&planned).contains(&argument), "{planned:#}");
    assert_eq!(planned["args"], serde_json::json!({}), "it is no argument of the image");

    let built = it.lab.build(&[], 0);
    assert_eq!(it.lab.content(built["app"]["digest"].as_str().unwrap(), "/done"), "done\n");
    assert!(it.registry.log().contains("/v2/frontend/dockerfile/manifests/"));

    it.with_mirrors(false);
    assert_eq!(it.plan(&[])["key"], planned["key"]);
    it.with_mirrors(true);

    // The frontend that a person names in an argument, with words of its own.
    let named =
        it.plan(&["--build-arg=BUILDKIT_SYNTAX=far.invalid/frontend/dockerfile:1 some words"]);
    assert!(words(&named).contains(&format!("{argument} some words")), "{named:#}");
}

#[test]
fn a_frontend_that_the_mirror_lacks_is_not_fetched_elsewhere() {
    let Some(it) = engines::any().and_then(Mirrored::new) else { return };
    it.lab
        .file("app/Dockerfile", "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY image.toml /\n");
    assert_eq!(it.lab.statuses(&[], 1)["app"], "failed");
    assert!(it.registry.log().contains("/v2/hub/docker/dockerfile/manifests/1"));
}

/// BuildKit runs a scanner with `BUILDKIT_SCAN_SOURCE`, where the image's files are, and takes what it writes into
/// `BUILDKIT_SCAN_DESTINATION` (docs/attestations/sbom-protocol.md).
const SCANNER: &str = r#"#!/bin/sh
cat > "$BUILDKIT_SCAN_DESTINATION/scan.spdx.json" <<DONE
{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
 "predicate": {"spdxVersion": "SPDX-2.3", "name": "found $(cat "$BUILDKIT_SCAN_SOURCE/text")"}}
DONE
"#;

#[test]
fn an_sbom_is_written_by_the_scanner_from_the_mirror() {
    let Some(it) = engines::containerd().and_then(Mirrored::new) else { return };
    let Some(source) = Lab::with_base(it.lab.test) else { return };
    source.image(
        "scanner",
        "",
        "FROM registry.invalid/lab/base\nCOPY scan /scan\nENTRYPOINT [\"/bin/sh\", \"/scan\"]\n",
    );
    source.file("scanner/scan", SCANNER);
    let scanner = source.build(&["scanner"], 0)["scanner"]["digest"].clone();
    it.push(scanner.as_str().unwrap(), "hub/docker/buildkit-syft-scanner:stable-1");

    it.lab.image("app", "", "FROM scratch\nCOPY text /text\n");
    let token = lab::token();
    it.lab.file("app/text", &token);
    it.configure(true, "attestations = { sbom = true }\n");
    let mirrored = format!("{}/hub/docker/buildkit-syft-scanner:stable-1", it.registry.host);
    let planned = it.plan(&[]);
    assert!(words(&planned).contains(&format!("--sbom=generator={mirrored}")), "{planned:#}");

    let built = it.lab.build(&[], 0);
    let archive = it.lab.root().join("target/app.tar");
    let image = built["app"]["digest"].as_str().unwrap();
    assert_eq!(it.lab.docker(&["save", "--output", archive.as_str(), image]).status, Some(0));
    let bytes = std::fs::read(archive).unwrap();
    let found = format!("found {token}");
    assert!(bytes.windows(found.len()).any(|window| window == found.as_bytes()));

    // A scanner of one's own, and BuildKit's where nothing is mirrored. Neither is an input.
    it.configure(true, "attestations = { sbom = \"far.invalid/lab/scan:2\" }\n");
    let own = it.plan(&[]);
    let word = format!("--sbom=generator={}/lab/scan:2", it.registry.host);
    assert!(words(&own).contains(&word), "{own:#}");
    it.configure(false, "attestations = { sbom = true }\n");
    let default = it.plan(&[]);
    assert!(words(&default).contains("--sbom=true"), "{default:#}");
    assert_eq!(own["key"], planned["key"]);
    assert_eq!(default["key"], planned["key"]);
}

#[test]
fn a_stage_that_hides_its_base_is_refused() {
    let Some(it) = engines::any().and_then(Mirrored::new) else { return };
    it.lab.file("app/Dockerfile", "FROM tool AS tool\nRUN true\n");
    let said = it.lab.say(&["plan"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(
        said.stderr.contains("app/Dockerfile:1") && said.stderr.contains("rename the stage"),
        "{said}"
    );
    // Without a mirror, nothing is replaced.
    it.with_mirrors(false);
    assert_eq!(it.lab.say(&["plan"]).status, Some(0));
}

#[test]
fn a_mirror_of_less_than_a_registry_is_refused() {
    let Some(lab) = engines::any().map(Lab::new) else { return };
    lab.image("app", "", "FROM scratch\nCOPY image.toml /\n");
    lab.file(
        "Cargo.toml",
        "[workspace.metadata.dockyard]\nmirrors = { \"ghcr.io/acme\" = \"mirror.invalid\" }\n",
    );
    let said = lab.say(&["plan"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("Cargo.toml:2:") && said.stderr.contains("host alone"), "{said}");
}
