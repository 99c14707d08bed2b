//! Which names does an image get? Facts fill templates, channels choose them, and what a tag cannot hold is replaced.
//!
//! It asks nobody: observed facts are handed in once the image exists, and whether a tag may move is `publish`'s
//! question. Pure. Called by `command` and `plan`.

mod channel;
mod facts;
mod template;

pub use channel::{Occasion, default_templates};
pub use facts::{Facts, Stamps};
pub use template::{Missing, Rendered, names_in, render, sanitise};

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
}

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
                wanted.push(WantedTag { tag: None, template, immutable: true });
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
        });
        let immutable = rendered.uses(&["version", "commit", "sha"]);
        if let Some(tag) = mistakes.take(tag)
            && !wanted.iter().any(|other| other.tag.as_ref() == Some(&tag))
        {
            wanted.push(WantedTag { tag: Some(tag), template, immutable });
        }
    }
    mistakes.none()?;
    Ok(wanted)
}

fn in_channel(mut mistake: Mistake, channel: Channel) -> Mistake {
    mistake.what = format!("{} (channel {channel})", mistake.what);
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
        for repository in claim.repositories {
            for wanted in claim.tags {
                let Some(tag) = &wanted.tag else { continue };
                let key = (repository.as_str(), tag.as_str());
                let (owner, _) = owners.entry(key).or_insert((claim.target, &wanted.template));
                if owner.target_name() != claim.target.target_name() {
                    mistakes.push(
                        Mistake::new(format!(
                            "{} and {} both want the tag {}:{tag}",
                            owner.target_name(),
                            claim.target.target_name(),
                            repository.familiar(),
                        ))
                        .at(wanted.template.place.clone())
                        .mend("give one of them other `tags`, another `name`, or other `repositories`"),
                    );
                }
            }
        }
    }
    mistakes
}
