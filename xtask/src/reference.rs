//! References to images and their parts, as types that cannot hold a wrong value.
//!
//! The grammar is that of the OCI distribution spec and of `github.com/distribution/reference`, which Docker and
//! BuildKit use; where the two differ, the second rules, because it decides what a Dockerfile may say.
//! Pure: no file, no clock, no network. Used by everyone.

mod grammar;
mod pattern;
mod platform;

use std::fmt;
use std::str::FromStr;

use grammar::{check_digest, check_id, check_repository, check_tag, check_variant};
pub use pattern::matches;
pub use platform::Platform;

/// Why a text is not what it should be, completing «X is not a valid …: ».
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    kind: &'static str,
    text: String,
    why: String,
}

impl Invalid {
    fn new(kind: &'static str, text: &str, why: impl Into<String>) -> Self {
        Self { kind, text: text.to_owned(), why: why.into() }
    }

    /// The same, of the `text` that a person wrote, which became a part of what is invalid.
    #[must_use]
    pub fn of(self, kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.to_owned(), ..self }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a valid {}: {}", self.text, self.kind, self.why)
    }
}

impl std::error::Error for Invalid {}

/// Gives a string type its `Display`, `AsRef<str>`, `FromStr` by way of `check`, and serde.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                $check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_text!(
    /// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (OCI distribution spec, «Pulling manifests»).
    Tag, check_tag
);
checked_text!(
    /// `algorithm:hex`, e.g. `sha256:…` (OCI image spec, «Digests»).
    Digest, check_digest
);
checked_text!(
    /// The id of an image, unique in the workspace: one path component of a repository.
    ImageId, check_id
);
checked_text!(
    /// The name of a variant: `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 64 characters.
    VariantName, check_variant
);
checked_text!(
    /// `registry/path` without tag or digest, normalised: `docker.io/library/debian`, `ghcr.io/acme/base`.
    Repository, check_repository
);

impl Digest {
    /// The hexadecimal part.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl Repository {
    /// From any spelling that Docker accepts (`debian`, `acme/x`, `ghcr.io/acme/x`).
    ///
    /// # Errors
    /// When `text` is no repository, or has a tag or digest.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let reference: Reference =
            text.parse().map_err(|invalid: Invalid| invalid.of("repository", text))?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(Invalid::new("repository", text, "a tag or digest does not belong here"));
        }
        Ok(reference.repository)
    }

    /// The host, with its port if it has one: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        self.0.split_once('/').map_or("", |(registry, _)| registry)
    }

    /// What follows the host: `library/debian`.
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }

    /// As people write it: without `docker.io/` and `library/`.
    pub fn familiar(&self) -> &str {
        let Some(path) = self.0.strip_prefix("docker.io/") else { return &self.0 };
        match path.strip_prefix("library/") {
            Some(name) if !name.contains('/') => name,
            _ => path,
        }
    }

    pub fn with_tag(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag), digest: None }
    }
}

/// A reference as a Dockerfile or a command line names an image: a repository, perhaps a tag, perhaps a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub repository: Repository,
    pub tag: Option<Tag>,
    pub digest: Option<Digest>,
}

impl Reference {
    /// As people and BuildKit's named contexts write it: `debian:13`, `acme/x`, `ghcr.io/acme/x@sha256:…`.
    /// `:latest` is kept when it was written.
    pub fn familiar(&self) -> String {
        self.suffixed(self.repository.familiar())
    }

    /// The name under which BuildKit looks up a named context for this reference: familiar, `:latest` added where
    /// neither tag nor digest is given and then removed again (`dockerui.NamedContext`), the tag kept beside a digest.
    pub fn context_name(&self) -> String {
        let mut name = self.familiar();
        if self.digest.is_none() && self.tag_or_latest() == "latest" && self.tag.is_some() {
            name.truncate(name.len() - ":latest".len());
        }
        name
    }

    /// The tag that this reference means: its own, or `latest`.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_ref().map_or("latest", Tag::as_str)
    }

    fn suffixed(&self, name: &str) -> String {
        let mut text = name.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag.as_str());
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

/// The normalised form: `docker.io/library/debian:13`, no `:latest` added.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.suffixed(self.repository.as_str()))
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.contains("://") {
            let why = "a scheme does not belong here; begin with the registry's host";
            return Err(Invalid::new("reference", text, why));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let last_part = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last_part..].find(':') {
            Some(colon) => {
                (&rest[..last_part + colon], Some(rest[last_part + colon + 1..].parse()?))
            }
            None => (rest, None),
        };
        if name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Invalid::new(
                "reference",
                text,
                "64 hexadecimal digits are an image's id, not a name",
            ));
        }
        let (registry, path) = split_registry(name);
        let path = if registry == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        let repository = format!("{registry}/{path}")
            .parse()
            .map_err(|invalid: Invalid| Invalid::new("reference", text, invalid.why))?;
        Ok(Self { repository, tag, digest })
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// `distribution/reference`, `splitDockerDomain`: the first part is a host if it could not be a Docker Hub user.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (if first == "index.docker.io" { "docker.io" } else { first }, rest)
        }
        _ => ("docker.io", name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let table = [
            ("ubuntu", "docker.io/library/ubuntu", "ubuntu", "ubuntu"),
            ("ubuntu:latest", "docker.io/library/ubuntu:latest", "ubuntu:latest", "ubuntu"),
            (
                "docker.io/library/ubuntu:24.04",
                "docker.io/library/ubuntu:24.04",
                "ubuntu:24.04",
                "ubuntu:24.04",
            ),
            ("index.docker.io/acme/x", "docker.io/acme/x", "acme/x", "acme/x"),
            ("localhost:5000/x", "localhost:5000/x", "localhost:5000/x", "localhost:5000/x"),
            ("localhost/x:1", "localhost/x:1", "localhost/x:1", "localhost/x:1"),
            (
                "ghcr.io/o/base:latest",
                "ghcr.io/o/base:latest",
                "ghcr.io/o/base:latest",
                "ghcr.io/o/base",
            ),
            ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
            ("UPPER/x", "UPPER/x", "UPPER/x", "UPPER/x"),
        ];
        for (text, normalised, familiar, context) in table {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), normalised, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(reference.context_name(), context, "{text}");
            assert_eq!(normalised.parse::<Reference>().unwrap(), reference, "{text} round-trips");
        }
        let hex = "0".repeat(64);
        let pinned: Reference = format!("x:1@sha256:{hex}").parse().unwrap();
        assert_eq!(pinned.to_string(), format!("docker.io/library/x:1@sha256:{hex}"));
    }

    #[test]
    fn wrong_references_are_refused() {
        for text in [
            "",
            "A",
            "x:",
            "x@",
            "x:y:z",
            "-x",
            "x/",
            "/x",
            "x//y",
            "a b",
            "x:\n",
            "x@sha256:12",
            "x:.y",
            "x___y",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn platforms_are_normalised() {
        for (text, normalised) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("Linux/ARM/v6", "linux/arm/v6"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), normalised);
        }
        for text in ["", "linux", "linux/", "linux/a b", "a/b/c/d", "linux/--x"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_never_look_like_options_or_paths() {
        for text in ["-x", "", "..", "a/b", "a b", "A", "a\n", "x$y", "é"] {
            assert!(text.parse::<ImageId>().is_err(), "{text:?}");
        }
        for text in ["a", "ml_platform", "clm-notebook.processor", "a__b", "a--b"] {
            assert!(text.parse::<ImageId>().is_ok(), "{text:?}");
        }
    }
}
