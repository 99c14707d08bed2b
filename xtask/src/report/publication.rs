//! What a publication writes, or has written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Align, Table};
use crate::publish::{Change, Decided, Holding};
use crate::reference::{Digest, Platform};
use crate::workspace::{Channel, TargetName};

/// One row a name: image, tag, repository, what happens to it, and the content.
pub fn publication(decided: &[Decided]) -> String {
    let mut table =
        Table::new(["image", "name", "change", "content", ""].map(|title| (title, Align::Left)));
    for one in decided {
        let note = match &one.change {
            Change::Move { from } => format!("was {}", short(from)),
            Change::Stay { newer } => format!("stays with version {newer}, which is newer"),
            Change::Create | Change::Keep | Change::Conflict { .. } => String::new(),
        };
        table.row([
            one.wanted.target.to_string(),
            format!("{}:{}", one.wanted.repository.familiar(), one.wanted.tag),
            one.change.to_string(),
            short(&one.digest).to_owned(),
            note,
        ]);
    }
    format!("{table}{}\n", counts(decided))
}

/// `2 create, 1 move, 3 keep`.
pub fn counts(decided: &[Decided]) -> String {
    let count = |word: &str| decided.iter().filter(|one| one.change.as_str() == word).count();
    let counts: Vec<String> = ["create", "move", "keep", "stay", "conflict"]
        .into_iter()
        .filter(|word| count(word) > 0)
        .map(|word| format!("{} {word}", count(word)))
        .collect();
    if counts.is_empty() { "no tags".to_owned() } else { counts.join(", ") }
}

fn short(digest: &Digest) -> &str {
    digest.hex().get(..12).unwrap_or(digest.as_str())
}

/// `push --json` and `promote --json`.
#[derive(Debug, Serialize)]
pub struct PublicationJson {
    version: u32,
    channel: Channel,
    /// Whether the tags were written; false after `--dry-run`.
    written: bool,
    images: Vec<PublishedJson>,
}

#[derive(Debug, Serialize)]
struct PublishedJson {
    id: String,
    variant: Option<String>,
    /// Nothing while it is not built.
    digest: Option<Digest>,
    key: String,
    platforms: BTreeMap<Platform, Digest>,
    tags: Vec<NameJson>,
}

#[derive(Debug, Serialize)]
struct NameJson {
    repository: String,
    tag: String,
    immutable: bool,
    change: &'static str,
    from: Option<Digest>,
    why: Option<String>,
}

/// One image of a publication.
#[derive(Clone, Debug)]
pub struct PublishedImage<'a> {
    pub name: TargetName,
    pub key: String,
    pub holding: Option<&'a Holding>,
}

impl PublicationJson {
    pub fn new(
        channel: Channel,
        written: bool,
        images: &[PublishedImage<'_>],
        decided: &[Decided],
    ) -> Self {
        let name = |one: &Decided| NameJson {
            repository: one.wanted.repository.to_string(),
            tag: one.wanted.tag.to_string(),
            immutable: one.wanted.immutable,
            change: one.change.as_str(),
            from: match &one.change {
                Change::Move { from } => Some(from.clone()),
                _ => None,
            },
            why: match &one.change {
                Change::Conflict { why, .. } => Some(why.clone()),
                Change::Stay { newer } => Some(format!("it names version {newer}")),
                _ => None,
            },
        };
        let image = |image: &PublishedImage<'_>| PublishedJson {
            id: image.name.id.to_string(),
            variant: image.name.variant.as_ref().map(ToString::to_string),
            digest: image.holding.map(|holding| holding.digest.clone()),
            key: image.key.clone(),
            platforms: image
                .holding
                .into_iter()
                .flat_map(|holding| &holding.images)
                .map(|(platform, held)| (platform.clone(), held.manifest.clone()))
                .collect(),
            tags: decided.iter().filter(|one| one.wanted.target == image.name).map(name).collect(),
        };
        Self { version: 1, channel, written, images: images.iter().map(image).collect() }
    }
}
