//! References to images and their parts, as types that cannot hold a wrong value.
//!
//! The grammar is that of the OCI distribution spec and of `github.com/distribution/reference`, which Docker and
//! BuildKit use; where the two differ, the second rules, because it decides what a Dockerfile may say.
//! Pure: no file, no clock, no network. Used by everyone.

use std::fmt;
use std::str::FromStr;

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

fn check_tag(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("tag", text, why));
    if text.is_empty() {
        return invalid("it is empty");
    }
    if text.len() > 128 {
        return invalid("it is longer than 128 characters");
    }
    if text.starts_with(['.', '-']) {
        return invalid("it begins with `.` or `-`");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return invalid("only letters, digits, `_`, `.` and `-` may stand in a tag");
    }
    Ok(())
}

fn check_digest(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("digest", text, why));
    let Some((algorithm, hex)) = text.split_once(':') else {
        return invalid("write algorithm:hex, e.g. sha256:…");
    };
    let expected = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return invalid("the algorithm is none of sha256, sha384, sha512"),
    };
    if hex.len() != expected || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return invalid(&format!("{algorithm} has {expected} lower-case hexadecimal digits"));
    }
    Ok(())
}

fn check_id(text: &str) -> Result<(), Invalid> {
    if text.len() > 128 {
        return Err(Invalid::new("id", text, "it is longer than 128 characters"));
    }
    check_component(text).map_err(|why| Invalid::new("id", text, why))
}

fn check_variant(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("variant name", text, why));
    if text.is_empty() || text.len() > 64 {
        return invalid("it has 1 to 64 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return invalid("it begins with a letter or digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return invalid("only letters, digits, `_`, `.` and `-` may stand in it");
    }
    Ok(())
}

fn check_repository(text: &str) -> Result<(), Invalid> {
    let invalid = |why: String| Err(Invalid::new("repository", text, why));
    let Some((registry, path)) = text.split_once('/') else {
        return invalid("write registry/path, e.g. ghcr.io/acme/base".to_owned());
    };
    if text.len() > 255 {
        return invalid("it is longer than 255 characters".to_owned());
    }
    if let Err(why) = check_registry(registry) {
        return invalid(why);
    }
    for component in path.split('/') {
        if let Err(why) = check_component(component) {
            return invalid(why);
        }
    }
    Ok(())
}

/// A host, perhaps with a port: `ghcr.io`, `localhost:5000`, `[::1]:5000`.
fn check_registry(text: &str) -> Result<(), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err(format!("the host {text:?} lacks its `]`"));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("{address:?} is no IPv6 address"));
        }
        (None, after.strip_prefix(':').or((!after.is_empty()).then_some("")))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    if let Some(host) = host {
        let good = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !host.split('.').all(good) {
            return Err(format!("{host:?} is no host name"));
        }
    }
    match port {
        Some(port) if port.is_empty() || port.parse::<u16>().is_err() => {
            Err(format!("{port:?} is no port"))
        }
        _ => Ok(()),
    }
}

/// One part of a repository's path: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn check_component(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a part of it is empty".to_owned());
    }
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if let Some(bad) =
        text.chars().find(|&c| !c.is_ascii() || !(alphanumeric(c as u8) || "._-".contains(c)))
    {
        let hint = if bad.is_ascii_uppercase() { " (only lower case)" } else { "" };
        return Err(format!("{bad:?} may not stand in a name{hint}"));
    }
    let (first, last) = (text.as_bytes()[0], text.as_bytes()[text.len() - 1]);
    if !alphanumeric(first) || !alphanumeric(last) {
        return Err(format!("{text:?} must begin and end with a letter or digit"));
    }
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    for separator in separators.filter(|separator| !separator.is_empty()) {
        let good = matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        if !good {
            return Err(format!(
                "{separator:?} may not stand between letters (use `.`, `_`, `__` or `-`)"
            ));
        }
    }
    Ok(())
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
