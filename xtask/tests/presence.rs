//! Nothing is skipped that is not there: by digest, on a real engine.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use support::{Random, docker, engine_or_skip};

/// How many images are built while the build is killed, and how often it is.
const IMAGES: usize = 12;
const KILLS: usize = 6;

/// A workspace of images, each with one file.
struct Fixture {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
    prefix: String,
    images: Vec<String>,
}

impl Fixture {
    /// The first image is the parent of the others.
    fn new(test: &str, count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let prefix = format!("dyp-{test}-{}", std::process::id());
        let config = "[workspace]\nmembers = []\n[workspace.metadata.dockyard]\nregistries = [\"presence.dockyard.test\"]\n";
        fs::write(root.join("Cargo.toml"), config).unwrap();
        let images = (0..count).map(|index| format!("{prefix}-{index}")).collect();
        let fixture = Self { _folder: folder, root, prefix, images };
        for (index, image) in fixture.images.iter().enumerate() {
            let base = match index {
                0 => "scratch".to_owned(),
                _ => format!("presence.dockyard.test/{}", fixture.images[0]),
            };
            fs::create_dir(fixture.root.join(image)).unwrap();
            fs::write(fixture.root.join(image).join("image.toml"), "").unwrap();
            fixture.write(
                image,
                "Dockerfile",
                &format!("FROM {base}\nCOPY content /content-{index}\nCMD [\"/x\"]\n"),
            );
            fixture.write(image, "content", "first");
        }
        fixture
    }

    fn write(&self, image: &str, file: &str, text: &str) {
        fs::write(self.root.join(image).join(file), text).unwrap();
    }

    fn xtask(&self, args: &[&str]) -> Command {
        let mut command = support::command(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(&self.root);
        command
    }

    /// What became of each image, and what was said.
    fn build(&self) -> (BTreeMap<String, String>, String) {
        let output = self.xtask(&["build", "--json"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let images = json["images"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (images.map(|image| (text(&image["id"]), text(&image["status"]))).collect(), said)
    }

    fn built(&self) -> Vec<String> {
        let (statuses, _) = self.build();
        statuses.into_iter().filter(|(_, status)| status == "built").map(|(id, _)| id).collect()
    }

    /// The file in the built image.
    fn content(&self, index: usize) -> String {
        self.content_of(&format!("{}:dev", self.images[index]), index)
    }

    fn content_of(&self, name: &str, index: usize) -> String {
        let container = docker(&["create", name], "");
        assert!(container.success, "{}", container.stderr);
        let container = container.stdout.trim().to_owned();
        let to = self.root.join("target").join(format!("copied-{index}"));
        let said = docker(&["cp", &format!("{container}:/content-{index}"), to.as_str()], "");
        assert!(said.success, "{}", said.stderr);
        docker(&["rm", &container], "");
        fs::read_to_string(to).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let filter = format!("reference=*{}*", self.prefix);
        let all = docker(&["image", "ls", "-q", "--filter", &filter], "");
        for id in all.stdout.lines() {
            docker(&["image", "rm", "-f", id], "");
        }
    }
}

/// The name that holds exactly the image's key.
fn key_tag(image: &str) -> String {
    let said = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image], "");
    let tag = said.stdout.lines().find(|line| line.contains(":key-"));
    tag.unwrap_or_else(|| panic!("{image} has no key tag: {}", said.stdout)).to_owned()
}

#[test]
fn only_the_recorded_digest_counts() {
    if !engine_or_skip() {
        return;
    }
    let fixture = Fixture::new("digest", 2);
    let (parent, child) = (&fixture.images[0], &fixture.images[1]);
    assert_eq!(fixture.built(), [parent.as_str(), child]);
    assert!(fixture.built().is_empty());

    // Another image takes the name: the content is still there under its digest, or it is built again.
    let (of_parent, of_child) = (key_tag(parent), key_tag(child));
    assert!(docker(&["image", "tag", &of_parent, &of_child], "").success);
    fixture.build();
    assert_eq!(fixture.content_of(&of_child, 1), "first", "the name holds the right content again");
    assert!(fixture.built().is_empty());

    // Every name of it is gone.
    let names = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], "").stdout;
    for name in names.lines().filter(|name| name.contains(child.as_str())) {
        docker(&["image", "rm", "-f", name], "");
    }
    assert_eq!(fixture.built(), [child.as_str()]);

    // The parent changes.
    fixture.write(parent, "Dockerfile", "FROM scratch\nCOPY content /content-0\nCMD [\"/y\"]\n");
    let first = fixture.build().0;
    assert!(first.values().all(|status| status == "built"), "{first:?}");
    fixture.write(parent, "content", "second");
    let why = fixture.xtask(&["why", parent]).output().unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains(&format!("changed: {parent}/content (COPY, Dockerfile:2)")), "{why}");
    assert!(why.contains("changed: the Dockerfile"), "the reason of the last build: {why}");
    let second = fixture.build().0;
    assert!(second.values().all(|status| status == "built"), "{second:?}");

    // What was replaced has gone, with all its names, and left nothing nameless behind.
    let all = docker(&["image", "ls", "--all", "--format", "{{.Repository}}:{{.Tag}}"], "").stdout;
    for image in [parent, child] {
        let keys = all.lines().filter(|name| name.starts_with(&format!("{image}:key-")));
        assert_eq!(keys.count(), 1, "{all}");
    }
    let ours = format!("label=dockyard.id={child}");
    let nameless =
        docker(&["image", "ls", "-q", "--filter=dangling=true", "--filter", &ours], "").stdout;
    assert_eq!(nameless, "");
}

#[test]
fn a_parent_that_is_built_again_under_its_key_makes_its_children_stale() {
    if !engine_or_skip() {
        return;
    }
    let fixture = Fixture::new("again", 2);
    let (parent, child) = (&fixture.images[0], &fixture.images[1]);
    fixture.build();
    let digest = |name: &str| docker(&["image", "inspect", "-f", "{{.Id}}", name], "").stdout;
    let (tag, before) = (key_tag(parent), digest(&key_tag(parent)));
    let again = fixture.xtask(&["build", "--force", "--no-cache", parent]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(key_tag(parent), tag, "the key is the same");
    assert_ne!(digest(&tag), before, "the image is another");
    let why = fixture.xtask(&["why", child]).output().unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains(&format!("{parent} was built again since")), "{why}");
    assert_eq!(fixture.built(), [child.as_str()]);
    assert!(fixture.built().is_empty());
}

#[test]
fn what_is_edited_during_its_build_is_not_recorded() {
    if !engine_or_skip() {
        return;
    }
    let fixture = Fixture::new("edit", 1);
    let image = &fixture.images[0];
    // Large enough that its build takes longer than the edits below.
    fs::write(fixture.root.join(image).join("content"), vec![7; 60_000_000]).unwrap();
    let mut child =
        fixture.xtask(&["build"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut number = 0;
    while child.try_wait().unwrap().is_none() {
        number += 1;
        // Written and put back: in the end the inputs are what they were.
        fixture.write(image, "passing", &number.to_string());
        fixture.write(image, "content", &format!("edited {number}"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("changed while it was built"), "{said}");
    assert_eq!(fixture.built(), [image.as_str()], "nothing was recorded");
    assert_eq!(fixture.content(0), format!("edited {number}"));
    assert!(fixture.built().is_empty());
}

/// `DOCKYARD_KILLS=20,50`: kills, images.
#[test]
fn a_killed_build_is_finished_by_the_next() {
    if !engine_or_skip() {
        return;
    }
    let given = std::env::var("DOCKYARD_KILLS").ok();
    let given = given.as_deref().and_then(|given| given.split_once(','));
    let (kills, images) = given.map_or((KILLS, IMAGES), |(kills, images)| {
        (kills.parse().unwrap(), images.parse().unwrap())
    });
    let fixture = Fixture::new("kill", images);
    let mut random = Random::new(1);
    let mut expected = vec!["first".to_owned(); images];
    for round in 0..kills {
        let mut child =
            fixture.xtask(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + random.below(3000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let changed = 1 + random.below(images - 1);
        expected[changed] = format!("round {round}");
        fixture.write(&fixture.images[changed], "content", &expected[changed]);
    }
    fixture.build();
    assert!(fixture.built().is_empty(), "the run after a finished one has nothing to do");
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(&fixture.content(index), expected, "image {index}");
    }
}
