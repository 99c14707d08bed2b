//! Words, variables and lists.

use super::super::shell::{Part, Variable, Word};
use super::Parser;

impl Parser {
    pub(super) fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.blanks(false);
            match self.peek() {
                None | Some('\n' | ';' | '}' | ')') => return words,
                Some('|' | '&' | '>' | '<') => {
                    // What follows gets the output.
                    while self.peek().is_some_and(|c| c != '\n' && c != ';') {
                        self.next();
                    }
                    return words;
                }
                Some(',') => {
                    self.next();
                }
                Some(_) => match self.word() {
                    Some(word) => words.push(word),
                    None => {
                        self.next();
                    }
                },
            }
        }
    }

    pub(super) fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | ')' | '}' | ',' | '='
                    if c != '=' || word.parts.is_empty() =>
                {
                    break;
                }
                '\'' => {
                    self.next();
                    let mut text = String::new();
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        text.push(c);
                    }
                    word.parts.push((Part::Text(text), true));
                }
                '"' => {
                    self.next();
                    word.parts.push((Part::Text(String::new()), true));
                    while let Some(c) = self.peek().filter(|c| *c != '"') {
                        self.character(c, &mut word, true);
                    }
                    self.next();
                }
                '(' => {
                    let text = self.parentheses();
                    word.parts.push((Part::Command(text), true));
                }
                '{' if word.parts.is_empty() => {
                    self.block();
                    return None;
                }
                c => self.character(c, &mut word, false),
            }
        }
        (!word.parts.is_empty()).then_some(word)
    }

    pub(super) fn character(&mut self, c: char, word: &mut Word, quoted: bool) {
        match c {
            '`' => {
                self.next();
                let escaped = self.next();
                push(word, escaped.unwrap_or('`'), quoted);
            }
            '$' => {
                self.next();
                let part = self.dollar();
                // One variable is one word here, and a list is several.
                word.parts.push((part, true));
            }
            c => {
                self.next();
                push(word, c, quoted);
            }
        }
    }

    pub(super) fn dollar(&mut self) -> Part {
        match self.peek() {
            Some('(') => {
                let text = self.parentheses();
                let name = text
                    .trim()
                    .strip_prefix('$')
                    .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
                match name {
                    Some(name) => Part::Variable(variable(name.to_owned())),
                    None => Part::Command(text),
                }
            }
            Some('{') => {
                self.next();
                let mut name = String::new();
                while let Some(c) = self.next().filter(|c| *c != '}') {
                    name.push(c);
                }
                let name = name.split(':').next_back().unwrap_or_default().to_owned();
                Part::Variable(variable(name))
            }
            _ => {
                let name = self.variable_name();
                if name.is_empty() {
                    return Part::Text("$".to_owned());
                }
                let mut variable = variable(name);
                if self.peek() == Some('[') {
                    self.next();
                    let mut index = Word::default();
                    while let Some(c) = self.peek().filter(|c| *c != ']') {
                        match c {
                            '"' | '\'' => {
                                self.next();
                            }
                            c => self.character(c, &mut index, true),
                        }
                    }
                    self.next();
                    variable.index = Some(Box::new(index));
                }
                Part::Variable(variable)
            }
        }
    }

    pub(super) fn variable_name(&mut self) -> String {
        for scope in ["env:", "script:", "global:", "local:"] {
            if self.starts(scope) {
                self.at += scope.len();
            }
        }
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
            self.next();
        }
        name
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

/// The names in `[string]$Name = "x", $Other`.
pub(super) fn parameter_names(text: &str) -> Vec<String> {
    let names = text.split('$').skip(1).map(|rest| {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    });
    names
        .filter(|name| !["true", "false", "null", ""].contains(&name.to_lowercase().as_str()))
        .collect()
}

/// `$name in items`.
pub(super) fn split_in(text: &str) -> Option<(String, &str)> {
    let (name, items) = text.split_once(" in ")?;
    Some((name.trim().trim_start_matches('$').to_owned(), items.trim()))
}

/// The words of `@("a", "b")`, `$list` or `"a", "b"`; a variable gives all it holds.
pub(super) fn list_of(text: &str, line: u32) -> Vec<Word> {
    let inner =
        text.trim().strip_prefix("@(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let mut parser =
        Parser { chars: inner.replace(['\n', '\r'], " ").chars().collect(), at: 0, line, depth: 0 };
    let mut words = parser.words();
    for word in &mut words {
        if let [(Part::Variable(variable), _)] = word.parts.as_mut_slice()
            && variable.index.is_none()
        {
            variable.index = Some(Box::new(Word::plain("@")));
        } else if inner.ends_with(".Keys")
            && let Some((Part::Variable(variable), _)) = word.parts.first_mut()
        {
            variable.keys = true;
            variable.index = Some(Box::new(Word::plain("@")));
            word.parts.truncate(1);
        }
    }
    words
}
