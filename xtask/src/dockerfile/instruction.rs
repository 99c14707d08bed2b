//! An instruction of a Dockerfile, and what it says, still unexpanded.

use std::collections::BTreeMap;

use super::heredoc::Heredoc;
use super::mount;

/// One instruction as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// In capitals.
    pub keyword: String,
    /// `--from=x`, without the quotes and escapes around it.
    pub flags: Vec<String>,
    /// What follows the flags, continuations joined.
    pub rest: String,
    /// The words of `rest`: of the JSON array if it is one, else as the instruction cuts them (`RUN a b` is one word).
    pub argv: Vec<String>,
    /// Whether `rest` was a JSON array.
    pub json: bool,
    pub heredocs: Vec<Heredoc>,
    /// The first and the last line, heredocs included; from 1.
    pub line: u32,
    pub last_line: u32,
    /// The stage it belongs to; nothing before the first `FROM`. A `FROM` belongs to the stage it begins.
    pub stage: Option<usize>,
    /// What it says.
    pub command: Command,
    /// Flags that the reader does not know (only where `# syntax=` asks for another frontend).
    pub unknown_flags: Vec<String>,
}

impl Instruction {
    /// The value of the flag `name`, if it is given: the last one's.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find_map(|flag| value_of(flag, name))
    }

    /// The values of every flag `name`; a bare `--name` has the empty value.
    pub fn flag_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter_map(move |flag| value_of(flag, name))
    }

    /// Each `--mount` as its keys in lower case, `dst` and `destination` as `target`, and values, not expanded.
    pub fn mounts(&self) -> Vec<BTreeMap<String, String>> {
        let key = |key: String| match key.as_str() {
            "dst" | "destination" => "target".to_owned(),
            _ => key,
        };
        let pairs = self.flag_values("mount").filter_map(|text| mount::pairs(text).ok());
        pairs
            .map(|pairs| {
                pairs.into_iter().map(|(k, value)| (key(k), value.unwrap_or_default())).collect()
            })
            .collect()
    }
}

fn value_of<'a>(flag: &'a str, name: &str) -> Option<&'a str> {
    let flag = flag.strip_prefix("--")?;
    let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
    (key == name).then_some(value)
}

/// What an instruction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    From {
        base: String,
        platform: Option<String>,
        /// In lower case.
        name: Option<String>,
    },
    /// Names with their defaults.
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Copy(Copy),
    Run {
        /// The values of `--mount`.
        mounts: Vec<String>,
    },
    /// An instruction of which these words are expanded, and nothing else is read: `WORKDIR`, `USER`, …
    Expanded(Vec<String>),
    /// The instruction to be carried out in images built on this one, heredocs included.
    Onbuild(String),
    /// Nothing in it is expanded or read: `CMD`, `SHELL`, …
    Plain,
    /// An instruction that BuildKit's own frontend does not have.
    Unknown,
}

/// `COPY` or `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub add: bool,
    pub from: Option<String>,
    /// Without heredocs.
    pub sources: Vec<String>,
    pub destination: String,
    /// `--exclude`, which BuildKit does not expand.
    pub excludes: Vec<String>,
    pub parents: bool,
    pub checksum: Option<String>,
    /// Flags that are expanded: `--chown`, `--chmod`.
    pub ownership: Vec<String>,
}
