//! What `adopt` writes, and what it leaves to a person.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::PlanJson;
use crate::adopt::{Adoption, File, Lines, Note};
use crate::mistake::Place;

/// `adopt --json`.
#[derive(Debug, Serialize)]
pub struct AdoptJson<'a> {
    version: u32,
    /// Whether the files are there now.
    written: bool,
    files: Vec<FileJson<'a>>,
    /// What a person adds to files that exist.
    lines: Vec<LinesJson<'a>>,
    notes: Vec<NoteJson<'a>>,
    /// `plan --json`; nothing where it cannot be made yet.
    plan: Option<PlanJson>,
    /// Why there is no plan.
    mistakes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FileJson<'a> {
    path: &'a str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct LinesJson<'a> {
    path: &'a str,
    place: &'a str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct NoteJson<'a> {
    file: &'a str,
    line: u32,
    what: &'a str,
}

impl<'a> AdoptJson<'a> {
    pub fn new(
        adoption: &'a Adoption,
        written: bool,
        plan: Option<PlanJson>,
        mistakes: Vec<String>,
    ) -> Self {
        let file = |file: &'a File| FileJson { path: file.path.as_str(), text: &file.text };
        let lines = |lines: &'a Lines| LinesJson {
            path: lines.path.as_str(),
            place: &lines.place,
            text: &lines.text,
        };
        let note = |note: &'a Note| {
            let Place { file, line, .. } = &note.place;
            NoteJson { file: file.as_str(), line: *line, what: &note.what }
        };
        Self {
            version: 1,
            written,
            files: adoption.files.iter().map(file).collect(),
            lines: adoption.lines.iter().map(lines).collect(),
            notes: adoption.notes.iter().map(note).collect(),
            plan,
            mistakes,
        }
    }
}

/// The files, with their texts where they are not `written`, and the lines that a person adds.
pub fn adoption(adoption: &Adoption, written: bool) -> String {
    let bold = Style::new().bold();
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for File { path, text: content } in &adoption.files {
        let _written = writeln!(text, "{bold}{path}{bold:#}");
        if !written {
            let _written = writeln!(text, "{}", indented(content));
        }
    }
    for Lines { path, place, text: content } in &adoption.lines {
        let _written =
            writeln!(text, "{yellow}{path}{yellow:#} exists: add {place}\n{}", indented(content));
    }
    text
}

/// Control characters in what is taken from a repository would reach the terminal.
fn indented(text: &str) -> String {
    let line = |line: &str| {
        let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if plain.is_empty() { "\n".to_owned() } else { format!("    {plain}\n") }
    };
    text.lines().map(line).collect()
}
