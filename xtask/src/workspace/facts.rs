//! The `[facts]` section, and the `{ file, key | match }` notation that it shares with `version`.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::paths::below_root;
use super::read::Table;
use super::settings::{Fact, FactSource, InFile, LockKind};
use crate::mistake::{Mistake, Place};

/// Facts that Dockyard itself gives; an image cannot redefine them.
pub const GIVEN: [&str; 15] = [
    "id",
    "name",
    "variant",
    "version",
    "major",
    "minor",
    "patch",
    "commit",
    "sha",
    "branch",
    "date",
    "created",
    "reference",
    "base_name",
    "base_digest",
];

pub(super) fn read(table: &Table<'_>, folder: &Utf8Path) -> BTreeMap<String, Fact> {
    let Some(facts) = table.table("facts") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in facts.names() {
        let identifier = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !identifier || GIVEN.contains(&name.value.as_str()) {
            let what = if identifier { "is given by Dockyard" } else { "is no name for a fact" };
            facts.mistake(
                Mistake::new(format!("{:?} {what}", name.value))
                    .at(name.place.clone())
                    .mend("choose another name of letters, digits and `_`"),
            );
            continue;
        }
        let Some(entry) = facts.entry(&name.value) else { continue };
        let place = entry.place();
        if !entry.is_table() {
            if let Some(value) = entry.scalar() {
                let source = FactSource::Literal(value.value);
                read.insert(name.value, Fact { source, pattern: None, entrypoint: true, place });
            }
        } else if let Some(fact) = entry.table().and_then(|inner| read_fact(&inner, folder, place))
        {
            read.insert(name.value, fact);
        }
    }
    read
}

fn read_fact(fact: &Table<'_>, folder: &Utf8Path, place: Place) -> Option<Fact> {
    let lock =
        |kind, key| fact.string(key).map(|text| FactSource::Lock { kind, package: text.value });
    let texts = |key| {
        fact.strings(key).map(|words| words.into_iter().map(|word| word.value).collect::<Vec<_>>())
    };
    let mut sources: Vec<FactSource> = [
        lock(LockKind::Pixi, "pixi-lock"),
        lock(LockKind::Uv, "uv-lock"),
        lock(LockKind::Requirements, "requirements"),
        texts("probe").map(FactSource::Probe),
        fact.string("os-release").map(|text| FactSource::OsRelease(text.value)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut pattern = None;
    if fact.has("file") {
        let file = read_file(fact, folder, &place, "");
        sources.extend(file.map(|(file, at)| FactSource::File { file, at }));
    } else {
        pattern = fact.string("match").and_then(|text| {
            fact.check(&text.place, check_pattern(&text.value)).map(|()| text.value)
        });
    }
    let entrypoint =
        if fact.has("probe") { fact.boolean("entrypoint").unwrap_or(true) } else { true };
    fact.finish();
    let written = ["pixi-lock", "uv-lock", "requirements", "probe", "os-release", "file"];
    if sources.is_empty() && written.iter().filter(|key| fact.has(key)).count() == 1 {
        // What is wrong with that one is said already.
        return None;
    }
    if sources.len() != 1 {
        fact.mistake(Mistake::new("a fact needs one source").at(place).mend(
            "a text, { file, key | match }, { pixi-lock | uv-lock | requirements = \"PACKAGE\" }, { probe = [\"cmd\"] } or \
             { os-release = \"KEY\" }",
        ));
        return None;
    }
    if sources
        .iter()
        .any(|source| matches!(source, FactSource::Probe(command) if command.is_empty()))
    {
        fact.mistake(
            Mistake::new("the probe has no command")
                .at(place)
                .mend("write e.g. probe = [\"python\", \"--version\"]"),
        );
        return None;
    }
    Some(Fact { source: sources.remove(0), pattern, entrypoint, place })
}

/// # Errors
/// A sentence, when `pattern` is no regular expression.
fn check_pattern(pattern: &str) -> Result<(), String> {
    super::matching("", pattern).map(|_| ())
}

/// Reads `{ file = "…", key = "…" }` or `{ file = "…", match = "…" }`.
pub(super) fn read_file(
    table: &Table<'_>,
    folder: &Utf8Path,
    place: &Place,
    other: &str,
) -> Option<(Utf8PathBuf, InFile)> {
    let (file, key, pattern) = (table.string("file"), table.string("key"), table.string("match"));
    let (Some(file), true) = (file, key.is_some() != pattern.is_some()) else {
        let keys = (table.has("key"), table.has("match"));
        if table.has("file") && matches!(keys, (true, false) | (false, true)) {
            // They are there, and of a wrong type, which is said already.
            return None;
        }
        let also = if other.is_empty() { String::new() } else { format!(" or {other}") };
        table.mistake(Mistake::new("it is not clear where the value stands").at(place.clone()).mend(format!(
            "write {{ file = \"pyproject.toml\", key = \"project.version\" }}, {{ file = \"setup.cfg\", match = '^version = (\\S+)' }}{also}"
        )));
        return None;
    };
    let path = table.check(&file.place, below_root(folder, &file.value))?;
    let at = match (key, pattern) {
        (Some(key), _) => InFile::Key(key.value),
        (None, Some(pattern)) => {
            table.check(&pattern.place, check_pattern(&pattern.value))?;
            InFile::Match(pattern.value)
        }
        (None, None) => return None,
    };
    Some((path, at))
}
