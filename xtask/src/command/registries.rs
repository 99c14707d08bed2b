//! Registries as the commands for locks ask them: with the machine's logins, through mirrors, and not for too long.

use std::time::Duration;

use crate::engine::Environment;
use crate::lock::bases::{Found, Question};
use crate::reference::{Reference, Tag};
use crate::registry::{BaseImage, Limits, Registries, Settings, TagOrDigest};
use crate::workspace::Config;

/// One registry that does not answer must not hold up what the others say.
const PATIENCE: Limits = Limits {
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(20),
    commit: Duration::from_secs(20),
    total: Duration::from_mins(1),
    attempts: 5,
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(20),
    parallel: 4,
};

/// A client that tells of its pauses unless it is to be quiet.
pub(super) fn client(quiet: bool) -> Registries {
    let mut settings = Settings { limits: PATIENCE, ..Settings::new(Environment::of_process()) };
    if !quiet {
        settings.tell = Box::new(|retry| anstream::eprintln!("{retry}"));
    }
    Registries::new(settings)
}

/// Where `reference` is asked for: its mirror, where the workspace names one.
pub(super) fn asked(config: &Config, reference: &Reference) -> Reference {
    config.mirrored(reference).unwrap_or_else(|| reference.clone())
}

/// What a registry says of the image.
///
/// # Errors
/// What went wrong, and where, in one line.
pub(super) fn found(
    client: &Registries,
    config: &Config,
    question: &Question,
) -> Result<Found, String> {
    let asked = asked(config, &question.reference);
    let is_wanted = |platform: &_| question.any_platform || question.platforms.contains(platform);
    let latest: Tag;
    let name = match (&asked.digest, &asked.tag) {
        (Some(digest), _) => TagOrDigest::Digest(digest),
        (None, Some(tag)) => TagOrDigest::Tag(tag),
        (None, None) => {
            latest = asked.tag_or_latest().parse().map_err(|invalid| format!("{invalid}"))?;
            TagOrDigest::Tag(&latest)
        }
    };
    let base =
        client.base(&asked.repository, name, &is_wanted).map_err(|trouble| trouble.to_string())?;
    let base = base.ok_or_else(|| format!("{} has no {}", asked.repository, name.as_str()))?;
    let BaseImage { digest, platforms, onbuild, created } = base;
    // As RFC 3339 in UTC, whatever the image's own zone.
    let created = created.map(|created| created.to_string());
    Ok(Found { digest, platforms, onbuild, created })
}
