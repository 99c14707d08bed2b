//! Quick builds share a process: each is nevertheless built, told and recorded as if it were alone.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::collections::BTreeMap;

use engines::TestEngine;
use lab::{Lab, token};

/// Siblings on one base, more than there are processes for.
const COUNT: usize = 14;

/// Texts that shells, JSON and HCL read in their own ways. The last two are never built with others.
const TEXTS: [&str; COUNT] = [
    "it's \"quoted\"",
    "a=b,c=d",
    "two\nlines",
    "back\\slash \\n",
    "$HOME $(id) `id`",
    "$${x}",
    "%%{x}",
    "é ✓",
    " spaces  ",
    "#!/bin/sh",
    "{\"a\":1}",
    "--option",
    "${HOME}",
    "%{if true}x%{endif}",
];

fn name(number: usize) -> String {
    format!("s{number:02}")
}

/// Every sibling runs a step that they have in common, takes a file of its own, and keeps the text of its argument.
fn siblings(test: &'static TestEngine) -> Option<Lab> {
    let lab = Lab::with_base(test)?;
    for (number, text) in TEXTS.iter().enumerate() {
        let id = name(number);
        // TOML writes a text as JSON does.
        let toml = format!("[args]\nTEXT = {}\n", serde_json::Value::from(*text));
        let dockerfile = "FROM registry.invalid/lab/base\nRUN echo in common\nCOPY own /own\nARG TEXT\n\
                          RUN printf %s \"$TEXT\" >/text && echo \"this is $(cat /own)\"\n";
        lab.image(&id, &toml, dockerfile);
        lab.file(&format!("{id}/own"), &id);
    }
    lab.image("child", "", "FROM registry.invalid/lab/s03\n");
    lab.commit();
    Some(lab)
}

fn log(lab: &Lab, id: &str) -> String {
    std::fs::read_to_string(lab.root().join(format!("target/dockyard/logs/{id}.log"))).unwrap()
}

fn is_shared(log: &str) -> bool {
    log.lines().next().unwrap().contains("bake --progress")
}

/// Builds everything, anew until the base is quick: only then is anything trusted to be. `fresh` makes all of it stale.
fn build_with_quick_base(lab: &Lab, fresh: impl Fn()) -> BTreeMap<String, serde_json::Value> {
    for _ in 0..5 {
        fresh();
        let built = lab.build(&[], 0);
        assert!(built.values().all(|image| image["status"] == "built"), "{built:?}");
        if built["base"]["seconds"].as_f64() < Some(9.0) {
            return built;
        }
    }
    panic!("a build of no work took nine seconds, five times in a row");
}

fn built_as_if_alone(test: &'static TestEngine) {
    let Some(lab) = siblings(test) else { return };
    build_with_quick_base(&lab, || lab.file("base/fresh", &token()));
    let mut shared = 0;
    for (number, text) in TEXTS.iter().enumerate() {
        let id = name(number);
        assert_eq!(lab.content(&format!("{id}:dev"), "/text"), *text, "{id}");
        assert_eq!(lab.content(&format!("registry.invalid/lab/{id}:dev"), "/own"), id);
        let log = log(&lab, &id);
        assert!(log.contains(&format!("this is {id}")), "{log}");
        assert!(log.contains("COPY own /own"), "{log}");
        assert!(log.matches("in common").count() <= 2, "{log}");
        for other in (0..COUNT).filter(|other| *other != number).map(name) {
            assert!(!log.contains(&format!("this is {other}")), "{id} has {other}'s output: {log}");
        }
        if is_shared(&log) {
            shared += 1;
            assert!(!text.contains("${") && !text.contains("%{"), "{text:?} is a template to bake");
        }
    }
    assert!(shared >= 5, "{shared} were built together");
    let again = lab.statuses(&[], 0);
    assert!(again.values().all(|status| status == "skipped"), "{again:?}");

    // The same content and the same labels as of a process of its own.
    let together: BTreeMap<String, _> =
        (0..COUNT).map(name).map(|id| (id.clone(), lab.config(&format!("{id}:dev")))).collect();
    lab.build(&["--jobs=8", "--force"], 0);
    for (id, config) in together {
        assert!(!is_shared(&log(&lab, &id)), "{id}: --jobs says how many are built at once");
        assert_eq!(lab.config(&format!("{id}:dev")), config, "{id}");
    }
}

#[test]
fn each_is_built_as_if_alone() {
    if let Some(test) = engines::newest() {
        built_as_if_alone(test);
    }
}

#[test]
fn on_the_oldest_buildx_too() {
    if let Some(test) = engines::oldest() {
        built_as_if_alone(test);
    }
}

#[test]
fn on_the_classic_store_too() {
    if let Some(test) = engines::classic() {
        built_as_if_alone(test);
    }
}

#[test]
fn a_failure_is_one_images_alone() {
    let Some(test) = engines::any() else { return };
    let Some(lab) = siblings(test) else { return };
    let failing = "FROM registry.invalid/lab/base\nRUN echo in common\n# why\nRUN echo the reason >&2; exit 3\n";
    lab.file("s03/Dockerfile", failing);
    let said = lab.say(&["build", "--keep-going", "--json"]);
    assert_eq!(said.status, Some(1), "{said}");
    for (id, image) in lab::images(&said) {
        let expected = match id.as_str() {
            "s03" => "failed",
            "child" => "blocked",
            _ => "built",
        };
        assert_eq!(image["status"], expected, "{id}: {said}");
    }
    for told in ["RUN echo the reason", "s03/Dockerfile:4", "exit code: 3", "logs/s03.log"] {
        assert_eq!(said.stderr.matches(told).count().min(1), 1, "{told}\n{said}");
    }
    // It was told once, and by a build of its own.
    assert_eq!(said.stderr.matches("✗ failed").count(), 1, "{said}");
    let log = log(&lab, "s03");
    assert!(!is_shared(&log) && log.contains("the reason"), "{log}");
    for (number, text) in TEXTS.iter().enumerate().filter(|(number, _)| *number != 3) {
        assert_eq!(lab.content(&format!("{}:dev", name(number)), "/text"), *text);
    }
}

/// A step that counts how often it has begun, and takes this long.
fn slow(lab: &Lab, id: &str, seconds: u32) {
    let count = "--mount=type=cache,target=/count,id=";
    let dockerfile = format!(
        "FROM registry.invalid/lab/base\nRUN {count}{} echo begun >>/count/times; sleep {seconds}; cp /count/times /times\n",
        token()
    );
    lab.image(id, "", &dockerfile);
}

fn long_steps(test: &'static TestEngine) {
    let Some(lab) = Lab::with_base(test) else { return };
    lab.image("quick", "", "FROM registry.invalid/lab/base\nRUN echo quick\n");
    let built = build_with_quick_base(&lab, || {
        lab.file("base/fresh", &token());
        slow(&lab, "slow", 18);
    });
    assert!(built["slow"]["seconds"].as_f64() >= Some(17.0), "{built:?}");
    assert!(is_shared(&log(&lab, "quick")), "they were begun by one process");
    assert!(!is_shared(&log(&lab, "slow")), "one that takes long gets a process of its own");
    assert_eq!(lab.content("slow:dev", "/times"), "begun\n");

    slow(&lab, "slow", 26);
    lab.image("quick", "", "FROM registry.invalid/lab/base\nRUN sleep 20; exit 3\n");
    // Their steps are short, so that they are still the shared process's when `quick` fails, which is not by then.
    for id in ["steady-1", "steady-2"] {
        let own = token();
        let steps = (1..=3).map(|step| format!("RUN sleep 8; echo {own} {step}\n"));
        let steps: String = steps.collect();
        lab.image(id, "", &format!("FROM registry.invalid/lab/base\n{steps}"));
    }
    lab.file("base/fresh", &token());
    let said = lab.say(&["build", "--keep-going", "--json"]);
    let status = |id: &str| lab::images(&said)[id]["status"].as_str().unwrap().to_owned();
    assert_eq!((status("slow").as_str(), status("quick").as_str()), ("built", "failed"), "{said}");
    assert_eq!(lab.content("slow:dev", "/times"), "begun\n", "its step was ended and begun again");
    for id in ["steady-1", "steady-2"] {
        assert_eq!(status(id), "built", "{said}");
        assert!(is_shared(&log(&lab, id)), "they were not at fault");
    }
    assert!(!said.stderr.contains("were to share a process"), "{said}");
}

#[test]
fn a_long_step_outlives_the_failure_of_another() {
    if let Some(test) = engines::newest() {
        long_steps(test);
    }
}

#[test]
fn a_long_step_outlives_the_failure_of_another_on_the_oldest() {
    if let Some(test) = engines::oldest() {
        long_steps(test);
    }
}

#[test]
fn what_waits_for_one_does_not_wait_for_the_others() {
    let Some(test) = engines::any() else { return };
    let Some(lab) = Lab::with_base(test) else { return };
    lab.image("quick", "", "FROM registry.invalid/lab/base\nRUN echo quick\n");
    lab.image("child", "", "FROM registry.invalid/lab/quick\nRUN echo child\n");
    build_with_quick_base(&lab, || {
        lab.file("base/fresh", &token());
        slow(&lab, "slow", 13);
    });
    assert!(is_shared(&log(&lab, "quick")) && is_shared(&log(&lab, "slow")), "one process");
    // Only records say when.
    let built_at = |id: &str| {
        let records = lab.records();
        let record = records.iter().find(|file| file.as_str().contains(&format!("/{id}"))).unwrap();
        let record: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        record["built_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(built_at("quick") < built_at("child"));
    assert!(built_at("child") < built_at("slow"));
}

/// A parent that is only in the engine has a name of Docker Hub's: whoever asks there tells it what is built, and waits.
#[test]
fn no_registry_is_asked_for_a_parent() {
    let Some(test) = engines::newest() else { return };
    let Some(lab) = Lab::with_base(test) else { return };
    let parent = format!("parent-{}", &token()[..12]);
    lab.image(&parent, "", "FROM registry.invalid/lab/base\n");
    let from = format!("FROM registry.invalid/lab/{parent}\nCOPY own /\n");
    for id in ["one", "two"] {
        lab.image(id, "", &from);
        lab.file(&format!("{id}/own"), id);
    }
    lab.build(&[], 0);
    if !test.is_private() {
        return engines::not_run("this engine's log is not ours to read");
    }
    let socket = test.engine.endpoint.strip_prefix("unix://").unwrap();
    let log = socket.replace("docker.sock", "dockerd.log");
    let asked = || std::fs::read_to_string(&log).unwrap().contains(&format!("library/{parent}/"));
    assert!(!asked(), "Docker Hub was asked for {parent}");

    // Without the source policy, it is.
    let local = format!("{parent}:dev");
    let context = format!("--build-context=registry.invalid/lab/{parent}=docker-image://{local}");
    let folder = lab.root().join("one");
    let plain = lab.docker(&["buildx", "build", "--no-cache", &context, folder.as_str()]);
    assert_eq!(plain.status, Some(0), "{plain}");
    assert!(asked(), "what this test looks for is not in {log}");
}
