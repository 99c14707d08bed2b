//! What a person named, wrote into a form, or opened a pull request with reaches no shell.

use std::path::Path;

use super::support::{self, Workspace};
use super::yaml::Workflow;
use super::{IMAGES, LOCKS, REPOSITORY, every_character, generated, levels, read};

const EVIL: [&str; 6] = [
    "${{ github.token }}",
    "$(touch pwned)",
    "`touch pwned`",
    "a\"; touch pwned; \"",
    "a'b",
    "a\nb",
];

fn workflows() -> Vec<Workflow> {
    let of = |workspace: &Workspace| Workflow::parse(&generated(workspace));
    let own = |file| Workflow::parse(&read(Path::new(REPOSITORY), file));
    vec![of(&levels(4, 2)), of(&every_character()), own(IMAGES), own(LOCKS)]
}

#[test]
fn scripts_hold_no_expression() {
    for workflow in workflows() {
        assert!(!workflow.scripts().is_empty());
        for script in workflow.scripts() {
            assert!(!script.contains("${{"), "{script}");
        }
    }
}

/// Nothing that the author of a pull request or commit chooses: neither `github.head_ref` nor titles, nor messages.
#[test]
fn expressions_ask_for_little() {
    let known = [
        "github.event_name",
        "github.ref",
        "github.run_id",
        "github.actor",
        "github.token",
        "inputs.images",
        "runner.temp",
        "runner.os",
        "runner.arch",
        "runner.environment",
    ];
    for workflow in workflows() {
        for expression in workflow.expressions() {
            let code: String = expression.split('\'').step_by(2).collect();
            let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
            for word in words.filter(|word| word.contains('.')) {
                let safe = ["needs.", "steps.", "secrets."].iter().any(|it| word.starts_with(it));
                assert!(safe || known.contains(&word), "{word} in {expression}");
            }
        }
    }
}

/// Each script runs as GitHub's runner runs it, with an xtask that writes down what it is called with, and everything
/// that a person may choose holding a command.
#[cfg(unix)]
#[test]
fn scripts_call_the_xtask_and_nothing_that_was_chosen() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    let workflow = Workflow::parse(&generated(&every_character()));
    let folder = tempfile::tempdir().unwrap();
    let xtask = folder.path().join("xtask");
    std::fs::write(&xtask, "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\"\n").unwrap();
    std::fs::set_permissions(&xtask, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut calls = 0;
    for script in workflow.scripts() {
        if !script.starts_with("xtask ") {
            continue;
        }
        for evil in EVIL {
            let output = Command::new("bash")
                .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script])
                .current_dir(folder.path())
                .env("PATH", &path)
                .envs(
                    ["DOCKYARD_IMAGES", "GITHUB_HEAD_REF", "GITHUB_REF_NAME", "DOCKYARD_PARENTS"]
                        .map(|it| (it, evil)),
                )
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let words: Vec<&str> = script.split_whitespace().skip(1).collect();
            assert_eq!(said, format!("{}\n{}\n", words.len(), words.join("\n")), "{script}");
            calls += 1;
        }
    }
    assert!(calls > 100, "{calls}");
    assert!(!folder.path().join("pwned").exists());
}

#[test]
fn names_that_are_none_are_refused_with_their_place() {
    for evil in EVIL {
        let text = toml_text(evil);
        for (config, image) in [
            (String::new(), format!("id = {text}")),
            (String::new(), format!("name = {text}")),
            (String::new(), format!("platforms = [{text}]")),
            (String::new(), format!("[variants.{text}]")),
            (format!("registries = [{text}]"), String::new()),
            (format!("staging = {text}"), String::new()),
            (format!("ci = {{ branch = {text} }}"), String::new()),
            (format!("ci = {{ schedule = {text} }}"), String::new()),
            (format!("ci = {{ runners = {{ \"linux/amd64\" = {text} }} }}"), String::new()),
            (format!("ci = {{ runners = {{ {text} = \"x\" }} }}"), String::new()),
            (
                format!("registry = {{ {text} = {{ user = \"A\", secret = \"B\" }} }}"),
                String::new(),
            ),
            (
                format!("registry = {{ \"docker.io\" = {{ user = {text}, secret = \"B\" }} }}"),
                String::new(),
            ),
            (
                format!("registry = {{ \"docker.io\" = {{ user = \"A\", secret = {text} }} }}"),
                String::new(),
            ),
        ] {
            let workspace = support::configured(&config).image("a", &image, "FROM debian\n");
            let said = workspace.run(&["ci", "generate"]);
            assert_eq!(said.status, 2, "{config}{image}: {}", said.stderr);
            assert!(said.stderr.contains(".toml:"), "{}", said.stderr);
            assert!(!workspace.root().join(IMAGES).exists());
        }
        let alias = format!("[alias]\nxtask = [\"run\", \"--package\", {text}]\n");
        let workspace =
            support::workspace().image("a", "", "FROM debian\n").file(".cargo/config.toml", &alias);
        assert_eq!(workspace.run(&["ci", "generate"]).status, 2, "{evil}");
    }
}

/// Folders and descriptions may be what they like: they are not in the workflow.
#[cfg(unix)]
#[test]
fn folders_and_descriptions_are_not_in_it() {
    for evil in EVIL.into_iter().filter(|evil| !evil.contains('\n')) {
        let toml = format!(
            "id = \"a\"\ndescription = {}\nsecrets = {{ s = {{ env = \"A\" }} }}",
            toml_text(evil)
        );
        let workspace = support::workspace().image(evil, &toml, "FROM debian\n");
        let text = generated(&workspace);
        assert!(!text.contains(evil) && !text.contains("pwned"), "{text}");
    }
}

fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
