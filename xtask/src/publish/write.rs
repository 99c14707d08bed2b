//! From what is wanted to what is written: all tags are compared before any is touched, immutable ones go first, and
//! each is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::holding::{Holding, head, is_whole, pushed};
use super::{Change, Journal, There, WantedName, decide};
use crate::key::{Identity, Key};
use crate::reference::{Digest, Repository, Tag};
use crate::registry::{Kind, Manifest, Registries, Trouble, rest};
use crate::workspace::Version;

/// Questions and writes at once.
const AT_ONCE: usize = 8;
/// How often a tag that was written is read back before what it names is believed: some registries show a write late.
const LOOKS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// An image with all the names that it shall have.
#[derive(Clone, Debug)]
pub struct Publication {
    pub staging: Repository,
    pub holding: Holding,
    pub names: Vec<WantedName>,
}

/// One name and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub wanted: WantedName,
    /// The digest that it shall name.
    pub digest: Digest,
    pub change: Change,
}

/// Compares every name with what its registry holds, one question each where nothing is to be done.
///
/// # Errors
/// Every registry that does not answer.
pub fn compare(
    registries: &Registries,
    publications: &[Publication],
    allowed: &BTreeSet<Tag>,
) -> Result<Vec<Decided>, Vec<Trouble>> {
    let wanted: Vec<(&Publication, &WantedName)> = publications
        .iter()
        .flat_map(|publication| publication.names.iter().map(move |name| (publication, name)))
        .collect();
    let decided = parallel(&wanted, |(publication, name)| {
        let image = publication.holding.pushed();
        let mut there = there(registries, name, &image.digest, &publication.holding)?;
        let mut change = decide(name, &image, &there, allowed);
        if let (Change::Move { .. }, There::Image(pushed)) = (&change, &mut there)
            && name.forward_only
            && !allowed.contains(&name.tag)
            && let Some(newer) = newer_version(registries, name, &pushed.digest)?
        {
            pushed.version = Some(newer);
            change = decide(name, &image, &there, allowed);
        }
        Ok(Decided { wanted: (*name).clone(), digest: image.digest, change })
    });
    all(decided)
}

/// The newest version beyond the wanted one under which `digest` is published in the same repository: content that
/// did not change keeps the label of the version that it was first built for. A registry that does not list its tags
/// leaves that label to decide.
fn newer_version(
    registries: &Registries,
    name: &WantedName,
    digest: &Digest,
) -> Result<Option<String>, Trouble> {
    let Some(ours) = name.version.as_deref().and_then(|text| text.parse::<Version>().ok()) else {
        return Ok(None);
    };
    let tags = match registries.tags(&name.repository) {
        Ok(tags) => tags,
        Err(trouble) if matches!(trouble.kind, Kind::Interrupted) => return Err(trouble),
        Err(_) => return Ok(None),
    };
    let mut newer: Vec<(Version, Tag)> = tags
        .into_iter()
        .filter_map(|tag| Some((name.version_of(&tag)?, tag)))
        .filter(|(version, _)| version.compare(&ours).is_gt())
        .collect();
    newer.sort_by(|(one, _), (other, _)| other.compare(one));
    for (version, tag) in newer {
        if head(registries, &name.repository, (&tag).into())?.as_ref() == Some(digest) {
            return Ok(Some(version.to_string()));
        }
    }
    Ok(None)
}

fn there(
    registries: &Registries,
    name: &WantedName,
    ours: &Digest,
    holding: &Holding,
) -> Result<There, Trouble> {
    let Some(digest) = head(registries, &name.repository, (&name.tag).into())? else {
        return Ok(There::Nothing);
    };
    if digest == *ours {
        // An index whose platforms are gone is written again, with them.
        return Ok(if is_whole(registries, &name.repository, holding)? {
            There::Image(holding.pushed())
        } else {
            There::Nothing
        });
    }
    Ok(match registries.content(&name.repository, &digest) {
        Ok(Some(content)) if !content.images.is_empty() => There::Image(pushed(&content)),
        Ok(Some(_)) => There::Unreadable { digest, why: "what it names is no image".to_owned() },
        Ok(None) => {
            There::Unreadable { digest, why: "the content of what it names is gone".to_owned() }
        }
        Err(trouble) if trouble.kind == Kind::NotFound => {
            There::Unreadable { digest, why: "a part of what it names is gone".to_owned() }
        }
        Err(trouble) => return Err(trouble),
    })
}

/// Why an immutable name cannot be given to an image of `key`, which is not built yet; nothing where it is free, or names
/// such an image.
///
/// # Errors
/// When the registry does not answer.
pub fn taken(
    registries: &Registries,
    name: &WantedName,
    key: &Key,
) -> Result<Option<String>, Trouble> {
    let Some(digest) = head(registries, &name.repository, (&name.tag).into())? else {
        return Ok(None);
    };
    let content = match registries.content(&name.repository, &digest) {
        Ok(Some(content)) => content,
        // A part of it is gone: what is built tells whether it is the same.
        Ok(None) => return Ok(None),
        Err(trouble) if trouble.kind == Kind::NotFound => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let built_for = content.images.values().find_map(|image| Identity::read(&image.labels));
    Ok(match built_for {
        Some(identity) if identity.key == *key => None,
        Some(identity) => Some(format!(
            "it was built from other inputs (key {}, today's is {})",
            identity.key.short(),
            key.short()
        )),
        None => Some("it was not built by this tool".to_owned()),
    })
}

/// Brings the content of every name that is written to its repository, with the same digest.
///
/// # Errors
/// Every repository that did not take it. No name is written by this.
pub fn copy(
    registries: &Registries,
    publications: &[Publication],
    decided: &[Decided],
    copied: &(dyn Fn(&Repository, &Digest) + Sync),
) -> Result<(), Vec<Trouble>> {
    let staged: BTreeMap<&Digest, &Repository> = publications
        .iter()
        .map(|publication| (&publication.holding.digest, &publication.staging))
        .collect();
    let copies: BTreeSet<(&Repository, &Repository, &Digest)> = decided
        .iter()
        .filter(|one| one.change.writes())
        .filter_map(|one| Some((*staged.get(&one.digest)?, &one.wanted.repository, &one.digest)))
        .filter(|(from, to, _)| from != to)
        .collect();
    let copies: Vec<_> = copies.into_iter().collect();
    all(parallel(&copies, |(from, to, digest)| {
        registries.copy(from, to, digest)?;
        copied(to, digest);
        Ok(())
    }))
    .map(drop)
}

/// Why names were not written as they should have been.
#[derive(Debug)]
pub struct NotWritten {
    /// Tags that were written, of how many.
    pub written: usize,
    pub of: usize,
    pub reasons: Vec<anyhow::Error>,
}

/// Writes what was decided: every immutable tag, then the others.
///
/// # Errors
/// What was not written. Where an immutable tag was not, no other was touched.
pub fn write(
    registries: &Registries,
    publications: &[Publication],
    decided: &[Decided],
    journal: Journal,
    written: &(dyn Fn(&Decided) + Sync),
) -> Result<(), NotWritten> {
    let writes: Vec<&Decided> = ordered(decided);
    let of = writes.len();
    let journal = Mutex::new(journal);
    let done = AtomicUsize::new(0);
    let wrong = |reasons: Vec<anyhow::Error>| NotWritten {
        written: done.load(Ordering::Relaxed),
        of,
        reasons,
    };
    let manifests = match manifests(registries, publications, &writes) {
        Ok(manifests) => manifests,
        Err(reasons) => return Err(wrong(reasons)),
    };
    let indices: Vec<usize> = (0..writes.len()).collect();
    for immutable in [true, false] {
        let phase: Vec<usize> = indices
            .iter()
            .copied()
            .filter(|&index| writes[index].wanted.immutable == immutable)
            .collect();
        let reasons: Vec<anyhow::Error> = parallel(&phase, |&index| -> anyhow::Result<()> {
            let one = writes[index];
            let manifest =
                manifests.get(&one.digest).context("a name has content that was not read")?;
            write_one(registries, one, manifest)?;
            done.fetch_add(1, Ordering::Relaxed);
            journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner).done(index)?;
            written(one);
            Ok(())
        })
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if !reasons.is_empty() {
            return Err(wrong(reasons));
        }
    }
    journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).finish();
    Ok(())
}

/// What is written, in the journal's order: immutable tags first.
pub fn ordered(decided: &[Decided]) -> Vec<&Decided> {
    let mut writes: Vec<&Decided> = decided.iter().filter(|one| one.change.writes()).collect();
    writes.sort_by_key(|one| !one.wanted.immutable);
    writes
}

/// The bytes of every manifest that gets a name, from where they were staged.
fn manifests(
    registries: &Registries,
    publications: &[Publication],
    writes: &[&Decided],
) -> Result<BTreeMap<Digest, Manifest>, Vec<anyhow::Error>> {
    let wanted: BTreeSet<&Digest> = writes.iter().map(|one| &one.digest).collect();
    let staged: Vec<&Publication> = publications
        .iter()
        .filter(|publication| wanted.contains(&publication.holding.digest))
        .collect();
    let read = parallel(&staged, |publication| {
        let digest = &publication.holding.digest;
        let manifest = registries.manifest(&publication.staging, digest)?;
        let manifest = manifest.with_context(|| {
            format!("{}@{digest} is gone; push again", publication.staging.familiar())
        })?;
        Ok((digest.clone(), manifest))
    });
    Ok(all(read)?.into_iter().collect())
}

/// Writes one tag and reads it back.
fn write_one(registries: &Registries, one: &Decided, manifest: &Manifest) -> anyhow::Result<()> {
    let WantedName { repository, tag, immutable, .. } = &one.wanted;
    // Somebody else may have been faster since the comparison.
    let there = head(registries, repository, tag.into())?;
    let compared = match &one.change {
        Change::Move { from } => Some(from),
        _ => None,
    };
    match &there {
        // By our own hand, with a lost answer or before a kill. Some registries refuse to write it again.
        Some(there) if *there == one.digest => return Ok(()),
        Some(there) if *immutable => anyhow::bail!(
            "{}:{tag} was published by somebody else meanwhile, with other content ({})",
            repository.familiar(),
            super::moves::short(there)
        ),
        Some(there) if compared != Some(there) => anyhow::bail!(
            "{}:{tag} was moved by somebody else meanwhile, to {}; push again",
            repository.familiar(),
            super::moves::short(there)
        ),
        _ => {}
    }
    if let Err(trouble) = registries.put_manifest(repository, tag, manifest) {
        // Of an attempt whose answer was lost, the registry may have done what was asked.
        let done = trouble.kind != Kind::Interrupted
            && head(registries, repository, tag.into())
                .is_ok_and(|it| it.as_ref() == Some(&one.digest));
        if !done {
            return Err(trouble.into());
        }
    }
    let mut there = None;
    for wait in waits() {
        there = head(registries, repository, tag.into())?;
        if there.as_ref() == Some(&one.digest) {
            return Ok(());
        }
        rest(wait);
    }
    match there {
        Some(there) => anyhow::bail!(
            "{}:{tag} was written, and names other content ({}) now: another push wrote it at the same time. Look at \
             it, and push again",
            repository.familiar(),
            super::moves::short(&there)
        ),
        None => anyhow::bail!(
            "{}:{tag} was written, and the registry does not show it; push again",
            repository.familiar()
        ),
    }
}

/// The pauses between looks at what was just written: some registries show it late.
pub fn waits() -> impl Iterator<Item = Duration> {
    (0..LOOKS).map(|look| FIRST_WAIT * 2_u32.pow(look))
}

/// Applies `work` to each item, a few at once, and gives the results in the items' order.
pub fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE.min(items.len()) {
            threads.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// All values, or all errors.
pub fn all<T, E>(results: Vec<Result<T, E>>) -> Result<Vec<T>, Vec<E>> {
    let mut values = Vec::with_capacity(results.len());
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}
