//! `.dockerignore`: which paths of a context are left out.
//!
//! As BuildKit's client walks a context (`moby/patternmatcher`, `tonistiigi/fsutil`): patterns in order, the last that
//! matches decides, and a pattern that matched a folder also matches what is in it.

mod expression;
mod pattern;

use pattern::Pattern;

/// The longest line that BuildKit reads.
const LONGEST_LINE: usize = 65_535;

/// The patterns of one file.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

/// A line that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// From 1.
    pub line: u32,
    pub why: String,
}

/// What the patterns say of one path; handed on to what is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    matched: Vec<bool>,
    ignored: bool,
}

impl Verdict {
    /// Whether the path is left out. A folder that is left out is still sent where something in it is not.
    pub fn is_ignored(&self) -> bool {
        self.ignored
    }
}

impl Ignore {
    /// # Errors
    /// Every line that is no pattern. BuildKit refuses to build with such a file.
    pub fn parse(text: &str) -> Result<Self, Vec<BadPattern>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        let mut bad = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let mut refuse = |why: String| bad.push(BadPattern { line: number, why });
            if line.len() > LONGEST_LINE {
                refuse("the line is too long".to_owned());
                continue;
            }
            if line.starts_with('#') {
                continue;
            }
            match Pattern::parse(line.trim()) {
                Ok(pattern) => patterns.extend(pattern),
                Err(why) => refuse(why),
            }
        }
        if bad.is_empty() { Ok(Self { patterns }) } else { Err(bad) }
    }

    /// Whether `path` is left out: relative to the context, with `/`, without `./`.
    pub fn matches(&self, path: &str) -> bool {
        let mut verdict = Verdict::default();
        for (end, _) in path.match_indices('/') {
            verdict = self.below(&verdict, &path[..end]);
        }
        self.below(&verdict, path).ignored
    }

    /// As [`Ignore::matches`], for a walker that has the verdict of the folder in which `path` is; the default one for
    /// the context's root.
    #[must_use]
    pub fn below(&self, folder: &Verdict, path: &str) -> Verdict {
        let mut verdict = Verdict { matched: vec![false; self.patterns.len()], ignored: false };
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = folder.matched.get(index).copied().unwrap_or_default();
            // A pattern that could change nothing is not looked at, nor are then its matches handed on.
            if !inherited && pattern.is_exception() != verdict.ignored {
                continue;
            }
            if inherited || pattern.matches(path) {
                verdict.matched[index] = true;
                verdict.ignored = !pattern.is_exception();
            }
        }
        verdict
    }

    /// Whether something in a folder that is left out may be taken back by a `!`, so that it must be walked.
    pub fn may_reinclude_below(&self, folder: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.is_exception() && pattern.may_match_below(folder))
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_match_decides() {
        for (patterns, ignored, kept) in [
            ("a", "a a/b a/b/c", "b b/a"),
            ("/a/\n", "a a/b", "b/a"),
            ("*.md", "x.md", "a/x.md xmd"),
            ("**/*.md", "x.md a/x.md a/b/x.md", "x.mdx"),
            ("a/**/b", "a/b a/x/b a/x/y/b/c", "a a/xb"),
            ("a*\n!ab", "ac aa/x", "ab ab/c"),
            ("docker/\n!docker/x/file", "docker docker/y docker/x docker/x/other", "docker/x/file"),
            ("*\n!src", "a b/c", "src src/x"),
            ("foo**", "foo foobar foo/x foobar/y", "fo xfoo"),
            ("**foo", "foo xfoo a/xfoo", "foox"),
            ("**", "a a/b", ""),
            ("a?c\nx[ab]\n\\*", "abc xa xb *", "a/c xc b"),
            ("# no\n#x\n \n!\u{20}a", "", "# #x a"),
            ("\u{feff}a\r\nb \r\n", "a b", "c"),
            (".", "", "a"),
            ("a\n!a/b\na/b/c", "a a/c a/b/c", "a/b a/b/d"),
            ("[^a]x", "bx /x", "ax"),
            ("a.c", "a.c", "abc"),
            // A pattern is not looked at where it could change nothing, nor handed on.
            ("*/foo\n!dir", "dir/foo", "dir"),
        ] {
            let ignore = Ignore::parse(patterns).unwrap();
            for path in ignored.split(' ').filter(|path| !path.is_empty()) {
                assert!(ignore.matches(path), "{patterns:?} leaves out {path}");
            }
            for path in kept.split(' ').filter(|path| !path.is_empty()) {
                assert!(!ignore.matches(path), "{patterns:?} keeps {path}");
            }
        }
    }

    #[test]
    fn bad_patterns_are_named_by_line() {
        let bad = Ignore::parse("a\n[\n!\nb\n[]\n[a-\n\\\n\\q\n[z-a]").unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn folders_are_walked_only_where_something_can_come_back() {
        for (patterns, folder, walked) in [
            ("a", "a", false),
            ("a\n!a/b/c", "a", true),
            ("a\n!a/b/c", "a/b", true),
            ("a\n!a/b/c", "a/d", false),
            ("a\n!b", "a", false),
            ("a\n!**/x", "a/b", true),
            ("a\n!a/*.md", "a", true),
            ("a\n!b/*.md", "a", false),
        ] {
            assert_eq!(
                Ignore::parse(patterns).unwrap().may_reinclude_below(folder),
                walked,
                "{patterns:?}"
            );
        }
    }
}
