//! The engine code against the real thing: a private engine from packages to purge, and machines that lack something.
//!
//! The private engine needs Linux, root, apt and Debian's archive; elsewhere that test says so and does nothing.
//! The packages are kept between runs.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

#[path = "support/engines.rs"]
mod engines;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use dockyard::engine::private::{self, Options, Started, Status};
use dockyard::engine::substitute::{SubstituteRecipe, Variant};
use dockyard::engine::{
    Builder, Engine, Environment, Invocation, NotFound, Origin, Search, Store, Version, doctor,
    probe,
};
use dockyard::reference::Platform;

/// A folder on `PATH` with a `docker` that does what the lines say: for machines that cannot be had here.
fn fake_docker(script: &str) -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    std::fs::write(&docker, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let state = folder.path().display().to_string();
    let environment = Environment::default().with("PATH", path).with("HOME", &state);
    (folder, environment)
}

fn find(environment: &Environment) -> Result<Engine, NotFound> {
    Engine::find(&Search { environment: environment.clone(), remembered: None })
}

#[test]
fn a_machine_that_lacks_something_is_told_what() {
    let nothing = tempfile::tempdir().unwrap();
    let empty = Environment::default().with("PATH", nothing.path()).with("HOME", nothing.path());
    assert_eq!(find(&empty).unwrap_err(), NotFound::NoDocker);

    // The CLI's own word for a daemon that is not there.
    let script = "[ $1 = buildx ] && echo 'github.com/docker/buildx v0.29.1 x' && exit\n\
        echo 'Cannot connect to the Docker daemon at X. Is the docker daemon running?' >&2; exit 1";
    let (_folder, environment) = fake_docker(script);
    let environment = environment.with("DOCKER_HOST", "unix:///does/not/exist.sock");
    let Err(NotFound::Unreachable { endpoint, said }) = find(&environment) else { panic!() };
    assert_eq!(endpoint, "unix:///does/not/exist.sock");
    assert!(said.starts_with("Cannot connect to the Docker daemon"), "{said}");

    let serving = |version: &str, components: &str, buildx: &str| {
        let version = format!(
            r#"{{"Version":"{version}","ApiVersion":"1.41","Os":"linux","Arch":"amd64","Components":[{components}]}}"#
        );
        format!(
            "case $1 in version) echo '{version}';; info) echo '{{\"ID\":\"x\"}}';; buildx) {buildx};; esac"
        )
    };
    let tcp = |script: &str| {
        let (_folder, environment) = fake_docker(script);
        find(&environment.with("DOCKER_HOST", "tcp://127.0.0.1:1"))
    };
    let new_buildx = "echo 'github.com/docker/buildx v0.29.1 x'";
    let found = tcp(&serving("20.10.24+dfsg1", "", new_buildx)).unwrap_err();
    assert!(
        matches!(found, NotFound::EngineTooOld { found, .. } if found == Version::new(20, 10, 24)),
        "{found}"
    );
    let found = tcp(&serving("5.2.0", r#"{"Name":"Podman Engine"}"#, new_buildx)).unwrap_err();
    assert!(matches!(found, NotFound::NotDocker { .. }), "{found}");
    let found =
        tcp(&serving("28.0.0", "", "echo 'github.com/docker/buildx 0.12.1 x'")).unwrap_err();
    assert!(matches!(found, NotFound::BuildxTooOld { .. }), "{found}");
    let broken = "echo \"docker: unknown command: docker buildx\" >&2; exit 1";
    let found = tcp(&serving("28.0.0", "", broken)).unwrap_err();
    assert!(
        matches!(&found, NotFound::NoBuildx { said, .. } if said.contains("unknown command")),
        "{found}"
    );
    assert!(found.to_string().contains("\n  mend: "));
    assert_eq!(tcp(&serving("26.0.0", "", new_buildx)).unwrap().store, Store::Classic);
}

#[test]
fn doctor_tells_of_a_machine_without_an_engine() {
    let nothing = tempfile::tempdir().unwrap();
    let environment =
        Environment::default().with("PATH", nothing.path()).with("HOME", nothing.path());
    let needs = doctor::Needs { pixi: true, ..doctor::Needs::default() };
    let checks = doctor::checks(&Search { environment, remembered: None }, &needs);
    let state = |name: &str| checks.iter().find(|check| check.name == name).unwrap().state;
    assert_eq!(state("git"), doctor::State::Bad, "{checks:?}");
    assert_eq!(state("pixi"), doctor::State::Warning);
    assert_eq!(state("engine"), doctor::State::Bad);
    assert_eq!(state("private engine"), doctor::State::Good);
    assert!(doctor::render(&checks).contains("mend: install Docker Engine"));
}

/// A private engine in a folder of its own, which is purged whatever the test does.
struct Private {
    _folder: tempfile::TempDir,
    state: Utf8PathBuf,
    environment: Environment,
}

impl Private {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("dy").tempdir_in("/tmp").unwrap();
        let home = folder.path().to_str().unwrap();
        let mut environment = Environment::of_process().with("XDG_STATE_HOME", home);
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
            environment = environment.without(name);
        }
        let state = Utf8Path::new(home).join("dockyard/engine");
        Self { _folder: folder, state, environment }
    }

    fn start(&self) -> Started {
        let packages = Some(engines::kept().join("packages"));
        let options = Options { packages, ..Options::default() };
        timed("start", || {
            private::start(&self.environment, &options, &|line| eprintln!("{line}")).unwrap()
        })
    }

    fn stop(&self, purge: bool) -> bool {
        timed("stop", || {
            private::stop(&self.environment, purge, &|line| eprintln!("{line}")).unwrap()
        })
    }

    fn status(&self) -> Status {
        private::status(&self.environment).unwrap()
    }

    fn pid(&self) -> u32 {
        match self.status() {
            Status::Running { pid, .. } => pid,
            other => panic!("{other:?}"),
        }
    }

    fn bridge(&self) -> String {
        let record = std::fs::read_to_string(self.state.join("network.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&record).unwrap()["bridge"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Every process whose program lies in the engine's folder.
    fn processes(&self) -> Vec<String> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let programs =
            entries.filter_map(|entry| std::fs::read_link(entry.path().join("exe")).ok());
        programs
            .filter(|exe| exe.starts_with(&self.state))
            .map(|exe| exe.display().to_string())
            .collect()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(error) = private::stop(&self.environment, true, &|_| {}) {
            eprintln!("{error:#}");
        }
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    eprintln!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    result
}

fn exists(link: &str) -> bool {
    Utf8Path::new("/sys/class/net").join(link).exists()
}

#[test]
fn a_private_engine_from_packages_to_purge() {
    let able = std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.contains("\nUid:\t0\t0"))
        && std::path::Path::new("/usr/bin/apt-get").exists();
    if !able {
        engines::not_run("a private engine needs Linux, root and apt");
        return;
    }
    let own = Private::new();
    assert_eq!(own.status(), Status::Absent);
    let endpoint = format!("unix://{}/docker.sock", own.state);
    // Two at once: one waits for the other, and one of them starts it.
    let both = std::thread::scope(|threads| {
        let other = threads.spawn(|| own.start());
        [own.start(), other.join().unwrap()]
    });
    let now = both.iter().filter(|started| matches!(started, Started::Now { .. }));
    assert_eq!(now.count(), 1, "{both:?}");
    assert_eq!(own.start(), Started::Already { endpoint: endpoint.clone() });
    let bridge = own.bridge();
    assert!(exists(&bridge));

    let engine = timed("find", || Engine::find_private(&own.environment)).unwrap();
    assert_eq!((engine.origin, engine.store), (Origin::Private, Store::Containerd));
    assert_eq!(engine.endpoint, endpoint);
    let builder = timed("builder", || Builder::find(&engine, None)).unwrap();
    assert!(builder.sees_engine_images() && builder.builds_for(&Platform::native()), "{builder:?}");
    let unreachable = "127.0.0.1:9/nobody/there:1".parse().unwrap();
    let reach = probe::registry(&engine, &builder, &unreachable, Duration::from_secs(5));
    assert!(matches!(reach, probe::Reach::Unreachable { .. }), "{reach:?}");

    let name = a_substitute_works(&engine);
    the_engine_recovers(&own, &engine, &name);

    assert!(own.stop(false));
    assert_eq!(own.status(), Status::Stopped);
    assert_eq!(own.processes(), Vec::<String>::new());
    assert!(!exists(&bridge));
    let rules = Invocation::new("/usr/sbin/iptables-save").read().unwrap();
    assert!(!rules.contains(&format!("dockyard-engine-{bridge}")), "{rules}");
    assert!(own.stop(true));
    assert_eq!(own.status(), Status::Absent);
    assert!(!own.state.exists());
    assert!(!own.stop(true));
}

/// Makes a substitute, runs it, builds on it and names it; gives its name.
fn a_substitute_works(engine: &Engine) -> String {
    let recipe = SubstituteRecipe {
        reference: "debian:trixie-slim".parse().unwrap(),
        suite: "trixie".parse().unwrap(),
        variant: Variant::Minbase,
        include: ["ca-certificates".parse().unwrap()].into(),
        mirror: None,
    };
    let provide =
        || recipe.provide(engine, &Platform::native(), &|line| eprintln!("{line}")).unwrap();
    let made = timed("substitute", provide);
    assert!(made.made);
    assert_eq!(made.image.platforms, [Platform::native()]);
    assert!(!timed("substitute again", provide).made);

    // What is slim is slim, and apt reaches its archive over a bridge of our own.
    let script = "grep VERSION_CODENAME /etc/os-release; cat /proc/1/comm; find /usr/share/man /usr/share/locale \
        /var/lib/apt/lists -type f ! -name lock ! -name locale.alias | wc -l; apt-get update -q 2>&1";
    let run = engine.command().args(["run", "--rm", "--init", &made.name, "bash", "-c", script]);
    let said = timed("docker run", || run.read()).unwrap();
    assert!(said.starts_with("VERSION_CODENAME=trixie\ndocker-init\n0\n"), "{said}");
    assert!(said.contains("Get:1") && !said.contains("Err:") && !said.contains("Unable"), "{said}");

    // Out over the bridge, by address translation.
    let serve = "exec 3<>/dev/tcp/deb.debian.org/80 && echo open";
    let reach = engine.command().args(["run", "--rm", &made.name, "bash", "-c", serve]);
    assert_eq!(reach.read().unwrap(), "open");

    let folder = tempfile::tempdir().unwrap();
    let dockerfile =
        format!("FROM {}\nRUN echo $RANDOM > /token && getent hosts deb.debian.org\n", made.name);
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let build = engine
        .buildx()
        .args(["build", "--load", "-t", "built:1"])
        .arg(folder.path().to_str().unwrap());
    timed("build on it", || build.run()).unwrap();

    engine.tag("built:1", "ghcr.io/acme/built:2").unwrap();
    let names = ["built:1", "ghcr.io/acme/built:2", "no:such", "no/such/thing"];
    let images = timed("four images", || engine.all_named(&names)).unwrap();
    assert_eq!(images[0].as_ref().unwrap().id, images[1].as_ref().unwrap().id);
    assert!(images[2].is_none());
    assert!(engine.untag("built:1").unwrap() && !engine.untag("built:1").unwrap());
    assert!(
        engine.image("built:1").unwrap().is_none()
            && engine.image("ghcr.io/acme/built:2").unwrap().is_some()
    );
    made.name
}

/// dockerd is killed while a container runs: status says so, start recovers, images stay.
fn the_engine_recovers(own: &Private, engine: &Engine, image: &str) {
    let running = engine.command().args(["run", "--detach", "--init", image, "sleep", "600"]);
    running.read().unwrap();
    let before = own.pid();
    Invocation::new("kill").args(["-9", &before.to_string()]).read().unwrap();
    let start = Instant::now();
    while own.status() != Status::Stopped {
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", own.status());
    }
    assert!(Engine::find_private(&own.environment).is_none());
    assert!(matches!(own.start(), Started::Now { .. }));
    assert_ne!(own.pid(), before);
    assert!(engine.image(image).unwrap().is_some());

    // Killed again, with a container of the new one: `stop` alone has to clear everything away.
    running.read().unwrap();
    Invocation::new("kill").args(["-9", &own.pid().to_string()]).read().unwrap();
}
