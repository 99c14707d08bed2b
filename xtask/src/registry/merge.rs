//! Images that were built apart, one for each platform, as one index (OCI image spec, «Image Index»). Pure.

use serde_json::{Value, json};

use super::manifest::{DOCKER_LIST, DOCKER_MANIFEST, Document, INDEX, Manifest, Role};
use crate::reference::Platform;

/// What one platform brings: an image's manifest, or an index with it and its attestations.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub platform: &'a Platform,
    pub manifest: &'a Manifest,
}

/// The index of `parts`: images first, then what is about them, each in the order of the platforms' names. Descriptors
/// of an index are taken as they stand there, so that equal parts give equal bytes. A single part needs no index, and
/// is given back as it is.
///
/// # Errors
/// A clause that says which part is no image of its platform.
pub fn merge(parts: &[Part<'_>]) -> Result<Manifest, String> {
    if let [only] = parts {
        return Ok(only.manifest.clone());
    }
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| part.platform);
    if parts.windows(2).any(|two| two[0].platform == two[1].platform) {
        return Err("two parts are for one platform".to_owned());
    }
    let (mut images, mut attestations) = (Vec::new(), Vec::new());
    for part in &parts {
        let wrong = |why: &str| format!("what was built for {} {why}", part.platform);
        match part.manifest.document().map_err(|why| wrong(&format!("cannot be read: {why}")))? {
            Document::Image { .. } => images.push(described(part)),
            Document::Index(children) => {
                let listed: Value = serde_json::from_slice(&part.manifest.bytes)
                    .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
                let listed = listed["manifests"].as_array().cloned().unwrap_or_default();
                let mut found = 0;
                for (child, descriptor) in children.iter().zip(listed) {
                    match &child.role {
                        Role::Attestation(_) => attestations.push(descriptor),
                        Role::Image(Some(platform)) if platform == part.platform => {
                            found += 1;
                            images.push(descriptor);
                        }
                        Role::Image(_) => return Err(wrong("has other images beside it")),
                    }
                }
                if found != 1 {
                    return Err(wrong(&format!("has {found} images instead of one")));
                }
            }
        }
    }
    // Docker's own list may hold nothing but Docker's own manifests, and these are at home there.
    let docker = |descriptor: &Value| descriptor["mediaType"] == DOCKER_MANIFEST;
    let media_type =
        if images.iter().chain(&attestations).all(docker) { DOCKER_LIST } else { INDEX };
    images.append(&mut attestations);
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": images });
    Ok(Manifest::new(media_type, index.to_string().into_bytes()))
}

fn described(part: &Part<'_>) -> Value {
    let mut platform = json!({ "architecture": part.platform.arch(), "os": part.platform.os() });
    if let Some(variant) = part.platform.variant() {
        platform["variant"] = variant.into();
    }
    json!({
        "mediaType": part.manifest.media_type,
        "digest": part.manifest.digest.as_str(),
        "size": part.manifest.bytes.len(),
        "platform": platform,
    })
}

#[cfg(test)]
mod tests {
    use super::super::manifest::MANIFEST;
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn image(media_type: &str, size: u32) -> Manifest {
        let config = json!({ "mediaType": "x", "digest": EMPTY, "size": size });
        let text = json!({ "schemaVersion": 2, "config": config, "layers": [] });
        Manifest::new(media_type, text.to_string().into_bytes())
    }

    /// An index with `image` and something about it.
    fn attested(image: &Manifest, arch: &str) -> Manifest {
        let text = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
            { "mediaType": MANIFEST, "digest": image.digest.as_str(), "size": image.bytes.len(),
              "platform": { "os": "linux", "architecture": arch }, "annotations": { "a": "b" } },
            { "mediaType": MANIFEST, "digest": EMPTY, "size": 1,
              "platform": { "os": "unknown", "architecture": "unknown" },
              "annotations": { "vnd.docker.reference.type": "attestation-manifest",
                               "vnd.docker.reference.digest": image.digest.as_str() } },
        ]});
        Manifest::new(INDEX, text.to_string().into_bytes())
    }

    fn merged(parts: &[(&Platform, &Manifest)]) -> Result<Manifest, String> {
        let parts: Vec<Part<'_>> =
            parts.iter().map(|&(platform, manifest)| Part { platform, manifest }).collect();
        merge(&parts)
    }

    #[test]
    fn an_index_lists_what_was_built_whatever_the_order() {
        let (amd, arm): (Platform, Platform) =
            ("linux/amd64".parse().unwrap(), "linux/arm/v7".parse().unwrap());
        let (one, two) = (image(MANIFEST, 1), image(MANIFEST, 2));
        let index = merged(&[(&arm, &two), (&amd, &one)]).unwrap();
        assert_eq!(index, merged(&[(&amd, &one), (&arm, &two)]).unwrap());
        assert_eq!(index.media_type, INDEX);
        let Document::Index(children) = index.document().unwrap() else { panic!("an index") };
        let listed: Vec<_> =
            children.into_iter().map(|child| (child.descriptor.digest, child.role)).collect();
        assert_eq!(
            listed,
            [
                (one.digest.clone(), Role::Image(Some(amd.clone()))),
                (two.digest, Role::Image(Some(arm)))
            ]
        );
        assert_eq!(merged(&[(&amd, &one)]).unwrap(), one);
    }

    #[test]
    fn attestations_come_along_behind_the_images() {
        let (amd, arm): (Platform, Platform) =
            ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
        let (one, two) = (image(MANIFEST, 1), image(MANIFEST, 2));
        let index = merged(&[(&amd, &attested(&one, "amd64")), (&arm, &two)]).unwrap();
        let json: Value = serde_json::from_slice(&index.bytes).unwrap();
        let all = json["manifests"].as_array().unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0]["digest"], one.digest.as_str());
        assert_eq!(all[0]["annotations"]["a"], "b");
        assert_eq!(all[1]["digest"], two.digest.as_str());
        assert_eq!(all[2]["annotations"]["vnd.docker.reference.digest"], one.digest.as_str());
    }

    #[test]
    fn what_is_no_image_of_its_platform_is_refused() {
        let (amd, arm): (Platform, Platform) =
            ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
        let one = image(MANIFEST, 1);
        for (parts, expected) in [
            (vec![(&amd, &one), (&amd, &one)], "two parts"),
            (vec![(&amd, &one), (&arm, &attested(&one, "amd64"))], "other images"),
            (vec![(&amd, &one), (&arm, &image("text/html", 1))], "cannot be read"),
        ] {
            let why = merged(&parts).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn docker_manifests_make_a_docker_list() {
        let (amd, arm): (Platform, Platform) =
            ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
        let (one, two) = (image(DOCKER_MANIFEST, 1), image(DOCKER_MANIFEST, 2));
        assert_eq!(merged(&[(&amd, &one), (&arm, &two)]).unwrap().media_type, DOCKER_LIST);
        let mixed = merged(&[(&amd, &one), (&arm, &image(MANIFEST, 2))]).unwrap();
        assert_eq!(mixed.media_type, INDEX);
    }
}
