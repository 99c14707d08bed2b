//! Keys against BuildKit itself: wherever BuildKit runs a step again, the key must be new.
//!
//! `DOCKYARD_SOUNDNESS=5000 cargo test --test soundness -- --nocapture` looks at more changes,
//! `DOCKYARD_SOUNDNESS_SEED=7` at others, `DOCKYARD_SOUNDNESS_FIRST=25` at those from the 25th workspace on,
//! `DOCKYARD_SOUNDNESS_BUILDER=unix:///run/buildkit/buildkitd.sock` at another BuildKit, which may know more flags.
//! `DOCKYARD_SOUNDNESS_KEEP=FOLDER` keeps both workspaces of each wrong skip.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/ask.rs"]
mod ask;
#[path = "support/sound.rs"]
mod sound;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ask::{BuildKit, copy_all};
use camino::{Utf8Path, Utf8PathBuf};
use sound::Workspace;
use support::{docker, engine_or_skip, in_parallel};

/// Changes that are looked at, and how many of them to one workspace.
const CHANGES: usize = 500;
const PER_WORKSPACE: usize = 25;

#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    refused: usize,
    ran: usize,
    changed: usize,
    needless: usize,
    needless_by: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

#[test]
fn where_buildkit_runs_a_step_again_the_key_is_new() {
    if !engine_or_skip() {
        return;
    }
    let buildkit = BuildKit::new();
    let wanted = number("DOCKYARD_SOUNDNESS").unwrap_or(CHANGES);
    let seed = number("DOCKYARD_SOUNDNESS_SEED").unwrap_or(1);
    let first = number("DOCKYARD_SOUNDNESS_FIRST").unwrap_or(0);
    let knows = if buildkit.knows_parents { "known" } else { "not known to this BuildKit" };
    eprintln!("seed {seed}, {wanted} changes, COPY --parents {knows}");
    let tally = Mutex::new(Tally::default());
    let compared = AtomicUsize::new(0);
    let is_enough = || compared.load(Ordering::Relaxed) >= wanted;
    // A workspace whose first build is refused is no use: there are more than needed.
    let workspaces = wanted.div_ceil(PER_WORKSPACE) * 3;
    in_parallel(workspaces, |index| {
        if is_enough() {
            return;
        }
        let on_compared = || {
            compared.fetch_add(1, Ordering::Relaxed);
            is_enough()
        };
        let of_one = explore((seed * 1_000_000 + first + index) as u64, &buildkit, &on_compared);
        add(&mut tally.lock().expect("no thread panics"), of_one);
    });
    let tally = tally.into_inner().expect("no thread panics");
    eprintln!(
        "{} changes compared (and {} refused by BuildKit): {} ran a step again; {} gave a new key, {} of these needlessly ({}%): {:?}",
        tally.compared,
        tally.refused,
        tally.ran,
        tally.changed,
        tally.needless,
        tally.needless * 100 / tally.changed.max(1),
        tally.needless_by
    );
    assert!(
        tally.wrong.is_empty(),
        "{} wrong skips:\n{}",
        tally.wrong.len(),
        tally.wrong.join("\n")
    );
    assert!(tally.compared >= wanted, "too few of the workspaces could be built");
    assert!(tally.ran * 5 > tally.compared, "most changes should matter, or nothing was tested");
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn add(sum: &mut Tally, one: Tally) {
    sum.compared += one.compared;
    sum.refused += one.refused;
    sum.ran += one.ran;
    sum.changed += one.changed;
    sum.needless += one.needless;
    for (what, count) in one.needless_by {
        *sum.needless_by.entry(what).or_default() += count;
    }
    sum.wrong.extend(one.wrong);
}

/// One workspace, changed again and again until `on_compared` says that it is enough.
fn explore(seed: u64, buildkit: &BuildKit, on_compared: &dyn Fn() -> bool) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let mut workspace = Workspace::generate(root, seed, buildkit);
    let mut tally = Tally::default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let salt = format!("{seed}-{}", now.as_nanos());
    // A copy of the workspace for each key that was built, and of the last one that could be built.
    let copies = tempfile::tempdir().unwrap();
    let copies = Utf8Path::from_path(copies.path()).unwrap();
    let mut built: BTreeMap<(&str, String), Utf8PathBuf> = BTreeMap::new();
    let mut last: BTreeMap<&str, String> = BTreeMap::new();
    let mut what = "generated".to_owned();
    for round in 0..=PER_WORKSPACE {
        let good = workspace.save();
        if round > 0 {
            what = workspace.change();
        }
        let ran =
            keys(root).ok().and_then(|keys| Some((keys, build_all(buildkit, &workspace, &salt)?)));
        let Some((keys, ran)) = ran else {
            tally.refused += 1;
            if round == 0 {
                break;
            }
            // A file that a `COPY` names is gone: nothing more is learned from this one.
            workspace.restore(&good);
            continue;
        };
        let copy = copies.join(round.to_string());
        for (&image, ran) in workspace.images.iter().zip(&ran) {
            let key = &keys[image];
            match built.entry((image, key.clone())) {
                Entry::Vacant(entry) => {
                    entry.insert(copy.clone());
                    if !copy.exists() {
                        copy_all(root, &copy);
                    }
                }
                Entry::Occupied(then) if !ran.is_empty() => {
                    let salt = format!("{salt}-{round}");
                    let ran = buildkit.differ(&workspace, then.get(), image, &salt);
                    if !ran.is_empty() {
                        keep(then.get(), root, &format!("{seed}-{round}"));
                        let what = format!("seed {seed}, round {round}, {image}: {what}");
                        tally.wrong.push(describe(root, &what, &ran));
                    }
                }
                Entry::Occupied(_) => {}
            }
            if round > 0 {
                let has_changed = last.get(image).is_some_and(|last| last != key);
                tally.compared += usize::from(image == "child");
                tally.ran += usize::from(!ran.is_empty());
                tally.changed += usize::from(has_changed);
                if has_changed && ran.is_empty() {
                    tally.needless += 1;
                    let kind = what.split(' ').next().unwrap_or_default().to_owned();
                    *tally.needless_by.entry(kind).or_default() += 1;
                }
            }
            last.insert(image, key.clone());
        }
        if round > 0 && on_compared() {
            break;
        }
    }
    if workspace.images.len() > 1 {
        docker(&["image", "rm", "-f", &ask::reference(&workspace, "parent")], "");
    }
    tally
}

/// The steps that ran, for each image; nothing where one is refused.
fn build_all(buildkit: &BuildKit, workspace: &Workspace, salt: &str) -> Option<Vec<Vec<String>>> {
    workspace.images.iter().map(|image| buildkit.build(workspace, image, salt)).collect()
}

/// Both sides of a wrong skip, for whoever wants to see more of it.
fn keep(then: &Utf8Path, now: &Utf8Path, name: &str) {
    let Ok(folder) = std::env::var("DOCKYARD_SOUNDNESS_KEEP") else { return };
    let folder = Utf8PathBuf::from(folder).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    copy_all(then, &folder.join("then"));
    copy_all(now, &folder.join("now"));
}

fn describe(root: &Utf8Path, what: &str, ran: &[String]) -> String {
    let mut text = format!("===== {what}\nran {ran:?}");
    for file in [
        "parent/Dockerfile",
        "child/Dockerfile",
        "ctx/.dockerignore",
        "child/Dockerfile.dockerignore",
    ] {
        if let Ok(content) = std::fs::read_to_string(root.join(file)) {
            let _ = write!(text, "\n--- {file}:\n{content}");
        }
    }
    text
}

fn keys(root: &Utf8Path) -> anyhow::Result<BTreeMap<String, String>> {
    let keys = dockyard::keys(root)?;
    let of_image = |image: &str| {
        let name = dockyard::workspace::TargetName { id: image.parse().unwrap(), variant: None };
        let of_platforms: Vec<String> =
            keys.of(&name).map(|(_, key)| key.key.to_string()).collect();
        (image.to_owned(), of_platforms.join(" "))
    };
    Ok(["parent", "child"].map(of_image).into())
}
