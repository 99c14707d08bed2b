//! What can be typed to publish.

use std::time::Duration;

use clap::Args;

use crate::reference::Tag;
use crate::workspace::{Channel, parse_duration};

/// A registry that is silent for longer is of no use.
const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// What is published, where, and which tags may move.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PublicationArgs {
    /// Images: an id, id:variant, name or folder (default: all that are published)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Publish to docker.io/USER instead of the registries of the workspace
    #[arg(long, value_name = "USER", conflicts_with = "registry")]
    pub user: Option<String>,
    /// Only to repositories of this host, or below this prefix; repeat for several
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Vec<String>,
    /// Only show what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Let this tag move although it would not move forward; repeat for several
    #[arg(long, value_name = "TAG")]
    pub allow_move: Vec<Tag>,
    /// How long a registry may be silent, as 90s or 2m; all pauses and attempts are in proportion (default: 60s)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub registry_timeout: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    pub publication: PublicationArgs,
    /// The occasion that the tags are for (default: CI's event, else `release`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Publish although inputs differ from HEAD
    #[arg(long)]
    pub allow_dirty: bool,
    /// How many images to build at once (default: 8)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    pub publication: PublicationArgs,
    /// The channel whose tags they get
    #[arg(long, value_enum)]
    pub channel: Channel,
}

/// `500ms`, `90s`, `2m`, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let milliseconds = text.strip_suffix("ms").and_then(|number| number.trim().parse().ok());
    let time = milliseconds
        .map(Duration::from_millis)
        .or_else(|| parse_duration(text).map(Duration::from_secs))
        .filter(|time| !time.is_zero() && *time <= LONGEST_SILENCE);
    time.ok_or_else(|| "a time of 1ms to 1h, as 90s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::time;

    #[test]
    fn times() {
        for (text, milliseconds) in [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("2m", Some(120_000)),
            ("7", Some(7_000)),
            ("0", None),
            ("-1s", None),
            ("2h", None),
            ("ms", None),
            ("soon", None),
        ] {
            assert_eq!(time(text).ok(), milliseconds.map(Duration::from_millis), "{text}");
        }
    }
}
