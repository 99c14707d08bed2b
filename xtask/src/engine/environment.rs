//! The variables that child processes get.
//!
//! An allow-list, because some variables change what is built (`SOURCE_DATE_EPOCH`, `DOCKER_DEFAULT_PLATFORM`,
//! `BUILDX_BUILDER`, `BUILDX_NO_DEFAULT_ATTESTATIONS`, …): builds must not depend on who started them.

use anyhow::Context as _;
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

use crate::workspace::Channel;
use std::ffi::{OsStr, OsString};

/// Whole names, compared without case: proxies are written both ways, and Windows does not tell them apart.
const ALLOWED: &[&str] = &[
    // Where programs, a person's files and temporary files are.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TEMP",
    "TMP",
    // What the output looks like.
    "LANG",
    "LANGUAGE",
    "TERM",
    "NO_COLOR",
    "COLORTERM",
    // How the network is reached, and whom to trust.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    // Which engine. `BUILDX_CONFIG` is where builders are kept; every other `BUILDX_…` changes builds.
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
    "DOCKER_AUTH_CONFIG",
    "BUILDX_CONFIG",
    "KUBECONFIG",
    // What programs on Windows do not start without.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMW6432",
    "USERPROFILE",
    "USERNAME",
    "HOMEDRIVE",
    "HOMEPATH",
    "COMSPEC",
    "PATHEXT",
];
const ALLOWED_BEGINNINGS: &[&str] = &["LC_", "XDG_"];

/// A snapshot of environment variables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process's variables.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// With `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(OsStr::new(name));
        self
    }

    /// The value, where it is set, not empty, and text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    /// Where programs of this person keep what they need again: `$XDG_STATE_HOME` (XDG base directory specification), else
    /// `~/.local/state`; on Windows `%LOCALAPPDATA%`. With our own name below it.
    ///
    /// # Errors
    /// When none of the variables is set.
    pub fn state_folder(&self) -> anyhow::Result<Utf8PathBuf> {
        let folder = match (self.get("XDG_STATE_HOME"), self.get("LOCALAPPDATA")) {
            // What is not absolute is to be ignored.
            (Some(folder), _) if folder.starts_with('/') => Utf8PathBuf::from(folder),
            (_, Some(folder)) => Utf8PathBuf::from(folder),
            _ => {
                let home =
                    self.get("HOME").context("neither XDG_STATE_HOME nor HOME is set; set HOME")?;
                Utf8PathBuf::from(home).join(".local/state")
            }
        };
        Ok(folder.join("dockyard"))
    }

    /// The channel of the event for which CI runs this process (GitHub's `GITHUB_EVENT_NAME` and `GITHUB_REF`); nothing
    /// elsewhere, or where the event says nothing. `main` is the branch whose images are published; where it has the
    /// usual name, so is its older one.
    pub fn ci_event(&self, main: &str) -> Option<Channel> {
        if self.get("GITHUB_ACTIONS") != Some("true") {
            return None;
        }
        if self.get("GITHUB_EVENT_NAME").is_some_and(|event| event.starts_with("pull_request")) {
            return Some(Channel::Pr);
        }
        match self.get("GITHUB_REF")?.strip_prefix("refs/")?.split_once('/')? {
            ("tags", tag) if tag.starts_with('v') => Some(Channel::Release),
            ("heads", branch) if branch == main => Some(Channel::Main),
            ("heads", "master") if main == "main" => Some(Channel::Main),
            ("heads", _) => Some(Channel::Dev),
            _ => None,
        }
    }

    /// What a child gets of it.
    pub fn allowed(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .filter(|(name, _)| name.to_str().is_some_and(is_allowed))
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ALLOWED.contains(&name.as_str())
        || ALLOWED_BEGINNINGS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_ci_gives_the_channel() {
        for (event, reference, expected) in [
            ("pull_request", "refs/pull/3/merge", Some(Channel::Pr)),
            ("push", "refs/heads/main", Some(Channel::Main)),
            ("schedule", "refs/heads/main", Some(Channel::Main)),
            ("push", "refs/heads/feature/x", Some(Channel::Dev)),
            ("push", "refs/tags/v1.2.3", Some(Channel::Release)),
            ("push", "refs/tags/nightly", None),
        ] {
            let environment = Environment::default()
                .with("GITHUB_ACTIONS", "true")
                .with("GITHUB_EVENT_NAME", event)
                .with("GITHUB_REF", reference);
            assert_eq!(environment.ci_event("main"), expected, "{event} {reference}");
            let trunk = if expected == Some(Channel::Main) { Some(Channel::Dev) } else { expected };
            assert_eq!(environment.ci_event("trunk"), trunk, "{event} {reference}");
            assert_eq!(environment.without("GITHUB_ACTIONS").ci_event("main"), None);
        }
    }

    #[test]
    fn only_listed_variables_reach_a_child() {
        for name in [
            "PATH",
            "https_proxy",
            "HTTPS_PROXY",
            "LC_ALL",
            "XDG_STATE_HOME",
            "DOCKER_HOST",
            "SystemRoot",
        ] {
            assert!(is_allowed(name), "{name}");
        }
        for name in [
            "SOURCE_DATE_EPOCH",
            "DOCKER_DEFAULT_PLATFORM",
            "BUILDX_BUILDER",
            "BUILDX_NO_DEFAULT_ATTESTATIONS",
            "BUILDKIT_PROGRESS",
            "GITHUB_TOKEN",
            "PATH_TO_X",
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }
}
