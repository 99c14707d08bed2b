//! Is a target up to date? Sound before fast: whatever is not known makes it stale, and says so.

use std::collections::BTreeMap;

use super::changes::{Lines, changes};
use super::{Action, Plan, Step};
use crate::key::Record;
use crate::reference::{Digest, Platform};
use crate::workspace::TargetName;

/// What is known of a target besides its inputs.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What was recorded when it was last built, by platform.
    pub records: BTreeMap<Platform, Record>,
    /// The digest of the image that the engine holds under the key's name, or under the recorded digest.
    pub present: Option<Digest>,
    /// What else the engine says of that image; nothing where it was found by its digest alone.
    pub held: Option<Held>,
    /// What the records of builds with other keys read.
    pub lines: Lines,
}

/// What the engine said of the image when it was asked for the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `name:tag`, as the engine writes them.
    pub tags: Vec<String>,
    /// As the engine's store counted them when that image was built, where that was recorded.
    pub bytes: Option<u64>,
}

/// The most changes that are named as reasons; `why` names all.
const MOST_CHANGES: usize = 10;

/// Fills in each step's action and reasons. `force` builds the named targets whatever is known.
pub fn decide(plan: &mut Plan, known: &BTreeMap<TargetName, Known>, force: Option<&str>) {
    let mut actions: BTreeMap<TargetName, (Action, Option<Digest>)> = BTreeMap::new();
    for step in &mut plan.steps {
        let nothing = Known::default();
        let known = known.get(&step.name()).unwrap_or(&nothing);
        let mut reasons = Vec::new();
        if let Some(option) = force.filter(|_| step.named) {
            reasons.push(format!("asked for by {option}"));
        }
        reasons.extend(reasons_of(step, known));
        if reasons.is_empty() {
            reasons.extend(reasons_of_parents(step, known, &actions));
            step.only_parents = !reasons.is_empty();
        }
        step.last_seconds = known.records.values().map(|record| record.seconds).reduce(f64::max);
        step.present.clone_from(&known.present);
        step.held.clone_from(&known.held);
        step.action = if reasons.is_empty() { Action::Skip } else { Action::Build };
        step.reasons = reasons;
        actions.insert(step.name(), (step.action, known.present.clone()));
    }
}

fn reasons_of(step: &Step, known: &Known) -> Vec<String> {
    let mut reasons = Vec::new();
    for platform in &step.platforms {
        let Some(key) = step.keys.get(platform) else { continue };
        let on = if step.platforms.len() > 1 { format!(" ({platform})") } else { String::new() };
        reasons.extend(key.always.iter().map(|why| format!("never up to date: {why}{on}")));
        match known.records.get(platform) {
            None => reasons.push(format!("never built here{on}")),
            Some(record) if record.key != key.key => {
                let dockerfile = step.target.dockerfile.value.file_name().unwrap_or_default();
                let changes = changes(record, key, &known.lines, dockerfile);
                let named = changes.iter().take(MOST_CHANGES);
                reasons.extend(named.map(|change| format!("{change}{on}")));
                if let Some(more) = changes.len().checked_sub(MOST_CHANGES).filter(|&more| more > 0)
                {
                    reasons.push(format!("and {more} more changes{on}"));
                }
            }
            Some(record) => match &known.present {
                None => reasons.push(format!("the image is gone from the engine{on}")),
                Some(present) if *present != record.digest => {
                    reasons.push(format!(
                        "another image has taken the name {}{on}",
                        step.local_name()
                    ));
                }
                Some(_) => {}
            },
        }
    }
    reasons
}

/// A child is up to date only while the parents' digests that were bound are still its parents'.
fn reasons_of_parents(
    step: &Step,
    known: &Known,
    actions: &BTreeMap<TargetName, (Action, Option<Digest>)>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for edge in &step.parents {
        let Some((action, present)) = actions.get(&edge.parent) else { continue };
        let bound =
            known.records.values().map(|record| record.parents.get(&edge.parent.to_string()));
        let reason = if *action == Action::Build {
            Some(format!("{} is built again", edge.parent))
        } else if bound.into_iter().any(|bound| bound != present.as_ref()) {
            Some(format!("{} was built again since", edge.parent))
        } else {
            None
        };
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
    }
    reasons
}
