//! Texts in, texts out.

use super::*;

struct Table;

impl Environment for Table {
    fn look_up(&self, name: &str) -> Lookup {
        match name {
            "X" => Lookup::Set("abc".to_owned()),
            "E" => Lookup::Set(String::new()),
            "P" => Lookup::Set("a/b/c.tar.gz".to_owned()),
            "S" => Lookup::Set("one two".to_owned()),
            "B" => Lookup::Unknown,
            _ => Lookup::Unset,
        }
    }
}

#[test]
fn words_are_expanded() {
    for (text, expected) in [
        ("$X", "abc"),
        ("${X}y", "abcy"),
        ("$Xy", ""),
        ("\\$X", "$X"),
        ("'$X'", "$X"),
        ("\"$X\"", "abc"),
        ("\"\\$X\"", "$X"),
        ("\"a\\b\"", "a\\b"),
        ("a\\b", "ab"),
        ("$", "$"),
        ("$.", "$."),
        ("a$", "a$"),
        ("$1x", "x"),
        ("$-x", "x"),
        ("${U:-d}", "d"),
        ("${U-d}", "d"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${X:-d}", "abc"),
        ("${X:+d}", "d"),
        ("${X+d}", "d"),
        ("${E:+d}", ""),
        ("${E+d}", "d"),
        ("${U+d}", ""),
        ("${U:-${X}}", "abc"),
        ("${U:-'a}b'}", "a}b"),
        ("${U:-a\\}b}", "a}b"),
        ("${X:?no}", "abc"),
        ("${E?no}", ""),
        ("${P#*/}", "b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "a/b/c.tar"),
        ("${P%%.*}", "a/b/c"),
        ("${P%/*}", "a/b"),
        ("${X#a}", "bc"),
        ("${X%c}", "ab"),
        ("${X#b}", "abc"),
        ("${X#?}", "bc"),
        ("${X#\\?}", "abc"),
        ("${P/\\//-}", "a-b/c.tar.gz"),
        ("${P//\\//-}", "a-b-c.tar.gz"),
        ("${X/b/}", "ac"),
        ("${X//?/xy}", "xyxyxy"),
        ("${X//z/y}", "abc"),
        ("${X//b/[\\$0]}", "a[\\b]c"),
        ("${U/a/b}", ""),
        ("<$X", "<abc"),
        ("a<<b", "a<<b"),
    ] {
        let expansion = Lex::new('\\').expand(text, &Table).unwrap();
        assert_eq!(expansion.text, expected, "{text}");
        assert_eq!(expansion.unknown, None, "{text}");
    }
    assert_eq!(Lex::new('`').expand("`$X\\$X", &Table).unwrap().text, "$X\\abc");
}

#[test]
fn wrong_texts_are_refused() {
    for text in [
        "'a",
        "\"a",
        "${",
        "${X",
        "${}",
        "${{X}}",
        "${:x}",
        "${X:-",
        "${X:#a}",
        "${X^}",
        "${U:?why}",
        "${U?}",
        "${E:?}",
        "${X/a}",
        "${X/a/b",
        "${X#\\a}",
        "${X#\\",
    ] {
        assert!(Lex::new('\\').expand(text, &Table).is_err(), "{text}");
    }
    assert_eq!(Lex::new('\\').expand("${U:?why}", &Table), Err("U: why".to_owned()));
}

#[test]
fn what_is_not_known_or_missing_is_said() {
    let expand = |text: &str| Lex::new('\\').expand(text, &Table).unwrap();
    assert_eq!(expand("a$B").unknown.as_deref(), Some("B"));
    assert_eq!(expand("${B:-x}").unknown.as_deref(), Some("B"));
    assert_eq!(expand("${B:?x}").unknown.as_deref(), Some("B"));
    let missing = |text: &str| expand(text).missing.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(missing("$U ${V} ${W:-d} ${Y+d} ${Z#a}"), "U V Z");
}

#[test]
fn words_are_cut_at_blanks() {
    let words = |text: &str| Lex::new('\\').expand(text, &Table).unwrap().words.join("|");
    assert_eq!(words(" a  b\\ c 'd e' $S"), "a|b c|d e|one|two");
    assert_eq!(words("\"$S\" x"), "one two|x");
}
