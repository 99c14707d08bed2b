//! Each command of a job by itself, outside GitHub too.

use crate::engines;
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
