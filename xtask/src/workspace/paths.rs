//! Paths that a person writes: relative to a file's folder, or, with a leading `/`, to the workspace root.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::human;

/// `text` as a clean path below the workspace root; empty for the root itself.
///
/// # Errors
/// A sentence, when the path leaves the workspace.
pub(super) fn below_root(folder: &Utf8Path, text: &str) -> Result<Utf8PathBuf, String> {
    if let Some(c) = text.chars().find(|c| *c == '\\' || c.is_control()) {
        let instead = if c == '\\' { "; write `/` between folders" } else { "" };
        return Err(format!("the path {text:?} holds {c:?}{instead}"));
    }
    let written = match text.strip_prefix('/') {
        Some(rest) => Utf8PathBuf::from(rest.trim_start_matches('/')),
        None => folder.join(text),
    };
    clean(&written).ok_or_else(|| format!("the path {text:?} leads out of the workspace"))
}

/// Resolves `.` and `..` without looking at the file system; nothing when `..` leads above the start, or the path
/// is absolute.
pub(crate) fn clean(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                parts.pop()?;
            }
            Utf8Component::Normal(part) => parts.push(part),
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
        }
    }
    Some(Utf8PathBuf::from(parts.join("/")))
}

/// The file `name` of `folder`, with `/` between them on every system: it goes into commands and messages.
pub fn in_folder(folder: &Utf8Path, name: &str) -> Utf8PathBuf {
    if folder.as_str().is_empty() { name.into() } else { format!("{folder}/{name}").into() }
}

/// With `/` between parts on every system, and `.` for the root: as JSON and messages show a path.
pub fn shown(path: &Utf8Path) -> String {
    if path.as_str().is_empty() { ".".to_owned() } else { human::path(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_workspace() {
        let table = [
            ("services/x", ".", Ok("services/x")),
            ("services/x", "/", Ok("")),
            ("services/x", "../y", Ok("services/y")),
            ("services/x", "/shared/data/", Ok("shared/data")),
            ("services/x", "../../..", Err(())),
            ("", "..", Err(())),
            ("", "/../x", Err(())),
            ("a", "..\\b", Err(())),
            ("a", "b\nc", Err(())),
        ];
        for (folder, text, expected) in table {
            let got = below_root(Utf8Path::new(folder), text);
            assert_eq!(
                got.as_deref().map(Utf8Path::as_str).map_err(|_| ()),
                expected,
                "{folder} {text}"
            );
        }
    }
}
