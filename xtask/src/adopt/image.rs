//! What is written for an image, before it is TOML.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::found::Secret;
use super::text::VersionFrom;
use crate::mistake::Place;
use crate::workspace::Channel;

/// A version as `image.toml` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Literal(String),
    From(VersionFrom),
}

/// The value of a build argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Template(String),
    /// The image that it names: `id` or `id:variant`.
    Parent(String),
}

/// One way to build an image.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) name: Option<String>,
    pub(super) default: bool,
    pub(super) publish: bool,
    pub(super) dockerfile: Utf8PathBuf,
    pub(super) context: Utf8PathBuf,
    pub(super) stage: Option<String>,
    pub(super) args: BTreeMap<String, Argument>,
    pub(super) platforms: Vec<String>,
    /// Templates, each with the one channel it is for.
    pub(super) tags: Vec<(Option<Channel>, String)>,
    /// As `image.toml` says them.
    pub(super) contexts: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) ssh: bool,
    pub(super) cache: Option<String>,
    /// References that are not this workspace's.
    pub(super) external: BTreeSet<String>,
}

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) id: String,
    /// The folder of its `image.toml`.
    pub(super) folder: Utf8PathBuf,
    /// Where it is published, as far as that is known: `ghcr.io/acme/name`.
    pub(super) repositories: Vec<String>,
    pub(super) publish: bool,
    pub(super) version: Option<Version>,
    /// One without a name, or several with names.
    pub(super) variants: Vec<Variant>,
    /// Where its builds were found.
    pub(super) places: BTreeSet<Place>,
    /// What is not certain.
    pub(super) doubts: BTreeSet<String>,
}

impl Image {
    /// The nearest folder that holds all of `files`.
    pub(super) fn common_folder<'a>(files: impl Iterator<Item = &'a Utf8Path>) -> Utf8PathBuf {
        let folders: Vec<&Utf8Path> = files.filter_map(Utf8Path::parent).collect();
        let Some(first) = folders.first() else { return Utf8PathBuf::new() };
        let common =
            first.ancestors().find(|above| folders.iter().all(|folder| folder.starts_with(above)));
        common.unwrap_or(Utf8Path::new("")).to_owned()
    }
}
