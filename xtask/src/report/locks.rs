//! What changed in locks: a table, Markdown for a pull request, or JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::table::{Align, Table};
use crate::lock::{Change, Changed};

/// `lock-update --json`.
#[derive(Debug, Default, Serialize)]
pub struct LocksJson {
    pub version: u32,
    /// The locks that changed; with `--check`, that are stale.
    pub changed: Vec<Changed>,
    /// The locks that are as they were because they could not be made to agree.
    pub failed: Vec<FailedLock>,
    /// The images that the changes make stale; unknown with `--check`.
    pub stale: Vec<String>,
}

/// A lock that is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedLock {
    pub lock: String,
    /// The images that it is for.
    pub images: Vec<String>,
    /// The base, where it is one of `images.lock`.
    pub name: Option<String>,
    pub error: String,
}

/// A row a change.
pub fn table(locks: &LocksJson) -> String {
    let titles = ["image", "of", "name", "change", "from", "to", "where"];
    let mut table = Table::new(titles.map(|title| (title, Align::Left)));
    for row in rows(locks) {
        table.row(row);
    }
    let mut text = if table.is_empty() { String::new() } else { table.to_string() };
    if !locks.stale.is_empty() {
        let _written = writeln!(text, "to be built again: {}", locks.stale.join(", "));
    }
    text
}

/// For a pull request.
pub fn markdown(locks: &LocksJson) -> String {
    let mut text = "### Locks\n\n".to_owned();
    let rows = rows(locks);
    if rows.is_empty() {
        text.push_str("Nothing changed.\n");
    } else {
        text.push_str("| image | name | change | from | to |\n| --- | --- | --- | --- | --- |\n");
    }
    for [images, of, name, change, from, to, places] in rows {
        let place = if places.is_empty() { of } else { places };
        let code =
            |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) };
        let _written = writeln!(
            text,
            "| {} | {} ({}) | {change} | {} | {} |",
            cell(&images),
            code(&name),
            cell(&place),
            code(&from),
            code(&to)
        );
    }
    if !locks.stale.is_empty() {
        let stale: Vec<String> = locks.stale.iter().map(|name| format!("`{name}`")).collect();
        let _written = writeln!(text, "\nTo be built again: {}.", stale.join(", "));
    }
    for failed in &locks.failed {
        let what = failed.name.as_ref().unwrap_or(&failed.lock);
        let _written = writeln!(text, "\nNot locked: `{what}` ({}).", failed.images.join(", "));
        // Longer than any run of backticks within.
        let fence = "`".repeat(longest_run(&failed.error).max(2) + 1);
        let _written = writeln!(text, "\n{fence}text\n{}\n{fence}", failed.error.trim_end());
    }
    text
}

fn rows(locks: &LocksJson) -> Vec<[String; 7]> {
    let mut rows = Vec::new();
    for changed in &locks.changed {
        let images = changed.images.join(", ");
        if changed.changes.is_empty() {
            let lock = changed.lock.to_string();
            let empty = String::new;
            rows.push([images, "lock".into(), lock, "changed".into(), empty(), empty(), empty()]);
            continue;
        }
        rows.extend(changed.changes.iter().map(|change| row(&images, change)));
    }
    rows
}

fn row(images: &str, change: &Change) -> [String; 7] {
    let text = |end: &Option<String>| end.clone().unwrap_or_default();
    [
        images.to_owned(),
        change.of.as_str().to_owned(),
        change.name.clone(),
        change.kind.as_str().to_owned(),
        text(&change.from),
        text(&change.to),
        change.places.join(", "),
    ]
}

/// `text` within a cell of a table, in one line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r', '`'], " ")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::{Kind, Locked};

    #[test]
    fn a_change_as_a_table_and_in_a_pull_request() {
        let change = |of, name: &str, kind, from: &str, to: &str, places: &[&str]| Change {
            of,
            name: name.to_owned(),
            kind,
            from: (!from.is_empty()).then(|| from.to_owned()),
            to: (!to.is_empty()).then(|| to.to_owned()),
            places: places.iter().map(|&place| place.to_owned()).collect(),
        };
        let changed = |lock: &str, images: &[&str], changes: Vec<Change>| Changed {
            lock: lock.into(),
            images: images.iter().map(|&image| image.to_owned()).collect(),
            changes,
        };
        let torch = change(
            Locked::Package,
            "pytorch",
            Kind::Upgraded,
            "2.5.1",
            "2.6.0",
            &["default/linux-64"],
        );
        let debian = change(Locked::Base, "debian:13", Kind::Added, "", "sha256:aaaaaaaaaaaa", &[]);
        let locks = LocksJson {
            version: 1,
            changed: vec![
                changed("images.lock", &["base", "nb"], vec![debian]),
                changed("nb/pixi.lock", &["nb"], vec![torch]),
                changed("x/pixi.lock", &["x"], Vec::new()),
            ],
            failed: vec![FailedLock {
                lock: "y/pixi.lock".into(),
                images: vec!["y".into()],
                name: None,
                error: "no ```candidates```".into(),
            }],
            stale: vec!["base".into(), "nb".into()],
        };
        expect_test::expect![[r"
            image     of       name         change    from   to                   where
            base, nb  base     debian:13    added            sha256:aaaaaaaaaaaa
            nb        package  pytorch      upgraded  2.5.1  2.6.0                default/linux-64
            x         lock     x/pixi.lock  changed
            to be built again: base, nb
        "]]
        .assert_eq(&table(&locks));
        expect_test::expect![[r"
            ### Locks

            | image | name | change | from | to |
            | --- | --- | --- | --- | --- |
            | base, nb | `debian:13` (base) | added |  | `sha256:aaaaaaaaaaaa` |
            | nb | `pytorch` (default/linux-64) | upgraded | `2.5.1` | `2.6.0` |
            | x | `x/pixi.lock` (lock) | changed |  |  |

            To be built again: `base`, `nb`.

            Not locked: `y/pixi.lock` (y).

            ````text
            no ```candidates```
            ````
        "]]
        .assert_eq(&markdown(&locks));
        assert_eq!(table(&LocksJson::default()), "");
    }
}
