//! What does this machine have, what does it lack, and how is that mended? Data; whoever asks renders it.

use std::fmt;
use std::net::ToSocketAddrs;
use std::time::Duration;

use super::builder::Builder;
use super::docker::{Engine, Store};
use super::environment::Environment;
use super::find::Search;
use super::{Invocation, private};
use crate::reference::Platform;

/// Below this, builds soon fail for want of space.
const LITTLE_SPACE: u64 = 10 << 30;
const NETWORK: Duration = Duration::from_secs(4);

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    pub name: String,
    pub state: State,
    pub detail: String,
    /// What to do, where something is to be done.
    pub mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// Something that is not needed by everybody, or not yet.
    Warning,
    /// Nothing can be built before it is mended.
    Bad,
}

/// What the workspace needs of the machine.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// The platforms that its images are for.
    pub platforms: Vec<Platform>,
    /// The registries (`host` or `host:port`) that it takes from and publishes to.
    pub registries: Vec<String>,
    /// An image has a `pixi.lock`.
    pub pixi: bool,
    pub builder: Option<String>,
}

/// Everything at once; some seconds at most.
pub fn checks(search: &Search, needs: &Needs) -> Vec<Check> {
    let environment = &search.environment;
    let (engine, programs, registries) = std::thread::scope(|threads| {
        let engine = threads.spawn(|| engine_checks(search, needs));
        let registries: Vec<_> = needs
            .registries
            .iter()
            .map(|registry| threads.spawn(move || registry_check(registry, environment)))
            .collect();
        let programs = programs(environment, needs.pixi);
        let registries: Vec<Check> = registries.into_iter().map(join).collect();
        (join(engine), programs, registries)
    });
    programs
        .into_iter()
        .chain(engine)
        .chain([private_check(environment)])
        .chain(registries)
        .collect()
}

/// One line a check, and its mend below.
pub fn render(checks: &[Check]) -> String {
    checks.iter().map(Check::to_string).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Good => "good   ",
            State::Warning => "warning",
            State::Bad => "bad    ",
        };
        write!(f, "{state}  {:<14} {}", self.name, self.detail)?;
        match &self.mend {
            Some(mend) => write!(f, "\n         {:<14} mend: {mend}", ""),
            None => Ok(()),
        }
    }
}

impl Check {
    fn good(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Good, detail: detail.into(), mend: None }
    }

    fn lacking(
        state: State,
        name: &str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into(), mend: Some(mend.into()) }
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn programs(environment: &Environment, pixi: bool) -> Vec<Check> {
    let program = |name: &str, missing: State, mend: &str| {
        let command = Invocation::new(name).arg("--version").environment(environment.clone());
        match command.read() {
            Ok(text) => Check::good(name, text.lines().next().unwrap_or_default()),
            Err(failure) => Check::lacking(missing, name, failure.why.to_string(), mend),
        }
    };
    let mut checks = vec![
        program("git", State::Bad, "install git with the system's package manager"),
        program("cargo", State::Bad, "install Rust from https://rustup.rs"),
    ];
    if pixi {
        checks.push(program(
            "pixi",
            State::Warning,
            "to lock pixi environments, install pixi from https://pixi.sh",
        ));
    }
    checks
}

fn engine_checks(search: &Search, needs: &Needs) -> Vec<Check> {
    let engine = match Engine::find(search) {
        Ok(engine) => engine,
        Err(not_found) => {
            return vec![Check::lacking(State::Bad, "engine", not_found.what(), not_found.mend())];
        }
    };
    let mut checks = vec![
        Check::good("engine", engine.to_string()),
        Check::good("docker", engine.docker.as_str()),
    ];
    checks.push(match engine.store {
        Store::Containerd => Check::good("image store", "containerd"),
        Store::Classic => Check::lacking(
            State::Warning,
            "image store",
            "classic: one platform an image, no attestations, no OCI layouts, no caches written to registries",
            "set {\"features\": {\"containerd-snapshotter\": true}} in /etc/docker/daemon.json and restart the engine; \
             its images then have to be built or pulled again",
        ),
    });
    checks.push(match engine.buildx {
        Some(buildx) => Check::good("buildx", buildx.to_string()),
        None => Check::good("buildx", "a developer's build"),
    });
    checks.extend(space_check(&engine));
    match Builder::find(&engine, needs.builder.as_deref()) {
        Ok(builder) => checks.extend(builder_checks(&builder, needs)),
        Err(error) => checks.push(Check::lacking(
            State::Bad,
            "builder",
            format!("{error:#}"),
            "choose one of `docker buildx ls` with --builder or `docker buildx use`",
        )),
    }
    checks.extend(switched_off(&search.environment));
    checks
}

fn space_check(engine: &Engine) -> Option<Check> {
    let root = engine.data_root.as_ref()?;
    let free = root.free()?;
    let detail = format!("{} GB free at {}", free / 1_000_000_000, root.path);
    Some(if free < LITTLE_SPACE {
        Check::lacking(
            State::Warning,
            "disk",
            detail,
            "`docker buildx prune`, or `docker system prune`",
        )
    } else {
        Check::good("disk", detail)
    })
}

fn builder_checks(builder: &Builder, needs: &Needs) -> Vec<Check> {
    let detail = format!("{} (driver {})", builder.name, builder.driver);
    if let Some(error) = builder.nodes.iter().find_map(|node| node.error.as_deref()) {
        let mend =
            format!("`docker buildx inspect --bootstrap {}`, or another --builder", builder.name);
        return vec![Check::lacking(State::Bad, "builder", format!("{detail}: {error}"), mend)];
    }
    if !builder.is_running() {
        let detail = format!("{detail} does not run yet; the first build starts it");
        return vec![Check::good("builder", detail)];
    }
    let platforms: Vec<String> = builder.platforms().iter().map(ToString::to_string).collect();
    let mut checks = vec![Check::good("builder", format!("{detail}: {}", platforms.join(", ")))];
    checks.extend(needs.platforms.iter().map(|platform| {
        if builder.builds_for(platform) {
            return Check::good("platform", format!("{platform} can be built"));
        }
        Check::lacking(
            State::Warning,
            "platform",
            format!("{platform} cannot be built here"),
            "install an emulator: Debian and Ubuntu `apt-get install qemu-user-static binfmt-support` (newer ones \
             qemu-user-binfmt), elsewhere `docker run --privileged --rm tonistiigi/binfmt --install all`; then \
             restart the builder",
        )
    }));
    checks
}

fn switched_off(environment: &Environment) -> Option<Check> {
    (environment.get("DOCKER_BUILDKIT") == Some("0")).then(|| {
        Check::lacking(
            State::Warning,
            "BuildKit",
            "DOCKER_BUILDKIT=0 is set: other tools of this shell do not build as Dockyard does",
            "`unset DOCKER_BUILDKIT`; Dockyard itself always uses BuildKit",
        )
    })
}

fn private_check(environment: &Environment) -> Check {
    let name = "private engine";
    match private::status(environment) {
        Ok(private::Status::Absent) => Check::good(name, "none"),
        Ok(private::Status::Stopped) => {
            Check::good(name, "stopped; `cargo xtask engine start` starts it")
        }
        Ok(private::Status::Running { pid, endpoint }) => {
            Check::good(name, format!("runs at {endpoint} (process {pid})"))
        }
        Ok(private::Status::Silent { pid }) => Check::lacking(
            State::Warning,
            name,
            format!("process {pid} does not answer"),
            "`cargo xtask engine stop`, then `cargo xtask engine start`",
        ),
        Err(error) => Check::lacking(State::Warning, name, format!("{error:#}"), "set HOME"),
    }
}

fn registry_check(registry: &str, environment: &Environment) -> Check {
    let answer = ask_registry(registry, environment);
    let name = "registry";
    match answer {
        Ok(how) => Check::good(name, format!("{registry} {how}")),
        Err(why) => Check::lacking(
            State::Warning,
            name,
            format!("{registry} cannot be reached: {why}"),
            "look at the network and proxies (HTTPS_PROXY); a base of `bases` is made from Debian's archive with \
             `build --setup`",
        ),
    }
}

/// By curl, which knows proxies and certificates as the registry's clients do; without curl only whether somebody
/// listens.
fn ask_registry(registry: &str, environment: &Environment) -> Result<String, String> {
    let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)) {
        return Err("not a registry's name".to_owned());
    }
    let seconds = NETWORK.as_secs().to_string();
    let curl = Invocation::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", &seconds, "--globoff"])
        .arg(format!("https://{host}/v2/"))
        .environment(environment.clone());
    match curl.read_within(NETWORK * 2) {
        Ok(status) => return Ok(format!("answers ({status})")),
        Err(failure) if matches!(failure.why, super::Why::NotStarted(_)) => {}
        Err(failure) => return Err(failure.last_line().unwrap_or("no answer").to_owned()),
    }
    let address = if host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:443")
    };
    let mut addresses = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let address = addresses.next().ok_or("it has no address")?;
    let connected = std::net::TcpStream::connect_timeout(&address, NETWORK);
    connected.map(|_| "listens".to_owned()).map_err(|error| error.to_string())
}
