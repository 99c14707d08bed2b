//! Go's `filepath.Match` for one part of a path.

pub(crate) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Whether `name` matches. A malformed pattern, which Go refuses, matches everything: the build will say so.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    step(&pattern, &name)
}

fn step(pattern: &[char], name: &[char]) -> bool {
    match pattern.first() {
        None => name.is_empty(),
        Some('*') => (0..=name.len()).any(|skip| step(&pattern[1..], &name[skip..])),
        Some('?') => !name.is_empty() && step(&pattern[1..], &name[1..]),
        Some('[') => match class(&pattern[1..], name.first().copied()) {
            Some((hit, rest)) => hit && step(rest, &name[1..]),
            None => true,
        },
        Some('\\') if pattern.len() > 1 => {
            name.first() == Some(&pattern[1]) && step(&pattern[2..], &name[1..])
        }
        Some('\\') => true,
        Some(c) => name.first() == Some(c) && step(&pattern[1..], &name[1..]),
    }
}

/// Whether `c` is in the class that `pattern` begins with, and what follows the class; nothing when it is malformed.
fn class(pattern: &[char], c: Option<char>) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern.first() {
        Some('^') => (true, &pattern[1..]),
        _ => (false, pattern),
    };
    let mut hit = false;
    let mut first = true;
    loop {
        if rest.first() == Some(&']') && !first {
            return Some((c.is_some() && hit != negated, &rest[1..]));
        }
        first = false;
        let (low, after) = character(rest)?;
        let (high, after) = match after.first() {
            Some('-') => character(&after[1..])?,
            _ => (low, after),
        };
        hit |= c.is_some_and(|c| low <= c && c <= high);
        rest = after;
    }
}

fn character(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern.first()? {
        '\\' => Some((*pattern.get(1)?, &pattern[2..])),
        '-' | ']' => None,
        c => Some((*c, &pattern[1..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_go_matches_them() {
        for (pattern, name, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("*", "", true),
            ("[]a]", "]", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
