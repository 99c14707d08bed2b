//! Builds on a real engine: events, logs, failures, and processes that are gone.
//!
//! The steps run on a substitute of `debian:trixie-slim`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use dockyard::engine::progress::{Event, Output};
use dockyard::engine::{BuildFailure, Built, Cause, Invocation, run_build};

/// A folder with a Dockerfile, and the log beside it.
struct Workbench {
    folder: tempfile::TempDir,
}

fn buildx() -> Invocation {
    engines::any().expect("there is an engine").engine.buildx()
}

impl Workbench {
    /// Nothing, said aloud, where there is no engine to test with.
    fn new(dockerfile: &str) -> Option<Self> {
        engines::any()?.debian();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("context")).unwrap();
        std::fs::write(folder.path().join("context/Dockerfile"), dockerfile).unwrap();
        Some(Self { folder })
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn log(&self) -> Utf8PathBuf {
        self.path().join("logs/deeper/build.log")
    }

    fn invocation(&self) -> Invocation {
        buildx()
            .args(["build", "--progress=rawjson", "--metadata-file"])
            .arg(self.path().join("metadata.json"))
            .arg(self.path().join("context"))
            .secret_env("TOKEN", "hunter2")
    }

    fn build(&self, more: &[&str]) -> (Vec<Event>, Result<Built, Box<BuildFailure>>) {
        let events = Mutex::new(Vec::new());
        let sink = |event: &Event| events.lock().unwrap().push(event.clone());
        let result = run_build(&self.invocation().args(more.iter().copied()), &self.log(), &sink);
        (events.into_inner().unwrap(), result)
    }

    fn read_log(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }
}

fn log_lines(events: &[Event]) -> Vec<&str> {
    let mut lines = Vec::new();
    for event in events {
        if let Event::Log { text, .. } = event {
            lines.push(text.as_str());
        }
    }
    lines
}

/// A word that no other build has, so that nothing is cached but what the test built itself.
fn unique() -> String {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}-{}", std::process::id(), time.as_nanos())
}

#[test]
fn a_build_and_the_same_again() {
    let run = format!(
        "FROM debian:trixie-slim\nRUN echo one {0}; echo two >&2\nRUN echo three {0}\n",
        unique()
    );
    let Some(bench) = Workbench::new(&run) else { return };
    let (events, built) = bench.build(&[]);
    let built = built.unwrap();
    assert_eq!((built.steps_run, built.steps_cached), (2, 0));
    assert!(built.time > Duration::ZERO && built.log_error.is_none());
    let stderr = |event: &&Event| matches!(event, Event::Log { output: Output::Stderr, .. });
    assert_eq!(events.iter().filter(stderr).count(), 1);
    assert!(log_lines(&events).iter().any(|line| line.starts_with("one ")), "{events:?}");
    // Every step that started has ended, and nothing was left as text.
    let starts = events.iter().filter(|event| matches!(event, Event::Started(_))).count();
    let ends = events.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
    assert_eq!(starts, ends);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Text(text) if text.starts_with(['{', '}'])))
    );

    let log = bench.read_log();
    let first = log.lines().next().unwrap();
    assert!(
        first.contains("TOKEN=\"$TOKEN\" ") && first.contains("buildx build --progress=rawjson "),
        "{first}"
    );
    assert!(!log.contains("hunter2"));
    assert!(log.contains("] RUN echo three "), "{log}");
    assert!(log.lines().last().unwrap().starts_with("exit status: 0 after "), "{log}");
    assert!(bench.path().join("metadata.json").exists());

    // A build of another test that ends at the same moment may cost BuildKit the memory of a shared step
    // (moby/buildkit#4674); not every time.
    let (events, built) = (0..5)
        .map(|_| bench.build(&[]))
        .map(|(events, built)| (events, built.unwrap()))
        .find(|(_, built)| built.steps_run == 0)
        .expect("nothing changed");
    assert_eq!((built.steps_run, built.steps_cached), (0, 2));
    assert!(events.iter().any(|event| matches!(event, Event::Finished { cached: true, .. })));
    assert!(bench.read_log().contains(" CACHED\n"));
}

#[test]
fn a_failing_step() {
    let run = "for i in $(seq 30); do echo line $i; done; printf 'no end' >&2; exit 7";
    let Some(bench) = Workbench::new(&format!("FROM debian:trixie-slim\n\n# before\nRUN {run}\n"))
    else {
        return;
    };
    let (_, result) = bench.build(&[]);
    let failure = result.unwrap_err();
    assert_eq!(failure.cause, Cause::Step);
    assert!(failure.step.as_deref().unwrap().starts_with("[2/2] RUN for i in"), "{failure:?}");
    assert_eq!(failure.last_lines.len(), 20);
    assert!(failure.last_lines.contains(&"line 30".to_owned()), "{failure:?}");
    assert!(failure.last_lines.contains(&"no end".to_owned()), "{failure:?}");
    let excerpt = failure.excerpt.as_ref().unwrap();
    assert_eq!((excerpt.file.as_str(), excerpt.line), ("Dockerfile", 4));
    assert!(excerpt.lines.iter().any(|line| line.contains(">>> RUN for i")), "{excerpt:?}");
    assert!(failure.summary.starts_with("process \"/bin/sh -c for i"), "{}", failure.summary);
    assert!(failure.summary.ends_with("exit code: 7"), "{}", failure.summary);
    assert_eq!(failure.log, bench.log());
    assert!(bench.read_log().contains(" ERROR: process"));
}

#[test]
fn what_buildx_refuses() {
    for (dockerfile, more, word, line) in [
        ("FROM scratch\nFOO bar\n", &[][..], "unknown instruction: FOO", Some(2)),
        ("FROM nosuch.invalid/x:1\n", &[], "nosuch.invalid/x:1", Some(1)),
        ("FROM scratch\nCOPY missing /\n", &[], "missing", Some(2)),
        ("FROM scratch\n", &["--file", "nowhere"], "nowhere", None),
        ("FROM scratch\n", &["--no-such-flag"], "unknown flag: --no-such-flag", None),
        ("FROM scratch\n", &["--target", "nosuch"], "nosuch", None),
    ] {
        let Some(bench) = Workbench::new(dockerfile) else { return };
        let (_, result) = bench.build(more);
        let failure = result.unwrap_err();
        assert!(matches!(failure.cause, Cause::Refused | Cause::Step), "{failure:?}");
        assert!(failure.to_string().contains(word), "{dockerfile}: {failure:?}");
        assert_eq!(
            failure.excerpt.as_ref().map(|excerpt| excerpt.line),
            line,
            "{dockerfile}: {failure:?}"
        );
    }
}

#[test]
fn a_full_disk() {
    let Some(bench) =
        Workbench::new("FROM debian:trixie-slim\nRUN head -c 9 /dev/zero > /dev/full\n")
    else {
        return;
    };
    let (_, result) = bench.build(&[]);
    let failure = result.unwrap_err();
    assert_eq!(failure.cause, Cause::DiskFull, "{failure:?}");
}

#[test]
fn output_of_any_kind() {
    let print = r"printf 'a\303'; sleep 1; printf '\251\r\n\377\376\n\033[31mred\033[0m\n{\n'";
    let dockerfile = format!("FROM debian:trixie-slim\nRUN {print}; printf 'last {}'\n", unique());
    let Some(bench) = Workbench::new(&dockerfile) else { return };
    let (events, built) = bench.build(&[]);
    built.unwrap();
    let lines = log_lines(&events);
    assert_eq!(lines[..4], ["aé", "\u{fffd}\u{fffd}", "red", "{"]);
    assert!(lines[4].starts_with("last "), "{lines:?}");
}

#[test]
fn ten_thousand_lines() {
    let Some(bench) =
        Workbench::new(&format!("FROM debian:trixie-slim\nRUN seq 10000; : {}\n", unique()))
    else {
        return;
    };
    let (events, built) = bench.build(&[]);
    built.unwrap();
    // BuildKit itself drops output that comes too fast, and says so in the output.
    let lines = log_lines(&events);
    let clipped = lines.iter().any(|line| line.contains("[output clipped"));
    assert!(clipped || lines.len() == 10_000, "{}", lines.len());
    assert!(lines.iter().filter_map(|line| line.parse::<u32>().ok()).is_sorted());
    let in_log = bench.read_log().lines().filter(|line| line.starts_with('#')).count();
    assert!(in_log >= lines.len());
}

#[test]
fn warnings_have_a_place() {
    let Some(bench) = Workbench::new("FROM debian:trixie-slim AS Upper\nENV a b\n") else { return };
    let (_, built) = bench.build(&[]);
    // Older engines have no linter.
    for warning in built.unwrap().warnings {
        assert_eq!(warning.file.as_deref(), Some("Dockerfile"), "{warning:?}");
        assert!(warning.line.is_some() && warning.url.is_some(), "{warning:?}");
    }
}

#[test]
fn what_cannot_start() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let missing = Invocation::new("no-such-program").arg("build");
    let failure = run_build(&missing, &folder.join("log"), &|_| {}).unwrap_err();
    assert!(
        matches!(&failure.cause, Cause::NotStarted(why) if why.contains("no-such-program")),
        "{failure}"
    );
    std::fs::write(folder.join("file"), "").unwrap();
    let failure = run_build(&missing, &folder.join("file/log"), &|_| {}).unwrap_err();
    assert!(matches!(&failure.cause, Cause::NotStarted(why) if why.contains("log")), "{failure}");
}

#[test]
fn a_client_that_is_killed() {
    let Some(bench) = Workbench::new("FROM debian:trixie-slim\nRUN echo ready; sleep 300\n") else {
        return;
    };
    let sink = |event: &Event| {
        if matches!(event, Event::Log { text, .. } if text == "ready") {
            let client = processes_naming(bench.path())
                .into_iter()
                .find(|(_, line)| line.contains("buildx build"));
            signal("-KILL", &client.expect("the client runs").0);
        }
    };
    let failure =
        run_build(&bench.invocation().arg("--no-cache"), &bench.log(), &sink).unwrap_err();
    assert_eq!(failure.cause, Cause::Killed, "{failure:?}");
    assert_gone(bench.path());
}

#[test]
fn a_sink_that_panics_leaves_no_process() {
    let Some(bench) = Workbench::new("FROM debian:trixie-slim\nRUN echo ready; sleep 300\n") else {
        return;
    };
    let sink = |event: &Event| assert!(!matches!(event, Event::Log { .. }), "from the sink");
    let build = || run_build(&bench.invocation().arg("--no-cache"), &bench.log(), &sink);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)).is_err());
    assert_gone(bench.path());
}

/// The interrupted process is one of its own: it runs this very test, with a folder in the environment.
#[test]
fn an_interruption_leaves_no_process() {
    const FOLDER: &str = "DOCKYARD_TEST_INTERRUPT";
    if let Ok(folder) = std::env::var(FOLDER) {
        let folder = Utf8Path::new(&folder);
        let invocation = buildx()
            .args(["build", "--no-cache", "--progress=rawjson"])
            .arg(folder.join("context"));
        let failure = run_build(&invocation, &folder.join("log"), &|_| {}).unwrap_err();
        assert_eq!(failure.cause, Cause::Interrupted, "{failure:?}");
        return;
    }
    for to_group in [false, true] {
        let Some(bench) = Workbench::new("FROM debian:trixie-slim\nRUN echo ready; sleep 300\n")
        else {
            return;
        };
        let mut child = {
            use std::os::unix::process::CommandExt;
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "an_interruption_leaves_no_process"])
                .env(FOLDER, bench.path())
                .process_group(0)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        wait_for("the step", || {
            std::fs::read_to_string(bench.path().join("log"))
                .is_ok_and(|log| log.contains(" ready\n"))
        });
        assert!(!processes_naming(bench.path()).is_empty(), "the client runs");
        let start = Instant::now();
        signal("-INT", &if to_group { format!("-{}", child.id()) } else { child.id().to_string() });
        assert!(child.wait().unwrap().success(), "to the group: {to_group}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_gone(bench.path());
        let log = std::fs::read_to_string(bench.path().join("log")).unwrap();
        assert!(log.lines().last().unwrap().contains(" after "), "{log}");
    }
}

/// Process ids and command lines of the docker processes that build in `folder`.
fn processes_naming(folder: &Utf8Path) -> Vec<(String, String)> {
    let listed = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| line.trim_start().split_once(' '))
        .filter(|(_, line)| line.contains("docker") && line.contains(folder.as_str()))
        .map(|(id, line)| (id.to_owned(), line.trim_start().to_owned()))
        .collect()
}

fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, "--", process]).status().unwrap().success());
}

fn assert_gone(folder: &Utf8Path) {
    wait_for("the end of every process", || processes_naming(folder).is_empty());
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
