//! Which login is there for a registry? As Docker finds it: `config.json` with `auths`, `credHelpers` and
//! `credsStore`, and `DOCKER_AUTH_CONFIG` (docker/cli, `cli/config/configfile`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use camino::Utf8PathBuf;
use serde::Deserialize;

use super::secret::Secret;
use crate::engine::{Environment, Invocation};

/// The name under which Docker keeps Docker Hub's login.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(10);
/// A helper's word for «none» (docker/docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name with which a helper gives an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    Password {
        user: String,
        password: Secret,
    },
    /// For the token server (OAuth 2, `refresh_token`).
    IdentityToken(Secret),
}

impl Credentials {
    pub(super) fn secret(&self) -> &Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::IdentityToken(token) => token,
        }
    }

    /// The value of an `Authorization` header with it, where it is a password.
    pub(super) fn basic(&self) -> Option<Secret> {
        let Self::Password { user, password } = self else { return None };
        let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        Some(Secret::new(format!("Basic {pair}")))
    }
}

pub(super) struct CredentialStore {
    environment: Environment,
    found: Mutex<BTreeMap<String, Option<Arc<Credentials>>>>,
}

impl CredentialStore {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, found: Mutex::default() }
    }

    /// The login for `host`, asked for once.
    ///
    /// # Errors
    /// Why it cannot be had, without any of it.
    pub(super) fn get(&self, host: &str) -> Result<Option<Arc<Credentials>>, String> {
        // Held meanwhile: a helper may open a dialogue, and one is enough.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(host) {
            return Ok(known.clone());
        }
        let credentials = self.look_up(host)?.map(Arc::new);
        found.insert(host.to_owned(), credentials.clone());
        Ok(credentials)
    }

    fn look_up(&self, host: &str) -> Result<Option<Credentials>, String> {
        if let Some(text) = self.environment.get("DOCKER_AUTH_CONFIG")
            && let Some(found) =
                Config::parse(text.as_bytes(), "DOCKER_AUTH_CONFIG")?.entry(host)?
        {
            return Ok(Some(found));
        }
        let Some(file) = self.file() else { return Ok(None) };
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{file}: {error}")),
        };
        let config = Config::parse(&bytes, file.as_str())?;
        match config.helper(host) {
            Some(helper) => self.ask(helper, host),
            None => config.entry(host),
        }
    }

    fn file(&self) -> Option<Utf8PathBuf> {
        let folder = match self.environment.get("DOCKER_CONFIG") {
            Some(folder) => Utf8PathBuf::from(folder),
            None => {
                let home = self.environment.get("HOME").or(self.environment.get("USERPROFILE"))?;
                Utf8PathBuf::from(home).join(".docker")
            }
        };
        Some(folder.join("config.json"))
    }

    /// The login from a credential helper (its protocol: docker/docker-credential-helpers, README). What it says is
    /// never repeated.
    fn ask(&self, helper: &str, host: &str) -> Result<Option<Credentials>, String> {
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if helper.is_empty() || !helper.chars().all(word) {
            return Err("Docker's configuration names a credential helper that is no word".into());
        }
        let program = format!("docker-credential-{helper}");
        let asked = Invocation::new(program.as_str())
            .arg("get")
            .environment(self.environment.clone())
            .stdin(key(host))
            .read_within(HELPER);
        let answer = match asked {
            Ok(answer) => answer,
            Err(failure) if failure.stderr.contains(NOT_FOUND) => return Ok(None),
            Err(failure) => return Err(format!("`{program} get` {}", failure.why)),
        };
        let Ok(Answer { username, secret }) = serde_json::from_str(&answer) else {
            return Err(format!("`{program} get` gave no user name and secret"));
        };
        Ok(credentials(username, secret))
    }
}

/// What a credential helper says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Docker's `config.json`, in as much as we need.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Config {
    fn parse(bytes: &[u8], from: &str) -> Result<Self, String> {
        // The error's own text may repeat a value.
        serde_json::from_slice(bytes).map_err(|error| {
            format!("{from}:{}:{}: it is not Docker's configuration", error.line(), error.column())
        })
    }

    fn helper(&self, host: &str) -> Option<&str> {
        let own = self.cred_helpers.get(key(host)).or_else(|| self.cred_helpers.get(host));
        own.or(self.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn entry(&self, host: &str) -> Result<Option<Credentials>, String> {
        let entry = self.auths.get(key(host)).or_else(|| {
            let mut all = self.auths.iter();
            all.find(|(key, _)| host_of(key) == host).map(|(_, entry)| entry)
        });
        let Some(entry) = entry else { return Ok(None) };
        if !entry.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(Secret::new(&entry.identitytoken))));
        }
        if entry.auth.is_empty() {
            return Ok(credentials(entry.username.clone(), entry.password.clone()));
        }
        let pair = BASE64_STANDARD.decode(entry.auth.trim()).ok();
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
        match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((user, password)) => {
                Ok(credentials(user.to_owned(), password.trim_matches('\0').to_owned()))
            }
            None => Err(format!(
                "the `auth` of {host} in Docker's configuration is not base64 of USER:PASSWORD"
            )),
        }
    }
}

fn credentials(user: String, secret: String) -> Option<Credentials> {
    if secret.is_empty() || user.is_empty() {
        None
    } else if user == TOKEN_USER {
        Some(Credentials::IdentityToken(Secret::new(secret)))
    } else {
        Some(Credentials::Password { user, password: Secret::new(secret) })
    }
}

/// What Docker keeps a host's login under.
fn key(host: &str) -> &str {
    if host == "docker.io" { DOCKER_HUB } else { host }
}

/// The host of a key, which older Dockers wrote as an address.
fn host_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    let host = key.split('/').next().unwrap_or_default();
    if host == "index.docker.io" { "docker.io" } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password { user: user.into(), password: Secret::new(password) }
    }

    #[test]
    fn logins_are_found_as_docker_finds_them() {
        let config = r#"{
            "auths": {
                "ghcr.io": {"auth": "YW5uOnBhOnNz"},
                "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
                "https://old.test/v1/": {"username": "u", "password": "p"},
                "token.test": {"auth": "eDp5", "identitytoken": "t"},
                "empty.test": {},
                "broken.test": {"auth": "%%%"}
            },
            "credHelpers": {"helped.test": "pass", "empty.test": ""},
            "detachKeys": "x"
        }"#;
        let config = Config::parse(config.as_bytes(), "f").unwrap_or_default();
        for (host, expected) in [
            ("ghcr.io", Some(password("ann", "pa:ss"))),
            ("docker.io", Some(password("hub", "pw"))),
            ("old.test", Some(password("u", "p"))),
            ("token.test", Some(Credentials::IdentityToken(Secret::new("t")))),
            ("empty.test", None),
            ("other.test", None),
        ] {
            assert_eq!(config.entry(host), Ok(expected), "{host}");
        }
        assert!(config.entry("broken.test").is_err());
        assert_eq!(config.helper("helped.test"), Some("pass"));
        assert_eq!(config.helper("empty.test"), None);
        assert_eq!(config.helper("ghcr.io"), None);
        let store = Config { creds_store: Some("desktop".into()), ..Config::default() };
        assert_eq!(store.helper("ghcr.io"), Some("desktop"));
    }

    #[test]
    fn mistakes_repeat_no_value() {
        let wrong = Config::parse(br#"{"auths": {"a": {"auth": 12, "password": "hunter2"}}}"#, "f");
        let wrong = wrong.err().unwrap();
        assert!(wrong.starts_with("f:1:") && !wrong.contains("12,"), "{wrong}");
        let shown = format!("{:?}", password("ann", "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
