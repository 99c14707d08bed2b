//! Manifests and indexes: their bytes, and what they name (OCI image spec, and Docker's older media types).

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::reference::{Digest, Platform};

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What we can read, as `Accept`.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// By this `BuildKit` marks what is about an image and none (moby/buildkit, `docs/attestations/attestation-storage.md`).
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The most that one manifest may name.
const MOST_CHILDREN: usize = 1000;

/// A manifest or an index, byte for byte: what is put somewhere else has the same digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

/// What a manifest says of something that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes; of a layer, compressed.
    pub size: u64,
}

/// What a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Index(Vec<Child>),
    Image { config: Descriptor, layers: Vec<Descriptor> },
}

/// A manifest of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) descriptor: Descriptor,
    pub(super) role: Role,
}

/// What a manifest of an index is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// With the platform, where the index says it.
    Image(Option<Platform>),
    /// With the manifest that it is about.
    Attestation(Option<Digest>),
}

impl Manifest {
    /// With the digest of `bytes`.
    pub fn new(media_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        let digest = sha256(&bytes);
        Self { media_type: media_type.into(), bytes, digest }
    }

    pub(super) fn document(&self) -> Result<Document, String> {
        let wire: Wire = serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("the manifest is not JSON that we know: {error}"))?;
        if wire.schema_version != 2 {
            return Err("the manifest is of schema 1, which is not supported".into());
        }
        if wire.media_type.as_deref().is_some_and(|inside| inside != self.media_type) {
            return Err("the manifest says another media type than the registry".into());
        }
        if wire.manifests.as_ref().map_or(0, Vec::len) > MOST_CHILDREN
            || wire.layers.as_ref().map_or(0, Vec::len) > MOST_CHILDREN
        {
            return Err(format!("the manifest names more than {MOST_CHILDREN} others"));
        }
        match (self.media_type.as_str(), wire.manifests, wire.config, wire.layers) {
            (INDEX | DOCKER_LIST, Some(manifests), None, None) => manifests
                .into_iter()
                .map(WireChild::read)
                .collect::<Result<_, _>>()
                .map(Document::Index),
            (MANIFEST | DOCKER_MANIFEST, None, Some(config), Some(layers)) => Ok(Document::Image {
                config: config.read()?,
                layers: layers.into_iter().map(WireDescriptor::read).collect::<Result<_, _>>()?,
            }),
            (INDEX | DOCKER_LIST | MANIFEST | DOCKER_MANIFEST, ..) => {
                Err("the manifest is not of the form that its media type says".into())
            }
            (other, ..) => Err(format!("the media type {other:?} is not supported")),
        }
    }
}

impl Descriptor {
    /// Layers that are fetched from elsewhere: no registry holds them, and Docker pushes none.
    pub(super) fn is_foreign(&self) -> bool {
        self.media_type.contains(".image.rootfs.foreign.")
            || self.media_type.contains(".image.layer.nondistributable.")
    }
}

/// The digest of `bytes`, as registries and builders make it.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = Hash::Sha256(Sha256::new());
    hash.update(bytes);
    hash.digest()
}

/// Whether `digest` is that of `bytes`, whatever its algorithm.
pub(super) fn is_digest_of(digest: &Digest, bytes: &[u8]) -> bool {
    let mut hash = Hash::like(digest);
    hash.update(bytes);
    hash.digest() == *digest
}

/// A digest in the making.
pub(super) enum Hash {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hash {
    /// With the algorithm of `digest`.
    pub(super) fn like(digest: &Digest) -> Self {
        match digest.as_str().split(':').next() {
            Some("sha384") => Self::Sha384(Sha384::new()),
            Some("sha512") => Self::Sha512(Sha512::new()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    pub(super) fn digest(self) -> Digest {
        use std::fmt::Write as _;
        let (name, bytes) = match self {
            Self::Sha256(hash) => ("sha256:", hash.finalize().to_vec()),
            Self::Sha384(hash) => ("sha384:", hash.finalize().to_vec()),
            Self::Sha512(hash) => ("sha512:", hash.finalize().to_vec()),
        };
        let mut text = name.to_owned();
        for byte in bytes {
            let _infallible = write!(text, "{byte:02x}");
        }
        text.parse().expect("a hash in hexadecimal is a digest")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<WireChild>>,
    config: Option<WireDescriptor>,
    layers: Option<Vec<WireDescriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct WireChild {
    #[serde(flatten)]
    descriptor: WireDescriptor,
    platform: Option<WirePlatform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WirePlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl WireDescriptor {
    fn read(self) -> Result<Descriptor, String> {
        let digest = self.digest.parse().map_err(|invalid| format!("{invalid}"))?;
        Ok(Descriptor { media_type: self.media_type, digest, size: self.size })
    }
}

impl WireChild {
    fn read(self) -> Result<Child, String> {
        let platform = self.platform.as_ref().and_then(|platform| {
            read_platform(&platform.os, &platform.architecture, platform.variant.as_deref())
        });
        let role = if self.annotations.contains_key(REFERENCE_TYPE) {
            let of = self.annotations.get(REFERENCE_DIGEST);
            Role::Attestation(of.and_then(|digest| digest.parse().ok()))
        } else {
            Role::Image(platform)
        };
        Ok(Child { descriptor: self.descriptor.read()?, role })
    }
}

/// A platform as manifests and configurations write it; nothing for `unknown`.
pub(super) fn read_platform(
    os: &str,
    architecture: &str,
    variant: Option<&str>,
) -> Option<Platform> {
    if os == "unknown" || architecture == "unknown" {
        return None;
    }
    let variant = variant.filter(|variant| !variant.is_empty());
    let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{os}/{architecture}{variant}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(media_type: &str, text: &str) -> Result<Document, String> {
        Manifest::new(media_type, text.as_bytes().to_vec()).document()
    }

    #[test]
    fn digests_are_of_the_bytes() {
        assert_eq!(sha256(b"").as_str(), EMPTY);
        let sha512 = Hash::like(&format!("sha512:{}", "0".repeat(128)).parse().unwrap());
        let sha512 = sha512.digest();
        assert!(sha512.as_str().starts_with("sha512:cf83e1357eefb8bd"), "{sha512}");
        assert!(is_digest_of(&sha512, b"") && !is_digest_of(&sha512, b"x"));
    }

    #[test]
    fn attestations_are_told_from_platforms() {
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[
            {{"mediaType":"{MANIFEST}","digest":"{EMPTY}","size":3,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}},
            {{"mediaType":"{MANIFEST}","digest":"{EMPTY}","size":4,"platform":{{"os":"unknown","architecture":"unknown"}},
              "annotations":{{"{REFERENCE_TYPE}":"attestation-manifest","{REFERENCE_DIGEST}":"{EMPTY}"}}}}]}}"#
        );
        let Document::Index(children) = read(INDEX, &index).unwrap() else { panic!("an index") };
        assert_eq!(children[0].role, Role::Image(Some("linux/arm/v7".parse().unwrap())));
        assert_eq!(children[1].role, Role::Attestation(Some(EMPTY.parse().unwrap())));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let config = format!(r#"{{"mediaType":"x","digest":"{EMPTY}","size":1}}"#);
        let good = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        assert!(read(MANIFEST, &good).is_ok());
        for (media_type, text) in [
            (INDEX, good.clone()),
            ("text/html", good.clone()),
            (MANIFEST, good.replace("2,", "1,")),
            (MANIFEST, good.replace("2,", &format!(r#"2,"mediaType":"{INDEX}","#))),
            (MANIFEST, good.replace("sha256:e3", "sha256:../../etc")),
            (MANIFEST, good.replace(r#""size":1"#, r#""size":-1"#)),
            (MANIFEST, good.replace("2,", r#"2,"manifests":[],"#)),
            (
                MANIFEST,
                format!(
                    r#"{{"schemaVersion":2,"config":{config},"layers":[{}{config}]}}"#,
                    format!("{config},").repeat(1000)
                ),
            ),
            (MANIFEST, "[]".into()),
            (MANIFEST, String::new()),
        ] {
            assert!(read(media_type, &text).is_err(), "{media_type} {text:.100}");
        }
    }
}
