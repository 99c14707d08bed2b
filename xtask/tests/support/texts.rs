//! Makes lines of `.dockerignore` and texts with variables.

use super::support::Random;

/// Lines of `.dockerignore`, for the names that `tests/buildkit_reader.rs` gives files.
pub(crate) fn ignore(seed: u64) -> String {
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
