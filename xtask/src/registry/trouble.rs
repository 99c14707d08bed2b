//! What went wrong between us and a registry.

use std::fmt;
use std::time::Duration;

use crate::reference::Repository;

/// How much of a registry's own words is repeated.
const LONGEST_MESSAGE: usize = 300;

/// What kind of trouble it is, so that callers decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such repository, manifest or blob.
    NotFound,
    /// 401. With a `login` that was sent, it may mean that there is no such repository.
    Unauthorized { login: bool },
    /// 403. With a `login`, it may mean that there is no such repository, or that it has fewer rights.
    Forbidden { login: bool },
    /// The login itself is not accepted.
    LoginRefused,
    /// The login cannot be had: an unreadable configuration or a failing credential helper.
    NoLogin,
    /// 429, also after all attempts.
    TooManyRequests,
    /// 5xx, with the status.
    Server(u16),
    /// The registry does not let this tag be written, be it with an equal digest.
    Refused,
    /// Another 4xx, or a status that has no place here.
    Status(u16),
    /// No answer, or no byte of it, in time.
    TimedOut,
    /// There is nothing at this address, or no way to it.
    Unreachable,
    /// The connection ended within an exchange.
    Broken,
    /// No secure connection, or not with whom it should be.
    Tls,
    /// The answer is not what the distribution specification says, or not what was asked for.
    Invalid,
    /// A person asked us to stop.
    Interrupted,
}

/// What went wrong, where, and how to mend it. Never holds a secret.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub kind: Kind,
    pub repository: Repository,
    /// What was wanted, completing «failed to …».
    pub wanted: String,
    /// The registry's own code (OCI distribution spec, «Error codes»), e.g. `MANIFEST_UNKNOWN`.
    pub code: Option<String>,
    /// What the registry says, or what is wrong with what it says; one line.
    pub message: Option<String>,
    /// `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// How often it was tried.
    pub attempts: u32,
}

impl Trouble {
    pub(super) fn new(kind: Kind, repository: &Repository, wanted: &str) -> Self {
        Self {
            kind,
            repository: repository.clone(),
            wanted: wanted.to_owned(),
            code: None,
            message: None,
            retry_after: None,
            attempts: 1,
        }
    }

    #[must_use]
    pub(super) fn saying(mut self, message: &str) -> Self {
        self.message = Some(sane(message)).filter(|message| !message.is_empty());
        self
    }

    /// The registry's host, as references write it.
    pub fn host(&self) -> &str {
        self.repository.registry()
    }

    /// Whether a registry may answer so where there is nothing yet: Docker Hub says 401, others 403, to a login that
    /// is good. What is written first is seen afterwards.
    pub fn may_mean_absent(&self) -> bool {
        matches!(
            self.kind,
            Kind::NotFound | Kind::Unauthorized { login: true } | Kind::Forbidden { login: true }
        )
    }

    /// Whether a later attempt may succeed by itself.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            Kind::TooManyRequests
                | Kind::Server(500 | 502 | 503 | 504)
                | Kind::Status(408)
                | Kind::TimedOut
                | Kind::Broken
        )
    }

    /// What a person does about it.
    pub fn mend(&self) -> Option<String> {
        let host = self.host();
        // `docker login` without a host is for Docker Hub.
        let login = if host == "docker.io" {
            "docker login".into()
        } else {
            format!("docker login {host}")
        };
        Some(match self.kind {
            Kind::Unauthorized { login: false } | Kind::Forbidden { login: false } => {
                format!("log in: `{login}`")
            }
            Kind::LoginRefused => format!("log in again: `{login}`"),
            Kind::NoLogin => format!("mend Docker's configuration, or log in again: `{login}`"),
            Kind::Unauthorized { login: true } | Kind::Forbidden { login: true } => format!(
                "make sure that the repository exists and that this login may use it, or log in as somebody else: `{login}`"
            ),
            Kind::TooManyRequests => "wait, and run the same command again".into(),
            Kind::Server(507) => {
                "free space in the registry, and run the same command again".into()
            }
            Kind::Server(_) | Kind::TimedOut | Kind::Broken => {
                "run the same command again; it goes on where it stopped".into()
            }
            Kind::Unreachable => {
                format!("check the name {host}, the network and the proxy (HTTPS_PROXY, NO_PROXY)")
            }
            Kind::Tls => format!(
                "put the authority that signed the registry's certificate into /etc/docker/certs.d/{host}/ca.crt"
            ),
            Kind::Refused => {
                "raise the version, or allow the registry to overwrite this tag".into()
            }
            Kind::NotFound | Kind::Status(_) | Kind::Invalid | Kind::Interrupted => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is none"),
            Self::Unauthorized { login: false } => {
                f.write_str("it wants a login, and there is none")
            }
            Self::Unauthorized { login: true } => {
                f.write_str("401: not with this login, or there is no such repository")
            }
            Self::Forbidden { login: false } => f.write_str("403: not without a login"),
            Self::Forbidden { login: true } => {
                f.write_str("403: not with this login, or there is no such repository")
            }
            Self::LoginRefused => f.write_str("the login is not accepted"),
            Self::NoLogin => f.write_str("the login cannot be read"),
            Self::TooManyRequests => f.write_str("429: too many requests"),
            Self::Server(507) => f.write_str("507: its storage is full"),
            Self::Server(status) => write!(f, "{status}: the registry has trouble of its own"),
            Self::Refused => f.write_str("the registry does not let this tag be written"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("it is not reached"),
            Self::Broken => f.write_str("the connection broke"),
            Self::Tls => f.write_str("no trusted connection"),
            Self::Invalid => f.write_str("its answer is not valid"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}: {}", self.wanted, self.kind)?;
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})")?,
            (Some(only), None) | (None, Some(only)) => write!(f, " ({only})")?,
            (None, None) => {}
        }
        if self.attempts > 1 {
            write!(f, ", {} attempts", self.attempts)?;
        }
        match self.mend() {
            Some(mend) => write!(f, "; {mend}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {}

/// One line of bounded length, without anything that a terminal obeys.
pub(super) fn sane(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().filter(|c| !is_invisible(*c)).collect();
    match shown.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Marks that turn the direction of writing or take no place: a message could look like another one.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: Kind, repository: &str) -> Trouble {
        Trouble::new(kind, &repository.parse().unwrap(), "read x")
    }

    #[test]
    fn says_what_and_how_to_mend_it() {
        let mut missing = trouble(Kind::Unauthorized { login: false }, "ghcr.io/acme/x");
        missing.code = Some("UNAUTHORIZED".into());
        assert_eq!(
            missing.saying("authentication\n required\u{1b}[31m").to_string(),
            "failed to read x: it wants a login, and there is none (UNAUTHORIZED: authentication required [31m); \
             log in: `docker login ghcr.io`"
        );
        let hub = trouble(Kind::LoginRefused, "docker.io/acme/x").mend();
        assert_eq!(hub.as_deref(), Some("log in again: `docker login`"));
        assert_eq!(
            trouble(Kind::NotFound, "a.test/x").to_string(),
            "failed to read x: there is none"
        );
    }

    #[test]
    fn a_registry_cannot_write_on_the_terminal() {
        assert_eq!(sane("a\u{1b}]0;x\u{7}b\r\n\u{202e}c\u{0}"), "a ]0;x b c");
        assert_eq!(sane(&"é".repeat(1000)).chars().count(), LONGEST_MESSAGE + 1);
        assert_eq!(sane(" \n "), "");
    }

    #[test]
    fn each_kind_is_told_apart() {
        for (kind, absent, transient) in [
            (Kind::NotFound, true, false),
            (Kind::Unauthorized { login: true }, true, false),
            (Kind::Unauthorized { login: false }, false, false),
            (Kind::Forbidden { login: true }, true, false),
            (Kind::LoginRefused, false, false),
            (Kind::TooManyRequests, false, true),
            (Kind::Server(503), false, true),
            (Kind::Server(507), false, false),
            (Kind::Broken, false, true),
            (Kind::TimedOut, false, true),
            (Kind::Refused, false, false),
            (Kind::Interrupted, false, false),
        ] {
            let trouble = trouble(kind, "a.test/x");
            assert_eq!(
                (trouble.may_mean_absent(), trouble.is_transient()),
                (absent, transient),
                "{kind:?}"
            );
        }
    }
}
