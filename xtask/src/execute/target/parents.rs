//! What children are built on: which images are up to date in this run, and how a builder gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Prepared, Workshop, file_name};
use crate::engine::buildx::Parent;
use crate::engine::layout;
use crate::key::Record;
use crate::plan::Step;
use crate::reference::{Digest, Reference, Repository};
use crate::workspace::TargetName;

/// How long a parent that was seen in the engine is taken to be there. A build needs longer than that to look itself, so
/// that asking again for each of many children would find nothing more.
const STILL_THERE: Duration = Duration::from_secs(1);

/// What the names of parents mean after builds on them: in between, another process may have moved one, and a child was
/// built on what that made.
pub(super) struct Looked {
    /// Before the engine was asked.
    pub(super) at: Instant,
    moved: anyhow::Result<BTreeSet<String>>,
}

impl Looked {
    /// To be made when `builds` have ended.
    pub(super) fn new<'b>(
        workshop: &Workshop<'_>,
        builds: impl Iterator<Item = &'b Prepared<'b>>,
    ) -> Self {
        let at = Instant::now();
        Self { at, moved: workshop.moved(builds) }
    }

    /// Why a build may not have had these parents.
    pub(super) fn doubt(&self, bound: &BTreeMap<String, Digest>) -> Option<String> {
        match &self.moved {
            Ok(moved) => {
                let parent = bound.keys().find(|parent| moved.contains(*parent))?;
                Some(format!("another process built {parent}, which it needs, at the same time"))
            }
            Err(error) if !bound.is_empty() => {
                Some(format!("its parents could not be looked at again ({error:#})"))
            }
            Err(_) => None,
        }
    }
}

/// A target whose image children can be built on.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    InEngine {
        local_name: String,
        digest: Digest,
        /// When the name was last seen to mean the digest, in this run.
        seen: Option<Instant>,
        /// Written once a builder needs it.
        layout: Option<Parent>,
    },
    InRegistry {
        repository: Repository,
        /// What is bound.
        bound: Digest,
        /// What children say that they were built on.
        digest: Digest,
    },
}

impl Ready {
    fn digest(&self) -> &Digest {
        let (Self::InEngine { digest, .. } | Self::InRegistry { digest, .. }) = self;
        digest
    }
}

impl Workshop<'_> {
    pub(super) fn ready(&self, step: &Step, digest: &Digest, seen: Option<Instant>) {
        let (local_name, digest) = (step.local_name(), digest.clone());
        let ready = Ready::InEngine { local_name, digest, seen, layout: None };
        self.lock().insert(step.name(), ready);
    }

    /// From now on, children of `name` are built on what `repository` holds.
    pub fn take_published(&self, name: &TargetName, repository: &Repository, digest: &Digest) {
        self.take_index(name, repository, digest, digest);
    }

    /// As [`take_published`](Self::take_published), where several platforms of a parent are needed that have no index
    /// of their own yet: `bound` names them for this build, and children say that they were built on `digest`.
    pub fn take_index(
        &self,
        name: &TargetName,
        repository: &Repository,
        bound: &Digest,
        digest: &Digest,
    ) {
        let (repository, bound, digest) = (repository.clone(), bound.clone(), digest.clone());
        self.lock().insert(name.clone(), Ready::InRegistry { repository, bound, digest });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetName, Ready>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn digests_of_parents(&self, step: &Step) -> BTreeMap<String, Digest> {
        let done = self.lock();
        step.parents
            .iter()
            .filter_map(|edge| {
                Some((edge.parent.to_string(), done.get(&edge.parent)?.digest().clone()))
            })
            .collect()
    }

    /// Whether every build was recorded with the digests that the parents have now.
    pub(super) fn parents_are_the_same(&self, step: &Step, previous: &[Record]) -> bool {
        let now = self.digests_of_parents(step);
        step.present.is_some()
            && !previous.is_empty()
            && previous.iter().all(|record| record.parents == now)
    }

    pub(super) fn bind_parents(&self, step: &Step) -> anyhow::Result<BTreeMap<TargetName, Parent>> {
        let mut parents = BTreeMap::new();
        for edge in &step.parents {
            if parents.contains_key(&edge.parent) {
                continue;
            }
            let ready = self.lock().get(&edge.parent).cloned();
            let ready = ready.with_context(|| format!("{} is not there yet", edge.parent))?;
            let parent = match ready {
                Ready::InRegistry { repository, bound, .. } => {
                    Parent::Published(Reference { repository, tag: None, digest: Some(bound) })
                }
                Ready::InEngine { local_name, digest, seen, .. } => {
                    if seen.is_none_or(|seen| seen.elapsed() > STILL_THERE) {
                        self.hold(&edge.parent, &local_name, &digest)?;
                    }
                    if self.builder()?.sees_engine_images() {
                        Parent::Local(local_name)
                    } else {
                        self.layout(&edge.parent, &local_name, &digest)?
                    }
                }
            };
            parents.insert(edge.parent.clone(), parent);
        }
        Ok(parents)
    }

    /// Sees to it that `local_name` means `digest`. It is immutable by our own rule only: somebody may have moved it.
    fn hold(&self, name: &TargetName, local_name: &str, digest: &Digest) -> anyhow::Result<()> {
        if !self.means(local_name, digest)? {
            self.engine.tag(digest.as_str(), local_name).with_context(|| moved(name))?;
        }
        if let Some(Ready::InEngine { seen, .. }) = self.lock().get_mut(name) {
            *seen = Some(Instant::now());
        }
        Ok(())
    }

    fn means(&self, local_name: &str, digest: &Digest) -> anyhow::Result<bool> {
        Ok(self.engine.named(local_name)?.is_some_and(|image| image.id == *digest))
    }

    /// The layout of a parent, written by the first child that needs it.
    fn layout(
        &self,
        name: &TargetName,
        local_name: &str,
        digest: &Digest,
    ) -> anyhow::Result<Parent> {
        // Held while it is written, so that siblings do not write it twice.
        let mut done = self.lock();
        let Some(Ready::InEngine { layout, .. }) = done.get_mut(name) else {
            anyhow::bail!("{name} is not in the engine");
        };
        if let Some(layout) = layout {
            return Ok(layout.clone());
        }
        let folder = self.scratch.join(format!("{}.layout", file_name(name).replace('@', "+")));
        let exported = layout::export(self.engine, local_name, self.root, &folder)?;
        if !self.means(local_name, digest)? {
            anyhow::bail!("{}", moved(name));
        }
        Ok(layout.insert(exported).clone())
    }

    /// The parents that `builds` took from the engine by a name which means another image by now.
    fn moved<'b>(
        &self,
        builds: impl Iterator<Item = &'b Prepared<'b>>,
    ) -> anyhow::Result<BTreeSet<String>> {
        let bound = builds.flat_map(|build| {
            build.parents.iter().filter_map(|(name, parent)| match parent {
                Parent::Local(local_name) => {
                    let name = name.to_string();
                    Some((local_name.as_str(), (build.identity.parents.get(&name)?, name)))
                }
                Parent::Layout { .. } | Parent::Published(_) => None,
            })
        });
        let bound: BTreeMap<&str, (&Digest, String)> = bound.collect();
        let names: Vec<&str> = bound.keys().copied().collect();
        let found = self.engine.all_named(&names)?;
        let moved = bound
            .into_values()
            .zip(found)
            .filter(|((digest, _), image)| image.as_ref().is_none_or(|image| image.id != **digest));
        Ok(moved.map(|((_, name), _)| name).collect())
    }
}

fn moved(name: &TargetName) -> String {
    format!(
        "the image of {name} is gone from the engine since it was made; does another process build the same? Build \
         again when it has ended"
    )
}
