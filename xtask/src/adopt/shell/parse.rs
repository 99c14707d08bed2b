//! A shell script's text as a tree.

use super::{Assigned, Assignment, Condition, Node, Part, Variable, Word};

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
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip(&mut self) {
        self.next();
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.peek_at(n) == Some(c))
    }

    /// Blanks, continuations; comments where a word could begin.
    fn blanks(&mut self) {
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

    fn at_newline(&mut self, ahead: usize) {
        for _ in 0..=ahead {
            self.skip();
        }
    }

    /// What separates commands, here-documents included.
    fn separators(&mut self) {
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

    fn skip_heredocs(&mut self) {
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
    fn keyword(&self) -> String {
        let rest = self.chars[self.at..].iter();
        rest.take_while(|c| !c.is_whitespace() && !";&|()<>\"'$`\\".contains(**c)).collect()
    }

    fn take(&mut self, keyword: &str) -> bool {
        self.separators();
        let found = self.keyword() == keyword;
        if found {
            self.at += keyword.chars().count();
        }
        found
    }

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

    /// The text up to the `close` of what was opened.
    fn enclosed(&mut self, open: char, close: char) -> String {
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

    fn word(&mut self) -> Option<Word> {
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

    fn double_quoted(&mut self, word: &mut Word) {
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
    fn dollar(&mut self) -> Part {
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
}

fn push(word: &mut Word, c: char, quoted: bool) {
    match word.parts.last_mut() {
        Some((Part::Text(text), as_quoted)) if *as_quoted == quoted => text.push(c),
        _ => word.parts.push((Part::Text(c.to_string()), quoted)),
    }
}

fn variable(name: String) -> Variable {
    let written = format!("${name}");
    Variable { name, index: None, keys: false, operation: None, written }
}

/// A word that is the whole of `text`, blanks included.
fn words_of(text: &str) -> Word {
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
fn braces(inner: &str) -> Part {
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
