//! The Docker Engine API over its unix socket, in as much HTTP/1.1 as that takes: one request at a time on a kept
//! connection, bodies by length or in chunks, and a time limit on the whole exchange.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(unix)]
type Stream = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Stream = std::net::TcpStream;

/// The most that a body may hold: an answer is JSON of a few kilobytes.
const MOST_BYTES: u64 = 64 << 20;

/// A socket, and the connections to it that wait for their next request.
#[derive(Debug)]
pub(super) struct Api {
    socket: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> io::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(io::Error::from)
    }

    /// What the engine says is wrong: its `message`, else the body.
    pub(super) fn message(&self) -> String {
        let said = self.json().ok().and_then(|json| json["message"].as_str().map(str::to_owned));
        said.unwrap_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned())
    }
}

impl Api {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), idle: Mutex::default() }
    }

    /// Sends `METHOD path` without a body and reads the answer, all within `limit`.
    pub(super) fn ask(&self, method: &str, path: &str, limit: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + limit;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut connection) = kept {
            // The engine may have closed it meanwhile. What was asked is safe to ask again.
            match connection.exchange(method, path, deadline) {
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {}
                other => return self.keep(connection, other),
            }
        }
        let mut connection = Connection::open(&self.socket)?;
        let answer = connection.exchange(method, path, deadline);
        self.keep(connection, answer)
    }

    /// Sends `METHOD path` without a body, on a connection of its own, which ends with the value that is given: an
    /// engine that finds it closed gives the request up where it can.
    pub(super) fn begin(&self, method: &str, path: &str, limit: Duration) -> io::Result<Begun> {
        let mut connection = Connection::open(&self.socket)?;
        let deadline = Instant::now() + limit;
        connection.send(method, path, deadline)?;
        Ok(Begun { connection, deadline })
    }

    fn keep(
        &self,
        connection: Connection,
        answer: io::Result<(Answer, bool)>,
    ) -> io::Result<Answer> {
        let (answer, reusable) = answer?;
        if reusable {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok(answer)
    }
}

/// A request whose answer is still to come.
#[derive(Debug)]
pub(super) struct Begun {
    connection: Connection,
    deadline: Instant,
}

impl Begun {
    /// The answer, where it begins within `wait`; to be called until it does.
    pub(super) fn answer(&mut self, wait: Duration) -> io::Result<Option<Answer>> {
        let soon = Instant::now() + wait;
        self.connection.0.get_mut().deadline = soon.min(self.deadline);
        match self.connection.0.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::TimedOut && soon < self.deadline => {
                return Ok(None);
            }
            begun => begun?,
        };
        self.connection.0.get_mut().deadline = self.deadline;
        Ok(Some(read_answer(&mut self.connection.0)?.0))
    }
}

#[derive(Debug)]
struct Connection(BufReader<Timed>);

/// A stream of which every read and write ends at a deadline.
#[derive(Debug)]
struct Timed {
    stream: Stream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Connection {
    #[cfg(unix)]
    fn open(socket: &Path) -> io::Result<Self> {
        let stream = Stream::connect(socket)?;
        Ok(Self(BufReader::new(Timed { stream, deadline: Instant::now() })))
    }

    #[cfg(not(unix))]
    fn open(_socket: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        deadline: Instant,
    ) -> io::Result<(Answer, bool)> {
        self.send(method, path, deadline)?;
        read_answer(&mut self.0)
    }

    fn send(&mut self, method: &str, path: &str, deadline: Instant) -> io::Result<()> {
        let timed = self.0.get_mut();
        timed.deadline = deadline;
        timed.stream.set_write_timeout(timed.left()?)?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
        timed.stream.write_all(request.as_bytes())
    }
}

/// Reads one answer; the flag says whether the connection can be used again.
fn read_answer(from: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let status_line = read_line(from)?;
    let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status: u16 = status.ok_or_else(|| malformed(&status_line))?;
    let (mut length, mut chunked, mut reusable) = (None, false, true);
    loop {
        let line = read_line(from)?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.parse::<u64>().map_err(|_| malformed(&line))?),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => reusable = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    match length {
        _ if chunked => read_chunks(from, &mut body)?,
        Some(length) if length <= MOST_BYTES => read_exactly(from, length, &mut body)?,
        Some(length) => return Err(malformed(&format!("{length} bytes"))),
        None if status == 204 || status == 304 => {}
        None => {
            reusable = false;
            from.take(MOST_BYTES).read_to_end(&mut body)?;
        }
    }
    Ok((Answer { status, body }, reusable))
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| malformed(&line))?;
        if size > MOST_BYTES || body.len() as u64 > MOST_BYTES {
            return Err(malformed("a body without end"));
        }
        if size == 0 {
            // Trailers, then an empty line.
            while !read_line(from)?.is_empty() {}
            return Ok(());
        }
        read_exactly(from, size, body)?;
        read_line(from)?;
    }
}

fn read_exactly(from: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = from.take(length).read_to_end(body)? as u64;
    if read == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match from.take(64 << 10).read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the engine's answer is not HTTP: {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::read_answer;

    #[test]
    fn reads_bodies_by_length_in_chunks_and_to_the_end() {
        for (text, status, body, reusable) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", 200, "ok", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n",
                200,
                "abc0123456789",
                true,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true),
            ("HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nwhy", 500, "why", false),
        ] {
            let (answer, again) = read_answer(&mut text.as_bytes()).unwrap();
            assert_eq!(
                (answer.status, answer.body.as_slice(), again),
                (status, body.as_bytes(), reusable)
            );
        }
        for text in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"] {
            assert!(read_answer(&mut text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
