//! Finding the engine: `DOCKER_HOST`, else the current context, else a private engine that runs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::docker::{DataRoot, Engine, Origin, Store};
use super::environment::Environment;
use super::http::Api;
use super::not_found::{NotFound, OLDEST_BUILDX, OLDEST_ENGINE};
use super::version::Version;
use super::{Invocation, private, remembered};
use crate::reference::Platform;

/// How long the engine may take to say what it is. Longer than a healthy one needs, as it may be starting.
const LIMIT: Duration = Duration::from_secs(10);

/// Where docker looks for plug-ins after a person's own (`cli-plugins/manager/manager_unix.go`).
const SYSTEM_PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

const MISLEADING: &[&str] = &[
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
];

/// Where to look.
#[derive(Clone, Debug)]
pub struct Search {
    pub environment: Environment,
    /// A file that remembers what buildx said of its version, so that the same program is not asked at every run.
    pub remembered: Option<Utf8PathBuf>,
}

impl Default for Search {
    fn default() -> Self {
        Self { environment: Environment::of_process(), remembered: None }
    }
}

/// What leads to one engine, before it is asked.
struct Candidate {
    docker: Utf8PathBuf,
    endpoint: String,
    origin: Origin,
    is_default_context: bool,
    variables: Vec<(&'static str, String)>,
}

impl Engine {
    /// The engine to build with. `DOCKER_HOST` and `DOCKER_CONTEXT` are decisions, so that nothing else is looked at
    /// when they are set; otherwise a private engine that runs is taken where the system has none that serves.
    pub fn find(search: &Search) -> Result<Self, NotFound> {
        let environment = &search.environment;
        let found = Self::find_usual(search);
        let decided =
            environment.get("DOCKER_HOST").is_some() || environment.get("DOCKER_CONTEXT").is_some();
        match found {
            Err(not_found) if !decided => Self::private(search).ok_or(not_found),
            other => other,
        }
    }

    /// The private engine of this person, where it runs and answers.
    pub fn find_private(environment: &Environment) -> Option<Self> {
        Self::private(&Search { environment: environment.clone(), remembered: None })
    }

    fn private(search: &Search) -> Option<Self> {
        let environment = &search.environment;
        let state = private::State::of(environment).ok()?;
        if !state.socket().exists() {
            return None;
        }
        // What leads to another engine must not mislead the client of this one.
        let environment = MISLEADING
            .iter()
            .fold(environment.clone(), |environment, name| environment.without(name));
        let candidate = Candidate {
            docker: state.program("docker")?,
            endpoint: state.endpoint(),
            origin: Origin::Private,
            is_default_context: true,
            variables: vec![
                ("DOCKER_HOST", state.endpoint()),
                ("DOCKER_CONFIG", state.config_folder().into_string()),
            ],
        };
        candidate.ask(&Search { environment, ..search.clone() }).ok()
    }

    /// As [`find`](Self::find); where no engine serves, a private one is started, and `say` told why.
    pub fn find_or_start(
        search: &Search,
        options: &private::Options,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let not_found = match Self::find(search) {
            Ok(engine) => return Ok(engine),
            Err(not_found) => not_found,
        };
        say(&format!("{}: setting up a private engine", not_found.what()));
        private::start(&search.environment, options, say)?;
        Self::find_private(&search.environment)
            .context("the private engine runs, but its client does not reach it")
    }

    fn find_usual(search: &Search) -> Result<Self, NotFound> {
        let environment = &search.environment;
        let path = environment.get("PATH").unwrap_or_default();
        let docker = which::which_in("docker", Some(path), ".").map_err(|_| NotFound::NoDocker)?;
        let docker = Utf8PathBuf::from_path_buf(docker).map_err(|_| NotFound::NoDocker)?;
        let (endpoint, origin, is_default_context) = match environment.get("DOCKER_HOST") {
            Some(host) => (host.to_owned(), Origin::DockerHost, true),
            None => {
                let (endpoint, is_default) = context_endpoint(&docker, environment)?;
                (endpoint, Origin::Context, is_default)
            }
        };
        Candidate { docker, endpoint, origin, is_default_context, variables: Vec::new() }
            .ask(search)
    }
}

/// What the current context names, and whether it is the default one. That is the system's socket, and needs no process
/// to be known.
fn context_endpoint(
    docker: &Utf8Path,
    environment: &Environment,
) -> Result<(String, bool), NotFound> {
    let default = if cfg!(windows) {
        "npipe:////./pipe/docker_engine"
    } else {
        "unix:///var/run/docker.sock"
    };
    let context = environment
        .get("DOCKER_CONTEXT")
        .map(str::to_owned)
        .or_else(|| configured_context(environment));
    match context.as_deref() {
        None | Some("default") => Ok((default.to_owned(), true)),
        Some(context) => Invocation::new(docker.as_str())
            .args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}", "--", context])
            .environment(environment.clone())
            .read()
            .map(|endpoint| (endpoint, false))
            .map_err(|failure| NotFound::Unreachable {
                endpoint: format!("context {context}"),
                said: failure.last_line().unwrap_or("no such context").to_owned(),
            }),
    }
}

/// `currentContext` of the person's Docker configuration.
fn configured_context(environment: &Environment) -> Option<String> {
    let text = std::fs::read(private::user_config_folder(environment)?.join("config.json")).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    config["currentContext"].as_str().filter(|context| !context.is_empty()).map(str::to_owned)
}

impl Candidate {
    fn command(&self, environment: &Environment) -> Invocation {
        self.to_engine(Invocation::new(self.docker.as_str()), environment)
    }

    fn to_engine(&self, command: Invocation, environment: &Environment) -> Invocation {
        let command = command.environment(environment.clone());
        self.variables.iter().fold(command, |command, (name, value)| command.env(*name, value))
    }

    /// Docker's configuration folder, as its client takes it.
    fn config(&self, environment: &Environment) -> Option<Utf8PathBuf> {
        let own = self.variables.iter().find(|(name, _)| *name == "DOCKER_CONFIG");
        own.map(|(_, folder)| Utf8PathBuf::from(folder))
            .or_else(|| private::user_config_folder(environment))
    }

    /// The buildx that docker would run: by the rules of `docker/cli` (`cli-plugins/manager`), the first of the
    /// configuration's own folder and the system's. Where the configuration names further folders, docker decides.
    fn plugin(config: &Utf8Path) -> Option<Utf8PathBuf> {
        let further = std::fs::read_to_string(config.join("config.json"))
            .is_ok_and(|text| text.contains("cliPluginsExtraDirs"));
        if further || cfg!(windows) {
            return None;
        }
        let folders = [config.join("cli-plugins")]
            .into_iter()
            .chain(SYSTEM_PLUGINS.iter().map(Utf8PathBuf::from));
        folders.map(|folder| folder.join("docker-buildx")).find(|file| file.is_file())
    }

    fn ask(self, search: &Search) -> Result<Engine, NotFound> {
        let environment = &search.environment;
        let http = self.endpoint.strip_prefix("unix://").map(|socket| Api::new(Path::new(socket)));
        let config = self.config(environment);
        let plugin = config.as_deref().and_then(Self::plugin);
        let (described, buildx) = std::thread::scope(|threads| {
            let buildx = threads.spawn(|| self.buildx(plugin.as_deref(), search));
            (self.describe(http.as_ref(), environment), buildx.join())
        });
        let (version, info) = described?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(name) = other_engine(&version) {
            return Err(NotFound::NotDocker { endpoint: self.endpoint, name });
        }
        match Version::parse(&text(&version["Version"])) {
            Some(found) if found < OLDEST_ENGINE => {
                return Err(NotFound::EngineTooOld { endpoint: self.endpoint, found });
            }
            _ => {}
        }
        let buildx = buildx.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let platform = format!("{}/{}", text(&version["Os"]), text(&version["Arch"]));
        Ok(Engine {
            version: text(&version["Version"]),
            api: Version::parse(&text(&version["ApiVersion"])).unwrap_or(Version::new(1, 24, 0)),
            buildx,
            store: store(&info),
            platform: platform.parse().unwrap_or_else(|_| Platform::native()),
            system: text(&info["OperatingSystem"]),
            data_root: self.data_root(&info),
            docker: self.docker,
            config,
            is_default_context: self.is_default_context,
            plugin,
            endpoint: self.endpoint,
            origin: self.origin,
            environment: environment.clone(),
            variables: self.variables,
            http,
        })
    }

    /// The engine's answers to «version» and «info»: over the socket in some milliseconds, else through the CLI,
    /// whose words are also the error's.
    fn describe(
        &self,
        http: Option<&Api>,
        environment: &Environment,
    ) -> Result<(Value, Value), NotFound> {
        if let Some(http) = http {
            let ask = |path| http.ask("GET", path, LIMIT).and_then(|answer| answer.json());
            if let (Ok(version), Ok(info)) = (ask("/version"), ask("/info"))
                && version["Version"].is_string()
                && info["ID"].is_string()
            {
                return Ok((version, info));
            }
        }
        let ask = |topic: &str, format: &str| {
            let answer =
                self.command(environment).args([topic, "--format", format]).read_within(LIMIT);
            let unreachable = |said: &str| NotFound::Unreachable {
                endpoint: self.endpoint.clone(),
                said: said.into(),
            };
            let answer = answer.map_err(|failure| match failure.last_line() {
                Some(line) => unreachable(line),
                None => unreachable(&failure.why.to_string()),
            })?;
            serde_json::from_str(&answer).map_err(|_| unreachable("its answer is not JSON"))
        };
        Ok((ask("version", "{{json .Server}}")?, ask("info", "{{json .}}")?))
    }

    fn buildx(
        &self,
        plugin: Option<&Utf8Path>,
        search: &Search,
    ) -> Result<Option<Version>, NotFound> {
        let docker = self.docker.to_string();
        let ask = || {
            let command = match plugin {
                Some(plugin) => {
                    self.to_engine(Invocation::new(plugin.as_str()), &search.environment)
                }
                None => self.command(&search.environment).arg("buildx"),
            };
            command.arg("version").read()
        };
        let answer = match (plugin, &search.remembered) {
            (Some(plugin), Some(file)) => remembered::answer(plugin, file, ask),
            _ => ask(),
        };
        // `github.com/docker/buildx v0.29.1 …`; Debian's: `github.com/docker/buildx 0.13.1 …`
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                let said = failure.stderr.lines().next().unwrap_or("no answer").to_owned();
                return Err(NotFound::NoBuildx { docker, said });
            }
        };
        match answer.split_whitespace().nth(1).and_then(Version::parse) {
            Some(found) if found < OLDEST_BUILDX => Err(NotFound::BuildxTooOld { docker, found }),
            version => Ok(version),
        }
    }

    fn data_root(&self, info: &Value) -> Option<DataRoot> {
        let path = Utf8PathBuf::from(info["DockerRootDir"].as_str()?);
        let local =
            cfg!(target_os = "linux") && self.endpoint.starts_with("unix://") && path.exists();
        local.then_some(DataRoot { path })
    }
}

/// The store, as moby's `daemon/info.go` tells it.
fn store(info: &Value) -> Store {
    let pairs = info["DriverStatus"].as_array().map(Vec::as_slice).unwrap_or_default();
    let containerd = pairs.iter().any(|pair| pair[1] == "io.containerd.snapshotter.v1");
    if containerd { Store::Containerd } else { Store::Classic }
}

/// What answers Docker's API without being Docker: Podman has its own versions, and no BuildKit inside.
fn other_engine(version: &Value) -> Option<String> {
    let components = version["Components"].as_array()?;
    let names = components.iter().filter_map(|component| component["Name"].as_str());
    names.map(str::to_owned).find(|name| name.contains("Podman"))
}
