//! What a published image says of itself in its labels: the key it was built for, and the parents it was built on.
//!
//! With these a machine that never built an image can tell that a registry holds exactly what it would build.

use std::collections::BTreeMap;

use super::Key;
use crate::reference::Digest;

/// The label that holds the whole key.
pub const KEY_LABEL: &str = "dockyard.key";
/// The label that holds the parents' digests: `base=sha256:…,tools:full=sha256:…`.
pub const PARENTS_LABEL: &str = "dockyard.parents";

/// The key and the parents' digests of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub key: Key,
    /// By target, as [`TargetName`](crate::workspace::TargetName) is written.
    pub parents: BTreeMap<String, Digest>,
}

impl Identity {
    /// As labels. Both are always there: an image inherits the labels of its base, which may be an image of this kind.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let parents: Vec<String> =
            self.parents.iter().map(|(name, digest)| format!("{name}={digest}")).collect();
        BTreeMap::from([
            (KEY_LABEL.to_owned(), self.key.to_string()),
            (PARENTS_LABEL.to_owned(), parents.join(",")),
        ])
    }

    /// From the labels of an image; nothing where they are absent or not as [`labels`](Self::labels) writes them.
    pub fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let key = labels.get(KEY_LABEL)?.parse().ok()?;
        let mut parents = BTreeMap::new();
        for parent in labels.get(PARENTS_LABEL)?.split_terminator(',') {
            let (name, digest) = parent.split_once('=')?;
            parents.insert(name.to_owned(), digest.parse().ok()?);
        }
        Some(Self { key, parents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_round_trips_through_labels() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let key: Key = digest("a").parse().unwrap();
        for parents in [
            BTreeMap::new(),
            BTreeMap::from([("base".to_owned(), digest("b").parse().unwrap())]),
            BTreeMap::from([
                ("base".to_owned(), digest("b").parse().unwrap()),
                ("tools:full".to_owned(), digest("c").parse().unwrap()),
            ]),
        ] {
            let identity = Identity { key: key.clone(), parents };
            assert_eq!(Identity::read(&identity.labels()), Some(identity));
        }
    }

    #[test]
    fn labels_of_others_are_no_identity() {
        let read = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Identity::read(&labels)
        };
        let key = format!("sha256:{}", "a".repeat(64));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[(KEY_LABEL, &key)]), None);
        assert_eq!(read(&[(KEY_LABEL, "sha256:12"), (PARENTS_LABEL, "")]), None);
        assert_eq!(read(&[(KEY_LABEL, &key), (PARENTS_LABEL, "base")]), None);
        assert_eq!(read(&[(KEY_LABEL, &key), (PARENTS_LABEL, "base=latest")]), None);
    }
}
