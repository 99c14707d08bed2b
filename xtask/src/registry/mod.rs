//! What does a registry hold, and how does content get into it?
//!
//! A client of the OCI distribution API: questions, tag moves and copies, over kept connections and without a process
//! each. It knows repositories, manifests and blobs, but neither images of the workspace nor which tag may move:
//! that is for `publish` and `lock`, which call it. Nothing a registry says is believed before it is checked.

mod access;
mod answer;
mod backoff;
mod base;
mod challenge;
mod content;
mod copy;
mod credentials;
mod exchange;
mod host;
mod manifest;
mod merge;
mod questions;
mod secret;
mod token;
mod trouble;
mod trust;
mod upload;
mod url;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

pub use base::BaseImage;
pub use content::{Attestation, Content, ImageContent};
pub use copy::Copied;
pub use exchange::{Retry, rest};
pub use manifest::{Descriptor, Manifest};
pub use merge::{Part, merge};
pub use trouble::{Kind, Trouble};

use crate::engine::{Environment, interrupt};
use crate::reference::{Digest, Tag};
use credentials::CredentialStore;
use host::Host;
use trust::Trust;

/// How long and how often. The defaults serve; tests take shorter ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To connect, with the TLS handshake.
    pub connect: Duration,
    /// Without a byte: while headers are awaited, and in a body, in either direction.
    pub silence: Duration,
    /// For the answer to the last byte of a blob or a manifest, which a registry may first have to move.
    pub commit: Duration,
    /// Over all attempts of one question: none begins after it. Attempts that moved bytes do not count.
    pub total: Duration,
    /// How often one thing is tried.
    pub attempts: u32,
    /// The first pause between attempts is at most this, each further one twice the one before …
    pub first_pause: Duration,
    /// … up to this.
    pub longest_pause: Duration,
    /// How many blobs a copy moves at once.
    pub parallel: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            silence: Duration::from_mins(1),
            commit: Duration::from_mins(5),
            total: Duration::from_mins(5),
            attempts: 15,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            parallel: 4,
        }
    }
}

impl Limits {
    /// For registries that may be silent for so long: everything else is in proportion.
    #[must_use]
    pub fn with_silence(silence: Duration) -> Self {
        let usual = Self::default();
        let factor = silence.as_secs_f64() / usual.silence.as_secs_f64();
        let scaled = |usual: Duration| {
            Duration::try_from_secs_f64(usual.as_secs_f64() * factor).unwrap_or(usual)
        };
        Self {
            connect: usual.connect.min(silence),
            silence,
            commit: scaled(usual.commit),
            total: scaled(usual.total),
            first_pause: scaled(usual.first_pause),
            longest_pause: scaled(usual.longest_pause),
            ..usual
        }
    }
}

/// What a client is told.
pub struct Settings {
    /// Where Docker's configuration is found (`DOCKER_CONFIG`, `HOME`), and what credential helpers get.
    pub environment: Environment,
    /// What the engine calls insecure: hosts, `host:port` or CIDRs (`/info`, `RegistryConfig`).
    pub insecure: Vec<String>,
    /// Folders in which `HOST/*.crt`, `*.cert` and `*.key` lie, as `/etc/docker/certs.d`.
    pub certificates: Vec<Utf8PathBuf>,
    pub limits: Limits,
    /// Called before each further attempt. Holds no secret.
    pub tell: Box<dyn Fn(&Retry) + Send + Sync>,
}

impl Settings {
    /// With Docker's own folders for certificates, and silent.
    pub fn new(environment: Environment) -> Self {
        let home = environment.get("HOME").map(Utf8PathBuf::from);
        let rootless = home.map(|home| home.join(".config/docker/certs.d"));
        let certificates =
            [Some(Utf8PathBuf::from("/etc/docker/certs.d")), rootless].into_iter().flatten();
        Self {
            certificates: certificates.collect(),
            environment,
            insecure: Vec::new(),
            limits: Limits::default(),
            tell: Box::new(|_| {}),
        }
    }
}

/// A client of every registry, with logins, connections and tokens shared by all threads.
pub struct Registries {
    limits: Limits,
    tell: Box<dyn Fn(&Retry) + Send + Sync>,
    insecure: Vec<String>,
    credentials: CredentialStore,
    trust: Arc<Trust>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    /// When the attempts of a question to a registry were last used up.
    given_up: Mutex<BTreeMap<String, Instant>>,
}

impl Registries {
    /// Asks nothing yet. Ctrl-C from now on ends every question.
    pub fn new(settings: Settings) -> Self {
        interrupt::listen();
        let trust = Arc::new(Trust::new(settings.certificates, &settings.limits));
        Trust::end_when_interrupted(&trust);
        Self {
            limits: settings.limits,
            tell: settings.tell,
            insecure: settings.insecure,
            credentials: CredentialStore::new(settings.environment),
            trust,
            hosts: Mutex::default(),
            given_up: Mutex::default(),
        }
    }

    /// How long it waits, and how often it tries.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Host::new(name, &self.insecure)));
        Arc::clone(host)
    }
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registries").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What names a manifest in a repository: the `<reference>` of the OCI distribution spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOrDigest<'a> {
    Tag(&'a Tag),
    Digest(&'a Digest),
}

impl<'a> TagOrDigest<'a> {
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }

    /// With what stands between it and the repository: `:1.0`, `@sha256:…`.
    fn suffix(self) -> String {
        match self {
            Self::Tag(tag) => format!(":{tag}"),
            Self::Digest(digest) => format!("@{digest}"),
        }
    }
}

impl<'a> From<&'a Tag> for TagOrDigest<'a> {
    fn from(tag: &'a Tag) -> Self {
        Self::Tag(tag)
    }
}

impl<'a> From<&'a Digest> for TagOrDigest<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self::Digest(digest)
    }
}
