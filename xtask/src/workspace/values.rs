//! Versions and facts whose values stand in files or in git's tags.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Texts;
use super::lookup::{self, matching};
use super::settings::{FactSource, TargetName, VersionSource};
use super::{Version, Workspace};
use crate::mistake::{Mistake, Mistakes};

impl Workspace {
    /// Versions and facts that files hold.
    pub(super) fn read_values(
        &mut self,
        mistakes: &mut Mistakes,
        wrong: &mut BTreeSet<TargetName>,
    ) {
        let mut texts = Texts { root: &self.root, read: BTreeMap::new() };
        for target in &mut self.targets {
            let before = mistakes.len();
            match &target.version {
                None => {}
                Some(VersionSource::GitTag { pattern, place }) => {
                    target.known_version = version_of_tags(pattern, &self.git.tags);
                    if target.known_version.is_none() {
                        mistakes.extend(padded_tag(pattern, &self.git.tags).map(|(tag, why)| {
                            Mistake::new(format!("the git tag {tag:?} of HEAD: {why}"))
                                .at(place.clone())
                                .mend("give the commit a tag of that version instead")
                        }));
                    }
                }
                Some(VersionSource::Literal(text)) => {
                    let place = text.place.clone();
                    let version =
                        text.value.parse().map_err(|why: String| Mistake::new(why).at(place));
                    target.known_version = mistakes.take(version);
                }
                Some(VersionSource::File { file, at, place }) => {
                    let version = texts
                        .get(file)
                        .and_then(|text| lookup::in_file(file, text, at))
                        .and_then(|text| text.trim().parse())
                        .map_err(|why| {
                            Mistake::new(format!("the version: {why}")).at(place.clone())
                        });
                    target.known_version = mistakes.take(version);
                }
            }
            for (name, fact) in &target.facts {
                let value = match &fact.source {
                    FactSource::Literal(value) => Ok(value.clone()),
                    FactSource::File { file, at } => {
                        texts.get(file).and_then(|text| lookup::in_file(file, text, at))
                    }
                    FactSource::Lock { kind, package } => {
                        let file = target.folder.join(kind.file_name());
                        texts
                            .get(&file)
                            .and_then(|text| lookup::in_lock(&file, text, *kind, package))
                    }
                    FactSource::Probe(_) | FactSource::OsRelease(_) => continue,
                };
                let value = value.and_then(|value| match &fact.pattern {
                    None => Ok(value),
                    Some(pattern) => matching(&value, pattern)?
                        .ok_or_else(|| format!("{pattern:?} does not match {value:?}")),
                });
                let value = value.map_err(|why| {
                    Mistake::new(format!("the fact `{name}`: {why}")).at(fact.place.clone())
                });
                target.known_facts.extend(mistakes.take(value).map(|value| (name.clone(), value)));
            }
            if mistakes.len() > before {
                wrong.insert(target.target_name());
            }
        }
    }
}

/// The version that a tag of HEAD names under `pattern` (`v*`); the highest, if several do.
fn version_of_tags(pattern: &str, tags: &[String]) -> Option<Version> {
    let versions = tags.iter().filter_map(|tag| matched(pattern, tag)?.parse::<Version>().ok());
    versions.max_by(Version::compare)
}

/// A tag of HEAD that would be a version but for its zeros (`v2026.03.05`), and what is wrong with it. Other tags that
/// are no versions are meant for something else.
fn padded_tag<'t>(pattern: &str, tags: &'t [String]) -> Option<(&'t str, String)> {
    let padded = |part: &str| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    tags.iter().find_map(|tag| {
        let version = matched(pattern, tag)?;
        let why = version.parse::<Version>().err()?;
        version.split('.').any(padded).then_some((tag.as_str(), why))
    })
}

/// What stands in `tag` for the `*` of `pattern`.
fn matched<'t>(pattern: &str, tag: &'t str) -> Option<&'t str> {
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    tag.strip_prefix(before)?.strip_suffix(after)
}
