//! Which of two versions is newer? As far as numbers tell. Pure.

use std::cmp::Ordering;

/// A run of digits, or of anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Number(&'a str),
    Text(&'a str),
}

/// The parts of `text`, in turns.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(if digits { Part::Number(part) } else { Part::Text(part) });
        rest = after;
    }
    parts
}

/// By value, however many digits there are.
pub fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Number by number, then text by text; `1.2` comes before `1.2.1`, and `1.2rc1` before `1.2`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for (a, b) in a.iter().zip(&b) {
        let order = match (a, b) {
            (Part::Number(a), Part::Number(b)) => compare_numbers(a, b),
            (Part::Text(a), Part::Text(b)) => a.cmp(b),
            (Part::Number(_), Part::Text(_)) => Ordering::Greater,
            (Part::Text(_), Part::Number(_)) => Ordering::Less,
        };
        if order.is_ne() {
            return order;
        }
    }
    // What follows a version is a further number, or makes it a pre-release.
    let adds = |rest: Option<&Part<'_>>| match rest {
        Some(Part::Text(text)) => {
            !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') || *text == "post"
        }
        Some(Part::Number(_)) => true,
        None => false,
    };
    match a.len().cmp(&b.len()) {
        Ordering::Equal => Ordering::Equal,
        Ordering::Less if adds(b.get(a.len())) => Ordering::Less,
        Ordering::Less => Ordering::Greater,
        Ordering::Greater if adds(a.get(b.len())) => Ordering::Greater,
        Ordering::Greater => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_are_greater() {
        for (older, newer) in [
            ("1.9", "1.10"),
            ("1.2", "1.2.1"),
            ("2.5.1", "2.6.0"),
            ("1.2rc1", "1.2"),
            ("1.2rc1", "1.2rc2"),
            ("1.2a3", "1.2b1"),
            ("1.2", "1.2.post1"),
            ("2024.9", "2024.10"),
            ("9", "18446744073709551617"),
            ("1.2.0 py311_0", "1.2.0 py312_0"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
            assert_eq!(compare(newer, newer), Ordering::Equal);
        }
        assert_eq!(compare("1.02", "1.2"), Ordering::Equal);
    }
}
