//! Versions as Docker's programs print them: `28.5.2+dfsg4`, `v0.13.1`, `26.0.0-rc2`, `0.0.0+unknown`.

use std::fmt;

/// `major.minor.patch`, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
}

impl Version {
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// The version at the beginning of `text`; nothing for a developer's build (`0.0.0`, `dev`, `master`), whose age
    /// cannot be known.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map(str::parse::<u64>);
        let major = numbers.next()?.ok()?;
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        let version = Self::new(major, next(), next());
        (version != Self::new(0, 0, 0)).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn reads_what_docker_prints() {
        for (text, version) in [
            ("28.5.2+dfsg4", Some(Version::new(28, 5, 2))),
            ("v0.13.1", Some(Version::new(0, 13, 1))),
            ("26.0.0-rc2", Some(Version::new(26, 0, 0))),
            ("1.47", Some(Version::new(1, 47, 0))),
            ("20.10.07~ds1", Some(Version::new(20, 10, 7))),
            ("v0.0.0+unknown", None),
            ("master", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }
}
