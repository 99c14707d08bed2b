//! Which paths of a context does an instruction read?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{Entry, Kind, Tree};

/// What the sources of one `COPY`, `ADD` or bind mount take from `tree`: wider where it cannot be told exactly.
pub(super) fn entries(
    tree: &mut Tree,
    sources: &[String],
    parents: bool,
) -> anyhow::Result<Arc<Vec<Entry>>> {
    if let [one] = sources
        && !parents
        && !has_wildcard(one)
    {
        return literal(tree, one);
    }
    let mut all: BTreeMap<String, Entry> = BTreeMap::new();
    for source in sources {
        let found = if has_wildcard(source) {
            matching(tree, source, parents)?
        } else {
            literal(tree, source)?
        };
        for entry in found.iter() {
            all.entry(entry.path.clone()).or_insert_with(|| entry.clone());
        }
        if parents {
            // The folders above a source are made in the image, with their modes.
            let mut rest = source.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                rest = parent;
                if let Some(entry) = tree.below(parent)?.iter().find(|entry| entry.path == parent) {
                    all.entry(entry.path.clone()).or_insert_with(|| entry.clone());
                }
            }
        }
    }
    Ok(Arc::new(all.into_values().collect()))
}

/// The whole context.
pub(super) fn whole(tree: &mut Tree) -> anyhow::Result<Arc<Vec<Entry>>> {
    tree.below("")
}

fn literal(tree: &mut Tree, source: &str) -> anyhow::Result<Arc<Vec<Entry>>> {
    if source == "." || source.is_empty() {
        return whole(tree);
    }
    // A symbolic link on the way, or at the end, is followed inside the context; where it leads is anyone's guess.
    let mut prefix = String::new();
    for part in source.split('/') {
        if !prefix.is_empty() {
            prefix.push('/');
        }
        prefix.push_str(part);
        if tree.root().join(&prefix).is_symlink() {
            return whole(tree);
        }
    }
    tree.below(source)
}

fn matching(tree: &mut Tree, pattern: &str, parents: bool) -> anyhow::Result<Arc<Vec<Entry>>> {
    let before: Vec<&str> = pattern.split('/').take_while(|part| !has_wildcard(part)).collect();
    let folder = before.join("/");
    let candidates = if folder.is_empty() { whole(tree)? } else { literal(tree, &folder)? };
    if parents {
        return Ok(candidates);
    }
    let pattern: Vec<&str> = pattern.split('/').collect();
    let mut found = Vec::new();
    let mut under: Option<&str> = None;
    for entry in candidates.iter() {
        if under.is_some_and(|folder| {
            entry.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        }) {
            found.push(entry.clone());
            continue;
        }
        let parts: Vec<&str> = entry.path.split('/').collect();
        let matched = parts.len() == pattern.len()
            && parts.iter().zip(&pattern).all(|(part, p)| go_match(p, part));
        if !matched {
            continue;
        }
        match entry.kind {
            Kind::Symlink(_) => return whole(tree),
            Kind::Folder => under = Some(&entry.path),
            Kind::File(_) | Kind::Other => {}
        }
        found.push(entry.clone());
    }
    // A folder's content sorts after siblings such as `a-b` (`-` is before `/`): take what the loop passed over.
    let folders: Vec<String> = found
        .iter()
        .filter(|entry| entry.kind == Kind::Folder)
        .map(|entry| format!("{}/", entry.path))
        .collect();
    for entry in candidates.iter() {
        if folders.iter().any(|folder| entry.path.starts_with(folder)) {
            found.push(entry.clone());
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(Arc::new(found))
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Go's `filepath.Match` for one part of a path. A malformed pattern, which Go refuses, matches everything: the build
/// will say so.
fn go_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches(&pattern, &name)
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern.first() {
        None => name.is_empty(),
        Some('*') => (0..=name.len()).any(|skip| matches(&pattern[1..], &name[skip..])),
        Some('?') => !name.is_empty() && matches(&pattern[1..], &name[1..]),
        Some('[') => match class(&pattern[1..], name.first().copied()) {
            Some((hit, rest)) => hit && matches(rest, &name[1..]),
            None => true,
        },
        Some('\\') if pattern.len() > 1 => {
            name.first() == Some(&pattern[1]) && matches(&pattern[2..], &name[1..])
        }
        Some('\\') => true,
        Some(c) => name.first() == Some(c) && matches(&pattern[1..], &name[1..]),
    }
}

/// Whether `c` is in the class that `pattern` begins with, and what follows the class; nothing when it is malformed.
fn class(pattern: &[char], c: Option<char>) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern.first() {
        Some('^') => (true, &pattern[1..]),
        _ => (false, pattern),
    };
    let mut hit = false;
    let mut first = true;
    loop {
        if rest.first() == Some(&']') && !first {
            return Some((c.is_some() && hit != negated, &rest[1..]));
        }
        first = false;
        let (low, after) = character(rest)?;
        let (high, after) = match after.first() {
            Some('-') => character(&after[1..])?,
            _ => (low, after),
        };
        hit |= c.is_some_and(|c| low <= c && c <= high);
        rest = after;
    }
}

fn character(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern.first()? {
        '\\' => Some((*pattern.get(1)?, &pattern[2..])),
        '-' | ']' => None,
        c => Some((*c, &pattern[1..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_go_matches_them() {
        for (pattern, name, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("*", "", true),
            ("[]a]", "]", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(go_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}
