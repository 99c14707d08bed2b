//! Whether a branch is taken, where that can be read.

use super::super::text::Text;
use super::run::Runner;
use super::{Condition, glob};

/// Nothing where only a run knows.
pub(super) fn holds(condition: &Condition, runner: &mut Runner<'_>) -> Option<bool> {
    match condition {
        Condition::Else => Some(true),
        Condition::Unknown => None,
        Condition::Case(word, patterns) => {
            let word = runner.one(word);
            let known = word.as_known()?;
            let patterns: Vec<Text> = patterns.iter().map(|pattern| runner.one(pattern)).collect();
            Some(patterns.iter().any(|pattern| {
                pattern.as_known().is_some_and(|pattern| glob::text_matches(pattern, known))
            }))
        }
        Condition::Test(words) => {
            let words: Vec<Text> = words.iter().map(|word| runner.one(word)).collect();
            let known: Vec<&str> = words.iter().map(Text::as_known).collect::<Option<_>>()?;
            match known.as_slice() {
                ["-n", text] => Some(!text.is_empty()),
                ["-z", text] => Some(text.is_empty()),
                [a, "=" | "==", b] => Some(glob::text_matches(b, a)),
                [a, "!=", b] => Some(!glob::text_matches(b, a)),
                _ => None,
            }
        }
    }
}
