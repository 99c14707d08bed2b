//! The key itself.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::reference::{Digest, Platform};
use dockyard_context::hex;

/// A SHA-256 over everything that can change what a build makes.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Key(Digest);

impl Key {
    pub(super) fn of(hash: &[u8; 32]) -> Self {
        Self(format!("sha256:{}", hex(hash)).parse().expect("64 hexadecimal digits are a SHA-256"))
    }

    /// The key of a target that is built for several platforms at once.
    pub fn over<'a>(platforms: impl IntoIterator<Item = (&'a Platform, &'a Key)>) -> Self {
        let mut hasher = Sha256::new();
        for (platform, key) in platforms {
            hasher.update(format!("{platform}\0{key}\0"));
        }
        Self::of(&hasher.finalize().into())
    }

    /// 12 digits, for tags.
    pub fn short(&self) -> &str {
        &self.0.hex()[..12]
    }

    /// `key-<12 hex>`.
    pub fn tag(&self) -> crate::reference::Tag {
        format!("key-{}", self.short()).parse().expect("digits and letters make a tag")
    }
}

impl std::str::FromStr for Key {
    type Err = crate::reference::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
