//! One pattern of a `.dockerignore`. (`patternmatcher.go`, `ignorefile.go`)

use super::expression::Expression;

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    exception: bool,
    test: Test,
    /// What every match begins with.
    start: String,
}

#[derive(Clone, Debug)]
enum Test {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Expression(Expression),
}

impl Pattern {
    /// A trimmed line; nothing for an empty one.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        if line.is_empty() {
            return Ok(None);
        }
        let (exception, line) = match line.strip_prefix('!') {
            Some(line) => (true, line.trim()),
            None => (false, line),
        };
        let mut pattern = if line.is_empty() { String::new() } else { clean(line) };
        if pattern.len() > 1 && pattern.starts_with('/') {
            pattern.remove(0);
        }
        if pattern.is_empty() || (exception && pattern == "/") {
            return Err("`!` is followed by nothing".to_owned());
        }
        check(&pattern)?;
        let test = compile(&pattern)?;
        let start =
            pattern.split(['*', '?', '[', ']', '\\', '^']).next().unwrap_or_default().to_owned();
        Ok(Some(Self { exception, test, start }))
    }

    pub(super) fn is_exception(&self) -> bool {
        self.exception
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.test {
            Test::Exact(text) => path == text,
            Test::Prefix(prefix) => path.starts_with(prefix),
            Test::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Test::Expression(expression) => {
                path.starts_with(&self.start) && expression.matches(path)
            }
        }
    }

    /// Whether a path in `folder` can match.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        let below =
            |text: &str| text.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        match &self.test {
            Test::Exact(text) => below(text),
            _ => below(&self.start) || format!("{folder}/").starts_with(&self.start),
        }
    }
}

/// Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// What Go's `filepath.Match` calls a bad pattern.
fn check(pattern: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("{pattern:?} is no pattern: {why}"));
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return bad("nothing follows the `\\`"),
            '[' => {
                chars.next_if_eq(&'^');
                let mut ranges = 0;
                let letter =
                    |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next() {
                        None | Some('-' | ']') => false,
                        Some('\\') => chars.next().is_some() && chars.peek().is_some(),
                        Some(_) => chars.peek().is_some(),
                    };
                loop {
                    if ranges > 0 && chars.next_if_eq(&']').is_some() {
                        break;
                    }
                    let whole = letter(&mut chars)
                        && (chars.next_if_eq(&'-').is_none() || letter(&mut chars));
                    if !whole {
                        return bad("the `[` is not closed as it should be");
                    }
                    ranges += 1;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Chooses the test as patternmatcher does: text, `text**`, `**text`, or a regular expression, in whose making the
/// content of `[…]` is not treated apart.
fn compile(pattern: &str) -> Result<Test, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Exact,
        Prefix,
        Suffix,
        Expression,
    }
    let mut kind = Kind::Exact;
    let mut text = String::new();
    let mut chars = pattern.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_some() {
                    text.push_str("(.*/)?");
                    kind = Kind::Expression;
                } else if kind == Kind::Exact {
                    kind = Kind::Prefix;
                } else {
                    text.push_str(".*");
                    kind = Kind::Expression;
                }
                if first {
                    kind = Kind::Suffix;
                }
            }
            '*' | '?' => {
                text.push_str(if c == '*' { "[^/]*" } else { "[^/]" });
                kind = Kind::Expression;
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => {
                text.push('\\');
                text.push(c);
            }
            '\\' => {
                text.push(c);
                if let Some(escaped) = chars.next() {
                    text.push(escaped);
                    kind = Kind::Expression;
                }
            }
            '[' | ']' => {
                text.push(c);
                kind = Kind::Expression;
            }
            _ => text.push(c),
        }
        first = false;
    }
    Ok(match kind {
        Kind::Exact => Test::Exact(pattern.to_owned()),
        Kind::Prefix => Test::Prefix(pattern[..pattern.len() - 2].to_owned()),
        Kind::Suffix => Test::Suffix(pattern[2..].to_owned()),
        Kind::Expression => Test::Expression(
            Expression::parse(&text).map_err(|why| format!("{pattern:?} is no pattern: {why}"))?,
        ),
    })
}
