//! A user's mistake: what is wrong, where, and how to mend it.
//!
//! Every reader collects [`Mistakes`] instead of stopping at the first, so that one run reports all that are
//! independent of each other. Our own bugs and the machine's troubles are `anyhow::Error`s and never these.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::human;

/// A place in a file of the workspace. Line and column count from 1, the column in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    pub file: Utf8PathBuf,
    pub line: u32,
    pub column: u32,
}

impl Place {
    pub fn new(file: impl Into<Utf8PathBuf>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// The place of byte `offset` of `text`, which is the content of `file`.
    pub fn of_offset(file: &Utf8Path, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Self::new(
            file,
            count(before.bytes().filter(|&byte| byte == b'\n').count()),
            count(before[line_start..].chars().count()),
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", human::path(&self.file), self.line, self.column)
    }
}

/// One thing that a person has to change before the command can do its work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub place: Option<Place>,
    /// What is wrong, without a capital letter or a full stop.
    pub what: String,
    /// How to mend it.
    pub mend: Option<String>,
}

impl Mistake {
    pub fn new(what: impl Into<String>) -> Self {
        Self { place: None, what: what.into(), mend: None }
    }

    /// As the error that ends a command.
    pub fn into_error(self) -> anyhow::Error {
        Mistakes::from(self).into()
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(mend) = &self.mend {
            write!(f, "\n  mend: {mend}")?;
        }
        Ok(())
    }
}

/// All mistakes of one run, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub fn push(&mut self, mistake: Mistake) {
        self.0.push(mistake);
    }

    pub fn extend(&mut self, other: impl IntoIterator<Item = Mistake>) {
        self.0.extend(other);
    }

    /// Keeps the value of `result`, or its mistakes.
    pub fn take<T>(&mut self, result: Result<T, impl Into<Mistakes>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(mistakes) => {
                self.extend(mistakes.into());
                None
            }
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, or every mistake, sorted and each once.
    pub fn none(mut self) -> Result<(), Self> {
        if self.is_empty() {
            return Ok(());
        }
        self.0.sort();
        // The same words at the same place are one mistake, whoever met it.
        self.0.dedup_by(|a, b| a.place == b.place && a.what == b.what);
        Err(self)
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl FromIterator<Mistake> for Mistakes {
    fn from_iter<I: IntoIterator<Item = Mistake>>(mistakes: I) -> Self {
        Self(mistakes.into_iter().collect())
    }
}

impl IntoIterator for Mistakes {
    type Item = Mistake;
    type IntoIter = std::vec::IntoIter<Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
