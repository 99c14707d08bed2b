//! pixi's locks: against the double for arguments, order and environment, and against a real pixi where there is one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use expect_test::expect;

use super::double::Double;
use super::engines::not_run;
use super::tree;
use super::workspace::{Workspace, workspace};

const OLD: &str = "- conda: https://c/linux-64/torch-2.5.1-h_0.conda\n";

/// One image with a stale lock, one whose manifest cannot be solved, one with a lock that agrees.
fn three() -> Workspace {
    workspace()
        .image("stale", "[pixi]\ncuda = \"12.6\"\n", "FROM scratch\nCOPY pixi.lock /\n")
        .file("stale/pixi.toml", "# stale\n[workspace]\nname = \"stale\"\n")
        .file("stale/pixi.lock", OLD)
        .image(
            "broken",
            "[facts]\ntoolkit = \"13.0\"\n[pixi]\ncuda = \"{{ toolkit }}\"\n",
            "FROM scratch\nCOPY pixi.lock /\n",
        )
        .file("broken/pixi.toml", "# broken\n[workspace]\nname = \"broken\"\n")
        .file("broken/pixi.lock", OLD)
        .image("fresh", "", "FROM scratch\nCOPY pixi.lock /\n")
        .file("fresh/pixi.toml", "[workspace]\nname = \"fresh\"\n")
        .file("fresh/pixi.lock", OLD)
        .image("child", "", "FROM ghcr.io/acme/stale\n")
        .file(".gitignore", "/target/\n")
        .committed()
}

fn lock(workspace: &Workspace, image: &str) -> String {
    fs::read_to_string(workspace.root().join(image).join("pixi.lock")).unwrap()
}

#[test]
fn one_is_locked_one_fails_as_it_was_one_agrees() {
    let (three, double) = (three(), Double::new("0.77.0"));
    let said = double.run(&three, &["--jobs=1"]);
    assert_eq!(said.status, 1);
    expect![[r#"
        image  of       name   change    from   to     where
        stale  package  torch  upgraded  2.5.1  2.6.0  default/linux-64
        to be built again: stale, child
    "#]]
    .assert_eq(&said.stdout);
    let double_is = double.program().display().to_string();
    expect![[r#"
        broken/pixi.lock: failed
        fresh/pixi.lock: up to date
        stale/pixi.lock: updated, 1 change
        error: broken/pixi.lock (broken) is as it was:
          Error: no candidates were found for torch 9.*
          (`CONDA_OVERRIDE_CUDA=13.0 PIXI lock --manifest-path=ROOT/broken/pixi.toml --json`)
    "#]]
    .assert_eq(&said.stderr.replace(&double_is, "PIXI"));
    assert_eq!(lock(&three, "broken"), OLD);
    assert_eq!(lock(&three, "fresh"), OLD);
    assert!(lock(&three, "stale").contains("2.6.0"));
    // CUDA differs by image, and is not there where none is written.
    expect![[r#"
        broken: lock --manifest-path=ROOT/broken/pixi.toml --json cuda=13.0
        fresh: lock --manifest-path=ROOT/fresh/pixi.toml --json cuda=
        stale: lock --manifest-path=ROOT/stale/pixi.toml --json cuda=12.6
    "#]]
    .assert_eq(&double.calls(three.root()));
}

#[test]
fn a_change_as_it_stands_in_a_pull_request() {
    let (three, double) = (three(), Double::new("0.77.0"));
    let said = double.run(&three, &["--quiet", "--format=markdown", "stale"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    expect![[r#"
        ### Locks

        | image | name | change | from | to |
        | --- | --- | --- | --- | --- |
        | stale | `torch` (default/linux-64) | upgraded | `2.5.1` | `2.6.0` |

        To be built again: `stale`, `child`.
    "#]]
    .assert_eq(&said.stdout);
    assert_eq!(said.stderr, "");
}

#[test]
fn a_check_leaves_the_tree_as_it_was() {
    let (three, double) = (three(), Double::new("0.77.0"));
    let before = tree(three.root());
    let said = double.run(&three, &["--check"]);
    assert_eq!(said.status, 1);
    assert!(tree(three.root()) == before, "something is another one, or has another date");
    assert!(said.stdout.contains("torch"), "{}", said.stdout);
    assert!(
        said.stderr.contains("stale/pixi.lock is stale\n  mend: cargo xtask lock-update\n"),
        "{}",
        said.stderr
    );
    let calls = double.calls(three.root());
    assert_eq!(calls.matches("lock --manifest-path=ROOT/").count(), 3);
    assert_eq!(calls.matches("--check --json --dry-run").count(), 3, "{calls}");
    // All good: status 0.
    let said = double.run(&three, &["--check", "--only=pixi", "fresh"]);
    assert_eq!((said.status, said.stdout.as_str()), (0, ""), "{}", said.stderr);
    assert!(tree(three.root()) == before);
    let git = std::process::Command::new("git")
        .args(["status", "--porcelain"])
        .current_dir(three.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&git.stdout), "");
}

#[test]
fn manifests_are_solved_after_those_they_need_by_path() {
    let manifest = |comment: &str, path: &str| {
        format!(
            "{comment}\n[workspace]\nname = \"x\"\n[dependencies]\nx = {{ path = \"{path}\" }}\n"
        )
    };
    let workspace = workspace()
        .image("a", "", "FROM scratch\n")
        .file("a/pixi.toml", &manifest("", "../c"))
        .image("b", "", "FROM scratch\n")
        .file("b/pixi.toml", "# broken\n")
        .image("c", "", "FROM scratch\n")
        .file("c/pyproject.toml", "[tool.pixi.workspace]\nname = \"c\"\n")
        .image("d", "", "FROM scratch\n")
        .file("d/pixi.toml", &manifest("", "../b"))
        .image("e", "", "FROM scratch\n")
        .file("e/pyproject.toml", "[project]\nname = \"of another tool\"\n");
    let double = Double::new("0.77.0");
    let said = double.run(&workspace, &["--jobs=4"]);
    assert_eq!(said.status, 1);
    let order = double.order();
    let at = |line: &str| order.iter().position(|one| one == line);
    assert!(at("end c").unwrap() < at("begin a").unwrap(), "{order:?}");
    assert_eq!(at("begin d"), None, "what it needs failed");
    assert_eq!(at("begin e"), None);
    assert!(
        said.stderr.contains("not tried: it depends by path on b/pixi.lock, which failed"),
        "{}",
        said.stderr
    );

    let circle = workspace.file("c/pixi.toml", &manifest("", "../a"));
    let said = double.run(&circle, &[]);
    assert_eq!(said.status, 2);
    expect![[r#"
        error: pixi manifests depend on each other by path: a → c → a
          mend: remove one of the paths
    "#]]
    .assert_eq(&said.stderr);
}

#[test]
fn what_moves_is_named() {
    let three = three()
        .file("stale/image.toml", "[pixi]\nenvironment = \"ml\"\n")
        .file("broken/pixi.lock", "")
        .file("fresh/pixi.toml", "[workspace]\n");
    let double = Double::new("0.77.0");
    let said = double.run(&three, &["stale", "broken", "--upgrade", "torch"]);
    assert_eq!(said.status, 1, "{}", said.stderr);
    let said = double.run(&three, &["fresh", "--upgrade"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    // One whose lock does not hold the package is only made to agree.
    expect![[r#"
        broken: lock --manifest-path=ROOT/broken/pixi.toml --json cuda=13.0
        fresh: update --manifest-path=ROOT/fresh/pixi.toml --json cuda=
        stale: update --manifest-path=ROOT/stale/pixi.toml --environment=ml --json -- torch cuda=
    "#]]
    .assert_eq(&double.calls(three.root()));
    let said = double.run(&three, &["fresh", "--upgrade=numpy"]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("no lock of these images holds a package or base of this name"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_pixi_that_is_too_old_is_refused_with_the_version_that_is_needed() {
    let three = three();
    for (version, args, needed) in [
        ("0.40.3", &[][..], "`pixi lock` came with 0.41.0"),
        ("0.63.2", &["--check"][..], "`pixi lock --dry-run` came with 0.64.0"),
    ] {
        let double = Double::new(version);
        let said = double.run(&three, args);
        assert_eq!(said.status, 2);
        assert!(said.stderr.contains(needed), "{}", said.stderr);
        assert_eq!(double.calls(three.root()), "");
    }
    let said = Double::new("0.63.2").run(&three, &["fresh"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
}

#[test]
fn an_interrupted_solve_leaves_its_lock_as_it_was() {
    let images = workspace()
        .image("slow", "", "FROM scratch\n")
        .file("slow/pixi.toml", "# slow\n[workspace]\n")
        .file("slow/pixi.lock", OLD);
    let double = Double::new("0.77.0");
    let before = tree(images.root());
    let pixi = format!("--pixi={}", double.program().display());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["lock-update", "--quiet", &pixi])
        .current_dir(images.root())
        .env("GIT_CEILING_DIRECTORIES", images.root().parent().unwrap())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while lock(&images, "slow") == OLD {
        assert!(Instant::now() < end, "pixi never began to write");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(tree(images.root()) == before);
}

#[test]
fn a_lock_that_a_fact_reads_is_made_although_it_is_missing() {
    let workspace = workspace()
        .image(
            "new",
            "tags = [\"torch{{ torch }}\"]\n[facts]\ntorch = { pixi-lock = \"torch\" }\n",
            "FROM scratch\n",
        )
        .file("new/pixi.toml", "# stale\n[workspace]\n");
    assert_eq!(workspace.run(&["plan"]).status, 2);
    let said = Double::new("0.77.0").run(&workspace, &["--quiet"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(workspace.read(&["tags"]).contains("torch2.6.0"));
}

/// The real pixi: `DOCKYARD_TEST_PIXI`, else the one on `PATH`.
fn real() -> Option<PathBuf> {
    let given = std::env::var_os("DOCKYARD_TEST_PIXI").map(PathBuf::from);
    let pixi = given.or_else(|| which::which("pixi").ok());
    if pixi.is_none() {
        not_run_without_pixi();
    }
    pixi
}

/// An engine may be required where pixi is not.
fn not_run_without_pixi() {
    if std::env::var_os("DOCKYARD_REQUIRE_PIXI").is_some() {
        not_run("there is no pixi");
        panic!("DOCKYARD_REQUIRE_PIXI is set, and there is no pixi");
    }
    eprintln!("not run: there is no pixi on PATH, and DOCKYARD_TEST_PIXI names none");
}

/// A channel of packages without content: name, version, and what each depends on.
fn channel(folder: &Path, packages: &[(&str, &str, &[&str])]) {
    let mut entries = String::new();
    for (name, version, depends) in packages {
        let comma = if entries.is_empty() { "" } else { "," };
        write!(
            entries,
            "{comma}\"{name}-{version}-0.conda\":{{\"name\":\"{name}\",\"version\":\"{version}\",\"build\":\"0\",\
             \"build_number\":0,\"depends\":{depends:?},\"subdir\":\"noarch\",\"noarch\":\"generic\",\"size\":1,\
             \"md5\":\"{:032x}\",\"sha256\":\"{:064x}\"}}",
            entries.len(),
            entries.len()
        )
        .unwrap();
    }
    for (subdir, entries) in [("noarch", entries.as_str()), ("linux-64", "")] {
        let folder = folder.join(subdir);
        fs::create_dir_all(&folder).unwrap();
        let repodata = format!(
            "{{\"info\":{{\"subdir\":\"{subdir}\"}},\"packages\":{{}},\"packages.conda\":{{{entries}}},\"repodata_version\":1}}"
        );
        fs::write(folder.join("repodata.json"), repodata).unwrap();
    }
}

#[test]
fn a_real_pixi() {
    let Some(pixi) = real() else { return };
    let channels = tempfile::tempdir().unwrap();
    let url = format!("file://{}", channels.path().display());
    let manifest = |name: &str, needs: &str| {
        format!(
            "[workspace]\nname = \"{name}\"\nchannels = [\"{url}\"]\nplatforms = [\"linux-64\"]\n[dependencies]\n{needs}\n"
        )
    };
    channel(channels.path(), &[("torch", "2.5.1", &["zlib"]), ("zlib", "1.3.0", &[])]);
    let dockerfile = "FROM scratch\nCOPY pixi.lock /\n";
    let images = workspace()
        .image("broken", "[pixi]\ncuda = \"13.0\"\n", dockerfile)
        .file("broken/pixi.toml", &manifest("broken", "torch = \"*\""))
        .image("fresh", "", dockerfile)
        .file("fresh/pixi.toml", &manifest("fresh", "zlib = \"1.*\""))
        .image("stale", "[pixi]\ncuda = \"12.6\"\n", dockerfile)
        .file("stale/pixi.toml", &manifest("stale", "torch = \"*\""))
        .file(".gitignore", "/target/\n.pixi/\n");
    let pixi = format!("--pixi={}", pixi.display());
    let run = |args: &[&str]| images.run(&[&["lock-update", pixi.as_str()], args].concat());
    let said = run(&[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let added = |image: &str| said.stdout.lines().filter(|line| line.starts_with(image)).count();
    assert_eq!((added("broken"), added("fresh"), added("stale")), (2, 1, 2), "{}", said.stdout);

    // Newer packages are there. What is locked stays; of two manifests, one wants more, and one what there is not.
    channel(
        channels.path(),
        &[
            ("torch", "2.5.1", &["zlib"]),
            ("torch", "2.6.0", &["zlib >=1.3.1"]),
            ("zlib", "1.3.0", &[]),
            ("zlib", "1.3.1", &[]),
        ],
    );
    let images = images
        .file("broken/pixi.toml", &manifest("broken", "torch = \"9.*\""))
        .file("stale/pixi.toml", &manifest("stale", "torch = \">=2.6\""))
        .committed();
    let run = |args: &[&str]| images.run(&[&["lock-update", pixi.as_str()], args].concat());
    let before = tree(images.root());
    let checked = run(&["--check"]);
    assert_eq!(checked.status, 1);
    assert!(tree(images.root()) == before, "the check changed something");
    assert!(checked.stderr.contains("stale/pixi.lock is stale"), "{}", checked.stderr);
    assert!(checked.stderr.contains("fresh/pixi.lock: up to date"), "{}", checked.stderr);

    let said = run(&[]);
    assert_eq!(said.status, 1);
    expect![[r#"
        image  of       name   change    from   to     where
        stale  package  torch  upgraded  2.5.1  2.6.0  default/linux-64
        stale  package  zlib   upgraded  1.3.0  1.3.1  default/linux-64
        to be built again: stale
    "#]]
    .assert_eq(&said.stdout);
    assert!(said.stderr.contains("broken/pixi.lock (broken) is as it was"), "{}", said.stderr);
    assert!(
        said.stderr.contains("No candidates were found for"),
        "pixi's own words: {}",
        said.stderr
    );
    let now = tree(images.root());
    for lock in ["broken/pixi.lock", "fresh/pixi.lock"] {
        let path = images.root().join(lock);
        assert!(now[&path].1 == before[&path].1, "{lock}");
    }

    // Only what is asked for moves on its own.
    let said = run(&["fresh", "--upgrade", "--format=markdown"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    expect![[r#"
        ### Locks

        | image | name | change | from | to |
        | --- | --- | --- | --- | --- |
        | fresh | `zlib` (default/linux-64) | upgraded | `1.3.0` | `1.3.1` |

        To be built again: `fresh`.
    "#]]
    .assert_eq(&said.stdout);
}
