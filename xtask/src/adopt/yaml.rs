//! YAML as a tree whose nodes know their lines. Aliases are followed, up to a limit, and `<<` merges.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The most nodes of a file, aliases counted each time: a small text may stand for a huge tree.
const MOST_NODES: usize = 200_000;
/// The deepest nesting.
const DEEPEST: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: u32,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// Numbers and truth values too, as they are written.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// The first document of `text`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0 };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => {
                return Ok(Node { line: 1, value: Value::Null });
            }
            event => return reader.node(event, span, 0),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), String> {
        let event = self.parser.next().ok_or_else(|| "it ends too early".to_owned())?;
        event.map_err(|wrong| wrong.to_string())
    }

    fn count(&mut self, nodes: usize, depth: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES || depth > DEEPEST {
            return Err("it is too large".to_owned());
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, String> {
        self.count(1, depth)?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| "an alias names itself".to_owned())?;
                self.count(size(&node), depth)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(text, style)),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Value::Map(self.entries(depth)?)),
            _ => return Err("it is no YAML".to_owned()),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(String, Node)>, String> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match key.text() {
                Some("<<") => merged.push(value),
                Some(key) => entries.push((key.to_owned(), value)),
                None => {}
            }
        }
        for source in merged {
            let maps =
                if source.items().is_empty() { vec![source] } else { source.items().to_vec() };
            for (key, value) in maps.iter().flat_map(Node::entries) {
                if entries.iter().all(|(name, _)| name != key) {
                    entries.push((key.clone(), value.clone()));
                }
            }
        }
        Ok(entries)
    }
}

fn size(node: &Node) -> usize {
    let items = node.items().iter().map(size).sum::<usize>();
    1 + items + node.entries().iter().map(|(_, node)| size(node)).sum::<usize>()
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    let is_null =
        style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
    if is_null { Value::Null } else { Value::Text(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_lines_and_aliases_are_followed() {
        let node = parse("a: &x\n  b: 1\nc:\n  <<: *x\n  d: [e, \"f\"]\ng: |\n  h\n  i\n").unwrap();
        let c = node.get("c").unwrap();
        assert_eq!((c.text_of("b"), c.get("d").unwrap().items()[1].text()), (Some("1"), Some("f")));
        assert_eq!((c.line, node.text_of("g")), (4, Some("h\ni\n")));
    }

    #[test]
    fn a_small_text_does_not_become_a_huge_tree() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let below = format!("*a{}, ", n - 1).repeat(10);
            text = format!("{text}a{n}: &a{n} [{below}]\n");
        }
        assert_eq!(parse(&text), Err("it is too large".to_owned()));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse("a: [").is_err());
    }
}
