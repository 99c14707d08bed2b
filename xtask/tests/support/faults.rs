//! A proxy in front of a registry that makes faults, and writes down every request.
//!
//! ```ignore
//! let proxy = Faults::before(&registry.host);          // plain HTTP to plain HTTP; `proxy.host` is its address
//! proxy.script([Rule::on("PUT", "/manifests/latest", Fault::Status(503)).times(2)]);
//! proxy.random(seed, one_in);                          // a random transient fault in one of so many requests
//! proxy.token_server();                                // wants tokens, which it gives for `USER` and `PASSWORD`
//! proxy.requests();                                    // what was asked and answered so far, in order
//! ```
//!
//! A rule is for a method (`*`: any) and a part of the path with its query. The first rule that fits and has times
//! left makes the fault; a request that none fits is passed on. What a fault keeps from the registry is marked in the
//! record: a test then knows what the registry has really done. TLS is not spoken: a `ClientHello` gets the answer of
//! Go's server, and no record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Headers = Vec<(String, String)>;

/// What is made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered with this status instead of the registry, with an error of OCI's form.
    Status(u16),
    /// As `Status`, with `Retry-After`, and a code and message of one's own.
    Refusal { status: u16, retry_after: Option<String>, code: String, message: String },
    /// The connection is reset before the registry sees the request.
    ResetBefore,
    /// The registry does what is asked, and the connection is reset instead of its answer.
    ResetAfter,
    /// The answer breaks off in the middle of its body.
    Cut,
    /// No answer for so long, then the connection ends.
    Hang(Duration),
    /// The registry's answer without this header.
    Without(&'static str),
    /// The registry's answer with this header.
    With(&'static str, String),
    /// The registry's answer with another byte in its body.
    Flip,
    /// This answer instead: status, headers, body.
    Answer(u16, Headers, Vec<u8>),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refusal { status, retry_after: Some(_), .. } => {
                write!(f, "{status} with Retry-After")
            }
            Self::Status(status) | Self::Refusal { status, .. } | Self::Answer(status, ..) => {
                write!(f, "{status}")
            }
            Self::ResetBefore => f.write_str("reset before"),
            Self::ResetAfter => f.write_str("reset after"),
            Self::Cut => f.write_str("cut"),
            Self::Hang(_) => f.write_str("hang"),
            Self::Without(name) => write!(f, "without {name}"),
            Self::With(name, _) => write!(f, "with {name}"),
            Self::Flip => f.write_str("flip"),
        }
    }
}

/// For which requests, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    method: String,
    path: String,
    fault: Fault,
    skipped: usize,
    left: usize,
    /// Only from when, and only until, the registry has done such a request.
    since: Option<(String, String)>,
    until: Option<(String, String)>,
}

impl Rule {
    /// For every request of the method to a path that holds `path`.
    pub(crate) fn on(method: &str, path: &str, fault: Fault) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            fault,
            skipped: 0,
            left: usize::MAX,
            since: None,
            until: None,
        }
    }

    /// Only so often.
    pub(crate) fn times(self, left: usize) -> Self {
        Self { left, ..self }
    }

    /// Not for the first so many that fit.
    pub(crate) fn after(self, skipped: usize) -> Self {
        Self { skipped, ..self }
    }

    /// Only once the registry has done a request of this method to a path that holds `path`.
    pub(crate) fn since(self, method: &str, path: &str) -> Self {
        Self { since: Some((method.into(), path.into())), ..self }
    }

    /// Only until then.
    pub(crate) fn until(self, method: &str, path: &str) -> Self {
        Self { until: Some((method.into(), path.into())), ..self }
    }

    fn fits(&self, method: &str, path: &str, seen: &[Seen]) -> bool {
        let done = |(method, path): &(String, String)| {
            seen.iter().any(|one| {
                one.method == *method && one.path.contains(path.as_str()) && one.was_done()
            })
        };
        (self.method == "*" || self.method == method)
            && path.contains(&self.path)
            && self.since.as_ref().is_none_or(done)
            && !self.until.as_ref().is_some_and(done)
    }
}

/// A request as the proxy saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// What the client was answered; 0 where it got no whole answer.
    pub(crate) status: u16,
    /// What the registry answered, where it saw the request.
    pub(crate) passed: Option<u16>,
    /// Whether it came with an `Authorization`, and of which kind: `Basic`, `Bearer`.
    pub(crate) authorization: Option<String>,
    /// When it came and when it was answered, in one count over all proxies.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

impl Seen {
    /// Whether the registry did it, whatever the client was told.
    pub(crate) fn was_done(&self) -> bool {
        self.passed.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Counts what happens at all proxies.
static TIME: AtomicU64 = AtomicU64::new(0);

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.status)
    }
}

/// The proxy. It ends with the value.
pub(crate) struct Faults {
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
    shared: Arc<Shared>,
}

struct Shared {
    host: String,
    upstream: String,
    state: Mutex<State>,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    /// The generator's state, and in one of how many requests.
    random: Option<(u64, u64)>,
    /// `Authorization` that is asked for, and what it must be.
    login: Option<Login>,
    tokens: u64,
    /// For how many requests a token is good, and for how many each was.
    uses: Option<u64>,
    used: BTreeMap<String, u64>,
    /// How often which fault was made.
    made: BTreeMap<String, usize>,
}

#[derive(Clone)]
struct Login {
    /// What the token server takes.
    basic: String,
    identity: Option<String>,
    /// Seconds.
    life: u64,
}

impl Faults {
    /// In front of the registry at `upstream`, which speaks plain HTTP.
    pub(crate) fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            host: host.clone(),
            upstream: upstream.to_owned(),
            state: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // An error ends the connection, which is what a client then sees.
                std::thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        Self { host, shared }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().expect("no thread panics")
    }

    /// The rules from now on, in order.
    pub(crate) fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        self.state().rules = rules.into_iter().collect();
    }

    /// A transient fault in one of `one_in` requests, the same for each `seed` and order of requests: 429 with and
    /// without `Retry-After`, 500, 503, a reset before and after. Ends with 0.
    pub(crate) fn random(&self, seed: u64, one_in: u64) {
        let start = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self.state().random = (one_in > 0).then_some((start, one_in));
    }

    /// Wants a token for everything, which `/token` of this proxy gives for the value `basic` of `Authorization`, or
    /// for the identity token by `POST`. It is good for `life` seconds, and for the repositories of its scopes.
    pub(crate) fn token_server(&self, basic: &str, identity: Option<&str>, life: u64) {
        let identity = identity.map(str::to_owned);
        self.state().login = Some(Login { basic: basic.to_owned(), identity, life });
    }

    /// Each token is good for so many requests, whatever life it was given.
    pub(crate) fn token_uses(&self, uses: u64) {
        self.state().uses = Some(uses);
    }

    /// What was asked so far, in the order of the answers.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How often which fault was made so far.
    pub(crate) fn made(&self) -> BTreeMap<String, usize> {
        self.state().made.clone()
    }

    /// Forgets what was asked so far, and gives it.
    pub(crate) fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(&self.host);
    }
}

/// A request or an answer.
struct Message {
    /// The words of its first line.
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads one. `asked` is the method that an answer is for.
    fn read(from: &mut impl BufRead, asked: Option<&str>) -> io::Result<Self> {
        let first = line(from)?;
        let mut headers = Vec::new();
        loop {
            let text = line(from)?;
            let Some((name, value)) = text.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut message = Self { first, headers, body: Vec::new() };
        let bodiless = asked == Some("HEAD") || matches!(message.word(1), "204" | "304");
        if asked.is_some() && bodiless {
            return Ok(message);
        }
        let chunked =
            message.header("transfer-encoding").is_some_and(|one| one.contains("chunked"));
        if chunked {
            loop {
                let size = line(from)?;
                let size = u64::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16);
                let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
                from.take(size).read_to_end(&mut message.body)?;
                line(from)?;
                if size == 0 {
                    break;
                }
            }
            message.remove("transfer-encoding");
        } else {
            let length = message.header("content-length").and_then(|one| one.parse().ok());
            let length: u64 = length.unwrap_or(0);
            from.take(length).read_to_end(&mut message.body)?;
            if message.body.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        message.remove("content-length");
        let length = message.body.len().to_string();
        message.headers.push(("Content-Length".into(), length));
        Ok(message)
    }

    fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// An answer of the proxy's own.
    fn answer(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let mut answer = Self { first: format!("HTTP/1.1 {status} Fault"), headers, body };
        answer.headers.push(("Content-Length".into(), answer.body.len().to_string()));
        answer
    }

    fn error(status: u16, code: &str, message: &str, headers: Vec<(String, String)>) -> Self {
        let error = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Self::answer(status, headers, error.to_string().into_bytes())
    }

    fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if with_body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    if from.read_until(b'\n', &mut bytes)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether the connection is kept.
enum Next {
    Keep,
    End,
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut first = [0];
        if client.peek(&mut first)? == 1 && first[0] == 0x16 {
            // A TLS handshake; what Go's server says to it.
            let mut client = client;
            client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")?;
            return client.shutdown(Shutdown::Both);
        }
        let mut from = BufReader::new(client);
        let mut upstream: Option<BufReader<TcpStream>> = None;
        loop {
            let request = Message::read(&mut from, None)?;
            if self.ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            match self.one(client, &request, &mut upstream)? {
                Next::Keep => {}
                Next::End => return client.shutdown(Shutdown::Both),
            }
        }
    }

    fn one(
        &self,
        mut client: &TcpStream,
        request: &Message,
        upstream: &mut Option<BufReader<TcpStream>>,
    ) -> io::Result<Next> {
        let (method, path) = (request.word(0), request.word(1));
        let authorization = request
            .header("authorization")
            .map(|value| value.split(' ').next().unwrap_or_default().to_owned());
        let began = TIME.fetch_add(1, Ordering::SeqCst);
        let seen = |status, passed| Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            passed,
            authorization: authorization.clone(),
            began,
            ended: TIME.fetch_add(1, Ordering::SeqCst),
        };
        let record = |seen: Seen| self.state.lock().expect("no thread panics").seen.push(seen);
        let fault = self.fault(method, path);
        if let Some(fault) = &fault {
            let mut state = self.state.lock().expect("no thread panics");
            *state.made.entry(fault.to_string()).or_default() += 1;
        }
        let own = match &fault {
            Some(Fault::Status(status)) => {
                Some(Message::error(*status, "FAULT", "a fault of the test", vec![]))
            }
            Some(Fault::Refusal { status, retry_after, code, message }) => {
                let headers = retry_after.iter().map(|value| ("Retry-After".into(), value.clone()));
                Some(Message::error(*status, code, message, headers.collect()))
            }
            Some(Fault::Answer(status, headers, body)) => {
                Some(Message::answer(*status, headers.clone(), body.clone()))
            }
            Some(Fault::ResetBefore) => {
                record(seen(0, None));
                return Ok(Next::End);
            }
            Some(Fault::Hang(time)) => {
                record(seen(0, None));
                std::thread::sleep(*time);
                return Ok(Next::End);
            }
            _ => self.authorise(request),
        };
        if let Some(answer) = own {
            record(seen(answer.status(), None));
            client.write_all(&answer.bytes(method != "HEAD"))?;
            return Ok(Next::Keep);
        }
        let mut answer = match self.pass_on(request, upstream) {
            Ok(answer) => answer,
            Err(error) => {
                record(seen(0, None));
                return Err(error);
            }
        };
        let passed = Some(answer.status());
        match &fault {
            Some(Fault::ResetAfter) => {
                record(seen(0, passed));
                return Ok(Next::End);
            }
            Some(Fault::Cut) => {
                record(seen(0, passed));
                let bytes = answer.bytes(true);
                client.write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2)])?;
                return Ok(Next::End);
            }
            Some(Fault::Without(name)) => answer.remove(name),
            Some(Fault::With(name, value)) => {
                answer.remove(name);
                answer.headers.push(((*name).to_owned(), value.clone()));
            }
            Some(Fault::Flip) => {
                if let Some(byte) = answer.body.last_mut() {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        record(seen(answer.status(), passed));
        client.write_all(&answer.bytes(method != "HEAD"))?;
        Ok(Next::Keep)
    }

    /// The fault for a request, by the rules and then by chance.
    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        let mut state = self.state.lock().expect("no thread panics");
        let State { rules, seen, .. } = &mut *state;
        for rule in rules {
            if !rule.fits(method, path, seen) || rule.left == 0 {
                continue;
            }
            if rule.skipped > 0 {
                rule.skipped -= 1;
                continue;
            }
            rule.left -= 1;
            return Some(rule.fault.clone());
        }
        let (random, one_in) = state.random.as_mut()?;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        if !(*random >> 32).is_multiple_of(*one_in) {
            return None;
        }
        let refusal = |retry_after: Option<&str>| Fault::Refusal {
            status: 429,
            retry_after: retry_after.map(str::to_owned),
            code: "TOOMANYREQUESTS".into(),
            message: "slow down".into(),
        };
        Some(match (*random >> 11) % 6 {
            0 => refusal(None),
            1 => refusal(Some("0")),
            2 => Fault::Status(500),
            3 => Fault::Status(503),
            4 => Fault::ResetBefore,
            _ => Fault::ResetAfter,
        })
    }

    /// The answer where a token is wanted and not given, or given out.
    fn authorise(&self, request: &Message) -> Option<Message> {
        let mut state = self.state.lock().expect("no thread panics");
        let login = state.login.clone()?;
        let path = request.word(1);
        if path.starts_with("/token") {
            let query = path.split_once('?').map_or("", |(_, query)| query);
            let form = String::from_utf8_lossy(&request.body);
            let posted = request.word(0) == "POST";
            let good = if posted {
                login
                    .identity
                    .is_some_and(|one| parameters(&form).contains(&("refresh_token".into(), one)))
            } else {
                request.header("authorization") == Some(login.basic.as_str())
            };
            if !good {
                return Some(Message::error(
                    401,
                    "UNAUTHORIZED",
                    "incorrect username or password",
                    vec![],
                ));
            }
            let scopes = parameters(if posted { &form } else { query });
            let scopes = scopes.into_iter().filter(|(name, _)| name == "scope");
            let scopes: Vec<String> = scopes.map(|(_, value)| value.replace(' ', ";")).collect();
            state.tokens += 1;
            let token = format!("token-{}-{}", state.tokens, scopes.join(";"));
            let answer = serde_json::json!({"token": token, "expires_in": login.life});
            return Some(Message::answer(200, vec![], answer.to_string().into_bytes()));
        }
        let needed = if matches!(request.word(0), "GET" | "HEAD") { "pull" } else { "push" };
        let repository = path.strip_prefix("/v2/").and_then(|rest| {
            ["/manifests/", "/blobs/", "/tags/"]
                .iter()
                .find_map(|part| rest.split_once(part))
                .map(|(name, _)| name)
        });
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let allowed = token.is_some_and(|token| {
            let scopes = token.splitn(3, '-').nth(2).unwrap_or_default();
            scopes.split(';').any(|scope| {
                let mut parts = scope.splitn(3, ':').skip(1);
                repository.is_none_or(|name| parts.next() == Some(name))
                    && (repository.is_none()
                        || parts.next().is_some_and(|actions| actions.contains(needed)))
            })
        });
        let most = state.uses.unwrap_or(u64::MAX);
        let used = state.used.entry(token.unwrap_or_default().to_owned()).or_default();
        if allowed && *used < most {
            *used += 1;
            return None;
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"test\"", self.host);
        let headers = vec![("WWW-Authenticate".to_owned(), challenge)];
        Some(Message::error(401, "UNAUTHORIZED", "authentication required", headers))
    }

    fn pass_on(
        &self,
        request: &Message,
        upstream: &mut Option<BufReader<TcpStream>>,
    ) -> io::Result<Message> {
        let mut passed = Message {
            first: request.first.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        // The registry itself is open.
        passed.remove("authorization");
        let bytes = passed.bytes(true);
        for fresh in [false, true] {
            if fresh || upstream.is_none() {
                let stream = TcpStream::connect(&self.upstream)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_mins(1)))?;
                *upstream = Some(BufReader::new(stream));
            }
            let Some(stream) = upstream.as_mut() else { continue };
            let sent = stream.get_mut().write_all(&bytes);
            let answer = sent.and_then(|()| Message::read(stream, Some(request.word(0))));
            match answer {
                Ok(answer) => return Ok(answer),
                // A kept connection may have ended meanwhile.
                Err(error) if fresh => return Err(error),
                Err(_) => {}
            }
        }
        Err(io::ErrorKind::NotConnected.into())
    }
}

/// The decoded pairs of a query or a form.
fn parameters(text: &str) -> BTreeSet<(String, String)> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.extend(u8::from_str_radix(&digits, 16));
            } else {
                bytes.push(if byte == b'+' { b' ' } else { byte });
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// No test binary uses all of this.
const _: () = {
    let _: fn(&Faults, u64, u64) = Faults::random;
    let _: fn(&Faults, &str, Option<&str>, u64) = Faults::token_server;
    let _: [fn(&Faults) -> Vec<Seen>; 2] = [Faults::requests, Faults::take_requests];
    let _: [fn(Rule, usize) -> Rule; 2] = [Rule::times, Rule::after];
    let _: [fn(Rule, &str, &str) -> Rule; 2] = [Rule::since, Rule::until];
    let _: fn(&Faults, u64) = Faults::token_uses;
    let _: fn(&Faults) -> BTreeMap<String, usize> = Faults::made;
    let _ = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Cut,
        Fault::Flip,
        Fault::Hang(Duration::ZERO),
        Fault::Without(""),
    ];
    let _: fn(&'static str, String) -> Fault = Fault::With;
    let _: fn(u16, Headers, Vec<u8>) -> Fault = Fault::Answer;
};
