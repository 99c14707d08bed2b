//! Which builder does the work, and what it can.

use std::time::Duration;
use std::{fmt, fs, io};

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::docker::Engine;
use super::version::Version;
use crate::mistake::Mistake;
use crate::reference::Platform;

/// How long a builder may take to start: its image may have to be fetched.
const BOOT: Duration = Duration::from_mins(2);

/// The docker program's name for the context that nobody made, and buildx's for the builder in its engine.
const DEFAULT: &str = "default";

/// A builder of buildx, as `docker buildx inspect` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    pub name: String,
    pub driver: Driver,
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// BuildKit inside the engine: it sees the engine's images.
    Docker,
    DockerContainer,
    Kubernetes,
    Remote,
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub endpoint: String,
    /// `running`, `inactive`, `error`, …
    pub status: String,
    /// Why it cannot be reached, in buildx's words.
    pub error: Option<String>,
    /// Nothing for a developer's build or a node that does not run.
    pub buildkit: Option<Version>,
    /// Empty for a node that does not run. Emulated platforms are among them.
    pub platforms: Vec<Platform>,
}

impl Builder {
    /// The engine's own, or the one that is asked for, where it cannot be looked at.
    pub fn unreached(explicit: Option<&str>) -> Self {
        Self {
            name: explicit.unwrap_or(DEFAULT).to_owned(),
            driver: Driver::Docker,
            nodes: Vec::new(),
        }
    }

    /// The engine's own, where buildx would take it because nobody chose another (buildx, `GetCurrentInstance` and
    /// `Txn.Current`): it takes no process to know that. Of its platforms, only the engine's own is in it.
    ///
    /// Nothing where somebody chose any, whether for this engine or not, or where the context is not the default one:
    /// buildx is asked then.
    pub fn unchosen(engine: &Engine) -> Option<Self> {
        let folder = match engine.environment.get("BUILDX_CONFIG") {
            Some(folder) => Utf8PathBuf::from(folder),
            None => engine.config.as_ref()?.join("buildx"),
        };
        (engine.is_default_context && nobody_chose(&folder)).then(|| Self {
            name: DEFAULT.to_owned(),
            driver: Driver::Docker,
            nodes: vec![Node {
                name: DEFAULT.to_owned(),
                endpoint: DEFAULT.to_owned(),
                status: "running".to_owned(),
                platforms: vec![engine.platform.clone()],
                ..Node::default()
            }],
        })
    }

    /// The builder `explicit`, else the one that buildx would take (`docker buildx use`).
    pub fn find(engine: &Engine, explicit: Option<&str>) -> anyhow::Result<Self> {
        Self::inspect(engine, explicit, false)
    }

    /// The engine's own, which tells what the engine itself can run: other builders bring emulators of their own.
    ///
    /// # Errors
    /// When docker does not answer.
    pub fn of_engine(engine: &Engine) -> anyhow::Result<Self> {
        let context = engine.command().args(["context", "show"]).read()?;
        Self::inspect(engine, Some(&context), false)
    }

    /// The same builder, started where it was not (a docker-container builder's container; its image may have to be
    /// fetched).
    pub fn boot(&self, engine: &Engine) -> anyhow::Result<Self> {
        let booted = Self::inspect(engine, Some(&self.name), true)?;
        if !booted.is_running() {
            let said = booted.nodes.iter().find_map(|node| node.error.as_deref());
            bail!(
                "the builder {:?} does not run{}; `docker buildx inspect --bootstrap {}` starts it, `--builder=NAME` \
                 takes another",
                self.name,
                said.map_or_else(String::new, |said| format!(": {said}")),
                self.name
            );
        }
        Ok(booted)
    }

    fn inspect(engine: &Engine, name: Option<&str>, bootstrap: bool) -> anyhow::Result<Self> {
        if let Some(name) = name
            && !is_builder_name(name)
        {
            let mistake = Mistake::new(format!("{name:?} is not a builder's name"));
            return Err(mistake.mend("`docker buildx ls` shows the builders").into_error());
        }
        let command =
            engine.buildx().arg("inspect").args(bootstrap.then_some("--bootstrap")).args(name);
        let said = command.read_within(BOOT).map_err(|failure| match name {
            Some(name) if failure.stderr.contains("no builder") => {
                Mistake::new(format!("there is no builder {name:?}"))
                    .mend(format!("`docker buildx ls` shows the builders, `docker buildx create --name {name}` makes one"))
                    .into_error()
            }
            _ => failure.into(),
        })?;
        let builder: Self =
            parse(&said).with_context(|| format!("failed to understand what `{command}` says"))?;
        Ok(builder)
    }

    /// Whether it can start from images that are only in the engine.
    pub fn sees_engine_images(&self) -> bool {
        self.driver == Driver::Docker
    }

    /// Whether a node runs.
    pub fn is_running(&self) -> bool {
        self.nodes.iter().any(Node::is_running)
    }

    /// Whether a running node builds for `platform`, by itself or emulated. A node for `linux/arm64` has that for
    /// `linux/arm64/v8` too: both are normalised.
    pub fn builds_for(&self, platform: &Platform) -> bool {
        self.nodes.iter().any(|node| node.platforms.contains(platform))
    }

    /// All platforms of all nodes, sorted.
    pub fn platforms(&self) -> Vec<Platform> {
        let mut platforms: Vec<Platform> =
            self.nodes.iter().flat_map(|node| node.platforms.clone()).collect();
        platforms.sort();
        platforms.dedup();
        platforms
    }
}

impl Node {
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::DockerContainer => "docker-container",
            Self::Kubernetes => "kubernetes",
            Self::Remote => "remote",
            Self::Other(name) => name,
        })
    }
}

/// Whether buildx's configuration names no builder at all: as the current one (`current`), as one for some engine
/// (`defaults/HASH`), or under the name of the default context. What cannot be read is a choice.
fn nobody_chose(folder: &Utf8Path) -> bool {
    let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let current = match fs::read(folder.join("current")) {
        Ok(bytes) => serde_json::from_slice::<Value>(&bytes)
            .is_ok_and(|current| current["Name"].as_str() == Some("")),
        Err(error) => is_absent(&error),
    };
    let defaults = match fs::read_dir(folder.join("defaults")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => is_absent(&error),
    };
    let own = fs::symlink_metadata(folder.join("instances").join(DEFAULT));
    current && defaults && own.is_err_and(|error| is_absent(&error))
}

/// buildx's own rule (`store/util.go`), which contexts that serve as builders keep too.
fn is_builder_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+'))
}

/// Reads `buildx inspect`: `Key: value` lines, the builder's before the line `Nodes:`, then those of each node, which
/// begin with its `Name:`. Indented lines (labels, garbage collection) are others' values. buildx 0.13 has no JSON.
fn parse(text: &str) -> Option<Builder> {
    let (mut name, mut driver, mut nodes) = (None, None, None::<Vec<Node>>);
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match (&mut nodes, key) {
            (None, "Name") => name = Some(value.to_owned()),
            (None, "Driver") => driver = Some(parse_driver(value)),
            (nodes @ None, "Nodes") => *nodes = Some(Vec::new()),
            (Some(nodes), "Name") => nodes.push(Node { name: value.to_owned(), ..Node::default() }),
            (Some(nodes), _) => {
                if let Some(node) = nodes.last_mut() {
                    node.take(key, value);
                }
            }
            _ => {}
        }
    }
    Some(Builder { name: name?, driver: driver?, nodes: nodes.unwrap_or_default() })
}

impl Node {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "Endpoint" => value.clone_into(&mut self.endpoint),
            "Status" => value.clone_into(&mut self.status),
            "Error" => self.error = Some(value.to_owned()),
            "BuildKit" | "Buildkit" | "BuildKit version" => self.buildkit = Version::parse(value),
            // A `*` marks platforms that a person gave to the node.
            "Platforms" => {
                let names = value.split(',').map(|name| name.trim().trim_end_matches('*'));
                self.platforms = names.filter_map(|name| name.parse().ok()).collect();
            }
            _ => {}
        }
    }
}

fn parse_driver(name: &str) -> Driver {
    match name {
        "docker" => Driver::Docker,
        "docker-container" => Driver::DockerContainer,
        "kubernetes" => Driver::Kubernetes,
        "remote" => Driver::Remote,
        other => Driver::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_buildx_says_of_a_running_and_a_broken_node() {
        let text = "Name:          two\nDriver:        docker-container\nLast Activity: 2026-11-21 01:29:02 +0000 UTC\n\n\
            Nodes:\nName:     two0\nEndpoint: unix:///var/run/docker.sock\nStatus:   running\nBuildKit version: v0.25.1\n\
            Platforms: linux/amd64*, linux/arm64, linux/386\nLabels:\n org.mobyproject.buildkit.worker.name: x\n\
            GC Policy rule#0:\n All: false\nName:     two1\nEndpoint: tcp://h:1\nError:    failed to dial: h\n";
        let builder = parse(text).unwrap();
        assert_eq!((builder.name.as_str(), &builder.driver), ("two", &Driver::DockerContainer));
        assert_eq!(builder.nodes[0].buildkit, Some(Version::new(0, 25, 1)));
        assert!(builder.is_running() && builder.builds_for(&"linux/arm64".parse().unwrap()));
        assert_eq!(builder.platforms().len(), 3);
        assert_eq!(builder.nodes[1].error.as_deref(), Some("failed to dial: h"));
        assert!(!builder.nodes[1].is_running());
        assert!(parse("").is_none());
    }

    #[test]
    fn whoever_chose_a_builder_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let write = |file: &str, text: &str| {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert!(nobody_chose(&folder.join("none")));
        write("current", r#"{"Key":"unix:///x","Name":"","Global":false}"#);
        write("instances/another", "{}");
        assert!(nobody_chose(folder));
        for (file, text, before) in [
            (
                "current",
                r#"{"Key":"unix:///x","Name":"another","Global":false}"#,
                Some("{\"Name\":\"\"}"),
            ),
            ("current", "", Some("{\"Name\":\"\"}")),
            ("defaults/0123", "another", None),
            ("instances/default", "{}", None),
        ] {
            write(file, text);
            assert!(!nobody_chose(folder), "{file} {text}");
            match before {
                Some(before) => write(file, before),
                None => fs::remove_file(folder.join(file)).unwrap(),
            }
            assert!(nobody_chose(folder), "{file}");
        }
    }

    #[test]
    fn a_builder_name_is_no_option() {
        for (name, good) in [
            ("default", true),
            ("a.b-c_d", true),
            ("--bootstrap", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_builder_name(name), good, "{name}");
        }
    }
}
