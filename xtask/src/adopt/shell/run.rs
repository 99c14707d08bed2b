//! Follows a script's tree: variables, loops, functions, folders.

mod expand;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::super::docker::{self, Spot};
use super::super::found::{Found, Kind, ROOT, Repository, joined};
use super::super::text::Text;
use super::variable::Value;
use super::{Assigned, Assignment, Condition, Node, Word, condition, parse};
use crate::mistake::Place;

/// The most commands that are followed in one script, and the deepest calls.
const MOST_STEPS: usize = 20_000;
const DEEPEST: usize = 12;

/// Follows one script.
pub(in super::super) struct Runner<'a> {
    pub(super) repository: &'a Repository,
    pub(in super::super) found: Found,
    kind: Kind,
    /// The file that is followed.
    file: Utf8PathBuf,
    /// Where it may stand now, the likeliest first.
    pub(super) folders: Vec<Utf8PathBuf>,
    variables: BTreeMap<String, Value>,
    /// `$1`, `$2`, …; nothing where they are not known.
    arguments: Option<Vec<Text>>,
    functions: BTreeMap<String, (Vec<String>, Vec<Node>)>,
    /// How many conditions are around.
    choices: usize,
    steps: usize,
    depth: usize,
}

impl<'a> Runner<'a> {
    pub(in super::super) fn new(
        repository: &'a Repository,
        file: &Utf8Path,
        kind: Kind,
        folders: Vec<Utf8PathBuf>,
    ) -> Self {
        let mut runner = Self {
            repository,
            found: Found::default(),
            kind,
            file: file.to_owned(),
            folders,
            variables: BTreeMap::new(),
            arguments: None,
            functions: BTreeMap::new(),
            choices: 0,
            steps: 0,
            depth: 0,
        };
        for (name, value) in surroundings(repository) {
            runner.set(name, value);
        }
        runner
    }

    pub(in super::super) fn set(&mut self, name: &str, value: Text) {
        self.variables.insert(name.to_owned(), Value::One(value));
    }

    /// Follows `nodes`.
    pub(in super::super) fn run(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.steps += 1;
            if self.steps > MOST_STEPS || self.depth > DEEPEST {
                return;
            }
            match node {
                Node::Simple { assignments, words, line } => self.simple(assignments, words, *line),
                Node::For { name, words, body } => {
                    let items: Vec<Text> =
                        words.iter().flat_map(|word| self.expand(word)).collect();
                    for item in items {
                        self.set(name, item);
                        self.run(body);
                    }
                }
                Node::Function { name, parameters, body } => {
                    self.functions.insert(name.to_lowercase(), (parameters.clone(), body.clone()));
                }
                Node::Group(body) => self.run(body),
                Node::Subshell(body) => {
                    let before = (self.folders.clone(), self.variables.clone());
                    self.run(body);
                    (self.folders, self.variables) = before;
                }
                Node::Choice(branches) => self.choose(branches),
            }
        }
    }

    /// The branch that is taken; every one that may be, where that is not known.
    fn choose(&mut self, branches: &[(Condition, Vec<Node>)]) {
        let mut certain = true;
        for (condition, branch) in branches {
            let holds = condition::holds(condition, self);
            if holds == Some(false) {
                continue;
            }
            certain &= holds.is_some();
            let folders = self.folders.clone();
            self.choices += usize::from(!certain);
            self.run(branch);
            self.choices -= usize::from(!certain);
            if holds == Some(true) {
                return;
            }
            self.folders = folders;
        }
    }

    fn simple(&mut self, assignments: &[Assignment], words: &[Word], line: u32) {
        let words: Vec<Text> = words.iter().flat_map(|word| self.expand(word)).collect();
        let declares = words.first().and_then(Text::as_known).is_some_and(|word| {
            ["export", "local", "declare", "readonly", "typeset"].contains(&word)
        });
        // Variables before a command hold for it alone.
        let before = (!words.is_empty() && !declares).then(|| self.variables.clone());
        for assignment in assignments {
            self.assign(assignment);
        }
        self.command(&words, line);
        if let Some(before) = before
            && !assignments.is_empty()
        {
            self.variables = before;
        }
    }

    fn command(&mut self, words: &[Text], line: u32) {
        let Some((first, rest)) = words.split_first() else { return };
        let Some(program) = first.as_known() else {
            return self.docker(rest, line);
        };
        if let Some((parameters, body)) = self.functions.get(&program.to_lowercase()).cloned() {
            return self.call(rest, &parameters, &body);
        }
        match program {
            "cd" | "pushd" | "chdir" | "set-location" | "Set-Location" | "Push-Location" => {
                if let Some(folder) = rest.iter().find(|word| !word.to_string().starts_with('-')) {
                    self.change_folder(folder);
                }
            }
            "shift" => {
                if let Some(arguments) = self.arguments.as_mut().filter(|all| !all.is_empty()) {
                    arguments.remove(0);
                }
            }
            "set" if rest.first().and_then(Text::as_known) == Some("--") => {
                self.arguments = Some(rest[1..].to_vec());
            }
            "source" | "." => self.other_script(rest, false),
            "bash" | "sh" | "zsh" => self.other_script(rest, true),
            _ if Utf8Path::new(program).extension() == Some("sh") => self.other_script(words, true),
            _ => self.docker(words, line),
        }
    }

    fn docker(&mut self, words: &[Text], line: u32) {
        let place = Place::new(&self.file, line, 1);
        let spot = Spot { place, kind: self.kind, folders: &self.folders };
        docker::read(words, &spot, &mut self.found);
    }

    fn call(&mut self, arguments: &[Text], parameters: &[String], body: &[Node]) {
        let before = (self.arguments.replace(arguments.to_vec()), self.variables.clone());
        let mut given = arguments.iter();
        let mut named = parameters.iter();
        while let Some(argument) = given.next() {
            let option = argument.as_known().and_then(|known| known.strip_prefix('-'));
            let by_name = option.and_then(|option| {
                parameters.iter().find(|parameter| parameter.eq_ignore_ascii_case(option))
            });
            match by_name {
                Some(parameter) => {
                    if let Some(value) = given.next() {
                        self.set(parameter, value.clone());
                    }
                }
                None => {
                    if let Some(parameter) = named.next() {
                        self.set(parameter, argument.clone());
                    }
                }
            }
        }
        self.depth += 1;
        self.run(body);
        self.depth -= 1;
        (self.arguments, self.variables) = before;
    }

    /// Another script of the repository: as a part of this one, or as a command of its own.
    fn other_script(&mut self, words: &[Text], own: bool) {
        let Some((name, arguments)) = words.split_first() else { return };
        let Some(name) = name.as_known() else { return };
        let found = self.folders.iter().find_map(|folder| {
            let file = joined(folder, name)?;
            self.repository.texts.get(&file).map(|text| (file, text))
        });
        let Some((file, text)) = found else { return };
        if self.depth > DEEPEST {
            return;
        }
        let before = (
            self.file.clone(),
            self.arguments.clone(),
            self.variables.clone(),
            self.folders.clone(),
        );
        self.file = file;
        if own {
            self.arguments = Some(arguments.to_vec());
        }
        self.depth += 1;
        self.run(&parse(text, 1));
        self.depth -= 1;
        self.file = before.0;
        self.arguments = before.1;
        if own {
            (self.variables, self.folders) = (before.2, before.3);
        }
    }

    pub(super) fn change_folder(&mut self, folder: &Text) {
        let Some(known) = folder.as_known() else { return };
        let mut changed: Vec<Utf8PathBuf> = Vec::new();
        for from in &self.folders {
            if let Some(to) = joined(from, known).filter(|to| self.repository.has(to))
                && !changed.contains(&to)
            {
                changed.push(to);
            }
        }
        if !changed.is_empty() {
            self.folders = changed;
        }
    }

    fn assign(&mut self, assignment: &Assignment) {
        let name = &assignment.name;
        let value = match &assignment.value {
            Assigned::Word(word) => Value::One(self.one(word)),
            Assigned::List(items) if items.iter().any(|(key, _)| key.is_some()) => {
                let entries = items.iter().map(|(key, word)| {
                    let key = key.as_ref().map(|key| self.one(key).to_string()).unwrap_or_default();
                    (key, self.one(word))
                });
                Value::Map(entries.collect())
            }
            Assigned::List(items) => {
                Value::List(items.iter().flat_map(|(_, word)| self.expand(word)).collect())
            }
        };
        let value = match (&assignment.index, value) {
            (Some(index), Value::One(text)) => {
                let key = self.one(index).to_string();
                let mut entries = match self.variables.get(name) {
                    Some(Value::Map(entries)) => entries.clone(),
                    _ => Vec::new(),
                };
                entries.retain(|(other, _)| *other != key);
                entries.push((key, text));
                Value::Map(entries)
            }
            (_, value) if assignment.append => self.appended(name, value),
            (_, value) => value,
        };
        let known = self.variables.get(name).is_some_and(Value::is_known);
        if self.choices > 0 && known && !value.is_known() {
            return;
        }
        self.variables.insert(name.clone(), value);
    }

    fn appended(&self, name: &str, value: Value) -> Value {
        match (self.variables.get(name), value) {
            (Some(Value::One(before)), Value::One(more)) => {
                let mut text = before.clone();
                text.push(more);
                Value::One(text)
            }
            (Some(Value::Map(before)), Value::Map(more)) => {
                Value::Map(before.iter().cloned().chain(more).collect())
            }
            (Some(before), more) => {
                Value::List(before.all().into_iter().chain(more.all()).collect())
            }
            (None, value) => value,
        }
    }
}

/// Variables that are known wherever a script runs.
fn surroundings(repository: &Repository) -> Vec<(&'static str, Text)> {
    let mut known = vec![
        ("GITHUB_SHA", Text::fact("commit")),
        ("GITHUB_REF_NAME", Text::fact("branch")),
        ("CI_COMMIT_SHA", Text::fact("commit")),
        ("CI_COMMIT_REF_SLUG", Text::fact("branch")),
        ("GITHUB_WORKSPACE", Text::known(ROOT)),
    ];
    if let Some(github) = &repository.github {
        let owner = github.split('/').next().unwrap_or(github);
        known.push(("GITHUB_REPOSITORY", Text::known(github.clone())));
        known.push(("GITHUB_REPOSITORY_OWNER", Text::known(owner)));
    }
    known
}
