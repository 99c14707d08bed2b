//! The names that builds give to images, in parts.

use super::text::Text;
use crate::reference::{ImageId, Repository};
use crate::workspace::Channel;

/// `prefix/last:tag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    /// What stands before the last part; nothing for a name that is one word.
    pub(super) prefix: Option<Text>,
    pub(super) last: String,
    pub(super) tag: Option<Text>,
    pub(super) channel: Option<Channel>,
    pub(super) pushed: bool,
}

impl Tagged {
    /// Nothing where the last part of the repository is not known, or cannot be one.
    pub(super) fn of(text: &Text, channel: Option<Channel>) -> Option<Self> {
        let (repository, tag) = split_tag(text);
        let (prefix, last) = match repository.rsplit_once('/') {
            Some((prefix, last)) => (Some(prefix), last),
            None => (None, repository),
        };
        let last = last.as_known()?.to_owned();
        last.parse::<ImageId>().ok()?;
        let named = Self { prefix, last, tag, channel, pushed: false };
        let plain = named.prefix.as_ref().is_none_or(Text::has_unknown);
        (plain || named.repository().is_some()).then_some(named)
    }

    /// The repository as it is written, where all of it is known.
    pub(super) fn written(&self) -> Option<String> {
        let prefix = self.prefix.as_ref()?.as_known()?;
        Some(format!("{prefix}/{}", self.last))
    }

    /// The same, as a type; only of names with a prefix.
    pub(super) fn repository(&self) -> Option<Repository> {
        Repository::parse(&self.written()?).ok()
    }

    /// As references are compared: with `docker.io/library` before a bare name.
    pub(super) fn compared(&self) -> Option<Repository> {
        match &self.prefix {
            None => Repository::parse(&self.last).ok(),
            Some(_) => self.repository(),
        }
    }

    /// Whether the two name the same, tags included.
    pub(super) fn same(&self, other: &Self) -> bool {
        let latest = Text::known("latest");
        let tag = |one: &Self| one.tag.clone().unwrap_or_else(|| latest.clone());
        self.prefix == other.prefix && self.last == other.last && tag(self) == tag(other)
    }
}

/// Before and after the `:` of a tag; a digest is left out.
pub(super) fn split_tag(text: &Text) -> (Text, Option<Text>) {
    let text = text.split_once('@').map_or_else(|| text.clone(), |(before, _)| before);
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.to_string().contains('/') => (repository, Some(tag)),
        _ => (text, None),
    }
}

/// The repository that a text begins with, where it is known; its tag may be unknown.
pub(super) fn repository_in(text: &Text) -> Option<(Repository, Option<Text>)> {
    let (repository, tag) = split_tag(text);
    Some((Repository::parse(repository.as_known().filter(|known| !known.is_empty())?).ok()?, tag))
}

/// `text` as an id: small letters, digits and single `-`, `_`, `.` inside.
pub(super) fn id_of(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let parts: String = text.chars().map(plain).collect();
    let parts: Vec<&str> = parts.split('-').filter(|part| !part.is_empty()).collect();
    let id = parts.join("-");
    if id.is_empty() { "image".to_owned() } else { id }
}
