//! PowerShell scripts as the same tree that shell scripts become.

mod word;

use super::shell::{Assigned, Assignment, Condition, Node, Part, Variable, Word};
use word::{list_of, parameter_names, split_in, variable};

/// The deepest nesting that is read.
const DEEPEST: usize = 60;

/// The commands of `script`, whose first line is `line`. What cannot be read is left out.
pub(super) fn parse(script: &str, line: u32) -> Vec<Node> {
    let mut parser = Parser { chars: script.chars().collect(), at: 0, line, depth: 0 };
    let mut nodes = Vec::new();
    while parser.at < parser.chars.len() {
        nodes.extend(parser.list());
        parser.next();
    }
    nodes
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    line: u32,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c))
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        self.line += u32::from(c == '\n');
        Some(c)
    }

    /// Blanks, continuations and comments; line ends too where `lines`.
    fn blanks(&mut self, lines: bool) {
        loop {
            if self.starts("<#") {
                while self.peek().is_some() && !self.starts("#>") {
                    self.next();
                }
                self.at = (self.at + 2).min(self.chars.len());
            } else if self.starts("`\n") || self.starts("`\r\n") {
                while self.next() != Some('\n') {}
            } else {
                match self.peek() {
                    Some(' ' | '\t' | '\r') => {
                        self.next();
                    }
                    Some('\n' | ';' | ',') if lines => {
                        self.next();
                    }
                    Some('#') => {
                        while self.peek().is_some_and(|c| c != '\n') {
                            self.next();
                        }
                    }
                    _ => return,
                }
            }
        }
    }

    /// Commands up to `}` or the end.
    fn list(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        self.depth += 1;
        while self.depth < DEEPEST {
            self.blanks(true);
            if self.peek().is_none_or(|c| c == '}') {
                break;
            }
            let before = self.at;
            nodes.extend(self.statement());
            if self.at == before {
                self.next();
            }
        }
        self.depth -= 1;
        nodes
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || "_-".contains(*c)) {
            name.push(c);
            self.next();
        }
        name
    }

    /// `{ … }`.
    fn block(&mut self) -> Vec<Node> {
        self.blanks(true);
        if self.peek() != Some('{') {
            return Vec::new();
        }
        self.next();
        let body = self.list();
        self.next();
        body
    }

    /// The text between `(` and its `)`.
    fn parentheses(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 0;
        while let Some(c) = self.next() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0 {
                break;
            }
            text.push(c);
        }
        text.split_off(text.find('(').map_or(0, |at| at + 1).min(text.len()))
    }

    fn statement(&mut self) -> Option<Node> {
        // A type before a variable.
        while self.peek() == Some('[') {
            while self.next().is_some_and(|c| c != ']') {}
            self.blanks(false);
        }
        let start = (self.at, self.line);
        if self.peek() == Some('$')
            && let Some(node) = self.assignment()
        {
            return Some(node);
        }
        (self.at, self.line) = start;
        let keyword = self.name().to_lowercase();
        match keyword.as_str() {
            "function" => {
                self.blanks(false);
                let name = self.name();
                self.blanks(true);
                let mut parameters = Vec::new();
                if self.peek() == Some('(') {
                    parameters = parameter_names(&self.parentheses());
                }
                let body = self.block();
                let declared = body.iter().find_map(|node| match node {
                    Node::Group(inner) => inner.iter().find_map(|node| match node {
                        Node::Function { name, parameters, .. } if name == "param" => {
                            Some(parameters.clone())
                        }
                        _ => None,
                    }),
                    _ => None,
                });
                Some(Node::Function { name, parameters: declared.unwrap_or(parameters), body })
            }
            // Kept as a mark: its function takes the names, and default values hold in its body.
            "param" => {
                self.blanks(true);
                let text = self.parentheses();
                let defaults = Parser {
                    chars: text.chars().collect(),
                    at: 0,
                    line: self.line,
                    depth: self.depth,
                }
                .list();
                let defaults = defaults.into_iter().map(only_where_unset).collect();
                Some(Node::Group(vec![
                    Node::Function {
                        name: "param".to_owned(),
                        parameters: parameter_names(&text),
                        body: Vec::new(),
                    },
                    Node::Group(defaults),
                ]))
            }
            "foreach" => {
                self.blanks(true);
                let text = self.parentheses();
                let (variable, items) = split_in(&text)?;
                let words = list_of(items, self.line);
                Some(Node::For { name: variable, words, body: self.block() })
            }
            "if" | "while" | "switch" => {
                self.blanks(true);
                let first = condition(&self.parentheses());
                let mut branches = vec![(first, self.block())];
                loop {
                    let before = (self.at, self.line);
                    self.blanks(true);
                    match self.name().to_lowercase().as_str() {
                        "elseif" => {
                            self.blanks(true);
                            let next = condition(&self.parentheses());
                            branches.push((next, self.block()));
                        }
                        "else" => branches.push((Condition::Else, self.block())),
                        _ => {
                            (self.at, self.line) = before;
                            return Some(Node::Choice(branches));
                        }
                    }
                }
            }
            "try" | "catch" | "finally" | "do" | "else" => Some(Node::Group(self.block())),
            _ => {
                (self.at, self.line) = start;
                self.command()
            }
        }
    }

    /// `$name = …`, `$env:NAME = …`.
    fn assignment(&mut self) -> Option<Node> {
        let line = self.line;
        self.next();
        let name = self.variable_name();
        self.blanks(false);
        let append = self.starts("+=");
        if name.is_empty() || !(append || (self.peek() == Some('=') && !self.starts("=="))) {
            return None;
        }
        self.at += if append { 2 } else { 1 };
        self.blanks(false);
        let value = if self.starts("@(") {
            self.next();
            let items = self.parentheses();
            Assigned::List(list_of(&items, line).into_iter().map(|word| (None, word)).collect())
        } else if self.starts("@{") {
            self.at += 2;
            Assigned::List(self.table())
        } else {
            let mut words = self.words();
            match (words.len(), words.pop()) {
                (1, Some(word)) => Assigned::Word(word),
                (0, _) | (_, None) => Assigned::Word(Word::default()),
                // What a command gives.
                _ => {
                    Assigned::Word(Word { parts: vec![(Part::Unknown(format!("${name}")), true)] })
                }
            }
        };
        let assignment = Assignment { name, index: None, append, value };
        Some(Node::Simple { assignments: vec![assignment], words: Vec::new(), line })
    }

    /// `key = value` lines up to `}`.
    fn table(&mut self) -> Vec<(Option<Word>, Word)> {
        let mut entries = Vec::new();
        loop {
            self.blanks(true);
            match self.peek() {
                None => return entries,
                Some('}') => {
                    self.next();
                    return entries;
                }
                Some(_) => {}
            }
            let before = self.at;
            let key = self.word();
            self.blanks(false);
            if self.peek() == Some('=') {
                self.next();
                self.blanks(false);
                if let (Some(key), Some(value)) = (key, self.word()) {
                    entries.push((Some(key), value));
                }
            }
            if self.at == before {
                self.next();
            }
        }
    }

    fn command(&mut self) -> Option<Node> {
        let line = self.line;
        if self.peek() == Some('&') {
            self.next();
        }
        let words = self.words();
        (!words.is_empty()).then_some(Node::Simple { assignments: Vec::new(), words, line })
    }
}

/// A parameter's default value gives way to what the caller says.
fn only_where_unset(node: Node) -> Node {
    let Node::Simple { mut assignments, words, line } = node else { return node };
    for assignment in &mut assignments {
        if let Assigned::Word(default) = &assignment.value {
            let operation = Some((":-".to_owned(), Box::new(default.clone())));
            let variable = Variable { operation, ..variable(assignment.name.clone()) };
            assignment.value =
                Assigned::Word(Word { parts: vec![(Part::Variable(variable), true)] });
        }
    }
    Node::Simple { assignments, words, line }
}

/// `$name -eq "text"` and `-ne`; everything else is not known.
fn condition(text: &str) -> Condition {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, line: 0, depth: 0 };
    let words = parser.words();
    let [left, operator, right] = words.as_slice() else { return Condition::Unknown };
    match operator.bare() {
        Some("-eq") => Condition::Test(vec![left.clone(), Word::plain("="), right.clone()]),
        Some("-ne") => Condition::Test(vec![left.clone(), Word::plain("!="), right.clone()]),
        _ => Condition::Unknown,
    }
}
