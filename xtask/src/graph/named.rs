//! What `image.toml` names and a Dockerfile or the workspace may not have: parents and stages; and whom a mistake is of.

use std::collections::BTreeSet;

use super::Node;
use crate::mistake::{Mistake, Place};
use crate::workspace::{Placed, Target, TargetName, nearest};

/// A mistake that only some variants of an image make names them.
pub(super) fn named(mut mistake: Mistake, targets: &[&Target], nodes: &[Node<'_>]) -> Mistake {
    let made =
        |target: &Target| targets.iter().any(|other| other.target_name() == target.target_name());
    let all = targets.first().is_none_or(|first| {
        nodes.iter().map(|node| node.target).filter(|target| target.id == first.id).all(made)
    });
    let names: Vec<String> =
        targets.iter().map(|target| target.target_name().to_string()).collect();
    if !all && !names.iter().any(|name| mistake.what.contains(name)) {
        mistake.what = format!("{} ({})", mistake.what, names.join(", "));
    }
    mistake
}

pub(super) fn missing_stage(node: &Node<'_>) -> Option<Mistake> {
    let wanted = node.target.stage.as_ref()?;
    let names: Vec<&str> = node.dockerfile.stages().filter_map(|stage| stage.name).collect();
    let lower = wanted.value.to_lowercase();
    if names.contains(&lower.as_str()) {
        return None;
    }
    let file = &node.target.dockerfile.value;
    let mistake =
        Mistake::new(format!("{file} has no stage {:?}", wanted.value)).at(wanted.place.clone());
    Some(match nearest(&lower, names.iter().copied()) {
        Some(near) => mistake.mend(format!("did you mean {near:?}?")),
        None if names.is_empty() => mistake.mend("give the stage a name: `FROM … AS NAME`"),
        None => mistake.mend(format!("one of {}", names.join(", "))),
    })
}

pub(super) fn find_parent<'a>(
    nodes: &[Node<'a>],
    name: &TargetName,
    place: &Place,
) -> Result<&'a Target, Mistake> {
    let of_image: Vec<&Target> =
        nodes.iter().map(|node| node.target).filter(|target| target.id == name.id).collect();
    if of_image.is_empty() {
        let mistake =
            Mistake::new(format!("there is no image {:?}", name.id.as_str())).at(place.clone());
        let near = nearest(name.id.as_str(), nodes.iter().map(|node| node.target.id.as_str()));
        return Err(match near {
            Some(near) => mistake.mend(format!("did you mean {near:?}?")),
            None => mistake.mend("`cargo xtask list` shows the ids"),
        });
    }
    let chosen = match &name.variant {
        Some(_) => of_image.iter().find(|target| target.variant == name.variant),
        None => of_image.iter().find(|target| target.default),
    };
    chosen.copied().ok_or_else(|| {
        let variants: Vec<String> = of_image
            .iter()
            .filter_map(|target| Some(format!("{}:{}", target.id, target.variant.as_ref()?)))
            .collect();
        let what = match &name.variant {
            Some(variant) => format!("{} has no variant {:?}", name.id, variant.as_str()),
            None => format!("no variant of {} is the default one", name.id),
        };
        Mistake::new(what).at(place.clone()).mend(if variants.is_empty() {
            format!("write {:?}: it has no variants", name.id.as_str())
        } else if name.variant.is_none() {
            format!("write one of {}, or `default = true` in one of them", variants.join(", "))
        } else {
            format!("one of {}", variants.join(", "))
        })
    })
}

/// The entries of `[parents]` that no reference of the Dockerfile uses.
pub(super) fn unused_parents(target: &Target, used: &BTreeSet<&str>) -> Vec<Mistake> {
    let unused = target.parents.iter().filter(|(argument, _)| !used.contains(argument.as_str()));
    let mistake = |(argument, parent): (&String, &Placed<TargetName>)| {
        Mistake::new(format!(
            "nothing in {} starts from or copies from the argument {argument}",
            target.dockerfile.value
        ))
        .at(parent.place.clone())
        .mend(format!(
            "write `ARG {argument}` before the first FROM and `FROM ${{{argument}}}`, or remove the entry"
        ))
    };
    unused.map(mistake).collect()
}
