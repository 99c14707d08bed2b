//! What a staging repository holds of an image whose platforms are built apart: the whole under its key, or parts of it
//! under the key and a platform.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::holding::{Found, Holding, Holdings, head};
use crate::key::Key;
use crate::reference::{Digest, Platform, Repository, Tag};
use crate::registry::{Registries, Trouble};

/// The tag of what was built for `platform` alone: `key-<12 hex>-<os>-<arch>`.
pub fn part_tag(key: &Key, platform: &Platform) -> Tag {
    format!("{}-{}", key.tag(), platform.slug()).parse().expect("a key and a platform make a tag")
}

/// The tag that says of a platform's content that no test of `definition` failed on it:
/// `key-<12 hex>-<os>-<arch>-checked-<12 hex>`.
pub fn checked_tag(key: &Key, platform: &Platform, definition: &str) -> Tag {
    let hash = Sha256::digest(definition);
    let start = format!("{}-checked-", part_tag(key, platform));
    let tag = hash.iter().take(6).fold(start, |tag, byte| format!("{tag}{byte:02x}"));
    tag.parse().expect("a key, a platform and digits make a tag")
}

/// An image whose staging repository is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub repository: &'a Repository,
    pub key: &'a Key,
    pub platforms: &'a [Platform],
    /// Everything that its tests depend on; nothing where it has none.
    pub tests: Option<&'a str>,
}

/// What is there of one image, whatever it was built on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub whole: Option<Holding>,
    /// Each for its platform alone.
    pub parts: BTreeMap<Platform, Holding>,
    /// The platforms' manifests on which no test failed.
    pub checked: BTreeMap<Platform, Digest>,
    /// Why a tag is there, and yet not taken.
    pub other: Option<String>,
}

impl Parts {
    /// Every platform for which there is something.
    pub fn platforms(&self) -> BTreeSet<&Platform> {
        let whole = self.whole.iter().flat_map(|whole| whole.images.keys());
        whole.chain(self.parts.keys()).collect()
    }
}

impl Holdings {
    /// Asks for the whole of each.
    ///
    /// # Errors
    /// Every registry that does not answer.
    pub fn ask(
        &self,
        registries: &Registries,
        asked: &[Asked<'_>],
    ) -> Result<Vec<Parts>, Vec<Trouble>> {
        let ask = |one: &Asked<'_>| {
            let mut found = Parts::default();
            match self.look(registries, one.repository, one.key, one.platforms)? {
                Found::Image(holding) => found.whole = Some(holding),
                Found::Other(why) => found.other = Some(why),
                Found::Nothing => {}
            }
            Ok(found)
        };
        super::all(super::parallel(asked, ask))
    }

    /// Adds the parts of each to what was found.
    ///
    /// # Errors
    /// Every registry that does not answer.
    pub fn ask_parts(
        &self,
        registries: &Registries,
        asked: &[(Asked<'_>, Parts)],
    ) -> Result<Vec<Parts>, Vec<Trouble>> {
        let ask = |(one, found): &(Asked<'_>, Parts)| {
            let mut found = found.clone();
            for platform in one.platforms {
                let tag = part_tag(one.key, platform);
                let only = std::slice::from_ref(platform);
                match self.look_at(registries, one.repository, &tag, one.key, only)? {
                    Found::Image(holding) => drop(found.parts.insert(platform.clone(), holding)),
                    Found::Other(why) => found.other = Some(why),
                    Found::Nothing => {}
                }
            }
            Ok(found)
        };
        super::all(super::parallel(asked, ask))
    }

    /// Adds to what was found on which of it tests were run.
    ///
    /// # Errors
    /// Every registry that does not answer.
    pub fn ask_checked(
        &self,
        registries: &Registries,
        asked: &[(Asked<'_>, Parts)],
    ) -> Result<Vec<Parts>, Vec<Trouble>> {
        let ask = |(one, found): &(Asked<'_>, Parts)| {
            let mut checked = BTreeMap::new();
            for platform in found.platforms() {
                let Some(tests) = one.tests else { continue };
                let tag = checked_tag(one.key, platform, tests);
                let digest = head(registries, one.repository, (&tag).into())?;
                checked.extend(digest.map(|digest| (platform.clone(), digest)));
            }
            Ok(Parts { checked, ..found.clone() })
        };
        super::all(super::parallel(asked, ask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_key_platform_and_tests() {
        let key: Key = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let platform: Platform = "linux/arm/v7".parse().unwrap();
        assert_eq!(part_tag(&key, &platform).as_str(), "key-aaaaaaaaaaaa-linux-arm-v7");
        let checked = checked_tag(&key, &platform, "x");
        assert_eq!(checked.as_str(), "key-aaaaaaaaaaaa-linux-arm-v7-checked-2d711642b726");
        assert_ne!(checked, checked_tag(&key, &platform, "y"));
    }
}
