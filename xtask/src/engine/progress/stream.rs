//! Bytes become progress values and lines of text.
//!
//! Newer buildx writes a value a line, older ones spread it over several; text stands before, between and after them.
//! A value begins with `{` at the beginning of a line, and its end is found by counting braces, once a byte.

use std::collections::VecDeque;

use super::lines::printable;
use super::wire::Update;

/// The beginnings of a value that stands behind text without a line break.
const KEYS: [&[u8]; 4] = [b"{\"vertexes\":", b"{\"statuses\":", b"{\"logs\":", b"{\"warnings\":"];

#[derive(Debug)]
pub(super) enum Piece {
    Update(Update),
    Text(String),
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    buffer: Vec<u8>,
    /// How far `scan` has looked into the buffer.
    scanned: usize,
    scan: Scan,
    ready: VecDeque<Piece>,
}

/// Where in a JSON value a byte stands.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// At the beginning of a line.
    fresh_line: bool,
}

enum Found {
    /// The value's last byte is before this index.
    End(usize),
    /// It is no value: a control character in a string, or another value's beginning.
    Broken,
    Incomplete,
}

impl Stream {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete piece.
    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.buffer.first() != Some(&b'{') {
                let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
                self.text_line(end + 1);
                continue;
            }
            let value = match self.scan_value() {
                Found::End(end) => update(&self.buffer[..end]).map(|update| (update, end)),
                Found::Broken => None,
                Found::Incomplete => return None,
            };
            match value {
                Some((update, end)) => {
                    self.take(end);
                    return Some(Piece::Update(update));
                }
                // Nothing of it may be lost, and a value may begin on its second line. Until its line is whole, the
                // same is found again.
                None => {
                    self.restart();
                    let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
                    self.text_line(end + 1);
                }
            }
        }
    }

    /// As [`next_piece`](Self::next_piece), when nothing will follow.
    pub(super) fn last_piece(&mut self) -> Option<Piece> {
        if let Some(piece) = self.next_piece() {
            return Some(piece);
        }
        if self.buffer.is_empty() {
            return None;
        }
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        self.text_line(end.map_or(self.buffer.len(), |end| end + 1));
        self.next_piece()
    }

    fn scan_value(&mut self) -> Found {
        for (index, byte) in self.buffer.iter().copied().enumerate().skip(self.scanned) {
            self.scanned = index + 1;
            let scan = &mut self.scan;
            if scan.in_string {
                match byte {
                    _ if scan.escaped => scan.escaped = false,
                    b'\\' => scan.escaped = true,
                    b'"' => scan.in_string = false,
                    0..0x20 => return Found::Broken,
                    _ => {}
                }
                continue;
            }
            match byte {
                // Inside a value every line is indented.
                b'{' if scan.fresh_line => return Found::Broken,
                b'{' | b'[' => scan.depth += 1,
                b'}' | b']' => scan.depth -= 1,
                b'"' => scan.in_string = true,
                _ => {}
            }
            scan.fresh_line = byte == b'\n';
            if scan.depth == 0 {
                return Found::End(index + 1);
            }
        }
        Found::Incomplete
    }

    /// The first `end` bytes are a line of text, but for a value at its end.
    fn text_line(&mut self, end: usize) {
        let line = self.take(end);
        let value = KEYS
            .iter()
            .filter_map(|key| line.windows(key.len()).position(|window| window == *key))
            .min();
        let found = value.and_then(|start| Some((start, update(line[start..].trim_ascii_end())?)));
        let text = printable(found.as_ref().map_or(&line[..], |(start, _)| &line[..*start]));
        // A line break behind a value is no line.
        if !text.is_empty() {
            self.ready.push_back(Piece::Text(text));
        }
        self.ready.extend(found.map(|(_, update)| Piece::Update(update)));
    }

    fn take(&mut self, end: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(end);
        self.restart();
        std::mem::replace(&mut self.buffer, rest)
    }

    fn restart(&mut self) {
        self.scanned = 0;
        self.scan = Scan::default();
    }
}

fn update(bytes: &[u8]) -> Option<Update> {
    serde_json::from_slice(bytes).ok().filter(|update: &Update| !update.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<String> {
        let mut stream = Stream::default();
        let mut pieces = Vec::new();
        for chunk in chunks {
            stream.feed(chunk);
            pieces.extend(std::iter::from_fn(|| stream.next_piece()));
        }
        pieces.extend(std::iter::from_fn(|| stream.last_piece()));
        let show = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Update(update) => {
                let names = update.vertexes.into_iter().flatten().map(|vertex| vertex.name);
                format!("<{}>", names.collect::<Vec<_>>().join(" "))
            }
        };
        pieces.into_iter().map(show).collect()
    }

    fn value(name: &str) -> String {
        format!(r#"{{"vertexes":[{{"digest":"d","name":"{name}"}}]}}"#)
    }

    #[test]
    fn values_and_text_in_any_order() {
        let (a, b) = (value("a"), value("b"));
        let pretty = "{\n  \"vertexes\": [\n    {\n      \"digest\": \"d\",\n      \"name\": \"{[}\\\"\\n\"\n    }\n  ]\n}\n";
        for (text, expected) in [
            (format!("{a}\n{b}\n"), &["<a>", "<b>"][..]),
            (format!("{a}{b}"), &["<a>", "<b>"]),
            (format!("{pretty}{pretty}"), &["<{[}\"\n>", "<{[}\"\n>"]),
            (format!("WARNING: x\n{a}\nERROR: y"), &["WARNING: x", "<a>", "ERROR: y"]),
            (format!("{a}ERROR: y\n"), &["<a>", "ERROR: y"]),
            (format!("half {a}\n"), &["half ", "<a>"]),
            (format!("{{\n{a}\n"), &["{", "<a>"]),
            (format!("{{ never ended\n{a}\n"), &["{ never ended", "<a>"]),
            (format!("{{\"a\":\"b\n{a}\n"), &["{\"a\":\"b", "<a>"]),
            (format!("{{\"other\":1}}\n{a}\n"), &["{\"other\":1}", "<a>"]),
            (format!("{{\n  \"other\": 1\n}}\n{a}"), &["{", "  \"other\": 1", "}", "<a>"]),
            ("{\"vertexes\":[{\"digest\":".to_owned(), &["{\"vertexes\":[{\"digest\":"]),
            ("{\"vertexes\":7}\n".to_owned(), &["{\"vertexes\":7}"]),
            ("a\n   4 | >>> RUN x\nb".to_owned(), &["a", "   4 | >>> RUN x", "b"]),
            ("{]}[}\n}\n".to_owned(), &["{]}[}", "}"]),
            (String::new(), &[]),
        ] {
            assert_eq!(pieces(&[text.as_bytes()]), expected, "{text}");
            for cut in 0..=text.len() {
                let (head, tail) = text.as_bytes().split_at(cut);
                assert_eq!(pieces(&[head, tail]), expected, "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn text_that_is_not_utf_8() {
        assert_eq!(pieces(&[b"\xff\xfe\nx\n"]), ["\u{fffd}\u{fffd}", "x"]);
    }
}
