//! Builds from end to end: what fails, what is interrupted, what is too much, and what comes after.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/buildkitd.rs"]
mod buildkitd;
#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use buildkitd::Buildkitd;
use camino::{Utf8Path, Utf8PathBuf};
use lab::{Lab, Said, succeed, token, wait_until};

const COUNT: usize = 300;

fn lab() -> Option<Lab> {
    Lab::with_base(engines::any()?)
}

/// Ten siblings, of which `s5` fails; `c1` needs it, and `c2` needs `c1`.
fn siblings() -> Option<Lab> {
    let lab = lab()?;
    for number in 0..10 {
        let run = match number {
            5 => "echo before &&\\\n  echo the reason >&2 && exit 3".to_owned(),
            _ => format!("echo {number} > /number"),
        };
        let dockerfile =
            format!("FROM registry.invalid/lab/base\nCOPY fresh /\n# why\nRUN {run}\n");
        lab.image(&format!("s{number}"), "", &dockerfile);
        lab.file(&format!("s{number}/fresh"), &token());
    }
    lab.image("c1", "", "FROM registry.invalid/lab/s5\n");
    lab.image("c2", "", "FROM registry.invalid/lab/c1\n");
    Some(lab)
}

#[test]
fn what_does_not_depend_on_a_failure_goes_on_when_asked() {
    let Some(lab) = siblings() else { return };
    let said = lab.say(&["build", "--keep-going", "--json"]);
    assert_eq!(said.status, Some(1), "{said}");
    for (name, image) in lab::images(&said) {
        let expected = match name.as_str() {
            "s5" => "failed",
            "c1" | "c2" => "blocked",
            _ => "built",
        };
        assert_eq!(image["status"], expected, "{name}");
    }
    assert_eq!(lab.records().len(), 10, "{:?}", lab.records());

    let again = lab.statuses(&["--keep-going"], 1);
    assert_eq!(again.values().filter(|status| *status == "skipped").count(), 10, "{again:?}");
}

#[test]
fn a_failure_ends_the_run_and_tells_where_and_why() {
    let Some(lab) = siblings() else { return };
    let said = lab.say(&["build", "--jobs=1"]);
    assert_eq!(said.status, Some(1), "{said}");
    for told in [
        "RUN echo before",
        "the reason",
        "s5/Dockerfile:4",
        "target/dockyard/logs/s5.log",
        "exit code: 3",
    ] {
        assert!(said.stderr.contains(told), "{told}\n{said}");
    }
    assert!(!said.stderr.contains("✓ built s9"), "{said}");
    let records: String = lab.records().into_iter().map(Utf8PathBuf::into_string).collect();
    for name in ["s5", "s9", "c1", "c2"] {
        assert!(!records.contains(&format!("/{name}/")), "{records}");
    }
    let log = std::fs::read_to_string(lab.root().join("target/dockyard/logs/s5.log")).unwrap();
    assert!(log.contains("the reason"), "{log}");
}

/// Sends SIGINT as `kill` does with `target`, in the middle of a build of several images.
fn interrupt(number: u32, target: impl Fn(u32) -> String) {
    let Some(lab) = lab() else { return };
    // The number tells these processes from all others of this machine.
    let seconds = number + std::process::id();
    for id in ["one", "two", "three"] {
        lab.image(
            id,
            "",
            &format!("FROM registry.invalid/lab/base\nRUN : {} && sleep {seconds}\n", token()),
        );
    }
    lab.image("child", "", "FROM registry.invalid/lab/one\n");
    let mut build = lab.xtask(&["build", "--jobs=2"]);
    let child = build.process_group(0).spawn().unwrap();
    let sleeps = || processes(&format!("sleep\0{seconds}\0"));
    wait_until("two builds sleep", Duration::from_mins(1), || sleeps().len() == 2);
    let start = Instant::now();
    succeed(Command::new("kill").args(["-s", "INT", "--", &target(child.id())])).unwrap();
    let said = Said::of_child(child);
    let took = start.elapsed();
    assert_eq!(said.status, Some(130), "{said}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(processes(lab.root().as_str()), Vec::<String>::new());
    wait_until("the engine ends what ran", Duration::from_secs(15), || sleeps().is_empty());
    let records = lab.records();
    assert!(records.len() == 1 && records[0].as_str().contains("/base/"), "{records:?}");
    assert!(lab::files(&lab.root().join("target/dockyard/tmp")).is_empty());
    eprintln!("interrupted within {:.1} s", took.as_secs_f64());
}

#[test]
fn an_interrupted_process_leaves_nothing_behind() {
    interrupt(10_000_000, |process| process.to_string());
}

/// As the terminal does it at Ctrl-C.
#[test]
fn an_interrupted_group_leaves_nothing_behind() {
    interrupt(20_000_000, |process| format!("-{process}"));
}

/// The command lines that hold `part`.
fn processes(part: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.filter(|line| line.contains(part)).collect()
}

#[test]
fn three_hundred_images_are_built_to_the_end() {
    let Some(test) = engines::any() else { return };
    let lab = Lab::new(test);
    // The same names and keys at every run, so that a private engine does not fill with them.
    lab.image("root", "", "FROM scratch\nCOPY Dockerfile /\n");
    for number in 1..COUNT {
        lab.image(&format!("n{number}"), "", "FROM registry.invalid/lab/root\nCOPY Dockerfile /\n");
    }
    lab.commit();
    let start = Instant::now();
    let built = lab.statuses(&[], 0);
    let cold = start.elapsed().as_secs_f64();
    assert_eq!(built.values().filter(|status| *status == "built").count(), COUNT);
    let start = Instant::now();
    let again = lab.statuses(&[], 0);
    let warm = start.elapsed().as_secs_f64();
    assert_eq!(again.values().filter(|status| *status == "skipped").count(), COUNT);
    eprintln!("{COUNT} images: built in {cold:.1} s, found up to date in {warm:.1} s");
}

#[test]
fn a_container_gives_its_output_and_status() {
    let Some(lab) = lab() else { return };
    // An earlier run's image would be run although it is stale.
    let tool = &format!("tool-{}", &lab::token()[..8]);
    lab.image(tool, "", "FROM registry.invalid/lab/base\nENTRYPOINT [\"/bin/sh\", \"-c\"]\n");
    let said = lab.say(&["run", tool]);
    assert!(
        said.status == Some(1) && said.stderr.contains(&format!("cargo xtask build {tool}")),
        "{said}"
    );
    lab.statuses(&[tool], 0);
    let said = lab.say(&["run", tool, "--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.status, said.stdout.as_str()), (Some(7), "out\n"), "{said}");
    assert!(said.stderr.contains("err\n"), "{said}");
    lab.file("work/x", "mounted");
    let said = lab.say(&["run", tool, "--mount", "work", "--", "cat x && echo made > y && pwd"]);
    assert_eq!((said.status, said.stdout.as_str()), (Some(0), "mounted/work\n"), "{said}");
    assert_eq!(std::fs::read_to_string(lab.root().join("work/y")).unwrap(), "made\n");
    let said = lab.say(&["run", tool, "--mount", "nowhere", "--", "true"]);
    assert!(said.status == Some(2) && said.stderr.contains("nowhere"), "{said}");
}

/// A small file system in memory, gone with this value.
struct Small(Utf8PathBuf);

impl Small {
    fn mount(folder: &Utf8Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", folder.as_str()]);
        match succeed(&mut mount) {
            Ok(_) => Some(Self(folder.to_owned())),
            Err(why) => {
                engines::not_run(&format!("no small file system can be mounted: {why}"));
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_here_is_one_clear_message() {
    let Some(lab) = lab() else { return };
    let folder = lab.root().join("target/dockyard");
    let Some(_small) = Small::mount(&folder, "1m") else { return };
    let filled = std::fs::write(folder.join("filler"), vec![0; 2 << 20]);
    assert!(filled.is_err());
    let said = lab.say(&["build"]);
    assert_eq!(said.status, Some(1), "{said}");
    assert_eq!(said.stderr.to_lowercase().matches("no space left on device").count(), 1, "{said}");
    assert!(said.stderr.contains("target/dockyard"), "{said}");
    assert!(lab.records().is_empty());
}

#[test]
fn a_full_disk_of_the_builder_is_one_clear_message() {
    let Some(mut lab) = lab() else { return };
    lab.image(
        "large",
        "",
        "FROM registry.invalid/lab/base\nRUN dd if=/dev/zero of=/large bs=1M count=64\n",
    );
    let folder = tempfile::Builder::new().prefix("small-").tempdir().unwrap();
    let Some(_small) = Small::mount(Utf8Path::from_path(folder.path()).unwrap(), "32m") else {
        return;
    };
    let Some(daemon) = Buildkitd::start_in(Utf8Path::from_path(folder.path()).unwrap()) else {
        return;
    };
    lab.create_builder(&["--driver=remote", &daemon.endpoint()]);
    let said = lab.say(&["build", "--builder=apart"]);
    drop(daemon);
    assert_eq!(said.status, Some(1), "{said}");
    assert!(said.stderr.contains("no space left on device"), "{said}");
    let records = lab.records();
    assert!(!records.iter().any(|record| record.as_str().contains("/large/")), "{records:?}");
    eprintln!("{}", said.stderr);
}

#[test]
fn an_engine_that_is_too_old_is_told_with_the_mend() {
    let Some(mut lab) = lab() else { return };
    let docker = lab.root().join("target/programs/docker");
    std::fs::create_dir_all(docker.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\ncase $1 in\n\
        version) echo '{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"Os\":\"linux\",\"Arch\":\"amd64\"}';;\n\
        info) echo '{\"ID\":\"x\"}';;\n\
        buildx) echo 'github.com/docker/buildx v0.29.1 x';;\nesac\n";
    std::fs::write(&docker, script).unwrap();
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    lab.set("PATH", &format!("{}:{path}", docker.parent().unwrap()));
    lab.set("DOCKER_HOST", "tcp://127.0.0.1:9");
    let said = lab.say(&["build"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("20.10.24") && said.stderr.contains("mend:"), "{said}");
    assert!(lab.records().is_empty());
}

#[test]
fn a_platform_whose_content_is_gone_is_built_again() {
    let Some(test) = engines::newest() else { return };
    let lab = Lab::new(test);
    let platforms = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    lab.image("two", platforms, "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /content\n");
    for platform in ["amd64", "arm64"] {
        lab.file(&format!("two/{platform}"), &token());
    }
    lab.commit();
    let status = || lab.statuses(&["--all-platforms"], 0).remove("two").unwrap();
    assert_eq!(status(), "built");
    assert_eq!(status(), "skipped");
    // The index keeps its digest and its name.
    let said = lab.docker(&["image", "rm", "--force", "--platform=linux/arm64", "two:dev"]);
    if said.status != Some(0) && said.stderr.contains("--platform") {
        return engines::not_run(&format!("this engine removes no single platform: {said}"));
    }
    assert_eq!(said.status, Some(0), "{said}");
    // BuildKit's cache still counts on what was removed, so that the content comes back only without it.
    assert_eq!(status(), "built");
    let anew = lab.statuses(&["--all-platforms", "--no-cache"], 0);
    assert_eq!(anew["two"], "built");
    assert_eq!(status(), "skipped");
}
