//! Patterns of names and tags. Pure.

/// Whether `text` matches `pattern`, in which `*` is any text and `?` any one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(start, _)| start).chain([text.len()]);
            ends.into_iter().any(|start| matches(rest.as_str(), &text[start..]))
        }
        Some(c) => {
            let mut others = text.chars();
            others.next().is_some_and(|other| c == '?' || c == other)
                && matches(rest.as_str(), others.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*-latest", "torch-latest", true),
            ("*-latest", "latest", false),
            ("*latest", "latest", true),
            ("?.?", "1.2", true),
            ("?.?", "1.20", false),
            ("a*b*c", "a1b2b3c", true),
            ("", "", true),
            ("*", "", true),
            ("dev", "develop", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
