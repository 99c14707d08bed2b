//! What of today's images is staged, on today's parents, and which work is left for jobs? Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Plan, Step};
use crate::publish::{HeldImage, Holding, Parts};
use crate::reference::{Digest, Platform};
use crate::workspace::TargetName;

/// What a job has to do for one platform of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Build, send and test it.
    Build,
    /// Test what is staged.
    Test,
}

impl Work {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
        }
    }
}

/// Work that is left, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    pub work: Work,
    pub reason: String,
}

/// One target: what is taken of what its staging repository holds, and what is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Under its key, for every platform.
    pub whole: Option<Holding>,
    /// Where there is no whole: what was built for one platform each.
    pub parts: BTreeMap<Platform, Holding>,
    pub todo: BTreeMap<Platform, Todo>,
}

impl Standing {
    pub fn image(&self, platform: &Platform) -> Option<&HeldImage> {
        match &self.whole {
            Some(whole) => whole.images.get(platform),
            None => self.parts.get(platform)?.images.get(platform),
        }
    }

    fn is_known_as(&self, digest: &Digest) -> bool {
        self.whole.iter().chain(self.parts.values()).any(|holding| holding.is_known_as(digest))
    }
}

/// What stands of every target of `plan` that is in `found`: those that have a staging repository. `tested` are those
/// that have tests.
pub fn judge(
    plan: &Plan,
    found: &BTreeMap<TargetName, Parts>,
    tested: &BTreeSet<TargetName>,
) -> BTreeMap<TargetName, Standing> {
    let mut judged: BTreeMap<TargetName, Standing> = BTreeMap::new();
    for step in &plan.steps {
        let name = step.name();
        let Some(found) = found.get(&name) else { continue };
        let standing = of_step(plan, step, found, tested.contains(&name), &judged);
        judged.insert(name, standing);
    }
    judged
}

fn of_step(plan: &Plan, step: &Step, found: &Parts, has_tests: bool, judged: &Judged) -> Standing {
    let mut standing = Standing::default();
    let fits = |platform: &Platform, holding: &Holding| match holding.images.get(platform) {
        Some(image) => on_parents(&needs(plan, step, platform), image, judged),
        None => Err(format!("what is staged is not for {platform}")),
    };
    let is_whole = |whole: &&Holding| step.platforms.iter().all(|it| fits(it, whole).is_ok());
    standing.whole = found.whole.as_ref().filter(is_whole).cloned();
    for platform in &step.platforms {
        if standing.whole.is_none() {
            let part = found.parts.get(platform);
            let wrong = match part {
                Some(part) => fits(platform, part).err(),
                None => Some(
                    parent_to_build(&needs(plan, step, platform), judged)
                        .or_else(|| fits(platform, found.whole.as_ref()?).err())
                        .or_else(|| found.other.clone())
                        .unwrap_or_else(|| format!("nothing is staged under {}", step.key.tag())),
                ),
            };
            if let Some(reason) = wrong {
                standing.todo.insert(platform.clone(), Todo { work: Work::Build, reason });
                continue;
            }
            standing.parts.extend(part.map(|part| (platform.clone(), part.clone())));
        }
        let manifest = standing.image(platform).map(|image| &image.manifest);
        if has_tests && found.checked.get(platform) != manifest {
            let reason = "its tests, as they are now, were not run on what is staged".to_owned();
            standing.todo.insert(platform.clone(), Todo { work: Work::Test, reason });
        }
    }
    standing
}

/// Whether `holding` is what building `step` for its platforms would give, on what its parents are now.
pub fn is_on_parents(
    plan: &Plan,
    step: &Step,
    holding: &Holding,
    judged: &BTreeMap<TargetName, Standing>,
) -> bool {
    step.platforms.iter().all(|platform| {
        let image = holding.images.get(platform);
        image.is_some_and(|image| on_parents(&needs(plan, step, platform), image, judged).is_ok())
    })
}

/// The parents of `step` for `platform`, with the platforms of theirs that it needs. Where that is the builder's own, it
/// may be any.
pub fn needs(plan: &Plan, step: &Step, platform: &Platform) -> BTreeSet<(TargetName, Platform)> {
    let mut needs = BTreeSet::new();
    for edge in &step.parents {
        for (_, of_parent) in edge.uses.iter().filter(|(child, _)| child == platform) {
            let platforms = match of_parent {
                Some(of_parent) => vec![of_parent.clone()],
                None => plan.step(&edge.parent).map_or_else(Vec::new, |it| it.platforms.clone()),
            };
            needs.extend(platforms.into_iter().map(|it| (edge.parent.clone(), it)));
        }
    }
    needs
}

type Judged = BTreeMap<TargetName, Standing>;

fn parent_to_build(needs: &BTreeSet<(TargetName, Platform)>, judged: &Judged) -> Option<String> {
    // A parent without a staging repository is built where its child is.
    let lacks = |(name, platform): &&(TargetName, Platform)| {
        judged.get(name).is_some_and(|standing| standing.image(platform).is_none())
    };
    needs.iter().find(lacks).map(|(name, _)| format!("its parent {name} is built"))
}

/// # Errors
/// Why `image` is not what would be built now, though its key is today's.
fn on_parents(
    needs: &BTreeSet<(TargetName, Platform)>,
    image: &HeldImage,
    judged: &Judged,
) -> Result<(), String> {
    if let Some(why) = parent_to_build(needs, judged) {
        return Err(why);
    }
    for (name, _) in needs {
        let Some(standing) = judged.get(name) else { continue };
        let bound = image.parents.get(&name.to_string());
        if !bound.is_some_and(|digest| standing.is_known_as(digest)) {
            return Err(format!("its parent {name} was built again since"));
        }
    }
    Ok(())
}

/// The platforms of targets for which a job has to work so that all of `selected` can be published: their own, and
/// those of parents that have to be built before. In build order.
pub fn jobs(
    plan: &Plan,
    standings: &BTreeMap<TargetName, Standing>,
    selected: &BTreeSet<TargetName>,
) -> Vec<(TargetName, Platform)> {
    let mut needed: BTreeSet<(TargetName, Platform)> = BTreeSet::new();
    let mut jobs = Vec::new();
    for step in plan.steps.iter().rev() {
        let name = step.name();
        let standing = standings.get(&name);
        for platform in step.platforms.iter().rev() {
            let this = (name.clone(), platform.clone());
            let is_needed = needed.contains(&this);
            match standing.map(|standing| standing.todo.get(platform)) {
                Some(Some(todo)) if is_needed || selected.contains(&name) => {
                    if todo.work == Work::Build {
                        needed.extend(needs(plan, step, platform));
                    }
                    jobs.push(this);
                }
                // Built in place by the jobs of its children, which need its own parents.
                None if is_needed => needed.extend(needs(plan, step, platform)),
                _ => {}
            }
        }
    }
    jobs.reverse();
    jobs
}

#[cfg(test)]
mod tests;
