//! Channels: which one a run is for, and the tags that each gives when an image names none.

use crate::workspace::{Channel, Git, Placed, Target, Template, VersionSource};

/// What decides the channel when nobody names one.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// `--channel`.
    pub asked: Option<Channel>,
    /// The channel of CI's event, if this is CI.
    pub event: Option<Channel>,
    pub git: &'a Git,
    /// The channel when nothing else decides.
    pub otherwise: Channel,
}

impl Occasion<'_> {
    /// `--channel`, else CI's event, else `release` when HEAD is exactly at a version tag, else the command's own.
    pub fn channel(&self) -> Channel {
        let at_version = || {
            self.git.tags.iter().any(|tag| {
                tag.strip_prefix('v').unwrap_or(tag).parse::<crate::workspace::Version>().is_ok()
            })
        };
        self.asked
            .or(self.event)
            .unwrap_or_else(|| if at_version() { Channel::Release } else { self.otherwise })
    }
}

/// The tags of an image that names none. The variants of an image share a repository, so all but the default one
/// carry their name: `dev-full`, and `full` for `latest`.
pub fn default_templates(target: &Target, channel: Channel) -> Vec<Template> {
    let pre_release =
        target.known_version.as_ref().is_some_and(crate::workspace::Version::is_pre_release);
    let versioned = target.version.is_some();
    let mut texts: Vec<&str> = Vec::new();
    match channel {
        Channel::Dev => texts.push("dev"),
        Channel::Pr => {}
        Channel::Main => texts.extend(["latest", "sha-{{ sha }}"]),
        Channel::Release => {
            if versioned {
                texts.push("{{ version }}");
            }
            if !pre_release {
                let two_numbers =
                    target.known_version.as_ref().is_none_or(|version| version.number(1).is_some());
                if versioned && two_numbers {
                    texts.push("{{ major }}.{{ minor }}");
                }
                texts.push("latest");
            }
            texts.push("sha-{{ sha }}");
        }
    }
    let place = match &target.version {
        Some(VersionSource::Literal(text)) => text.place.clone(),
        Some(VersionSource::File { place, .. } | VersionSource::GitTag { place, .. }) => {
            place.clone()
        }
        None => target.place.clone(),
    };
    let own_name = |text: &str| match (&target.variant, target.default) {
        (Some(_), false) if text == "latest" => "{{ variant }}".to_owned(),
        (Some(_), false) => format!("{text}-{{{{ variant }}}}"),
        _ => text.to_owned(),
    };
    texts.into_iter().map(|text| Placed { value: own_name(text), place: place.clone() }).collect()
}
