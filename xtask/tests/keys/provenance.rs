//! What is no input: provenance, publication, environment. Neither key nor command of a build changes with them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;

use crate::{Fixture, SERVICES, keys, planned, planning, run};

/// The words of each image's command.
fn commands(plan: &BTreeMap<String, Value>) -> BTreeMap<&str, Vec<&str>> {
    plan.iter()
        .map(|(id, image)| {
            let words = image["command"].as_array().unwrap().iter();
            (id.as_str(), words.map(|word| word.as_str().unwrap()).collect())
        })
        .collect()
}

/// As [`commands`], without what a person declares of provenance and publication: labels and names.
fn undeclared(plan: &BTreeMap<String, Value>) -> BTreeMap<&str, Vec<&str>> {
    let declared = |word: &str| {
        word.starts_with("--label=") || (word.starts_with("--tag=") && !word.contains(":key-"))
    };
    let mut commands = commands(plan);
    for words in commands.values_mut() {
        words.retain(|word| !declared(word));
    }
    commands
}

fn of_keys(plan: &BTreeMap<String, Value>) -> BTreeMap<&str, &Value> {
    plan.iter().map(|(id, image)| (id.as_str(), &image["keys"])).collect()
}

fn assert_same(what: &str, now: &BTreeMap<String, Value>, then: &BTreeMap<String, Value>) {
    assert_eq!(of_keys(now), of_keys(then), "{what}");
    assert_eq!(commands(now), commands(then), "{what}");
}

fn assert_same_but_declared(
    what: &str,
    now: &BTreeMap<String, Value>,
    then: &BTreeMap<String, Value>,
) {
    assert_eq!(of_keys(now), of_keys(then), "{what}");
    assert_eq!(undeclared(now), undeclared(then), "{what}");
}

/// A fixture whose images leave out their own `image.toml`s, so that these can change.
fn without_own_settings() -> Fixture {
    let fixture = Fixture::new();
    for service in SERVICES {
        let file = format!("services/{service}/Dockerfile.dockerignore");
        let text = fs::read_to_string(fixture.root.join(&file)).unwrap();
        fixture.write(&file, &format!("{text}**/image.toml\n**/Dockerfile*\n"));
    }
    fixture.commit();
    fixture
}

#[test]
fn the_environment_is_no_input() {
    let fixture = without_own_settings();
    let expected = Fixture::plan(&fixture.root, &[]);
    assert!(!commands(&expected)["bot"].is_empty());
    for (name, value) in [
        ("SOURCE_DATE_EPOCH", "0"),
        ("DOCKER_DEFAULT_PLATFORM", "linux/s390x"),
        ("DOCKER_BUILDKIT", "0"),
        ("BUILDKIT_PROGRESS", "plain"),
        ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
        ("BUILDX_GIT_LABELS", "full"),
        ("BUILDX_EXPERIMENTAL", "1"),
        ("BUILDX_METADATA_PROVENANCE", "max"),
        ("USER", "somebody"),
        ("HOSTNAME", "elsewhere"),
        ("HOME", "/nonexistent"),
        ("TZ", "Asia/Tokyo"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("HTTP_PROXY", "http://proxy.invalid:3128"),
        ("CI", "true"),
        ("GITHUB_SHA", "0000000000000000000000000000000000000000"),
    ] {
        assert_same(name, &Fixture::plan(&fixture.root, &[(name, value)]), &expected);
    }
}

#[test]
fn the_checkout_is_no_input() {
    let fixture = without_own_settings();
    let expected = Fixture::plan(&fixture.root, &[]);
    for (folder, umask) in [("second", "002"), ("third/deeper", "022")] {
        let clone = fixture.root.with_file_name(folder);
        let script = format!("umask {umask} && git clone -q {} {clone}", fixture.root);
        run(Command::new("sh").args(["-c", &script]));
        run(Command::new("git").args(["remote", "remove", "origin"]).current_dir(&clone));
        assert_same(folder, &Fixture::plan(&clone, &[]), &expected);
    }

    // Dates of files and folders.
    run(Command::new("find").args([fixture.root.as_str(), "-exec", "touch", "-d@0", "{}", "+"]));
    assert_same("dates", &Fixture::plan(&fixture.root, &[]), &expected);

    // Another user, who owns another copy. Only root can be somebody else.
    let copy = fixture.root.with_file_name("fourth");
    run(Command::new("cp").args(["-r", fixture.root.as_str(), copy.as_str()]));
    if Command::new("chown").args(["-R", "12345:12345", copy.as_str()]).status().unwrap().success()
    {
        run(Command::new("chmod").args(["755", copy.parent().unwrap().as_str()]));
        let program = copy.with_file_name("program");
        // Not by this process: what it has open for writing when another test starts a program, cannot be run.
        run(Command::new("cp").args([env!("CARGO_BIN_EXE_xtask"), program.as_str()]));
        let mut command = Command::new(program);
        command.args(["plan", "--json"]).current_dir(&copy).uid(12345).gid(12345);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").env("HOME", "/nonexistent");
        assert_same("another user", &planned(&mut command), &expected);
    }
}

#[test]
fn provenance_changes_labels_and_nothing_else() {
    let fixture = without_own_settings();
    let expected = Fixture::plan(&fixture.root, &[]);
    let same = |what: &str| {
        assert_same_but_declared(what, &Fixture::plan(&fixture.root, &[]), &expected);
    };
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "another", "--date=2001-01-01T00:00:00"]);
    same("commit");
    fixture.git(&["checkout", "-q", "-b", "feature/x"]);
    same("branch");
    fixture.git(&["remote", "add", "origin", "https://github.com/fork/repository"]);
    same("remote");
    fixture.git(&["tag", "v9.9.9"]);
    same("tag of git");
}

#[test]
fn publication_changes_names_and_nothing_else() {
    let fixture = without_own_settings();
    let expected = Fixture::plan(&fixture.root, &[]);
    let same = |what: &str| {
        assert_same_but_declared(what, &Fixture::plan(&fixture.root, &[]), &expected);
    };
    fixture.write(
        "Cargo.toml",
        "[workspace]\nmembers = []\n[workspace.metadata.dockyard]\nregistries = [\"quay.io/other\"]\n",
    );
    same("registry");
    for line in [
        "tags = [\"{{ version }}\", \"special\"]\nversion = \"1.2.3\"",
        "repositories = [\"quay.io/x/bot\"]",
        "labels = { a = \"{{ commit }}\" }",
        "description = \"x\"",
        "publish = false",
    ] {
        fixture.write("services/bot/image.toml", &format!("context = \"/\"\n{line}\n"));
        same(line);
    }
    let channel = |channel: &str| {
        let mut command = planning(&fixture.root);
        command.arg(format!("--channel={channel}"));
        planned(&mut command)
    };
    assert_same_but_declared("channel", &channel("main"), &expected);
}

/// A stamp in `[args]` is provenance where nothing but a label sees it.
#[test]
fn a_stamp_is_an_input_where_more_than_a_label_sees_it() {
    let fixture = without_own_settings();
    let toml = "context = \"/\"\n[args]\nREVISION = \"{{ commit }}\"\n";
    for (service, line) in [
        ("bot", "ARG REVISION\nLABEL revision=$REVISION"),
        ("notebook", "ARG REVISION\nLABEL revision=$REVISION\nENV REVISION=$REVISION"),
        ("web", "ARG REVISION\nRUN true"),
    ] {
        fixture.write(&format!("services/{service}/image.toml"), toml);
        fixture.write(
            &format!("services/{service}/Dockerfile"),
            &format!("FROM scratch\nCOPY shared /shared\n{line}\n"),
        );
    }
    fixture.commit();
    let before = Fixture::plan(&fixture.root, &[]);
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "another"]);
    let now = Fixture::plan(&fixture.root, &[]);
    let changed: Vec<&str> =
        SERVICES.into_iter().filter(|id| now[*id]["key"] != before[*id]["key"]).collect();
    assert_eq!(changed, ["notebook", "web"]);
    assert_ne!(
        now["bot"]["command"], before["bot"]["command"],
        "the stamp still reaches the label"
    );
}

#[test]
fn two_clones_have_equal_keys() {
    let fixture = Fixture::new();
    let expected = keys(&fixture.root);
    for (folder, umask) in [("second", "002"), ("third/deeper", "022")] {
        let clone = fixture.root.with_file_name(folder);
        let script = format!("umask {umask} && git clone -q {} {clone}", fixture.root);
        run(Command::new("sh").args(["-c", &script]));
        assert_eq!(keys(&clone), expected, "{folder}");
    }
}

#[test]
fn provenance_and_publication_are_no_inputs() {
    let fixture = Fixture::new();
    let expected = keys(&fixture.root);
    // Commit, dates, branch, remote.
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "another"]);
    fixture.git(&["checkout", "-q", "-b", "feature/x"]);
    fixture.git(&["tag", "v9.9.9"]);
    fixture.git(&["remote", "add", "origin", "https://github.com/fork/repository"]);
    for file in ["shared/lib.py", "services/bot/main.py"] {
        let file = fs::File::options().append(true).open(fixture.root.join(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    // Tags, registry, labels, repositories.
    for service in SERVICES {
        fixture.write(
            &format!("services/{service}/image.toml"),
            "context = \"/\"\ndescription = \"x\"\nversion = \"1.2.3\"\ntags = [\"{{ version }}\"]\nrepositories = [\"quay.io/x/y\"]\nlabels = { a = \"{{ commit }}\" }\n",
        );
        if service != "bot" {
            fixture.write(
                &format!("services/{service}/image.toml"),
                &format!("context = \"/\"\nrepositories = [\"quay.io/x/{service}\"]\n"),
            );
        }
    }
    // The folder of an image is read by its own COPY: its image.toml is a file like others there.
    let changed = keys(&fixture.root);
    for service in SERVICES {
        assert_ne!(changed[service], expected[service], "image.toml is copied");
    }
    for service in SERVICES {
        let file = format!("services/{service}/Dockerfile.dockerignore");
        let text = fs::read_to_string(fixture.root.join(&file)).unwrap();
        fixture.write(&file, &format!("{text}**/image.toml\n**/Dockerfile*\n"));
    }
    let with = keys(&fixture.root);
    for service in SERVICES {
        fixture.write(&format!("services/{service}/image.toml"), "context = \"/\"\n");
    }
    assert_eq!(keys(&fixture.root), with);
}
