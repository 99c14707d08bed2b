//! Does a service answer? One question of HTTP/1.1, and what its answer means.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest first line of an answer that is read.
const MOST_BYTES: u64 = 4096;

/// Asks `http://127.0.0.1:port/path`, `limit` at most for each part of the exchange; the status.
///
/// # Errors
/// A word for what came instead.
pub(super) fn ask(port: u16, path: &str, limit: Duration) -> Result<u16, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: dockyard\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream.take(MOST_BYTES)).read_line(&mut line)?;
        Ok(line)
    };
    match exchange() {
        Ok(line) => status(&line).ok_or_else(|| match line.trim() {
            "" => "the connection was closed without an answer".to_owned(),
            line => format!("the answer is not HTTP: {line:?}"),
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// Of `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/")?;
    words.next()?.parse().ok()
}

/// 2xx and 3xx.
pub(super) fn is_healthy(status: u16) -> bool {
    (200..400).contains(&status)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_counts_as_an_answer() {
        for (said, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(200)),
            ("HTTP/1.0 503\r\n\r\n", Ok(503)),
            ("", Err("without an answer")),
            ("SSH-2.0-x\r\n", Err("not HTTP")),
        ] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request: Vec<String> =
                    lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                stream.write_all(said.as_bytes()).unwrap();
                request
            });
            let answer = ask(port, "/health?x=1", Duration::from_secs(5));
            assert_eq!(server.join().unwrap()[0], "GET /health?x=1 HTTP/1.1");
            match (expected, answer) {
                (Ok(expected), answer) => assert_eq!(answer, Ok(expected), "{said}"),
                (Err(word), Err(why)) => assert!(why.contains(word), "{why}"),
                (Err(word), answer) => panic!("{word}: {answer:?}"),
            }
        }
        assert!(is_healthy(204) && is_healthy(302) && !is_healthy(404) && !is_healthy(503));
    }
}
