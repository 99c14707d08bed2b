//! What is in an image: its platforms, their layers and labels, and the attestations beside them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use ureq::http::Method;

use super::access::Access;
use super::exchange::{Ask, Payload};
use super::manifest::{Descriptor, Document, Manifest, Role, is_digest_of, read_platform};
use super::trouble::{Kind, Trouble};
use super::{Registries, TagOrDigest};
use crate::reference::{Digest, Platform, Repository};

/// The most that a configuration may hold.
const MOST_CONFIG_BYTES: u64 = 8 << 20;

/// An image as a registry holds it, for all its platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The index or, of an image without one, its manifest, byte for byte.
    pub manifest: Manifest,
    pub is_index: bool,
    /// By platform.
    pub images: BTreeMap<Platform, ImageContent>,
    pub attestations: Vec<Attestation>,
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageContent {
    pub manifest: Digest,
    /// The digest of its configuration: equal where two images are the same but for attestations.
    pub config: Digest,
    pub layers: Vec<Descriptor>,
    pub labels: BTreeMap<String, String>,
}

/// A manifest about an image: provenance, SBOM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    pub manifest: Digest,
    /// The image's manifest.
    pub of: Option<Digest>,
}

impl Content {
    /// The digest of the whole.
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }

    /// The configurations' digests by platform. Where these are equal, so are the images.
    pub fn configs(&self) -> BTreeMap<&Platform, &Digest> {
        self.images.iter().map(|(platform, image)| (platform, &image.config)).collect()
    }
}

impl ImageContent {
    /// The bytes of its layers, compressed.
    pub fn size(&self) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
    }
}

impl Registries {
    /// Everything of an image but its layers' bytes. Nothing where there is no such tag or digest, as with
    /// [`head`](Self::head); an index whose manifest is gone is [`Kind::NotFound`].
    pub fn content<'a>(
        &self,
        repository: &Repository,
        name: impl Into<TagOrDigest<'a>>,
    ) -> Result<Option<Content>, Trouble> {
        let name = name.into();
        let Some(manifest) = self.manifest(repository, name)? else { return Ok(None) };
        let wanted = format!("read {repository}{}", name.suffix());
        let ask = self.ask(repository, Access::Pull, wanted);
        let (mut images, mut attestations) = (BTreeMap::new(), Vec::new());
        let document = manifest.document().map_err(|why| ask.invalid(&why))?;
        let is_index = matches!(document, Document::Index(_));
        let mut add = |said: Option<Platform>, manifest: Digest, config, layers| {
            let Configuration { platform, labels, .. } = self.config(&ask, &config)?;
            // The index is what an engine chooses by.
            let platform = said.unwrap_or(platform);
            let image = ImageContent { manifest, config: config.digest, layers, labels };
            match images.insert(platform.clone(), image) {
                None => Ok(()),
                Some(_) => Err(ask.invalid(&format!("it has two images for {platform}"))),
            }
        };
        match document {
            Document::Image { config, layers } => {
                add(None, manifest.digest.clone(), config, layers)?;
            }
            Document::Index(children) => {
                for child in children {
                    let digest = child.descriptor.digest;
                    let platform = match child.role {
                        Role::Image(platform) => platform,
                        Role::Attestation(of) => {
                            attestations.push(Attestation { manifest: digest, of });
                            continue;
                        }
                    };
                    let found = self.manifest(repository, &digest)?;
                    let found = found.ok_or_else(|| {
                        ask.not_found().saying(&format!("it lists {digest}, which is gone"))
                    })?;
                    match found.document().map_err(|why| ask.invalid(&why))? {
                        Document::Image { config, layers } => {
                            add(platform, digest, config, layers)?;
                        }
                        Document::Index(_) => {
                            return Err(ask.invalid("an index within an index is not supported"));
                        }
                    }
                }
            }
        }
        Ok(Some(Content { manifest, is_index, images, attestations }))
    }

    /// A configuration (OCI image spec, «Image Configuration»).
    pub(super) fn config(
        &self,
        ask: &Ask<'_>,
        descriptor: &Descriptor,
    ) -> Result<Configuration, Trouble> {
        #[derive(Deserialize)]
        struct Wire {
            os: String,
            architecture: String,
            variant: Option<String>,
            created: Option<String>,
            config: Option<Inner>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Inner {
            labels: Option<BTreeMap<String, String>>,
            on_build: Option<Vec<String>>,
        }
        let bytes = self.retrying(|| ask.small_blob(descriptor))?;
        let wire: Wire = serde_json::from_slice(&bytes)
            .map_err(|_| ask.invalid("a configuration is not that of an image"))?;
        let platform = read_platform(&wire.os, &wire.architecture, wire.variant.as_deref())
            .ok_or_else(|| ask.invalid("a configuration names no platform"))?;
        let inner = wire.config.unwrap_or_default();
        Ok(Configuration {
            platform,
            labels: inner.labels.unwrap_or_default(),
            onbuild: inner.on_build.unwrap_or_default(),
            created: wire.created.and_then(|created| created.parse().ok()),
        })
    }
}

/// What we read of an image's configuration.
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) labels: BTreeMap<String, String>,
    /// Not in OCI's, but in Docker's.
    pub(super) onbuild: Vec<String>,
    /// What is no date is none.
    pub(super) created: Option<Timestamp>,
}

impl Ask<'_> {
    fn small_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Trouble> {
        let digest = &descriptor.digest;
        let address = self.address(&format!("/blobs/{digest}"))?;
        let response = self.send(&Method::GET, &address, &[], Payload::Empty)?;
        match response.status().as_u16() {
            200 => {}
            404 => {
                return Err(self
                    .trouble(Kind::NotFound)
                    .saying(&format!("its configuration {digest} is gone")));
            }
            _ => return Err(self.of_status(response)),
        }
        let bytes = self.read(response, MOST_CONFIG_BYTES)?;
        if is_digest_of(digest, &bytes) {
            Ok(bytes)
        } else {
            Err(self.invalid(&format!("the content of {digest} has another digest")))
        }
    }
}
