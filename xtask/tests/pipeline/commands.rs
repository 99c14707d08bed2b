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
