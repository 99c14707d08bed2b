//! What does an answer mean, or that there is none?

use std::io::{self, Read};
use std::time::Duration;

use ureq::Body;
use ureq::http::{HeaderMap, Method, Response, header};

use super::backoff;
use super::challenge::Challenge;
use super::exchange::{Ask, Payload, header_text};
use super::secret::Secret;
use super::trouble::{Kind, Trouble, sane};
use super::url::resolve;

/// How much of an error's body is read.
const MOST_ERROR_BYTES: u64 = 64 << 10;

impl Ask<'_> {
    /// Whether a login was sent, as far as the registry asked for one.
    fn has_login(&self) -> bool {
        let asked = self.host.known().challenge.is_some();
        asked && self.credentials().ok().flatten().is_some()
    }

    /// Whether the registry refuses the password everywhere, not only in this repository (OCI distribution spec,
    /// «Determining Support»).
    fn basic_is_refused(&self) -> bool {
        if self.host.known().challenge != Some(Challenge::Basic) {
            return false;
        }
        let basic = self.credentials().ok().flatten().and_then(|one| one.basic());
        let (Some(basic), Ok(base)) = (basic, self.base()) else { return false };
        let headers = [(header::AUTHORIZATION, basic.expose().to_owned())];
        let address = resolve(&base, "/v2/").unwrap_or(base);
        let answer = self.once(&Method::GET, &address, &headers, &mut Payload::Empty);
        answer.is_ok_and(|answer| answer.status().as_u16() == 401)
    }

    /// The whole body.
    pub(super) fn read(&self, response: Response<Body>, most: u64) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        let read = reader.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.broken(error.into()))?;
        if bytes.len() as u64 > most {
            return Err(self.invalid(&format!("it is larger than {most} bytes")));
        }
        Ok(bytes)
    }

    pub(super) fn trouble(&self, kind: Kind) -> Trouble {
        Trouble::new(kind, self.repository, &self.wanted)
    }

    pub(super) fn invalid(&self, why: &str) -> Trouble {
        self.trouble(Kind::Invalid).saying(why)
    }

    /// What an answer's status means, with the registry's own words (OCI distribution spec, «Error codes»).
    pub(super) fn of_status(&self, response: Response<Body>) -> Trouble {
        let login = self.has_login();
        let status = response.status().as_u16();
        let kind = match status {
            401 => Kind::Unauthorized { login },
            403 => Kind::Forbidden { login },
            404 => Kind::NotFound,
            429 => Kind::TooManyRequests,
            500..=599 => Kind::Server(status),
            200..=399 => Kind::Invalid,
            _ => Kind::Status(status),
        };
        let kind = if status == 401 && self.basic_is_refused() { Kind::LoginRefused } else { kind };
        let mut trouble = self.trouble(kind);
        trouble.retry_after = retry_after(response.headers());
        let body = self.read(response, MOST_ERROR_BYTES).unwrap_or_default();
        let (code, message) = said(&body);
        trouble.code = code.map(|code| self.redacted(&code));
        let message = message.map(|message| self.redacted(&message)).unwrap_or_default();
        match (message.is_empty(), kind) {
            (true, Kind::Invalid) => trouble.saying(&format!("status {status}")),
            _ => trouble.saying(&message),
        }
    }

    /// Without what we sent: some servers repeat it.
    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Ok(Some(credentials)) = self.credentials() {
            text = credentials.secret().redact(&text);
            if let Some(basic) = credentials.basic() {
                text = Secret::new(basic.expose().trim_start_matches("Basic ")).redact(&text);
            }
        }
        for token in self.host.known().tokens.values() {
            text = token.value.redact(&text);
        }
        sane(&text)
    }

    /// What it means that there is no answer, or no whole one.
    pub(super) fn broken(&self, error: ureq::Error) -> Trouble {
        let invalid = |error: &rustls::Error| {
            matches!(error, rustls::Error::InvalidCertificate(_)).then(|| error.to_string())
        };
        match error {
            ureq::Error::Timeout(limit) => {
                self.trouble(Kind::TimedOut).saying(&format!("waited to {limit}"))
            }
            ureq::Error::Rustls(error) => match invalid(&error) {
                Some(why) => self.trouble(Kind::Tls).saying(&why),
                None => self.trouble(Kind::Broken).saying(&error.to_string()),
            },
            ureq::Error::HostNotFound => {
                self.trouble(Kind::Unreachable).saying("its name is not known")
            }
            ureq::Error::Io(error) => self.of_io(&error),
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
                self.invalid("it is not HTTP")
            }
            ureq::Error::ConnectProxyFailed(why) => {
                self.trouble(Kind::Unreachable).saying(&format!("the proxy says: {why}"))
            }
            _ => self.trouble(Kind::Unreachable),
        }
    }

    fn of_io(&self, error: &io::Error) -> Trouble {
        if let Some(inner) = error.get_ref() {
            if let Some(rustls::Error::InvalidCertificate(why)) = inner.downcast_ref() {
                return self.trouble(Kind::Tls).saying(&why.to_string());
            }
            // Something of our own in the middle of a stream.
            if let Some(trouble) = inner.downcast_ref::<Trouble>() {
                return trouble.clone();
            }
        }
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Kind::Unreachable,
            io::ErrorKind::TimedOut => Kind::TimedOut,
            _ => Kind::Broken,
        };
        self.trouble(kind).saying(&error.to_string())
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header_text(headers, header::RETRY_AFTER)?;
    backoff::retry_after(text, jiff::Timestamp::now())
}

/// Code and message of an error's body.
fn said(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else { return (None, None) };
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let first = &json["errors"][0];
    let message = text(&first["message"]).or_else(|| text(&json["message"]));
    let details = text(&json["details"]).or_else(|| text(&json["error_description"]));
    (text(&first["code"]), message.or(details))
}
