//! What differs between the inputs of a recorded build and those of now?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8PathBuf;

use crate::key::{Inputs, Line, PlatformKey, Record};

/// The lines of recorded manifests, by digest.
pub type Lines = BTreeMap<String, Vec<Line>>;

/// One input that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    Dockerfile,
    /// A path of a context.
    File {
        /// Relative to the workspace root.
        path: Utf8PathBuf,
        how: How,
        /// The instruction that reads it.
        instruction: String,
        /// The Dockerfile's name and the line: `Dockerfile:12`.
        place: String,
    },
    /// A line of an ignore file.
    IgnoreRule {
        file: Utf8PathBuf,
        rule: String,
        added: bool,
    },
    Argument {
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    Parent {
        name: String,
    },
    Base {
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    /// An option of the build: platform, target, network, a secret's id, …
    Option {
        name: String,
        old: Option<String>,
        new: Option<String>,
    },
    /// Files of which no list was kept.
    Files {
        what: String,
    },
    /// The key is made in another way now.
    Dockyard,
}

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum How {
    Content,
    /// Permission bits, in octal.
    Mode {
        old: String,
        new: String,
    },
    Added,
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dockerfile => f.write_str("changed: the Dockerfile"),
            Self::File { path, how, instruction, place } => {
                let path = shown(path);
                match how {
                    How::Content => write!(f, "changed: {path}"),
                    How::Mode { old, new } => write!(f, "mode changed: {path} {old} → {new}"),
                    How::Added => write!(f, "new: {path}"),
                    How::Removed => write!(f, "gone: {path}"),
                }?;
                write!(f, " ({instruction}, {place})")
            }
            Self::IgnoreRule { file, rule, added: true } => {
                write!(f, "new ignore rule: {rule} ({file})")
            }
            Self::IgnoreRule { file, rule, added: false } => {
                write!(f, "ignore rule gone: {rule} ({file})")
            }
            Self::Argument { name, old, new } => changed(f, &format!("argument {name}"), old, new),
            Self::Parent { name } => write!(f, "changed: the parent {name}"),
            Self::Base { name, old, new } => changed(f, &format!("base {name}"), old, new),
            Self::Option { name, old, new } => changed(f, name, old, new),
            Self::Files { what } => write!(f, "changed: {what}"),
            Self::Dockyard => f.write_str("the record was written by another version of Dockyard"),
        }
    }
}

fn changed(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    old: &Option<String>,
    new: &Option<String>,
) -> fmt::Result {
    let value =
        |value: &str| if value.is_empty() { "(empty)".to_owned() } else { value.to_owned() };
    match (old, new) {
        (Some(old), Some(new)) => write!(f, "changed: {what}: {} → {}", value(old), value(new)),
        (None, Some(new)) if new.is_empty() => write!(f, "new: {what}"),
        (None, Some(new)) => write!(f, "new: {what}: {new}"),
        (_, None) => write!(f, "gone: {what}"),
    }
}

fn shown(path: &Utf8PathBuf) -> &str {
    if path.as_str().is_empty() { "." } else { path.as_str() }
}

/// Everything that differs; never empty where the keys differ. `dockerfile` is its file's name.
pub fn changes(record: &Record, now: &PlatformKey, lines: &Lines, dockerfile: &str) -> Vec<Change> {
    let mut changes = of_inputs(&record.inputs, &now.inputs);
    let (mut files, all_known) = of_files(record, now, lines, dockerfile);
    if !files.is_empty() {
        changes.extend(of_ignores(record, now));
    }
    changes.append(&mut files);
    if !all_known {
        changes.extend(of_unknown_files(&record.inputs, &now.inputs));
    }
    if changes.is_empty() {
        changes.push(Change::Dockyard);
    }
    changes.sort();
    changes.dedup();
    changes
}

/// What differs besides files.
pub(crate) fn of_inputs(before: &Inputs, now: &Inputs) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (before.get(name).cloned(), now.get(name).cloned());
        if old == new {
            continue;
        }
        let change = match name.split_once(' ').unwrap_or((name, "")) {
            ("files", _) => continue,
            ("dockerfile", _) => Change::Dockerfile,
            ("schema", _) => Change::Dockyard,
            ("argument", name) => Change::Argument { name: name.to_owned(), old, new },
            ("parent", rest) => {
                let name = rest.split(' ').next().unwrap_or(rest);
                Change::Parent { name: name.to_owned() }
            }
            ("base", name) => Change::Base { name: name.to_owned(), old, new },
            _ => {
                let name = name.strip_prefix("option ").unwrap_or(name);
                Change::Option { name: name.to_owned(), old, new }
            }
        };
        changes.push(change);
    }
    changes
}

fn of_unknown_files(before: &Inputs, now: &Inputs) -> Vec<Change> {
    let changed = |(name, value): &(&String, &String)| {
        name.starts_with("files ") && before.get(*name) != Some(*value)
    };
    let files = now.iter().filter(changed);
    files.map(|(name, _)| Change::Files { what: name.clone() }).collect()
}

fn of_ignores(record: &Record, now: &PlatformKey) -> Vec<Change> {
    let files: BTreeSet<&Utf8PathBuf> = record.ignores.keys().chain(now.ignores.keys()).collect();
    let rules = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    };
    let mut changes = Vec::new();
    for file in files {
        let old = rules(record.ignores.get(file).map_or("", String::as_str));
        let new = rules(now.ignores.get(file).map_or("", AsRef::as_ref));
        let change = |rule: &String, added| Change::IgnoreRule {
            file: file.clone(),
            rule: rule.clone(),
            added,
        };
        changes.extend(new.difference(&old).map(|rule| change(rule, true)));
        changes.extend(old.difference(&new).map(|rule| change(rule, false)));
    }
    changes
}

struct Seen {
    line: Line,
    instruction: String,
    place: String,
}

/// The files that differ, and whether every list of files was there.
fn of_files(
    record: &Record,
    now: &PlatformKey,
    lines: &Lines,
    dockerfile: &str,
) -> (Vec<Change>, bool) {
    let of_now: Vec<(String, &crate::key::Read)> =
        now.reads.iter().map(|read| (read.manifest.digest(), read)).collect();
    let mut known = true;
    let mut old: BTreeMap<Utf8PathBuf, Seen> = BTreeMap::new();
    for read in &record.reads {
        let is_same = |(digest, other): &(String, &crate::key::Read)| {
            *digest == read.manifest && other.folder == read.folder
        };
        if of_now.iter().any(is_same) {
            continue;
        }
        match lines.get(&read.manifest) {
            Some(lines) => {
                for line in lines {
                    old.entry(read.folder.join(&line.path)).or_insert_with(|| Seen {
                        line: line.clone(),
                        instruction: read.instruction.clone(),
                        place: format!("{dockerfile}:{}", read.line),
                    });
                }
            }
            None => known = false,
        }
    }
    let mut new: BTreeMap<Utf8PathBuf, Seen> = BTreeMap::new();
    for (digest, read) in &of_now {
        let is_same = |other: &crate::key::ReadRecord| {
            *digest == other.manifest && other.folder == read.folder
        };
        if record.reads.iter().any(is_same) {
            continue;
        }
        let Ok(lines) = read.manifest.lines() else {
            known = false;
            continue;
        };
        for line in lines {
            new.entry(read.folder.join(&line.path)).or_insert_with(|| Seen {
                line,
                instruction: read.instruction.clone(),
                place: format!("{dockerfile}:{}", read.line),
            });
        }
    }
    if known { (compare(&old, &new), true) } else { (Vec::new(), false) }
}

fn compare(old: &BTreeMap<Utf8PathBuf, Seen>, new: &BTreeMap<Utf8PathBuf, Seen>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut folders = Vec::new();
    let mut add = |path: &Utf8PathBuf, how: How, seen: &Seen| {
        let (path, instruction) = (path.clone(), seen.instruction.clone());
        let change =
            Change::File { path: path.clone(), how, instruction, place: seen.place.clone() };
        if seen.line.content == "folder" {
            folders.push((path, change))
        } else {
            changes.push(change)
        }
    };
    for (path, now) in new {
        match old.get(path) {
            None => add(path, How::Added, now),
            Some(before) if before.line.content != now.line.content => {
                add(path, How::Content, now);
            }
            Some(before) if before.line.mode != now.line.mode => {
                let octal = |line: &Line| format!("{:o}", line.mode);
                add(path, How::Mode { old: octal(&before.line), new: octal(&now.line) }, now);
            }
            Some(_) => {}
        }
    }
    for (path, before) in old.iter().filter(|(path, _)| !new.contains_key(*path)) {
        add(path, How::Removed, before);
    }
    // A folder comes and goes with what is in it.
    for (folder, change) in folders {
        let is_told = matches!(&change, Change::File { how: How::Added | How::Removed, .. })
            && changes.iter().any(
                |other| matches!(other, Change::File { path, .. } if path.starts_with(&folder)),
            );
        if !is_told {
            changes.push(change);
        }
    }
    changes
}
