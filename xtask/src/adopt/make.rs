//! Makefiles: their variables, and the commands of their recipes as shell scripts.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::found::{Found, Kind, Repository};
use super::shell::{self, Runner};

/// The deepest variables in variables.
const DEEPEST: usize = 16;

/// What the Makefile `file` builds.
pub(super) fn read(file: &Utf8Path, text: &str, repository: &Repository) -> Found {
    let make = Make::of(text);
    let folder = file.parent().unwrap_or(Utf8Path::new("")).to_owned();
    let mut found = Found::default();
    for rule in &make.rules {
        for stem in make.stems(rule) {
            for (line, command) in &rule.commands {
                let script = make.expand(command, &rule.target, &stem, 0);
                let mut runner = Runner::new(repository, file, Kind::Script, vec![folder.clone()]);
                runner.run(&shell::parse(&script, *line));
                found.extend(runner.found);
            }
        }
    }
    found
}

struct Rule {
    target: String,
    commands: Vec<(u32, String)>,
}

struct Make {
    variables: BTreeMap<String, String>,
    rules: Vec<Rule>,
    /// Every word that may name a target.
    words: Vec<String>,
}

impl Make {
    fn of(text: &str) -> Self {
        let mut make = Self { variables: BTreeMap::new(), rules: Vec::new(), words: Vec::new() };
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let mut whole = line.trim_end_matches('\r').to_owned();
            while whole.ends_with('\\')
                && let Some((next, _)) = lines.next()
            {
                whole.push('\n');
                whole.push_str(next.trim_end_matches('\r'));
            }
            make.line(&whole, number);
        }
        make
    }

    fn line(&mut self, line: &str, number: u32) {
        if let Some(command) = line.strip_prefix('\t') {
            if let Some(rule) = self.rules.last_mut() {
                let command = command.trim_start().trim_start_matches(['@', '-', '+']);
                rule.commands.push((number, command.to_owned()));
            }
            return;
        }
        let line = line.replace("\\\n", " ");
        let line = line.split(" #").next().unwrap_or_default().trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some(at) = line.find(['=', ':']).filter(|_| !line.starts_with('#')) else { return };
        let is_rule = line[at..].starts_with(':')
            && !line[at..].starts_with(":=")
            && !line[at..].starts_with("::=");
        if is_rule {
            let (target, needs) = (&line[..at], &line[at + 1..]);
            self.words.extend(format!("{target} {needs}").split_whitespace().map(str::to_owned));
            let commands = needs.split_once(';').map(|(_, command)| (number, command.to_owned()));
            for target in target.split_whitespace() {
                self.rules.push(Rule {
                    target: target.to_owned(),
                    commands: commands.iter().cloned().collect(),
                });
            }
            return;
        }
        let Some((name, value)) = line.split_once('=') else { return };
        let operator =
            name.trim_start_matches(|c: char| c.is_alphanumeric() || "_-.".contains(c)).trim();
        let name = name.trim_end_matches([':', '?', '+', '!']).trim();
        let value = value.trim();
        match operator {
            "+" => {
                let before = self.variables.entry(name.to_owned()).or_default();
                *before = format!("{before} {value}");
            }
            "?" => {
                self.variables.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            "!" => {
                self.variables.insert(name.to_owned(), format!("$(shell {value})"));
            }
            _ => {
                self.variables.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// What `%` stands for in a rule: each target of that shape that the file names.
    fn stems(&self, rule: &Rule) -> Vec<String> {
        let Some((before, after)) = rule.target.split_once('%') else { return vec![String::new()] };
        let words = self.words.iter().map(|word| self.expand(word, "", "", 0));
        let words: Vec<String> = words
            .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let stem = |word: &String| Some(word.strip_prefix(before)?.strip_suffix(after)?.to_owned());
        let mut stems: Vec<String> = words
            .iter()
            .filter_map(stem)
            .filter(|stem| !stem.is_empty() && !stem.contains('%'))
            .collect();
        stems.sort();
        stems.dedup();
        stems
    }

    /// `text` with make's variables, as a shell script. What make computes is left to the shell as a variable that
    /// nothing sets.
    fn expand(&self, text: &str, target: &str, stem: &str, depth: usize) -> String {
        let target = target.replacen('%', stem, 1);
        let mut out = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '$' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('$') => out.push('$'),
                Some('@') => out.push_str(&target),
                Some('*') => out.push_str(stem),
                Some(open @ ('(' | '{')) => {
                    let close = if open == '(' { ')' } else { '}' };
                    let mut inner = String::new();
                    let mut nested = 1;
                    for c in chars.by_ref() {
                        nested += i32::from(c == open) - i32::from(c == close);
                        if nested == 0 {
                            break;
                        }
                        inner.push(c);
                    }
                    out.push_str(&self.reference(&inner, &target, stem, depth));
                }
                Some(c) => out.extend(["${MAKE_", c.encode_utf8(&mut [0; 4]), "}"]),
                None => {}
            }
        }
        out
    }

    fn reference(&self, inner: &str, target: &str, stem: &str, depth: usize) -> String {
        if depth > DEEPEST {
            return "${MAKE}".to_owned();
        }
        let expand = |text: &str| self.expand(text, target, stem, depth + 1);
        match inner.split_once(char::is_whitespace) {
            Some(("shell", script)) => format!("$({})", expand(script)),
            Some(("addprefix", rest)) => {
                let (prefix, words) = rest.split_once(',').unwrap_or((rest, ""));
                let (prefix, words) = (expand(prefix.trim()), expand(words));
                words
                    .split_whitespace()
                    .map(|word| format!("{prefix}{word}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Some(("addsuffix", rest)) => {
                let (suffix, words) = rest.split_once(',').unwrap_or((rest, ""));
                let (suffix, words) = (expand(suffix.trim()), expand(words));
                words
                    .split_whitespace()
                    .map(|word| format!("{word}{suffix}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Some(("strip", rest)) => expand(rest).trim().to_owned(),
            Some(_) => "${MAKE}".to_owned(),
            None => match (inner, self.variables.get(inner)) {
                ("@", _) => target.to_owned(),
                ("*", _) => stem.to_owned(),
                ("CURDIR" | "PWD", _) => "${PWD}".to_owned(),
                ("MAKE", _) => "make".to_owned(),
                (_, Some(value)) => expand(value),
                (name, None) => format!("${{{name}}}"),
            },
        }
    }
}
