//! From what a probe says to a fact's value, and from several platforms' values to one. Pure.

use std::collections::BTreeMap;

use crate::reference::Platform;
use crate::workspace::matching;

/// The value in `said`: what `pattern` cuts out of it, else its only line.
///
/// # Errors
/// A sentence that completes «the probe …».
pub(super) fn of(said: &str, pattern: Option<&str>) -> Result<String, String> {
    let said = said.trim();
    if said.is_empty() {
        return Err("says nothing".to_owned());
    }
    let value = match pattern {
        Some(pattern) => matching(said, pattern)?.ok_or_else(|| {
            format!("says {:?}, which {pattern:?} does not match", beginning(said))
        })?,
        None if said.lines().count() > 1 => {
            return Err(format!(
                "says {} lines, beginning with {:?}; cut the value out of them with `match`",
                said.lines().count(),
                beginning(said)
            ));
        }
        None => said.to_owned(),
    };
    match value.trim() {
        "" => Err(format!("says {:?}, of which `match` leaves nothing", beginning(said))),
        value => Ok(value.to_owned()),
    }
}

fn beginning(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default();
    if line.chars().count() > 80 {
        line.chars().take(80).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

/// The values that all platforms have in common.
///
/// # Errors
/// A sentence for each fact on which two platforms disagree, naming both.
pub(super) fn agreed(
    found: &BTreeMap<Platform, BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Vec<(String, String)>> {
    let mut agreed: BTreeMap<String, (&Platform, &String)> = BTreeMap::new();
    let mut disagreements = BTreeMap::new();
    for (platform, facts) in found {
        for (name, value) in facts {
            let (first, common) = *agreed.entry(name.clone()).or_insert((platform, value));
            if common != value {
                disagreements.entry(name.clone()).or_insert_with(|| {
                    format!("is {common:?} on {first} and {value:?} on {platform}; platforms that share a tag must agree")
                });
            }
        }
    }
    if disagreements.is_empty() {
        Ok(agreed.into_iter().map(|(name, (_, value))| (name, value.clone())).collect())
    } else {
        Err(disagreements.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_what_is_none() {
        let good = |said: &str, pattern: Option<&str>, value: &str| {
            assert_eq!(of(said, pattern).as_deref(), Ok(value), "{said:?}");
        };
        good("2.6.0+cu126\n", None, "2.6.0+cu126");
        good("2.6.0+cu126\n", Some(r"^(\d+\.\d+)"), "2.6");
        good("banner\n=====\ntorch 2.6.0\n", Some(r"^torch (\S+)$"), "2.6.0");
        for (said, pattern, word) in [
            ("", None, "says nothing"),
            (" \n\n", Some("."), "says nothing"),
            ("a\nb\n", None, "says 2 lines"),
            ("torchvision 0.21", Some(r"^torch (\S+)"), "does not match"),
            ("x", Some("x( *)"), "leaves nothing"),
        ] {
            let why = of(said, pattern).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn platforms_agree_or_are_named() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let facts = |torch: &str| {
            BTreeMap::from([
                ("distro".to_owned(), "jammy".to_owned()),
                ("torch".to_owned(), torch.to_owned()),
            ])
        };
        let same = BTreeMap::from([
            (platform("linux/amd64"), facts("2.6")),
            (platform("linux/arm64"), facts("2.6")),
        ]);
        assert_eq!(agreed(&same).unwrap(), facts("2.6"));
        let other = BTreeMap::from([
            (platform("linux/amd64"), facts("2.6")),
            (platform("linux/arm64"), facts("2.5")),
        ]);
        assert_eq!(
            agreed(&other).unwrap_err(),
            [(
                "torch".to_owned(),
                "is \"2.6\" on linux/amd64 and \"2.5\" on linux/arm64; platforms that share a tag must agree".to_owned()
            )]
        );
        assert!(agreed(&BTreeMap::new()).unwrap().is_empty());
    }
}
