//! What builds have left in the engine: the id and size of each image, of all in one question where the engine can.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::docker::Engine;
use super::image::{labels, of_each, path_segment};
use crate::reference::Digest;

/// What answers with an error within this time may answer otherwise the second time.
const QUICK_ERROR: Duration = Duration::from_secs(5);

/// What is under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// As [`LocalImage::id`](super::LocalImage::id).
    pub id: Digest,
    /// As [`LocalImage::size`](super::LocalImage::size).
    pub bytes: u64,
    /// As [`LocalImage::labels`](super::LocalImage::labels).
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// What is under the name (`repository:tag`).
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn stored(&self, name: &str) -> anyhow::Result<Option<StoredImage>> {
        let image = self.image(name)?;
        Ok(image.map(|image| StoredImage { id: image.id, bytes: image.size, labels: image.labels }))
    }

    /// As [`stored`](Self::stored) for each of `names`, in their order.
    ///
    /// The list of some images is half the work of a question for each: for that, containerd's store lists all images that
    /// there are (moby, `daemon/containerd/image.go`, `GetImage`). What the list does not tell, is asked for.
    pub fn all_stored(&self, names: &[String]) -> Vec<anyhow::Result<Option<StoredImage>>> {
        let listed =
            if self.tells_platforms() && names.len() > 1 { self.list(names) } else { None };
        let listed = listed.unwrap_or_default();
        let hangs = AtomicBool::new(false);
        of_each(names, |name| match listed.iter().find_map(|image| listed_as(image, name)) {
            Some(image) => Ok(Some(image)),
            None => self.stored_after_all(name, &hangs),
        })
    }

    /// As [`stored`](Self::stored), asked for a second time where the first answer is an error: an image is worth more than
    /// that. Not of an engine that hangs, which is asked for nothing more.
    fn stored_after_all(
        &self,
        name: &str,
        hangs: &AtomicBool,
    ) -> anyhow::Result<Option<StoredImage>> {
        if hangs.load(Ordering::Relaxed) {
            bail!("failed to look at image {name}: the engine does not answer");
        }
        let start = Instant::now();
        self.stored(name).or_else(|error| {
            if start.elapsed() > QUICK_ERROR {
                hangs.store(true, Ordering::Relaxed);
                return Err(error);
            }
            self.stored(name)
        })
    }

    fn list(&self, names: &[String]) -> Option<Vec<Value>> {
        let filters = path_segment(&serde_json::json!({ "reference": names }).to_string());
        let answer =
            self.ask("GET", &format!("/images/json?manifests=1&filters={filters}")).ok()?;
        serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)
    }
}

/// What an entry of the engine's list says of `name`; nothing where it is of another image, or of one whose size the entry
/// does not tell as [`LocalImage::size`](super::LocalImage::size) does: its own is with the unpacked files.
fn listed_as(image: &Value, name: &str) -> Option<StoredImage> {
    let names = image["RepoTags"].as_array()?;
    let [manifest] = image["Manifests"].as_array()?.as_slice() else { return None };
    let whole = manifest["Kind"] == "image" && manifest["Available"] == true;
    let bytes = manifest["Size"]["Content"].as_u64()?;
    let id = image["Id"].as_str()?.parse().ok()?;
    let labels = labels(&image["Labels"]);
    (whole && names.iter().any(|own| own == name)).then_some(StoredImage { id, bytes, labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_of_one_manifest_that_is_there_is_taken_from_the_list() {
        let id = format!("sha256:{}", "0".repeat(64));
        let manifest = |kind, available| serde_json::json!({ "Kind": kind, "Available": available, "Size": { "Content": 7 } });
        let of = |manifests: Value| {
            let image = serde_json::json!({ "Id": id, "RepoTags": ["a:1", "b:1"], "Size": 90, "Manifests": manifests });
            listed_as(&image, "b:1").map(|image| (image.id.to_string(), image.bytes))
        };
        assert_eq!(of(serde_json::json!([manifest("image", true)])), Some((id.clone(), 7)));
        for manifests in [
            serde_json::json!([manifest("image", false)]),
            serde_json::json!([manifest("attestation", true)]),
            serde_json::json!([manifest("image", true), manifest("image", true)]),
            serde_json::json!([]),
            Value::Null,
        ] {
            assert_eq!(of(manifests.clone()), None, "{manifests}");
        }
        let other = serde_json::json!({ "Id": id, "RepoTags": ["a:2"], "Manifests": [manifest("image", true)] });
        assert_eq!(listed_as(&other, "a:1"), None);
    }
}
