//! What stops a publication: found before anything is built, or before any tag is written.

use std::collections::{BTreeMap, BTreeSet};

use super::make::Missing;
use super::publication::{Prepared, troubles};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::publish::{self, Change, Decided, Publication};
use crate::reference::Repository;
use crate::registry::Registries;
use crate::workspace::{Target, VersionSource};

/// # Errors
/// Every repository that cannot be written.
pub(super) fn can_write<'r>(
    registries: &Registries,
    repositories: impl Iterator<Item = &'r Repository>,
) -> anyhow::Result<()> {
    let repositories: BTreeSet<&Repository> = repositories.collect();
    let repositories: Vec<&Repository> = repositories.into_iter().collect();
    publish::all(publish::parallel(&repositories, |repository| registries.can_write(repository)))
        .map(drop)
        .map_err(troubles)
}

/// What would stop the publication is found before hours of building: versions that are taken.
pub(super) fn before_building(
    prepared: &Prepared,
    registries: &Registries,
    missing: &Missing<'_>,
) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for step in missing.published(prepared) {
        let wanted = prepared.names(step, &step.tags);
        names.extend(wanted.into_iter().filter(|name| name.immutable).map(|name| (step, name)));
    }
    let taken = publish::all(publish::parallel(&names, |(step, name)| {
        publish::taken(registries, name, &step.key)
    }))
    .map_err(troubles)?;
    let mut mistakes = Mistakes::default();
    for ((step, name), why) in names.iter().zip(taken) {
        let Some(why) = why else { continue };
        mistakes.push(
            Mistake::new(format!(
                "{}:{} is published, and {why}",
                name.repository.familiar(),
                name.tag
            ))
            .at(version_place(&step.target).unwrap_or_else(|| name.place.clone()))
            .mend(format!(
                "a published version never changes: raise the version of {}",
                step.name()
            )),
        );
    }
    Ok(mistakes.none()?)
}

fn version_place(target: &Target) -> Option<Place> {
    target.version.as_ref().map(|version| match version {
        VersionSource::Literal(text) => text.place.clone(),
        VersionSource::File { place, .. } | VersionSource::GitTag { place, .. } => place.clone(),
    })
}

/// Observed facts may make two names one.
pub(super) fn collisions(publications: &[Publication]) -> Vec<Mistake> {
    let mut owners = BTreeMap::new();
    let mut mistakes = Vec::new();
    for name in publications.iter().flat_map(|publication| &publication.names) {
        if let Some(other) = owners.insert((&name.repository, &name.tag), &name.target)
            && *other != name.target
        {
            let what = format!(
                "{other} and {} both want the tag {}:{}",
                name.target,
                name.repository.familiar(),
                name.tag
            );
            mistakes.push(
                Mistake::new(what).at(name.place.clone()).mend("give one of them other `tags`"),
            );
        }
    }
    mistakes
}

pub(super) fn refuse_conflicts(decided: &[Decided]) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    for one in decided {
        if let Change::Conflict { why, mend } = &one.change {
            mistakes
                .push(Mistake::new(why.clone()).at(one.wanted.place.clone()).mend(mend.clone()));
        }
    }
    mistakes.none()
}
