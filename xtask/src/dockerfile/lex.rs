//! Shell words as BuildKit reads them: quotes, escapes, `$X`, `${X}` and its forms. (`shell/lex.go`)
//!
//! A variable can be set, unset, or not known (the environment of a base image that nobody has looked into). What
//! depends on an unknown one is marked, and everyone that reads the result has to take the widest answer.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::pattern::Pattern;

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

/// A looked-up value, its forms decided by whether it was set.
struct Value {
    text: String,
    set: bool,
    known: bool,
}

type Result_<T> = Result<T, String>;

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
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result_<(String, Vec<String>)> {
        let outer = std::mem::replace(&mut self.lex.raw_escapes, raw_escapes);
        let result = self.read_until(stop);
        self.lex.raw_escapes = outer;
        result
    }

    fn read_until(&mut self, stop: Option<char>) -> Result_<(String, Vec<String>)> {
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

    fn single_quoted(&mut self) -> Result_<String> {
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

    fn double_quoted(&mut self) -> Result_<String> {
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

    fn dollar(&mut self) -> Result_<String> {
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
    fn modified(&mut self, name: &str, colon: bool, form: Option<char>) -> Result_<String> {
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
    fn replaced(&mut self, name: &str) -> Result_<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Table;

    impl Environment for Table {
        fn look_up(&self, name: &str) -> Lookup {
            match name {
                "X" => Lookup::Set("abc".to_owned()),
                "E" => Lookup::Set(String::new()),
                "P" => Lookup::Set("a/b/c.tar.gz".to_owned()),
                "S" => Lookup::Set("one two".to_owned()),
                "B" => Lookup::Unknown,
                _ => Lookup::Unset,
            }
        }
    }

    #[test]
    fn words_are_expanded() {
        for (text, expected) in [
            ("$X", "abc"),
            ("${X}y", "abcy"),
            ("$Xy", ""),
            ("\\$X", "$X"),
            ("'$X'", "$X"),
            ("\"$X\"", "abc"),
            ("\"\\$X\"", "$X"),
            ("\"a\\b\"", "a\\b"),
            ("a\\b", "ab"),
            ("$", "$"),
            ("$.", "$."),
            ("a$", "a$"),
            ("$1x", "x"),
            ("$-x", "x"),
            ("${U:-d}", "d"),
            ("${U-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${X:-d}", "abc"),
            ("${X:+d}", "d"),
            ("${X+d}", "d"),
            ("${E:+d}", ""),
            ("${E+d}", "d"),
            ("${U+d}", ""),
            ("${U:-${X}}", "abc"),
            ("${U:-'a}b'}", "a}b"),
            ("${U:-a\\}b}", "a}b"),
            ("${X:?no}", "abc"),
            ("${E?no}", ""),
            ("${P#*/}", "b/c.tar.gz"),
            ("${P##*/}", "c.tar.gz"),
            ("${P%.*}", "a/b/c.tar"),
            ("${P%%.*}", "a/b/c"),
            ("${P%/*}", "a/b"),
            ("${X#a}", "bc"),
            ("${X%c}", "ab"),
            ("${X#b}", "abc"),
            ("${X#?}", "bc"),
            ("${X#\\?}", "abc"),
            ("${P/\\//-}", "a-b/c.tar.gz"),
            ("${P//\\//-}", "a-b-c.tar.gz"),
            ("${X/b/}", "ac"),
            ("${X//?/xy}", "xyxyxy"),
            ("${X//z/y}", "abc"),
            ("${X//b/[\\$0]}", "a[\\b]c"),
            ("${U/a/b}", ""),
            ("<$X", "<abc"),
            ("a<<b", "a<<b"),
        ] {
            let expansion = Lex::new('\\').expand(text, &Table).unwrap();
            assert_eq!(expansion.text, expected, "{text}");
            assert_eq!(expansion.unknown, None, "{text}");
        }
        assert_eq!(Lex::new('`').expand("`$X\\$X", &Table).unwrap().text, "$X\\abc");
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in [
            "'a",
            "\"a",
            "${",
            "${X",
            "${}",
            "${{X}}",
            "${:x}",
            "${X:-",
            "${X:#a}",
            "${X^}",
            "${U:?why}",
            "${U?}",
            "${E:?}",
            "${X/a}",
            "${X/a/b",
            "${X#\\a}",
            "${X#\\",
        ] {
            assert!(Lex::new('\\').expand(text, &Table).is_err(), "{text}");
        }
        assert_eq!(Lex::new('\\').expand("${U:?why}", &Table), Err("U: why".to_owned()));
    }

    #[test]
    fn what_is_not_known_or_missing_is_said() {
        let expand = |text: &str| Lex::new('\\').expand(text, &Table).unwrap();
        assert_eq!(expand("a$B").unknown.as_deref(), Some("B"));
        assert_eq!(expand("${B:-x}").unknown.as_deref(), Some("B"));
        assert_eq!(expand("${B:?x}").unknown.as_deref(), Some("B"));
        let missing = |text: &str| expand(text).missing.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(missing("$U ${V} ${W:-d} ${Y+d} ${Z#a}"), "U V Z");
    }

    #[test]
    fn words_are_cut_at_blanks() {
        let words = |text: &str| Lex::new('\\').expand(text, &Table).unwrap().words.join("|");
        assert_eq!(words(" a  b\\ c 'd e' $S"), "a|b c|d e|one|two");
        assert_eq!(words("\"$S\" x"), "one two|x");
    }
}
