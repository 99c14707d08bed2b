//! Which engine do tests use? In one place, so that every test binary of a run finds the same ones.
//!
//! A private engine is kept below cargo's target folder and left running for the next test binary. It ends with
//! `XDG_STATE_HOME=FOLDER cargo xtask engine stop`, which each test binary prints.

use std::fs::File;
use std::process::Command;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use dockyard::engine::private::{self, Options, State};
use dockyard::engine::substitute::{SubstituteRecipe, Variant};
use dockyard::engine::{Engine, Environment, Search, Store, Version};
use dockyard::reference::Reference;

/// The first buildx that knows `--call`.
const CALL: Version = Version::new(0, 15, 0);
/// A unix socket's path has 107 bytes, and containerd's is this much longer than the engine's folder.
const LONGEST_FOLDER: usize =
    107 - "/classic/dockyard/engine/exec/containerd/containerd-debug.sock".len();
/// Variables that lead to another engine.
const MISLEADING: [&str; 7] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "BUILDX_BUILDER",
];

/// An engine, and how a child process is led to it.
#[derive(Debug)]
pub(crate) struct TestEngine {
    pub(crate) engine: Engine,
    variables: Vec<(&'static str, String)>,
}

/// The engine that is reached; where none is, a private one.
pub(crate) fn any() -> Option<&'static TestEngine> {
    static ENGINE: OnceLock<Option<TestEngine>> = OnceLock::new();
    ENGINE.get_or_init(|| provide("any", &Options::default(), |_| true)).as_ref()
}

/// One whose buildx knows `--call`: the reached one, else Debian sid's.
pub(crate) fn newest() -> Option<&'static TestEngine> {
    static ENGINE: OnceLock<Option<TestEngine>> = OnceLock::new();
    let options =
        Options { suite: Some("sid".parse().expect("a suite's name")), ..Options::default() };
    let serves = |engine: &Engine| engine.buildx >= Some(CALL);
    ENGINE.get_or_init(|| provide("newest", &options, serves)).as_ref()
}

/// One whose buildx does not know `--call` yet, as Debian trixie's.
pub(crate) fn oldest() -> Option<&'static TestEngine> {
    static ENGINE: OnceLock<Option<TestEngine>> = OnceLock::new();
    let is_old = |engine: &Engine| engine.buildx.is_some_and(|buildx| buildx < CALL);
    let engine = ENGINE.get_or_init(|| provide("oldest", &Options::default(), is_old)).as_ref()?;
    if !is_old(&engine.engine) {
        not_run("this system's own buildx knows --call, and no older one is looked for");
        return None;
    }
    Some(engine)
}

/// One with containerd's image store, which holds several platforms an image.
pub(crate) fn containerd() -> Option<&'static TestEngine> {
    static ENGINE: OnceLock<Option<TestEngine>> = OnceLock::new();
    let serves = |engine: &Engine| engine.store == Store::Containerd;
    ENGINE.get_or_init(|| provide("containerd", &Options::default(), serves)).as_ref()
}

/// One with the classic image store.
pub(crate) fn classic() -> Option<&'static TestEngine> {
    static ENGINE: OnceLock<Option<TestEngine>> = OnceLock::new();
    let options = Options { classic_store: true, ..Options::default() };
    let serves = |engine: &Engine| engine.store == Store::Classic;
    ENGINE.get_or_init(|| provide("classic", &options, serves)).as_ref()
}

/// A private one with Debian sid's buildx that nobody else uses, whatever else is reached: what it holds may be thrown
/// away.
pub(crate) fn own(name: &str) -> Option<TestEngine> {
    let options =
        Options { suite: Some("sid".parse().expect("a suite's name")), ..Options::default() };
    provide(name, &options, |_| false)
}

/// A folder for what tests make once and keep: `DOCKYARD_TEST_HOME`, else below cargo's target folder where sockets
/// below it are short enough. Each private engine has its `XDG_STATE_HOME` in it.
pub(crate) fn kept() -> &'static Utf8Path {
    static FOLDER: OnceLock<Utf8PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = if let Ok(given) = std::env::var("DOCKYARD_TEST_HOME") {
            Utf8PathBuf::from(given)
        } else if target.as_str().len() <= LONGEST_FOLDER {
            target.to_owned()
        } else {
            let hash = target
                .as_str()
                .bytes()
                .fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
            let temporary = Utf8PathBuf::from_path_buf(std::env::temp_dir()).expect("text");
            temporary.join(format!("dockyard-{hash:08x}"))
        };
        std::fs::create_dir_all(&folder).expect("the folder is made");
        folder
    })
}

/// Only one process of this machine at a time is in `work`.
pub(crate) fn locked<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let file = File::create(kept().join(format!("{name}.lock"))).expect("the lock is made");
    file.lock().expect("the lock is taken");
    work()
}

/// Says why a test is not run. Where `DOCKYARD_REQUIRE_ENGINE` is set, that is a failure.
pub(crate) fn not_run(why: &str) {
    assert!(
        std::env::var_os("DOCKYARD_REQUIRE_ENGINE").is_none_or(|value| value.is_empty()),
        "DOCKYARD_REQUIRE_ENGINE is set, and {why}"
    );
    say(&format!("not run: {why}"));
}

/// To the terminal itself: the test harness shows what a test prints only when it fails.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _lost = writeln!(std::io::stderr().lock(), "{line}");
}

fn provide(name: &str, options: &Options, serves: impl Fn(&Engine) -> bool) -> Option<TestEngine> {
    let provided = match Engine::find(&Search::default()) {
        Ok(engine) if serves(&engine) => Ok(TestEngine::reached(engine)),
        _ => start(name, options),
    };
    match provided {
        Ok(provided) => {
            say(&format!("{name} engine: {}{}", provided.engine, provided.how_to_stop()));
            Some(provided)
        }
        Err(error) => {
            not_run(&format!("no {name} engine can be had: {error:#}"));
            None
        }
    }
}

fn start(name: &str, options: &Options) -> anyhow::Result<TestEngine> {
    // What `any` starts is this system's own, with containerd's store.
    let home = kept().join(if matches!(name, "containerd" | "oldest") { "any" } else { name });
    let packages = kept().join("packages");
    let options = Options { packages: Some(packages), ..options.clone() };
    let environment = MISLEADING
        .iter()
        .fold(Environment::of_process(), |environment, name| environment.without(name))
        .with("XDG_STATE_HOME", home.as_str());
    // The packages are shared, and apt does not wait for another apt.
    locked("engines", || {
        private::start(&environment, &options, &|line| eprintln!("{name}: {line}"))
    })?;
    let engine = Engine::find_private(&environment);
    let engine =
        engine.ok_or_else(|| anyhow::anyhow!("it runs, but its client does not reach it"))?;
    let state = State::of(&environment)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = engine.docker.parent().unwrap_or(Utf8Path::new("/"));
    let variables = vec![
        ("DOCKER_HOST", state.endpoint()),
        ("DOCKER_CONFIG", state.config_folder().into_string()),
        ("PATH", format!("{programs}:{path}")),
        ("XDG_STATE_HOME", home.into_string()),
    ];
    Ok(TestEngine { engine, variables })
}

impl TestEngine {
    fn reached(engine: Engine) -> Self {
        let docker = engine.docker.parent().unwrap_or(Utf8Path::new("/")).to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut variables = vec![("PATH", format!("{docker}:{path}"))];
        // A person's private engine is found without variables, but not by the docker program itself.
        if let Some(state) = State::of(&Environment::of_process()).ok()
            && state.endpoint() == engine.endpoint
        {
            variables.push(("DOCKER_HOST", state.endpoint()));
            variables.push(("DOCKER_CONFIG", state.config_folder().into_string()));
        }
        Self { engine, variables }
    }

    /// Puts a substitute of `debian:trixie-slim` into it, where it has none of that name.
    pub(crate) fn debian(&self) {
        let reference: Reference = "debian:trixie-slim".parse().expect("a reference");
        let has =
            || self.engine.image(&reference.to_string()).expect("the engine answers").is_some();
        locked("debian", || {
            if has() {
                return;
            }
            let recipe = SubstituteRecipe {
                reference: reference.clone(),
                suite: "trixie".parse().expect("a suite's name"),
                variant: Variant::Minbase,
                include: std::collections::BTreeSet::new(),
                mirror: None,
            };
            let made =
                recipe.provide(&self.engine, &self.engine.platform, &|line| eprintln!("{line}"));
            let made = made.expect("Debian's archive is reached");
            self.engine.tag(&made.name, "debian:trixie-slim").expect("the engine tags");
        });
    }

    /// Whether it was brought up for tests.
    pub(crate) fn is_private(&self) -> bool {
        self.variables.iter().any(|(name, _)| *name == "XDG_STATE_HOME")
    }

    fn how_to_stop(&self) -> String {
        let home = self.variables.iter().find(|(name, _)| *name == "XDG_STATE_HOME");
        home.map_or_else(String::new, |(name, home)| {
            format!("; it stays up: {name}={home} cargo xtask engine stop")
        })
    }

    /// A command that reaches this engine and no other.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in MISLEADING {
            if !self.variables.is_empty()
                && self.variables.iter().any(|(own, _)| *own == "DOCKER_HOST")
            {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())));
        command.env_remove("BUILDX_BUILDER");
        command
    }
}

/// No test binary uses all of this.
const _: () = {
    let _: [fn() -> Option<&'static TestEngine>; 5] = [any, newest, oldest, containerd, classic];
    let _: fn(&str) = say;
    let _: fn(&str) -> Option<TestEngine> = own;
    let _: fn(&TestEngine, &str) -> Command = TestEngine::command;
    let _: fn(&TestEngine) = TestEngine::debian;
    let _: fn(&TestEngine) -> bool = TestEngine::is_private;
};
