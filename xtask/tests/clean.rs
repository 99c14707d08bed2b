//! `clean` on real engines, with both image stores.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::process::{Command, Stdio};

use engines::TestEngine;
use lab::{Lab, Said, token};
use serde_json::Value;

const SIZE: usize = 1_000_000;

/// A lab with one image, whose id nobody else on the engine has.
struct House {
    lab: Lab,
    id: String,
}

impl House {
    fn new(test: &'static TestEngine) -> Self {
        let lab = Lab::new(test);
        let id = format!("clean-{}", &token()[..12]);
        lab.image(&id, "", "FROM scratch\nCOPY big /big\n");
        let house = Self { lab, id };
        house.fill();
        house
    }

    /// Other content, which no compression makes smaller.
    fn fill(&self) {
        use std::io::Read as _;
        let mut bytes = vec![0; SIZE];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        std::fs::write(self.lab.root().join(&self.id).join("big"), bytes).unwrap();
    }

    fn build(&self) -> String {
        let built = self.lab.build(&[&self.id], 0);
        built[&self.id]["digest"].as_str().unwrap().to_owned()
    }

    fn docker(&self, args: &[&str]) -> String {
        let said = self.lab.docker(args);
        assert_eq!(said.status, Some(0), "{args:?}: {said}");
        said.stdout.trim().to_owned()
    }

    fn has(&self, image: &str) -> bool {
        self.lab.docker(&["image", "inspect", "--format={{.Id}}", image]).status == Some(0)
    }

    /// An image that another program built, with these options.
    fn foreign(&self, options: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), token()).unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY token /\n").unwrap();
        let path = folder.path().to_str().unwrap();
        let build = ["buildx", "build", "--builder=default", "--provenance=false", "--quiet"];
        self.docker(&[&build, options, &[path]].concat())
    }

    fn clean(&self, args: &[&str], status: i32) -> Said {
        let said = self.lab.say(&[&["clean"], args].concat());
        assert_eq!(said.status, Some(status), "{args:?}: {said}");
        said
    }

    /// `clean` at a terminal, where somebody types `answer` once there is a question: the exit status.
    fn answer(&self, answer: &str) -> Option<i32> {
        use std::io::{Read as _, Write as _};
        let clean = self.lab.xtask(&["clean"]);
        let mut asked = Command::new("script");
        asked.args(["--quiet", "--return", "--flush", "--command"]);
        asked.arg(format!("exec {} clean", clean.get_program().to_str().unwrap()));
        asked.arg("/dev/null").current_dir(self.lab.root()).env_remove("SHELL");
        for (name, value) in clean.get_envs() {
            match value {
                Some(value) => asked.env(name, value),
                None => asked.env_remove(name),
            };
        }
        asked.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = asked.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (mut heard, mut part) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&heard).contains("remove 1 image? [y/N]") {
            let read = stdout.read(&mut part).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&part[..read]);
        }
        child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        stdout.read_to_end(&mut heard).unwrap();
        child.wait().unwrap().code()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.clean(&[args, &["--json"]].concat(), 0).stdout).unwrap()
    }
}

fn leftovers_go_and_nothing_else(test: &'static TestEngine) {
    let it = House::new(test);
    let key = |digits: &str| format!("{}:key-{}", it.id, digits.repeat(12));
    let old = it.build();
    // As another checkout of the same repository would have named it.
    it.docker(&["tag", &old, &key("0")]);
    it.fill();
    let used = it.build();
    it.docker(&["tag", &used, &key("1")]);
    let container = it.docker(&["create", &key("1"), "none"]);
    it.fill();
    let today = it.build();
    let label = format!("dockyard.id={}", it.id);
    it.foreign(&["--label", &label]);
    // buildx prints the configuration's digest.
    let filter = format!("--filter=label={label}");
    let nameless =
        it.docker(&["image", "ls", "-q", "--no-trunc", "--filter=dangling=true", &filter]);
    let other = format!("{}-other:key-{}", it.id, "2".repeat(12));
    it.foreign(&["--label", &format!("{label}-other"), "--tag", &other]);
    let unlabelled = key("3");
    it.foreign(&["--tag", &unlabelled]);

    let all = [old.clone(), used, today, nameless.clone(), other, unlabelled];
    let held = || all.each_ref().map(|image| it.has(image));
    assert_eq!(held(), [true; 6]);
    let shown = it.clean(&["--dry-run"], 0);
    assert!(shown.stdout.contains(&key("0")) && shown.stdout.contains("it has no name"), "{shown}");
    assert!(shown.stderr.contains("would remove 2 images"), "{shown}");
    assert!(shown.stderr.contains("another checkout"), "{shown}");
    assert!(shown.stderr.contains("stays: a container uses it"), "{shown}");
    // Nobody is there to be asked.
    let said = it.clean(&[], 2);
    assert!(said.stderr.contains("--yes removes it"), "{said}");
    assert!(it.clean(&["--older-than=1h"], 0).stderr.contains("nothing to remove"));
    assert_eq!(held(), [true; 6]);

    let done = it.json(&["--yes"]);
    assert_eq!(held(), [false, true, true, false, true, true], "{done:#}");
    let images = done["images"].as_array().unwrap();
    let mut gone: Vec<&str> =
        images.iter().map(|image| image["digest"].as_str().unwrap()).collect();
    gone.sort_unstable();
    let mut expected = [old.as_str(), nameless.as_str()];
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert!(images.iter().all(|image| image["status"] == "removed"), "{done:#}");
    // What is up to date is still that.
    assert_eq!(it.lab.statuses(&[&it.id], 0)[&it.id], "skipped");
    assert!(it.clean(&["--yes"], 0).stderr.contains("nothing to remove"));

    it.docker(&["rm", &container]);
    assert_eq!(it.json(&["--yes"])["images"].as_array().unwrap().len(), 1);
    assert_eq!(held(), [false, false, true, false, true, true]);
}

#[test]
fn leftovers_go_from_containerds_store() {
    let Some(test) = engines::containerd() else { return };
    leftovers_go_and_nothing_else(test);
}

#[test]
fn leftovers_go_from_the_classic_store() {
    let Some(test) = engines::classic() else { return };
    leftovers_go_and_nothing_else(test);
}

#[test]
fn labels_and_names_pick_images_of_older_layouts() {
    let Some(test) = engines::any() else { return };
    let it = House::new(test);
    let today = it.build();
    let layout = format!("org.example.layout={}", it.id);
    let names = ["0.1.0", "0.2.0"].map(|tag| format!("acme/{}-base:{tag}", it.id));
    let two: Vec<String> = names.iter().map(|name| format!("--tag={name}")).collect();
    it.foreign(&two.iter().map(String::as_str).collect::<Vec<_>>());
    let labelled = format!("acme/{}-labelled:1", it.id);
    it.foreign(&["--tag", &labelled, "--label", &layout]);
    let has = || [&names[0], &names[1], &labelled, &today].map(|image| it.has(image));

    let pattern = format!("--name=acme/{}-*:0.2.0", it.id);
    let removed = it.json(&["--yes", &pattern]);
    // Its other name is still there, and with it the content.
    assert_eq!(removed["images"][0]["bytes"], Value::Null);
    assert_eq!(has(), [true, false, true, true]);
    it.clean(&["--yes", &format!("--label={layout}")], 0);
    assert_eq!(has(), [true, false, false, true]);
    it.clean(&["--yes", &format!("--name=acme/{}-base", it.id)], 0);
    assert_eq!(has(), [false, false, false, true]);
    // What was built last stays whatever is asked for.
    let said = it.clean(&["--yes", &format!("--label=dockyard.id={}", it.id)], 0);
    assert!(said.stderr.contains("stays: this workspace built it last"), "{said}");
    assert_eq!(has(), [false, false, false, true]);
    for (wrong, why) in [("--name=*", "names no repository"), ("--label==x", "names no label")] {
        let said = it.clean(&[wrong, "--yes"], 2);
        assert!(said.stderr.contains(why), "{said}");
    }
}

#[test]
fn a_person_is_asked() {
    let Some(test) = engines::any() else { return };
    if which::which("script").is_err() {
        engines::not_run("`script` is missing, which gives a terminal");
        return;
    }
    let it = House::new(test);
    let old = it.build();
    it.docker(&["tag", &old, &format!("{}:key-{}", it.id, "0".repeat(12))]);
    it.fill();
    it.build();
    assert_eq!(it.answer("n\n"), Some(1));
    assert!(it.has(&old));
    assert_eq!(it.answer("y\n"), Some(0));
    assert!(!it.has(&old));
}

/// On an engine that nobody else uses, so that what it says of its images is this test's doing.
#[test]
fn what_was_freed_is_what_the_engine_lost() {
    let Some(test) = engines::own("cache") else { return };
    let it = House::new(Box::leak(Box::new(test)));
    let old = it.build();
    it.docker(&["tag", &old, &format!("{}:key-{}", it.id, "0".repeat(12))]);
    // The same content under another name makes no room when that name goes.
    it.docker(&["tag", &old, &format!("{}:kept", it.id)]);
    it.fill();
    it.build();
    let first = it.json(&["--yes"]);
    assert_eq!((first["images"].as_array().unwrap().len(), &first["reclaimed"]), (1, &0.into()));
    let second = it.json(&["--yes", &format!("--name={}:kept", it.id)]);
    let reclaimed = second["reclaimed"].as_u64().unwrap();
    let size = u64::try_from(SIZE).unwrap();
    assert!((size..3 * size).contains(&reclaimed), "{second:#}");
}

#[test]
fn what_targets_that_are_gone_have_left_goes_too() {
    let Some(test) = engines::any() else { return };
    let it = House::new(test);
    it.lab.image("second", "", "FROM scratch\nCOPY image.toml /\n");
    it.lab.build(&[], 0);
    let state = it.lab.root().join("target/dockyard");
    let [old, young] = ["tmp/build-old", "tmp/build-young"].map(|path| state.join(path));
    for folder in [&old, &young] {
        std::fs::create_dir_all(folder).unwrap();
    }
    lab::succeed(Command::new("touch").args(["--date=2 days ago", old.as_str()])).unwrap();
    std::fs::remove_dir_all(it.lab.root().join("second")).unwrap();
    let shown = it.json(&["--dry-run"]);
    let files: Vec<&str> = shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "target/dockyard/logs/second.log",
            "target/dockyard/records/second",
            "target/dockyard/tmp/build-old"
        ]
    );
    it.clean(&["--yes"], 0);
    assert!(files.iter().all(|file| !it.lab.root().join(file).exists()));
    assert!(young.exists() && state.join(format!("logs/{}.log", it.id)).exists());
    assert_eq!(it.lab.statuses(&[&it.id], 0)[&it.id], "skipped");
}
