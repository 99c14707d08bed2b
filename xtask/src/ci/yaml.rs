//! Writes YAML that a person can read: comments, one key a line, and text in quotes wherever it could be taken for
//! something else.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    /// A number or `true`, `false`.
    Plain(String),
    /// Text that keeps its lines.
    Lines(Vec<String>),
    List(Vec<Node>),
    Map(Map),
}

/// Keys in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Lines before it.
    comment: Vec<String>,
    key: String,
    value: Node,
    /// A comment behind its value.
    note: Option<String>,
}

impl Map {
    pub(super) fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub(super) fn with(mut self, key: &str, value: impl Into<Node>) -> Self {
        let (key, value) = (key.to_owned(), value.into());
        self.0.push(Entry { comment: Vec::new(), key, value, note: None });
        self
    }

    #[must_use]
    pub(super) fn with_some(self, key: &str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With another value for `key`.
    #[must_use]
    pub(super) fn replacing(mut self, key: &str, value: impl Into<Node>) -> Self {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.key == key) {
            entry.value = value.into();
        }
        self
    }

    /// With `comment` before the last entry.
    #[must_use]
    pub(super) fn after_comment(mut self, comment: &str) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.comment = comment.lines().map(str::to_owned).collect();
        }
        self
    }

    /// With `note` behind the value of the last entry.
    #[must_use]
    pub(super) fn noted(mut self, note: &str) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.note = Some(note.to_owned());
        }
        self
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Plain(value.to_string())
    }
}

impl From<u32> for Node {
    fn from(value: u32) -> Self {
        Self::Plain(value.to_string())
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// The text of `map`, as a document.
pub(super) fn document(map: &Map) -> String {
    let mut out = String::new();
    entries(&mut out, map, 0, true);
    out
}

/// `spaced` puts an empty line between them.
fn entries(out: &mut String, map: &Map, depth: usize, spaced: bool) {
    for (number, entry) in map.0.iter().enumerate() {
        if number > 0 && spaced {
            out.push('\n');
        }
        for line in &entry.comment {
            let _ = writeln!(out, "{}# {line}", indent(depth));
        }
        let _ = write!(out, "{}{}:", indent(depth), quoted(&entry.key));
        // Jobs are told apart as the parts of the document are.
        let spaced = depth == 0 && entry.key == "jobs";
        value(out, &entry.value, entry.note.as_deref(), depth, spaced);
    }
}

/// What stands behind a `:` or `-`.
fn value(out: &mut String, node: &Node, note: Option<&str>, depth: usize, spaced: bool) {
    let note = note.map_or_else(String::new, |note| format!(" # {note}"));
    let _ = match node {
        Node::Text(text) => writeln!(out, " {}{note}", quoted(text)),
        Node::Plain(text) => writeln!(out, " {text}{note}"),
        Node::Lines(lines) => {
            let _ = writeln!(out, " |{note}");
            lines.iter().try_for_each(|line| match line.as_str() {
                "" => writeln!(out),
                line => writeln!(out, "{}{line}", indent(depth + 1)),
            })
        }
        Node::List(items) if items.is_empty() => writeln!(out, " []{note}"),
        Node::Map(map) if map.0.is_empty() => writeln!(out, " {{}}{note}"),
        Node::List(items) => {
            let _ = writeln!(out, "{note}");
            for item in items {
                list_item(out, item, depth + 1);
            }
            Ok(())
        }
        Node::Map(map) => {
            let _ = writeln!(out, "{note}");
            entries(out, map, depth + 1, spaced);
            Ok(())
        }
    };
}

fn list_item(out: &mut String, item: &Node, depth: usize) {
    match item {
        // A map's first key stands behind the `-`, its comment before it.
        Node::Map(map) if !map.0.is_empty() => {
            let mut text = String::new();
            let mut map = map.clone();
            let comment = std::mem::take(&mut map.0[0].comment);
            for line in comment {
                let _ = writeln!(out, "{}# {line}", indent(depth));
            }
            entries(&mut text, &map, depth + 1, false);
            let _ = write!(out, "{}- {}", indent(depth), text.trim_start());
        }
        item => {
            let _ = write!(out, "{}-", indent(depth));
            value(out, item, None, depth, false);
        }
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// `text` as it is where nothing else than text can be read out of it; else in double quotes, with JSON's escapes, all of
/// which are YAML's.
fn quoted(text: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let begins =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '$' | '/' | '_'));
    let is_plain = begins
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        // `on` is a key of every workflow; nobody who reads workflows takes it for `true`.
        && (text == "on" || !words.contains(&text.to_ascii_lowercase().as_str()));
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_can_be_read() {
        let step = Map::new()
            .with("uses", "a/b@c")
            .noted("v1")
            .after_comment("Why.")
            .with("with", Map::new().with("depth", 0).with("text", "a: b"));
        let run = Map::new().with("run", Node::Lines(vec!["x".into(), String::new(), "y".into()]));
        let jobs = Map::new()
            .with("a", Map::new().with("needs", vec!["plan"]).with("steps", vec![step, run]))
            .after_comment("One.\nTwo.")
            .with("b", Map::new().with("if", "${{ x == 'y' }}"));
        let text = document(
            &Map::new().with("on", Map::new().with("push", Map::new())).with("jobs", jobs),
        );
        expect_test::expect![[r#"
            on:
              push: {}

            jobs:
              # One.
              # Two.
              a:
                needs:
                  - plan
                steps:
                  # Why.
                  - uses: a/b@c # v1
                    with:
                      depth: 0
                      text: "a: b"
                  - run: |
                      x

                      y

              b:
                if: ${{ x == 'y' }}
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for text in [
            "",
            "yes",
            "No",
            "1.10",
            "~",
            "a: b",
            "a #b",
            "a:",
            " a",
            "a ",
            "- a",
            "*a",
            "\u{e9}",
            "a\nb",
            "\"a\"",
            "'a'",
            "{a}",
            "@a",
            "0x1",
            "null",
            "2026-01-01",
        ] {
            let quoted = quoted(text);
            assert!(quoted.starts_with('"') && quoted.ends_with('"'), "{quoted}");
        }
        for text in
            ["a", "a-b", "ghcr.io/x", "${{ a == 'b' && c }}", "on", "a:b", "a#b", "$X \"y\""]
        {
            assert_eq!(quoted(text), text);
        }
    }
}
