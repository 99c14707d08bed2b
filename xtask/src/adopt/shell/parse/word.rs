//! Words, and what `$` begins in them.

use super::super::{Part, Variable, Word};
use super::Parser;

impl Parser {
    pub(super) fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.skip();
                    let mut text = String::new();
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        text.push(c);
                    }
                    word.parts.push((Part::Text(text), true));
                }
                '"' => {
                    self.skip();
                    self.double_quoted(&mut word);
                }
                '\\' if matches!(self.peek_at(1), Some('\n' | '\r')) => break,
                '\\' => {
                    self.skip();
                    if let Some(c) = self.next() {
                        word.parts.push((Part::Text(c.to_string()), true));
                    }
                }
                '$' | '`' => {
                    let part = self.dollar();
                    word.parts.push((part, false));
                }
                c => {
                    self.skip();
                    push(&mut word, c, false);
                }
            }
        }
        (!word.parts.is_empty()).then_some(word)
    }

    pub(super) fn double_quoted(&mut self, word: &mut Word) {
        // An empty text in quotes is a word, too.
        word.parts.push((Part::Text(String::new()), true));
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.skip();
                    return;
                }
                '\\' => {
                    self.skip();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c @ ('"' | '\\' | '$' | '`')) => push(word, c, true),
                        Some(c) => {
                            push(word, '\\', true);
                            push(word, c, true);
                        }
                    }
                }
                '$' | '`' => {
                    let part = self.dollar();
                    word.parts.push((part, true));
                }
                c => {
                    self.skip();
                    push(word, c, true);
                }
            }
        }
    }

    /// What `$` or a backtick begins.
    pub(super) fn dollar(&mut self) -> Part {
        if self.next() == Some('`') {
            let mut text = String::new();
            while let Some(c) = self.next().filter(|c| *c != '`') {
                text.push(c);
            }
            return Part::Command(text);
        }
        match self.peek() {
            Some('(') if self.peek_at(1) == Some('(') => {
                let start = self.at;
                self.arithmetic();
                Part::Unknown(format!("${}", self.chars[start..self.at].iter().collect::<String>()))
            }
            Some('(') => {
                self.skip();
                Part::Command(self.enclosed('(', ')'))
            }
            Some('{') => {
                self.skip();
                let inner = self.enclosed('{', '}');
                braces(&inner)
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.skip();
                }
                Part::Variable(variable(name))
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                self.skip();
                Part::Variable(variable(c.to_string()))
            }
            _ => Part::Text("$".to_owned()),
        }
    }

    /// The text up to the `close` of what was opened.
    pub(super) fn enclosed(&mut self, open: char, close: char) -> String {
        let mut depth = 1;
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    text.push(c);
                    text.extend(self.next());
                    continue;
                }
                '\'' | '"' if open == '(' => {
                    text.push(c);
                    while let Some(inner) = self.next() {
                        text.push(inner);
                        if inner == c {
                            break;
                        }
                        if inner == '\\' && c == '"' {
                            text.extend(self.next());
                        }
                    }
                    continue;
                }
                c if c == open => depth += 1,
                c if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
            text.push(c);
        }
        text
    }
}

pub(super) fn push(word: &mut Word, c: char, quoted: bool) {
    match word.parts.last_mut() {
        Some((Part::Text(text), as_quoted)) if *as_quoted == quoted => text.push(c),
        _ => word.parts.push((Part::Text(c.to_string()), quoted)),
    }
}

pub(super) fn variable(name: String) -> Variable {
    let written = format!("${name}");
    Variable { name, index: None, keys: false, operation: None, written }
}

/// A word that is the whole of `text`, blanks included.
pub(super) fn words_of(text: &str) -> Word {
    let mut parser = Parser {
        chars: format!("{text}\"").chars().collect(),
        at: 0,
        line: 0,
        depth: 0,
        heredocs: Vec::new(),
    };
    let mut word = Word::default();
    // Quotes inside an argument of `${…}` quote, and are no part of it.
    let bare = text.trim_matches('"');
    if bare != text || text.contains('\'') {
        parser.chars = format!("{}\"", bare.trim_matches('\'')).chars().collect();
    }
    parser.double_quoted(&mut word);
    word
}

/// What stands between `${` and `}`.
pub(super) fn braces(inner: &str) -> Part {
    let written = format!("${{{inner}}}");
    let (keys, rest) = match inner.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (name, mut rest) = match (end, rest.chars().next()) {
        (0, Some(c @ ('@' | '*'))) => (c.to_string(), &rest[1..]),
        _ => (rest[..end].to_owned(), &rest[end..]),
    };
    if name.is_empty() || (keys && !rest.starts_with('[')) {
        return Part::Unknown(written);
    }
    let mut index = None;
    if let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        index = Some(Box::new(words_of(inside)));
        rest = after;
    }
    let operations = [
        ":-", ":=", ":+", ":?", "##", "%%", "//", "^^", ",,", "-", "=", "+", "?", "#", "%", "/",
        "^", ",", ":",
    ];
    let operation = operations.iter().find_map(|operation| {
        let argument = rest.strip_prefix(operation)?;
        Some(((*operation).to_owned(), Box::new(words_of(argument))))
    });
    Part::Variable(Variable { name, index, keys, operation, written })
}
