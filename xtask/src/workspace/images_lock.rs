//! `images.lock`: the digests of external bases. Written by `lock-update`, read by everybody.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::Deserialize;

use crate::mistake::{Mistake, Place};
use crate::reference::{Digest, Platform, Reference};

/// The lock's name, at the workspace root.
pub const IMAGES_LOCK: &str = "images.lock";

/// A base as the lock holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LockedImage {
    pub reference: Reference,
    /// Of the index, or of the manifest where there is no index.
    pub digest: Digest,
    /// Of each platform's manifest.
    #[serde(default)]
    pub platforms: BTreeMap<Platform, Digest>,
    /// `Config.OnBuild`.
    #[serde(default)]
    pub onbuild: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    image: Vec<LockedImage>,
}

/// The text of a lock → its images, by reference.
///
/// # Errors
/// Where it is no lock.
pub(super) fn parse(text: &str) -> Result<BTreeMap<Reference, LockedImage>, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Mistake::new(format!("it is no lock of images: {}", error.message()))
            .at(Place::of_offset(Utf8Path::new(IMAGES_LOCK), text, offset))
            .mend("`cargo xtask lock-update --only bases` writes it anew")
    })?;
    Ok(file.image.into_iter().map(|image| (image.reference.clone(), image)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_and_a_damaged_one_is_refused() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!(
            "version = 1\n[[image]]\nreference = \"debian:trixie-slim\"\ndigest = \"{digest}\"\n\
             platforms = {{ \"linux/amd64\" = \"{digest}\" }}\nonbuild = [\"COPY . /app\"]\n"
        );
        let lock = parse(&text).unwrap();
        let image = &lock[&"docker.io/library/debian:trixie-slim".parse().unwrap()];
        assert_eq!(image.platforms.len(), 1);
        assert_eq!(image.onbuild, ["COPY . /app"]);
        let wrong = parse("[[image]]\nreference = \"A\"\n").unwrap_err();
        assert!(wrong.place.is_some());
    }
}
