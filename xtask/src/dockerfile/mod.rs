//! What does a Dockerfile say, and what does building one of its stages reach, need and read?
//!
//! Reads as BuildKit's own frontend does, and is compared with it (`tests/buildkit_reader.rs`). Deliberately does not
//! run, fetch, or open anything, and knows nothing of this workspace's images. Used by the graph, the keys and `lint`.

mod command;
mod directives;
mod heredoc;
mod instruction;
mod lex;
mod lines;
mod mount;
mod pattern;
mod resolve;
mod table;
mod words;

use camino::{Utf8Path, Utf8PathBuf};

use crate::mistake::{Mistake, Mistakes, Place};

pub use dockyard_context::ignore;
pub use heredoc::Heredoc;
pub use instruction::{Command, Copy, Instruction};
pub use resolve::{
    Arguments, Base, ContextRead, ImageUse, ReachedStage, Reading, Request, Resolved, Sighting, Via,
};
pub use table::{Class, Flag, Form, INSTRUCTIONS, Known, MOUNT_KEYS, MOUNT_TYPES};

/// The build argument that replaces the frontend which `# syntax=` asks for (buildx, `toSolveOpt`).
pub const FRONTEND_ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// A Dockerfile, parsed: every instruction, nothing expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    path: Utf8PathBuf,
    text: String,
    escape: char,
    instructions: Vec<Instruction>,
}

/// A stage as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage<'a> {
    pub index: usize,
    /// In lower case.
    pub name: Option<&'a str>,
    /// What stands after `FROM`, not expanded.
    pub base: &'a str,
    /// `--platform`, not expanded.
    pub platform: Option<&'a str>,
    pub line: u32,
}

impl Dockerfile {
    /// Parses `text`; `path` is only for the places in mistakes.
    ///
    /// # Errors
    /// Every mistake of syntax, those that BuildKit itself makes of a text.
    pub fn parse(path: &Utf8Path, text: &str) -> Result<Self, Mistakes> {
        let read = lines::read(text);
        let mut file = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            escape: read.escape,
            instructions: Vec::new(),
        };
        let frontend = command::Frontend { escape: read.escape, other: file.syntax().is_some() };
        let mut mistakes: Mistakes = (read.wrong.into_iter())
            .map(|(line, what)| Mistake::new(what).at(file.place(line, line, None)))
            .collect();
        let mut stage: Option<usize> = None;
        for line in &read.lines {
            let place = || file.place(line.first, line.last, None);
            match command::parse(line, frontend) {
                Ok(mut instruction) => {
                    if matches!(instruction.command, Command::From { .. }) {
                        stage = Some(stage.map_or(0, |stage| stage + 1));
                    } else if stage.is_none() && !matches!(instruction.command, Command::Arg(_)) {
                        let what = format!("{} stands before the first FROM", instruction.keyword);
                        mistakes
                            .push(Mistake::new(what).at(place()).mend("only ARG may stand there"));
                    }
                    instruction.stage = stage;
                    file.instructions.push(instruction);
                }
                Err((what, mend)) => {
                    let mut mistake = Mistake::new(what).at(place());
                    mistake.mend = mend;
                    mistakes.push(mistake);
                    // A stage that cannot be read is still one: what follows belongs to it. So is what stands where
                    // the first should, or every line after it would be wrong too.
                    let keyword = &line.split.keyword;
                    let first = stage.is_none() && !keyword.eq_ignore_ascii_case("arg");
                    if first || keyword.eq_ignore_ascii_case("from") {
                        stage = Some(stage.map_or(0, |stage| stage + 1));
                    }
                }
            }
        }
        if stage.is_none() && mistakes.is_empty() {
            mistakes.push(
                Mistake::new("the file has no FROM")
                    .at(file.place(1, 1, None))
                    .mend("begin with one: `FROM debian:trixie-slim`, or `FROM scratch`"),
            );
        }
        mistakes.none().map(|()| file)
    }

    /// The frontend image that `# syntax=` asks for, as written, and its line.
    pub fn syntax(&self) -> Option<(&str, u32)> {
        directives::syntax(&self.text)
    }

    /// Where it lies, relative to the workspace root.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where `needle` stands in the lines of `instruction`; its first word where it is not found, or nothing is asked.
    pub fn place_of(&self, instruction: &Instruction, needle: Option<&str>) -> Place {
        self.place(instruction.line, instruction.last_line, needle)
    }

    /// Every stage, in the order of the file.
    pub fn stages(&self) -> impl Iterator<Item = Stage<'_>> {
        self.instructions.iter().filter_map(|instruction| match &instruction.command {
            Command::From { base, platform, name } => Some(Stage {
                index: instruction.stage?,
                name: name.as_deref(),
                base,
                platform: platform.as_deref(),
                line: instruction.line,
            }),
            _ => None,
        })
    }

    /// Every instruction, in the order of the file.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// What building `request.target` for one platform reaches, needs and reads.
    ///
    /// # Errors
    /// What BuildKit would refuse before it runs anything, and an argument without a value in a reached `FROM`.
    pub fn resolve(&self, request: &Request<'_>) -> Result<Resolved, Mistakes> {
        resolve::resolve(self, request, &std::collections::BTreeMap::new())
    }

    /// As [`Dockerfile::resolve`], where the `ONBUILD` triggers of some external images are known (`Config.OnBuild`).
    /// They fire in the stages that start from these images, as BuildKit does it; the place of what they read is
    /// that stage's `FROM`.
    pub fn resolve_with_triggers(
        &self,
        request: &Request<'_>,
        triggers: &std::collections::BTreeMap<crate::reference::Reference, Vec<String>>,
    ) -> Result<Resolved, Mistakes> {
        resolve::resolve(self, request, triggers)
    }

    /// The `ONBUILD` triggers that an image built from the stage `target` (nothing: the last) leaves to its children.
    pub fn triggers_of(&self, target: Option<&str>) -> Vec<String> {
        let wanted = target.map(str::to_lowercase);
        let stage =
            self.stages().filter(|stage| wanted.is_none() || stage.name == wanted.as_deref());
        let Some(stage) = stage.last() else { return Vec::new() };
        let of_stage = self.instructions.iter().filter(|one| one.stage == Some(stage.index));
        of_stage
            .filter_map(|instruction| match &instruction.command {
                Command::Onbuild(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// The place of `needle` in the lines `first` to `last`, or of the first word there.
    fn place(&self, first: u32, last: u32, needle: Option<&str>) -> Place {
        let lines = (1..=last).zip(self.text.split('\n')).skip(first as usize - 1);
        let mut start = None;
        for (number, line) in lines {
            let column =
                |byte: usize| u32::try_from(line[..byte].chars().count() + 1).unwrap_or(u32::MAX);
            if let Some(byte) = needle.and_then(|needle| line.find(needle)) {
                return Place::new(&self.path, number, column(byte));
            }
            let blank = line.len()
                - line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            start.get_or_insert_with(|| Place::new(&self.path, number, column(blank)));
        }
        start.unwrap_or_else(|| Place::new(&self.path, first, 1))
    }
}
