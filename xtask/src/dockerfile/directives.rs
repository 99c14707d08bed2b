//! Parser directives: `# syntax=`, `# escape=`, `# check=` at the very top of a Dockerfile.

/// Reads directives line by line until the first line that is none (`parser/directives.go`).
#[derive(Default)]
pub(super) struct Directives {
    done: bool,
    seen: Vec<String>,
}

impl Directives {
    /// The directive on `line`, as name in lower case and value. A second one of a name is an error.
    pub(super) fn read(&mut self, line: &str) -> Result<Option<(String, String)>, String> {
        self.read_after(line, "#")
    }

    fn read_after(
        &mut self,
        line: &str,
        comment: &str,
    ) -> Result<Option<(String, String)>, String> {
        if self.done {
            return Ok(None);
        }
        let directive = line.strip_prefix(comment).and_then(name_and_value);
        let Some((name, value)) = directive else {
            self.done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(format!("only one `{name}` directive can be used"));
        }
        self.seen.push(name.clone());
        Ok(Some((name, value.to_owned())))
    }
}

fn name_and_value(comment: &str) -> Option<(String, &str)> {
    let (name, value) = comment.trim_start().split_once('=')?;
    let is_space = |c: char| matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ');
    let (name, value) = (name.trim_end_matches(is_space), value.trim_matches(is_space));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    let name = name.to_ascii_lowercase();
    let known = matches!(name.as_str(), "syntax" | "escape" | "check");
    (is_name && known && !value.is_empty()).then_some((name, value))
}

/// The frontend image that `text` asks for, and its line: the first word of `# syntax=`, or of `// syntax=`;
/// a `#!` line before is skipped, and a directive that is not at the start of its line is not seen
/// (`parser.DetectSyntax`).
pub(super) fn syntax(text: &str) -> Option<(&str, u32)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let skipped = usize::from(text.starts_with("#!"));
    ["#", "//"].into_iter().find_map(|comment| {
        let mut directives = Directives::default();
        for (number, line) in text.lines().enumerate().skip(skipped) {
            let (name, _) = directives.read_after(line, comment).ok()??;
            if name == "syntax" {
                let (_, value) = name_and_value(line.strip_prefix(comment)?)?;
                let image = value.split(' ').next().unwrap_or(value);
                return Some((image, u32::try_from(number + 1).unwrap_or(u32::MAX)));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_at_the_top() {
        for (text, syntax_is) in [
            ("# syntax=docker/dockerfile:1\nFROM x", Some(("docker/dockerfile:1", 1))),
            ("#syntax = a/b:1 more words \n", Some(("a/b:1", 1))),
            ("\u{feff}# SYNTAX=x\r\nFROM y", Some(("x", 1))),
            ("#!/usr/bin/env x\n# syntax=x\n", Some(("x", 2))),
            ("# escape=`\n# check=skip=all\n# syntax=x\n", Some(("x", 3))),
            ("// syntax=x\n", Some(("x", 1))),
            ("# a comment\n# syntax=x\n", None),
            ("\n# syntax=x\n", None),
            ("  # syntax=x\n", None),
            ("# unknown=1\n# syntax=x\n", None),
            ("# syntax=\nFROM x", None),
            ("FROM x", None),
        ] {
            assert_eq!(syntax(text), syntax_is, "{text:?}");
        }
    }

    #[test]
    fn a_directive_is_not_repeated() {
        let mut directives = Directives::default();
        assert!(directives.read("# escape=`").unwrap().is_some());
        assert!(directives.read("# escape=`").is_err());
    }
}
