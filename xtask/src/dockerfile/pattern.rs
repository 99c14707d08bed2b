//! The patterns of `${X#pattern}`, `${X%pattern}` and `${X/pattern/with}`: `*`, `?` and `\`.
//!
//! BuildKit makes regular expressions of them; the order in which those try matches is kept, so that the same part of
//! a value is found.

use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Many,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    greedy: bool,
}

impl Pattern {
    pub(super) fn read(text: &str, greedy: bool) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                // `\}` and `\/` only hide these characters from the end of the pattern.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Literal(escaped),
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(format!("`\\{other}` is no escape in the pattern {text:?}"));
                    }
                },
                literal => Token::Literal(literal),
            });
        }
        Ok(Self { tokens, greedy })
    }

    pub(super) fn without_prefix(&self, value: &str) -> String {
        let chars: Vec<char> = value.chars().collect();
        let end = self.match_at(&chars, 0).unwrap_or(0);
        chars[end..].iter().collect()
    }

    pub(super) fn without_suffix(&self, value: &str) -> String {
        let mut reversed = self.clone();
        reversed.tokens.reverse();
        let chars: Vec<char> = value.chars().rev().collect();
        let end = reversed.match_at(&chars, 0).unwrap_or(0);
        chars[end..].iter().rev().collect()
    }

    pub(super) fn replace(&self, value: &str, with: &str, all: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        let mut text = String::new();
        let (mut search, mut last) = (0, 0);
        while search <= chars.len() {
            let found = (search..=chars.len())
                .find_map(|start| self.match_at(&chars, start).map(|end| (start, end)));
            let Some((start, end)) = found else { break };
            text.extend(&chars[last..start]);
            if !all {
                text.push_str(with);
                last = end;
                break;
            }
            // No empty match directly behind a match.
            if end > last || start == 0 {
                let matched: String = chars[start..end].iter().collect();
                push_template(&mut text, with, &matched);
            }
            last = end;
            search = if search + 1 > end { search + 1 } else { end };
        }
        text.extend(&chars[last..]);
        text
    }

    /// The end of the match that begins at `start`: the first that backtracking finds.
    fn match_at(&self, chars: &[char], start: usize) -> Option<usize> {
        self.step(chars, 0, start, &mut BTreeSet::new())
    }

    fn step(
        &self,
        chars: &[char],
        token: usize,
        at: usize,
        failed: &mut BTreeSet<(usize, usize)>,
    ) -> Option<usize> {
        let Some(first) = self.tokens.get(token) else { return Some(at) };
        if failed.contains(&(token, at)) {
            return None;
        }
        let found = match first {
            Token::Literal(literal) if chars.get(at) == Some(literal) => {
                self.step(chars, token + 1, at + 1, failed)
            }
            Token::One if chars.get(at).is_some_and(|&c| c != '\n') => {
                self.step(chars, token + 1, at + 1, failed)
            }
            Token::Literal(_) | Token::One => None,
            Token::Many => {
                let most = chars[at..].iter().take_while(|&&c| c != '\n').count();
                let mut ends = (at..=at + most).collect::<Vec<_>>();
                if self.greedy {
                    ends.reverse();
                }
                ends.into_iter().find_map(|end| self.step(chars, token + 1, end, failed))
            }
        };
        if found.is_none() {
            failed.insert((token, at));
        }
        found
    }
}

/// Appends `with`, in which Go's `ReplaceAllString` takes `$0` for the match, `$name` for nothing and `$$` for `$`.
fn push_template(text: &mut String, with: &str, matched: &str) {
    let mut rest = with;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let word_end =
            |s: &str| s.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(s.len());
        let (name, behind) = if let Some(braced) = after.strip_prefix('{') {
            match braced.split_once('}') {
                Some((name, behind)) if !name.is_empty() && word_end(name) == name.len() => {
                    (name, behind)
                }
                _ => ("", after),
            }
        } else {
            after.split_at(word_end(after))
        };
        if let Some(behind) = after.strip_prefix('$') {
            text.push('$');
            rest = behind;
            continue;
        }
        match name {
            "" => text.push('$'),
            "0" => text.push_str(matched),
            _ => {}
        }
        rest = behind;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes() {
        for (pattern, greedy, value, prefix, suffix) in [
            ("*/", false, "a/b/c", "b/c", "a/b/c"),
            ("*/", true, "a/b/c", "c", "a/b/c"),
            ("/*", false, "a/b/c", "a/b/c", "a/b"),
            ("/*", true, "a/b/c", "a/b/c", "a"),
            ("", true, "abc", "abc", "abc"),
            ("*", true, "abc", "", ""),
            ("*", false, "abc", "abc", "abc"),
            ("a\\*", true, "a*b", "b", "a*b"),
            ("?", false, "äb", "b", "ä"),
        ] {
            let pattern_is = Pattern::read(pattern, greedy).unwrap();
            assert_eq!(pattern_is.without_prefix(value), prefix, "#{pattern} of {value}");
            assert_eq!(pattern_is.without_suffix(value), suffix, "%{pattern} of {value}");
        }
    }

    #[test]
    fn replacements() {
        for (pattern, with, value, one, all) in [
            ("b", "-", "abab", "a-ab", "a-a-"),
            ("", "-", "ab", "-ab", "-a-b-"),
            ("a*", "x", "bab", "bx", "bx"),
            ("b", "$0$0", "abc", "a$0$0c", "abbc"),
            ("b", "$$1${x}$", "abc", "a$$1${x}$c", "a$1$c"),
        ] {
            let pattern = Pattern::read(pattern, true).unwrap();
            assert_eq!(pattern.replace(value, with, false), one);
            assert_eq!(pattern.replace(value, with, true), all);
        }
    }
}
