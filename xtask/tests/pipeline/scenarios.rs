//! The generated workflow from end to end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::engines;
use crate::forge::Forge;
use crate::lab::{self, Lab};
use crate::workflow::{Event, Run, Workflow};

const MAIN: &str = "refs/heads/main";

impl Forge {
    /// Writes the workflow, as a person does, and commits everything.
    fn generate(&self) -> Workflow {
        let said = self.lab.say(&["ci", "generate"]);
        assert_eq!(said.status, Some(0), "{said}");
        self.lab.commit();
        let file = self.lab.root().join(".github/workflows/images.yml");
        Workflow::parse(&std::fs::read_to_string(file).unwrap())
    }

    /// The label of an image, by the registry.
    fn label(&self, id: &str, tag: &str, label: &str) -> String {
        let config = self.config(id, tag);
        config["config"]["Labels"][label].as_str().unwrap_or_default().to_owned()
    }

    fn config(&self, id: &str, name: &str) -> Value {
        let manifest = self.json(&format!("/v2/lab/{id}/manifests/{name}"));
        let config = manifest["config"]["digest"].as_str().unwrap();
        self.json(&format!("/v2/lab/{id}/blobs/{config}"))
    }

    /// Where every `latest` points.
    fn latest(&self) -> BTreeMap<String, Option<String>> {
        let ids = self.catalogue().into_keys();
        ids.map(|id| (id.clone(), self.registry.tag(&id, "latest"))).collect()
    }
}

fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

fn build(id: &str) -> String {
    format!("build-{id}__linux-amd64")
}

#[test]
fn what_changed_is_built_in_order_and_once() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    forge.child("middle", "base", "", "one");
    forge.child("leaf", "middle", "[test]\nrun = [[\"test\", \"-e\", \"/leaf\"]]\n", "one");
    forge.child("other", "base", "", "one");
    let workflow = forge.generate();

    let all: BTreeSet<String> = ["base", "middle", "leaf", "other"].map(build).into();
    let mut expected: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    expected.insert("publish");
    let run = workflow.run(&forge, &Event::push(MAIN)).good();
    assert_eq!(run.ran(), expected, "{run}");
    for id in ["base", "middle", "leaf", "other"] {
        let digest = &run.jobs[&build(id)].outputs["digest"];
        assert_eq!(forge.tag(id, "latest").as_ref(), Some(digest), "{id}");
    }
    assert_eq!(forge.label("leaf", "latest", "dockyard.parents"), built_on(&run, "middle"));

    // Nothing changed: nothing but the tags is looked at.
    let before = forge.latest();
    let run = workflow.run(&forge, &Event::push(MAIN)).good();
    assert_eq!(run.ran(), set(&["publish"]), "{run}");

    // One leaf.
    forge.lab.file("leaf/text", "two");
    forge.lab.commit();
    let run = workflow.run(&forge, &Event::push(MAIN)).good();
    assert_eq!(run.ran(), set(&[&build("leaf"), "publish"]), "{run}");
    assert!(
        run.jobs["plan"].summary.contains("changed&#58; leaf/text"),
        "{}",
        run.jobs["plan"].summary
    );
    let after = forge.latest();
    let moved = before.iter().filter(|(id, digest)| after.get(*id) != Some(digest));
    assert_eq!(moved.map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["lab/leaf"]);

    // The base: it, then its children on what it is now.
    forge.lab.file("base/fresh", &lab::token());
    forge.lab.commit();
    let run = workflow.run(&forge, &Event::push(MAIN)).good();
    assert_eq!(run.ran(), expected, "{run}");
    for (id, parent) in [("middle", "base"), ("other", "base"), ("leaf", "middle")] {
        assert_eq!(forge.label(id, "latest", "dockyard.parents"), built_on(&run, parent), "{id}");
        assert_eq!(run.jobs[&build(id)].log.matches("✓ built").count(), 1, "{run}");
    }

    // By hand, one image: it and the parents that it needs.
    for id in ["leaf", "other"] {
        forge.lab.file(&format!("{id}/text"), "by hand");
    }
    forge.lab.commit();
    let run = workflow.run(&forge, &Event::dispatch(MAIN, "other")).good();
    assert_eq!(run.ran(), set(&[&build("other"), "publish"]), "{run}");

    // A test that fails: nothing is published, not even what is good; and not by a later run either.
    let toml = "[test]\nrun = [[\"test\", \"-e\", \"/nothing\"]]\n";
    forge.lab.file("leaf/image.toml", toml);
    forge.lab.file("other/text", "good");
    forge.lab.commit();
    let before = forge.latest();
    for other in [&[build("other")][..], &[]] {
        let run = workflow.run(&forge, &Event::push(MAIN));
        let leaf = build("leaf");
        let others = other.iter().map(String::as_str);
        assert_eq!(run.ran(), others.chain([leaf.as_str()]).collect(), "{run}");
        assert_eq!(run.failed(), set(&[&leaf]), "{run}");
        assert_eq!(forge.latest(), before, "{run}");
    }
}

/// What `dockyard.parents` says of a child of `parent`.
fn built_on(run: &Run, parent: &str) -> String {
    format!("{parent}={}", run.jobs[&build(parent)].outputs["digest"])
}

#[test]
fn platforms_that_are_built_apart_become_one_image() {
    let Some(test) = engines::classic() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    let Ok(arm) = lab::package("busybox-static", Some("arm64")) else {
        engines::not_run("this system's archive has no arm64");
        return;
    };
    let emulated = dockyard::engine::Builder::find(&test.engine, None)
        .unwrap()
        .builds_for(&"linux/arm64".parse().unwrap());
    if !emulated {
        engines::not_run("programs of arm64 do not run here: `apt-get install qemu-user-static`");
    }
    pair(&forge.lab, &forge.registry.host, emulated);
    std::fs::copy(arm.join("bin/busybox"), forge.lab.root().join("base/busybox-arm64")).unwrap();
    let workflow = forge.generate();

    let run = workflow.run(&forge, &Event::push(MAIN)).good();
    let jobs = [("base", "amd64"), ("base", "arm64"), ("pair", "amd64"), ("pair", "arm64")]
        .map(|(id, arch)| format!("build-{id}__linux-{arch}"));
    let ran = run.ran();
    assert!(jobs.iter().all(|job| ran.contains(job.as_str())), "{run}");
    for id in ["base", "pair"] {
        let index = forge.json(&format!("/v2/lab/{id}/manifests/latest"));
        let listed = |arch: &str| {
            let all = index["manifests"].as_array().unwrap();
            let platform = json!({ "architecture": arch, "os": "linux" });
            let one = all.iter().find(|one| one["platform"] == platform);
            one.unwrap_or_else(|| panic!("{index}"))["digest"].clone()
        };
        for arch in ["amd64", "arm64"] {
            let job = &run.jobs[&format!("build-{id}__linux-{arch}")];
            assert_eq!(listed(arch), job.outputs["digest"].as_str(), "{id} {arch}: {run}");
            assert_eq!(forge.config(id, listed(arch).as_str().unwrap())["architecture"], arch);
        }
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
    }
    // Each has a file that its own machine wrote, and its tests were run on it.
    if emulated {
        let log = &run.jobs["build-pair__linux-arm64"].log;
        assert!(log.contains("tests on linux/arm64"), "{log}");
        assert!(log.contains("✓"), "{log}");
    }
    let again = workflow.run(&forge, &Event::push(MAIN)).good();
    assert_eq!(again.ran(), set(&["publish"]), "{again}");
    assert!(again.jobs["publish"].log.contains("keep"), "{again}");
}

/// Two images for two platforms; `pair` holds what `uname` says of each.
fn pair(lab: &Lab, host: &str, emulated: bool) {
    let toml = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    let (install, uname) = if emulated {
        let install = "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        (install, "RUN uname -m > /machine && test \"$(cat /machine)\" = \"$(cat /expected)\"\n")
    } else {
        ("", "")
    };
    let base = "FROM scratch\nARG TARGETARCH\nCOPY busybox-${TARGETARCH} /bin/busybox\n";
    lab.image("base", toml, &format!("{base}{install}COPY fresh /.fresh\n"));
    std::fs::rename(lab.root().join("base/busybox"), lab.root().join("base/busybox-amd64"))
        .unwrap();
    let tested = format!("{toml}[test]\nrun = [[\"cat\", \"/machine\"]]\n");
    let child = format!(
        "FROM {host}/lab/base\nARG TARGETARCH\nCOPY machine-${{TARGETARCH}} /expected\n{uname}"
    );
    lab.image("pair", if emulated { &tested } else { toml }, &child);
    lab.file("pair/machine-amd64", "x86_64\n");
    lab.file("pair/machine-arm64", "aarch64\n");
}

/// Of which no shell may see a word.
const EVIL: &str = "x$(touch${IFS}pwned)`touch${IFS}pwned`';touch${IFS}pwned;'\"${{github.token}}";

#[test]
fn a_pull_request_sends_nothing_and_its_words_reach_no_shell() {
    let Some(test) = engines::any() else { return };
    let Some(forge) = Forge::new(test, "") else { return };
    forge.child("app", "base", "[test]\nrun = [[\"test\", \"-e\", \"/app\"]]\n", "one");
    forge.child("alone", "base", "", "one");
    let lone = "FROM scratch\nCOPY text /text\nCMD [\"/none\"]\n";
    forge.lab.image("lone", "", lone);
    forge.lab.file("lone/text", "one");
    let workflow = forge.generate();
    let branch = format!("feature/{EVIL}");
    let title = format!(
        "{EVIL}\n$(touch pwned)\n::set-output name=jobs::[]\n${{{{ secrets.GITHUB_TOKEN }}}}"
    );
    let change = |what: &str| {
        forge.lab.git(&["checkout", "--quiet", "-B", &branch]);
        forge.lab.file("app/text", what);
        forge.lab.commit();
        forge.lab.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
        forge.lab.git(&["checkout", "--quiet", "main"]);
    };
    let event = Event::pull_request(&branch, &title);

    // Nothing is published yet: all of it is checked, and nothing sent.
    change("two");
    let run = workflow.run(&forge, &event).good();
    assert_eq!(run.ran(), set(&["check-base", "check-lone"]), "{run}");
    assert!(forge.catalogue().is_empty(), "{run}");
    clean(&forge, &run);

    // What is published is used as it is.
    workflow.run(&forge, &Event::push(MAIN)).good();
    let before = forge.catalogue();
    let run = workflow.run(&forge, &event).good();
    assert_eq!(run.ran(), set(&["check-base"]), "{run}");
    assert!(run.jobs["check-base"].log.contains("1 built"), "{run}");
    assert_eq!(forge.catalogue(), before);
    clean(&forge, &run);

    // A form is filled in with such words, on such a branch.
    for images in [EVIL, "app\n$(touch pwned)", "--help", "app;touch pwned", "${{ github.token }}"]
    {
        let run = workflow.run(&forge, &Event::dispatch(&format!("refs/heads/{branch}"), images));
        assert_eq!(run.failed(), set(&["plan"]), "{images:?}: {run}");
        assert_eq!(forge.catalogue(), before);
        clean(&forge, &run);
    }

    // An id can hold nothing of that kind.
    for id in ["a$(id)", "a'b", "a\"b", "a b", "a\nb", "a;b", "${{ x }}", "-a", "a`id`"] {
        forge.lab.file("lone/image.toml", &format!("id = {}\n", json!(id)));
        let said = forge.lab.say(&["ci", "generate"]);
        assert_eq!(said.status, Some(2), "{id:?}: {said}");
    }
}

/// Nobody ran what the event says, and no script holds it.
fn clean(forge: &Forge, run: &Run) {
    for (id, job) in &run.jobs {
        for word in ["pwned", "a-token"] {
            let scripts = job.scripts.iter();
            let held: Vec<&String> = scripts.filter(|script| script.contains(word)).collect();
            assert!(held.is_empty(), "{id}: {held:?}");
        }
        assert!(!job.log.contains("a-token"), "{id}: {}", job.log);
        if !job.folder.as_str().is_empty() {
            let files = lab::files(&job.folder);
            let pwned = files.iter().filter(|file| file.file_name() == Some("pwned")).count();
            assert_eq!(pwned, 0, "{id}");
        }
    }
    assert!(!forge.lab.root().join("pwned").exists());
}
