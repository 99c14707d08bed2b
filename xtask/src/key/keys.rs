//! The keys of a workspace, each with what it was made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use dockyard_context::Manifest;

use super::Key;
use super::inputs::UNLOCKED;
use crate::reference::{Digest, Platform, Reference};
use crate::workspace::TargetName;

/// Name → value; values are short or hashes. Sorted, so that equal inputs give equal bytes.
pub type Inputs = BTreeMap<String, String>;

/// What is known of an external base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The digests that the lock holds: of the index, and of a platform's manifest where it is known.
    Locked { index: Digest, platforms: BTreeMap<Platform, Digest> },
    /// Made from Debian's archive by this recipe.
    Substitute { recipe: String },
}

/// By reference, as the Dockerfiles name them. A base that is not here is keyed by its reference.
pub type Bases = BTreeMap<Reference, Base>;

/// The key of one target for one platform, and what it was made from.
#[derive(Clone, Debug)]
pub struct PlatformKey {
    pub key: Key,
    pub inputs: Inputs,
    /// What is read from contexts, in the order of the Dockerfile.
    pub reads: Vec<Read>,
    /// The text of the ignore files that hold for these, by path. No input: what they leave out is not read.
    pub ignores: BTreeMap<Utf8PathBuf, Arc<str>>,
    /// The stamps of the Dockerfile and of the ignore files that may hold. No input: files that are written and put back are
    /// the same.
    pub(super) stamps: BTreeMap<Utf8PathBuf, u64>,
    /// Why the target can never be up to date.
    pub always: Vec<String>,
}

impl PlatformKey {
    /// The images from elsewhere that count as their names, frontends among them.
    pub fn unlocked(&self) -> impl Iterator<Item = Reference> {
        let unlocked = self.inputs.iter().filter(|(_, value)| *value == UNLOCKED);
        unlocked.filter_map(|(name, _)| {
            let mut words = name.split(' ');
            let is_image = matches!(words.next(), Some("base" | "frontend"));
            words.next().filter(|_| is_image)?.parse().ok()
        })
    }
}

/// What one instruction reads from a context.
#[derive(Clone, Debug)]
pub struct Read {
    /// The name of its input.
    pub input: String,
    /// The context's folder, relative to the workspace root.
    pub folder: Utf8PathBuf,
    /// `COPY`, `RUN --mount`, …
    pub instruction: String,
    pub line: u32,
    pub manifest: Arc<Manifest>,
}

/// Every key of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Keys(pub(super) BTreeMap<TargetName, BTreeMap<Platform, PlatformKey>>);

impl Keys {
    pub fn get(&self, name: &TargetName, platform: &Platform) -> Option<&PlatformKey> {
        self.0.get(name)?.get(platform)
    }

    pub fn of(&self, name: &TargetName) -> impl Iterator<Item = (&Platform, &PlatformKey)> {
        self.0.get(name).into_iter().flatten()
    }

    /// The key of `name` over all its platforms.
    pub(super) fn over_all(&self, name: &TargetName) -> Option<Key> {
        let platforms = self.0.get(name)?;
        Some(Key::over(platforms.iter().map(|(platform, key)| (platform, &key.key))))
    }

    /// The key of `name` built for `platforms`, in the order of the platforms' names.
    pub fn over(&self, name: &TargetName, platforms: &[Platform]) -> Option<Key> {
        let mut sorted: Vec<&Platform> = platforms.iter().collect();
        sorted.sort();
        let keys: Option<Vec<_>> = sorted
            .into_iter()
            .map(|platform| Some((platform, &self.get(name, platform)?.key)))
            .collect();
        keys.map(Key::over)
    }
}
