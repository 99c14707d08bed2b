//! How a substitute is made, and its identity. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};

use crate::reference::{Platform, Reference};
use crate::workspace::BaseRecipe;

/// The registry part of every substitute's name. `.invalid` is nobody's (RFC 2606).
pub const REGISTRY: &str = "dockyard.invalid";
/// Raised when the same recipe gives another content.
const SCHEMA: u32 = 2;

/// How a base is made: an entry of `bases` in the workspace's configuration. Everything here is in its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubstituteRecipe {
    /// What the Dockerfiles name, e.g. `debian:trixie-slim`.
    pub reference: Reference,
    pub suite: Word,
    pub variant: Variant,
    pub include: BTreeSet<Word>,
    /// Nothing: Debian's archive with its updates and security updates.
    pub mirror: Option<Mirror>,
}

/// A suite or a package: `[a-z0-9][a-z0-9+.-]*` (Debian policy 5.6.1), which is never an option nor a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(String);

/// An archive's `http://…` or `https://…` address without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror(String);

/// mmdebstrap's variants that give an image to build on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    Essential,
    Apt,
    #[default]
    Minbase,
    Buildd,
    Important,
}

impl SubstituteRecipe {
    /// The entry of `bases` for `reference`.
    pub fn new(reference: Reference, base: &BaseRecipe) -> anyhow::Result<Self> {
        let include: anyhow::Result<BTreeSet<Word>> =
            base.include.iter().map(|word| word.parse()).collect();
        Ok(Self {
            reference,
            suite: base.suite.parse()?,
            variant: base.variant.parse()?,
            include: include?,
            mirror: None,
        })
    }

    /// The recipe's SHA-256 in hexadecimal: an input of the key of whatever is built on it.
    pub fn identity(&self) -> String {
        let include: Vec<&str> = self.include.iter().map(|word| word.0.as_str()).collect();
        let recipe = serde_json::json!([
            SCHEMA,
            self.reference.to_string(),
            self.suite.0,
            self.variant.name(),
            include,
            self.mirror.as_ref().map(|mirror| &mirror.0),
        ]);
        hex(&Sha256::digest(recipe.to_string()))
    }

    /// The reserved name under which the engine holds it, for one platform.
    pub fn name(&self, platform: &Platform) -> String {
        let (path, identity) = (self.reference.repository.path(), self.identity());
        // A tag has 128 characters; the platform and the hash take at most 40.
        let tag: String = self.reference.tag_or_latest().chars().take(80).collect();
        format!("{REGISTRY}/substitute/{path}:{tag}-{}-{}", platform.slug(), &identity[..12])
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Buildd => "buildd",
            Self::Important => "important",
        }
    }
}

impl FromStr for Variant {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let all = [Self::Essential, Self::Apt, Self::Minbase, Self::Buildd, Self::Important];
        let names = all.map(Self::name).join(", ");
        all.into_iter()
            .find(|variant| variant.name() == text)
            .with_context(|| format!("{text:?} is none of {names}"))
    }
}

impl FromStr for Word {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !text.starts_with(first) || !text.chars().all(|c| first(c) || "+.-".contains(c)) {
            bail!("{text:?} is neither a Debian suite nor a package");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Mirror {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if host.is_none_or(str::is_empty) || !text.chars().all(|c| c.is_ascii_graphic()) {
            bail!("{text:?} is not the http(s) address of an archive");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Word {
    pub(in super::super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Mirror {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(include: &[&str]) -> SubstituteRecipe {
        SubstituteRecipe {
            reference: "debian:trixie-slim".parse().unwrap(),
            suite: "trixie".parse().unwrap(),
            variant: Variant::Minbase,
            include: include.iter().map(|word| word.parse().unwrap()).collect(),
            mirror: None,
        }
    }

    #[test]
    fn a_recipe_is_its_content() {
        let one = recipe(&["curl", "ca-certificates"]);
        assert_eq!(one.identity(), recipe(&["ca-certificates", "curl"]).identity());
        assert_ne!(one.identity(), recipe(&["curl"]).identity());
        let name = one.name(&"linux/amd64".parse().unwrap());
        assert!(
            name.starts_with("dockyard.invalid/substitute/library/debian:trixie-slim-linux-amd64-"),
            "{name}"
        );
        name.parse::<Reference>().unwrap();
    }

    #[test]
    fn nothing_in_a_recipe_is_an_option_or_a_command() {
        for word in ["", "-x", "a,b", "a b", "$(id)", "A", "a\n"] {
            assert!(word.parse::<Word>().is_err(), "{word:?}");
        }
        for mirror in ["", "http://", "file:///etc", "deb http://x", "http://x y", "--hook-dir=/x"]
        {
            assert!(mirror.parse::<Mirror>().is_err(), "{mirror:?}");
        }
        assert!(
            "http://deb.debian.org/debian".parse::<Mirror>().is_ok()
                && "libstdc++6".parse::<Word>().is_ok()
        );
    }
}
