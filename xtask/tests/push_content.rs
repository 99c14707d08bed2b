//! `push` of what other clones staged, of several platforms, with attestations, interrupted, and with secrets.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/faults.rs"]
mod faults;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/registries.rs"]
mod registries;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use faults::{Fault, Faults, Rule};
use lab::{Lab, Said};
use registries::{PASSWORD, Registry};
use serde_json::Value;
use ureq::http::Method;

/// A registry behind a proxy, where everything is staged, and a second one with TLS and a login.
struct Room {
    lab: Lab,
    first: Registry,
    proxy: Faults,
    second: Registry,
    _login: tempfile::TempDir,
}

impl Room {
    fn new() -> Option<Self> {
        let test = engines::containerd()?;
        let (first, second) = (Registry::open()?, Registry::locked()?);
        let proxy = Faults::before(&first.host);
        let mut lab = Lab::with_base(test)?;
        let login = registries::docker_config_beside(&test.command("docker"), &[&second.host]);
        lab.set("DOCKER_CONFIG", login.path().to_str().unwrap());
        lab.set("XDG_STATE_HOME", login.path().to_str().unwrap());
        lab.set("SSL_CERT_FILE", second.authority.as_ref().unwrap().as_str());
        let room = Self { lab, first, proxy, second, _login: login };
        room.configure("0.3.0", "");
        Some(room)
    }

    fn configure(&self, version: &str, more: &str) {
        let (first, second) = (&self.proxy.host, &self.second.host);
        self.lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nregistries = [\"{first}/lab\", \"{second}/lab\"]\n\
                 aliases = [\"lab.test\"]\nversion = \"{version}\"\n{more}\n"
            ),
        );
    }

    fn app(&self, toml: &str) {
        self.lab.image("app", toml, "FROM lab.test/base\nCOPY text /text\n");
        self.lab.file("app/text", "2.6.0");
    }

    fn multi(&self) {
        self.lab.image(
            "multi",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            "FROM scratch\nCOPY text /text\nCMD [\"/none\"]\n",
        );
        self.lab.file("multi/text", &lab::token());
    }

    fn push(&self, args: &[&str], status: i32) -> Said {
        let said = self.lab.say(&[&["push"], args].concat());
        assert_eq!(said.status, Some(status), "{said}");
        said
    }

    fn clone_to(&self, folder: &Path) {
        self.lab.git(&["clone", "--quiet", ".", folder.to_str().unwrap()]);
    }

    fn say_in(&self, folder: &Path, args: &[&str]) -> Said {
        Said::of(&self.lab.xtask(args).current_dir(folder).output().unwrap())
    }

    fn both(&self, id: &str, tag: &str) -> [Option<String>; 2] {
        let repository = format!("lab/{id}");
        [self.first.tag(&repository, tag), self.second.tag(&repository, tag)]
    }
}

fn manifest(registry: &Registry, repository: &str, name: &str) -> Value {
    let path = format!("/v2/{repository}/manifests/{name}");
    let (status, _, bytes) = registry.request(&Method::GET, &path, "", &[]);
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(&bytes).unwrap()
}

/// The manifests of an index: those of platforms, and of attestations.
fn listed(index: &Value) -> (Vec<String>, usize) {
    let all = index["manifests"].as_array().unwrap();
    let is_attestation = |one: &&Value| one["platform"]["os"] == "unknown";
    let platforms = all.iter().filter(|one| !is_attestation(one));
    let digests = platforms.map(|one| one["digest"].as_str().unwrap().to_owned()).collect();
    (digests, all.iter().filter(is_attestation).count())
}

#[test]
fn another_clone_tests_and_observes_what_is_staged() {
    let Some(room) = Room::new() else { return };
    room.app("tags = [\"{{ version }}-{{ torch }}\"]\nfacts.torch = { probe = [\"cat\", \"/text\"] }\n[test]\nrun = [[\"true\"]]\n");
    room.lab.commit();
    let first = room.proxy.host.clone();
    room.push(&["--registry", &first], 0);
    let digest = room.first.tag("lab/app", "0.3.0-2.6.0");
    assert!(digest.is_some());
    let clones = tempfile::tempdir().unwrap();
    let root = clones.path().join("clone");
    room.clone_to(&root);
    let toml = std::fs::read_to_string(root.join("app/image.toml")).unwrap();
    let failing = toml.replace("[\"true\"]", "[\"cat\", \"/no-such-file\"]");
    assert_ne!(failing, toml);
    std::fs::write(root.join("app/image.toml"), failing).unwrap();
    room.proxy.take_requests();
    let said = room.say_in(&root, &["push", "app", "--allow-dirty"]);
    assert_eq!(said.status, Some(1), "{said}");
    assert!(said.stderr.contains("no-such-file"), "{said}");
    assert_eq!(room.both("app", "0.3.0-2.6.0"), [digest.clone(), None], "{said}");
    let asked = room.proxy.take_requests();
    assert!(
        asked.iter().all(|one| !matches!(one.method.as_str(), "PUT" | "POST" | "PATCH")),
        "{asked:?}"
    );

    std::fs::write(root.join("app/image.toml"), toml).unwrap();
    let said = room.say_in(&root, &["push", "app"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(!said.stderr.contains("sending"), "{said}");
    assert_eq!(room.both("app", "0.3.0-2.6.0"), [digest.clone(), digest]);
}

#[test]
fn a_platform_that_is_gone_is_put_back() {
    let Some(room) = Room::new() else { return };
    room.multi();
    room.lab.commit();
    room.push(&["multi"], 0);
    let [first, second] = room.both("multi", "0.3.0");
    assert!(first.is_some());
    assert_eq!(first, second);
    for registry in [&room.second, &room.first] {
        let index = manifest(registry, "lab/multi", "latest");
        let (platforms, attestations) = listed(&index);
        assert_eq!((platforms.len(), attestations), (2, 0), "{index}");
        for platform in platforms {
            registry.delete("lab/multi", &platform);
            assert_eq!(registry.tag("lab/multi", &platform), None);
            room.push(&["multi"], 0);
            assert!(registry.tag("lab/multi", &platform).is_some());
            assert_eq!(room.both("multi", "latest"), [first.clone(), first.clone()]);
        }
    }
}

#[test]
fn attestations_are_published_and_not_compared() {
    let Some(room) = Room::new() else { return };
    room.configure("0.3.0", "attestations = { provenance = \"min\" }");
    room.multi();
    room.lab.commit();
    let first = room.proxy.host.clone();
    room.push(&["multi", "--registry", &first], 0);
    let [published, _] = room.both("multi", "0.3.0");
    let index = manifest(&room.first, "lab/multi", "0.3.0");
    let (platforms, attestations) = listed(&index);
    assert_eq!((platforms.len(), attestations), (2, 2), "{index}");

    // Whoever builds the same again has other attestations: the version is kept, not a conflict.
    let clones = tempfile::tempdir().unwrap();
    let root = clones.path().join("clone");
    room.clone_to(&root);
    let key = room.first.tag("lab/multi", "0.3.0").unwrap();
    let more = "attestations = { provenance = \"max\" }\n";
    let cargo = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let cargo = cargo.replace("attestations = { provenance = \"min\" }", more);
    // Staged elsewhere, so that what is published is not taken.
    let cargo = format!("{cargo}staging = \"{first}/elsewhere/multi\"\n");
    std::fs::write(root.join("Cargo.toml"), cargo).unwrap();
    let said = room.say_in(&root, &["push", "multi", "--allow-dirty", "--json"]);
    assert_eq!(said.status, Some(0), "{said}");
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    let own = json["images"][0]["digest"].as_str().unwrap();
    assert_ne!(own, key, "{said}");
    let tags = json["images"][0]["tags"].as_array().unwrap();
    let repository = format!("{first}/lab/multi");
    let ours = |tag: &&Value| tag["repository"] == repository.as_str() && tag["tag"] == "0.3.0";
    let change = tags.iter().find(ours).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(change["change"], "keep", "{said}");
    assert_eq!(room.both("multi", "0.3.0")[0], published);
}

#[test]
fn an_interrupted_push_ends_at_once_and_is_finished() {
    let Some(room) = Room::new() else { return };
    room.app("");
    room.lab.commit();
    let hang = || Fault::Hang(Duration::from_secs(30));
    // At the first question, while the engine sends, while a test or copy reads, and at a tag.
    let stages = [
        ("HEAD", "/manifests/key-"),
        ("PUT", "/manifests/key-"),
        ("GET", "/blobs/"),
        ("PUT", "/manifests/0.3.0"),
        ("PUT", "/manifests/latest"),
    ];
    for (method, path) in stages {
        room.proxy.take_requests();
        room.proxy.script([Rule::on(method, path, hang())]);
        let child = room.lab.xtask(&["push"]).spawn().unwrap();
        let pid = child.id().to_string();
        lab::wait_until("the registry hangs", Duration::from_mins(1), || {
            room.proxy
                .requests()
                .iter()
                .any(|one| one.status == 0 && one.method == method && one.path.contains(path))
        });
        std::thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        lab::succeed(Command::new("kill").args(["-s", "INT", &pid])).unwrap();
        let said = Said::of_child(child);
        let took = begun.elapsed();
        assert_eq!(said.status, Some(130), "{method} {path}: {said}");
        // The engine's program is given time to end.
        let most = if path.ends_with("key-") && method == "PUT" { 11 } else { 2 };
        assert!(took < Duration::from_secs(most), "{method} {path}: {took:?} {said}");
        assert_eq!(room.first.tag("lab/app", "latest"), None, "{method} {path}");
        if path.ends_with("latest") {
            assert!(said.stderr.contains("tags were written"), "{said}");
        } else {
            assert_eq!(room.first.tag("lab/app", "0.3.0"), None, "{method} {path}");
            assert_eq!(room.second.tag("lab/app", "latest"), None, "{method} {path}");
        }
    }
    room.proxy.script([]);
    let said = room.push(&[], 0);
    assert!(said.stderr.contains("did not end; this one goes on"), "{said}");
    let [first, second] = room.both("app", "latest");
    assert!(first.is_some());
    assert_eq!(first, second);
    let said = room.push(&[], 0);
    assert!(!said.stderr.contains("did not end"), "{said}");
}

#[test]
fn ctrl_c_answers_the_question() {
    let Some(room) = Room::new() else { return };
    if which::which("script").is_err() {
        engines::not_run("`script` is missing, which gives a terminal");
        return;
    }
    room.app("");
    room.lab.commit();
    let push = room.lab.xtask(&["push"]);
    let mut asked = Command::new("script");
    asked.args(["--quiet", "--return", "--flush", "--command"]);
    asked.arg(format!("exec {} push", push.get_program().to_str().unwrap())).arg("/dev/null");
    asked.current_dir(room.lab.root()).env_remove("SHELL");
    for (name, value) in push.get_envs() {
        match value {
            Some(value) => asked.env(name, value),
            None => asked.env_remove(name),
        };
    }
    // Its stdin stays open, and says nothing.
    asked.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = asked.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains("[y/N]") {
        let read = stdout.read(&mut part).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&part[..read]);
    }
    let begun = Instant::now();
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let mut status = None;
    while status.is_none() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
        status = child.try_wait().unwrap();
    }
    if status.is_none() {
        // Without a terminal the question ends, and with it our program.
        child.kill().unwrap();
    }
    child.wait().unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(room.both("app", "latest"), [None, None]);
    assert_eq!(room.second.tag("lab/app", "0.3.0"), None);
}

#[test]
fn a_lost_race_is_seen_before_a_tag_is_moved_over() {
    let Some(room) = Room::new() else { return };
    room.app("");
    room.lab.commit();
    room.push(&["app"], 0);
    let before = room.both("app", "latest");
    room.configure("0.4.0", "");
    room.lab.file("app/text", "changed");
    room.lab.commit();
    // Between the comparison and the write, another machine has moved it.
    let theirs = registries::digest(b"theirs");
    let moved = Fault::With("Docker-Content-Digest", theirs.clone());
    room.proxy.script([Rule::on("HEAD", "/lab/app/manifests/latest", moved).after(1).times(1)]);
    let said = room.push(&["app"], 1);
    let short = &theirs["sha256:".len()..][..12];
    assert!(said.stderr.contains("was moved by somebody else meanwhile"), "{said}");
    assert!(said.stderr.contains(short), "{said}");
    assert_eq!(room.both("app", "latest")[0], before[0], "{said}");
    assert_eq!(room.both("app", "0.4.0")[0], room.both("app", "0.4.0")[1]);
    let said = room.push(&["app"], 0);
    assert_eq!(room.both("app", "latest"), room.both("app", "0.4.0"), "{said}");
}

#[test]
fn no_secret_is_in_an_argument_list_or_an_image() {
    let Some(room) = Room::new() else { return };
    room.app("");
    room.lab.commit();
    let stop = AtomicBool::new(false);
    let child = room.lab.xtask(&["push", "--verbose"]).spawn().unwrap();
    let basic = registries::basic();
    let secrets = [PASSWORD, basic.trim_start_matches("Basic ")];
    let (said, (looked, found)) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut looked, mut found) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                for (line, environment) in processes() {
                    looked += usize::from(line.contains("push"));
                    if secrets
                        .iter()
                        .any(|secret| line.contains(secret) || environment.contains(secret))
                    {
                        found.push(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (looked, found)
        });
        let said = Said::of_child(child);
        stop.store(true, Ordering::Relaxed);
        (said, watch.join().unwrap())
    });
    assert_eq!(said.status, Some(0), "{said}");
    assert!(looked > 0, "no process was seen");
    assert_eq!(found, [""; 0]);
    let mut texts = vec![said.to_string()];
    for folder in [room.lab.root().join("target"), room.second.folder().join("data")] {
        for file in lab::files(&folder) {
            texts.push(String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
        }
    }
    assert!(texts.len() > 20, "{}", texts.len());
    for secret in secrets {
        assert!(texts.iter().all(|text| !text.contains(secret)));
    }
}

/// Argument list and environment of every process.
fn processes() -> Vec<(String, String)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let folder = entry.ok()?.path();
        folder.file_name()?.to_str()?.parse::<u32>().ok()?;
        let text = |name: &str| {
            Some(String::from_utf8_lossy(&std::fs::read(folder.join(name)).ok()?).into_owned())
        };
        Some((text("cmdline")?, text("environ").unwrap_or_default()))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(read).collect()
}
