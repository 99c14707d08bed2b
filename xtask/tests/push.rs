//! `push` and `promote` with real images from a real engine, against real registries.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/registries.rs"]
mod registries;

use std::collections::BTreeSet;
use std::process::Stdio;

use engines::TestEngine;
use lab::{Lab, Said, token};
use registries::{Image, PASSWORD, Registry, USER};
use serde_json::Value;
use ureq::http::Method;

/// Two registries, one of them with TLS and a login, and a workspace that publishes to both.
struct Press {
    lab: Lab,
    /// Open: what it holds first is staged.
    first: Registry,
    second: Registry,
    _login: tempfile::TempDir,
}

impl Press {
    fn new(test: &'static TestEngine) -> Option<Self> {
        let (first, second) = (Registry::open()?, Registry::locked()?);
        let mut lab = Lab::with_base(test)?;
        let login = registries::docker_config_beside(&test.command("docker"), &[&second.host]);
        lab.set("DOCKER_CONFIG", login.path().to_str().unwrap());
        // Pushes of one person wait for each other: these tests are many persons.
        lab.set("XDG_STATE_HOME", login.path().to_str().unwrap());
        lab.set("SSL_CERT_FILE", second.authority.as_ref().unwrap().as_str());
        let press = Self { lab, first, second, _login: login };
        press.configure("0.3.0", "");
        Some(press)
    }

    /// The root's `Cargo.toml`.
    fn configure(&self, version: &str, more: &str) {
        let (first, second) = (&self.first.host, &self.second.host);
        self.lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nregistries = [\"{first}/lab\", \"{second}/other/lab\"]\n\
                 version = \"{version}\"\n{more}\n"
            ),
        );
    }

    /// An image on the base, with a file that says `text`.
    fn child(&self, id: &str, toml: &str, text: &str) {
        let base = format!("{}/lab/base", self.first.host);
        self.lab.image(id, toml, &format!("FROM {base}\nCOPY text /text\n"));
        self.lab.file(&format!("{id}/text"), text);
    }

    fn push(&self, args: &[&str], status: i32) -> Said {
        let said = self.lab.say(&[&["push"], args].concat());
        assert_eq!(said.status, Some(status), "{said}");
        said
    }

    /// What a tag names in both registries.
    fn both(&self, id: &str, tag: &str) -> [Option<String>; 2] {
        [
            self.first.tag(&format!("lab/{id}"), tag),
            self.second.tag(&format!("other/lab/{id}"), tag),
        ]
    }
}

/// The tags of a repository, and the repositories, as the registry itself lists them.
fn tags(registry: &Registry, repository: &str) -> BTreeSet<String> {
    let path = format!("/v2/{repository}/tags/list");
    let (status, _, body) = registry.request(&Method::GET, &path, "", &[]);
    if status == 404 {
        return BTreeSet::new();
    }
    let json: Value = serde_json::from_slice(&body).unwrap();
    let tags = json["tags"].as_array().into_iter().flatten();
    tags.map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

fn repositories(registry: &Registry) -> usize {
    let (_, _, body) = registry.request(&Method::GET, "/v2/_catalog", "", &[]);
    let json: Value = serde_json::from_slice(&body).unwrap();
    json["repositories"].as_array().unwrap().len()
}

/// Method and path of each manifest request in a registry's log after `skip` bytes, without those of tokens and pings.
fn requests(registry: &Registry, skip: usize) -> Vec<(String, String)> {
    let log = registry.log();
    let field = |line: &str, name: &str| {
        let start = line.find(&format!("{name}="))? + name.len() + 1;
        let rest = line[start..].trim_start_matches('"');
        Some(rest[..rest.find(['"', ' '])?].to_owned())
    };
    log[skip..]
        .lines()
        .filter(|line| line.contains("response completed"))
        .filter_map(|line| {
            Some((field(line, "http.request.method")?, field(line, "http.request.uri")?))
        })
        .collect()
}

#[test]
fn three_services_have_one_digest_each_everywhere() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    let lab = &press.lab;
    let (first, second) = (&press.first.host, &press.second.host);
    // Three names: one by default, one of its own in each registry.
    press.child("alpha", "", "alpha");
    press.child(
        "beta",
        &format!("repositories = [\"{first}/lab/beta\", \"{second}/b/beta-image\"]\n"),
        "beta",
    );
    press.child("gamma", "name = \"the-gamma\"\n", "gamma");
    lab.commit();

    let said = press.push(&[], 0);
    let places = [
        ("lab/alpha", "other/lab/alpha"),
        ("lab/beta", "b/beta-image"),
        ("lab/the-gamma", "other/lab/the-gamma"),
    ];
    for (here, there) in places {
        let digest = press.first.tag(here, "0.3.0");
        assert!(digest.is_some(), "{here}: {said}");
        for tag in ["0.3.0", "0.3", "latest"] {
            assert_eq!(press.first.tag(here, tag), digest, "{here}:{tag}");
            assert_eq!(press.second.tag(there, tag), digest, "{there}:{tag}");
        }
    }

    // Again, with no engine at all: nothing is moved, and one question a tag is asked.
    let skip = [press.first.log().len(), press.second.log().len()];
    let mut command = lab.xtask(&["push", "--json"]);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let again = Said::of(&command.output().unwrap());
    assert_eq!(again.status, Some(0), "{again}");
    let json: Value = serde_json::from_str(&again.stdout).unwrap();
    let names: Vec<&Value> = json["images"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["tags"].as_array().unwrap())
        .collect();
    assert_eq!(names.len(), 4 * 2 * 4, "{again}");
    assert!(names.iter().all(|name| name["change"] == "keep"), "{again}");
    // Every tag of the first registry, and the key of each image.
    for (registry, skip, most) in [(&press.first, skip[0], 4 * 5), (&press.second, skip[1], 4 * 4)]
    {
        let asked: Vec<_> = requests(registry, skip)
            .into_iter()
            .filter(|(_, path)| path.contains("/manifests/"))
            .collect();
        assert!(asked.iter().all(|(method, _)| method == "HEAD"), "{asked:?}");
        let distinct: BTreeSet<_> = asked.iter().collect();
        assert_eq!(asked.len(), distinct.len(), "one thing was asked twice: {asked:?}");
        assert!(asked.len() <= most, "{asked:?}");
        // Besides, the registry is asked once which kind of login it wants.
        let others = requests(registry, skip).len() - asked.len();
        assert!(others <= 1, "{:?}", requests(registry, skip));
    }
}

#[test]
fn one_failing_test_among_ten_and_nothing_is_published() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    for index in 0..9 {
        let toml =
            format!("[test]\nrun = [{{ cmd = [\"cat\", \"/text\"], expect = \"{index}\" }}]\n");
        press.child(&format!("good-{index}"), &toml, &index.to_string());
    }
    press.child("bad", "[test]\nrun = [[\"test\", \"-e\", \"/nothing\"]]\n", "bad");
    press.lab.commit();

    let said = press.push(&[], 1);
    assert!(said.stderr.contains("bad: its tests failed"), "{said}");
    assert!(said.stderr.contains("no tag was written anywhere"), "{said}");
    assert_eq!(repositories(&press.second), 0, "{said}");
    for id in
        ["base", "bad"].map(str::to_owned).into_iter().chain((0..9).map(|i| format!("good-{i}")))
    {
        let tags = tags(&press.first, &format!("lab/{id}"));
        assert!(tags.iter().all(|tag| tag.starts_with("key-")), "{id}: {tags:?}");
    }

    // Mended, the same command goes on: what was staged is not sent again.
    press.child("bad", "[test]\nrun = [[\"test\", \"-e\", \"/text\"]]\n", "bad");
    press.lab.commit();
    let said = press.push(&[], 0);
    assert_eq!(press.both("bad", "latest")[0], press.both("bad", "0.3.0")[1], "{said}");
    assert!(press.both("good-8", "latest")[1].is_some(), "{said}");
}

#[test]
fn a_published_version_never_changes() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "version = \"1.0.0\"\n", "first");
    press.lab.commit();
    press.push(&["app"], 0);
    let before = press.both("app", "1.0.0");
    let latest = press.both("app", "latest");

    press.lab.file("app/text", "second");
    press.lab.commit();
    let said = press.push(&["app"], 2);
    assert!(said.stderr.contains("app/image.toml:1"), "{said}");
    assert!(said.stderr.contains("raise the version of app"), "{said}");
    assert_eq!(press.both("app", "1.0.0"), before);
    assert_eq!(press.both("app", "latest"), latest);
    // It was found before anything was built.
    assert!(!said.stderr.contains("✓ built"), "{said}");

    press.lab.file("app/image.toml", "version = \"1.0.1\"\n");
    press.lab.commit();
    press.push(&["app"], 0);
    assert_eq!(press.both("app", "1.0.0"), before);
    assert_ne!(press.both("app", "latest"), latest);
    assert_eq!(press.both("app", "latest"), press.both("app", "1.0.1"));

    // The same content as another version is named, not built: its label says the version of its first build.
    press.lab.file("app/image.toml", "version = \"1.2.0\"\n");
    press.lab.commit();
    press.push(&["app"], 0);
    assert_eq!(press.both("app", "1.2.0"), press.both("app", "1.0.1"));

    // An older version leaves `latest` where it is, be it older only than the last tag of what that names.
    for older in ["1.0.0.post1", "1.1.0"] {
        press.lab.file("app/image.toml", &format!("version = \"{older}\"\n"));
        press.lab.file("app/text", older);
        press.lab.commit();
        let said = press.push(&["app"], 0);
        assert!(said.stderr.contains("stays with version 1."), "{said}");
        assert_eq!(press.both("app", "latest"), press.both("app", "1.2.0"));
        assert_ne!(press.both("app", older), press.both("app", "1.2.0"));
    }
}

#[test]
fn foreign_content_under_our_version_is_a_conflict() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "", "app");
    press.lab.commit();
    let foreign = Image::new(&token()).put(&press.second, "other/lab/app", "0.3.0");
    let said = press.push(&["app"], 2);
    assert!(said.stderr.contains("Cargo.toml:3"), "{said}");
    assert_eq!(press.both("app", "0.3.0"), [None, Some(foreign.digest)]);
    assert!(tags(&press.first, "lab/app").iter().all(|tag| tag.starts_with("key-")));

    // A mutable one that says no version is moved only where that is allowed.
    press.configure("0.3.1", "");
    press.lab.commit();
    let foreign = Image::new(&token()).put(&press.second, "other/lab/app", "latest");
    let said = press.push(&["app"], 2);
    assert!(said.stderr.contains("--allow-move latest"), "{said}");
    assert_eq!(press.both("app", "latest"), [None, Some(foreign.digest)]);
    assert_eq!(press.both("app", "0.3.1"), [None, None]);
    press.push(&["app", "--allow-move", "latest"], 0);
    let [first, second] = press.both("app", "latest");
    assert_eq!(first, second);
}

#[test]
fn another_machine_takes_what_is_published() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "", "app");
    press.lab.commit();
    press.push(&["--registry", &press.first.host], 0);
    let digest = press.first.tag("lab/app", "0.3.0");

    // A clone that has built the same itself, from scratch: its own content differs.
    let clone = tempfile::tempdir().unwrap();
    let root = clone.path().join("clone");
    press.lab.git(&["clone", "--quiet", ".", root.to_str().unwrap()]);
    let run = |args: &[&str]| {
        let output = press.lab.xtask(args).current_dir(&root).output().unwrap();
        Said::of(&output)
    };
    let built = run(&["build", "--no-cache", "--json"]);
    assert_eq!(built.status, Some(0), "{built}");
    let own = lab::images(&built)["app"]["digest"].as_str().unwrap().to_owned();
    assert_ne!(Some(&own), digest.as_ref());
    let said = run(&["push"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(!said.stderr.contains("sending"), "{said}");
    assert_eq!(press.both("app", "0.3.0"), [digest.clone(), digest.clone()]);

    // A change to the child alone: it is built on the published base, not on the clone's own.
    std::fs::write(root.join("app/text"), "changed").unwrap();
    let said = run(&["push", "--allow-dirty", "--channel", "dev"]);
    assert_eq!(said.status, Some(0), "{said}");
    let inspected = run(&["inspect", "app", "--channel", "dev", "--json"]);
    let json: Value = serde_json::from_str(&inspected.stdout).unwrap();
    let labels = &json["contents"][0]["labels"];
    let base = press.first.tag("lab/base", "0.3.0").unwrap();
    assert_eq!(labels["dockyard.parents"], format!("base={base}"), "{inspected}");
    assert_eq!(labels["org.opencontainers.image.base.digest"], base, "{inspected}");
}

#[test]
fn two_pushes_at_once_end_as_one_after_the_other() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    for id in ["one", "two", "three"] {
        press.child(id, "", id);
    }
    press.lab.commit();
    let clone = tempfile::tempdir().unwrap();
    let root = clone.path().join("clone");
    press.lab.git(&["clone", "--quiet", ".", root.to_str().unwrap()]);
    let start = |folder: &std::path::Path| {
        let mut command = press.lab.xtask(&["push"]);
        command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(press.lab.root().as_std_path()), start(&root)];
    let said = children.map(Said::of_child);
    assert!(said.iter().all(|said| said.status == Some(0)), "{}{}", said[0], said[1]);
    assert!(said.iter().any(|said| said.stderr.contains("waiting for another push")));
    for id in ["base", "one", "two", "three"] {
        let [first, second] = press.both(id, "latest");
        assert!(first.is_some());
        assert_eq!(first, second, "{id}");
        assert_eq!(press.both(id, "0.3.0"), [first.clone(), second]);
    }
}

#[test]
fn what_differs_from_head_is_not_published() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "", "app");
    press.lab.commit();
    press.lab.file("app/text", "changed");
    let said = press.push(&[], 2);
    assert!(said.stderr.contains("app differs from HEAD: changed: app/text"), "{said}");
    assert!(said.stderr.contains("--allow-dirty"), "{said}");
    press.lab.git(&["checkout", "--quiet", "app/text"]);

    press.lab.image("wide", "", "FROM scratch\nCOPY . /\nCMD [\"/x\"]\n");
    press.lab.file(".gitignore", "/target/\n*.secret\n");
    press.lab.commit();
    press.lab.file("wide/own.secret", "x");
    let said = press.push(&["wide"], 2);
    assert!(said.stderr.contains("wide/own.secret"), "{said}");
    assert_eq!(repositories(&press.first), 0);
    press.push(&["wide", "--allow-dirty"], 0);
}

#[test]
fn promotion_gives_other_tags_to_the_same_content() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "", "app");
    press.lab.commit();
    let said = press.lab.say(&["promote", "app", "--channel", "release"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("push it first"), "{said}");
    press.push(&["app", "--channel", "dev"], 0);
    let [dev, _] = press.both("app", "dev");
    assert!(dev.is_some());
    assert_eq!(press.both("app", "0.3.0"), [None, None]);
    let said = press.lab.say(&["promote", "app", "--channel", "release"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert_eq!(press.both("app", "0.3.0"), [dev.clone(), dev.clone()]);
    assert_eq!(press.both("app", "latest"), [dev.clone(), dev]);
}

#[test]
fn what_is_read_from_the_image_is_in_its_tags() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    let toml = "tags = [\"{{ version }}-torch{{ torch }}\"]\n\
                [facts]\ntorch = { probe = [\"cat\", \"/text\"], match = '^(\\d+\\.\\d+)' }\n";
    press.child("app", toml, "2.6.0+cu126");
    press.lab.commit();
    press.push(&["app"], 0);
    let [first, second] = press.both("app", "0.3.0-torch2.6");
    assert!(first.is_some());
    assert_eq!(first, second);

    press.child("app", toml, "");
    press.lab.commit();
    let said = press.push(&["app"], 1);
    assert!(said.stderr.contains("cat /text"), "{said}");
    assert_eq!(tags(&press.second, "other/lab/app"), BTreeSet::from(["0.3.0-torch2.6".to_owned()]));
}

#[test]
fn policy_local_images_and_missing_logins() {
    let Some(test) = engines::any() else { return };
    let Some(press) = Press::new(test) else { return };
    press.child("app", "tags = [\"torch-latest\", \"tf-latest\"]\n", "app");
    press.child("mine", "publish = false\n", "mine");
    press.configure("0.3.0", "policy = { max-matching = { \"*-latest\" = 1 } }");
    press.lab.commit();
    let said = press.push(&[], 2);
    assert!(said.stderr.contains("the policy allows 1"), "{said}");
    press.configure("0.3.0", "policy = { max-matching = { \"*-latest\" = 2 } }");
    press.lab.commit();
    let said = press.push(&["mine"], 2);
    assert!(said.stderr.contains("publish = false"), "{said}");

    // Without its login, the second registry is known before anything is built.
    let mut command = press.lab.xtask(&["push"]);
    command.env("DOCKER_CONFIG", press.lab.root().join("target/no-login"));
    let said = Said::of(&command.output().unwrap());
    assert_eq!(said.status, Some(1), "{said}");
    assert!(said.stderr.contains(&format!("docker login {}", press.second.host)), "{said}");
    assert_eq!(repositories(&press.first), 0, "{said}");

    let said = press.push(&["--verbose"], 0);
    assert_eq!(press.both("mine", "latest"), [None, None]);
    // Nothing that was said or written holds the password.
    let secrets = [PASSWORD.to_owned(), format!("{USER}:{PASSWORD}")];
    let mut texts = vec![said.stdout, said.stderr];
    for file in lab::files(&press.lab.root().join("target")) {
        texts.push(String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    }
    assert!(texts.len() > 4);
    for secret in secrets {
        assert!(texts.iter().all(|text| !text.contains(&secret)));
    }
}
