//! What scripts really do, from a `docker` that only notes what it is asked, beside what is planned for them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::repository::{Repository, name};

/// A `docker build` as it was asked for.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Build {
    context: String,
    dockerfile: String,
    args: BTreeMap<String, String>,
    tags: BTreeSet<String>,
}

/// Runs `script` with a `docker` that notes its words, each on a line, a blank line after each command.
fn asked(repository: &Repository, script: &str, args: &[&str]) -> Vec<Vec<String>> {
    let bin = tempfile::tempdir().unwrap();
    let log = bin.path().join("log");
    let shim = bin.path().join("docker");
    std::fs::write(&shim, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" '' >>{}\n", log.display()))
        .unwrap();
    std::fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let status = Command::new("bash")
        .arg(script)
        .args(args)
        .current_dir(&repository.root)
        .env("PATH", path)
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(log).unwrap();
    let commands = text.split("\n\n").filter(|command| !command.is_empty());
    commands.map(|command| command.lines().map(str::to_owned).collect()).collect()
}

fn with_tag(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// The builds among `commands`, with the tags that `docker tag` adds.
fn builds(commands: &[Vec<String>]) -> BTreeSet<Build> {
    let mut builds: Vec<Build> = Vec::new();
    for words in commands {
        let mut words = words.iter().map(String::as_str);
        match words.next() {
            Some("build") => {
                let mut build = Build::default();
                while let Some(word) = words.next() {
                    match word {
                        "-f" => words.next().unwrap().clone_into(&mut build.dockerfile),
                        "-t" => {
                            build.tags.insert(with_tag(words.next().unwrap()));
                        }
                        "--build-arg" => {
                            let (name, value) = words.next().unwrap().split_once('=').unwrap();
                            build.args.insert(name.to_owned(), value.to_owned());
                        }
                        context => context.clone_into(&mut build.context),
                    }
                }
                builds.push(build);
            }
            Some("tag") => {
                let (from, to) = (with_tag(words.next().unwrap()), with_tag(words.next().unwrap()));
                for build in builds.iter_mut().filter(|build| build.tags.contains(&from)) {
                    build.tags.insert(to.clone());
                }
            }
            other => assert_eq!(other, Some("push")),
        }
    }
    builds.into_iter().collect()
}

#[test]
fn the_plan_is_what_the_scripts_did() {
    let repository = Repository::of("scripts");
    let mut commands = asked(&repository, "build-services.sh", &[]);
    commands.extend(asked(&repository, "push-services.sh", &["alice"]));
    let done = builds(&commands);
    assert_eq!(done.len(), 4);

    let repository = repository.adopted();
    let plan = repository.json(&["plan", "--json", "--channel", "release"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut planned = BTreeSet::new();
    for image in plan["images"].as_array().unwrap() {
        let local = text(&image["name"]);
        let tags: Vec<String> = image["tags"].as_array().unwrap().iter().map(text).collect();
        // `push --user alice` publishes to docker.io/alice.
        let user = |tag: &String| format!("alice/{local}:{tag}");
        let at_home = tags.iter().map(|tag| format!("{local}:{tag}"));
        let args = image["args"].as_object().unwrap();
        planned.insert(Build {
            context: text(&image["context"]),
            dockerfile: text(&image["dockerfile"]),
            args: args.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            tags: at_home.chain(tags.iter().map(user)).collect(),
        });
    }
    // The scripts push the tags `0.3.0` and `latest` only, and give the first at home too: compared by tag.
    let by_tag =
        |builds: &BTreeSet<Build>| -> BTreeMap<String, (String, String, BTreeMap<String, String>)> {
            builds
                .iter()
                .flat_map(|one| {
                    let rest = (one.context.clone(), one.dockerfile.clone(), one.args.clone());
                    one.tags.iter().map(move |tag| (tag.clone(), rest.clone()))
                })
                .collect()
        };
    let (done, planned) = (by_tag(&done), by_tag(&planned));
    for (tag, how) in &done {
        assert_eq!(planned.get(tag), Some(how), "{tag}");
    }
    let names: BTreeSet<String> = plan["images"].as_array().unwrap().iter().map(name).collect();
    let expected = [
        "clm-drawio-converter",
        "clm-notebook-processor:full",
        "clm-notebook-processor:lite",
        "clm-plantuml-converter",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    // No further tag, but those of one name under the other.
    let bare = |tag: &String| tag.rsplit('/').next().unwrap().to_owned();
    let known: BTreeSet<String> = done.keys().map(bare).collect();
    assert_eq!(planned.keys().map(bare).collect::<BTreeSet<_>>(), known);
}
