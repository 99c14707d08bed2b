//! Shell scripts: read as a tree, then followed as far as that goes without running anything. Loops over what is
//! written there are unrolled, functions are called, both branches of every condition are taken.
//!
//! No shell: what a program would print is not known, but for a few whose answer can be read (`dirname`, `git
//! rev-parse`, a version in a file).

mod condition;
mod glob;
mod parse;
mod run;
mod substitute;
#[cfg(test)]
mod tests;
mod variable;

pub(super) use parse::parse;
pub(super) use run::Runner;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable(Variable),
    /// The text of a command substitution.
    Command(String),
    /// Arithmetic, and everything else that has a value.
    Unknown(String),
}

/// A word before it is expanded: its parts, each with whether it is quoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<(Part, bool)>,
}

impl Word {
    pub(super) fn plain(text: &str) -> Self {
        Self { parts: vec![(Part::Text(text.to_owned()), true)] }
    }

    /// The word where it is one unquoted text: what a keyword is.
    pub(super) fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [(Part::Text(text), false)] => Some(text),
            _ => None,
        }
    }
}

/// `$name`, `${name[index]op argument}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) index: Option<Box<Word>>,
    /// `${!name[@]}`: the keys.
    pub(super) keys: bool,
    pub(super) operation: Option<(String, Box<Word>)>,
    /// As it stands in the script.
    pub(super) written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Assigned {
    Word(Word),
    /// `(a b [key]=c)`.
    List(Vec<(Option<Word>, Word)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) index: Option<Word>,
    pub(super) append: bool,
    pub(super) value: Assigned,
}

/// When a branch is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The words of one `[ … ]` or `[[ … ]]`.
    Test(Vec<Word>),
    /// The word of a `case`, and the patterns.
    Case(Word, Vec<Word>),
    /// Otherwise.
    Else,
    /// What only a run knows.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Simple {
        assignments: Vec<Assignment>,
        words: Vec<Word>,
        line: u32,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: Vec<Self>,
    },
    Function {
        name: String,
        parameters: Vec<String>,
        body: Vec<Self>,
    },
    Group(Vec<Self>),
    Subshell(Vec<Self>),
    /// Branches of which one is taken: each with its condition; without one, `else`.
    Choice(Vec<(Condition, Vec<Self>)>),
}
