//! A shell script's text as a tree.

mod read;
mod word;

use super::{Assigned, Assignment, Condition, Node, Part, Word};
use word::words_of;

/// The deepest nesting that is read.
const DEEPEST: usize = 60;
const DECLARING: [&str; 5] = ["export", "local", "declare", "readonly", "typeset"];

/// The commands of `script`, whose first line is `line`. What cannot be read is left out.
pub(in super::super) fn parse(script: &str, line: u32) -> Vec<Node> {
    let mut parser =
        Parser { chars: script.chars().collect(), at: 0, line, depth: 0, heredocs: Vec::new() };
    let mut nodes = Vec::new();
    while parser.at < parser.chars.len() {
        nodes.extend(parser.list(&[]));
        // What ends nothing that was begun.
        parser.skip();
    }
    nodes
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    line: u32,
    depth: usize,
    /// Words that end the here-documents of this line, and whether tabs are stripped.
    heredocs: Vec<(String, bool)>,
}

impl Parser {
    /// Commands up to one of the keywords `until`, or `)` or `;;`.
    fn list(&mut self, until: &[&str]) -> Vec<Node> {
        let mut nodes = Vec::new();
        self.depth += 1;
        while self.depth < DEEPEST {
            self.separators();
            let Some(c) = self.peek() else { break };
            if c == ')' || self.starts(";;") || until.contains(&self.keyword().as_str()) {
                break;
            }
            let before = self.at;
            nodes.extend(self.command());
            if self.at == before {
                self.skip();
            }
        }
        self.depth -= 1;
        nodes
    }

    fn command(&mut self) -> Option<Node> {
        if self.starts("((") {
            self.arithmetic();
            return None;
        }
        if self.peek() == Some('(') {
            self.skip();
            let body = self.list(&[]);
            self.close();
            return Some(Node::Subshell(body));
        }
        let keyword = self.keyword();
        match keyword.as_str() {
            "if" => Some(self.condition()),
            "while" | "until" => {
                self.at += keyword.len();
                let mut body = self.list(&["do"]);
                body.extend(self.body());
                Some(Node::Group(body))
            }
            "for" | "select" => {
                self.at += keyword.len();
                Some(self.each())
            }
            "case" => {
                self.at += keyword.len();
                Some(self.case())
            }
            "function" => {
                self.at += keyword.len();
                self.blanks();
                let name = self.keyword();
                self.at += name.chars().count();
                self.blanks();
                if self.starts("()") {
                    self.at += 2;
                }
                Some(self.function(name))
            }
            "{" => {
                self.at += 1;
                let body = self.list(&["}"]);
                self.take("}");
                Some(Node::Group(body))
            }
            "!" | "time" | "then" | "do" => {
                self.at += keyword.len();
                None
            }
            "[[" => Some(self.double_brackets()),
            _ => self.simple(),
        }
    }

    /// `[[ … ]]`, whose words are no redirections and no lists.
    fn double_brackets(&mut self) -> Node {
        let line = self.line;
        let mut words = Vec::new();
        loop {
            self.blanks();
            let is_end = self.starts("]]");
            match self.word() {
                Some(word) => words.push(word),
                None if matches!(self.peek(), None | Some('\n')) => break,
                None => {
                    let c = self.next().unwrap_or_default();
                    words.push(Word { parts: vec![(Part::Unknown(c.to_string()), true)] });
                }
            }
            if is_end {
                break;
            }
        }
        Node::Simple { assignments: Vec::new(), words, line }
    }

    fn close(&mut self) {
        self.separators();
        if self.peek() == Some(')') {
            self.skip();
        }
    }

    fn arithmetic(&mut self) {
        while self.peek().is_some() && !self.starts("))") {
            self.skip();
        }
        self.at = (self.at + 2).min(self.chars.len());
    }

    fn condition(&mut self) -> Node {
        self.at += 2;
        let (mut nodes, first) = self.test();
        let mut branches = Vec::new();
        branches.push((first, self.list(&["elif", "else", "fi"])));
        while self.take("elif") {
            let (more, condition) = self.test();
            nodes.extend(more);
            branches.push((condition, self.list(&["elif", "else", "fi"])));
        }
        if self.take("else") {
            branches.push((Condition::Else, self.list(&["fi"])));
        }
        self.take("fi");
        nodes.push(Node::Choice(branches));
        Node::Group(nodes)
    }

    /// What stands between `if` and `then`: its commands, and the condition where it is a single test.
    fn test(&mut self) -> (Vec<Node>, Condition) {
        let start = self.at;
        let nodes = self.list(&["then"]);
        let text: String = self.chars[start..self.at].iter().collect();
        self.take("then");
        let single =
            !["&&", "||", "!", "|"].iter().any(|other| text.replace("!=", "").contains(other));
        let condition = match nodes.as_slice() {
            [Node::Simple { words, assignments, .. }] if single && assignments.is_empty() => {
                match words.as_slice() {
                    [first, inner @ .., _] if matches!(first.bare(), Some("[" | "[[")) => {
                        Condition::Test(inner.to_vec())
                    }
                    [first, inner @ ..] if first.bare() == Some("test") => {
                        Condition::Test(inner.to_vec())
                    }
                    _ => Condition::Unknown,
                }
            }
            _ => Condition::Unknown,
        };
        (nodes, condition)
    }

    fn body(&mut self) -> Vec<Node> {
        self.take("do");
        let body = self.list(&["done"]);
        self.take("done");
        body
    }

    fn each(&mut self) -> Node {
        self.blanks();
        if self.starts("((") {
            self.arithmetic();
            return Node::Group(self.body());
        }
        let name = self.keyword();
        self.at += name.chars().count();
        self.blanks();
        let mut words = vec![Word { parts: vec![(Part::Unknown("$@".to_owned()), true)] }];
        if self.keyword() == "in" {
            self.at += 2;
            words = self.words();
        }
        Node::For { name, words, body: self.body() }
    }

    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.word() {
                Some(word) => words.push(word),
                None => return words,
            }
        }
    }

    fn case(&mut self) -> Node {
        self.blanks();
        let subject = self.word().unwrap_or_default();
        self.take("in");
        let mut branches = Vec::new();
        loop {
            self.separators();
            if self.peek().is_none() || self.keyword() == "esac" {
                break;
            }
            let mut patterns = Vec::new();
            while self.peek().is_some_and(|c| c != ')' && c != '\n') {
                let before = self.at;
                self.blanks();
                patterns.extend(self.word());
                self.blanks();
                if matches!(self.peek(), Some('|' | '(')) || self.at == before {
                    self.skip();
                }
            }
            self.skip();
            branches.push((Condition::Case(subject.clone(), patterns), self.list(&["esac"])));
            if self.starts(";;") {
                self.at += 2;
                while matches!(self.peek(), Some('&')) {
                    self.skip();
                }
            } else if self.peek() == Some(')') {
                self.skip();
            }
        }
        self.take("esac");
        Node::Choice(branches)
    }

    fn function(&mut self, name: String) -> Node {
        self.separators();
        self.depth += 1;
        let body = if self.depth < DEEPEST { self.command() } else { None };
        self.depth -= 1;
        let body = body.into_iter().collect();
        Node::Function { name, parameters: Vec::new(), body }
    }

    fn simple(&mut self) -> Option<Node> {
        let line = self.line;
        let (mut assignments, mut words): (Vec<Assignment>, Vec<Word>) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            if self.redirection() {
                continue;
            }
            let declares =
                words.first().and_then(Word::bare).is_some_and(|word| DECLARING.contains(&word));
            if (words.is_empty() || declares)
                && let Some(assignment) = self.assignment()
            {
                assignments.push(assignment);
                continue;
            }
            let Some(word) = self.word() else { break };
            words.push(word);
            if let ([word], Some('(')) = (words.as_slice(), self.peek())
                && let Some(name) = word.bare().map(str::to_owned)
            {
                self.skip();
                self.blanks();
                if self.peek() == Some(')') {
                    self.skip();
                    return Some(self.function(name));
                }
            }
        }
        let nothing = assignments.is_empty() && words.is_empty();
        (!nothing).then_some(Node::Simple { assignments, words, line })
    }

    /// `2>file`, `<<END`, `>&2`: taken, and whether there was one.
    fn redirection(&mut self) -> bool {
        let mut ahead = 0;
        while self.peek_at(ahead).is_some_and(|c| c.is_ascii_digit()) {
            ahead += 1;
        }
        if self.peek_at(ahead) == Some('&') && self.peek_at(ahead + 1) == Some('>') {
            ahead += 1;
        }
        if !matches!(self.peek_at(ahead), Some('<' | '>')) {
            return false;
        }
        self.at += ahead;
        // `<(…)` is a word of its own kind.
        if self.peek_at(1) == Some('(') {
            self.at += 2;
            let _inner = self.enclosed('(', ')');
            return true;
        }
        let is_heredoc = self.starts("<<") && !self.starts("<<<");
        while matches!(self.peek(), Some('<' | '>' | '&' | '|')) {
            self.skip();
        }
        let tabs = is_heredoc && self.peek() == Some('-');
        if self.peek() == Some('-') {
            self.skip();
        }
        self.blanks();
        let word = self.word();
        if is_heredoc && let Some(word) = word {
            let end = word.parts.iter().map(|(part, _)| match part {
                Part::Text(text) => text.as_str(),
                _ => "",
            });
            self.heredocs.push((end.collect(), tabs));
        }
        true
    }

    /// `NAME=…`, `NAME+=…`, `NAME[…]=…`.
    fn assignment(&mut self) -> Option<Assignment> {
        let start = (self.at, self.line);
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.skip();
        }
        let mut index = None;
        if self.peek() == Some('[') && !name.is_empty() {
            self.skip();
            index = Some(words_of(&self.enclosed('[', ']')));
        }
        let append = self.starts("+=");
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !(append || self.peek() == Some('='))
        {
            (self.at, self.line) = start;
            return None;
        }
        self.at += if append { 2 } else { 1 };
        let value = if self.peek() == Some('(') {
            self.skip();
            Assigned::List(self.array())
        } else {
            Assigned::Word(self.word().unwrap_or_default())
        };
        Some(Assignment { name, index, append, value })
    }

    fn array(&mut self) -> Vec<(Option<Word>, Word)> {
        let mut items = Vec::new();
        loop {
            self.separators();
            match self.peek() {
                None => return items,
                Some(')') => {
                    self.skip();
                    return items;
                }
                Some('[') => {
                    self.skip();
                    let key = words_of(&self.enclosed('[', ']'));
                    if self.peek() == Some('=') {
                        self.skip();
                    }
                    items.push((Some(key), self.word().unwrap_or_default()));
                }
                Some(_) => match self.word() {
                    Some(word) => items.push((None, word)),
                    None => self.skip(),
                },
            }
        }
    }
}
