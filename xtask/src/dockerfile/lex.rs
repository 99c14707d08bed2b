//! Shell words as BuildKit reads them: quotes, escapes, `$X`, `${X}` and its forms. (`shell/lex.go`)
//!
//! A variable can be set, unset, or not known (the environment of a base image that nobody has looked into). What
//! depends on an unknown one is marked, and everyone that reads the result has to take the widest answer.

mod variable;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeSet;

/// What an environment says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Set(String),
    Unset,
    Unknown,
}

pub(super) trait Environment {
    fn look_up(&self, name: &str) -> Lookup;
}

/// The environment in which every name is unset.
pub(super) struct Nothing;

impl Environment for Nothing {
    fn look_up(&self, _: &str) -> Lookup {
        Lookup::Unset
    }
}

/// An expanded text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    pub text: String,
    /// The text cut at blanks that were not quoted.
    pub words: Vec<String>,
    /// The first unknown name that `text` depends on; `text` is then only a guess.
    pub unknown: Option<String>,
    /// Every name that was looked up.
    pub names: BTreeSet<String>,
    /// Names that were unset where nothing says what to use instead (`$X`, `${X}`, `${X#…}`).
    pub missing: BTreeSet<String>,
}

/// How to read words.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are BuildKit's switches, each set by itself"
)]
pub(super) struct Lex {
    pub escape: char,
    pub raw_quotes: bool,
    pub raw_escapes: bool,
    /// Quotes are ordinary characters.
    pub ignores_quotes: bool,
    /// `$X` of an unset name stays as it is.
    pub keeps_unset: bool,
}

impl Lex {
    pub(super) const fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            ignores_quotes: false,
            keeps_unset: false,
        }
    }

    pub(super) fn expand(
        self,
        text: &str,
        environment: &dyn Environment,
    ) -> Result<Expansion, String> {
        let mut walk = Walk {
            lex: self,
            environment,
            chars: text.trim_start_matches('\u{feff}').chars().collect(),
            at: 0,
            word: String::new(),
            seen: RefCell::default(),
        };
        let (text, words) = walk.until(None, self.raw_escapes)?;
        Ok(Expansion { text, words, ..walk.seen.into_inner() })
    }
}

struct Walk<'a> {
    lex: Lex,
    environment: &'a dyn Environment,
    chars: Vec<char>,
    at: usize,
    /// The word in the making. Shared with nested texts, as in BuildKit, where `<<${X:-EOF}` is therefore no heredoc.
    word: String,
    seen: RefCell<Expansion>,
}

impl Walk<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Reads up to `stop`, or to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), String> {
        let outer = std::mem::replace(&mut self.lex.raw_escapes, raw_escapes);
        let result = self.read_until(stop);
        self.lex.raw_escapes = outer;
        result
    }

    fn read_until(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), String> {
        self.word.clear();
        let mut words = Words::default();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.at += 1;
                words.flush(&mut self.word);
                return Ok((text, words.done));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|c| words.add(&mut self.word, c));
                    text.push_str(&value);
                }
                '\'' | '"' if !self.lex.ignores_quotes => {
                    let quoted =
                        if c == '\'' { self.single_quoted()? } else { self.double_quoted()? };
                    words.add_raw(&mut self.word, &quoted);
                    text.push_str(&quoted);
                }
                '<' => {
                    let start = self.at;
                    self.possible_heredoc();
                    let mark: String = self.chars[start..self.at].iter().collect();
                    words.add_raw(&mut self.word, &mark);
                    text.push_str(&mark);
                }
                _ if c == self.lex.escape => {
                    self.at += 1;
                    if self.lex.raw_escapes {
                        words.add_raw(&mut self.word, c.encode_utf8(&mut [0; 4]));
                        text.push(c);
                    }
                    let Some(escaped) = self.next() else { break };
                    words.add_raw(&mut self.word, escaped.encode_utf8(&mut [0; 4]));
                    text.push(escaped);
                }
                _ => {
                    self.at += 1;
                    words.add(&mut self.word, c);
                    text.push(c);
                }
            }
        }
        if let Some(stop) = stop {
            return Err(format!("the text ends before the `{stop}` that should follow"));
        }
        words.flush(&mut self.word);
        Ok((text, words.done))
    }

    fn single_quoted(&mut self) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.next() {
            if c == '\'' {
                let raw = usize::from(!self.lex.raw_quotes);
                return Ok(self.chars[start + raw..self.at - raw].iter().collect());
            }
        }
        Err("a single quote is not closed".to_owned())
    }

    fn double_quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        if self.lex.raw_quotes {
            text.push('"');
        }
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err("a double quote is not closed".to_owned()),
                Some('"') => {
                    self.at += 1;
                    if self.lex.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) if c == self.lex.escape => {
                    self.at += 1;
                    if self.lex.raw_escapes {
                        text.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(escaped) if escaped == '"' || escaped == '$' || escaped == c => {
                            self.at += 1;
                            text.push(escaped);
                        }
                        Some(_) => text.push(c),
                    }
                }
                Some(c) => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
    }

    /// `<`, or `<<` and the blanks after it.
    fn possible_heredoc(&mut self) {
        self.at += 1;
        if self.peek() == Some('<') {
            self.at += 1;
            while matches!(self.peek(), Some('\t' | '\r' | ' ')) {
                self.at += 1;
            }
        }
    }
}

#[derive(Default)]
struct Words {
    done: Vec<String>,
    in_word: bool,
}

impl Words {
    fn add(&mut self, word: &mut String, c: char) {
        if !c.is_whitespace() {
            word.push(c);
            self.in_word = true;
        } else if self.in_word && !word.is_empty() {
            self.done.push(std::mem::take(word));
            self.in_word = false;
        }
    }

    fn add_raw(&mut self, word: &mut String, text: &str) {
        word.push_str(text);
        self.in_word = true;
    }

    fn flush(&mut self, word: &mut String) {
        if !word.is_empty() {
            self.done.push(std::mem::take(word));
            self.in_word = false;
        }
    }
}
