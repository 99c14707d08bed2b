//! The reader against BuildKit itself: the same stages, the same images for the same platforms, the same refusals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/generate.rs"]
mod generate;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use camino::Utf8Path;
use dockyard::dockerfile::{Dockerfile, Request};
use dockyard::reference::Platform;
use generate::Case;
use support::{docker, engine_or_skip, in_parallel};

/// How many Dockerfiles are made beside those in `fixtures/dockerfiles`.
const GENERATED: u64 = 320;

/// What is to be compared: the stages (name, base, line), then the images for the target.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Images(BTreeSet<String>),
}

#[test]
fn stages_and_images_are_those_of_buildkit() {
    if !engine_or_skip() {
        return;
    }
    provide_images();
    let mut cases = fixtures();
    cases.extend((0..seeds().1).map(|seed| generate::case(seeds().0 + seed)));
    let compared = in_parallel(cases.len(), |index| compare(&cases[index]));
    let count = |kind: Kind| compared.iter().filter(|(other, _)| *other == kind).count();
    eprintln!(
        "{} Dockerfiles compared: {} with images, {} refused, {} refused only here for an argument without a value",
        cases.len(),
        count(Kind::Images),
        count(Kind::Refused),
        count(Kind::Stricter),
    );
    let differences: Vec<String> =
        compared.into_iter().filter_map(|(_, difference)| difference).collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// `DOCKYARD_READER_SEEDS=first,count` looks at others.
fn seeds() -> (u64, u64) {
    let given = std::env::var("DOCKYARD_READER_SEEDS").ok();
    let pair = given.as_deref().and_then(|given| {
        let (first, count) = given.split_once(',')?;
        Some((first.parse().ok()?, count.parse().ok()?))
    });
    pair.unwrap_or((1, GENERATED))
}

/// The images that Dockerfiles name here, for three platforms.
fn provide_images() {
    let mut args = vec!["buildx", "build", "-q", "--platform=linux/amd64,linux/arm64,linux/arm/v7"];
    for name in generate::POOL.iter().chain(generate::MORE) {
        args.extend(["-t", name]);
    }
    args.push("-");
    let said = docker(&args, "FROM scratch\nENV OF_BASE=value\n");
    assert!(said.success, "{}", said.stderr);
}

/// `fixtures/dockerfiles/*`, with lines at their end that say how to build them: `#: arg NAME=VALUE`, `#: target NAME`,
/// `#: context NAME`.
fn fixtures() -> Vec<Case> {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dockerfiles");
    let mut cases = Vec::new();
    let mut paths: Vec<_> =
        folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut case = Case {
            name: path.file_name().unwrap().to_owned(),
            text,
            args: Vec::new(),
            target: None,
            contexts: Vec::new(),
        };
        for line in case.text.clone().lines().filter_map(|line| line.strip_prefix("#: ")) {
            match line.split_once(' ').unwrap() {
                ("arg", pair) => {
                    let (name, value) = pair.split_once('=').unwrap();
                    case.args.push((name.to_owned(), value.to_owned()));
                }
                ("target", target) => case.target = Some(target.to_owned()),
                ("context", name) => case.contexts.push(name.to_owned()),
                other => panic!("{path}: {other:?}"),
            }
        }
        cases.push(case);
    }
    cases
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Images,
    Refused,
    Stricter,
}

fn compare(case: &Case) -> (Kind, Option<String>) {
    let mut differences = String::new();
    let ours = Dockerfile::parse(Utf8Path::new("Dockerfile"), &case.text);
    let (their_stages, ours_stages) = (targets(case), ours.as_ref().ok().map(stages));
    if their_stages.as_ref().ok() != ours_stages.as_ref() {
        let ours = ours.as_ref().map_err(ToString::to_string).map(stages);
        let _ = writeln!(differences, "stages:\n  BuildKit {their_stages:?}\n  reader   {ours:?}");
    }
    let (our_outcome, why) = match ours.and_then(|file| images(&file, case)) {
        Ok(images) => (Outcome::Images(images), String::new()),
        Err(mistakes) => (Outcome::Refused, mistakes.to_string()),
    };
    // BuildKit 0.25 does not see a circle that a trigger closes, and its outline of one never ends: it takes the engine
    // with it. Such a file is not shown to it.
    if case.text.to_ascii_lowercase().contains("onbuild") && why.contains("in a circle") {
        return (Kind::Refused, None);
    }
    let (theirs, said) = outline(case);
    // Stricter on purpose: an argument without a value in a FROM that is reached.
    // An image that an ONBUILD trigger makes reachable is used, but its metadata is not loaded if it was looked at before.
    let onbuild = case.text.to_ascii_lowercase().contains("onbuild");
    let (theirs, our_outcome) = match (theirs, our_outcome) {
        (Outcome::Images(theirs), Outcome::Images(ours)) if onbuild && theirs.is_subset(&ours) => {
            (Outcome::Images(ours.clone()), Outcome::Images(ours))
        }
        outcomes => outcomes,
    };
    let kind = match (&theirs, &our_outcome) {
        (Outcome::Refused, Outcome::Refused) => Kind::Refused,
        (_, Outcome::Refused) if why.contains(" in FROM has no value") => Kind::Stricter,
        _ => Kind::Images,
    };
    if theirs != our_outcome && kind != Kind::Stricter {
        let _ = writeln!(
            differences,
            "images:\n  BuildKit {theirs:?} {said}\n  reader   {our_outcome:?} {why}"
        );
    }
    let difference = (!differences.is_empty()).then(|| {
        let (args, target) = (&case.args, &case.target);
        format!(
            "===== {} (args {args:?}, target {target:?})\n{}\n{differences}",
            case.name, case.text
        )
    });
    (kind, difference)
}

type Stages = Vec<(String, String, String, u32)>;

fn stages(file: &Dockerfile) -> Stages {
    file.stages()
        .map(|stage| {
            let name = stage.name.unwrap_or_default().to_owned();
            (name, stage.base.to_owned(), stage.platform.unwrap_or_default().to_owned(), stage.line)
        })
        .collect()
}

fn images(file: &Dockerfile, case: &Case) -> Result<BTreeSet<String>, dockyard::mistake::Mistakes> {
    let args: BTreeMap<String, String> = case.args.iter().cloned().collect();
    let platform: Platform = "linux/amd64".parse().unwrap();
    let request = Request {
        args: &args,
        target: case.target.as_deref(),
        platform: &platform,
        build_platform: &platform,
        contexts: &case.contexts.iter().cloned().collect(),
    };
    let resolved = file.resolve(&request)?;
    let full = |reference: &dockyard::reference::Reference| match &reference.tag {
        None if reference.digest.is_none() => format!("{reference}:latest"),
        _ => reference.to_string(),
    };
    Ok(resolved
        .images
        .iter()
        .map(|image| format!("{} {}", image.platform, full(&image.reference)))
        .collect())
}

fn call(case: &Case, kind: &str) -> support::Said {
    let mut args: Vec<String> =
        ["buildx", "build", "--progress=plain", "--build-arg=BUILDKIT_MULTI_PLATFORM=1"]
            .map(str::to_owned)
            .to_vec();
    args.push(format!("--call={kind},format=json"));
    args.extend(case.args.iter().map(|(name, value)| format!("--build-arg={name}={value}")));
    let context = |name| format!("--build-context={name}=docker-image://dyr0x");
    args.extend(case.contexts.iter().map(context));
    args.extend(case.target.iter().map(|target| format!("--target={target}")));
    args.push("-".to_owned());
    docker(&args.iter().map(String::as_str).collect::<Vec<_>>(), &case.text)
}

fn targets(case: &Case) -> Result<Stages, String> {
    let said = call(case, "targets");
    if !said.success {
        return Err(said.error());
    }
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let stage = |target: &serde_json::Value| {
        let line = target["location"]["ranges"][0]["start"]["line"].as_u64().unwrap_or_default();
        (
            text(&target["name"]),
            text(&target["base"]),
            text(&target["platform"]),
            u32::try_from(line).unwrap(),
        )
    };
    match json["targets"].as_array() {
        Some(targets) if !targets.is_empty() => Ok(targets.iter().map(stage).collect()),
        // A file without a stage is refused by everything else.
        _ => Err("no stages".to_owned()),
    }
}

/// The images whose metadata BuildKit loads, with the platform.
fn outline(case: &Case) -> (Outcome, String) {
    let said = call(case, "outline");
    let mut images = BTreeSet::new();
    for line in said.stderr.lines() {
        let Some((before, image)) = line.split_once(" internal] load metadata for ") else {
            continue;
        };
        let Some((_, platform)) = before.split_once('[') else { continue };
        images.insert(format!("{platform} {image}"));
    }
    let outcome = if said.success { Outcome::Images(images) } else { Outcome::Refused };
    (outcome, said.error())
}
