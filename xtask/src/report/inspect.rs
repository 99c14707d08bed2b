//! An image as registries hold it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Align, Table, human};
use crate::key::Key;
use crate::reference::{Digest, Repository, Tag};
use crate::registry::Content;
use crate::workspace::TargetName;

/// What was found of one image.
#[derive(Debug)]
pub struct Inspected {
    pub name: TargetName,
    /// Today's.
    pub key: Key,
    pub staging: Repository,
    /// What today's key names there.
    pub staged: Option<Digest>,
    /// Why what is there under the key is not taken.
    pub note: Option<String>,
    pub names: Vec<InspectedName>,
    /// Every content that a name or the key has, each once.
    pub contents: Vec<Content>,
}

#[derive(Debug)]
pub struct InspectedName {
    pub repository: Repository,
    pub tag: Tag,
    pub digest: Option<Digest>,
    /// Whether that is what today's inputs give.
    pub is_today: bool,
}

/// Where each tag points, and each content with its platforms, layers and labels.
pub fn inspect(image: &Inspected) -> String {
    let mut text = String::new();
    let mut line = |line: String| text.extend([line.as_str(), "\n"]);
    line(format!("{}  key {}", image.name, image.key));
    line(match (&image.staged, &image.note) {
        (Some(digest), _) => {
            format!(
                "today's inputs are staged: {}:{} is {digest}",
                image.staging.familiar(),
                image.key.tag()
            )
        }
        (None, Some(note)) => {
            format!("today's inputs are not staged in {}: {note}", image.staging.familiar())
        }
        (None, None) => format!("today's inputs are not staged in {}", image.staging.familiar()),
    });
    let mut names = Table::new(["name", "content", ""].map(|title| (title, Align::Left)));
    for name in &image.names {
        let digest = name.digest.as_ref().map_or("(absent)", Digest::as_str);
        let note = match (&name.digest, name.is_today) {
            (None, _) => "",
            (Some(_), true) => "today's",
            (Some(_), false) => "not today's",
        };
        names.row([
            format!("{}:{}", name.repository.familiar(), name.tag),
            digest.to_owned(),
            note.to_owned(),
        ]);
    }
    line(String::new());
    line(names.to_string().trim_end().to_owned());
    for content in &image.contents {
        line(String::new());
        line(content.digest().to_string());
        for (platform, one) in &content.images {
            let bytes: u64 = one.layers.iter().map(|layer| layer.size).sum();
            line(format!(
                "  {platform}  manifest {}  config {}  {} in {} layers",
                one.manifest,
                one.config,
                human::bytes(bytes),
                one.layers.len()
            ));
            for layer in &one.layers {
                line(format!("    {:>9}  {}", human::bytes(layer.size), layer.digest));
            }
        }
        for (label, value) in labels(content) {
            line(format!("  {label}={value}"));
        }
    }
    text
}

/// Of all platforms together: they are built with the same labels.
fn labels(content: &Content) -> BTreeMap<&str, &str> {
    content
        .images
        .values()
        .flat_map(|image| &image.labels)
        .map(|(label, value)| (label.as_str(), value.as_str()))
        .collect()
}

/// `inspect --json`.
#[derive(Debug, Serialize)]
pub struct InspectJson<'a> {
    version: u32,
    id: String,
    variant: Option<String>,
    key: &'a Key,
    staging: &'a Repository,
    staged: Option<&'a Digest>,
    tags: Vec<NameJson<'a>>,
    contents: Vec<ContentJson<'a>>,
}

#[derive(Debug, Serialize)]
struct NameJson<'a> {
    repository: &'a Repository,
    tag: &'a Tag,
    digest: Option<&'a Digest>,
    today: bool,
}

#[derive(Debug, Serialize)]
struct ContentJson<'a> {
    digest: &'a Digest,
    platforms: BTreeMap<String, PlatformJson<'a>>,
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Serialize)]
struct PlatformJson<'a> {
    manifest: &'a Digest,
    config: &'a Digest,
    /// Compressed.
    bytes: u64,
    layers: Vec<LayerJson<'a>>,
}

#[derive(Debug, Serialize)]
struct LayerJson<'a> {
    digest: &'a Digest,
    bytes: u64,
}

impl<'a> InspectJson<'a> {
    pub fn new(image: &'a Inspected) -> Self {
        let content = |content: &'a Content| {
            let platform = |one: &'a crate::registry::ImageContent| PlatformJson {
                manifest: &one.manifest,
                config: &one.config,
                bytes: one.layers.iter().map(|layer| layer.size).sum(),
                layers: one
                    .layers
                    .iter()
                    .map(|layer| LayerJson { digest: &layer.digest, bytes: layer.size })
                    .collect(),
            };
            ContentJson {
                digest: content.digest(),
                platforms: content
                    .images
                    .iter()
                    .map(|(name, one)| (name.to_string(), platform(one)))
                    .collect(),
                labels: labels(content),
            }
        };
        let name = |name: &'a InspectedName| NameJson {
            repository: &name.repository,
            tag: &name.tag,
            digest: name.digest.as_ref(),
            today: name.is_today,
        };
        Self {
            version: 1,
            id: image.name.id.to_string(),
            variant: image.name.variant.as_ref().map(ToString::to_string),
            key: &image.key,
            staging: &image.staging,
            staged: image.staged.as_ref(),
            tags: image.names.iter().map(name).collect(),
            contents: image.contents.iter().map(content).collect(),
        }
    }
}
