//! Each command of a job by itself, outside GitHub too.

use crate::engines;
use crate::faults::{Fault, Faults, Rule};
use crate::forge::{Did, Forge};

const MAIN: [(&str, &str); 3] =
    [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/main")];

fn build(forge: &Forge, image: &str) -> Did {
    forge.job(&["ci", "build", image, "--platform", "linux/amd64"], &MAIN)
}

#[test]
fn jobs_in_clones_of_their_own_make_what_a_push_makes() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    let toml = "[test]\nrun = [{ cmd = [\"cat\", \"/app\"], expect = \"one\" }]\n";
    forge.child("app", "base", toml, "one");
    forge.lab.commit();

    let plan = forge.job(&["ci", "plan"], &MAIN).ended(0);
    assert_eq!(plan.list("jobs").len(), 2, "{}", plan.said);
    assert_eq!(plan.outputs["publish"], "true");
    // The parent is not there yet, and the message names its job.
    let early = build(&forge, "app").ended(1);
    assert!(early.said.stderr.contains("base is not staged for linux/amd64"), "{}", early.said);

    let base = build(&forge, "base").ended(0);
    let digest = &base.outputs["digest"];
    assert!(base.summary.contains("built"), "{}", base.summary);
    let unfinished = forge.job(&["ci", "publish", "--yes"], &MAIN).ended(1);
    assert!(unfinished.said.stderr.contains("app is not staged"), "{}", unfinished.said);
    assert_eq!(forge.tag("base", "latest"), None);

    let app = build(&forge, "app").ended(0);
    assert!(app.said.stderr.contains("tests on linux/amd64"), "{}", app.said);
    let again = build(&forge, "app").ended(0);
    assert_eq!(again.outputs, app.outputs);
    assert!(!again.said.stderr.contains("sending"), "{}", again.said);
    let published = forge.job(&["ci", "publish", "--yes"], &MAIN).ended(0);
    assert_eq!(forge.tag("base", "latest").as_ref(), Some(digest), "{}", published.said);
    assert_eq!(forge.tag("app", "latest").as_ref(), Some(&app.outputs["digest"]));
    assert!(published.summary.contains("lab/app"), "{}", published.summary);

    // Everything is there: no job has work, neither for CI nor for a person.
    let plan = forge.job(&["ci", "plan"], &MAIN).ended(0);
    assert!(plan.list("jobs").is_empty(), "{}", plan.said);
    let pushed = forge.job(&["push", "--channel", "main"], &[]).ended(0);
    assert!(!pushed.said.stderr.contains("built"), "{}", pushed.said);
    assert_eq!(forge.tag("app", "latest").as_ref(), Some(&app.outputs["digest"]));
}

#[test]
fn a_pull_request_is_checked_in_place_and_nothing_is_sent() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    forge.child("app", "base", "[test]\nrun = [[\"test\", \"-e\", \"/app\"]]\n", "one");
    forge.child("other", "base", "", "other");
    forge.lab.commit();
    build(&forge, "base").ended(0);
    build(&forge, "app").ended(0);
    build(&forge, "other").ended(0);
    forge.job(&["ci", "publish", "--yes"], &MAIN).ended(0);
    let before = forge.catalogue();

    // Nobody may name the event's own words where they could be read as something else.
    forge.lab.git(&["checkout", "--quiet", "-b", "change"]);
    forge.lab.file("app/text", "two");
    forge.lab.commit();
    let event = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_BASE_REF", "main"),
    ];
    let plan = forge.job(&["ci", "plan"], &event).ended(0);
    assert_eq!(plan.outputs["publish"], "false");
    assert!(plan.list("jobs").is_empty());
    assert_eq!(plan.list("components"), ["check-base"]);
    assert!(plan.said.stdout.contains("app"), "{}", plan.said);
    assert!(!plan.said.stdout.contains("other"), "{}", plan.said);
    // The published base is used as it is.
    let check = forge.job(&["ci", "check", "base"], &event).ended(0);
    assert!(check.said.stderr.contains("1 built"), "{}", check.said);
    assert!(check.summary.contains("passed"), "{}", check.summary);
    forge.job(&["ci", "build", "app", "--platform", "linux/amd64"], &event).ended(2);
    forge.job(&["ci", "publish", "--yes"], &event).ended(2);

    // Without a registry, what differs from the base; without the base, everything.
    let offline = forge.job(&["ci", "check", "--offline"], &event).ended(0);
    assert!(offline.said.stderr.contains("what differs from origin/main"), "{}", offline.said);
    assert!(offline.said.stderr.contains("2 built"), "{}", offline.said);
    let everything = forge.job(&["ci", "plan", "--offline", "--json"], &event[..3]).ended(0);
    assert!(everything.said.stdout.contains("everything, because"), "{}", everything.said);
    assert!(everything.said.stdout.contains("\"other\""), "{}", everything.said);

    forge.lab.file("app/image.toml", "[test]\nrun = [[\"test\", \"-e\", \"/nothing\"]]\n");
    forge.lab.commit();
    let failed = forge.job(&["ci", "check", "app"], &event).ended(1);
    assert!(failed.said.stderr.contains("its tests failed"), "{}", failed.said);
    assert!(failed.summary.contains("failed"), "{}", failed.summary);
    assert_eq!(forge.catalogue(), before);
}

#[test]
fn what_is_told_of_each_platform_stays_with_it() {
    let Some(test) = engines::containerd() else { return };
    let Some(forge) = Forge::new(test, "attestations = { provenance = \"min\" }") else { return };
    let both = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    // Nothing runs in them, so that no emulator is needed.
    forge.lab.image("base", both, "FROM scratch\nCOPY fresh /.fresh\nCMD [\"/none\"]\n");
    forge.child("app", "base", both, "one");
    forge.lab.commit();
    for image in ["base", "app"] {
        for platform in ["linux/arm64", "linux/amd64"] {
            forge.job(&["ci", "build", image, "--platform", platform], &MAIN).ended(0);
        }
    }
    forge.job(&["ci", "publish", "--yes"], &MAIN).ended(0);
    for image in ["base", "app"] {
        let index = forge.json(&format!("/v2/lab/{image}/manifests/latest"));
        let kinds: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let about = &one["annotations"]["vnd.docker.reference.digest"];
                (one["platform"]["architecture"].as_str().unwrap(), about.as_str())
            })
            .collect();
        let of = |at: usize| index["manifests"][at]["digest"].as_str();
        let expected = [("amd64", None), ("arm64", None), ("unknown", of(0)), ("unknown", of(1))];
        assert_eq!(kinds, expected, "{index}");
    }
    // What was bound was the image, which the index names.
    let plan = forge.job(&["ci", "plan"], &MAIN).ended(0);
    assert!(plan.list("jobs").is_empty(), "{}", plan.said);
}

#[test]
fn a_child_gets_every_platform_of_a_parent_that_it_needs() {
    let Some(test) = engines::containerd() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    let both = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    forge.lab.image(
        "base",
        both,
        "FROM scratch\nARG TARGETARCH\nCOPY fresh /.fresh\nCOPY ${TARGETARCH} /arch\nCMD [\"/none\"]\n",
    );
    forge.lab.file("base/amd64", "amd64");
    forge.lab.file("base/arm64", "arm64");
    let parent = format!("{}/lab/base", forge.registry.host);
    let cross = format!(
        "FROM --platform=linux/amd64 {parent} AS tools\nFROM {parent}\nCOPY --from=tools /arch /tools\n"
    );
    forge.lab.image("cross", "platforms = [\"linux/arm64\"]\n", &cross);
    // Nobody publishes it: it is built where its child is.
    forge.lab.image("hidden", "publish = false\n", &format!("FROM {parent}\nCOPY text /hidden\n"));
    forge.lab.file("hidden/text", "hidden");
    let on_hidden = "ARG PARENT\nFROM $PARENT\nCOPY text /shown\n";
    forge.lab.image("shown", "[parents]\nPARENT = \"hidden\"\n", on_hidden);
    forge.lab.file("shown/text", "shown");
    forge.lab.commit();

    let plan = forge.job(&["ci", "plan"], &MAIN).ended(0);
    let jobs = plan.list("jobs");
    assert!(!jobs.iter().any(|job| job.contains("hidden")), "{jobs:?}");
    let arm = ["--platform", "linux/arm64"];
    forge.job(&[&["ci", "build", "base"][..], &arm].concat(), &MAIN).ended(0);
    let early = forge.job(&[&["ci", "build", "cross"][..], &arm].concat(), &MAIN).ended(1);
    assert!(early.said.stderr.contains("base is not staged for linux/amd64"), "{}", early.said);
    build(&forge, "base").ended(0);
    let cross = forge.job(&[&["ci", "build", "cross"][..], &arm].concat(), &MAIN).ended(0);
    let image = format!("{}/lab/cross@{}", forge.registry.host, cross.outputs["digest"]);
    forge.lab.docker(&["pull", "--quiet", "--platform=linux/arm64", &image]);
    forge.lab.file("target/kept", "");
    assert_eq!(forge.lab.content(&image, "/tools"), "amd64");
    assert_eq!(forge.lab.content(&image, "/arch"), "arm64");

    let shown = build(&forge, "shown").ended(0);
    assert!(shown.said.stderr.contains("hidden"), "{}", shown.said);
    forge.job(&["ci", "publish", "--yes"], &MAIN).ended(0);
    assert_eq!(forge.tag("cross", "latest").as_ref(), Some(&cross.outputs["digest"]));
    assert_eq!(forge.tag("hidden", "latest"), None);
    let plan = forge.job(&["ci", "plan"], &MAIN).ended(0);
    assert!(plan.list("jobs").is_empty(), "{}", plan.said);
}

#[test]
fn jobs_say_what_they_lack() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    let toml = "secrets = { hf = { env = \"DOCKYARD_TEST_HF\" } }\n";
    forge.child("secret", "base", toml, "one");
    forge.child("child", "secret", "", "one");
    forge.child("plain", "base", "", "one");
    forge.lab.commit();
    let event =
        [MAIN[0], ("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REF", "refs/pull/7/merge")];
    // No pull request sees a secret: what needs one is left out, and said to be.
    let check = forge.job(&["ci", "check"], &event).ended(0);
    assert!(check.summary.contains("DOCKYARD&#95;TEST&#95;HF"), "{}", check.summary);
    assert!(check.summary.contains("its parent secret is not built"), "{}", check.summary);
    assert!(check.said.stderr.contains("2 built"), "{}", check.said);

    for (args, words) in [
        (&["ci", "build", "nothing", "--platform", "linux/amd64"][..], "no image \"nothing\""),
        (&["ci", "build", "base", "--platform", "linux/s390x"], "not made for linux/s390x"),
        (&["ci", "plan", "nothing"], "no image \"nothing\""),
    ] {
        let did = forge.job(args, &MAIN).ended(2);
        assert!(did.said.stderr.contains(words), "{}", did.said);
    }
    let written = [MAIN[0], MAIN[1], MAIN[2], ("DOCKYARD_IMAGES", "plain, base;id")];
    let did = forge.job(&["ci", "plan"], &written).ended(2);
    assert!(did.said.stderr.contains("DOCKYARD_IMAGES names \"base;id\""), "{}", did.said);
    let parents = [MAIN[0], MAIN[1], MAIN[2], ("DOCKYARD_PARENTS", "base linux/amd64 $(id)")];
    forge.job(&["ci", "build", "plain", "--platform", "linux/amd64"], &parents).ended(2);

    // What is not HEAD's is not sent.
    let root = forge.lab.root().to_owned();
    forge.lab.file("base/fresh", "changed");
    let mut command = forge.lab.xtask(&["ci", "build", "base", "--platform", "linux/amd64"]);
    command.current_dir(root);
    let said = crate::lab::Said::of(&command.output().unwrap());
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("base differs from HEAD"), "{said}");
    assert!(forge.catalogue().is_empty());
}

#[test]
fn what_may_not_be_read_is_not_needed_in_a_pull_request() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::locked(test) else { return };
    forge.child("app", "base", "", "one");
    forge.child("leaf", "app", "", "one");
    forge.lab.commit();
    forge.lab.git(&["checkout", "--quiet", "-b", "change"]);
    forge.lab.file("app/text", "two");
    forge.lab.commit();
    let nobody = forge.folder("nobody");
    let event = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_BASE_REF", "main"),
        ("DOCKER_CONFIG", nobody.as_str()),
    ];
    let plan = forge.job(&["ci", "plan", "--json"], &event).ended(0);
    let json: serde_json::Value = serde_json::from_str(&plan.said.stdout).unwrap();
    let stale = json["stale"].as_str().unwrap();
    assert!(
        stale.starts_with("what differs from origin/main, because staged images cannot be read"),
        "{stale}"
    );
    let jobs: Vec<&str> =
        json["jobs"].as_array().unwrap().iter().map(|job| job["image"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["app", "leaf"]);
    // Elsewhere nothing is guessed.
    let plan = forge.job(&["ci", "plan"], &[MAIN[0], MAIN[1], MAIN[2], event[4]]).ended(1);
    assert!(plan.said.stderr.contains("docker login"), "{}", plan.said);
    assert!(plan.outputs.is_empty());
}

#[test]
fn a_new_image_in_a_pull_request_closes_no_other() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    let proxy = Faults::before(&forge.registry.host);
    let registries = format!("registries = [\"{}/lab\"]\n", proxy.host);
    forge.lab.file("Cargo.toml", &format!("[workspace.metadata.dockyard]\n{registries}"));
    let on_base = format!("FROM {}/lab/base\nCOPY text /text\n", proxy.host);
    for id in ["app", "other"] {
        forge.lab.image(id, "", &on_base);
        forge.lab.file(&format!("{id}/text"), id);
    }
    forge.lab.commit();
    for image in ["base", "app", "other"] {
        build(&forge, image).ended(0);
    }
    // A job of another run has built the base, too: what is staged is what counts.
    let other = format!("base linux/amd64 sha256:{}", "0".repeat(64));
    let parents = [MAIN[0], MAIN[1], MAIN[2], ("DOCKYARD_PARENTS", other.as_str())];
    forge.lab.file("app/text", "once more");
    forge.lab.commit();
    let app = forge.job(&["ci", "build", "app", "--platform", "linux/amd64"], &parents).ended(0);
    assert!(app.said.stderr.contains("another run has replaced"), "{}", app.said);
    forge.job(&["ci", "publish", "--yes"], &MAIN).ended(0);

    forge.lab.git(&["checkout", "--quiet", "-b", "change"]);
    forge.lab.image("new", "", &on_base);
    forge.lab.file("new/text", "new");
    forge.lab.file("app/text", "changed");
    forge.lab.commit();
    let event = [
        MAIN[0],
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_BASE_REF", "main"),
    ];
    // GitHub's registry refuses whoever asks without a login for what is not there.
    proxy.script([Rule::on("*", "/v2/lab/new/", Fault::Status(403)).times(usize::MAX)]);
    let plan = forge.job(&["ci", "plan", "--json"], &event).ended(0);
    let json: serde_json::Value = serde_json::from_str(&plan.said.stdout).unwrap();
    assert_eq!(json["stale"], "what is not staged under today's keys", "{}", plan.said);
    let jobs: Vec<&str> =
        json["jobs"].as_array().unwrap().iter().map(|job| job["image"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["app", "new"], "{}", plan.said);
    let check = forge.job(&["ci", "check"], &event).ended(0);
    assert!(check.said.stderr.contains("2 built"), "{}", check.said);
}
