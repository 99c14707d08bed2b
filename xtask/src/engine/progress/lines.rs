//! Output that arrives cut anywhere becomes whole lines.

/// A line that is longer comes out in parts.
const LONGEST: usize = 64 * 1024;

/// One output of one step.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    /// Of the last bytes.
    seconds: f64,
}

impl Lines {
    /// Emits what ends in `data`. A bare carriage return ends a line too, so that a progress bar that redraws itself
    /// is seen while it runs.
    pub(super) fn feed(&mut self, data: &[u8], seconds: f64, emit: &mut dyn FnMut(f64, String)) {
        self.seconds = seconds;
        for part in data.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            // The second half of `\r\n`, whose line is out already, or an empty line.
            let after_return = self.partial.last() == Some(&b'\r');
            if after_return && part == b"\n" {
                self.partial.clear();
                continue;
            }
            if after_return {
                self.partial.clear();
            }
            self.partial.extend_from_slice(part);
            match part.last() {
                Some(b'\n') => self.emit(emit),
                Some(b'\r') => {
                    if self.partial.len() > 1 {
                        emit(seconds, printable(&self.partial));
                    }
                    self.partial.clear();
                    self.partial.push(b'\r');
                }
                _ => self.cut(emit),
            }
        }
    }

    /// What has no end comes out as it is.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(f64, String)) {
        if self.partial.iter().any(|byte| *byte != b'\r') {
            self.emit(emit);
        }
        self.partial.clear();
    }

    fn emit(&mut self, emit: &mut dyn FnMut(f64, String)) {
        emit(self.seconds, printable(&self.partial));
        self.partial.clear();
    }

    fn cut(&mut self, emit: &mut dyn FnMut(f64, String)) {
        while self.partial.len() >= LONGEST {
            // Not inside a UTF-8 character.
            let is_inside =
                |index: &usize| self.partial.get(*index).is_some_and(|byte| byte & 0xC0 == 0x80);
            let end =
                (LONGEST - 3..=LONGEST).rev().find(|index| !is_inside(index)).unwrap_or(LONGEST);
            let rest = self.partial.split_off(end);
            emit(self.seconds, printable(&self.partial));
            self.partial = rest;
        }
    }
}

/// `bytes` as a line that does nothing to a terminal: no escape codes or control characters (a tab is four spaces),
/// U+FFFD for what is not UTF-8.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let stripped = anstream::adapter::strip_str(text.trim_end_matches(['\r', '\n'])).to_string();
    stripped.replace('\t', "    ").chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut emit = |_, text| seen.push(text);
        for chunk in chunks {
            lines.feed(chunk, 0.0, &mut emit);
        }
        lines.finish(&mut emit);
        seen
    }

    #[test]
    fn whole_lines_from_any_chunks() {
        for (chunks, expected) in [
            (&[&b"a\nb\n"[..]][..], &["a", "b"][..]),
            (&[b"a", b"b\nc"], &["ab", "c"]),
            (&[b"d\xc3", b"\xa9\n"], &["dé"]),
            (&[b"\n\nx\n"], &["", "", "x"]),
            (&[b"a\r\nb\r\n"], &["a", "b"]),
            (&[b"a\r", b"\nb"], &["a", "b"]),
            (&[b"10%\r", b"20%\r", b"100%\n"], &["10%", "20%", "100%"]),
            (&[b"\r\r\n"], &[]),
            (&[b"\xff\xfe\n"], &["\u{fffd}\u{fffd}"]),
            (&[b"\x1b[31mred\x1b[0m\x07\tx\n"], &["red    x"]),
            (&[b"\x1b[2K\x1b[1Gspin\r"], &["spin"]),
            (&[b""], &[]),
        ] {
            assert_eq!(lines(chunks), expected, "{chunks:?}");
        }
    }

    #[test]
    fn every_split_gives_the_same_lines() {
        let text = "é\r\nzwei\n\u{1f433}\rlast".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(
                lines(&[&text[..cut], &text[cut..]]),
                ["é", "zwei", "\u{1f433}", "last"],
                "{cut}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_cut_between_characters() {
        let seen = lines(&["é".repeat(LONGEST).as_bytes(), b"x"]);
        assert!(seen.len() > 1);
        assert_eq!(seen.concat(), "é".repeat(LONGEST) + "x");
    }
}
