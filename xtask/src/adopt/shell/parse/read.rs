//! Characters, and what stands between words and commands.

use super::Parser;

impl Parser {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    pub(super) fn skip(&mut self) {
        self.next();
    }

    pub(super) fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.peek_at(n) == Some(c))
    }

    /// Blanks, continuations; comments where a word could begin.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.skip(),
                Some('\\') if self.peek_at(1) == Some('\n') => self.at_newline(1),
                Some('\\') if self.peek_at(1) == Some('\r') && self.peek_at(2) == Some('\n') => {
                    self.at_newline(2);
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.skip();
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn at_newline(&mut self, ahead: usize) {
        for _ in 0..=ahead {
            self.skip();
        }
    }

    /// What separates commands, here-documents included.
    pub(super) fn separators(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some('\n') => {
                    self.skip();
                    self.skip_heredocs();
                }
                Some(';' | '&' | '|') if !self.starts(";;") => self.skip(),
                _ => return,
            }
        }
    }

    pub(super) fn skip_heredocs(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.heredocs) {
            while self.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                let line = if tabs { line.trim_start_matches('\t') } else { &line };
                if line.trim_end_matches('\r') == end {
                    break;
                }
            }
        }
    }

    /// The unquoted word that begins here, without taking it.
    pub(super) fn keyword(&self) -> String {
        let rest = self.chars[self.at..].iter();
        rest.take_while(|c| !c.is_whitespace() && !";&|()<>\"'$`\\".contains(**c)).collect()
    }

    pub(super) fn take(&mut self, keyword: &str) -> bool {
        self.separators();
        let found = self.keyword() == keyword;
        if found {
            self.at += keyword.chars().count();
        }
        found
    }
}
