//! Caches beyond the builder's own, really written and read: in a registry, and in what stands for GitHub's service.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/registries.rs"]
mod registries;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use camino::Utf8Path;
use engines::TestEngine;
use lab::Lab;
use registries::Registry;
use serde_json::Value;

/// What the first stage says is another each time it runs; the last one takes it, and another file. From nothing, so
/// that no parent differs between engines.
const DOCKERFILE: &str = "FROM scratch AS made\n\
    COPY busybox /bin/sh\n\
    COPY fresh /fresh\n\
    RUN while read -r line; do echo $line; done </proc/sys/kernel/random/uuid >/uuid\n\
    FROM scratch\n\
    COPY note /note\n\
    COPY --from=made /uuid /uuid\n";

/// A lab that publishes to `registry` an image with such a `cache`.
fn lab(test: &'static TestEngine, registry: &Registry, cache: &str) -> Option<Lab> {
    let lab = Lab::with_base(test)?;
    let toml = format!(
        "repositories = [\"{}/acme/slow\"]\ncache = {cache}\nplatforms = [\"{}\"]\n",
        registry.host, test.engine.platform
    );
    lab.image("slow", &toml, DOCKERFILE);
    for file in ["busybox", "fresh"] {
        std::fs::rename(lab.root().join("base").join(file), lab.root().join("slow").join(file))
            .unwrap();
    }
    std::fs::remove_dir_all(lab.root().join("base")).unwrap();
    lab.file("slow/note", "one\n");
    lab.commit();
    Some(lab)
}

/// The same workspace on another engine, without anything that the first one knows.
fn elsewhere(lab: &Lab, test: &'static TestEngine) -> Lab {
    let other = Lab::new(test);
    copy(&lab.root().join("slow"), &other.root().join("slow"));
    other.commit();
    other
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// As a runner's is: claims of what may be read and written, without a signature.
/// `{"alg":"none"}`, `{"exp":4102444800,"nbf":0,"ac":…}`
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDAsIm5iZiI6MCwiYWMiOiJbe1wiU2NvcGVcIjpcInJlZnMvaGVhZHMvbWFpblwiLFwiUGVybWlzc2lvblwiOjN9XSJ9.c2lnbmF0dXJl";

fn uuid(lab: &Lab, image: &Value) -> String {
    lab.content(image["digest"].as_str().unwrap(), "/uuid")
}

/// `build slow`, which must succeed without a word of caches.
fn build(lab: &Lab) -> Value {
    let said = lab.say(&["build", "slow", "--json"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(!said.stderr.contains("warning"), "{said}");
    lab::images(&said).remove("slow").unwrap()
}

fn cache_tag(test: &TestEngine) -> String {
    format!("buildcache-{}", test.engine.platform.slug())
}

#[test]
fn a_push_writes_the_cache_and_a_fresh_engine_reads_it() {
    let (Some(first), Some(second)) = (engines::containerd(), engines::newest()) else { return };
    let Some(registry) = Registry::open() else { return };
    let Some(it) = lab(first, &registry, "{ registry = true, mode = \"max\" }") else { return };
    // A build reads what is not there yet, says nothing of it, and writes nothing.
    let built = build(&it);
    let made = uuid(&it, &built);
    assert_eq!(registry.tag("acme/slow", &cache_tag(first)), None);
    let key = built["key"].clone();

    // What is published is built anew where the staging repository lacks it; here it is up to date, and so is forced.
    std::fs::remove_dir_all(it.root().join("target/dockyard/records")).unwrap();
    let pushed = it.say(&["push", "slow", "--channel=dev"]);
    assert_eq!(pushed.status, Some(0), "{pushed}");
    assert!(!pushed.stderr.contains("cache"), "{pushed}");
    assert!(registry.tag("acme/slow", &cache_tag(first)).is_some(), "{pushed}");

    // Another engine that has built nothing of this, and a later change in the last stage: mode=max has the first one.
    let there = elsewhere(&it, second);
    there.file("slow/note", "two\n");
    let built = build(&there);
    assert_eq!(uuid(&there, &built), made, "the step was run again");
    let log = std::fs::read_to_string(built["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("CACHED") && log.contains("buildcache-"), "{log}");
    // Where a cache lies is no input.
    let toml = there.root().join("slow/image.toml");
    let without: String = std::fs::read_to_string(&toml).unwrap().replace("registry = true, ", "");
    std::fs::write(toml, without).unwrap();
    there.file("slow/note", "one\n");
    assert_eq!(build(&there)["key"], key);
}

#[test]
fn a_build_writes_it_when_asked_and_does_not_fail_for_it() {
    let Some(test) = engines::containerd() else { return };
    let Some(registry) = Registry::open() else { return };
    let Some(it) = lab(test, &registry, "{ registry = true, mode = \"min\" }") else { return };
    let said = it.say(&["build", "slow", "--write-cache"]);
    assert_eq!(said.status, Some(0), "{said}");
    let written = registry.tag("acme/slow", &cache_tag(test));
    assert!(written.is_some(), "{said}");

    // Its registry is gone: the image is built, and a person learns of it.
    drop(registry);
    it.file("slow/note", "two\n");
    let said = it.say(&["build", "slow", "--write-cache"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("slow was built, and its cache was not written: "), "{said}");
    // And a build that fails says why it did, not that there was no cache.
    it.file("slow/Dockerfile", "FROM scratch\nCOPY busybox /bin/sh\nRUN echo oh no >&2; exit 3\n");
    let said = it.say(&["build", "slow", "--write-cache"]);
    assert_eq!(said.status, Some(1), "{said}");
    assert!(said.stderr.contains("oh no") && said.stderr.contains("Dockerfile:3"), "{said}");
}

#[test]
fn the_classic_store_writes_none_and_says_so() {
    let Some(test) = engines::classic() else { return };
    let Some(registry) = Registry::open() else { return };
    let Some(it) = lab(test, &registry, "{ registry = true }") else { return };
    let said = it.say(&["build", "slow", "--write-cache"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("the cache of slow is read and not written"), "{said}");
    assert!(said.stderr.contains("turn the containerd image store on"), "{said}");
    assert_eq!(registry.tag("acme/slow", &cache_tag(test)), None);
}

/// The service is a double: GitHub's own answers nobody but its runners. What BuildKit asks of it is real.
#[test]
fn githubs_cache_is_used_where_its_variables_are() {
    let Some(test) = engines::containerd() else { return };
    let Some(registry) = Registry::open() else { return };
    let Some(mut it) = lab(test, &registry, "{ mode = \"max\" }") else { return };
    let planned = |it: &Lab| it.say(&["plan", "slow", "--json"]).stdout;
    assert!(!planned(&it).contains("type=gha"));

    let (address, asked) = refusing_service();
    it.set("ACTIONS_RUNTIME_TOKEN", TOKEN);
    // Without an address there is no service.
    assert!(!planned(&it).contains("type=gha"));
    it.set("ACTIONS_CACHE_URL", &format!("http://{address}/"));
    let platform = test.engine.platform.slug();
    let shown = planned(&it);
    for word in [
        format!("--cache-from=type=gha,scope=slow-{platform}"),
        format!("--cache-to=type=gha,scope=slow-{platform},mode=max,ignore-error=true"),
    ] {
        assert!(shown.contains(&word), "{shown}");
    }
    let said = it.say(&["build", "slow"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("its cache was not written"), "{said}");
    let requests: Vec<String> = asked.try_iter().collect();
    assert!(
        requests.iter().any(|request| request.contains("_apis/artifactcache/cache")
            && request.contains(&format!("Bearer {TOKEN}"))),
        "{requests:?}"
    );
    // The token is in no log and no record.
    for file in lab::files(&it.root().join("target")) {
        let text = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(TOKEN), "{file}");
    }
    // An image without `cache` gets nothing of it.
    it.file("slow/image.toml", &format!("platforms = [\"{}\"]\n", test.engine.platform));
    assert!(!planned(&it).contains("type=gha"));
    let log = it.root().join("target/dockyard/logs/slow.log");
    assert!(std::fs::read_to_string(&log).unwrap().contains("ACTIONS_RUNTIME_TOKEN"));
    it.file("slow/note", "two\n");
    build(&it);
    assert!(!std::fs::read_to_string(&log).unwrap().contains("ACTIONS_"));
}

/// A server that takes every request and refuses it.
fn refusing_service() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            let _cut = reader.read_exact(&mut body);
            let _gone = sender.send(head);
            let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _gone = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    (address, requests)
}
