//! A text as far as it can be read without running anything: what is known, what a fact stands for, what is not known.

use std::fmt;

use camino::Utf8PathBuf;

/// Where a version is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VersionFrom {
    /// A git tag `v1.2.3`.
    GitTag,
    /// `key` of a TOML or JSON file.
    Key { file: Utf8PathBuf, key: String },
    /// The first group of a regular expression in a file.
    Match { file: Utf8PathBuf, pattern: String },
}

/// The longest text that is kept: a few lines of a script may double one again and again.
const LONGEST: usize = 1 << 16;

/// A piece of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Known(String),
    /// A fact of Dockyard's templates: `sha`, `version`.
    Fact(&'static str),
    /// What only a run knows, as it is written: `$1`, `${{ inputs.tag }}`.
    Unknown(String),
}

/// A text in pieces. Neighbouring known pieces are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    pieces: Vec<Piece>,
    /// Where the fact `version` in it comes from.
    pub version: Option<VersionFrom>,
}

impl Text {
    pub(super) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        let pieces = if text.is_empty() { Vec::new() } else { vec![Piece::Known(text)] };
        Self { pieces, version: None }
    }

    pub(super) fn fact(name: &'static str) -> Self {
        Self { pieces: vec![Piece::Fact(name)], version: None }
    }

    pub(super) fn unknown(written: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Unknown(written.into())], version: None }
    }

    /// The version that is kept in `from`.
    pub(super) fn version(from: VersionFrom) -> Self {
        Self { version: Some(from), ..Self::fact("version") }
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn push_str(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Known(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.pieces.push(Piece::Known(text.to_owned())),
        }
    }

    pub(super) fn push(&mut self, other: Self) {
        if self.length() + other.length() > LONGEST {
            *self = Self::unknown("a text that is too long");
            return;
        }
        if self.version.is_none() {
            self.version = other.version;
        }
        for piece in other.pieces {
            match piece {
                Piece::Known(text) => self.push_str(&text),
                piece => self.pieces.push(piece),
            }
        }
    }

    fn length(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Known(text) | Piece::Unknown(text) => text.len() + 1,
            Piece::Fact(name) => name.len(),
        };
        self.pieces.iter().map(length).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The text where all of it is known.
    pub(super) fn as_known(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Known(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn has_unknown(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Unknown(_)))
    }

    /// As a template of `image.toml`; nothing where a piece is not known.
    pub(super) fn template(&self) -> Option<String> {
        self.pieces.iter().try_fold(String::new(), |text, piece| match piece {
            Piece::Known(known) => Some(text + &escaped(known)),
            Piece::Fact(name) => Some(format!("{text}{{{{ {name} }}}}")),
            Piece::Unknown(_) => None,
        })
    }

    /// Before and after the last `separator` in what is known.
    pub(super) fn rsplit_once(&self, separator: char) -> Option<(Self, Self)> {
        let found = |piece: &Piece| matches!(piece, Piece::Known(text) if text.contains(separator));
        let index = self.pieces.iter().rposition(found)?;
        let Piece::Known(text) = &self.pieces[index] else { return None };
        let (before, after) = text.rsplit_once(separator)?;
        let part =
            |pieces: &[Piece]| Self { pieces: pieces.to_vec(), version: self.version.clone() };
        let mut first = part(&self.pieces[..index]);
        first.push_str(before);
        let mut second = Self { version: self.version.clone(), ..Self::known(after) };
        second.push(part(&self.pieces[index + 1..]));
        Some((first, second))
    }

    /// Before and after the first `separator` in what is known.
    pub(super) fn split_once(&self, separator: char) -> Option<(Self, Self)> {
        let mut parts = self.split(|c| c == separator).into_iter();
        let first = parts.next()?;
        let second = parts.next()?;
        let joined = parts.fold(second, |mut text, part| {
            text.push_str(separator.encode_utf8(&mut [0; 4]));
            text.push(part);
            text
        });
        Some((first, joined))
    }

    /// Cut at every known character for which `at` holds; empty parts stay.
    pub(super) fn split(&self, at: impl Fn(char) -> bool + Copy) -> Vec<Self> {
        let start = || Self { pieces: Vec::new(), version: self.version.clone() };
        let mut parts = vec![start()];
        for piece in &self.pieces {
            let Piece::Known(text) = piece else {
                if let Some(last) = parts.last_mut() {
                    last.pieces.push(piece.clone());
                }
                continue;
            };
            for (number, part) in text.split(at).enumerate() {
                if number > 0 {
                    parts.push(start());
                }
                if let Some(last) = parts.last_mut() {
                    last.push_str(part);
                }
            }
        }
        parts
    }

    /// Cut at known white space, without empty parts.
    pub(super) fn words(&self) -> Vec<Self> {
        self.parts(char::is_whitespace)
    }

    /// Cut where `at` holds, trimmed, without empty parts.
    pub(super) fn parts(&self, at: impl Fn(char) -> bool + Copy) -> Vec<Self> {
        let parts = self.split(at).into_iter().map(Self::trimmed);
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// Without known white space around it.
    #[must_use]
    pub(super) fn trimmed(mut self) -> Self {
        if let Some(Piece::Known(text)) = self.pieces.first_mut() {
            *text = text.trim_start().to_owned();
        }
        if let Some(Piece::Known(text)) = self.pieces.last_mut() {
            *text = text.trim_end().to_owned();
        }
        self.pieces.retain(|piece| !matches!(piece, Piece::Known(text) if text.is_empty()));
        self
    }

    /// `edit` done to every known piece.
    #[must_use]
    pub(super) fn edited(&self, edit: impl Fn(&str) -> String) -> Self {
        let mut text = Self { version: self.version.clone(), ..Self::default() };
        for piece in &self.pieces {
            match piece {
                Piece::Known(known) => text.push_str(&edit(known)),
                piece => text.pieces.push(piece.clone()),
            }
        }
        text
    }

    /// Without the known text `prefix` before it; nothing where it does not begin so.
    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        let Some(Piece::Known(first)) = self.pieces.first() else { return None };
        let mut text =
            Self { version: self.version.clone(), ..Self::known(first.strip_prefix(prefix)?) };
        for piece in &self.pieces[1..] {
            text.pieces.push(piece.clone());
        }
        Some(text)
    }
}

/// What minijinja would read as its own.
fn escaped(known: &str) -> String {
    let mut text = String::new();
    let mut rest = known;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        text.push_str(&rest[..at]);
        text.extend(["{{ \"", &rest[at..at + 2], "\" }}"]);
        rest = &rest[at + 2..];
    }
    text + rest
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Known(text) => f.write_str(text)?,
                Piece::Fact(name) => write!(f, "{{{{ {name} }}}}")?,
                Piece::Unknown(written) => f.write_str(written)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_hold_what_is_known() {
        let mut text = Text::known("a-");
        text.push(Text::fact("sha"));
        text.push_str("{{x}}");
        assert_eq!(text.template().as_deref(), Some("a-{{ sha }}{{ \"{{\" }}x}}"));
        text.push(Text::unknown("$1"));
        assert_eq!(text.template(), None);
        assert_eq!(text.to_string(), "a-{{ sha }}{{x}}$1");
    }

    #[test]
    fn texts_are_cut_in_what_is_known() {
        let mut text = Text::unknown("$user");
        text.push_str("/name:");
        text.push(Text::fact("version"));
        let (repository, tag) = text.rsplit_once(':').unwrap();
        assert_eq!(
            (repository.to_string(), tag.to_string()),
            ("$user/name".into(), "{{ version }}".into())
        );
        let (first, rest) = Text::known("a=b=c").split_once('=').unwrap();
        assert_eq!((first.as_known(), rest.as_known()), (Some("a"), Some("b=c")));
        assert_eq!(Text::known(" a  b ").words().len(), 2);
    }
}
