//! Keys against BuildKit itself: wherever BuildKit runs a step again, the key must be new.
//!
//! `DOCKYARD_SOUNDNESS=5000 cargo test --test soundness -- --nocapture` looks at more changes,
//! `DOCKYARD_SOUNDNESS_SEED=7` at others, `DOCKYARD_SOUNDNESS_FIRST=25` at those from the 25th workspace on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/sound.rs"]
mod sound;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use sound::{REGISTRY, Workspace};
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
    let lock = provide_base();
    let wanted = number("DOCKYARD_SOUNDNESS").unwrap_or(CHANGES);
    let seed = number("DOCKYARD_SOUNDNESS_SEED").unwrap_or(1);
    let first = number("DOCKYARD_SOUNDNESS_FIRST").unwrap_or(0);
    eprintln!("seed {seed}, {wanted} changes");
    let tally = Mutex::new(Tally::default());
    // A workspace whose first build is refused is no use: there are more than needed.
    let workspaces = wanted.div_ceil(PER_WORKSPACE) * 3;
    in_parallel(workspaces, |index| {
        if tally.lock().expect("no thread panics").compared < wanted {
            let of_one = explore((seed * 1_000_000 + first + index) as u64, &lock);
            add(&mut tally.lock().expect("no thread panics"), of_one);
        }
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

/// An image in which steps can run, and the lock that says it has no triggers.
fn provide_base() -> String {
    let name = format!("{REGISTRY}/busybox");
    let there = docker(&["image", "inspect", &name], "").success;
    let busybox = std::env::var("DOCKYARD_BUSYBOX").unwrap_or_else(|_| "/bin/busybox".to_owned());
    if !there {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(&busybox, folder.path().join("busybox")).unwrap_or_else(|error| {
            panic!("{busybox}: {error}; install busybox-static, or set DOCKYARD_BUSYBOX")
        });
        std::fs::write(
            folder.path().join("Dockerfile"),
            "FROM scratch\nCOPY busybox /bin/busybox\nRUN --network=none [\"/bin/busybox\", \"--install\", \"/bin\"]\n",
        )
        .unwrap();
        let said = docker(
            &["buildx", "build", "--load", "-t", &name, folder.path().to_str().unwrap()],
            "",
        );
        assert!(said.success, "{}", said.stderr);
    }
    let digest = docker(&["image", "inspect", "-f", "{{.Id}}", &name], "").stdout;
    format!("[[image]]\nreference = \"{name}\"\ndigest = \"{}\"\n", digest.trim())
}

/// One workspace, changed again and again.
fn explore(seed: u64, lock: &str) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let mut workspace = Workspace::generate(root, seed, lock);
    let mut tally = Tally::default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let salt = format!("{seed}-{}", now.as_nanos());
    // A copy of the workspace for each key that was built.
    let copies = tempfile::tempdir().unwrap();
    let copies = Utf8Path::from_path(copies.path()).unwrap();
    let mut built: BTreeMap<(&str, String), Utf8PathBuf> = BTreeMap::new();
    let mut last: BTreeMap<&str, String> = BTreeMap::new();
    let mut what = "generated".to_owned();
    for round in 0..=PER_WORKSPACE {
        if round > 0 {
            what = workspace.change();
        }
        let Ok(keys) = keys(root) else {
            tally.refused += 1;
            continue;
        };
        let mut all_good = true;
        for &image in workspace.images {
            let Some(ran) = build(&workspace, root, image, &salt) else {
                all_good = false;
                break;
            };
            let key = &keys[image];
            let copy = copies.join(round.to_string());
            match built.entry((image, key.clone())) {
                Entry::Vacant(entry) => {
                    entry.insert(copy.clone());
                    if !copy.exists() {
                        copy_all(root, &copy);
                    }
                }
                // BuildKit also runs steps again without a reason: only what happens twice counts.
                Entry::Occupied(then) if !ran.is_empty() => {
                    let again = |attempt: &str| {
                        differ(&workspace, then.get(), image, &format!("{salt}-{round}-{attempt}"))
                    };
                    let ran = again("first");
                    let ran = if ran.is_empty() { ran } else { again("second") };
                    if !ran.is_empty() {
                        tally.wrong.push(describe(
                            root,
                            &format!("seed {seed}, round {round}, {image}: {what}"),
                            &ran,
                        ));
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
        if !all_good {
            tally.refused += 1;
            if round == 0 {
                break;
            }
        }
    }
    docker(&["image", "rm", "-f", &reference(&workspace, "parent")], "");
    tally
}

/// The steps that BuildKit runs in the workspace of now after it built the one of `then`, with a cache of their own.
fn differ(workspace: &Workspace, then: &Utf8Path, image: &str, salt: &str) -> Vec<String> {
    let mut last = Vec::new();
    for root in [then, then, &workspace.root] {
        for &one in workspace.images {
            let ran = build(workspace, root, one, salt).unwrap_or_default();
            if one == image {
                last = ran;
                break;
            }
        }
    }
    last
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

fn copy_all(from: &Utf8Path, to: &Utf8Path) {
    let done = std::process::Command::new("cp").args(["-a", from.as_str(), to.as_str()]).status();
    assert!(done.unwrap().success());
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

fn reference(workspace: &Workspace, image: &str) -> String {
    format!("{REGISTRY}/{}/{image}", workspace.name)
}

/// The steps that BuildKit ran; nothing where it refused.
fn build(workspace: &Workspace, root: &Utf8Path, image: &str, salt: &str) -> Option<Vec<String>> {
    let file = |suffix: &str| root.join(image).join(format!("Dockerfile{suffix}"));
    let text = std::fs::read_to_string(file("")).unwrap().replace(sound::SALT, salt);
    std::fs::write(file(".salted"), text).unwrap();
    let _ = std::fs::remove_file(file(".salted.dockerignore"));
    if file(".dockerignore").exists() {
        std::fs::copy(file(".dockerignore"), file(".salted.dockerignore")).unwrap();
    }
    let mut args: Vec<String> =
        ["buildx", "build", "--progress=rawjson"].map(str::to_owned).to_vec();
    args.extend(workspace.build_args());
    args.push(format!("--build-context=data={root}/data"));
    // The child starts from the parent; nobody needs the child.
    args.push(match image {
        "parent" => format!("--output=type=docker,name={}", reference(workspace, image)),
        _ => "--output=type=cacheonly".to_owned(),
    });
    args.push(format!("-f={}", file(".salted")));
    args.push(format!("{root}/ctx"));
    let said = docker(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
    if !said.success {
        return None;
    }
    // A vertex is told of several times; once completed, `cached` holds.
    let mut vertices: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for value in serde_json::Deserializer::from_str(&said.stderr).into_iter::<serde_json::Value>() {
        let Ok(value) = value else { break };
        for vertex in value["vertexes"].as_array().into_iter().flatten() {
            if vertex["completed"].is_null() {
                continue;
            }
            let text = |key: &str| vertex[key].as_str().unwrap_or_default().to_owned();
            let is_cached = vertex["cached"].as_bool().unwrap_or_default();
            vertices.insert(text("digest"), (text("name"), is_cached));
        }
    }
    assert!(!vertices.is_empty(), "no progress was read:\n{}", said.stderr);
    let is_step = |name: &str| {
        name.starts_with('[')
            && !name.starts_with("[internal]")
            && !name.starts_with("[context ")
            && !name.contains("] FROM ")
    };
    Some(
        vertices
            .into_values()
            .filter(|(name, is_cached)| is_step(name) && !is_cached)
            .map(|(name, _)| name)
            .collect(),
    )
}
