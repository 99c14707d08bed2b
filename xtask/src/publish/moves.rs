//! What happens to each tag: created, moved, kept, or refused. Pure: what registries hold comes in as [`There`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::mistake::Place;
use crate::reference::{Digest, Platform, Repository, Tag};
use crate::workspace::{TargetName, Version};

/// A tag that shall name an image in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedName {
    pub target: TargetName,
    pub repository: Repository,
    pub tag: Tag,
    /// Names a version or a commit, and never moves.
    pub immutable: bool,
    /// Moves only to a version that is not older.
    pub forward_only: bool,
    /// The version that is published now. The label of the image may be older: a version alone rebuilds nothing.
    pub version: Option<String>,
    /// What stands before and after the version in the tags that name one: of `torch-1.2-full`, `torch-` and `-full`.
    pub around_version: Vec<(String, String)>,
    /// Where the tag's template is written.
    pub place: Place,
}

/// An image as far as a decision needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Of the index or the only manifest.
    pub digest: Digest,
    /// The configurations' digests: attestations aside, what the image is.
    pub configs: BTreeMap<Platform, Digest>,
    /// The label `org.opencontainers.image.version`.
    pub version: Option<String>,
}

impl Pushed {
    /// Whether both are the same image, whatever attestations they carry.
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest || (!self.configs.is_empty() && self.configs == other.configs)
    }
}

/// What a tag names now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    Nothing,
    Image(Pushed),
    /// Something that is no image that can be read, with the reason.
    Unreadable {
        digest: Digest,
        why: String,
    },
}

/// What happens to a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Move {
        from: Digest,
    },
    /// It names this image already.
    Keep,
    /// It stays with a newer version.
    Stay {
        newer: String,
    },
    /// It cannot be given to this image, and therefore no tag at all is written.
    Conflict {
        why: String,
        mend: String,
    },
}

impl Change {
    pub fn writes(&self) -> bool {
        matches!(self, Self::Create | Self::Move { .. })
    }

    /// The word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Move { .. } => "move",
            Self::Keep => "keep",
            Self::Stay { .. } => "stay",
            Self::Conflict { .. } => "conflict",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What happens to `wanted` when `image` shall have it. `allowed` are the tags of `--allow-move`.
pub fn decide(
    wanted: &WantedName,
    image: &Pushed,
    there: &There,
    allowed: &BTreeSet<Tag>,
) -> Change {
    let (digest, version) = match there {
        There::Nothing => return Change::Create,
        There::Image(there) if there.digest == image.digest => return Change::Keep,
        There::Image(there) if wanted.immutable && there.is_same(image) => return Change::Keep,
        There::Image(there) => (&there.digest, Ok(there.version.as_deref())),
        There::Unreadable { digest, why } => (digest, Err(why)),
    };
    let name = format!("{}:{}", wanted.repository.familiar(), wanted.tag);
    if wanted.immutable {
        return Change::Conflict {
            why: format!("{name} is published with other content ({})", short(digest)),
            mend: format!(
                "a published version never changes: raise the version of {} ({})",
                wanted.target, wanted.place
            ),
        };
    }
    let from = digest.clone();
    if !wanted.forward_only || allowed.contains(&wanted.tag) {
        return Change::Move { from };
    }
    let unknown = |why: String| Change::Conflict {
        why: format!("{name} may only move forward, and {why}"),
        mend: format!("look at what it names, then allow it: --allow-move {}", wanted.tag),
    };
    match (version, wanted.version.as_deref()) {
        // Without versions there is no forward.
        (Ok(None), None) => Change::Move { from },
        (Err(why), _) => unknown(why.clone()),
        (Ok(None), Some(_)) => unknown("what it names says no version".to_owned()),
        (Ok(Some(theirs)), None) => {
            unknown(format!("it names version {theirs}, while {} has none", wanted.target))
        }
        (Ok(Some(theirs)), Some(ours)) => {
            match (theirs.parse::<Version>(), ours.parse::<Version>()) {
                (Ok(there), Ok(here)) if there.compare(&here).is_gt() => {
                    Change::Stay { newer: theirs.to_owned() }
                }
                (Ok(_), Ok(_)) => Change::Move { from },
                _ => unknown(format!("{theirs:?} and {ours:?} cannot be compared")),
            }
        }
    }
}

impl WantedName {
    /// The version that `tag` names, by the templates of the image that has this name.
    pub fn version_of(&self, tag: &Tag) -> Option<Version> {
        self.around_version.iter().find_map(|(before, after)| {
            tag.as_str().strip_prefix(before.as_str())?.strip_suffix(after.as_str())?.parse().ok()
        })
    }
}

/// What stands around `version` in each of `tags` that holds it.
pub fn around_version<'t>(
    version: &str,
    tags: impl IntoIterator<Item = &'t Tag>,
) -> Vec<(String, String)> {
    let around = |tag: &Tag| {
        let (before, after) = tag.as_str().split_once(version)?;
        Some((before.to_owned(), after.to_owned()))
    };
    tags.into_iter().filter_map(around).collect()
}

/// Twelve digits, for people.
pub(super) fn short(digest: &Digest) -> &str {
    digest.hex().get(..12).unwrap_or(digest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn image(index: char, config: char, version: Option<&str>) -> Pushed {
        Pushed {
            digest: digest(index),
            configs: BTreeMap::from([("linux/amd64".parse().unwrap(), digest(config))]),
            version: version.map(str::to_owned),
        }
    }

    fn name(tag: &str, immutable: bool) -> WantedName {
        WantedName {
            target: "app".parse().unwrap(),
            repository: Repository::parse("ghcr.io/acme/app").unwrap(),
            tag: tag.parse().unwrap(),
            immutable,
            forward_only: !immutable,
            version: None,
            around_version: Vec::new(),
            place: Place::new("app/image.toml", 2, 1),
        }
    }

    #[test]
    fn versions_are_found_in_tags() {
        let tags = ["1.2.0", "torch-1.2.0-full", "latest"].map(|tag| tag.parse::<Tag>().unwrap());
        let around = around_version("1.2.0", &tags);
        let wanted = WantedName { around_version: around, ..name("latest", false) };
        for (tag, expected) in [
            ("1.3.0", Some("1.3.0")),
            ("torch-1.3.0-full", Some("1.3.0")),
            ("torch-1.3.0", None),
            ("latest", None),
            ("sha-1234567", None),
        ] {
            let found = wanted.version_of(&tag.parse().unwrap()).map(|version| version.to_string());
            assert_eq!(found.as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn immutable_tags_are_created_or_kept() {
        let ours = image('1', '2', Some("0.3.0"));
        let decide =
            |there: There| decide(&name("0.3.0", true), &ours, &there, &BTreeSet::new()).as_str();
        assert_eq!(decide(There::Nothing), "create");
        assert_eq!(decide(There::Image(ours.clone())), "keep");
        // Built twice, with other attestations.
        assert_eq!(decide(There::Image(image('3', '2', Some("0.3.0")))), "keep");
        assert_eq!(decide(There::Image(image('3', '4', Some("0.3.0")))), "conflict");
        let unreadable = There::Unreadable { digest: digest('5'), why: "it is no image".into() };
        assert_eq!(decide(unreadable), "conflict");
    }

    #[test]
    fn mutable_tags_move_forward_only() {
        for (theirs, ours, expected) in [
            (Some("0.3.0"), Some("0.2.9"), "stay"),
            (Some("0.2.9"), Some("0.3.0"), "move"),
            (Some("0.3.0"), Some("0.3.0"), "move"),
            (Some("1.0.0-rc.10"), Some("1.0.0-rc.9"), "stay"),
            (Some("1.0.0-rc.2"), Some("1.0.0"), "move"),
            (Some("2026.10.1"), Some("2026.9.30"), "stay"),
            (None, None, "move"),
            (None, Some("0.3.0"), "conflict"),
            (Some("0.3.0"), None, "conflict"),
            (Some("main"), Some("0.3.0"), "conflict"),
        ] {
            let (there, image) = (image('1', '2', theirs), image('3', '4', Some("0.0.1")));
            let decide = |wanted: &WantedName, allowed: &[&str]| {
                let allowed = allowed.iter().map(|tag| tag.parse().unwrap()).collect();
                decide(wanted, &image, &There::Image(there.clone()), &allowed).as_str()
            };
            let version = ours.map(str::to_owned);
            let wanted = WantedName { version, ..name("latest", false) };
            assert_eq!(decide(&wanted, &[]), expected, "{theirs:?} → {ours:?}");
            assert_eq!(decide(&wanted, &["latest"]), "move");
            let free = WantedName { forward_only: false, ..wanted };
            assert_eq!(decide(&free, &[]), "move");
        }
    }
}
