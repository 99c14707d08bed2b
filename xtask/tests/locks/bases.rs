//! `images.lock` against real registries on loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::registries::{Image, Registry};
use super::tree;
use super::workspace::{Workspace, find, workspace};

fn images_lock(workspace: &Workspace) -> String {
    fs::read_to_string(workspace.root().join("images.lock")).unwrap()
}

fn first(text: &str) -> String {
    text[.."sha256:".len() + 12].to_owned()
}

fn reads(plan: &Value, image: &str) -> u64 {
    find(plan, image)["inputs"]["files"].as_u64().unwrap()
}

#[test]
fn latest_moves_only_when_it_is_asked_to() {
    let Some(registry) = Registry::open() else { return };
    let host = &registry.host;
    let old = Image { created: Some("2026-01-05T10:00:00Z"), ..Image::new("old") };
    let old = old.put(&registry, "base", "latest");
    let images = workspace()
        .image(
            "on",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            &format!("FROM {host}/base\n"),
        )
        .image("child", "", "FROM ghcr.io/acme/on\n")
        .image("apart", "", "FROM scratch\n")
        .file(".gitignore", "/target/\n")
        .committed();
    let plan = images.plan();
    assert_eq!(find(&plan, "on")["external"][0]["digest"], Value::Null);
    let unlocked = images.run(&["lock-update", "--check"]);
    assert_eq!(unlocked.status, 1);
    assert!(unlocked.stdout.contains("is not locked"), "{}", unlocked.stdout);
    assert!(!images.root().join("images.lock").exists());

    let said = images.run(&["lock-update"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let words: Vec<Vec<&str>> =
        said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let (name, short) = (format!("{host}/base"), first(&old.digest));
    assert_eq!(words[1], ["on", "base", &name, "added", &short, "of", "2026-01-05"]);
    assert_eq!(said.stdout.lines().last(), Some("to be built again: on, child"));
    let locked = images_lock(&images);
    for (_, manifest) in &old.manifests {
        assert!(locked.contains(manifest), "{locked}");
    }
    let plan = images.plan();
    assert_eq!(find(&plan, "on")["external"][0]["digest"], old.digest.as_str());
    assert_eq!(
        find(&plan, "on")["labels"]["org.opencontainers.image.base.digest"],
        old.digest.as_str()
    );

    // It moves; nothing here does, and nobody is asked.
    let new = Image { created: Some("2026-02-05T10:00:00Z"), ..Image::new("new") };
    let new = new.put(&registry, "base", "latest");
    let requests = registry.log().lines().count();
    let before = tree(images.root());
    for args in [&["lock-update"][..], &["lock-update", "--check"], &["plan"]] {
        let said = images.run(args);
        assert_eq!(said.status, 0, "{}", said.stderr);
    }
    assert!(tree(images.root()) == before);
    assert_eq!(registry.log().lines().count(), requests);
    assert_eq!(images.plan(), plan);

    // With a question, a check finds the move and takes it back nowhere.
    let checked = images.run(&["lock-update", "--check", "--upgrade"]);
    assert_eq!(checked.status, 1);
    assert!(tree(images.root()) == before);

    let said = images.run(&["lock-update", "--upgrade", &name, "--format=markdown", "--quiet"]);
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    assert_eq!(
        said.stdout,
        format!(
            "### Locks\n\n| image | name | change | from | to |\n| --- | --- | --- | --- | --- |\n\
             | on | `{name}` (base) | upgraded | `{} of 2026-01-05` | `{} of 2026-02-05` |\n\n\
             To be built again: `on`, `child`.\n",
            first(&old.digest),
            first(&new.digest)
        )
    );
    // Four lines: index, date, two platforms.
    let now = images_lock(&images);
    let differ = locked.lines().zip(now.lines()).filter(|(old, new)| old != new).count();
    assert_eq!((differ, locked.lines().count()), (4, now.lines().count()));

    // What no Dockerfile names any more goes.
    let images = images.file("on/Dockerfile", "FROM scratch\n");
    assert_eq!(images.run(&["lock-update", "--check"]).status, 1);
    assert_eq!(images.run(&["lock-update"]).status, 0);
    assert!(!images_lock(&images).contains("[[image]]"));
}

#[test]
fn the_files_of_a_locked_onbuild_are_inputs_and_of_an_unknown_one_all_are() {
    let Some(registry) = Registry::open() else { return };
    let host = &registry.host;
    let base = Image { onbuild: vec!["COPY app/ /app/", "RUN true"], ..Image::new("x") };
    base.put(&registry, "base", "1");
    Image::new("y").put(&registry, "plain", "1");
    let images = workspace()
        .image("on", "", &format!("FROM {host}/base:1\n"))
        .file("on/app/main.py", "1")
        .file("on/other/big", "1")
        .image("plain", "", &format!("FROM {host}/plain:1\n"))
        .file("plain/other/big", "1");
    let plan = images.plan();
    // Unknown triggers may read anything: with Dockerfile and image.toml, four files.
    assert_eq!((reads(&plan, "on"), reads(&plan, "plain")), (4, 3));
    assert_eq!(images.run(&["lock-update", "--quiet"]).status, 0);
    assert!(images_lock(&images).contains("\"COPY app/ /app/\","), "{}", images_lock(&images));
    let locked = images.plan();
    assert_eq!((reads(&locked, "on"), reads(&locked, "plain")), (1, 0));

    let key = |plan: &Value| find(plan, "on")["key"].clone();
    let images = images.file("on/other/big", "2");
    assert_eq!(key(&images.plan()), key(&locked), "no trigger reads it");
    let images = images.file("on/app/main.py", "2");
    assert_ne!(key(&images.plan()), key(&locked));
}

#[test]
fn forty_bases_are_asked_for_at_once_and_one_fails_alone() {
    const BASES: usize = 40;
    const PAUSE: Duration = Duration::from_millis(300);
    let Some(registry) = Registry::open() else { return };
    let slow = slowed(&registry.host, PAUSE);
    let mut images = workspace();
    for number in 0..BASES {
        Image::new(&number.to_string()).put(&registry, &format!("base{number}"), "1");
        images = images.image(&format!("i{number}"), "", &format!("FROM {slow}/base{number}:1\n"));
    }
    // Nobody listens there.
    let images = images.image("lost", "", "FROM 127.0.0.1:1/lost:1\n");
    let start = Instant::now();
    let said = images.run(&["lock-update", "--quiet"]);
    let time = start.elapsed();
    assert_eq!(said.status, 1);
    assert!(
        said.stderr.starts_with("error: 127.0.0.1:1/lost:1 (lost) is as it was:\n"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("lost/Dockerfile:1:6"), "{}", said.stderr);
    assert_eq!(said.stderr.matches("error:").count(), 1, "{}", said.stderr);
    assert_eq!(images_lock(&images).matches("[[image]]").count(), BASES);
    // One base alone takes some three questions: index, manifest, configuration.
    let start = Instant::now();
    let one = workspace().image("one", "", &format!("FROM {slow}/base0:1\n"));
    assert_eq!(one.run(&["lock-update", "--quiet"]).status, 0);
    let alone = start.elapsed();
    eprintln!("{BASES} bases and an unreachable one: {time:?}; one base: {alone:?}");
    assert!(time < alone * 8, "{BASES} bases took {time:?}, one takes {alone:?}");
}

#[test]
fn a_conflict_in_the_lock_is_said() {
    let images = workspace().image("on", "", "FROM debian:13\n").file(
        "images.lock",
        "version = 1\n\n<<<<<<< HEAD\n[[image]]\n=======\n[[image]]\n>>>>>>> theirs\n",
    );
    for args in [&["plan"][..], &["lock-update"]] {
        let said = images.run(args);
        assert_eq!(said.status, 2);
        assert_eq!(
            said.stderr,
            "error: images.lock:3:1: a merge has left a conflict in it\n  mend: take one side, `git checkout --ours \
             images.lock` or `--theirs`, then `cargo xtask lock-update --only bases`\n"
        );
    }
}

#[test]
fn a_frontend_is_locked_and_a_base_that_is_not_made_for_a_platform_is_not() {
    let Some(registry) = Registry::open() else { return };
    let host = &registry.host;
    let frontend = Image::new("frontend").put(&registry, "dockerfile", "1");
    let one = Image { platforms: vec!["linux/amd64"], ..Image::new("one") };
    one.put(&registry, "base", "1");
    let images = workspace()
        .image("front", "", &format!("# syntax={host}/dockerfile:1\nFROM scratch\n"))
        .image(
            "both",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            &format!("FROM {host}/base:1\n"),
        );
    let key = |plan: &Value| find(plan, "front")["key"].clone();
    let before = key(&images.plan());
    let said = images.run(&["lock-update", "--quiet"]);
    assert_eq!(said.status, 1);
    assert!(
        said.stderr
            .contains("it is not made for linux/arm64, only for linux/amd64 (both/Dockerfile:1:6)"),
        "{}",
        said.stderr
    );
    assert!(images_lock(&images).contains(&frontend.digest));
    let after = images.plan();
    assert_ne!(key(&after), before);
    let command = find(&after, "front")["command"].to_string();
    let bound = format!("--build-arg=BUILDKIT_SYNTAX={host}/dockerfile@{}", frontend.digest);
    assert!(command.contains(&bound), "{command}");
}

/// A way to `host` on which every request waits.
fn slowed(host: &str, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let host = host.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let host = host.clone();
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(&host) else { return };
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ended = std::io::copy(&mut from, &mut to);
                    let _closed = to.shutdown(std::net::Shutdown::Both);
                });
                let (mut client, mut server) = (client, server);
                let mut bytes = [0; 16 << 10];
                while let Ok(count @ 1..) = client.read(&mut bytes) {
                    std::thread::sleep(pause);
                    if server.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
