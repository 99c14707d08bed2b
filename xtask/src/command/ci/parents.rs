//! On what does a job build? Its parents as they are staged, and those that are staged nowhere built along with it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::names;
use crate::ci::Standing;
use crate::command::make::Ground;
use crate::command::publication::{Prepared, troubles};
use crate::engine::Environment;
use crate::mistake::Mistake;
use crate::plan::{self, Step};
use crate::publish::Holding;
use crate::reference::{Digest, Platform, Repository};
use crate::registry::{Manifest, Part, Registries, merge};
use crate::workspace::TargetName;

/// The variable by which the jobs of parents hand on what they have made.
const PARENTS: &str = "DOCKYARD_PARENTS";

/// What the job of a parent has made.
pub(super) struct HandedOn {
    name: TargetName,
    platform: Platform,
    digest: Digest,
}

impl HandedOn {
    pub(super) fn is_in(&self, standings: &BTreeMap<TargetName, Standing>) -> bool {
        // What is no parent of this workspace's is not looked for.
        let standing = standings.get(&self.name);
        standing.is_none_or(|standing| {
            standing.image(&self.platform).is_some_and(|image| image.manifest == self.digest)
        })
    }
}

/// The lines of `$DOCKYARD_PARENTS`; a parent whose job had nothing to do has no digest.
///
/// # Errors
/// A [`Mistake`] where a line says something else.
pub(super) fn handed_on() -> anyhow::Result<Vec<HandedOn>> {
    let environment = Environment::of_process();
    let lines = environment.get(PARENTS).unwrap_or_default().lines();
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (name, platform) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let digest = words.next().map(str::parse).transpose().ok()?;
        words.next().is_none().then_some((name, platform, digest))
    };
    let mut handed_on = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let Some((name, platform, digest)) = parse(line) else {
            let what = format!("{PARENTS} says {line:?}, which is no parent");
            return Err(Mistake::new(what).mend("write TARGET PLATFORM DIGEST").into_error());
        };
        handed_on.extend(digest.map(|digest| HandedOn { name, platform, digest }));
    }
    Ok(handed_on)
}

/// What another run has staged under the same key in place of what a parent's job has made is what will be published,
/// and so what is built on.
pub(super) fn say_others(handed_on: &[HandedOn], standings: &BTreeMap<TargetName, Standing>) {
    for HandedOn { name, platform, digest } in
        handed_on.iter().filter(|parent| !parent.is_in(standings))
    {
        anstream::eprintln!(
            "note: the job of the parent {name} has made {digest} for {platform}, which another run has replaced since; \
             what is staged now is used"
        );
    }
}

/// `step` for `platforms` alone, with the key that it has for all of its own.
pub(super) fn restricted(prepared: &Prepared, step: &Step, platforms: &[Platform]) -> Step {
    let mut restricted = step.clone();
    restricted.platforms = platforms.to_vec();
    if let Some(vertex) = prepared.loaded.graph.get(&step.name()) {
        (restricted.parents, restricted.external) = plan::for_platforms(vertex, platforms);
    }
    restricted
}

/// A step for one platform, and what is staged of its parents.
pub(super) struct Family<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) registries: &'a Registries,
    pub(super) standings: &'a BTreeMap<TargetName, Standing>,
    pub(super) step: &'a Step,
    pub(super) platform: &'a Platform,
}

impl Family<'_> {
    /// The step with the parents that are staged nowhere, parents first; and what the others are bound to.
    ///
    /// # Errors
    /// Each parent that is not staged as it is now, with the job that builds it.
    pub(super) fn needed(&self) -> anyhow::Result<(Vec<Step>, Ground)> {
        let mut steps = Vec::new();
        let mut ground = Ground::default();
        let mut lacking = Vec::new();
        let mut wanted: BTreeMap<TargetName, BTreeSet<Platform>> =
            BTreeMap::from([(self.step.name(), BTreeSet::from([self.platform.clone()]))]);
        for step in self.prepared.plan.steps.iter().rev() {
            let name = step.name();
            let Some(platforms) = wanted.remove(&name) else { continue };
            let platforms: Vec<Platform> = platforms.into_iter().collect();
            let staged = self.standings.get(&name).filter(|_| name != self.step.name());
            let Some(standing) = staged else {
                let step = restricted(self.prepared, step, &platforms);
                for edge in &step.parents {
                    let of_parent = edge.platforms.iter().map(|(_, parent)| parent.clone());
                    wanted.entry(edge.parent.clone()).or_default().extend(of_parent);
                }
                steps.push(step);
                continue;
            };
            let absent = platforms.iter().filter(|it| standing.image(it).is_none());
            lacking.extend(absent.map(|platform| lacks(self.step, &name, platform)));
            if lacking.is_empty() {
                self.bind(step, standing, &platforms, &mut ground)?;
            }
        }
        steps.reverse();
        if lacking.is_empty() { Ok((steps, ground)) } else { Err(troubles(lacking)) }
    }

    /// What of a parent is bound: all of it where it is staged whole, else the one platform that is needed; of several,
    /// an index of what there is.
    fn bind(
        &self,
        step: &Step,
        standing: &Standing,
        platforms: &[Platform],
        ground: &mut Ground,
    ) -> anyhow::Result<()> {
        let name = step.name();
        if let Some(whole) = &standing.whole {
            ground.held.insert(name, whole.clone());
            return Ok(());
        }
        if platforms.len() > 1 {
            let to = self.prepared.destinations.get(&name).context("a parent is staged")?;
            let index = index(self.registries, &to.staging, &standing.parts)?;
            self.registries.put_manifest(&to.staging, &index.digest, &index)?;
            ground.bound.insert(name.clone(), index.digest);
        }
        let platform = platforms.iter().find(|it| *it == self.platform).or(platforms.first());
        let platform = platform.context("a parent is needed for a platform")?;
        let part = standing.parts.get(platform).context("a part that is needed is there")?;
        let image = part.images.get(platform).context("a part is for its platform")?;
        // The image itself, which the index will name too; not the index of it and what is told of it.
        let part = Holding { digest: image.manifest.clone(), ..part.clone() };
        ground.held.insert(name, part);
        Ok(())
    }
}

/// Why a child cannot be built, and which job helps.
fn lacks(child: &Step, parent: &TargetName, platform: &Platform) -> String {
    let (child, job) = (child.name(), names::job(parent, platform));
    format!(
        "{child} cannot be built: its parent {parent} is not staged for {platform} as it is now; the job {job} builds it: \
         cargo xtask ci build {parent} --platform {platform}"
    )
}

/// The index of `parts`, whose manifests are read from where they are staged.
pub(super) fn index(
    registries: &Registries,
    staging: &Repository,
    parts: &BTreeMap<Platform, Holding>,
) -> anyhow::Result<Manifest> {
    let mut manifests = Vec::new();
    for (platform, part) in parts {
        let manifest = registries.manifest(staging, &part.digest)?;
        let manifest =
            manifest.with_context(|| format!("{}@{} is gone", staging.familiar(), part.digest))?;
        manifests.push((platform, manifest));
    }
    let parts: Vec<Part<'_>> =
        manifests.iter().map(|(platform, manifest)| Part { platform, manifest }).collect();
    merge(&parts).map_err(|why| anyhow::anyhow!("{}: {why}", staging.familiar()))
}
