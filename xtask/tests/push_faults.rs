//! `push` against registries that fail at random points, and killed at random moments.
//!
//! Each run publishes under a new version, fails somewhere or not, and is finished by the same command without faults.
//! What it did is read from what the registries were asked. A run's faults come from its seed: `DOCKYARD_PUSH_SEED`
//! and `DOCKYARD_PUSH_RUNS` repeat or lengthen it.

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

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use faults::{Fault, Faults, Rule, Seen};
use lab::{Lab, Said};
use registries::Registry;

/// Runs of each test binary's run; CI and a person may ask for others.
const RUNS: u64 = 32;
const IMAGES: [&str; 3] = ["base", "app", "multi"];
/// A process that neither ends nor is killed is a failure of its own.
const LONGEST: Duration = Duration::from_mins(2);

/// Two registries behind proxies, and a workspace of three images that publishes to both.
struct Room {
    lab: Lab,
    registries: [Registry; 2],
    proxies: [Faults; 2],
    _login: tempfile::TempDir,
}

/// Where one run publishes.
struct Scene {
    version: String,
    /// The repositories' prefix in each registry. What the first one holds first is staged.
    prefixes: [String; 2],
}

impl Scene {
    /// Whether nothing was staged there before.
    fn is_fresh(&self) -> bool {
        self.prefixes[0] != "lab"
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Mixture,
    TooMany,
    TooManyUntil,
    Trouble500,
    Trouble503,
    ResetBefore,
    ResetAfter,
    Hang,
    Full,
    NoRepository,
    NoLists,
    Immutable,
    NoDigest,
    Late,
    PlatformGone,
    Killed,
}

const KINDS: [Kind; 16] = [
    Kind::Killed,
    Kind::Mixture,
    Kind::Immutable,
    Kind::Late,
    Kind::PlatformGone,
    Kind::NoRepository,
    Kind::TooMany,
    Kind::TooManyUntil,
    Kind::Trouble500,
    Kind::Trouble503,
    Kind::ResetBefore,
    Kind::ResetAfter,
    Kind::Hang,
    Kind::Full,
    Kind::NoLists,
    Kind::NoDigest,
];

/// Splitmix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn index(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap()
    }
}

impl Room {
    fn new() -> Option<Self> {
        // Two platforms in one image need containerd's store.
        let test = engines::containerd()?;
        let registries = [Registry::open()?, Registry::open()?];
        let proxies = [&registries[0], &registries[1]].map(|one| Faults::before(&one.host));
        let mut lab = Lab::with_base(test)?;
        let login = registries::docker_config_beside(&test.command("docker"), &[&proxies[1].host]);
        lab.set("DOCKER_CONFIG", login.path().to_str().unwrap());
        lab.set("XDG_STATE_HOME", login.path().to_str().unwrap());
        lab.image(
            "app",
            "[test]\nrun = [[\"cat\", \"/text\"]]\n",
            "FROM lab.test/images/base\nCOPY text /text\n",
        );
        lab.image(
            "multi",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            "FROM scratch\nCOPY text /text\nCMD [\"/none\"]\n",
        );
        for id in ["app", "multi"] {
            lab.file(&format!("{id}/text"), &lab::token());
        }
        Some(Self { lab, registries, proxies, _login: login })
    }

    fn configure(&self, scene: &Scene) {
        let [first, second] =
            [0, 1].map(|at| format!("{}/{}", self.proxies[at].host, scene.prefixes[at]));
        self.lab.file(
            "Cargo.toml",
            &format!(
                "[workspace.metadata.dockyard]\nregistries = [\"{first}\", \"{second}\"]\n\
                 aliases = [\"lab.test/images\"]\nversion = \"{}\"\n\
                 tags = [\"{{{{ version }}}}\", \"{{{{ major }}}}.{{{{ minor }}}}\", \"latest\"]\n",
                scene.version
            ),
        );
    }

    /// Publishes; killed after `life`.
    fn push(&self, args: &[&str], life: Option<Duration>) -> Said {
        let mut child =
            self.lab.xtask(&[&["push", "--allow-dirty"], args].concat()).spawn().unwrap();
        let id = child.id().to_string();
        let killer = life.map(|life| {
            let begun = Instant::now();
            while begun.elapsed() < life && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            child.kill()
        });
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if waiting.recv_timeout(LONGEST) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _gone = lab::succeed(std::process::Command::new("kill").args(["-9", &id]));
            }
        });
        let said = Said::of_child(child);
        drop(done);
        watch.join().unwrap();
        if let Some(killed) = killer {
            killed.unwrap();
        }
        said
    }

    fn seen(&self) -> Vec<(usize, Seen)> {
        let mut seen: Vec<(usize, Seen)> = Vec::new();
        for (at, proxy) in self.proxies.iter().enumerate() {
            seen.extend(proxy.take_requests().into_iter().map(|one| (at, one)));
        }
        seen.sort_by_key(|(_, one)| one.began);
        seen
    }

    fn calm(&self) {
        for proxy in &self.proxies {
            proxy.script([]);
            proxy.random(0, 0);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table of all faults")]
    /// Sets up what goes wrong; the rules of registries that stay so.
    fn disturb(&self, kind: Kind, scene: &Scene, random: &mut Random) -> [Vec<Rule>; 2] {
        let refusal =
            |status, retry_after: Option<&str>, code: &str, message: &str| Fault::Refusal {
                status,
                retry_after: retry_after.map(str::to_owned),
                code: code.into(),
                message: message.into(),
            };
        let version = format!("/manifests/{}", scene.version);
        let mut rules = [Vec::new(), Vec::new()];
        let mut stays = [Vec::new(), Vec::new()];
        let at = random.index(2);
        // Somewhere in the push, for a while or until the end.
        let point = random.index(40);
        let often = if random.below(2) == 0 { 1 + random.index(4) } else { usize::MAX };
        let anywhere = |fault| vec![Rule::on("*", "/v2/", fault).after(point).times(often)];
        match kind {
            Kind::Mixture => {
                for proxy in &self.proxies {
                    proxy.random(random.below(u64::MAX), 5);
                }
            }
            Kind::TooMany => rules[at] = anywhere(refusal(429, None, "TOOMANYREQUESTS", "")),
            Kind::TooManyUntil => {
                let after = ["0", "1"][random.index(2)];
                rules[at] = vec![
                    Rule::on("*", "/v2/", refusal(429, Some(after), "TOOMANYREQUESTS", ""))
                        .after(point)
                        .times(2),
                ];
            }
            Kind::Trouble500 => rules[at] = anywhere(Fault::Status(500)),
            Kind::Trouble503 => rules[at] = anywhere(Fault::Status(503)),
            Kind::ResetBefore => rules[at] = anywhere(Fault::ResetBefore),
            Kind::ResetAfter => rules[at] = anywhere(Fault::ResetAfter),
            Kind::Hang => {
                let hang = Fault::Hang(Duration::from_millis(1500));
                rules[at] = vec![Rule::on("*", "/v2/", hang).after(point).times(often.min(6))];
            }
            Kind::Full => {
                let method = ["POST", "PATCH", "PUT"][random.index(3)];
                let from = random.index(6);
                rules[at] = vec![Rule::on(method, "/v2/", Fault::Status(507)).after(from)];
            }
            Kind::NoRepository => {
                let challenge = vec![("WWW-Authenticate".into(), "Basic realm=\"test\"".into())];
                for id in IMAGES {
                    // The first write makes the repository.
                    let path = format!("/{}/{id}/", scene.prefixes[1]);
                    for method in ["HEAD", "GET"] {
                        let fault = Fault::Answer(401, challenge.clone(), b"{}".to_vec());
                        rules[1].push(Rule::on(method, &path, fault).until("PUT", &path));
                    }
                }
                stays.clone_from(&rules);
            }
            Kind::NoLists => {
                for (rules, stays) in rules.iter_mut().zip(&mut stays) {
                    rules.push(Rule::on("GET", "/tags/list", refusal(403, None, "DENIED", "")));
                    stays.clone_from(rules);
                }
                rules[at].extend(anywhere(Fault::Status(503)));
            }
            Kind::Immutable => {
                // It takes a tag once, and the answer is lost.
                for (rules, stays) in rules.iter_mut().zip(&mut stays) {
                    for id in IMAGES {
                        let path = format!("/{id}{version}");
                        rules.push(Rule::on("PUT", &path, Fault::ResetAfter).times(1));
                        let refused = refusal(400, None, "TAG_INVALID", "the tag is immutable");
                        stays.push(Rule::on("PUT", &path, refused).since("PUT", &path));
                    }
                    rules.extend(stays.iter().cloned());
                }
            }
            Kind::NoDigest => {
                // Docker itself does not push to such a registry, so that the staging one has to be another.
                rules[1] = vec![Rule::on("*", "/v2/", Fault::Without("Docker-Content-Digest"))];
                stays.clone_from(&rules);
            }
            Kind::Late => {
                for rules in &mut rules {
                    for name in [version.as_str(), "/manifests/latest", "/manifests/key-"] {
                        for method in ["HEAD", "GET"] {
                            let late = Rule::on(method, name, Fault::Status(404)).times(3);
                            rules.push(late.since("PUT", name));
                        }
                    }
                }
            }
            Kind::PlatformGone => {
                // A whole push first; then a part of what it published goes.
                let said = self.push(&[], None);
                assert_eq!(said.status, Some(0), "{said}");
                check_order(&self.seen(), scene, kind);
                let repository = format!("{}/multi", scene.prefixes[at]);
                let registry = &self.registries[at];
                let index = manifest(registry, &repository, &scene.version);
                let platform = &index["manifests"][random.index(2)]["digest"];
                registry.delete(&repository, platform.as_str().unwrap());
                if random.below(2) == 0 {
                    self.proxies[at].random(random.below(u64::MAX), 6);
                }
            }
            Kind::Killed => {
                if random.below(2) == 0 {
                    self.proxies[at].random(random.below(u64::MAX), 8);
                }
            }
        }
        for (proxy, rules) in self.proxies.iter().zip(rules) {
            proxy.script(rules);
        }
        stays
    }

    /// One digest for all names of each image, every platform's manifest there.
    fn check_end(&self, scene: &Scene) {
        let minor = scene.version.rsplit_once('.').unwrap().0;
        for id in IMAGES {
            let mut digests = BTreeSet::new();
            for (registry, prefix) in self.registries.iter().zip(&scene.prefixes) {
                let repository = format!("{prefix}/{id}");
                for tag in [scene.version.as_str(), minor, "latest"] {
                    digests.insert(registry.tag(&repository, tag));
                }
                if id == "multi" {
                    let index = manifest(registry, &repository, &scene.version);
                    let platforms = index["manifests"].as_array().unwrap();
                    assert_eq!(platforms.len(), 2);
                    for platform in platforms {
                        let digest = platform["digest"].as_str().unwrap();
                        assert!(
                            registry.tag(&repository, digest).is_some(),
                            "{repository}@{digest}"
                        );
                    }
                }
            }
            assert_eq!(digests.len(), 1, "{id}: {digests:?}");
            assert!(!digests.contains(&None), "{id}");
        }
    }
}

fn manifest(registry: &Registry, repository: &str, name: &str) -> serde_json::Value {
    let path = format!("/v2/{repository}/manifests/{name}");
    let (status, _, bytes) = registry.request(&ureq::http::Method::GET, &path, "", &[]);
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(&bytes).unwrap()
}

/// A tag that was written by the registry: which proxy's, in which repository.
fn written(seen: &[(usize, Seen)]) -> Vec<(usize, String, String, &Seen)> {
    let tag = |(at, one): &'_ (usize, Seen)| {
        let (repository, name) = one.path.strip_prefix("/v2/")?.split_once("/manifests/")?;
        Some((*at, repository.to_owned(), name.to_owned()))
    };
    seen.iter()
        .filter(|(_, one)| one.method == "PUT" && one.was_done())
        .filter_map(|both| tag(both).map(|(at, repository, name)| (at, repository, name, &both.1)))
        .filter(|(_, _, name, _)| !name.starts_with("sha256:"))
        .collect()
}

/// No public tag before everything is staged, no mutable tag before every immutable one, nothing twice.
fn check_order(seen: &[(usize, Seen)], scene: &Scene, kind: Kind) {
    let written = written(seen);
    let is_key = |name: &str| name.starts_with("key-");
    let public: Vec<_> = written.iter().filter(|(_, _, name, _)| !is_key(name)).collect();
    let first_public = public.iter().map(|(.., one)| one.began).min();
    if let Some(first_public) = first_public {
        let mut staged: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (_, repository, name, one) in written.iter().filter(|(_, _, name, _)| is_key(name)) {
            let ended = staged.entry((repository, name)).or_insert(one.ended);
            *ended = one.ended.min(*ended);
        }
        assert!(!scene.is_fresh() || staged.len() == IMAGES.len(), "{staged:?}");
        let late = staged.values().any(|&ended| ended > first_public);
        assert!(!late, "a public tag before all is staged: {}", shown(seen));
    }
    let wanted = IMAGES.len() * 2;
    for (_, repository, name, one) in public.iter().filter(|(_, _, name, _)| *name != scene.version)
    {
        let before: BTreeSet<(usize, &str)> = public
            .iter()
            .filter(|(_, _, other, immutable)| {
                *other == scene.version && immutable.ended < one.began
            })
            .map(|(at, repository, ..)| (*at, repository.as_str()))
            .collect();
        assert_eq!(
            before.len(),
            wanted,
            "{repository}:{name} before an immutable tag: {}",
            shown(seen)
        );
    }
    let mut times: BTreeMap<(usize, &str, &str), Vec<&Seen>> = BTreeMap::new();
    for (at, repository, name, one) in &public {
        times.entry((*at, repository, name)).or_default().push(one);
    }
    for (name, writes) in times {
        let unanswered = writes.iter().filter(|one| one.status == 0).count();
        assert!(writes.len() <= 1 + unanswered, "{name:?} was written again: {writes:#?}");
    }
    // What our client uploads; the engine's uploads overlap those of the next push after a kill.
    let mut blobs: BTreeMap<(String, String), Vec<&Seen>> = BTreeMap::new();
    for (_, one) in
        seen.iter().filter(|(at, one)| *at == 1 && one.method == "PUT" && one.was_done())
    {
        let Some((path, query)) = one.path.split_once('?') else { continue };
        let Some((repository, _)) = path.split_once("/blobs/uploads/") else { continue };
        let Some((_, digest)) = query.split_once("digest=") else { continue };
        blobs.entry((repository.to_owned(), digest.to_owned())).or_default().push(one);
    }
    for (blob, uploads) in blobs {
        let unanswered = uploads.iter().filter(|one| one.status == 0).count();
        let killed = usize::from(kind == Kind::Killed);
        assert!(uploads.len() <= 1 + unanswered + killed, "{blob:?} was sent again: {uploads:#?}");
    }
}

fn shown(seen: &[(usize, Seen)]) -> String {
    let lines = seen.iter().map(|(at, one)| {
        format!("{}-{} registry {at}: {one} ({:?})\n", one.began, one.ended, one.passed)
    });
    lines.collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn every_interrupted_push_is_finished_by_the_same_command() {
    let Some(room) = Room::new() else { return };
    let seed = number("DOCKYARD_PUSH_SEED", 1);
    let runs = number("DOCKYARD_PUSH_RUNS", RUNS);
    let begun = Instant::now();
    let mut outcomes: BTreeMap<Kind, [usize; 2]> = BTreeMap::new();
    for run in 0..runs {
        let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(run));
        let kind = KINDS[usize::try_from(run).unwrap() % KINDS.len()];
        let prefix = |fresh: bool| if fresh { format!("run-{run}") } else { "lab".to_owned() };
        let (all_fresh, copies_fresh) = (random.below(3) == 0, random.below(3) > 0);
        let changed = run == 0 || random.below(10) == 0;
        let scene = Scene {
            version: format!("1.{run}.0"),
            prefixes: [
                prefix(all_fresh),
                prefix(all_fresh || copies_fresh || kind == Kind::NoRepository),
            ],
        };
        if changed {
            let id = IMAGES[1 + random.index(2)];
            room.lab.file(&format!("{id}/text"), &lab::token());
        }
        room.configure(&scene);
        println!("run {run}, seed {seed}: {kind:?}, {:?}, changed: {changed}", scene.prefixes);
        let stays = room.disturb(kind, &scene, &mut random);
        let life = (kind == Kind::Killed).then(|| Duration::from_millis(random.below(2500)));
        let faulty = room.push(&["--registry-timeout", "500ms"], life);
        room.calm();
        for (proxy, rules) in room.proxies.iter().zip(stays) {
            proxy.script(rules);
        }
        let end = room.push(&[], None);
        assert_eq!(end.status, Some(0), "run {run}, {kind:?}\nfirst: {faulty}\nthen: {end}");
        check_order(&room.seen(), &scene, kind);
        room.calm();
        room.check_end(&scene);
        assert!(matches!(faulty.status, Some(0 | 1) | None), "run {run}, {kind:?}: {faulty}");
        if matches!(kind, Kind::Immutable | Kind::NoDigest | Kind::NoRepository) {
            assert_eq!(faulty.status, Some(0), "run {run}, {kind:?}: {faulty}");
        }
        outcomes.entry(kind).or_default()[usize::from(faulty.status != Some(0))] += 1;
    }
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for (fault, times) in room.proxies.iter().flat_map(Faults::made) {
        *made.entry(fault).or_default() += times;
    }
    println!(
        "{runs} runs in {:.0?}; [at once, finished by a second push]: {outcomes:?}",
        begun.elapsed()
    );
    println!("faults: {made:?}");
}
