//! What does a pixi manifest say of other manifests? Pure: text in, folders out.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};

use crate::workspace::clean;

/// The names that pixi looks for in a folder, in its order.
pub const NAMES: [&str; 3] = ["pixi.toml", "pyproject.toml", "mojoproject.toml"];
/// pixi's lock, beside the manifest.
pub const LOCK: &str = "pixi.lock";

/// A pixi manifest of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Relative to the workspace root, as all paths here.
    pub file: Utf8PathBuf,
    /// The folders and files that it depends on by path.
    pub paths: BTreeSet<Utf8PathBuf>,
}

/// The manifest in `text`, which is the content of `file`. Nothing where it is another tool's `pyproject.toml`; what is
/// no TOML is pixi's to explain, and depends on nothing.
pub fn read(file: &Utf8Path, text: &str) -> Option<Manifest> {
    let table: Table = toml::from_str(text).unwrap_or_default();
    let own = match file.file_name() {
        Some("pyproject.toml") => table.get("tool")?.get("pixi")?.as_table()?,
        _ => &table,
    };
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    let mut written = BTreeSet::new();
    gather(own, false, &mut written);
    let paths = written.iter().filter_map(|path| clean(&folder.join(path))).collect();
    Some(Manifest { file: file.to_owned(), paths })
}

/// The value of every `path` in a table of dependencies, wherever that stands: in the manifest, a feature, a platform's
/// `target`, a package's `host-dependencies`.
fn gather(table: &Table, of_dependencies: bool, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let Value::Table(inner) = value else { continue };
        if of_dependencies && let Some(Value::String(path)) = inner.get("path") {
            found.insert(path.clone());
        }
        gather(inner, key.ends_with("dependencies"), found);
    }
}

/// For each manifest, in their order, those that have to be solved before: what it depends on by path, also by way of
/// manifests that are not `wanted`.
///
/// # Errors
/// The folders of a circle, the first of them again at its end.
pub fn order(
    all: &BTreeMap<Utf8PathBuf, Manifest>,
    wanted: &[Utf8PathBuf],
) -> Result<Vec<Vec<usize>>, Vec<Utf8PathBuf>> {
    let needs = |folder: &Utf8PathBuf| -> Vec<&Utf8PathBuf> {
        let Some(manifest) = all.get(folder) else { return Vec::new() };
        let of_path = |path: &Utf8PathBuf| {
            let is = |other: &&Utf8PathBuf| {
                *other == path || all[*other].file == *path || path.parent() == Some(other)
            };
            all.keys().find(|other| is(other) && *other != folder)
        };
        manifest.paths.iter().filter_map(of_path).collect()
    };
    let mut orders = Vec::new();
    for start in wanted {
        let mut before = BTreeSet::new();
        let mut trail = vec![start];
        reach(start, &needs, &mut before, &mut trail)?;
        orders.push((0..wanted.len()).filter(|index| before.contains(&wanted[*index])).collect());
    }
    Ok(orders)
}

fn reach<'a>(
    folder: &'a Utf8PathBuf,
    needs: &dyn Fn(&Utf8PathBuf) -> Vec<&'a Utf8PathBuf>,
    before: &mut BTreeSet<&'a Utf8PathBuf>,
    trail: &mut Vec<&'a Utf8PathBuf>,
) -> Result<(), Vec<Utf8PathBuf>> {
    for need in needs(folder) {
        if let Some(start) = trail.iter().position(|passed| *passed == need) {
            let circle = trail[start..].iter().chain([&need]);
            return Err(circle.map(|folder| (*folder).clone()).collect());
        }
        if before.insert(need) {
            trail.push(need);
            reach(need, needs, before, trail)?;
            trail.pop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(file: &str, text: &str) -> Option<Vec<String>> {
        let manifest = read(Utf8Path::new(file), text)?;
        Some(manifest.paths.into_iter().map(Utf8PathBuf::into_string).collect())
    }

    #[test]
    fn paths_of_every_kind_of_dependency_are_found() {
        let text = r#"
            [workspace]
            path = "no dependency"
            [dependencies]
            python = "3.12.*"
            base = { path = "../base" }
            [feature.gpu.target.linux-64.pypi-dependencies]
            kernels = { path = "../../lib/kernels", editable = true }
            self = { path = "." }
            out = { path = "../../../elsewhere" }
            [package.host-dependencies]
            tool = { path = "tool/pixi.toml" }
        "#;
        let found = ["images/base", "images/nb", "images/nb/tool/pixi.toml", "lib/kernels"];
        assert_eq!(paths("images/nb/pixi.toml", text).unwrap(), found);
        assert_eq!(paths("images/nb/pyproject.toml", text), None, "not pixi's");
        let tool =
            "[project]\nname = \"x\"\n[tool.pixi.pypi-dependencies]\nx = { path = \"../y\" }\n";
        assert_eq!(paths("a/x/pyproject.toml", tool).unwrap(), ["a/y"]);
        assert_eq!(paths("pixi.toml", "no [TOML").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_needed_by_path_comes_first() {
        let manifest = |folder: &str, path: &str| {
            let file = Utf8Path::new(folder).join("pixi.toml");
            let text = format!("[dependencies]\nx = {{ path = \"{path}\" }}\n");
            (Utf8PathBuf::from(folder), read(&file, &text).unwrap())
        };
        let all: BTreeMap<_, _> =
            [manifest("a", "../b/pixi.toml"), manifest("b", "../c"), manifest("c", "src")].into();
        let folders = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<_>>();
        let order_of = |names: &[&str]| order(&all, &folders(names)).unwrap();
        assert_eq!(order_of(&["a", "b", "c"]), [vec![1, 2], vec![2], vec![]]);
        assert_eq!(order_of(&["a", "c"]), [vec![1], vec![]], "by way of one that is not wanted");

        let circle: BTreeMap<_, _> = [manifest("a", "../b"), manifest("b", "../a")].into();
        assert_eq!(order(&circle, &folders(&["a"])).unwrap_err(), folders(&["a", "b", "a"]));
    }
}
