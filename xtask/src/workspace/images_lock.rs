//! `images.lock`: the digests of external bases. Written by `lock-update`, read by everybody.

use std::collections::BTreeMap;
use std::fmt::Write as _;

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
    /// When the image was made, as it says itself (RFC 3339).
    #[serde(default)]
    pub created: Option<String>,
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
pub fn parse_images_lock(text: &str) -> Result<BTreeMap<Reference, LockedImage>, Mistake> {
    if let Some(line) = text.lines().position(is_conflict_marker) {
        return Err(Mistake::new("a merge has left a conflict in it")
            .at(Place::new(IMAGES_LOCK, u32::try_from(line + 1).unwrap_or(u32::MAX), 1))
            .mend("take one side, `git checkout --ours images.lock` or `--theirs`, then `cargo xtask lock-update --only bases`"));
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Mistake::new(format!("it is no lock of images: {}", error.message()))
            .at(Place::of_offset(Utf8Path::new(IMAGES_LOCK), text, offset))
            .mend(
                "take it back from git, or remove it, then `cargo xtask lock-update --only bases`",
            )
    })?;
    Ok(file.image.into_iter().map(|image| (image.reference.clone(), image)).collect())
}

/// As git writes them.
fn is_conflict_marker(line: &str) -> bool {
    ["<<<<<<<", ">>>>>>>", "|||||||"].iter().any(|marker| line.starts_with(marker))
        || line == "======="
}

/// A lock of `images` as text: sorted, a line a fact, so that changes are small and merges easy.
pub fn images_lock_text(images: &BTreeMap<Reference, LockedImage>) -> String {
    let mut text = "# Written by `cargo xtask lock-update`.\nversion = 1\n".to_owned();
    for (reference, image) in images {
        let mut line = |line: String| text.extend([line.as_str(), "\n"]);
        line("\n[[image]]".to_owned());
        line(format!("reference = {}", quoted(&reference.to_string())));
        line(format!("digest = {}", quoted(image.digest.as_str())));
        if let Some(created) = &image.created {
            line(format!("created = {}", quoted(created)));
        }
        if !image.onbuild.is_empty() {
            line("onbuild = [".to_owned());
            image.onbuild.iter().for_each(|trigger| line(format!("    {},", quoted(trigger))));
            line("]".to_owned());
        }
        if !image.platforms.is_empty() {
            line("[image.platforms]".to_owned());
            for (platform, digest) in &image.platforms {
                line(format!("{} = {}", quoted(&platform.to_string()), quoted(digest.as_str())));
            }
        }
    }
    text
}

/// `text` as a basic string of TOML, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                // Writing to a `String` cannot fail.
                let _written = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
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
        let lock = parse_images_lock(&text).unwrap();
        let image = &lock[&"docker.io/library/debian:trixie-slim".parse().unwrap()];
        assert_eq!(image.platforms.len(), 1);
        assert_eq!(image.onbuild, ["COPY . /app"]);
        let wrong = parse_images_lock("[[image]]\nreference = \"A\"\n").unwrap_err();
        assert!(wrong.place.is_some());
    }
    #[test]
    fn what_is_written_is_read_again() {
        let image = |name: &str, digit: &str, onbuild: &[&str]| {
            let digest: Digest = format!("sha256:{}", digit.repeat(64)).parse().unwrap();
            let image = LockedImage {
                reference: name.parse().unwrap(),
                digest: digest.clone(),
                created: Some("2026-01-02T03:04:05Z".to_owned()),
                platforms: ["linux/amd64", "linux/arm64"]
                    .map(|platform| (platform.parse().unwrap(), digest.clone()))
                    .into(),
                onbuild: onbuild.iter().map(|&trigger| trigger.to_owned()).collect(),
            };
            (image.reference.clone(), image)
        };
        let odd = ["COPY . /app", "RUN echo \"a\\b\"\n\t\u{7f}é"];
        let images = BTreeMap::from([image("b:1", "0", &odd), image("a", "1", &[])]);
        let text = images_lock_text(&images);
        assert_eq!(parse_images_lock(&text).unwrap(), images);
        let line = |needle: &str| text.lines().position(|line| line.contains(needle)).unwrap();
        assert!(line("library/a") < line("library/b"));

        let merged = text.replace("digest", "<<<<<<< HEAD\ndigest");
        let wrong = parse_images_lock(&merged).unwrap_err();
        assert_eq!(wrong.place.unwrap().line, 6);
        assert!(wrong.what.contains("conflict"));
    }
}
