//! For which platforms is each target built in this run?

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Graph;
use crate::mistake::{Mistake, Mistakes};
use crate::reference::Platform;
use crate::workspace::{Target, TargetName};

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The machine's own platform; for a target that is not made for it, its first.
    Native(Platform),
    These(Vec<Platform>),
    All,
}

/// The platforms of each of `named` and of everything they need, sorted.
///
/// # Errors
/// A platform that was asked for and that a named target is not made for.
pub fn platforms(
    graph: &Graph,
    targets: &BTreeMap<TargetName, &Target>,
    named: &BTreeSet<TargetName>,
    wanted: &Wanted,
) -> Result<BTreeMap<TargetName, Vec<Platform>>, Mistakes> {
    let mut chosen: BTreeMap<TargetName, BTreeSet<Platform>> = BTreeMap::new();
    let mut mistakes = Mistakes::default();
    for name in named {
        let Some(target) = targets.get(name) else { continue };
        let platforms: Vec<Platform> = match wanted {
            Wanted::All => target.platforms.clone(),
            Wanted::Native(native) if target.platforms.contains(native) => vec![native.clone()],
            Wanted::Native(_) => target.platforms.first().cloned().into_iter().collect(),
            Wanted::These(asked) => {
                for platform in asked.iter().filter(|platform| !target.platforms.contains(platform))
                {
                    let made: Vec<String> =
                        target.platforms.iter().map(ToString::to_string).collect();
                    mistakes.push(
                        Mistake::new(format!(
                            "{name} is not made for {platform}, only for {}",
                            made.join(", ")
                        ))
                        .at(target.place.clone())
                        .mend("add it to `platforms`, or ask for another --platform"),
                    );
                }
                asked.clone()
            }
        };
        chosen.entry(name.clone()).or_default().extend(platforms);
    }
    mistakes.none()?;
    // Children come after their parents in the graph, so going backwards sees every child first.
    for vertex in graph.vertices.iter().rev() {
        let Some(own) = chosen.get(&vertex.name).cloned() else { continue };
        for edge in &vertex.parents {
            let needed = edge
                .platforms
                .iter()
                .filter(|(child, _)| own.contains(child))
                .map(|(_, parent)| parent);
            chosen.entry(edge.parent.clone()).or_default().extend(needed.cloned());
        }
    }
    Ok(chosen
        .into_iter()
        .map(|(name, platforms)| (name, platforms.into_iter().collect()))
        .collect())
}
