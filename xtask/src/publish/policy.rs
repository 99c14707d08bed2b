//! Which tags may there be at all? `policy` of the workspace: patterns that are forbidden, and how many tags may match
//! others. Pure.

use crate::mistake::Mistake;
use crate::reference::matches;
use crate::tags::Claim;
use crate::workspace::Policy;

/// Every tag of one channel that the policy forbids, and every pattern that too many tags match.
pub fn violations(policy: &Policy, claims: &[Claim<'_>]) -> Vec<Mistake> {
    let tags = || {
        claims.iter().flat_map(|claim| {
            let named = |wanted| (claim.target, wanted);
            claim.tags.iter().filter(|wanted| wanted.tag.is_some()).map(named)
        })
    };
    let matching = |pattern: &str| {
        tags()
            .filter(|(_, wanted)| {
                wanted.tag.as_ref().is_some_and(|tag| matches(pattern, tag.as_str()))
            })
            .collect::<Vec<_>>()
    };
    let mut mistakes = Vec::new();
    for pattern in &policy.forbid {
        for (target, wanted) in matching(pattern) {
            let tag = wanted.tag.as_ref().map_or("", |tag| tag.as_str());
            mistakes.push(
                Mistake::new(format!(
                    "the tag {tag:?} of {} is forbidden by the policy {pattern:?}",
                    target.target_name()
                ))
                .at(wanted.template.place.clone())
                .mend("choose another tag, or change `policy.forbid` in the root Cargo.toml"),
            );
        }
    }
    for (pattern, &most) in &policy.max_matching {
        let matching = matching(pattern);
        if u64::try_from(matching.len()).unwrap_or(u64::MAX) <= most {
            continue;
        }
        let names: Vec<String> = matching
            .iter()
            .filter_map(|(target, wanted)| {
                Some(format!("{} ({})", wanted.tag.as_ref()?, target.target_name()))
            })
            .collect();
        let place = matching.last().map(|(_, wanted)| wanted.template.place.clone());
        let mut mistake = Mistake::new(format!(
            "{} tags match {pattern:?}, and the policy allows {most}: {}",
            matching.len(),
            names.join(", ")
        ))
        .mend("remove some, or raise `policy.max-matching` in the root Cargo.toml");
        mistake.place = place;
        mistakes.push(mistake);
    }
    mistakes
}
