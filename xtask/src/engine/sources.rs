//! Which images BuildKit need not look for in a registry, because they are only in the engine.
//!
//! With containerd's image store, BuildKit takes an image that a named context names from the registry that its name
//! says, and from the engine only when that one has none (`frontend/dockerui`, `NamedContext.load`, gives no resolve mode,
//! and `util/resolver`, `Resolver.Resolve`, then asks the registry first). So each child of a local parent would ask Docker
//! Hub for it twice, and wait for time limits where there is no network. A source policy sets the mode that buildx itself
//! sets for what `FROM` names. Where a BuildKit knows no policies, nothing is different but the time.

use std::collections::BTreeSet;

use serde_json::json;

use super::version::Version;
use crate::reference::Reference;

/// The API of Docker 28.0, whose BuildKit is 0.20. Before 0.19, a source policy takes the names of all steps away (their
/// metadata is found by digests that the policy changes; `solver/llbsolver/vertex.go`, c644fb81a).
pub(super) const KEEPS_NAMES: Version = Version::new(1, 48, 0);

/// Where buildx finds a policy (`build/build.go`, `loadInputs`); the only way to hand one to a build.
pub(super) const POLICY: &str = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY";

/// The policy by which `images` are taken from the engine first, as BuildKit's `sourcepolicy` reads it.
pub fn engine_first(images: &BTreeSet<Reference>) -> String {
    let rule = |image: &Reference| {
        json!({
            "action": "CONVERT",
            "selector": { "identifier": format!("docker-image://{image}") },
            "updates": { "attrs": { "image.resolvemode": "local" } },
        })
    };
    json!({ "rules": images.iter().map(rule).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole() {
        let images = ["a:key-1", "dockyard.invalid/x/y:z"].map(|name| name.parse().unwrap());
        let policy = engine_first(&images.into());
        let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let identifier = |rule: usize| &policy["rules"][rule]["selector"]["identifier"];
        assert_eq!(identifier(0), "docker-image://docker.io/library/a:key-1");
        assert_eq!(identifier(1), "docker-image://dockyard.invalid/x/y:z");
    }
}
