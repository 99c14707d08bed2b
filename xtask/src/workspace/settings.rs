//! What an `image.toml` may say, as typed values. Nothing here is read from anywhere: see `image` and `config`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::read::Placed;
use crate::human;
use crate::mistake::Place;
use crate::reference::{ImageId, Platform, Reference, Repository, VariantName};

/// Which occasion tags are for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Dev,
    Pr,
    Main,
    Release,
}

impl Channel {
    pub const ALL: [Self; 4] = [Self::Dev, Self::Pr, Self::Main, Self::Release];
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dev => "dev",
            Self::Pr => "pr",
            Self::Main => "main",
            Self::Release => "release",
        })
    }
}

/// One value for every channel, or one a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByChannel<T> {
    Every(T),
    Each(BTreeMap<Channel, T>),
}

impl<T> ByChannel<T> {
    /// The value for `channel`, if one was written for it.
    pub fn get(&self, channel: Channel) -> Option<&T> {
        match self {
            Self::Every(value) => Some(value),
            Self::Each(values) => values.get(&channel),
        }
    }

    pub fn values(&self) -> Vec<&T> {
        match self {
            Self::Every(value) => vec![value],
            Self::Each(values) => values.values().collect(),
        }
    }
}

/// Text with `{{ fact }}`s in it, as it is written.
pub type Template = Placed<String>;

/// A place in a file where a value is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InFile {
    /// `key = "project.version"`, in TOML or JSON.
    Key(String),
    /// `match = '^version = (\S+)'`: the first group, or the whole match.
    Match(String),
}

/// Where an image's version comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSource {
    Literal(Placed<String>),
    File { file: Utf8PathBuf, at: InFile, place: Place },
    GitTag { pattern: String, place: Place },
}

/// Which lock file a fact reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    Pixi,
    Uv,
    Requirements,
}

/// Where an image's own fact comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactSource {
    Literal(String),
    File {
        file: Utf8PathBuf,
        at: InFile,
    },
    /// The version of `package` in the image's lock.
    Lock {
        kind: LockKind,
        package: String,
    },
    /// What a command prints in the built image.
    Probe(Vec<String>),
    /// A key of `/etc/os-release` in the built image.
    OsRelease(String),
}

impl fmt::Display for FactSource {
    /// What is asked for the value, as a person wrote it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write!(f, "{value:?}"),
            Self::File { file, .. } => write!(f, "the file {file}"),
            Self::Lock { kind, package } => write!(f, "{package} in {}", kind.file_name()),
            Self::Probe(words) => write!(f, "the probe `{}`", human::command(words)),
            Self::OsRelease(key) => write!(f, "{key} in /etc/os-release"),
        }
    }
}

impl LockKind {
    /// The lock's name in the image's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Pixi => "pixi.lock",
            Self::Uv => "uv.lock",
            Self::Requirements => "requirements.txt",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub source: FactSource,
    /// The first group of this expression is the value.
    pub pattern: Option<String>,
    /// Whether a probe goes through the image's entry point.
    pub entrypoint: bool,
    pub place: Place,
}

impl Fact {
    /// Whether the value is known only once the image is built.
    pub fn is_observed(&self) -> bool {
        matches!(self.source, FactSource::Probe(_) | FactSource::OsRelease(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cache {
    pub registry: bool,
    /// GitHub's cache service, in its workflows.
    pub github: bool,
    /// `max` keeps every stage's layers, `min` the final ones.
    pub max: bool,
}

/// Where a build secret's value is taken from. The value itself is never held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    /// Relative to the workspace root.
    File(Utf8PathBuf),
}

/// A further named context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// Relative to the workspace root.
    Folder(Utf8PathBuf),
    Image(Reference),
}

/// Options that change how steps run.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BuildOptions {
    pub network: Option<String>,
    pub shm_size: Option<String>,
    pub ulimits: BTreeMap<String, String>,
    pub add_hosts: BTreeMap<String, String>,
}

/// The image that an argument names, where a Dockerfile does not show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetName {
    pub id: ImageId,
    pub variant: Option<VariantName>,
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variant {
            Some(variant) => f.pad(&format!("{}:{variant}", self.id)),
            None => f.pad(self.id.as_str()),
        }
    }
}

impl FromStr for TargetName {
    type Err = crate::reference::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some((id, variant)) => Self { id: id.parse()?, variant: Some(variant.parse()?) },
            None => Self { id: text.parse()?, variant: None },
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TestSettings {
    pub run: Vec<TestRun>,
    pub http: Option<HttpTest>,
    /// The folder of the checkout to mount at `/work`, read-only, relative to the workspace root.
    pub mount: Option<Utf8PathBuf>,
    pub gpus: Gpus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gpus {
    #[default]
    None,
    Optional,
    Required,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    pub cmd: Vec<String>,
    /// A text that stdout or stderr must hold.
    pub expect: Option<String>,
    /// The exit status that it must end with.
    pub status: u8,
    pub env: BTreeMap<String, String>,
    pub user: Option<String>,
    /// Whether `cmd` goes through the image's entry point, as in `docker run IMAGE CMD`; else its first word is the
    /// program.
    pub entrypoint: bool,
    pub timeout: Duration,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTest {
    pub port: u16,
    pub path: String,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PixiSettings {
    pub environment: Option<String>,
    pub cuda: Option<Template>,
}

/// Everything that `image.toml` says of one target, defaults and overrides already applied.
/// Paths are relative to the workspace root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub id: ImageId,
    pub variant: Option<VariantName>,
    /// Whether a reference without a tag means this target.
    pub default: bool,
    /// The folder of its `image.toml`; empty for the workspace root.
    pub folder: Utf8PathBuf,
    /// Where the image, or its variant, is declared.
    pub place: Place,
    pub name: String,
    pub description: Option<String>,
    pub version: Option<VersionSource>,
    /// The version, where its source has one: a git tag may be missing.
    pub known_version: Option<super::Version>,
    pub context: Utf8PathBuf,
    pub context_place: Place,
    pub dockerfile: Placed<Utf8PathBuf>,
    pub stage: Option<Placed<String>>,
    pub platforms: Vec<Platform>,
    pub publish: bool,
    pub repositories: ByChannel<Vec<Repository>>,
    pub tags: Option<ByChannel<Vec<Template>>>,
    pub labels: BTreeMap<String, Template>,
    pub cache: Cache,
    pub secrets: BTreeMap<String, SecretSource>,
    pub ssh: bool,
    pub contexts: BTreeMap<String, ContextSource>,
    /// Where each of them is written.
    pub context_places: BTreeMap<String, Place>,
    pub build: BuildOptions,
    pub args: BTreeMap<String, Template>,
    pub parents: BTreeMap<String, Placed<TargetName>>,
    pub external: Vec<Placed<String>>,
    pub facts: BTreeMap<String, Fact>,
    /// The values of the facts that are not observed.
    pub known_facts: BTreeMap<String, String>,
    pub test: TestSettings,
    pub pixi: PixiSettings,
    /// The most bytes that the compressed layers of one platform may have.
    pub size_limit: Option<u64>,
    /// Whether CI makes room on the disk before it is built; nothing for where its limit is large.
    pub free_disk: Option<bool>,
}

impl Target {
    pub fn target_name(&self) -> TargetName {
        TargetName { id: self.id.clone(), variant: self.variant.clone() }
    }

    /// Every repository of every channel, each once.
    pub fn all_repositories(&self) -> Vec<&Repository> {
        let mut all: Vec<&Repository> = Vec::new();
        for repository in self.repositories.values().into_iter().flatten() {
            if !all.contains(&repository) {
                all.push(repository);
            }
        }
        all
    }
}
