//! From a file's text to logical lines: continuations joined, comments and empty lines dropped, heredoc bodies attached.
//! (`parser.Parse`)

use super::directives::Directives;
use super::heredoc::{self, Heredoc};
use super::words::{self, Split};

/// BuildKit reads lines through a buffer of this size.
const LONGEST_LINE: usize = 65_536;

/// One instruction's text. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logical {
    pub text: String,
    pub first: u32,
    pub last: u32,
    pub split: Split,
    pub heredocs: Vec<Heredoc>,
}

/// What is wrong, and on which line.
pub(super) type Wrong = (u32, String);

pub(super) struct Read {
    pub lines: Vec<Logical>,
    pub escape: char,
    pub wrong: Vec<Wrong>,
}

pub(super) fn read(text: &str) -> Read {
    let mut reader =
        Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), number: 0, escape: '\\' };
    let mut read = Read { lines: Vec::new(), escape: '\\', wrong: Vec::new() };
    if let Some(number) = too_long(reader.rest) {
        read.wrong.push((number, format!("the line is longer than {} bytes", LONGEST_LINE - 1)));
        return read;
    }
    let mut directives = Directives::default();
    while let Some(line) = reader.next() {
        match directives.read(line.trim_start()) {
            Ok(Some((name, value))) if name == "escape" => match value.as_str() {
                "`" => reader.escape = '`',
                "\\" => reader.escape = '\\',
                _ => read.wrong.push((
                    reader.number,
                    format!("the escape character is ` or \\, not {value:?}"),
                )),
            },
            Ok(_) => {}
            Err(why) => read.wrong.push((reader.number, why)),
        }
        if let Some(joined) = reader.join(line.trim_start()) {
            let first = reader.number_of(&joined);
            match reader.attach(joined.text, first) {
                Ok(logical) => read.lines.push(logical),
                Err(why) => read.wrong.push((first, why)),
            }
        }
    }
    read.escape = reader.escape;
    read
}

fn too_long(text: &str) -> Option<u32> {
    let at = text.split_inclusive('\n').position(|line| {
        line.len() > LONGEST_LINE || (line.len() == LONGEST_LINE && !line.ends_with('\n'))
    })?;
    Some(u32::try_from(at + 1).unwrap_or(u32::MAX))
}

struct Reader<'a> {
    rest: &'a str,
    number: u32,
    escape: char,
}

struct Joined {
    text: String,
    more: u32,
}

impl<'a> Reader<'a> {
    /// The next physical line without its end.
    fn next(&mut self) -> Option<&'a str> {
        self.next_raw().map(|line| line.trim_end_matches(['\r', '\n']))
    }

    fn next_raw(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |newline| newline + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.number += 1;
        Some(line)
    }

    /// The logical line that begins with `line`, or nothing for a comment or an empty line.
    fn join(&mut self, line: &str) -> Option<Joined> {
        let line = if is_comment(line) { "" } else { line };
        let (mut text, mut goes_on) = self.continued(line);
        if !goes_on && text.is_empty() {
            return None;
        }
        let mut more = 0;
        while goes_on {
            let Some(line) = self.next() else { break };
            more += 1;
            if is_comment(line) || line.trim_start().is_empty() {
                continue;
            }
            let (part, again) = self.continued(line);
            text.push_str(&part);
            goes_on = again;
        }
        Some(Joined { text, more })
    }

    fn number_of(&self, joined: &Joined) -> u32 {
        self.number - joined.more
    }

    /// `line` without a continuation mark at its end, and whether there was one: the escape character and blanks,
    /// with another character than the escape character before it, or nothing.
    fn continued(&self, line: &str) -> (String, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(before) if !before.ends_with(self.escape) => (before.to_owned(), true),
            _ => (line.to_owned(), false),
        }
    }

    /// Splits the line, and reads the bodies of its heredocs from the lines that follow.
    fn attach(&mut self, text: String, first: u32) -> Result<Logical, String> {
        let split = words::split(&text, self.escape);
        let mut heredocs = Vec::new();
        if heredoc::may_follow(&split, self.escape) {
            heredocs = heredoc::find(&text)?;
            for heredoc in &mut heredocs {
                self.read_body(heredoc)?;
            }
        }
        Ok(Logical { text, first, last: self.number, split, heredocs })
    }

    fn read_body(&mut self, heredoc: &mut Heredoc) -> Result<(), String> {
        while let Some(line) = self.next_raw() {
            let bare = line.trim_end_matches(['\r', '\n']);
            let bare = if heredoc.strips_tabs { bare.trim_start_matches('\t') } else { bare };
            if bare == heredoc.word {
                return Ok(());
            }
            heredoc.body.push_str(line);
        }
        Err(format!("the heredoc `<<{}` has no line that ends it", heredoc.word))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}
