//! One question on its way: authorised, redirected, judged by its status, and tried again.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::header::{self, HeaderName};
use ureq::http::request::Builder;
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, Method, Request, Response, Uri};
use ureq::{Agent, AsSendBody, Body, SendBody};

use super::access::Access;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::host::{Host, Plain};
use super::secret::Secret;
use super::trouble::{Kind, Trouble};
use super::url::{is_https, resolve, same_origin};
use super::{Registries, backoff};
use crate::engine::interrupt;
use crate::reference::Repository;

/// How many redirections are followed.
const MOST_REDIRECTIONS: usize = 5;
/// How often a pause looks whether we were interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// One thing that is wanted from one registry.
pub(super) struct Ask<'a> {
    pub(super) registries: &'a Registries,
    pub(super) host: Arc<Host>,
    pub(super) repository: &'a Repository,
    pub(super) access: Access<'a>,
    /// Completing «failed to …».
    pub(super) wanted: String,
}

/// What goes with a request.
pub(super) enum Payload<'a> {
    Empty,
    Bytes(&'a [u8]),
    /// So many bytes, which can be read once.
    Stream(&'a mut dyn Read, u64),
}

/// That something is tried again.
#[derive(Clone, Debug)]
pub struct Retry {
    /// What went wrong this time.
    pub trouble: Trouble,
    /// How long until the next attempt.
    pub pause: Duration,
    /// Which attempt that is, from 2 on, and how many there may be.
    pub attempt: u32,
    pub attempts: u32,
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trouble, pause, attempt, attempts } = self;
        write!(
            f,
            "{}: {}; to {}, attempt {attempt} of {attempts} in {:.1} s",
            trouble.host(),
            trouble.kind,
            trouble.wanted,
            pause.as_secs_f64()
        )
    }
}

impl Registries {
    pub(super) fn ask<'a>(
        &'a self,
        repository: &'a Repository,
        access: Access<'a>,
        wanted: String,
    ) -> Ask<'a> {
        let host = self.host(repository.registry());
        Ask { registries: self, host, repository, access, wanted }
    }

    pub(super) fn plain(&self, name: &str) -> Plain {
        super::host::plain(name, &self.insecure)
    }

    /// Makes attempts until one succeeds, its trouble will not pass by itself, or it is time to give up.
    pub(super) fn retrying<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.retrying_moves(|_| attempt())
    }

    /// As [`retrying`](Self::retrying), for attempts that say whether they moved bytes: their time is not counted. What
    /// takes hours may break after one of them, and is tried again nevertheless.
    pub(super) fn retrying_moves<T>(
        &self,
        mut attempt: impl FnMut(&Cell<bool>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut begun = Instant::now();
        let mut failed = 0;
        loop {
            let (this, moved) = (Instant::now(), Cell::new(false));
            let result = attempt(&moved);
            if moved.get() {
                begun += this.elapsed();
            }
            let trouble = match result {
                Ok(done) => return Ok(done),
                Err(trouble) if interrupt::interrupted() => {
                    return Err(Trouble { kind: Kind::Interrupted, message: None, ..trouble });
                }
                Err(trouble) => trouble,
            };
            failed += 1;
            if !trouble.is_transient() || self.was_given_up(trouble.host()) {
                return Err(Trouble { attempts: failed, ..trouble });
            }
            let pause = backoff::pause(
                &self.limits,
                failed,
                begun.elapsed(),
                trouble.retry_after,
                backoff::random(),
            );
            let Some(pause) = pause else {
                self.given_up().insert(trouble.host().to_owned(), Instant::now());
                return Err(Trouble { attempts: failed, ..trouble });
            };
            let attempts = self.limits.attempts;
            (self.tell)(&Retry { trouble, pause, attempt: failed + 1, attempts });
            rest(pause);
        }
    }
}

impl Registries {
    fn given_up(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another question to this registry used up its attempts just now: a hundred of them would wait hours for
    /// one that is down.
    fn was_given_up(&self, host: &str) -> bool {
        self.given_up().get(host).is_some_and(|when| when.elapsed() < self.limits.silence)
    }
}

/// Waits, but not for a person who wants us to end.
pub fn rest(pause: Duration) {
    let end = Instant::now() + pause;
    while !interrupt::interrupted() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

impl Ask<'_> {
    /// The address of `path` below the repository: `/manifests/1.0`.
    pub(super) fn address(&self, path: &str) -> Result<Uri, Trouble> {
        let base = self.base()?;
        let text = format!("/v2/{}{path}", self.repository.path());
        resolve(&base, &text).ok_or_else(|| self.invalid("its name gives no address"))
    }

    /// Sends a request with what authorises it, follows redirections of questions, and gives the answer, whatever its
    /// status. A 401 is final: there is no login, or it does not serve.
    pub(super) fn send(
        &self,
        method: &Method,
        address: &Uri,
        headers: &[(HeaderName, String)],
        mut payload: Payload<'_>,
    ) -> Result<Response<Body>, Trouble> {
        let base = self.base()?;
        let mut address = address.clone();
        let (mut challenged, mut redirections) = (false, 0);
        loop {
            let ours = same_origin(&base, &address);
            let authorization = if ours { self.authorization()? } else { None };
            let mut all = headers.to_vec();
            if let Some(value) = &authorization {
                all.push((header::AUTHORIZATION, value.expose().to_owned()));
            }
            let response = self.once(method, &address, &all, &mut payload)?;
            let status = response.status().as_u16();
            if status == 401
                && ours
                && !challenged
                && self.learn(&response, authorization.as_ref())?
            {
                if matches!(payload, Payload::Stream(..)) {
                    // What was read of it cannot be sent again; with the challenge known, the next attempt is good.
                    return Err(self.trouble(Kind::Broken).saying("the token ended meanwhile"));
                }
                challenged = true;
                continue;
            }
            let question = matches!(*method, Method::GET | Method::HEAD);
            if !(question && matches!(status, 301 | 302 | 303 | 307 | 308)) {
                return Ok(response);
            }
            redirections += 1;
            if redirections > MOST_REDIRECTIONS {
                return Err(self.invalid("it redirects without end"));
            }
            let location = header_text(response.headers(), header::LOCATION);
            address = self.location(&address, location.unwrap_or_default())?;
        }
    }

    /// Where a `Location` leads. Never from TLS to none, nor without TLS where Docker would not go.
    pub(super) fn location(&self, from: &Uri, location: &str) -> Result<Uri, Trouble> {
        let found = resolve(from, location)
            .ok_or_else(|| self.invalid("it sends us to what is no address of a server"))?;
        let authority = found.authority().map(Authority::as_str).unwrap_or_default();
        let plain = !is_https(from) && self.registries.plain(authority) != Plain::Never;
        if is_https(&found) || plain {
            return Ok(found);
        }
        Err(self.invalid("it sends us to a server without TLS"))
    }

    /// One request and its answer, as they are.
    pub(super) fn once(
        &self,
        method: &Method,
        address: &Uri,
        headers: &[(HeaderName, String)],
        payload: &mut Payload<'_>,
    ) -> Result<Response<Body>, Trouble> {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let agent = self.agent()?;
        match payload {
            // Without a length, some servers wait for a body.
            Payload::Empty if matches!(*method, Method::POST | Method::PUT) => {
                self.run(&agent, request, &[][..])
            }
            Payload::Empty => self.run(&agent, request, SendBody::none()),
            Payload::Bytes(bytes) => self.run(&agent, request, *bytes),
            Payload::Stream(reader, length) => {
                let request = request.header(header::CONTENT_LENGTH, *length);
                self.run(&agent, request, SendBody::from_reader(*reader))
            }
        }
    }

    fn run(
        &self,
        agent: &Agent,
        request: Builder,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, Trouble> {
        let request = request.body(body).map_err(|_| self.invalid("it makes no valid request"))?;
        let answer = if *request.method() == Method::PUT {
            let patience = Some(self.registries.limits.commit);
            let request = agent
                .configure_request(request)
                .timeout_recv_response(patience)
                .timeout_per_read(patience)
                .build();
            agent.run(request)
        } else {
            agent.run(request)
        };
        answer.map_err(|error| self.broken(error))
    }

    fn agent(&self) -> Result<Agent, Trouble> {
        if let Some(agent) = self.host.agent.get() {
            return Ok(agent.clone());
        }
        let made = self.registries.trust.agent(&self.host.name, self.host.plain);
        let made = made.map_err(|why| self.trouble(Kind::Tls).saying(&why))?;
        Ok(self.host.agent.get_or_init(|| made).clone())
    }

    /// `https://HOST`, or `http://HOST` where that is allowed and TLS is not spoken.
    pub(super) fn base(&self) -> Result<Uri, Trouble> {
        if let Some(base) = self.host.base.get() {
            return Ok(base.clone());
        }
        let of = |scheme: &str| {
            let text = format!("{scheme}://{}/", self.host.authority);
            text.parse::<Uri>().map_err(|_| self.invalid("its name gives no address"))
        };
        let _finding = self.host.finding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = self.host.base.get() {
            return Ok(base.clone());
        }
        let mut base = of("https")?;
        if self.host.plain != Plain::Never {
            let ping = |base: &Uri| {
                let address = resolve(base, "/v2/").unwrap_or_else(|| base.clone());
                self.once(&Method::GET, &address, &[], &mut Payload::Empty)
            };
            match ping(&base) {
                Ok(_) => {}
                // A certificate that is not trusted is no reason to do without.
                Err(trouble) if trouble.kind == Kind::Tls => return Err(trouble),
                Err(trouble) if trouble.kind == Kind::Unreachable && self.host.has_port() => {
                    return Err(trouble);
                }
                Err(_) => {
                    let plain = of("http")?;
                    // 400 is how a server that speaks TLS answers.
                    let answer = ping(&plain)?;
                    if answer.status().as_u16() == 400 {
                        return Err(self.of_status(answer));
                    }
                    base = plain;
                }
            }
        }
        Ok(self.host.base.get_or_init(|| base).clone())
    }

    /// The value of `Authorization`, as far as it is known what the registry wants.
    fn authorization(&self) -> Result<Option<Secret>, Trouble> {
        let challenge = self.host.known().challenge.clone();
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => {
                Ok(self.credentials()?.as_deref().and_then(Credentials::basic))
            }
            Some(Challenge::Bearer { realm, service }) => {
                Ok(Some(Self::bearer(&self.token(&realm, service.as_deref())?)))
            }
        }
    }

    /// Takes in what a 401 asks for. Whether another attempt can do better than the one with `sent`.
    fn learn(&self, response: &Response<Body>, sent: Option<&Secret>) -> Result<bool, Trouble> {
        let all = response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::of(all.iter().filter_map(|value| value.to_str().ok()));
        let Some(challenge) = challenge else { return Ok(false) };
        let better = match &challenge {
            Challenge::Basic => {
                let basic = self.credentials()?.as_deref().and_then(Credentials::basic);
                basic.is_some() && basic.as_ref() != sent
            }
            Challenge::Bearer { .. } => {
                if let Some(token) = sent.and_then(|sent| sent.expose().strip_prefix("Bearer ")) {
                    self.forget_token(&Secret::new(token));
                }
                true
            }
        };
        self.host.known().challenge = Some(challenge);
        Ok(better)
    }
}

/// A header's value, where it is given and text.
pub(super) fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
