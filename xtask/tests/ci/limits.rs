//! GitHub's limits, as its runner's source and documentation have them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::lint::clean;
use super::support::Workspace;
use super::yaml::{Workflow, strings};
use super::{IMAGES, every_character, generated, levels, read, support};

/// `ParseOptions.MaxFileSize` of the runner's workflow parser, in characters.
const MOST_CHARACTERS: usize = 1024 * 1024;
/// Its `ExpressionConstants.MaxLength`.
const LONGEST_EXPRESSION: usize = 21_000;
/// Its `ParseOptions.MaxResultSize`, in bytes, and `TemplateMemory`'s costs.
const MOST_MEMORY: usize = 10 * 1024 * 1024;
const OBJECT: usize = 24;
const STRING: usize = 26;

/// What the text must be for GitHub to take it.
fn fits(text: &str) -> Workflow {
    assert!(text.chars().count() < MOST_CHARACTERS, "{} characters", text.len());
    let workflow = Workflow::parse(text);
    for expression in workflow.expressions() {
        assert!(expression.len() < LONGEST_EXPRESSION, "{expression}");
    }
    let texts = workflow.texts();
    // Each text is an object with a string of two bytes a character; what holds others is an object, too.
    let memory: usize =
        texts.iter().map(|(_, text)| 2 * OBJECT + STRING + 2 * text.chars().count()).sum();
    assert!(memory < MOST_MEMORY, "{memory} bytes");

    let jobs: BTreeMap<&str, BTreeSet<&str>> = workflow
        .jobs()
        .into_iter()
        .map(|(id, job)| (id, strings(&job["needs"]).into_iter().collect()))
        .collect();
    let mut lower = BTreeSet::new();
    for (id, needs) in &jobs {
        assert!(id.len() <= 100 && id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{id}");
        assert!(lower.insert(id.to_lowercase()), "{id} is there twice");
        assert!(needs.iter().all(|need| jobs.contains_key(need)), "{id} needs {needs:?}");
    }
    // In some order each comes after what it needs.
    let mut done = BTreeSet::new();
    while done.len() < jobs.len() {
        let ready: Vec<&str> = jobs
            .iter()
            .filter(|(id, needs)| !done.contains(*id) && needs.is_subset(&done))
            .map(|(id, _)| *id)
            .collect();
        assert!(!ready.is_empty(), "a circle among {:?}", jobs.keys());
        done.extend(ready);
    }
    workflow
}

#[test]
fn two_hundred_images_on_two_platforms_fit() {
    let workflow = fits(&generated(&levels(200, 40)));
    let builds = workflow.jobs().iter().filter(|(id, _)| id.starts_with("build-")).count();
    assert_eq!(builds, 400);
    let job = workflow.job("build-image-4-007__linux-arm64");
    assert_eq!(
        strings(&job["needs"]),
        ["plan", "xtask-arm64", "build-image-3-007__linux-arm64", "build-image-3-008__linux-arm64"]
    );
    assert_eq!(job["runs-on"].as_str(), Some("ubuntu-24.04-arm"));
    assert_eq!(strings(&workflow.job("publish")["needs"]).len(), 401);
}

#[test]
fn more_than_fit_are_levels() {
    let workspace = levels(500, 100);
    let said = workspace.run(&["ci", "generate"]);
    assert!(said.stderr.contains("1001 jobs are more"), "{}", said.stderr);
    let text = read(workspace.root(), IMAGES);
    let workflow = fits(&text);
    let builds: Vec<&str> = workflow
        .jobs()
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| id.starts_with("level-"))
        .collect();
    // Two hundred runs each, fewer than one job may have.
    assert_eq!(builds, ["level-1-1", "level-2-1", "level-3-1", "level-4-1", "level-5-1"]);
    let job = workflow.job("level-3-1");
    assert_eq!(strings(&job["needs"]), ["plan", "xtask-arm64", "level-2-1"]);
    let last = strings(&workflow.job("publish")["needs"]);
    assert_eq!(last, [&["plan"], builds.as_slice()].concat());
    clean(workspace.root(), &[IMAGES]);

    // The plan gives every job its runs, and none more than GitHub takes.
    let output = workspace.root().join("output");
    let variables = [
        ("GITHUB_OUTPUT", output.as_path()),
        ("GITHUB_ACTIONS", Path::new("true")),
        ("GITHUB_EVENT_NAME", Path::new("pull_request")),
    ];
    let said = workspace.run_with("", &["ci", "plan", "--offline", "--quiet"], &variables);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let outputs = std::fs::read_to_string(output).unwrap();
    let list = |name: &str| {
        let line = outputs.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        let list: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{name}"))).unwrap();
        list.as_array().unwrap().clone()
    };
    assert!(list("level-1-1").is_empty());
    // Each base with what hangs together with it: every image of a level is on two of the level before.
    assert_eq!(list("components").len(), 1);
    let [check] = list("check-1").try_into().unwrap();
    assert_eq!(check["image"], "image-0-000");
    assert_eq!(check["runner"], serde_json::json!(["ubuntu-24.04"]));
}

#[test]
fn ids_with_every_character_fit() {
    let workflow = fits(&generated(&every_character()));
    assert_eq!(workflow.jobs().iter().filter(|(id, _)| id.starts_with("build-")).count(), 39);
}

#[test]
fn a_parent_that_is_published_nowhere_hands_its_own_parents_on() {
    let workspace = support::workspace()
        .image("base", "", "FROM debian\n")
        .image("middle", "publish = false", "FROM ghcr.io/acme/base\n")
        .image("app", "", "FROM ghcr.io/acme/middle\n");
    let workflow = fits(&generated(&workspace));
    let job = workflow.job("build-app__linux-amd64");
    assert_eq!(strings(&job["needs"]), ["plan", "build-base__linux-amd64"]);
    let parents =
        job["steps"].as_vec().unwrap().last().unwrap()["env"]["DOCKYARD_PARENTS"].as_str();
    let expected = "base linux/amd64 ${{ needs.build-base__linux-amd64.outputs.digest }}\n";
    assert_eq!(parents, Some(expected));
    assert!(!workflow.jobs().iter().any(|(id, _)| id.starts_with("build-middle")));
}

#[test]
fn the_builders_own_platform_is_any_that_the_parent_has() {
    let both = "platforms = [\"linux/amd64\", \"linux/arm64\"]";
    let workspace = support::workspace().image("tool", both, "FROM debian\n").image(
        "app",
        "platforms = [\"linux/arm64\"]",
        "FROM --platform=$BUILDPLATFORM ghcr.io/acme/tool AS tool\nFROM debian\nCOPY --from=tool /a /a\n",
    );
    let workflow = fits(&generated(&workspace));
    assert_eq!(
        strings(&workflow.job("build-app__linux-arm64")["needs"]),
        ["plan", "xtask-arm64", "build-tool__linux-amd64", "build-tool__linux-arm64"]
    );
}

/// What may write, and where secrets are.
#[test]
fn rights_are_few_and_pull_requests_have_none() {
    for workspace in [levels(6, 2), every_character(), with_secrets()] {
        let workflow = fits(&generated(&workspace));
        assert!(workflow.root()["permissions"].as_hash().unwrap().is_empty());
        assert!(workflow.root()["on"]["pull_request_target"].is_badvalue());
        for (id, job) in workflow.jobs() {
            let rights = job["permissions"].as_hash().unwrap();
            let writes = rights.iter().any(|(_, right)| right.as_str() == Some("write"));
            let publishes = id == "publish" || id.starts_with("build-");
            assert!(!writes || publishes, "{id} may write");
            let condition = job["if"].as_str().unwrap_or_default();
            let text = format!("{job:?}");
            if publishes {
                assert!(
                    condition.contains("github.event_name != 'pull_request' &&"),
                    "{condition}"
                );
            } else if id == "plan" {
                for step in job["steps"].as_vec().unwrap() {
                    let of_push =
                        step["if"].as_str() == Some("github.event_name != 'pull_request'");
                    assert!(of_push || !format!("{step:?}").contains("secrets."), "{step:?}");
                }
            } else {
                assert!(!text.contains("secrets.") && !text.contains("login-action"), "{id}");
            }
            assert!(!text.contains("persist-credentials: true"), "{id}");
        }
        let concurrency = &workflow.job("publish")["concurrency"];
        assert_eq!(concurrency["cancel-in-progress"].as_bool(), Some(false));
    }
}

fn with_secrets() -> Workspace {
    let config = "registries = [\"docker.io/acme\"]\n[workspace.metadata.dockyard.registry]\n\"docker.io\" = { user = \"U\", secret = \"S\" }";
    let toml = "secrets = { token = { env = \"TOKEN\" } }";
    support::configured(config).image("a", toml, "FROM debian\n")
}
