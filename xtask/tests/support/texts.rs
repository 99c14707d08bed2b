//! Makes lines of `.dockerignore` and texts with variables.

use super::support::Random;

/// What chance seldom makes: exceptions that match a folder above before anything is left out, and layers of them.
const BY_HAND: &[&str] = &[
    "*/b\n!a\n",
    "*/*/b\n!a\n!b\n",
    "!a\n*/b\n",
    "*\n!a\n*/a\n!a/a/b\n",
    "a\n!a/b\na/b/ab\n",
    "**\n!**/b\n",
    "*\n!*/b\n",
    "*/a\n*\n!a\n",
    "a*\n!ab/\n*.b\n",
    "*\n!b/a\nb/a/b\n!b/a/b\n",
];

/// Lines of `.dockerignore`, for the names that `tests/buildkit_reader.rs` gives files.
pub(crate) fn ignore(seed: u64) -> String {
    let by_hand = usize::try_from(seed).ok().and_then(|seed| BY_HAND.get(seed));
    if let Some(text) = by_hand {
        return (*text).to_owned();
    }
    let mut random = Random::new(seed + 7);
    let mut text = String::new();
    for _ in 0..=random.below(5) {
        text.push_str(random.of(&["", "", "", "!", "!", "/", "! ", " ", "./", "!/"]));
        for part in 0..=random.below(3) {
            if part > 0 {
                text.push('/');
            }
            for _ in 0..=random.below(2) {
                text.push_str(random.of(&[
                    "a", "b", "ab", "a", "b", "*", "?", "**", "[ab]", "[^a]", "\\a", "a.b", ".",
                    "..", "[a-c]", "é", "x^", "[[]x]", "\\[x\\]", "*", "+", "[x", "a", "b c",
                    "\\w", "^", "[!a]", "[*]",
                ]));
            }
        }
        text.push_str(random.of(&["\n", "\n", "/\n", " \n", "\r\n", "\n#a\n\n", "/**\n", "/*\n"]));
    }
    text
}

/// A text with variables in it, for the key of a label.
pub(crate) fn expression(seed: u64) -> String {
    let mut random = Random::new(seed + 99);
    let mut text = String::new();
    for _ in 0..=random.below(4) {
        text.push_str(random.of(&[
            "a",
            "$X",
            "${X}",
            "${U:-${X}}",
            "'q$X'",
            "\"d$X\"",
            "\\$X",
            "\\\\",
            "${P#*/}",
            "${P##*/}",
            "${P%/*}",
            "${P%%.*}",
            "${P%%?}",
            "${P//a/b}",
            "${P/\\//-}",
            "${P//\\//$X}",
            "${E:-d}",
            "${E-d}",
            "${E:+d}",
            "${E+d}",
            "${X+${P}}",
            "\"${U:-'x'}\"",
            "${U:-\"y\"}",
            "$1",
            "$$",
            "$-",
            "$X$P",
            "${X#?}",
            "${X%c*}",
            "${P//[/x}",
            "${X/b/\"z\"}",
            "${P/*b/}",
            "${P//?/.}",
            "${X//\\\\/y}",
            "é",
            "${X:?e}",
            "\"a\\\"b\"",
            "\"a\\c\"",
            "${E:-\\}}",
            "${P#a?b}",
            "${P%.[g]z}",
            "${X//b/$0}",
            "${X//b/\\$0}",
            "${X//}",
            "${U?x}",
            "$\\X",
            "'",
            "${P#\\*}",
            "${P/./\\/}",
            "<<E",
            "${X//b/'$0$0'}",
        ]));
    }
    text
}
