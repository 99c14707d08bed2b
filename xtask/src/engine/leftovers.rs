//! What the engine holds, what containers need of it, and taking some away. What may go is decided in [`crate::clean`].

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::docker::Engine;
use super::image::{LocalImage, path_segment};
use crate::reference::Digest;

/// A large image takes its time to go.
const LIMIT: Duration = Duration::from_mins(10);
/// Between two questions for what the engine was not able to count.
const PAUSE: Duration = Duration::from_millis(300);

/// What became of a name, or of an image without one, that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Gone,
    /// It was not there any more.
    Absent,
    /// The engine keeps it, and says why: a container uses it, or another image is made from it.
    Kept(String),
}

impl Engine {
    /// Every image it holds, those without a name included, sorted by id.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn all_images(&self) -> anyhow::Result<Vec<LocalImage>> {
        let mut ids = BTreeSet::new();
        // Newer clients leave out images without a name unless they are asked for.
        for filter in [None, Some("--filter=dangling=true")] {
            let list = self.command().args(["image", "ls", "--quiet", "--no-trunc"]).args(filter);
            ids.extend(list.read()?.lines().map(|line| line.trim().to_owned()));
        }
        ids.remove("");
        let ids: Vec<String> = ids.into_iter().collect();
        Ok(self.images(&ids)?.into_iter().flatten().collect())
    }

    /// The images that containers were made from, whether these run or not.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn used_images(&self) -> anyhow::Result<BTreeSet<Digest>> {
        let names: BTreeSet<String> = if self.http.is_some() {
            let answer = self.ask("GET", "/containers/json?all=true")?;
            if answer.status != 200 {
                bail!("failed to list containers: {}", answer.message());
            }
            let listed: Vec<Value> = serde_json::from_slice(&answer.body)?;
            let of = |container: &Value| {
                ["Image", "ImageID"]
                    .map(|key| container[key].as_str().unwrap_or_default().to_owned())
            };
            listed.iter().flat_map(of).collect()
        } else {
            let list = ["container", "ls", "--all", "--no-trunc", "--format={{.Image}}"];
            self.command().args(list).read()?.lines().map(|line| line.trim().to_owned()).collect()
        };
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let mut used: BTreeSet<Digest> = names.iter().filter_map(|id| id.parse().ok()).collect();
        used.extend(self.images(&names)?.into_iter().flatten().map(|image| image.id));
        Ok(used)
    }

    /// Takes a name away, and with its last name the image; or an image by its digest, which then must have no name.
    /// Never by force.
    ///
    /// # Errors
    /// When the engine fails otherwise.
    pub fn remove_image(&self, name: &str) -> anyhow::Result<Removed> {
        if self.http.is_none() {
            return match self.command().args(["image", "rm", "--", name]).read_within(LIMIT) {
                Ok(_) => Ok(Removed::Gone),
                Err(failure) => {
                    let said = failure.stderr.to_ascii_lowercase();
                    if said.contains("no such image") {
                        Ok(Removed::Absent)
                    } else if said.contains("conflict") {
                        Ok(Removed::Kept(failure.stderr.trim().to_owned()))
                    } else {
                        Err(failure.into())
                    }
                }
            };
        }
        let answer =
            self.ask_within("DELETE", &format!("/images/{}", path_segment(name)), LIMIT)?;
        match answer.status {
            200 => Ok(Removed::Gone),
            404 => Ok(Removed::Absent),
            409 => Ok(Removed::Kept(answer.message())),
            _ => bail!("failed to remove the image {name}: {}", answer.message()),
        }
    }

    /// The bytes that the layers of all images take together, each layer once; nothing where the engine cannot be asked.
    pub fn layers_size(&self) -> Option<u64> {
        let ask = || {
            let answer = self.ask_within("GET", "/system/df?type=image", LIMIT).ok()?;
            answer.json().ok()?["LayersSize"].as_u64()
        };
        // An image that goes while the engine counts, also by its own tidying, makes the answer an error.
        (0..10).find_map(|_| {
            ask().or_else(|| {
                std::thread::sleep(PAUSE);
                None
            })
        })
    }
}
