//! The reader against BuildKit itself: the same stages, the same images for the same platforms, the same refusals, the
//! same expansions, the same files left out by `.dockerignore`.

#[path = "support/generate.rs"]
mod generate;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use camino::Utf8Path;
use dockyard::dockerfile::ignore::{Ignore, Verdict};
use dockyard::dockerfile::{Dockerfile, Request};
use dockyard::reference::Platform;
use generate::Case;
use support::{docker, engine_or_skip, in_parallel};

/// How many Dockerfiles are made beside those in `fixtures/dockerfiles`.
const GENERATED: u64 = 320;

/// How many `.dockerignore` files, and how many texts with variables.
const IGNORED: usize = 80;
const EXPRESSIONS: usize = 250;

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
    let (theirs, said) = outline(case);
    let (our_outcome, why) = match ours.and_then(|file| images(&file, case)) {
        Ok(images) => (Outcome::Images(images), String::new()),
        Err(mistakes) => (Outcome::Refused, mistakes.to_string()),
    };
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

/// Left out: neither may a file be that BuildKit sends, nor the other way round; folders too.
#[test]
fn what_is_ignored_is_what_buildkit_leaves_out() {
    if !engine_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let context = root.join("context");
    provide_tree(&context);
    let compared = in_parallel(IGNORED, |case| compare_ignored(root, &context, case as u64));
    let refused = compared.iter().filter(|(refused, _)| *refused).count();
    eprintln!("{IGNORED} .dockerignore files compared, {refused} of them refused");
    let differences: Vec<String> =
        compared.into_iter().filter_map(|(_, difference)| difference).collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn provide_tree(context: &Utf8Path) {
    let names = ["a", "b", "ab", "a.b", "é", "x^", "[x]", "b c", "+"];
    for (index, first) in names.iter().enumerate() {
        if index % 3 == 2 {
            std::fs::create_dir_all(context).unwrap();
            std::fs::write(context.join(first), "").unwrap();
            continue;
        }
        for (index, second) in names.iter().enumerate() {
            let folder = context.join(first).join(second);
            if index % 2 == 1 {
                std::fs::create_dir_all(context.join(first)).unwrap();
                std::fs::write(folder, "").unwrap();
                continue;
            }
            std::fs::create_dir_all(&folder).unwrap();
            for third in ["a", "b", "ab", "a.b", "[x]"] {
                if index != 4 {
                    std::fs::write(folder.join(third), "").unwrap();
                }
            }
        }
    }
}

fn compare_ignored(root: &Utf8Path, context: &Utf8Path, case: u64) -> (bool, Option<String>) {
    let patterns = generate::ignore(case);
    let dockerfile = root.join(format!("{case}.Dockerfile"));
    std::fs::write(&dockerfile, "FROM scratch\nCOPY . /\n").unwrap();
    std::fs::write(format!("{dockerfile}.dockerignore"), &patterns).unwrap();
    let out = root.join(format!("out-{case}"));
    let said = docker(
        &[
            "buildx",
            "build",
            "--progress=plain",
            "-f",
            dockerfile.as_str(),
            "-o",
            &format!("type=local,dest={out}"),
            context.as_str(),
        ],
        "",
    );
    let theirs = said.success.then(|| {
        let mut sent = BTreeSet::new();
        list(&out, "", &mut sent);
        sent
    });
    let ours = Ignore::parse(&patterns).ok().map(|ignore| {
        let mut sent = BTreeSet::new();
        walk(context, "", &ignore, &Verdict::default(), &mut sent);
        sent
    });
    let difference = (theirs != ours).then(|| {
        let only =
            |one: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| match (one, other) {
                (Some(one), Some(other)) => {
                    format!("{:?}", one.difference(other).collect::<Vec<_>>())
                }
                (one, _) => format!("{:?}", one.as_ref().map(BTreeSet::len)),
            };
        let (kept, left) = (only(&theirs, &ours), only(&ours, &theirs));
        format!(
            "===== {case}\n{patterns}\nonly BuildKit sends {kept} {}\nonly the reader keeps {left}",
            error(&said)
        )
    });
    (ours.is_none(), difference)
}

fn list(folder: &Utf8Path, at: &str, found: &mut BTreeSet<String>) {
    let Ok(entries) = folder.join(at).read_dir_utf8() else { return };
    for entry in entries.map(Result::unwrap) {
        let path = if at.is_empty() {
            entry.file_name().to_owned()
        } else {
            format!("{at}/{}", entry.file_name())
        };
        if entry.file_type().unwrap().is_dir() {
            list(folder, &path, found);
        }
        found.insert(path);
    }
}

/// As a walker of a context does it: folders are entered where they are kept or something in them may be.
fn walk(
    context: &Utf8Path,
    at: &str,
    ignore: &Ignore,
    above: &Verdict,
    kept: &mut BTreeSet<String>,
) -> bool {
    let mut any = false;
    for entry in context.join(at).read_dir_utf8().unwrap().map(Result::unwrap) {
        let path = if at.is_empty() {
            entry.file_name().to_owned()
        } else {
            format!("{at}/{}", entry.file_name())
        };
        let verdict = ignore.below(above, &path);
        assert_eq!(verdict.is_ignored(), ignore.matches(&path), "{path}");
        let mut keep = !verdict.is_ignored();
        if entry.file_type().unwrap().is_dir() && (keep || ignore.may_reinclude_below(&path)) {
            keep |= walk(context, &path, ignore, &verdict, kept);
        }
        if keep {
            kept.insert(path);
            any = true;
        }
    }
    any
}

/// The keys of labels, in which BuildKit expands variables, of an image that it builds.
#[test]
fn texts_expand_as_in_buildkit() {
    if !engine_or_skip() {
        return;
    }
    let file = |expressions: &[(usize, String)]| {
        let mut text = "FROM scratch\nARG X=abc P=a/b/c.tar.gz E=\n".to_owned();
        for (index, expression) in expressions {
            let _ = writeln!(text, "LABEL k{index}-{expression}=1");
        }
        text
    };
    let platform: Platform = "linux/amd64".parse().unwrap();
    let labels = |text: &str| {
        let (args, contexts) = (BTreeMap::new(), BTreeSet::new());
        let request = Request {
            args: &args,
            target: None,
            platform: &platform,
            build_platform: &platform,
            contexts: &contexts,
        };
        Dockerfile::parse(Utf8Path::new("D"), text)?
            .resolve(&request)
            .map(|resolved| resolved.labels)
    };
    let all: Vec<(usize, String)> =
        (0..EXPRESSIONS).map(|seed| (seed, generate::expression(seed as u64))).collect();
    let (good, bad): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| labels(&file(std::slice::from_ref(one))).is_ok());
    let text = file(&good);
    let said = docker(&["buildx", "build", "-t", "dyr-labels", "-"], &text);
    assert!(said.success, "{}\n{text}", error(&said));
    let said = docker(&["image", "inspect", "-f", "{{json .Config.Labels}}", "dyr-labels"], "");
    let theirs: BTreeMap<String, String> = serde_json::from_str(&said.stdout).unwrap();
    let theirs: BTreeSet<String> = theirs.into_keys().collect();
    let ours = labels(&text).unwrap();
    let only_theirs: Vec<_> = theirs.difference(&ours).collect();
    let only_ours: Vec<_> = ours.difference(&theirs).collect();
    assert!(theirs == ours, "BuildKit {only_theirs:#?}\nreader {only_ours:#?}");
    let accepted = in_parallel(bad.len().min(40), |index| {
        let text = file(std::slice::from_ref(&bad[index]));
        docker(&["buildx", "build", "--call=outline", "-"], &text).success.then_some(text)
    });
    let accepted: Vec<String> = accepted.into_iter().flatten().collect();
    eprintln!("{} texts compared, {} of them refused", good.len() + bad.len(), bad.len());
    assert!(accepted.is_empty(), "only the reader refuses\n{}", accepted.join("\n"));
}

fn error(said: &support::Said) -> String {
    said.stderr.lines().filter(|line| line.starts_with("ERROR")).collect()
}

fn targets(case: &Case) -> Result<Stages, String> {
    let said = call(case, "targets");
    if !said.success {
        return Err(error(&said));
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
    (outcome, error(&said))
}
