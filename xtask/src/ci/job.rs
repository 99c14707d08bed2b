//! The ids of the workflow's jobs.
//!
//! GitHub takes `[A-Za-z_][A-Za-z0-9_-]*`, at most 100 characters, and does not tell upper from lower case. The ids and
//! variants of images may hold more, so what does not fit is escaped, and two jobs never share an id.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::reference::Platform;
use crate::workspace::TargetName;

/// The job that finds what is stale.
pub const PLAN: &str = "plan";
/// The job that moves tags.
pub const PUBLISH: &str = "publish";

/// The most characters that GitHub takes.
const LONGEST: usize = 100;
/// Hexadecimal digits of the hash that stands for the rest of a longer id.
const HASH: usize = 24;

/// The id of a job: `build-ml-platform__linux-amd64`, `build-notebook__lite__linux-arm64`, `check-ml-platform`.
///
/// `__` stands between the parts, and `_` with two hexadecimal digits for a byte that is no lower-case letter, digit or
/// `-`. In an id that would be too long, `_z` and a hash of the whole stand for the end of the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// The job that builds and tests `target` for `platform`.
    pub fn build(target: &TargetName, platform: &Platform) -> Self {
        Self::new("build", target, &Self::end(platform))
    }

    /// The job that checks, for a pull request, the connected part of the graph that is named after `target`.
    pub fn check(target: &TargetName) -> Self {
        Self::new("check", target, "")
    }

    fn new(kind: &str, target: &TargetName, end: &str) -> Self {
        let mut head = format!("{kind}-{}", escaped(target.id.as_str()));
        if let Some(variant) = &target.variant {
            head = format!("{head}__{}", escaped(variant.as_str()));
        }
        let whole = format!("{head}{end}");
        if whole.len() <= LONGEST {
            return Self(whole);
        }
        let hash: String = Sha256::digest(&whole)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .take(HASH / 2)
            .collect();
        // No platform that anybody builds for is so long that nothing would be left of the target.
        let end = if end.len() <= LONGEST / 2 { end } else { "" };
        let room = (LONGEST - HASH - 2 - end.len()).min(head.len());
        // `z` is no hexadecimal digit: in an id that is whole, `_z` stands only behind another `_`.
        Self(format!("{}_z{hash}{end}", head[..room].trim_end_matches('_')))
    }

    /// How the ids of the jobs that build for `platform` end. Its `-` is escaped, so that its `/` can be `-`.
    pub fn end(platform: &Platform) -> String {
        let parts: Vec<String> = platform.to_string().split('/').map(escaped_whole).collect();
        format!("__{}", parts.join("-"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn escaped(text: &str) -> String {
    escape(text, |byte| byte == b'-')
}

fn escaped_whole(text: &str) -> String {
    escape(text, |_| false)
}

fn escape(text: &str, plain: impl Fn(u8) -> bool) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_lowercase() || byte.is_ascii_digit() || plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("_{byte:02x}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn build(target: &str, platform: &str) -> String {
        JobId::build(&target.parse().unwrap(), &platform.parse().unwrap()).to_string()
    }

    #[test]
    fn ids_can_be_read() {
        assert_eq!(build("ml-platform", "linux/amd64"), "build-ml-platform__linux-amd64");
        assert_eq!(build("nb:lite", "linux/arm64"), "build-nb__lite__linux-arm64");
        assert_eq!(build("a.b_c", "linux/arm/v7"), "build-a_2eb_5fc__linux-arm-v7");
        assert_eq!(JobId::check(&"3d".parse().unwrap()).as_str(), "check-3d");
        assert!(build(&"a".repeat(128), "linux/arm64").ends_with("__linux-arm64"));
    }

    #[test]
    fn two_jobs_never_share_an_id() {
        let long = "a".repeat(120);
        let targets = [
            "a-b",
            "a.b",
            "a_b",
            "a__b",
            "a--b",
            "a:b",
            "a",
            "a-5fb",
            "a:5fb",
            "a:B",
            "a:b-",
            "a:b_",
            "a:b__linux-amd64",
            "a:linux-amd64",
            "plan",
            "publish",
            "a:linux",
            "b:linux-amd64",
            &long,
            &format!("{long}b"),
            &format!("{long}:b"),
            &format!("a:{}", &long[..64]),
        ]
        .map(str::to_owned);
        let platforms =
            ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm-v7", "linux-arm/v7"];
        let mut seen = BTreeMap::new();
        for target in &targets {
            let mut ids = vec![(JobId::check(&target.parse().unwrap()).to_string(), "")];
            ids.extend(platforms.map(|platform| (build(target, platform), platform)));
            for (id, platform) in ids {
                assert!(id.len() <= LONGEST, "{id}");
                assert!(id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
                let plain =
                    |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
                assert!(id.bytes().all(plain), "{id}");
                assert!(id != PLAN && id != PUBLISH);
                // Lower case only, so that comparing without regard to case is comparing.
                let other = seen.insert(id.clone(), (target, platform));
                assert_eq!(other, None, "{id}");
            }
        }
    }
}
