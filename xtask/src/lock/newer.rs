//! Which newer tag has the same shape? Pure.
//!
//! A shape is what a tag is beside its numbers: `noble-cuda-13.0.0` and `noble-cuda-13.1.0` share one, `3.12-slim` and
//! `3.12.1-slim` do not. Only numbers may grow, and none may shrink.

use std::cmp::Ordering;

use super::versions::{Part, compare_numbers, parts};
use crate::reference::Tag;

/// Words that make what stands before them unfinished, where a number follows or nothing does.
const UNFINISHED: [&str; 12] = [
    "rc", "a", "alpha", "b", "beta", "c", "dev", "pre", "preview", "nightly", "canary", "snapshot",
];
/// What stands before a hash. That its hexadecimal digits are all decimal is chance.
const BEFORE_HASH: [&str; 6] = ["sha-", "git-", "commit-", "rev-", "key-", "sha"];
/// From so many digits on, a number is a date or a serial number.
const DATE_DIGITS: usize = 6;

/// The newest of `tags` that has the shape of `tag`, where that is newer. A pre-release is never chosen; of one, the
/// finished version is.
pub fn newest<'a>(tag: &str, tags: impl IntoIterator<Item = &'a Tag>) -> Option<&'a Tag> {
    let all = parts(tag);
    let (own, was_unfinished) = finished(&all);
    if !own.iter().any(|part| matches!(part, Part::Number(_)))
        || matches!(own.first(), Some(Part::Text(text)) if BEFORE_HASH.contains(text))
    {
        return None;
    }
    let candidates = tags.into_iter().filter_map(|other| {
        let theirs = parts(other.as_str());
        if finished(&theirs).1 || !is_same_shape(&own, &theirs) {
            return None;
        }
        let is_newer = match growth(&own, &theirs)? {
            Ordering::Greater => true,
            Ordering::Equal => was_unfinished,
            Ordering::Less => false,
        };
        is_newer.then_some((theirs, other))
    });
    candidates.max_by(|(a, _), (b, _)| compare_in_turn(a, b)).map(|(_, tag)| tag)
}

/// `parts` without what makes them a pre-release, and whether there was any: `3.14.0rc1-slim` → `3.14.0-slim`.
fn finished<'a>(parts: &[Part<'a>]) -> (Vec<Part<'a>>, bool) {
    let mut kept = Vec::new();
    let mut rest = parts;
    while let Some((part, after)) = rest.split_first() {
        rest = after;
        let text = match part {
            Part::Text(text) if !kept.is_empty() => text,
            _ => {
                kept.push(*part);
                continue;
            }
        };
        let separators = ['-', '.', '_', '~', '+'];
        let word = text.trim_start_matches(separators);
        let end = word.find(separators).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        if !UNFINISHED.contains(&word.to_ascii_lowercase().as_str()) {
            kept.push(*part);
        } else if !behind.trim_matches(separators).is_empty() {
            kept.push(Part::Text(behind));
        } else if let Some((Part::Number(_), after)) = rest.split_first() {
            rest = after;
        }
    }
    let was_unfinished = kept != parts;
    (kept, was_unfinished)
}

fn is_same_shape(a: &[Part<'_>], b: &[Part<'_>]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| match (a, b) {
            (Part::Text(a), Part::Text(b)) => a == b,
            (Part::Number(a), Part::Number(b)) => {
                let is_padded = |number: &str| number.len() > 1 && number.starts_with('0');
                let same_width = a.len() == b.len() || !(is_padded(a) || is_padded(b));
                same_width && (a.len() >= DATE_DIGITS) == (b.len() >= DATE_DIGITS)
            }
            _ => false,
        })
}

/// Whether `theirs` is greater than `own`, where no version in it is smaller. A version is numbers with dots between.
fn growth(own: &[Part<'_>], theirs: &[Part<'_>]) -> Option<Ordering> {
    let mut overall = Ordering::Equal;
    let mut version = Ordering::Equal;
    for (a, b) in own.iter().zip(theirs) {
        match (a, b) {
            (Part::Text("."), _) => {}
            (Part::Text(_), _) => version = Ordering::Equal,
            (Part::Number(a), Part::Number(b)) if version.is_eq() => {
                version = compare_numbers(b, a);
                if version.is_lt() {
                    return None;
                }
                overall = overall.then(version);
            }
            _ => {}
        }
    }
    Some(overall)
}

fn compare_in_turn(a: &[Part<'_>], b: &[Part<'_>]) -> Ordering {
    let numbers = a.iter().zip(b).map(|pair| match pair {
        (Part::Number(a), Part::Number(b)) => compare_numbers(a, b),
        _ => Ordering::Equal,
    });
    numbers.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_tags_have_the_same_shape() {
        for (tag, there, newer) in [
            (
                "noble-cuda-13.0.0",
                "noble-cuda-13.1.0 jammy-cuda-13.2.0 noble-13.3.0",
                "noble-cuda-13.1.0",
            ),
            ("3.12-slim", "3.13-slim 3.12.4-slim 3.14 3.14-slim-bookworm 3.9-slim", "3.13-slim"),
            ("3.9", "3.10 3.8 4", "3.10"),
            ("13", "12 14 20260101 stable", "14"),
            ("20250101", "20260101 27", "20260101"),
            ("24.04", "24.10 26.04 24.4 26.4", "26.04"),
            ("24.10", "26.04", "26.04"),
            ("v1.2.3", "v1.2.10 1.9.9", "v1.2.10"),
            ("3.13.0", "3.14.0rc1 3.14.0-beta.2 3.14-rc 3.13.0a1", ""),
            ("3.13-rc-slim", "3.13-slim 3.14-rc-slim", "3.13-slim"),
            ("3.14.0rc1", "3.14.0rc2 3.14.0", "3.14.0"),
            ("3.14.0rc1", "3.13.9", ""),
            (
                "cuda12.4-py3.11",
                "cuda13.0-py3.11 cuda12.4-py3.12 cuda13.0-py3.10",
                "cuda13.0-py3.11",
            ),
            (
                "2.5.1-cuda12.4-cudnn9-devel",
                "2.6.0-cuda12.6-cudnn9-devel 2.6.0-cuda11.8-cudnn9-devel",
                "2.6.0-cuda12.6-cudnn9-devel",
            ),
            ("sha-1234567", "sha-7654321", ""),
            ("latest", "1.0 stable", ""),
            ("trixie-slim", "forky-slim", ""),
            ("1.2.3", "1.2.3 1.2", ""),
            ("9", "18446744073709551617 10", "10"),
        ] {
            let there: Vec<Tag> = there.split(' ').map(|tag| tag.parse().unwrap()).collect();
            let found = newest(tag, &there).map_or("", Tag::as_str);
            assert_eq!(found, newer, "{tag}");
        }
    }
}
