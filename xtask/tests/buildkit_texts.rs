//! The reader against BuildKit itself: the same expansions, and the same files left out by `.dockerignore`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;
#[path = "support/texts.rs"]
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use camino::Utf8Path;
use dockyard::dockerfile::ignore::{Ignore, Verdict};
use dockyard::dockerfile::{Dockerfile, Request};
use dockyard::reference::Platform;
use support::{docker, engine_or_skip, in_parallel};

/// How many `.dockerignore` files, and how many texts with variables.
const IGNORED: usize = 80;
const EXPRESSIONS: usize = 250;

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
    let patterns = texts::ignore(case);
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
            said.error()
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
        (0..EXPRESSIONS).map(|seed| (seed, texts::expression(seed as u64))).collect();
    let (good, bad): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| labels(&file(std::slice::from_ref(one))).is_ok());
    let text = file(&good);
    let said = docker(&["buildx", "build", "-t", "dyr-labels", "-"], &text);
    assert!(said.success, "{}\n{text}", said.error());
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
