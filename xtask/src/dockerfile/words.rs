//! How an instruction's text is cut: keyword and flags, words by blanks, words by quotes, JSON.
//! (`parser/split_command.go`, `parser/line_parsers.go`)

/// An instruction's keyword, flags (without their quotes) and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub keyword: String,
    pub flags: Vec<String>,
    pub rest: String,
}

/// What separates words for BuildKit's parser.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

pub(super) fn split(line: &str, escape: char) -> Split {
    let line = line.trim();
    let Some(end) = line.find(is_blank) else {
        return Split { keyword: line.to_owned(), ..Split::default() };
    };
    let (flags, rest) = flags(line[end..].trim_start_matches(is_blank), escape);
    Split { keyword: line[..end].to_owned(), flags, rest: rest.trim().to_owned() }
}

/// The `--flag` words at the start, and what follows them. BuildKit goes by bytes here, and so does this.
fn flags(line: &str, escape: char) -> (Vec<String>, String) {
    let bytes = line.as_bytes();
    let mut flags = Vec::new();
    let mut word = String::new();
    let mut was_quoted = false;
    let mut quote = None;
    let mut at = 0;
    let rest = |at: usize| String::from_utf8_lossy(&bytes[at..]).into_owned();
    loop {
        while at < bytes.len() && char::from(bytes[at]).is_whitespace() {
            at += 1;
        }
        if at == bytes.len() {
            return (flags, String::new());
        }
        if !bytes[at..].starts_with(b"--") {
            return (flags, rest(at));
        }
        while at < bytes.len() {
            let c = char::from(bytes[at]);
            match quote {
                None if c.is_whitespace() => break,
                None if c == '\'' || c == '"' => {
                    quote = Some(c);
                    was_quoted = true;
                }
                Some(open) if c == open => quote = None,
                _ if c == escape => {
                    at += 1;
                    if let Some(&next) = bytes.get(at) {
                        word.push(char::from(next));
                    }
                }
                _ => word.push(c),
            }
            at += 1;
        }
        at = at.min(bytes.len());
        if word == "--" {
            return (flags, rest(at));
        }
        if was_quoted || !word.is_empty() {
            flags.push(std::mem::take(&mut word));
        }
        was_quoted = false;
        word.clear();
    }
}

/// Words between blanks; quotes mean nothing.
pub(super) fn by_blanks(rest: &str) -> Vec<String> {
    if rest.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::new();
    let mut rest = rest;
    while let Some(end) = rest.find(is_blank) {
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches(is_blank);
    }
    words.push(rest.to_owned());
    words
}

/// Words between blanks outside quotes; the quotes and escapes stay in the words.
pub(super) fn by_quotes(rest: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = rest.chars().peekable();
    let mut in_word = false;
    let mut blank_ok = false;
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if in_word && (blank_ok || !word.is_empty()) {
                words.push(std::mem::take(&mut word));
            }
            (in_word, blank_ok) = (false, false);
            continue;
        }
        in_word = true;
        let escapes = c == escape && quote != Some('\'');
        match quote {
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                blank_ok = true;
            }
            Some(open) if c == open => quote = None,
            _ => {}
        }
        if escapes {
            // At the very end the escape character is dropped.
            if let Some(next) = chars.next() {
                word.push(c);
                word.push(next);
            }
            continue;
        }
        word.push(c);
    }
    if in_word && (blank_ok || !word.is_empty()) {
        words.push(word);
    }
    words
}

/// The strings of a JSON array; nothing if it is none.
///
/// # Errors
/// When it is a JSON array of other things than strings.
pub(super) fn json(rest: &str) -> Result<Option<Vec<String>>, String> {
    let rest = rest.trim_start();
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(rest) else { return Ok(None) };
    values
        .into_iter()
        .map(|value| match value {
            serde_json::Value::String(text) => Ok(text),
            other => Err(format!("a JSON array may hold only strings here, not {other}")),
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// `NAME=value …`, or the old `NAME value`, of `ENV` and `LABEL`.
pub(super) fn pairs(
    rest: &str,
    keyword: &str,
    escape: char,
) -> Result<Vec<(String, String)>, String> {
    let words = by_quotes(rest, escape);
    let Some(first) = words.first() else {
        return Err(format!("{keyword} needs at least one NAME=value"));
    };
    if !first.contains('=') {
        let Some((name, value)) = rest.split_once(is_blank) else {
            return Err(format!("{keyword} {rest} has no value"));
        };
        return Ok(vec![(name.to_owned(), value.trim_start_matches(is_blank).to_owned())]);
    }
    words
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(format!("{keyword} has a blank name")),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("{word:?} has no `=`; it must be NAME=value")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_words() {
        for (line, flags, rest) in [
            ("COPY --from=a --link b c", "--from=a|--link", "b c"),
            ("COPY a --from=b", "", "a --from=b"),
            ("RUN -- --x", "", "--x"),
            ("RUN --mount=\"type=bind, x\" ls", "--mount=type=bind, x", "ls"),
            ("RUN --a\\ b c", "--a b", "c"),
            ("RUN --a", "--a", ""),
            ("RUN", "", ""),
            ("run\t--a=1\t  b  ", "--a=1", "b"),
        ] {
            let split = split(line, '\\');
            assert_eq!(
                (split.flags.join("|").as_str(), split.rest.as_str()),
                (flags, rest),
                "{line}"
            );
        }
    }

    #[test]
    fn words_keep_their_quotes() {
        for (rest, words) in [
            ("a=1 b=2", "a=1|b=2"),
            ("a='x y' b=\"1 2\"", "a='x y'|b=\"1 2\""),
            ("a=x\\ y b", "a=x\\ y|b"),
            ("a=\"x\\\" y\" b", "a=\"x\\\" y\"|b"),
            ("a='\\' b", "a='\\'|b"),
            ("a\\", "a"),
            ("''", "''"),
        ] {
            assert_eq!(by_quotes(rest, '\\').join("|"), words, "{rest}");
        }
    }

    #[test]
    fn only_arrays_of_strings_are_json() {
        assert_eq!(json("[\"a\", \"b\"]"), Ok(Some(vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(json("[]"), Ok(Some(Vec::new())));
        assert_eq!(json("['a']"), Ok(None));
        assert_eq!(json("[ -f x ] && y"), Ok(None));
        assert!(json("[\"a\", 1]").is_err());
    }
}
