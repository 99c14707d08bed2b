//! Where is a tag written, and what is the patch that writes a newer one? Pure: texts in, a unified diff out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};

use crate::reference::{Digest, Reference, Tag};

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// A reference that is to name a newer tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    pub old: Reference,
    pub tag: Tag,
    /// What the newer tag points to, where `old` has a digest.
    pub digest: Option<Digest>,
}

/// The text of a build argument, where a file writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    pub name: &'a str,
    pub file: &'a Utf8Path,
    /// Counts from 1.
    pub line: u32,
    pub value: &'a str,
}

/// Replacements in files. Each is in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(BTreeMap<(Utf8PathBuf, usize), LineEdits>);

/// By where they begin: what is replaced, and by what.
type LineEdits = BTreeMap<usize, (Range<usize>, String)>;

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what makes the instruction at `line` of `file` name the newer tag: in the line itself, else in the one of
    /// `variables` that holds the tag, or the part of it that grows. Whether there is such a place.
    pub fn renew(
        &mut self,
        renewal: &Renewal,
        file: &Utf8Path,
        line: u32,
        texts: &BTreeMap<Utf8PathBuf, String>,
        variables: &[Variable<'_>],
    ) -> bool {
        let Some(text) = line_of(texts, file, line) else { return false };
        if let Some((range, new)) = in_text(text, renewal) {
            self.add(file, line, range, new);
            return true;
        }
        for variable in variables.iter().filter(|variable| uses(text, variable.name)) {
            let Some(value) = renewed_value(variable.value, renewal) else { continue };
            let Some(written) = line_of(texts, variable.file, variable.line) else { continue };
            // Behind the name: a short value may be within it, too.
            let name = written.find(variable.name).map_or(0, |start| start + variable.name.len());
            let Some(start) = written[name..].find(variable.value) else { continue };
            let start = name + start;
            self.add(variable.file, variable.line, start..start + variable.value.len(), value);
            return true;
        }
        false
    }

    fn add(&mut self, file: &Utf8Path, line: u32, range: Range<usize>, new: String) {
        let line = self.0.entry((file.to_owned(), line as usize - 1)).or_default();
        line.insert(range.start, (range, new));
    }

    /// As `git apply` takes it.
    pub fn patch(&self, texts: &BTreeMap<Utf8PathBuf, String>) -> String {
        let files: BTreeSet<&Utf8PathBuf> = self.0.keys().map(|(file, _)| file).collect();
        let mut patch = String::new();
        for file in files {
            let Some(text) = texts.get(file) else { continue };
            let old: Vec<&str> = text.split_inclusive('\n').collect();
            let new: Vec<String> =
                (0..old.len()).map(|index| self.edited(file, index, old[index])).collect();
            let changed: Vec<usize> =
                (0..old.len()).filter(|&index| old[index] != new[index]).collect();
            if changed.is_empty() {
                continue;
            }
            // A name with a blank ends with a tab, so that no date is looked for in it.
            let end = if file.as_str().contains(' ') { "\t" } else { "" };
            let _written = writeln!(patch, "--- a/{file}{end}\n+++ b/{file}{end}");
            for hunk in hunks(&changed, old.len()) {
                let (start, count) = (hunk.start + 1, hunk.len());
                let _written = writeln!(patch, "@@ -{start},{count} +{start},{count} @@");
                add_hunk(&mut patch, hunk, &old, &new);
            }
        }
        patch
    }

    fn edited(&self, file: &Utf8Path, index: usize, line: &str) -> String {
        let mut line = line.to_owned();
        // From the end, so that ranges stay true.
        for (range, new) in
            self.0.get(&(file.to_owned(), index)).into_iter().flat_map(|edits| edits.values().rev())
        {
            line.replace_range(range.clone(), new);
        }
        line
    }
}

/// The lines of each hunk: what changes, with its context, and together what touches.
fn hunks(changed: &[usize], lines: usize) -> Vec<Range<usize>> {
    let mut hunks: Vec<Range<usize>> = Vec::new();
    for &index in changed {
        let (start, end) = (index.saturating_sub(CONTEXT), (index + CONTEXT + 1).min(lines));
        match hunks.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn add_hunk(patch: &mut String, hunk: Range<usize>, old: &[&str], new: &[String]) {
    let mut add = |sign: char, line: &str| {
        patch.push(sign);
        patch.push_str(line);
        if !line.ends_with('\n') {
            patch.push_str("\n\\ No newline at end of file\n");
        }
    };
    let mut index = hunk.start;
    while index < hunk.end {
        let run = (index..hunk.end).take_while(|&at| old[at] != new[at]).count();
        (index..index + run).for_each(|at| add('-', old[at]));
        (index..index + run).for_each(|at| add('+', &new[at]));
        index += run;
        if run == 0 {
            add(' ', old[index]);
            index += 1;
        }
    }
}

fn line_of<'a>(
    texts: &'a BTreeMap<Utf8PathBuf, String>,
    file: &Utf8Path,
    line: u32,
) -> Option<&'a str> {
    texts.get(file)?.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)
}

/// Where `text` names the reference, and what is to stand there.
fn in_text(text: &str, renewal: &Renewal) -> Option<(Range<usize>, String)> {
    let tag = renewal.old.tag.as_ref()?;
    let needle = format!(":{tag}");
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '=' | '{' | '}' | '$');
    for (colon, _) in text.match_indices(&needle) {
        let start = text[..colon].rfind(is_end).map_or(0, |at| at + 1);
        let end = text[colon..].find(is_end).map_or(text.len(), |at| colon + at);
        if text[start..end].parse::<Reference>().is_ok_and(|reference| reference == renewal.old) {
            let new = match &renewal.digest {
                Some(digest) => format!("{}@{digest}", renewal.tag),
                None => renewal.tag.to_string(),
            };
            return Some((colon + 1..end, new));
        }
    }
    None
}

/// Whether `text` expands the variable.
fn uses(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let before = text[..start].trim_end_matches('{');
        let after = text[start + name.len()..].chars().next();
        before.ends_with('$') && after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    })
}

/// What a variable must hold for the newer tag: a whole reference, the tag, or that part of it which differs.
fn renewed_value(value: &str, renewal: &Renewal) -> Option<String> {
    if let Some((range, new)) = in_text(value, renewal) {
        let mut renewed = value.to_owned();
        renewed.replace_range(range, &new);
        return Some(renewed);
    }
    // A digest stands elsewhere, and would not be the newer tag's.
    if renewal.old.digest.is_some() || value.is_empty() {
        return None;
    }
    let (old, new) = (renewal.old.tag.as_ref()?.as_str(), renewal.tag.as_str());
    old.match_indices(value).find_map(|(start, _)| {
        let (before, after) = (&old[..start], &old[start + value.len()..]);
        let renewed = new.strip_prefix(before)?.strip_suffix(after)?;
        (!renewed.is_empty() && renewed != value).then(|| renewed.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewal(old: &str, tag: &str) -> Renewal {
        Renewal { old: old.parse().unwrap(), tag: tag.parse().unwrap(), digest: None }
    }

    #[test]
    fn a_tag_is_found_in_its_line_or_in_a_variable() {
        let dockerfile = "# syntax=docker/dockerfile:1.7\nARG CUDA=13.0.0\nARG BASE=\"nvidia/cuda:$X\"\nARG PY=python:3.12-slim\nFROM docker.io/library/debian:12 AS debian\nFROM acme/x:noble-cuda-${CUDA}\nFROM $PY\nCOPY --from=alpine:3.20,x /a /b\nRUN last";
        let file = Utf8Path::new("my images/Dockerfile");
        let texts = BTreeMap::from([(file.to_owned(), dockerfile.to_owned())]);
        let variable = |name, line, value| Variable { name, file, line, value };
        let variables = [
            variable("CUDA", 2, "13.0.0"),
            variable("PY", 4, "python:3.12-slim"),
            variable("X", 3, "1"),
        ];
        let mut edits = Edits::default();
        let mut renew = |old: &str, tag: &str, line| {
            edits.renew(&renewal(old, tag), file, line, &texts, &variables)
        };
        assert!(renew("debian:12", "13", 5));
        assert!(renew("acme/x:noble-cuda-13.0.0", "noble-cuda-13.1.0", 6));
        assert!(renew("python:3.12-slim", "3.13-slim", 7));
        assert!(renew("docker/dockerfile:1.7", "1.8", 1));
        assert!(!renew("alpine:3.20", "3.21", 9), "it is not written there");
        expect_test::expect![[r#"
            --- a/my images/Dockerfile	
            +++ b/my images/Dockerfile	
            @@ -1,8 +1,8 @@
            -# syntax=docker/dockerfile:1.7
            -ARG CUDA=13.0.0
            +# syntax=docker/dockerfile:1.8
            +ARG CUDA=13.1.0
             ARG BASE="nvidia/cuda:$X"
            -ARG PY=python:3.12-slim
            -FROM docker.io/library/debian:12 AS debian
            +ARG PY=python:3.13-slim
            +FROM docker.io/library/debian:13 AS debian
             FROM acme/x:noble-cuda-${CUDA}
             FROM $PY
             COPY --from=alpine:3.20,x /a /b
        "#]]
        .assert_eq(&edits.patch(&texts));
    }

    #[test]
    fn a_digest_is_renewed_with_its_tag() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let text = format!("FROM x:1@{}\n", digest("a"));
        let file = Utf8Path::new("Dockerfile");
        let texts = BTreeMap::from([(file.to_owned(), text)]);
        let mut edits = Edits::default();
        let renewal = Renewal {
            digest: Some(digest("b").parse().unwrap()),
            ..renewal(&format!("x:1@{}", digest("a")), "2")
        };
        assert!(edits.renew(&renewal, file, 1, &texts, &[]));
        assert!(edits.patch(&texts).contains(&format!("+FROM x:2@{}\n", digest("b"))));
    }

    #[test]
    fn changes_far_apart_have_hunks_of_their_own() {
        assert_eq!(hunks(&[0, 5, 20], 22), [0..9, 17..22]);
    }
}
