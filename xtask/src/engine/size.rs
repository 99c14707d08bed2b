//! How large is an image, as a registry would count it? What the engine's store can tell without a copy.

use serde_json::Value;

use super::docker::{Engine, Store};
use crate::reference::Platform;

/// What is known of the compressed layers of one platform, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Measured: the layers, and where the engine counted them, a few kilobytes of manifest and configuration.
    Measured(u64),
    /// Not more than this: all platforms together, or the unpacked files.
    AtMost(u64),
}

impl Engine {
    /// The size of the image `name` for `platform`; nothing where the engine lacks it. `alone` says that the image is
    /// of no other platform.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn size(
        &self,
        name: &str,
        platform: &Platform,
        alone: bool,
    ) -> anyhow::Result<Option<Size>> {
        Ok(self.image_json(name)?.map(|json| size(&json, self.store, platform, alone)))
    }
}

/// containerd's store keeps the compressed layers, and counts them (moby, `daemon/containerd/image_inspect.go`); since
/// API 1.48 for each platform. The classic store keeps files only.
fn size(json: &Value, store: Store, platform: &Platform, alone: bool) -> Size {
    let all = json["Size"].as_u64().unwrap_or(u64::MAX);
    if store == Store::Classic {
        return Size::AtMost(all);
    }
    let manifests = json["Manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_platform = manifests.iter().find(|manifest| {
        let at = &manifest["ImageData"]["Platform"];
        let part = |name: &str| at[name].as_str().unwrap_or_default();
        let text = format!("{}/{}/{}", part("os"), part("architecture"), part("variant"));
        manifest["Kind"] == "image"
            && text.trim_end_matches('/').parse::<Platform>().is_ok_and(|own| own == *platform)
    });
    match of_platform.and_then(|manifest| manifest["Size"]["Content"].as_u64()) {
        Some(bytes) => Size::Measured(bytes),
        // Older engines have no such list.
        None if alone && json["Size"].is_u64() => Size::Measured(all),
        None => Size::AtMost(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_store_knows() {
        let arm = "linux/arm64".parse().unwrap();
        let new = serde_json::json!({ "Size": 90, "Manifests": [
            { "Kind": "attestation", "Size": { "Content": 1 }, "ImageData": { "Platform": { "os": "linux", "architecture": "arm64" } } },
            { "Kind": "image", "Size": { "Content": 40 }, "ImageData": { "Platform": { "os": "linux", "architecture": "arm64", "variant": "v8" } } },
        ] });
        assert_eq!(size(&new, Store::Containerd, &arm, false), Size::Measured(40));
        let old = serde_json::json!({ "Size": 90 });
        assert_eq!(size(&old, Store::Containerd, &arm, false), Size::AtMost(90));
        assert_eq!(size(&old, Store::Containerd, &arm, true), Size::Measured(90));
        assert_eq!(size(&old, Store::Classic, &arm, true), Size::AtMost(90));
        let nothing = serde_json::json!({});
        assert_eq!(size(&nothing, Store::Containerd, &arm, true), Size::AtMost(u64::MAX));
    }
}
