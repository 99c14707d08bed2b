//! Tokens for a registry (distribution token authentication specification, and its OAuth 2 variant).

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, Uri, header};

use super::credentials::Credentials;
use super::exchange::{Ask, Payload};
use super::host::Plain;
use super::secret::Secret;
use super::trouble::{Kind, Trouble};
use super::url::{escaped, is_https, resolve};

/// What a token lives where the server does not say, and what it lives at least (the specification's `expires_in`).
const SHORTEST_LIFE: Duration = Duration::from_mins(1);
/// A token is not used this long before its end: a request takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(10);
/// The most that an answer may hold.
const MOST_BYTES: u64 = 1 << 20;
const CLIENT: &str = "dockyard";

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) value: Secret,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Token {
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Ask<'_> {
    /// A token for what is asked: a kept one, or a new one from the server at `realm`.
    pub(super) fn token(&self, realm: &str, service: Option<&str>) -> Result<Token, Trouble> {
        let scopes = self.access.scopes(self.repository);
        let wider = self.access.wider().map(|access| access.scopes(self.repository));
        {
            let known = self.host.known();
            let mut kept = wider.iter().chain([&scopes]).filter_map(|one| known.tokens.get(one));
            if let Some(token) = kept.find(|token| token.is_good()) {
                return Ok(token.clone());
            }
        }
        let token = self.fetch_token(realm, service, &scopes)?;
        self.host.known().tokens.insert(scopes, token.clone());
        Ok(token)
    }

    /// Forgets the token that was just refused.
    pub(super) fn forget_token(&self, refused: &Secret) {
        self.host.known().tokens.retain(|_, token| token.value != *refused);
    }

    fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Token, Trouble> {
        let realm = self.realm(realm)?;
        let credentials = self.credentials()?;
        let begun = Instant::now();
        let response = match credentials.as_deref() {
            Some(Credentials::IdentityToken(identity)) => {
                let mut form = format!(
                    "grant_type=refresh_token&client_id={CLIENT}&scope={}&refresh_token={}",
                    escaped(&scopes.join(" ")),
                    escaped(identity.expose())
                );
                if let Some(service) = service {
                    form.push_str("&service=");
                    form.push_str(&escaped(service));
                }
                let headers =
                    [(header::CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned())];
                self.once(&Method::POST, &realm, &headers, &mut Payload::Bytes(form.as_bytes()))?
            }
            other => {
                let mut address = realm.to_string();
                let mut mark = if realm.query().is_some() { "&" } else { "?" };
                let service = service.map(|service| ("service", service));
                let scopes = scopes.iter().map(|scope| ("scope", scope.as_str()));
                for (name, value) in service.into_iter().chain(scopes) {
                    address.extend([mark, name, "=", &escaped(value)]);
                    mark = "&";
                }
                let address =
                    address.parse().map_err(|_| self.invalid("its `realm` is no address"))?;
                let basic = other.and_then(Credentials::basic);
                let headers: Vec<_> = basic
                    .iter()
                    .map(|basic| (header::AUTHORIZATION, basic.expose().to_owned()))
                    .collect();
                self.once(&Method::GET, &address, &headers, &mut Payload::Empty)?
            }
        };
        let status = response.status().as_u16();
        if status != 200 {
            let trouble = self.of_status(response);
            return Err(match (status, &credentials) {
                (400 | 401, Some(_)) => Trouble { kind: Kind::LoginRefused, ..trouble },
                _ => trouble,
            });
        }
        let bytes = self.read(response, MOST_BYTES)?;
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| self.invalid("the token server's answer is not JSON"))?;
        let value = [answer.token, answer.access_token].into_iter().flatten();
        let value = value.into_iter().find(|value| !value.is_empty());
        let value = value.ok_or_else(|| self.invalid("the token server gave no token"))?;
        let life = answer.expires_in.map_or(SHORTEST_LIFE, Duration::from_secs).max(SHORTEST_LIFE);
        // A day is long enough, and cannot overflow.
        let until = begun + life.min(Duration::from_hours(24)).saturating_sub(MARGIN);
        Ok(Token { value: Secret::new(value), until })
    }

    /// The token server may be another host, but not reached with less protection than the registry.
    fn realm(&self, realm: &str) -> Result<Uri, Trouble> {
        let base = self.base()?;
        let found =
            resolve(&base, realm).ok_or_else(|| self.invalid("its `realm` is no address"))?;
        let authority = found.authority().map(|authority| authority.as_str().to_owned());
        let plain = authority.is_some_and(|name| self.registries.plain(&name) != Plain::Never);
        if is_https(&found) || (plain && !is_https(&base)) {
            return Ok(found);
        }
        Err(self.invalid("it sends logins to a token server without TLS"))
    }

    pub(super) fn credentials(&self) -> Result<Option<Arc<Credentials>>, Trouble> {
        let found = self.registries.credentials.get(&self.host.name);
        found.map_err(|why| self.trouble(Kind::NoLogin).saying(&why))
    }

    /// The value of `Authorization` for a token.
    pub(super) fn bearer(token: &Token) -> Secret {
        Secret::new(format!("Bearer {}", token.value.expose()))
    }
}
