//! BuildKit's cache: what it holds, and making it smaller, through `docker buildx du` and `prune`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::version::Version;
use super::{Builder, Engine, Failure, Invocation};

/// Looking at a large cache, and emptying it, takes a while.
const LIMIT: Duration = Duration::from_mins(10);
/// The first buildx that calls `--keep-storage` `--reserved-space`.
const RESERVED_SPACE: Version = Version::new(0, 17, 0);

/// An age, as Go writes durations: `168h`, `90m`; days are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    minutes: u64,
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no age: write hours, minutes or days, as in 168h, 90m, 7d");
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[number.len()..] {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        // A century: more is a slip, and Go's durations end at three.
        let minutes = number.checked_mul(factor).filter(|minutes| *minutes < 100 * 366 * 24 * 60);
        minutes.map(|minutes| Self { minutes }).ok_or_else(wrong)
    }
}

impl Age {
    pub fn duration(self) -> Duration {
        Duration::from_mins(self.minutes)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minutes {
            minutes if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

/// A size in bytes: `20GB` is decimal, `20GiB` binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        bytes(text)
            .filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no size: write e.g. 20GB, 512MB, 10GiB"))
    }
}

/// `8.192kB`, `1.2GB`, `20GiB`, `0B` in bytes, a fraction of one cut off.
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].to_ascii_lowercase();
    let (power, base) = match unit.as_str() {
        "" | "b" => (0, 1000),
        unit => {
            let power = "kmgtp".find(unit.chars().next()?)? + 1;
            match &unit[1..] {
                "" | "b" => (power, 1000_u64),
                "ib" => (power, 1024),
                _ => return None,
            }
        }
    };
    let factor = base.checked_pow(u32::try_from(power).ok()?)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    // Nobody writes more digits than these.
    let part = part.get(..part.len().min(12))?;
    let digits: u128 = match part {
        "" => 0,
        part if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse().ok()?,
        _ => return None,
    };
    let tenths = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let fraction = u64::try_from(u128::from(factor) * digits / tenths).ok()?;
    whole.checked_mul(factor)?.checked_add(fraction)
}

/// What the cache holds of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// BuildKit's: `regular`, `exec.cachemount`, `source.local`, …
    pub kind: String,
    pub records: u64,
    /// Bytes; records that share layers each count them.
    pub bytes: u64,
    /// The bytes of those that nothing uses now.
    pub reclaimable: u64,
}

/// What the cache of `builder` holds by kind, the largest first; of what was not used for `age`, where that is given.
///
/// # Errors
/// When buildx does not answer.
pub fn usage(engine: &Engine, builder: &Builder, age: Option<Age>) -> Result<Vec<Kind>, Failure> {
    let command = (engine.buildx().args(["du", "--verbose"]))
        .arg(format!("--builder={}", builder.name))
        .args(age.map(|age| format!("--filter=until={age}")));
    Ok(kinds(&command.read_within(LIMIT)?))
}

/// The blocks of `du --verbose`, `Name: value` a line.
fn kinds(said: &str) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for block in said.split("\n\n") {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        // What follows the records is a total, and has no id.
        let (Some(_), Some(size)) = (field("ID"), field("Size").and_then(bytes)) else { continue };
        let name = field("Type").unwrap_or("regular");
        let at = kinds.iter().position(|kind| kind.kind == name).unwrap_or_else(|| {
            kinds.push(Kind { kind: name.to_owned(), ..Kind::default() });
            kinds.len() - 1
        });
        let kind = &mut kinds[at];
        kind.records += 1;
        kind.bytes += size;
        if field("Reclaimable") == Some("true") {
            kind.reclaimable += size;
        }
    }
    kinds.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.kind.cmp(&b.kind)));
    kinds
}

/// The command that makes the cache smaller.
pub fn prune(
    engine: &Engine,
    builder: &Builder,
    age: Option<Age>,
    keep: Option<Size>,
) -> Invocation {
    let reserved = engine.buildx.is_none_or(|version| version >= RESERVED_SPACE);
    let option = if reserved { "--reserved-space" } else { "--keep-storage" };
    (engine.buildx().args(["prune", "--force"]))
        .arg(format!("--builder={}", builder.name))
        .args(age.map(|age| format!("--filter=until={age}")))
        .args(keep.map(|Size(bytes)| format!("{option}={bytes}")))
}

/// Runs [`prune`]; the bytes that are free again.
///
/// # Errors
/// When buildx fails.
pub fn run(prune: &Invocation) -> Result<u64, Failure> {
    let said = prune.read_within(LIMIT)?;
    let total = said.lines().rev().find_map(|line| line.strip_prefix("Total:"));
    Ok(total.and_then(|total| bytes(total.trim())).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_values() {
        for (text, expected) in [("168h", "168h"), ("90m", "90m"), ("7d", "168h"), ("120m", "2h")] {
            assert_eq!(text.parse::<Age>().unwrap().to_string(), expected);
        }
        for text in ["", "h", "168", "-1h", "1h,type=x", "1.5h", "9999999999999999999d", "1y", "é"]
        {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
        for (text, expected) in [
            ("20GB", 20_000_000_000),
            ("512mb", 512_000_000),
            ("1.5GiB", 1_610_612_736),
            ("0B", 0),
            ("7", 7),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().0, expected, "{text}");
        }
        for text in ["", "GB", "-1GB", "20XB", "99999999999GB", "1 GB", ".5GB", "20GB=x"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn usage_is_summed_by_kind() {
        let said = "ID:           a\nCreated at:   x\nReclaimable:  true\nSize:         8.192kB\nType:         source.local\n\n\
            ID:\t\tb\nReclaimable:\tfalse\nSize:\t\t1MB\nType:\t\tregular\n\n\
            ID:\t\tc\nReclaimable:\ttrue\nSize:\t\t1MB\nType:\t\tregular\n\nReclaimable:\t1MB\nTotal:\t\t2MB\n";
        let kind = |kind: &str, records, bytes, reclaimable| Kind {
            kind: kind.to_owned(),
            records,
            bytes,
            reclaimable,
        };
        assert_eq!(
            kinds(said),
            [kind("regular", 2, 2_000_000, 1_000_000), kind("source.local", 1, 8192, 8192)]
        );
    }
}
