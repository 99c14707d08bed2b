use std::fmt::Write as _;

use sha2::Digest as _;

use super::*;
use crate::dockerfile::Via;
use crate::graph::{Binding, Edge};
use crate::key::Key;
use crate::mistake::Place;
use crate::plan::Action;
use crate::workspace::{Attestations, targets_of};

const AMD: &str = "linux/amd64";
const ARM: &str = "linux/arm64";

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn name(text: &str) -> TargetName {
    text.parse().unwrap()
}

/// `digest("base amd64 1")`: a digest that nothing else has.
fn digest(text: &str) -> Digest {
    let hash = sha2::Sha256::digest(text);
    let hex = hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("sha256:{hex}").parse().unwrap()
}

fn key(of: &str) -> Key {
    digest(&format!("key of {of}")).to_string().parse().unwrap()
}

/// An image for both platforms on `parents`.
fn step(id: &str, parents: &[(&str, Option<&str>)]) -> Step {
    let edge = |(parent, on): &(&str, Option<&str>)| {
        let both = [AMD, ARM].map(platform);
        let uses = both.into_iter().map(|child| {
            let of_parent = match on {
                Some("same") => Some(child.clone()),
                Some(other) => Some(platform(other)),
                None => None,
            };
            (child, of_parent)
        });
        let uses: BTreeSet<_> = uses.collect();
        let native = |on: &Option<Platform>| on.clone().unwrap_or_else(|| platform(AMD));
        Edge {
            parent: name(parent),
            via: Via::From,
            reference: parent.parse().unwrap(),
            binding: Binding::Context((*parent).to_owned()),
            platforms: uses.iter().map(|(child, on)| (child.clone(), native(on))).collect(),
            uses,
            is_base: true,
            place: Place::new("Dockerfile", 1, 1),
        }
    };
    let files = [(format!("{id}/image.toml"), String::new())];
    Step {
        target: targets_of("", &files).remove(0),
        platforms: [AMD, ARM].map(platform).to_vec(),
        key: key(id),
        keys: BTreeMap::new(),
        args: BTreeMap::new(),
        labels: BTreeMap::new(),
        parents: parents.iter().map(edge).collect(),
        external: Vec::new(),
        bound: BTreeMap::new(),
        frontend: None,
        repositories: Vec::new(),
        tags: Vec::new(),
        attestations: Attestations::default(),
        action: Action::Build,
        reasons: Vec::new(),
        only_parents: false,
        last_seconds: None,
        present: None,
        held: None,
        named: true,
    }
}

fn plan() -> Plan {
    let steps = [
        step("base", &[]),
        step("app", &[("base", Some("same"))]),
        step("cross", &[("base", Some(AMD))]),
        step("tool", &[("base", None)]),
        step("leaf", &[("app", Some("same"))]),
    ];
    Plan { steps: steps.to_vec() }
}

/// The image `what` of `id`, on these digests of parents.
fn image(id: &str, on: &str, what: &str, parents: &[(&str, Digest)]) -> HeldImage {
    let parents = parents.iter().map(|(name, digest)| ((*name).to_owned(), digest.clone()));
    HeldImage {
        manifest: digest(&format!("{id} {on} {what}")),
        config: digest(&format!("{id} {on} {what} config")),
        parents: parents.collect(),
        bytes: 1,
    }
}

fn holding(id: &str, images: &[(&str, HeldImage)]) -> Holding {
    let all: String = images.iter().map(|(_, image)| image.manifest.as_str()).collect();
    let only = match images {
        [(_, only)] => only.manifest.clone(),
        _ => digest(&all),
    };
    let images = images.iter().map(|(on, image)| (platform(on), image.clone()));
    Holding { digest: only, key: key(id), version: None, images: images.collect() }
}

fn whole(id: &str, what: &str, parents: &[(&str, Digest)]) -> Parts {
    let images = [AMD, ARM].map(|on| (on, image(id, on, what, parents)));
    Parts { whole: Some(holding(id, &images)), ..Parts::default() }
}

fn part(id: &str, on: &str, what: &str, parents: &[(&str, Digest)]) -> (Platform, Holding) {
    (platform(on), holding(id, &[(on, image(id, on, what, parents))]))
}

/// What is left to do, and the jobs for `selected`.
fn left(found: &[(&str, Parts)], tested: &[&str], selected: &[&str]) -> String {
    let plan = plan();
    let found = found.iter().map(|(id, parts)| (name(id), parts.clone())).collect();
    let tested = tested.iter().map(|id| name(id)).collect();
    let judged = judge(&plan, &found, &tested);
    let mut text = String::new();
    for step in &plan.steps {
        let Some(standing) = judged.get(&step.name()) else { continue };
        for (on, todo) in &standing.todo {
            writeln!(text, "{} {on}: {}: {}", step.name(), todo.work.as_str(), todo.reason)
                .unwrap();
        }
    }
    let selected = selected.iter().map(|id| name(id)).collect();
    let jobs = jobs(&plan, &judged, &selected);
    let jobs: Vec<String> = jobs.iter().map(|(name, on)| format!("{name}@{}", on.arch())).collect();
    format!("{text}jobs: {}\n", jobs.join(" "))
}

fn manifest(id: &str, on: &str, what: &str) -> Digest {
    digest(&format!("{id} {on} {what}"))
}

#[test]
fn what_is_staged_whole_on_todays_parents_is_done() {
    let base = whole("base", "1", &[]);
    let index = base.whole.as_ref().unwrap().digest.clone();
    let found = [
        ("base", base),
        ("app", whole("app", "1", &[("base", index)])),
        // Built apart: each platform names its own parent's manifest, which the index lists.
        ("cross", {
            let parents = [("base", manifest("base", AMD, "1"))];
            Parts {
                parts: [AMD, ARM].map(|on| part("cross", on, "1", &parents)).into(),
                ..Parts::default()
            }
        }),
    ];
    assert_eq!(left(&found, &[], &["base", "app", "cross"]), "jobs: \n");
    expect_test::expect![[r"
        app linux/amd64: test: its tests, as they are now, were not run on what is staged
        app linux/arm64: test: its tests, as they are now, were not run on what is staged
        jobs: app@amd64 app@arm64
    "]]
    .assert_eq(&left(&found, &["app"], &["base", "app", "cross"]));
    // Of what was checked, the content counts, not the tag.
    let mut other = found.clone();
    other[1].1.checked =
        [(platform(AMD), manifest("app", AMD, "1")), (platform(ARM), digest("other"))].into();
    expect_test::expect![[r"
        app linux/arm64: test: its tests, as they are now, were not run on what is staged
        jobs: app@arm64
    "]]
    .assert_eq(&left(&other, &["app"], &["app"]));
}

#[test]
fn children_of_what_is_built_are_built() {
    let found = [
        ("base", Parts { parts: [part("base", AMD, "1", &[])].into(), ..Parts::default() }),
        ("app", whole("app", "1", &[("base", digest("base before"))])),
        ("cross", Parts::default()),
        ("tool", Parts { other: Some("it is for linux/s390x".to_owned()), ..Parts::default() }),
        ("leaf", Parts::default()),
    ];
    expect_test::expect![[r"
        base linux/arm64: build: nothing is staged under key-5c128d2908e1
        app linux/amd64: build: its parent base was built again since
        app linux/arm64: build: its parent base is built
        cross linux/amd64: build: nothing is staged under key-b399649ee511
        cross linux/arm64: build: nothing is staged under key-b399649ee511
        tool linux/amd64: build: its parent base is built
        tool linux/arm64: build: its parent base is built
        leaf linux/amd64: build: its parent app is built
        leaf linux/arm64: build: its parent app is built
        jobs: base@arm64 app@amd64 app@arm64 cross@amd64 cross@arm64 tool@amd64 tool@arm64 leaf@amd64 leaf@arm64
    "]]
    .assert_eq(&left(&found, &[], &["base", "app", "cross", "tool", "leaf"]));
    // Of the parents of what is selected, only the platforms that are needed.
    let jobs = |selected: &[&str]| left(&found, &[], selected).lines().last().unwrap().to_owned();
    assert_eq!(jobs(&["cross"]), "jobs: cross@amd64 cross@arm64");
    assert_eq!(jobs(&["tool"]), "jobs: base@arm64 tool@amd64 tool@arm64");
    assert_eq!(jobs(&["leaf"]), "jobs: base@arm64 app@amd64 app@arm64 leaf@amd64 leaf@arm64");
}

#[test]
fn a_parent_that_is_staged_nowhere_hands_on_its_own() {
    let found = [("base", Parts::default()), ("leaf", Parts::default())];
    let jobs = left(&found, &[], &["leaf"]);
    assert!(jobs.ends_with("jobs: base@amd64 base@arm64 leaf@amd64 leaf@arm64\n"), "{jobs}");
}

#[test]
fn an_image_is_on_its_parents_by_any_digest_of_theirs() {
    let plan = plan();
    let base = whole("base", "1", &[]);
    let index = base.whole.as_ref().unwrap().digest.clone();
    let judged = judge(&plan, &[(name("base"), base)].into(), &BTreeSet::new());
    let step = plan.step(&name("app")).unwrap();
    for (parent, expected) in [
        (index, true),
        (manifest("base", ARM, "1"), true),
        (digest("base linux/arm64 1 config"), true),
        (manifest("base", ARM, "2"), false),
    ] {
        let images = [AMD, ARM].map(|on| (on, image("app", on, "1", &[("base", parent.clone())])));
        assert_eq!(is_on_parents(&plan, step, &holding("app", &images), &judged), expected);
    }
    let images = [AMD, ARM].map(|on| (on, image("app", on, "1", &[])));
    assert!(!is_on_parents(&plan, step, &holding("app", &images), &judged));
}
