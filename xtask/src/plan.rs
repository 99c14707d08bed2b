//! What would be done, in which order, and why? A [`Plan`] is a value: `plan` prints it, `build` runs it.
//!
//! It asks nobody. What the engine holds and what was recorded come in as [`Known`]. Pure. Called by `command`.

mod changes;
mod platforms;
mod staleness;

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Edge, External, Vertex};
use crate::key::{Key, PlatformKey};
use crate::mistake::Mistake;
use crate::reference::{Digest, Platform, Reference, Repository};
use crate::tags::WantedTag;
use crate::workspace::{Attestations, Target, TargetName};

pub(crate) use changes::of_inputs;
pub use changes::{Change, How, Lines, changes};
pub use platforms::{Wanted, platforms};
pub use staleness::{Held, Known, decide};

/// What happens to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Build,
    Skip,
    /// It cannot be built, whatever happens to the others.
    Blocked,
}

/// Every target of a run, parents before children.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

/// One target of a run.
#[derive(Clone, Debug)]
pub struct Step {
    pub target: Target,
    /// The platforms that are built in this run.
    pub platforms: Vec<Platform>,
    /// Over `platforms`.
    pub key: Key,
    /// Every platform of the target.
    pub keys: BTreeMap<Platform, PlatformKey>,
    /// Rendered build arguments.
    pub args: BTreeMap<String, String>,
    /// Rendered labels of the image's own.
    pub labels: BTreeMap<String, String>,
    pub parents: Vec<Edge>,
    pub external: Vec<External>,
    /// References to bind instead of an external base, for those that have a substitute, a lock or a mirror.
    pub bound: BTreeMap<Reference, String>,
    /// The frontend to use in place of the one that `# syntax=` asks for, as `BUILDKIT_SYNTAX` takes it.
    pub frontend: Option<String>,
    pub repositories: Vec<Repository>,
    pub tags: Vec<WantedTag>,
    /// What the image carries beside its content.
    pub attestations: Attestations,
    pub action: Action,
    pub reasons: Vec<String>,
    /// Whether it is built only because parents are: where these come out the same, it is up to date after all.
    pub only_parents: bool,
    /// Seconds that its last build took.
    pub last_seconds: Option<f64>,
    /// The digest in the engine, when it is there.
    pub present: Option<Digest>,
    /// What else the engine said of it for this plan.
    pub held: Option<Held>,
    /// Whether a person named it, or it came along as a parent.
    pub named: bool,
}

impl Step {
    pub fn name(&self) -> TargetName {
        self.target.target_name()
    }

    /// The name under which exactly this content is known in the engine: `<name>:key-<12 hex>`.
    pub fn local_name(&self) -> String {
        local_name(&self.target, &self.key)
    }

    /// Every name that the image gets in the engine, the immutable one first.
    pub fn local_names(&self) -> Vec<String> {
        let mut names = vec![self.local_name()];
        for tag in self.tags.iter().filter_map(|wanted| wanted.tag.as_ref()) {
            names.push(format!("{}:{tag}", self.target.name));
            names.extend(
                self.repositories
                    .iter()
                    .map(|repository| format!("{}:{tag}", repository.familiar())),
            );
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// The external bases and frontends whose content nothing fixes: neither a digest, nor the lock, nor a substitute's
    /// recipe. Each is as old as the last build that fetched it. A mirror fixes nothing.
    pub fn unlocked(&self) -> BTreeSet<Reference> {
        let keys = self.platforms.iter().filter_map(|platform| self.keys.get(platform));
        let references = keys.flat_map(PlatformKey::unlocked);
        references.filter(|reference| reference.digest.is_none()).collect()
    }

    /// Files and bytes that it reads from its contexts, over the platforms of this run.
    pub fn input_size(&self) -> (u64, u64) {
        let per_platform =
            self.platforms.iter().filter_map(|platform| self.keys.get(platform)).map(|key| {
                let mut files = BTreeSet::new();
                let (mut count, mut bytes) = (0, 0);
                if let [read] = key.reads.as_slice() {
                    return (read.manifest.files, read.manifest.bytes);
                }
                for read in &key.reads {
                    for line in read.manifest.lines().unwrap_or_default() {
                        let Some(size) = line.bytes else { continue };
                        if files.insert(read.folder.join(line.path)) {
                            count += 1;
                            bytes += size;
                        }
                    }
                }
                (count, bytes)
            });
        per_platform.max().unwrap_or_default()
    }

    /// The local name of `parent` as this step needs it.
    pub fn needs(&self, parent: &TargetName) -> bool {
        self.parents.iter().any(|edge| edge.parent == *parent)
    }
}

/// `<name>:key-<12 hex>`.
pub fn local_name(target: &Target, key: &Key) -> String {
    format!("{}:{}", target.name, key.tag())
}

impl Plan {
    pub fn step(&self, name: &TargetName) -> Option<&Step> {
        self.steps.iter().find(|step| step.name() == *name)
    }

    /// The positions of the parents of each step.
    pub fn needs(&self) -> Vec<Vec<usize>> {
        let position: BTreeMap<TargetName, usize> =
            self.steps.iter().enumerate().map(|(index, step)| (step.name(), index)).collect();
        let of_step = |step: &Step| {
            let parents: BTreeSet<usize> = step
                .parents
                .iter()
                .filter_map(|edge| position.get(&edge.parent).copied())
                .collect();
            parents.into_iter().collect()
        };
        self.steps.iter().map(of_step).collect()
    }
}

/// A base that should be fetched from elsewhere, and cannot.
pub fn hidden_base(base: &External, image: &str) -> Mistake {
    Mistake::new(format!(
        "a stage has the same name as the image {}, so that {image} cannot be used in its place without replacing the \
         stage",
        base.reference.context_name()
    ))
    .at(base.place.clone())
    .mend("rename the stage")
}

/// The edges and bases that count for `platforms` of a vertex.
pub fn for_platforms(vertex: &Vertex, platforms: &[Platform]) -> (Vec<Edge>, Vec<External>) {
    let edges = vertex.parents.iter().filter_map(|edge| {
        let pairs: BTreeSet<_> =
            edge.platforms.iter().filter(|(child, _)| platforms.contains(child)).cloned().collect();
        (!pairs.is_empty()).then(|| Edge { platforms: pairs, ..edge.clone() })
    });
    let external = vertex.external.iter().filter_map(|base| {
        let pairs: BTreeSet<_> =
            base.platforms.iter().filter(|(child, _)| platforms.contains(child)).cloned().collect();
        (!pairs.is_empty()).then(|| External { platforms: pairs, ..base.clone() })
    });
    (edges.collect(), external.collect())
}
