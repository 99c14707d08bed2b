//! Versions: semantic (`1.2.3-rc.1`), calendar (`2026.3.5`), and Python's (`1.2.0rc1`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version whose numbers are known, so that `{{ major }}.{{ minor }}` means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
    pre_release: bool,
}

impl Version {
    /// The first number, the second, the third; missing ones are absent.
    pub fn number(&self, index: usize) -> Option<u64> {
        self.numbers.get(index).copied()
    }

    /// By semantic versioning's order (§11) where both are semantic versions, else by the numbers, a pre-release before
    /// its release.
    pub fn compare(&self, other: &Self) -> Ordering {
        if let (Ok(one), Ok(two)) =
            (semver::Version::parse(&self.text), semver::Version::parse(&other.text))
        {
            return one.cmp_precedence(&two);
        }
        let order = |version: &Self| {
            let mut numbers = version.numbers.clone();
            // 1.2 and 1.2.0 are one version.
            while numbers.last() == Some(&0) {
                numbers.pop();
            }
            (numbers, !version.pre_release, version.text.clone())
        };
        order(self).cmp(&order(other))
    }

    /// Whether it comes before the release of the same numbers: `1.0.0-rc.1`, `1.0rc1`, `1.0.dev3`.
    pub fn is_pre_release(&self) -> bool {
        self.pre_release
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Version {
    type Err = String;

    /// # Errors
    /// A sentence. Zero-padded numbers (`2026.03.05`) are refused because semantic versioning (§2) has none:
    /// tools that read the tag would drop the zero or ignore the version.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers_end =
            text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (mut release, mut rest) = text.split_at(numbers_end);
        if let Some(shorter) = release.strip_suffix('.') {
            (release, rest) = (shorter, &text[shorter.len()..]);
        }
        let mut numbers = Vec::new();
        for part in release.split('.') {
            if part.len() > 1 && part.starts_with('0') {
                let short = |part: &str| {
                    let short = part.trim_start_matches('0');
                    if short.is_empty() && !part.is_empty() {
                        "0".to_owned()
                    } else {
                        short.to_owned()
                    }
                };
                let whole: Vec<String> = release.split('.').map(short).collect();
                return Err(format!(
                    "the version {text:?} has the zero-padded number {part:?}, which versions do not have; write {:?}",
                    whole.join(".") + rest
                ));
            }
            let number = part.parse().map_err(|_| {
                format!("{text:?} is no version; write numbers with dots, e.g. 1.2.3, 2026.3.5 or 1.2.3-rc.1")
            })?;
            numbers.push(number);
        }
        let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b));
        if !plain || (rest.starts_with(['-', '+', '.']) && rest.len() == 1) {
            return Err(format!("{text:?} is no version: {rest:?} may not follow its numbers"));
        }
        if rest.starts_with('-') && semver::Version::parse(text).is_err() && numbers.len() == 3 {
            return Err(format!(
                "{text:?} is no semantic version: {rest:?} is no pre-release or build"
            ));
        }
        let before_build = rest.split('+').next().unwrap_or_default();
        let pre_release = !before_build.is_empty() && !before_build.starts_with(".post");
        Ok(Self { text: text.to_owned(), numbers, pre_release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, numbers, pre) in [
            ("0.3.0", vec![0, 3, 0], false),
            ("2026.3.5", vec![2026, 3, 5], false),
            ("1.2", vec![1, 2], false),
            ("1.2.3-rc.1", vec![1, 2, 3], true),
            ("1.2.3+cu118", vec![1, 2, 3], false),
            ("1.0rc1", vec![1, 0], true),
            ("1.0.dev3", vec![1, 0], true),
            ("1.0.post1", vec![1, 0], false),
        ] {
            let version: Version = text.parse().unwrap();
            assert_eq!(
                (version.numbers.clone(), version.is_pre_release()),
                (numbers, pre),
                "{text}"
            );
        }
        for text in
            ["", "v1", "2026.03.05", "1..2", "1.2.", "1.2 3", "latest", "1.2.3-", "1.2.3-01"]
        {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
