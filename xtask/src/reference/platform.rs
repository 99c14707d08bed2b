//! Platforms.

use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// A platform, normalised as `containerd/platforms` does: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    arch: String,
    variant: Option<String>,
}

impl Platform {
    /// The Linux platform of this machine's processor; on macOS and Windows the engine is a Linux machine of the
    /// same processor.
    pub fn native() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        format!("linux/{arch}").parse().unwrap_or_else(|_| Self {
            os: "linux".to_owned(),
            arch: arch.to_owned(),
            variant: None,
        })
    }

    /// What most runners and servers are.
    pub fn amd64() -> Self {
        Self { os: "linux".to_owned(), arch: "amd64".to_owned(), variant: None }
    }

    /// Of the architecture's oldest generation.
    #[must_use]
    pub fn without_variant(&self) -> Self {
        Self { variant: None, ..self.clone() }
    }

    pub fn os(&self) -> &str {
        &self.os
    }

    pub fn arch(&self) -> &str {
        &self.arch
    }

    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// With `-` for `/`, for file names and tags.
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variant {
            Some(variant) => f.pad(&format!("{}/{}/{variant}", self.os, self.arch)),
            None => f.pad(&format!("{}/{}", self.os, self.arch)),
        }
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |why: &str| Invalid::new("platform", text, why);
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        if !parts.iter().all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
                && !part.starts_with('-')
        }) {
            return Err(invalid("write os/architecture, e.g. linux/amd64 or linux/arm/v7"));
        }
        let (os, arch, variant) = match *parts.as_slice() {
            [os, arch] => (os, arch, None),
            [os, arch, variant] => (os, arch, Some(variant)),
            _ => return Err(invalid("write os/architecture, e.g. linux/amd64 or linux/arm/v7")),
        };
        let os = if os == "macos" { "darwin" } else { os };
        let (arch, variant) = match (arch, variant) {
            ("i386", _) => ("386", None),
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", None | Some("7" | "v7")) => ("arm", Some("v7")),
            ("armel", _) | ("arm", Some("6" | "v6")) => ("arm", Some("v6")),
            ("arm", Some("5" | "v5")) => ("arm", Some("v5")),
            ("arm", Some("8" | "v8")) => ("arm", Some("v8")),
            other => other,
        };
        Ok(Self { os: os.to_owned(), arch: arch.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Platform {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
