//! Which names does an image get? Facts fill templates, channels choose them, and what a tag cannot hold is replaced.
//!
//! It asks nobody: observed facts are handed in once the image exists, and whether a tag may move is `publish`'s
//! question. Pure. Called by `command` and `plan`.

mod channel;
mod facts;
mod template;

pub use channel::{Occasion, default_templates};
pub use facts::{Facts, Stamps};
pub use template::{Missing, Rendered, check, is_late, names_in, outline, render, sanitise};

use std::collections::BTreeMap;

use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Repository, Tag};
use crate::workspace::{Channel, Target, Template};

/// A tag as it is wanted, and the template that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTag {
    /// Nothing while an observed fact in it is unknown.
    pub tag: Option<Tag>,
    pub template: Template,
    /// Whether it names a version, a key or a commit, and therefore never moves.
    pub immutable: bool,
    /// The observed facts that it waits for.
    pub awaits: Vec<String>,
}

/// Facts that make a tag immutable. `{{ major }}.{{ minor }}` moves; with `patch` it names the version.
const IMMUTABLE: [&str; 4] = ["version", "patch", "commit", "sha"];

/// The templates of `target` for `channel`: its own, else the defaults.
pub fn templates(target: &Target, channel: Channel) -> Vec<Template> {
    match &target.tags {
        // A plain list is for every channel but pull requests, which publish nothing.
        Some(crate::workspace::ByChannel::Every(_)) if channel == Channel::Pr => Vec::new(),
        Some(tags) => tags.get(channel).cloned().unwrap_or_default(),
        None => default_templates(target, channel),
    }
}

/// The tags of `target` for `channel`, each once, in the order of their templates.
///
/// # Errors
/// A mistake for each template that cannot be filled or gives no valid tag.
pub fn wanted(
    target: &Target,
    facts: &Facts,
    channel: Channel,
) -> Result<Vec<WantedTag>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut wanted: Vec<WantedTag> = Vec::new();
    for template in templates(target, channel) {
        let rendered = match render(&template, facts) {
            Ok(rendered) => rendered,
            Err(Missing::Observed(_)) => {
                let names = names_in(&template);
                let immutable = IMMUTABLE.iter().any(|name| names.contains(*name));
                let awaits = names.into_iter().filter(|name| facts.is_observed(name)).collect();
                wanted.push(WantedTag { tag: None, template, immutable, awaits });
                continue;
            }
            Err(Missing::Mistake(mistake)) => {
                mistakes.push(in_channel(mistake, channel));
                continue;
            }
        };
        let tag = sanitise(&rendered.text).map_err(|why| {
            Mistake::new(format!("the tag {:?} of {}: {why}", template.value, target.target_name()))
                .at(template.place.clone())
                .mend("a tag has letters, digits, `_`, `.` and `-`")
        });
        let immutable = rendered.uses(&IMMUTABLE);
        if let Some(tag) = mistakes.take(tag)
            && !wanted.iter().any(|other| other.tag.as_ref() == Some(&tag))
        {
            wanted.push(WantedTag { tag: Some(tag), template, immutable, awaits: Vec::new() });
        }
    }
    mistakes.none()?;
    Ok(wanted)
}

fn in_channel(mut mistake: Mistake, channel: Channel) -> Mistake {
    mistake.what = format!("{} (channel {channel})", mistake.what);
    let mend = "give it a value, take it out of `tags`, or choose another --channel";
    mistake.mend.get_or_insert_with(|| mend.to_owned());
    mistake
}

/// Every tag that `target` could have on any channel, as far as it can be known now: what a reference in a
/// Dockerfile may call it.
pub fn every_tag(target: &Target, facts: &Facts) -> Vec<Tag> {
    let mut tags = Vec::new();
    for template in Channel::ALL.into_iter().flat_map(|channel| templates(target, channel)) {
        if let Ok(rendered) = render(&template, facts)
            && let Ok(tag) = sanitise(&rendered.text)
            && !tags.contains(&tag)
        {
            tags.push(tag);
        }
    }
    tags
}

/// One image's claim on tags in repositories.
pub struct Claim<'a> {
    pub target: &'a Target,
    pub repositories: &'a [Repository],
    pub tags: &'a [WantedTag],
}

/// Two targets that want the same tag of the same repository.
pub fn collisions(claims: &[Claim<'_>]) -> Vec<Mistake> {
    let mut owners: BTreeMap<(&str, &str), (&Target, &Template)> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for claim in claims {
        // In the engine an image has its bare name too; that is said only where no repository says it already.
        let names =
            claim.repositories.iter().map(Repository::as_str).chain([claim.target.name.as_str()]);
        let mut met: Vec<(&Target, &Tag)> = Vec::new();
        for (name, wanted) in names.flat_map(|name| claim.tags.iter().map(move |tag| (name, tag))) {
            let Some(tag) = &wanted.tag else { continue };
            let (owner, _) =
                owners.entry((name, tag.as_str())).or_insert((claim.target, &wanted.template));
            let itself = owner.target_name() == claim.target.target_name();
            if itself || met.contains(&(*owner, tag)) {
                continue;
            }
            met.push((*owner, tag));
            let mend = if owner.id == claim.target.id {
                "give each variant `tags` of its own, e.g. \"{{ variant }}\""
            } else if name == claim.target.name {
                "give one of them another `name`: in the engine both have this one"
            } else {
                "give one of them other `tags`, another `name`, or other `repositories`"
            };
            let what = format!(
                "{} and {} both want the tag {name}:{tag}",
                owner.target_name(),
                claim.target.target_name(),
            );
            mistakes.push(Mistake::new(what).at(wanted.template.place.clone()).mend(mend));
        }
    }
    mistakes
}
