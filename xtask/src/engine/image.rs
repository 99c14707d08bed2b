//! Images in the engine: asked for, named and unnamed. Over the socket where there is one, else with the CLI.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::docker::Engine;
use super::http::Answer;
use super::version::Version;
use crate::reference::{Digest, Platform};

const LIMIT: Duration = Duration::from_secs(30);
/// Questions at once. Sixteen take 0.3 s for 50 images, eight 0.4 s, one 1.3 s.
const AT_ONCE: usize = 16;
/// Since this API version, an image's manifests can be asked for.
const MANIFESTS: Version = Version::new(1, 48, 0);

/// An image in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalImage {
    /// The containerd store's: the digest of the index or manifest. The classic store's: the configuration's.
    pub id: Digest,
    /// `name:tag`, as the engine writes them.
    pub tags: Vec<String>,
    /// The platforms whose content is there.
    pub platforms: Vec<Platform>,
    pub labels: std::collections::BTreeMap<String, String>,
    /// Bytes, as the engine's store counts them: compressed (containerd) or unpacked (classic).
    pub size: u64,
    /// RFC 3339.
    pub created: String,
}

impl Engine {
    /// The image of that name, tag or id.
    pub fn image(&self, name: &str) -> anyhow::Result<Option<LocalImage>> {
        let Some(json) = self.image_json(name)? else { return Ok(None) };
        local_image(&json)
            .with_context(|| format!("failed to understand the engine's answer about image {name}"))
            .map(Some)
    }

    /// The engine's own answer about an image.
    pub(super) fn image_json(&self, name: &str) -> anyhow::Result<Option<Value>> {
        Ok(Some(match &self.http {
            Some(_) => {
                let manifests = if self.api >= MANIFESTS { "?manifests=1" } else { "" };
                let answer =
                    self.ask("GET", &format!("/images/{}/json{manifests}", path_segment(name)))?;
                match answer.status {
                    200 => answer.json()?,
                    404 => return Ok(None),
                    _ => bail!("failed to look at image {name}: {}", answer.message()),
                }
            }
            None => match self.command().args(["image", "inspect", "--", name]).read() {
                Ok(text) => serde_json::from_str::<Value>(&text)?[0].take(),
                Err(failure) if failure.stderr.to_ascii_lowercase().contains("no such image") => {
                    return Ok(None);
                }
                Err(failure) => return Err(failure.into()),
            },
        }))
    }

    /// As [`image`](Self::image) for each of `names`, in their order.
    pub fn images<S: AsRef<str> + Sync>(
        &self,
        names: &[S],
    ) -> anyhow::Result<Vec<Option<LocalImage>>> {
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(Vec::with_capacity(names.len()));
        std::thread::scope(|threads| {
            for _ in 0..AT_ONCE.min(names.len()) {
                threads.spawn(|| {
                    while let Some((index, name)) = take(&next, names) {
                        let answer = self.image(name.as_ref());
                        answers
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push((index, answer));
                    }
                });
            }
        });
        let mut answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Gives `source` (a name or id) the further name `repository:tag`.
    pub fn tag(&self, source: &str, new: &str) -> anyhow::Result<()> {
        let Some((repository, tag)) = new.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
        else {
            bail!("failed to tag {source}: {new:?} has no tag");
        };
        if self.http.is_none() {
            return Ok(self.command().args(["image", "tag", "--", source, new]).run()?);
        }
        let (source_path, repository, tag) =
            (path_segment(source), path_segment(repository), path_segment(tag));
        let answer =
            self.ask("POST", &format!("/images/{source_path}/tag?repo={repository}&tag={tag}"))?;
        match answer.status {
            201 => Ok(()),
            _ => bail!("failed to tag {source} as {new}: {}", answer.message()),
        }
    }

    /// Takes the name away, and with its last name the image. Whether it was there. An image that a container uses
    /// stays, without an error: it goes with `docker image prune`.
    pub fn untag(&self, name: &str) -> anyhow::Result<bool> {
        if self.http.is_none() {
            return match self.command().args(["image", "rm", "--", name]).run() {
                Ok(()) => Ok(true),
                Err(failure) if failure.stderr.to_ascii_lowercase().contains("no such image") => {
                    Ok(false)
                }
                Err(failure) => Err(failure.into()),
            };
        }
        let answer = self.ask("DELETE", &format!("/images/{}", path_segment(name)))?;
        match answer.status {
            200 | 409 => Ok(true),
            404 => Ok(false),
            _ => bail!("failed to remove the image name {name}: {}", answer.message()),
        }
    }

    pub(super) fn ask(&self, method: &str, path: &str) -> anyhow::Result<Answer> {
        self.ask_within(method, path, LIMIT)
    }

    pub(super) fn ask_within(
        &self,
        method: &str,
        path: &str,
        limit: Duration,
    ) -> anyhow::Result<Answer> {
        let http = self.http.as_ref().context("the engine has no socket on this machine")?;
        let path = format!("/v{}.{}{path}", self.api.major, self.api.minor);
        let answer = http.ask(method, &path, limit);
        answer.with_context(|| format!("failed to ask the Docker engine at {}", self.endpoint))
    }
}

fn take<'a, S>(next: &AtomicUsize, names: &'a [S]) -> Option<(usize, &'a S)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    names.get(index).map(|name| (index, name))
}

/// `name` in a URL's path or query: everything that is not surely harmless in percent notation.
pub(super) fn path_segment(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' | b':' | b'@' => {
                path.push(byte.into());
            }
            _ => path.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    path
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

fn local_image(json: &Value) -> anyhow::Result<LocalImage> {
    let strings = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let labels = json["Config"]["Labels"].as_object().into_iter().flatten();
    Ok(LocalImage {
        id: json["Id"].as_str().context("no Id")?.parse()?,
        tags: strings(&json["RepoTags"]),
        platforms: platforms(json),
        labels: labels
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        size: json["Size"].as_u64().unwrap_or(0),
        created: json["Created"].as_str().unwrap_or_default().to_owned(),
    })
}

fn platforms(json: &Value) -> Vec<Platform> {
    let part = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let parse = |os: String, arch: String, variant: String| -> Option<Platform> {
        format!("{os}/{arch}/{variant}").trim_end_matches('/').parse().ok()
    };
    let manifests = json["Manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let images = manifests
        .iter()
        .filter(|manifest| manifest["Kind"] == "image" && manifest["Available"] == true);
    let mut platforms: Vec<Platform> = images
        .map(|manifest| &manifest["ImageData"]["Platform"])
        .filter_map(|at| parse(part(at, "os"), part(at, "architecture"), part(at, "variant")))
        .collect();
    if platforms.is_empty() {
        platforms.extend(parse(
            part(json, "Os"),
            part(json, "Architecture"),
            part(json, "Variant"),
        ));
    }
    platforms.sort();
    platforms.dedup();
    platforms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        assert_eq!(path_segment("ghcr.io/a/b:1@sha256:0"), "ghcr.io/a/b:1@sha256:0");
        assert_eq!(path_segment("a?b#c d\r\n%é"), "a%3Fb%23c%20d%0D%0A%25%C3%A9");
    }

    #[test]
    fn attestations_and_absent_content_are_no_platforms() {
        let manifest = |kind, available, architecture| {
            serde_json::json!({ "Kind": kind, "Available": available,
                "ImageData": { "Platform": { "os": "linux", "architecture": architecture } } })
        };
        let json = serde_json::json!({
            "Id": format!("sha256:{}", "0".repeat(64)), "Os": "linux", "Architecture": "amd64",
            "Manifests": [manifest("image", true, "arm64"), manifest("image", false, "s390x"),
                manifest("attestation", true, "unknown"), manifest("image", true, "amd64")],
            "Config": { "Labels": { "a": "b" } },
        });
        let image = local_image(&json).unwrap();
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
        assert_eq!(image.labels["a"], "b");
    }
}
