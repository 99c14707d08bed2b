//! `test`, and what probes find, on a real engine.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use dockyard::engine::Builder;
use dockyard::execute::test::{NotObserved, Observed, Subject, Tester};
use dockyard::reference::Platform;
use dockyard::workspace::{Target, Workspace};
use lab::{Lab, Said, succeed, wait_until};
use serde_json::Value;

const FROM_BASE: &str = "FROM registry.invalid/lab/base\n";
/// Serves the folder `/w`, in which there is `health`.
const SERVES: &str = "FROM registry.invalid/lab/base\nRUN mkdir /w && echo fine > /w/health\n\
    CMD [\"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/w\"]\n";

fn lab() -> Option<Lab> {
    Lab::with_base(engines::containerd()?)
}

/// `test --json` of the images, which must end with `status`: each image's result by `id`.
fn test(lab: &Lab, args: &[&str], status: i32) -> (BTreeMap<String, Value>, String) {
    let said = lab.say(&[&["test", "--json"], args].concat());
    assert_eq!(said.status, Some(status), "{said}");
    (lab::images(&said), said.stderr)
}

/// The containers of images called `id`, whatever became of them.
fn containers(lab: &Lab, id: &str) -> Vec<String> {
    let said = lab.docker(&["ps", "--all", "--format={{.Image}} {{.Status}}"]);
    assert_eq!(said.status, Some(0), "{said}");
    said.stdout
        .lines()
        .filter(|line| line.starts_with(&format!("{id}:")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn commands_pass_by_status_text_user_and_environment() {
    let Some(lab) = lab() else { return };
    let toml = r#"
[test]
run = [
    ["true"],
    { cmd = ["sh", "-c", "echo $GREETING from $(id -u)"], expect = "hello, you from 1234", env = { GREETING = "hello, you" }, user = "1234" },
    { cmd = ["sh", "-c", "echo to stderr >&2; exit 3"], expect = "to stderr", status = 3 },
    { cmd = ["cat", "/work/image/in-checkout"], expect = "the checkout" },
    { cmd = ["sh", "-c", "pwd; touch here"], expect = "Read-only file system", status = 1 },
    { cmd = ["echo", "$HOME; *", "--", "-n"], expect = "$HOME; * -- -n" },
    { cmd = ["/bin/echo", "bare"], entrypoint = false, expect = "bare" },
]
mount = "/"
[limits]
size = "10MB"
"#;
    let dockerfile = "FROM registry.invalid/lab/base\nENTRYPOINT [\"/bin/sh\", \"-c\", \"echo entered; exec \\\"$0\\\" \\\"$@\\\"\"]\n";
    lab.image("image", toml, dockerfile);
    lab.file("image/in-checkout", "the checkout\n");
    let (images, stderr) = test(&lab, &["image"], 0);
    assert_eq!(images["image"]["status"], "passed", "{stderr}");
    assert_eq!(images["image"]["checks"].as_array().unwrap().len(), 8, "{:#}", images["image"]);
    let log = images["image"]["log"].as_str().unwrap();
    assert_eq!(
        log,
        "target/dockyard/logs/image.test.linux-amd64.log".replace("linux-amd64", &native())
    );
    let log = std::fs::read_to_string(lab.root().join(log)).unwrap();
    assert_eq!(log.matches("entered").count(), 6, "{log}");
    // What the checkout decides is found out each time.
    assert_eq!(test(&lab, &["image"], 0).0["image"]["kept"], false);
    assert_eq!(containers(&lab, "image"), [""; 0]);
}

fn native() -> String {
    engines::containerd().unwrap().engine.platform.slug()
}

#[test]
fn failures_are_told_with_what_was_said_and_not_kept() {
    let Some(lab) = lab() else { return };
    let toml = r#"
[test]
run = [
    ["sh", "-c", "echo the reason; exit 1"],
    { cmd = ["echo", "something else"], expect = "nbconvert" },
    ["no-such-program"],
    { cmd = ["sleep", "600"], timeout = "1s" },
    ["true"],
]
[limits]
size = "1kB"
"#;
    lab.image("failing", toml, FROM_BASE);
    for _ in 0..2 {
        let (images, stderr) = test(&lab, &["failing"], 1);
        let failing = &images["failing"];
        let checks = failing["checks"].as_array().unwrap();
        let statuses: Vec<&str> =
            checks.iter().map(|check| check["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["failed", "failed", "failed", "failed", "failed", "passed"]);
        for told in [
            "the reason",
            "it ended with status 1, not 0",
            "it did not say \"nbconvert\"",
            "something else",
            "executable file not found",
            "it did not end within 1.0 s",
            "are more than 1kB",
            "failing.test.",
        ] {
            assert!(stderr.contains(told), "{told}\n{stderr}");
        }
    }
    assert_eq!(containers(&lab, "failing"), [""; 0]);
}

#[test]
fn what_has_passed_is_tested_again_only_when_something_changed() {
    let Some(lab) = lab() else { return };
    let toml = "[test]\nrun = [[\"true\"]]\n";
    lab.image("kept", toml, FROM_BASE);
    let kept = |args: &[&str]| test(&lab, &[&["kept"], args].concat(), 0).0["kept"]["kept"] == true;
    assert!(!kept(&[]));
    assert!(kept(&[]));
    assert!(!kept(&["--force"]));
    // Another test of the same image.
    lab.image("kept", "[test]\nrun = [[\"true\", \"again\"]]\n", FROM_BASE);
    assert!(!kept(&[]));
    assert!(kept(&[]));
    // The same test of another image.
    lab.image("kept", toml, &format!("{FROM_BASE}RUN echo x > /x\n"));
    assert!(!kept(&[]));
    // And the earlier test again, of the same image as then: nothing is built anew for it.
    lab.image("kept", toml, FROM_BASE);
    let _either = kept(&[]);
    assert!(kept(&[]));
}

#[test]
fn health_is_asked_for_until_it_is_there_or_cannot_come() {
    let Some(lab) = lab() else { return };
    let http = |path: &str, timeout: &str| {
        format!("[test]\nhttp = {{ port = 80, path = \"{path}\", timeout = \"{timeout}\" }}\n")
    };
    lab.image("healthy", &http("/health", "60s"), SERVES);
    let slow = "CMD [\"sh\", \"-c\", \"sleep 1; exec httpd -f -p 80 -h /w\"]\n";
    lab.image("slow", &http("/health", "60s"), &format!("{SERVES}{slow}"));
    lab.image("missing", &http("/nothing", "2s"), SERVES);
    let early = "CMD [\"sh\", \"-c\", \"echo no configuration; exit 7\"]\n";
    lab.image("early", &http("/health", "60s"), &format!("{SERVES}{early}"));
    let silent = "CMD [\"sh\", \"-c\", \"echo waiting; sleep 600\"]\n";
    lab.image("silent", &http("/health", "2s"), &format!("{SERVES}{silent}"));
    let start = Instant::now();
    let ids = ["healthy", "slow", "missing", "early", "silent"];
    let (images, stderr) = test(&lab, &[&ids[..], &["--keep-going"]].concat(), 1);
    assert!(start.elapsed() < Duration::from_secs(50), "who ends early is not waited for");
    for (id, status, reason) in [
        ("healthy", "passed", ""),
        ("slow", "passed", ""),
        ("missing", "failed", "not healthy within 2.0 s: GET /nothing on port 80: status 404"),
        ("early", "failed", "the container ended with status 7 before it was healthy"),
        ("silent", "failed", "not healthy within 2.0 s"),
    ] {
        assert_eq!(images[id]["status"], status, "{id}: {stderr}");
        let check = &images[id]["checks"][0];
        assert!(check["reason"].as_str().unwrap_or_default().starts_with(reason), "{check}");
    }
    assert!(stderr.contains("| no configuration") && stderr.contains("| waiting"), "{stderr}");
    for id in ids {
        assert_eq!(containers(&lab, id), [""; 0]);
    }
}

/// Starts `test` of an image whose test never ends, and waits until its container runs.
fn endless(lab: &Lab, id: &str) -> std::process::Child {
    lab.image(
        id,
        "[test]\nrun = [[\"sh\", \"-c\", \"trap '' TERM INT; echo on; sleep 600\"]]\n",
        FROM_BASE,
    );
    assert_eq!(lab.build(&[id], 0)[id]["status"], "built");
    let child = lab.xtask(&["test", id]).process_group(0).spawn().unwrap();
    wait_until("the container runs", Duration::from_mins(1), || {
        containers(lab, id).iter().any(|line| line.contains(" Up "))
    });
    child
}

#[test]
fn ctrl_c_removes_the_container() {
    let Some(lab) = lab() else { return };
    let child = endless(&lab, "interrupted");
    let start = Instant::now();
    // As a terminal does: to the whole group, the docker program included.
    succeed(Command::new("kill").args(["-s", "INT", "--", &format!("-{}", child.id())])).unwrap();
    let said = Said::of_child(child);
    assert_eq!(said.status, Some(130), "{said}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(containers(&lab, "interrupted"), [""; 0]);
    assert!(lab::files(&lab.root().join("target/dockyard/tests")).is_empty());
}

#[test]
fn the_next_run_removes_what_a_killed_one_left() {
    let Some(lab) = lab() else { return };
    let mut child = endless(&lab, "killed");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(containers(&lab, "killed").len(), 1);
    // A run that lives keeps its containers.
    let living = endless(&lab, "living");
    lab.image("other", "[test]\nrun = [[\"true\"]]\n", FROM_BASE);
    test(&lab, &["other"], 0);
    assert_eq!(containers(&lab, "killed"), [""; 0]);
    assert_eq!(containers(&lab, "living").len(), 1);
    succeed(Command::new("kill").args(["-s", "TERM", "--", &living.id().to_string()])).unwrap();
    assert_eq!(Said::of_child(living).status, Some(130));
    assert_eq!(containers(&lab, "living"), [""; 0]);
}

#[test]
fn without_a_gpu_an_optional_test_is_not_run_and_a_required_one_fails() {
    let Some(lab) = lab() else { return };
    let runtimes = lab.docker(&["info", "--format={{json .Runtimes}}"]);
    if runtimes.stdout.contains("nvidia") || std::path::Path::new("/dev/nvidiactl").exists() {
        engines::not_run("this machine has a GPU");
        return;
    }
    lab.image(
        "optional",
        "[test]\nrun = [[\"true\"]]\ngpus = \"optional\"\n[limits]\nsize = \"9MB\"\n",
        FROM_BASE,
    );
    lab.image("required", "[test]\nrun = [[\"true\"]]\ngpus = \"required\"\n", FROM_BASE);
    for _ in 0..2 {
        let (images, stderr) = test(&lab, &["optional"], 0);
        let optional = &images["optional"];
        assert_eq!((&optional["status"], &optional["kept"]), (&"not run".into(), &false.into()));
        assert_eq!(optional["checks"][0]["status"], "passed", "the size needs no GPU");
        assert!(stderr.contains("the engine has no GPU"), "{stderr}");
    }
    let (images, stderr) = test(&lab, &["required"], 1);
    assert_eq!(images["required"]["status"], "failed");
    assert!(stderr.contains("requires a GPU") && stderr.contains("device driver"), "{stderr}");
}

#[test]
fn a_platform_that_cannot_run_here_is_not_run() {
    let Some(lab) = lab() else { return };
    let both = "platforms = [\"linux/amd64\", \"linux/s390x\"]\n";
    lab.image(
        "both",
        &format!("{both}[test]\nrun = [[\"/true\"]]\n"),
        "FROM scratch\nCOPY image.toml /\n",
    );
    let said = lab.say(&["test", "both", "--platform=linux/s390x", "--json"]);
    let images = lab::images(&said);
    if images["both"]["checks"][0]["reason"]
        .as_str()
        .is_some_and(|why| why.contains("could not start"))
    {
        engines::not_run("this machine emulates s390x");
        return;
    }
    assert_eq!((said.status, &images["both"]["status"]), (Some(0), &"not run".into()), "{said}");
    assert!(said.stderr.contains("has no emulator for linux/s390x"), "{said}");
}

#[test]
fn the_classic_store_tells_no_compressed_size() {
    let Some(engine) = engines::classic() else { return };
    let Some(lab) = Lab::with_base(engine) else { return };
    lab.image("small", "[limits]\nsize = \"1GB\"\n", FROM_BASE);
    lab.image("large", "[limits]\nsize = \"1kB\"\n", FROM_BASE);
    let (images, stderr) = test(&lab, &["small", "large"], 0);
    assert_eq!(images["small"]["status"], "passed", "less even without compression: {stderr}");
    assert_eq!(images["large"]["status"], "not run");
    assert!(stderr.contains("`push` measures it"), "{stderr}");
}

/// What is observed in the built image `id`, on each of `platforms`.
fn observe(lab: &Lab, id: &str, platforms: &[&str]) -> anyhow::Result<Observed> {
    let workspace = Workspace::load(lab.root()).unwrap().workspace;
    let target: &Target = workspace.targets.iter().find(|target| target.id.as_str() == id).unwrap();
    let engine = &lab.test.engine;
    let name = format!("{id}:dev");
    let identity = engine.image(&name).unwrap().unwrap().id;
    let platforms: Vec<Platform> = if platforms.is_empty() {
        vec![engine.platform.clone()]
    } else {
        platforms.iter().map(|platform| platform.parse().unwrap()).collect()
    };
    let subject = |platform| Subject {
        target,
        platform,
        reference: &name,
        identity: &identity,
        fetch: false,
        size: None,
        alone: platforms.len() == 1,
    };
    let subjects: Vec<Subject<'_>> = platforms.iter().map(subject).collect();
    Tester::new(engine, lab.root()).unwrap().observe(&subjects)
}

/// Builds `id` with these facts, and observes them.
fn facts(
    lab: &Lab,
    id: &str,
    facts: &str,
    dockerfile: &str,
) -> Result<BTreeMap<String, String>, String> {
    lab.image(id, &format!("[facts]\n{facts}\n"), dockerfile);
    lab.build(&[id], 0);
    let observed = observe(lab, id, &[]);
    assert_eq!(containers(lab, id), [""; 0]);
    observed.map(|observed| observed.facts).map_err(|error| {
        error.downcast_ref::<NotObserved>().expect("the probe's fault").to_string()
    })
}

const TORCH: &str = "FROM registry.invalid/lab/base\n\
    RUN printf '#!/bin/sh\\necho 2.6.0+cu126\\n' > /bin/python && chmod +x /bin/python\n\
    RUN mkdir -p /etc /usr/lib && echo 'VERSION_CODENAME=jammy' > /usr/lib/os-release && ln -s ../usr/lib/os-release /etc/os-release\n";
const PROBES: &str = "torch = { probe = [\"python\", \"-c\", \"import torch\"], match = '^(\\d+\\.\\d+)' }\n\
    distro = { os-release = \"VERSION_CODENAME\" }\nwho = { probe = [\"id\", \"-un\"], match = '.*' }\n";

#[test]
fn probes_and_os_release_give_facts_for_tags() {
    let Some(lab) = lab() else { return };
    let probes = PROBES.replace("id\", \"-un", "hostname\", \"-i");
    let found = facts(&lab, "torch", &probes, TORCH).unwrap();
    assert_eq!((found["torch"].as_str(), found["distro"].as_str()), ("2.6", "jammy"));
    assert!(!found["who"].is_empty());
    // Kept by digest and probes: with the engine's image gone, the answer is still there.
    let kept = lab::files(&lab.root().join("target/dockyard/facts"));
    assert_eq!(kept.len(), 1);
    let log = lab.root().join(format!("target/dockyard/logs/torch.facts.{}.log", native()));
    std::fs::remove_file(&log).unwrap();
    assert_eq!(observe(&lab, "torch", &[]).unwrap().facts, found);
    assert!(!log.exists(), "it was asked again");
    // The tag that they make.
    let workspace = Workspace::load(lab.root()).unwrap().workspace;
    let mut known = dockyard::tags::Facts::default();
    known.set("version", "0.2.2");
    for (name, value) in &found {
        known.set(name, value);
    }
    let place = workspace.targets[0].place.clone();
    let value = "jlab-{{ version }}-torch{{ torch }}-{{ distro }}".to_owned();
    let template = dockyard::workspace::Placed { value, place };
    let tag = dockyard::tags::render(&template, &known).unwrap().text;
    assert_eq!(tag, "jlab-0.2.2-torch2.6-jammy");
}

/// Without `sleep`, each probe has a container of its own; through the entry point or not, both ways say the same.
#[test]
fn an_image_without_a_program_that_waits_answers_too() {
    let Some(lab) = lab() else { return };
    let probes =
        "a = { probe = [\"one\"] }\nb = { probe = [\"/bin/echo\", \"two\"], entrypoint = false }\n";
    let entry = "ENTRYPOINT [\"/bin/echo\", \"entry\"]\n";
    let expected = BTreeMap::from([("a", "entry one"), ("b", "two")]);
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let waits = facts(&lab, "waits", probes, &format!("{FROM_BASE}{entry}")).unwrap();
    assert_eq!(waits, expected);
    let bare = format!("{FROM_BASE}RUN rm /bin/sleep\n{entry}");
    assert_eq!(facts(&lab, "bare", probes, &bare).unwrap(), expected);
}

#[test]
fn a_probe_without_an_answer_is_named() {
    let Some(lab) = lab() else { return };
    for (id, fact, told) in [
        ("empty", "f = { probe = [\"true\"] }", "the fact `f`: the probe `true` of"),
        (
            "failing-probe",
            "f = { probe = [\"sh\", \"-c\", \"echo 1; exit 4\"] }",
            "ended with status 4",
        ),
        ("absent", "f = { probe = [\"python\", \"-V\"] }", "the probe `python -V` of"),
        ("chatty", "f = { probe = [\"printf\", \"a\\\\nb\\\\n\"] }", "says 2 lines"),
        (
            "no-match",
            "f = { probe = [\"echo\", \"torchvision 1\"], match = '^torch (.*)' }",
            "does not match",
        ),
        ("no-key", "f = { os-release = \"NOPE\" }", "NOPE in /etc/os-release of"),
    ] {
        let why = facts(&lab, id, fact, FROM_BASE).unwrap_err();
        assert!(why.contains(told) && why.starts_with(&format!("{id}/image.toml:2:5:")), "{why}");
    }
    assert!(!lab.root().join("target/dockyard/facts").exists(), "no failure is kept");
}

/// The engine reads files of an image that it cannot run.
#[test]
fn two_platforms_agree_or_both_are_named() {
    let Some(lab) = lab() else { return };
    let platforms = ["linux/amd64", "linux/arm64"];
    let toml = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[facts]\ndistro = { os-release = \"ID\" }\n";
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY os-release.$TARGETARCH /etc/os-release\n";
    let write = |amd: &str, arm: &str| {
        lab.image("pair", toml, dockerfile);
        lab.file("pair/os-release.amd64", &format!("ID={amd}\n"));
        lab.file("pair/os-release.arm64", &format!("ID={arm}\n"));
        lab.build(&["pair", "--all-platforms"], 0);
    };
    write("debian", "debian");
    assert_eq!(observe(&lab, "pair", &platforms).unwrap().facts["distro"], "debian");
    write("debian", "ubuntu");
    let why = observe(&lab, "pair", &platforms).unwrap_err().to_string();
    for told in [
        "`distro`",
        "\"debian\" on linux/amd64",
        "\"ubuntu\" on linux/arm64",
        "pair/image.toml:3:1",
    ] {
        assert!(why.contains(told), "{why}");
    }
    assert_eq!(containers(&lab, "pair"), [""; 0]);
}

/// A foreign platform's own programs run, emulated, and say what they are.
#[test]
fn emulated_tests_and_probes_are_run_for_real() {
    let Some(lab) = lab() else { return };
    let engine = &lab.test.engine;
    let builder = Builder::of_engine(engine).unwrap();
    let (foreign, machine) = match engine.platform.arch() {
        "amd64" => ("arm64", "aarch64"),
        _ => ("amd64", "x86_64"),
    };
    if !builder.builds_for(&format!("linux/{foreign}").parse().unwrap()) {
        engines::not_run(&format!("the engine has no emulator for linux/{foreign}"));
        return;
    }
    let busybox = match lab::package("busybox-static", Some(foreign)) {
        Ok(folder) => folder.join("bin/busybox"),
        Err(why) => return engines::not_run(&format!("there is no busybox of {foreign}: {why}")),
    };
    let toml = format!(
        "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[facts]\nmachine = {{ probe = [\"/bin/uname\", \"-m\"] }}\n\
         [test]\nrun = [{{ cmd = [\"/bin/uname\", \"-m\"], expect = \"{machine}\" }}]\n"
    );
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY busybox.$TARGETARCH /bin/uname\n";
    lab.image("machines", &toml, dockerfile);
    let native = engine.platform.arch();
    let copy = |from: &camino::Utf8Path, arch: &str| {
        std::fs::copy(from, lab.root().join(format!("machines/busybox.{arch}"))).unwrap();
    };
    copy(&lab.root().join("base/busybox"), native);
    copy(&busybox, foreign);
    lab.build(&["machines", "--all-platforms"], 0);
    // What each platform says of itself is another thing, and no fact.
    let why = observe(&lab, "machines", &["linux/amd64", "linux/arm64"]).unwrap_err().to_string();
    for told in ["`/bin/uname -m`", "\"x86_64\" on linux/amd64", "\"aarch64\" on linux/arm64"] {
        assert!(why.contains(told), "{why}");
    }
    let (images, stderr) = test(&lab, &["machines", &format!("--platform=linux/{foreign}")], 0);
    assert_eq!(images["machines"]["status"], "passed", "{stderr}");
    let (images, stderr) = test(&lab, &["machines", &format!("--platform=linux/{native}")], 1);
    assert_eq!(images["machines"]["status"], "failed", "{stderr}");
}

/// A link in an image leads to nothing of this machine.
#[test]
fn an_image_cannot_have_files_of_this_machine_read() {
    let Some(lab) = lab() else { return };
    let dockerfile =
        format!("{FROM_BASE}RUN mkdir -p /etc && ln -s /proc/self/environ /etc/os-release\n");
    let why = facts(&lab, "link", "f = { os-release = \"PATH\" }", &dockerfile).unwrap_err();
    assert!(why.contains("is not there") || why.contains("has no PATH"), "{why}");
}
