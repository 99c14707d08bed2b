//! Newer digests and tags of bases: a table, or JSON.

use serde::Serialize;

use super::table::{Align, Table};

/// `outdated --json`.
#[derive(Debug, Serialize)]
pub struct OutdatedJson {
    pub version: u32,
    pub bases: Vec<OutdatedBase>,
}

/// A base of which there is something newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutdatedBase {
    pub reference: String,
    /// `file:line:column` of everything that names it.
    pub places: Vec<String>,
    /// What is locked, or written beside the tag.
    pub digest: Option<String>,
    /// What the tag points to now, where that is another one.
    pub newer_digest: Option<String>,
    /// The newest tag of the same shape.
    pub newer_tag: Option<String>,
    /// The images that would be built again, those that are built on these included.
    pub rebuilt: Vec<String>,
}

/// A row a base.
pub fn outdated(bases: &[OutdatedBase]) -> String {
    let titles = ["base", "newer", "where", "to be built again"];
    let mut table = Table::new(titles.map(|title| (title, Align::Left)));
    for base in bases {
        let mut news: Vec<String> = base.newer_tag.iter().map(|tag| format!(":{tag}")).collect();
        if let (Some(old), Some(new)) = (&base.digest, &base.newer_digest) {
            news.push(format!("{} (locked: {})", short(new), short(old)));
        }
        let rebuilt = base.rebuilt.join(", ");
        // Each place has a line of its own, so that a terminal makes links of them.
        let lines = base.places.len().max(news.len()).max(1);
        for line in 0..lines {
            let first = |text: &str| if line == 0 { text.to_owned() } else { String::new() };
            let at = |texts: &[String]| texts.get(line).cloned().unwrap_or_default();
            table.row([first(&base.reference), at(&news), at(&base.places), first(&rebuilt)]);
        }
    }
    if table.is_empty() { String::new() } else { table.to_string() }
}

fn short(digest: &str) -> &str {
    digest.get(.."sha256:".len() + 12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_below_each_other() {
        let base = OutdatedBase {
            reference: "debian:12".to_owned(),
            places: vec!["a/Dockerfile:1:6".to_owned(), "b/Dockerfile:3:6".to_owned()],
            digest: Some(format!("sha256:{}", "a".repeat(64))),
            newer_digest: Some(format!("sha256:{}", "b".repeat(64))),
            newer_tag: Some("13".to_owned()),
            rebuilt: vec!["a".to_owned(), "b".to_owned()],
        };
        expect_test::expect![[r"
            base       newer                                              where             to be built again
            debian:12  :13                                                a/Dockerfile:1:6  a, b
                       sha256:bbbbbbbbbbbb (locked: sha256:aaaaaaaaaaaa)  b/Dockerfile:3:6
        "]]
        .assert_eq(&outdated(&[base]));
        assert_eq!(outdated(&[]), "");
    }
}
