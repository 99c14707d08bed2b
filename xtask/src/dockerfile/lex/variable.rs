//! `$X`, `${X}` and its forms.

use super::super::pattern::Pattern;
use super::{Lookup, Walk};

/// A looked-up value, its forms decided by whether it was set.
struct Value {
    text: String,
    set: bool,
    known: bool,
}

impl Walk<'_> {
    pub(super) fn dollar(&mut self) -> Result<String, String> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            let value = self.look_up(&name);
            if !value.set && self.lex.keeps_unset {
                return Ok(format!("${name}"));
            }
            return Ok(self.plain(&name, value));
        }
        self.at += 1;
        match self.peek() {
            None => return Err("`${` is not closed by `}`".to_owned()),
            Some('{' | '}' | ':') => return Err("no name follows `${`".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => {
                let value = self.look_up(&name);
                if !value.set && self.lex.keeps_unset {
                    return Ok(format!("${{{name}}}"));
                }
                Ok(self.plain(&name, value))
            }
            Some(':') => {
                let form = self.next();
                self.modified(&name, true, form)
            }
            Some('/') => self.replaced(&name),
            form => self.modified(&name, false, form),
        }
    }

    /// `${X-d}`, `${X+d}`, `${X?e}`, with or without a colon, and `${X#p}`, `${X%p}`.
    fn modified(&mut self, name: &str, colon: bool, form: Option<char>) -> Result<String, String> {
        let form = match form {
            Some(form @ ('+' | '-' | '?')) => form,
            Some(form @ ('#' | '%')) if !colon => form,
            None => return Err("`${` is not closed by `}`".to_owned()),
            Some(form) => {
                let colon = if colon { ":" } else { "" };
                return Err(format!("`{colon}{form}` is no modifier of a variable"));
            }
        };
        let (word, _) = self.until(Some('}'), matches!(form, '#' | '%'))?;
        let value = self.look_up(name);
        if !value.set && self.lex.keeps_unset {
            let colon = if colon { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{form}{word}}}"));
        }
        let counts = value.set && !(colon && value.text.is_empty());
        match form {
            '-' => Ok(if counts { value.text } else { word }),
            '+' => Ok(if counts { word } else { String::new() }),
            '?' if counts || !value.known => Ok(value.text),
            '?' => {
                let default = if value.set {
                    "is not allowed to be empty"
                } else {
                    "is not allowed to be unset"
                };
                Err(format!("{name}: {}", if word.is_empty() { default } else { &word }))
            }
            _ => {
                let (greedy, pattern) = match word.strip_prefix(form) {
                    Some(pattern) => (true, pattern),
                    None => (false, word.as_str()),
                };
                let pattern = Pattern::read(pattern, greedy)?;
                let text = self.plain(name, value);
                Ok(if form == '#' {
                    pattern.without_prefix(&text)
                } else {
                    pattern.without_suffix(&text)
                })
            }
        }
    }

    /// `${X/a/b}` and `${X//a/b}`.
    fn replaced(&mut self, name: &str) -> Result<String, String> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let (pattern, _) = self.until(Some('/'), true)?;
        let (replacement, _) = self.until(Some('}'), true)?;
        let value = self.look_up(name);
        if !value.set && self.lex.keeps_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let pattern = Pattern::read(&pattern, true)?;
        let text = self.plain(name, value);
        Ok(pattern.replace(&text, &replacement, all))
    }

    fn name(&mut self) -> String {
        let start = self.at;
        match self.peek() {
            Some(c) if c.is_numeric() => {
                while self.peek().is_some_and(char::is_numeric) {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => {
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    self.at += 1;
                }
            }
        }
        self.chars[start..self.at].iter().collect()
    }

    fn look_up(&self, name: &str) -> Value {
        let mut seen = self.seen.borrow_mut();
        seen.names.insert(name.to_owned());
        let (text, set, known) = match self.environment.look_up(name) {
            Lookup::Set(text) => (text, true, true),
            Lookup::Unset => (String::new(), false, true),
            Lookup::Unknown => {
                seen.unknown.get_or_insert_with(|| name.to_owned());
                (String::new(), true, false)
            }
        };
        Value { text, set, known }
    }

    /// The value where nothing stands in for an unset one.
    fn plain(&self, name: &str, value: Value) -> String {
        if !value.set {
            self.seen.borrow_mut().missing.insert(name.to_owned());
        }
        value.text
    }
}
