//! Patterns of paths, matched with what git tracks.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

/// The tracked paths that `pattern` names, seen from `folder`, as the shell would write them.
pub(super) fn matches(
    pattern: &str,
    folder: &Utf8Path,
    tracked: &BTreeSet<Utf8PathBuf>,
) -> Vec<String> {
    let is_folder = pattern.ends_with('/');
    let wanted: Vec<&str> =
        pattern.trim_start_matches("./").trim_end_matches('/').split('/').collect();
    let mut found = BTreeSet::new();
    for path in tracked {
        let Ok(below) = path.strip_prefix(folder) else { continue };
        let parts: Vec<&str> = below.as_str().split('/').collect();
        let deep_enough = parts.len() > wanted.len() || (!is_folder && parts.len() == wanted.len());
        if deep_enough
            && wanted.iter().zip(&parts).all(|(pattern, part)| part_matches(pattern, part))
        {
            found.insert(parts[..wanted.len()].join("/"));
        }
    }
    let end = if is_folder { "/" } else { "" };
    found.into_iter().map(|path| format!("{path}{end}")).collect()
}

fn part_matches(pattern: &str, text: &str) -> bool {
    (!text.starts_with('.') || pattern.starts_with('.')) && text_matches(pattern, text)
}

/// Whether `text` is what `pattern` names, in which `*` is anything.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
