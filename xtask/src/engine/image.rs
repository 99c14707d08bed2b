//! Images in the engine: asked for, named and unnamed. Over the socket where there is one, else with the CLI.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::docker::{Engine, Store};
use super::http::Answer;
use super::version::Version;
use crate::reference::{Digest, Platform};

pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Questions at once. Sixteen or eight take 0.07 s for 50 images, one 0.16 s.
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
    pub labels: BTreeMap<String, String>,
    /// Bytes, as the engine's store counts them: compressed (containerd) or unpacked (classic).
    pub size: u64,
    /// RFC 3339.
    pub created: String,
}

/// What a name stands for in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImage {
    /// As [`LocalImage::id`].
    pub id: Digest,
    /// All its names, as [`LocalImage::tags`].
    pub tags: Vec<String>,
}

/// An entry of an image's history. Only the first, which is the image itself, has an id and names.
#[derive(serde::Deserialize)]
struct HistoryEntry {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Tags")]
    tags: Option<Vec<String>>,
}

impl Engine {
    /// What `name` (a name or id) stands for, where its content is there.
    ///
    /// Asks for the history, which takes a third of the time of [`image`](Self::image): containerd's store then resolves
    /// the name, and reads manifest and configuration for the engine's own platform (moby,
    /// `daemon/containerd/image_history.go`), the classic one the layers too (`daemon/images/image_history.go`); what is
    /// missing is an error. Of other platforms it says nothing. An answer that does not name the image, as that of one
    /// without history, or of another platform, is none, and everything is asked for.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn named(&self, name: &str) -> anyhow::Result<Option<NamedImage>> {
        if self.http.is_some() {
            let answer = self.ask("GET", &format!("/images/{}/history", path_segment(name)))?;
            if answer.status == 200
                && let Some(named) = first_of_history(&answer.body)
            {
                return Ok(Some(named));
            }
        }
        let image = self.image(name)?;
        Ok(image.map(|image| NamedImage { id: image.id, tags: image.tags }))
    }

    /// Whether [`LocalImage::platforms`] are all whose content is there; else it is the one that the engine prefers.
    pub fn tells_platforms(&self) -> bool {
        self.store == Store::Containerd && self.http.is_some() && self.api >= MANIFESTS
    }

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

    /// As [`named`](Self::named) for each of `names`, in their order.
    pub fn all_named<S: AsRef<str> + Sync>(
        &self,
        names: &[S],
    ) -> anyhow::Result<Vec<Option<NamedImage>>> {
        of_each(names, |name| self.named(name.as_ref())).into_iter().collect()
    }

    /// As [`image`](Self::image) for each of `names`, in their order.
    pub fn images<S: AsRef<str> + Sync>(
        &self,
        names: &[S],
    ) -> anyhow::Result<Vec<Option<LocalImage>>> {
        of_each(names, |name| self.image(name.as_ref())).into_iter().collect()
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
        untagged(name, &answer)
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
        let answer = http.ask(method, &self.versioned(path), limit);
        answer.with_context(|| format!("failed to ask the Docker engine at {}", self.endpoint))
    }

    /// `path` of the API that the engine speaks.
    pub(super) fn versioned(&self, path: &str) -> String {
        format!("/v{}.{}{path}", self.api.major, self.api.minor)
    }
}

/// What the engine's answer to the removal of `name` means: whether it was there.
pub(super) fn untagged(name: &str, answer: &Answer) -> anyhow::Result<bool> {
    match answer.status {
        200 | 409 => Ok(true),
        404 => Ok(false),
        _ => bail!("failed to remove the image name {name}: {}", answer.message()),
    }
}

/// What `ask` gives for each of `items`, in their order, several at once.
pub(super) fn of_each<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE.min(items.len()) {
            threads.spawn(|| {
                while let Some((index, item)) = take(&next, items) {
                    let answer = ask(item);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).push((index, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
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

fn first_of_history(body: &[u8]) -> Option<NamedImage> {
    let entries: Vec<HistoryEntry> = serde_json::from_slice(body).ok()?;
    let first = entries.into_iter().next()?;
    Some(NamedImage { id: first.id.parse().ok()?, tags: first.tags.unwrap_or_default() })
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
    Ok(LocalImage {
        id: json["Id"].as_str().context("no Id")?.parse()?,
        tags: strings(&json["RepoTags"]),
        platforms: platforms(json),
        labels: labels(&json["Config"]["Labels"]),
        size: json["Size"].as_u64().unwrap_or(0),
        created: json["Created"].as_str().unwrap_or_default().to_owned(),
    })
}

pub(super) fn labels(json: &Value) -> BTreeMap<String, String> {
    let labels = json.as_object().into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
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
    fn a_history_names_the_image_in_its_first_entry_or_nothing_is_known() {
        let id = format!("sha256:{}", "0".repeat(64));
        let of = |text: &str| first_of_history(text.as_bytes());
        let two = format!(
            r#"[{{"Id":"{id}","Tags":["a:1","b:2"],"Size":1}},{{"Id":"<missing>","Tags":null}}]"#
        );
        let named = of(&two).unwrap();
        assert_eq!(
            (named.id.to_string(), named.tags),
            (id, vec!["a:1".to_owned(), "b:2".to_owned()])
        );
        for text in ["[]", "{}", "null", "", r#"[{"Id":"<missing>","Tags":null}]"#] {
            assert_eq!(of(text), None, "{text}");
        }
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
