//! What a staging repository holds under a key: whose content it is, and what it was built on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::Pushed;
use crate::key::{Identity, Key};
use crate::reference::{Digest, Platform, Repository, Tag};
use crate::registry::{Content, Kind, Registries, TagOrDigest, Trouble};

/// The label with the version (OCI image spec, «Pre-Defined Annotation Keys»).
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// An image that was built for a key, as its labels and manifests say.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// Of the index or the only manifest.
    pub digest: Digest,
    pub key: Key,
    pub version: Option<String>,
    pub images: BTreeMap<Platform, HeldImage>,
}

/// One platform of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldImage {
    pub manifest: Digest,
    pub config: Digest,
    /// The digests that its parents had, by target. Platforms that were built apart name their own parents' manifests.
    pub parents: BTreeMap<String, Digest>,
    /// Of the compressed layers.
    pub bytes: u64,
}

impl Holding {
    /// Reads what `content` says of itself.
    ///
    /// # Errors
    /// A clause that says why it is not an image built for `key` and exactly `platforms`.
    pub fn of(content: &Content, key: &Key, platforms: &[Platform]) -> Result<Self, String> {
        let mut images = BTreeMap::new();
        for (platform, image) in &content.images {
            let Some(identity) = Identity::read(&image.labels) else {
                return Err("its labels do not say what it was built for".to_owned());
            };
            if identity.key != *key {
                return Err(format!("it was built for the key {}", identity.key));
            }
            let held = HeldImage {
                manifest: image.manifest.clone(),
                config: image.config.clone(),
                parents: identity.parents,
                bytes: image.layers.iter().map(|layer| layer.size).sum(),
            };
            images.insert(platform.clone(), held);
        }
        if images.is_empty() {
            return Err("it has no image".to_owned());
        }
        if !images.keys().eq(platforms.iter().collect::<BTreeSet<_>>()) {
            let held: Vec<String> = images.keys().map(ToString::to_string).collect();
            return Err(format!("it is for {}", held.join(", ")));
        }
        Ok(Self {
            digest: content.digest().clone(),
            key: key.clone(),
            version: version(content),
            images,
        })
    }

    /// As a decision about tags needs it.
    pub fn pushed(&self) -> Pushed {
        Pushed {
            digest: self.digest.clone(),
            configs: self
                .images
                .iter()
                .map(|(platform, image)| (platform.clone(), image.config.clone()))
                .collect(),
            version: self.version.clone(),
        }
    }

    /// Every digest by which an engine or a registry may know it: image stores differ in what they call an image.
    pub fn is_known_as(&self, digest: &Digest) -> bool {
        self.digest == *digest
            || self
                .images
                .values()
                .any(|image| image.manifest == *digest || image.config == *digest)
    }

    /// Whether every platform was built on what its parents are now.
    pub fn was_built_on(&self, parents: &BTreeMap<String, Self>) -> bool {
        self.images.values().all(|image| {
            parents.iter().all(|(name, parent)| {
                image.parents.get(name).is_some_and(|digest| parent.is_known_as(digest))
            })
        })
    }
}

/// What a tag's content is, for decisions: attestations aside.
pub(super) fn pushed(content: &Content) -> Pushed {
    Pushed {
        digest: content.digest().clone(),
        configs: content
            .images
            .iter()
            .map(|(platform, image)| (platform.clone(), image.config.clone()))
            .collect(),
        version: version(content),
    }
}

fn version(content: &Content) -> Option<String> {
    content.images.values().find_map(|image| image.labels.get(VERSION_LABEL)).cloned()
}

/// What was found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// The tag is there, with content that cannot be taken over.
    Other(String),
    Image(Holding),
}

/// Holdings that were looked at before, one file a digest: content never changes, so that a digest says everything.
#[derive(Clone, Debug)]
pub struct Holdings {
    folder: Utf8PathBuf,
}

impl Holdings {
    /// Below `state`, see [`crate::key::state_folder`].
    pub fn new(state: &Utf8Path) -> Self {
        Self { folder: state.join("published") }
    }

    /// What `repository` holds for `key`, with every platform's manifest. One question where the answer is known
    /// content with one platform.
    ///
    /// # Errors
    /// When the registry does not answer the question.
    pub fn look(
        &self,
        registries: &Registries,
        repository: &Repository,
        key: &Key,
        platforms: &[Platform],
    ) -> Result<Found, Trouble> {
        self.look_at(registries, repository, &key.tag(), key, platforms)
    }

    /// As [`look`](Self::look), under another tag than the key's.
    ///
    /// # Errors
    /// When the registry does not answer the question.
    pub fn look_at(
        &self,
        registries: &Registries,
        repository: &Repository,
        tag: &Tag,
        key: &Key,
        platforms: &[Platform],
    ) -> Result<Found, Trouble> {
        let Some(digest) = head(registries, repository, tag.into())? else {
            return Ok(Found::Nothing);
        };
        let known = self.read(&digest).filter(|known| {
            known.key == *key && known.images.keys().eq(platforms.iter().collect::<BTreeSet<_>>())
        });
        if let Some(known) = known {
            return Ok(if is_whole(registries, repository, &known)? {
                Found::Image(known)
            } else {
                Found::Other("a platform's manifest is gone".to_owned())
            });
        }
        let content = match registries.content(repository, &digest) {
            Ok(Some(content)) => content,
            // Of an index, a platform's manifest may be gone.
            Ok(None) => return Ok(Found::Other("its content is gone".to_owned())),
            Err(trouble) if trouble.kind == Kind::NotFound => {
                return Ok(Found::Other("a part of its content is gone".to_owned()));
            }
            Err(trouble) => return Err(trouble),
        };
        Ok(match Holding::of(&content, key, platforms) {
            Ok(holding) => {
                self.keep(&holding);
                Found::Image(holding)
            }
            Err(why) => Found::Other(why),
        })
    }

    fn file(&self, digest: &Digest) -> Utf8PathBuf {
        self.folder.join(format!("{}.json", digest.hex()))
    }

    fn read(&self, digest: &Digest) -> Option<Holding> {
        let holding: Holding = serde_json::from_slice(&fs::read(self.file(digest)).ok()?).ok()?;
        (holding.digest == *digest).then_some(holding)
    }

    /// A failure is no error: the registry is asked again the next time.
    fn keep(&self, holding: &Holding) {
        let write = || -> anyhow::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&serde_json::to_vec(holding)?)?;
            file.persist(self.file(&holding.digest))?;
            Ok(())
        };
        let _asked_again = write();
    }
}

/// Whether every platform's manifest is there: a registry names an index also after one was deleted.
pub(super) fn is_whole(
    registries: &Registries,
    repository: &Repository,
    holding: &Holding,
) -> Result<bool, Trouble> {
    for image in holding.images.values().filter(|image| image.manifest != holding.digest) {
        if head(registries, repository, (&image.manifest).into())?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The digest that `name` has in `repository`. With a good login, some registries refuse to say that there is nothing:
/// what is written first is seen afterwards.
pub fn head(
    registries: &Registries,
    repository: &Repository,
    name: TagOrDigest<'_>,
) -> Result<Option<Digest>, Trouble> {
    match registries.head(repository, name) {
        Err(trouble) if trouble.may_mean_absent() => Ok(None),
        other => other,
    }
}
