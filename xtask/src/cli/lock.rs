//! What can be typed about locks.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct LockUpdateArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Move to the newest: everything, or a package or base of this name; repeat for several
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = clap::ArgAction::Append)]
    pub upgrade: Vec<String>,
    /// Only these locks
    #[arg(long, value_enum)]
    pub only: Option<Locks>,
    /// Change nothing, and fail where a lock is stale
    #[arg(long)]
    pub check: bool,
    /// pixi's program (default: the one on PATH, else the image ghcr.io/prefix-dev/pixi)
    #[arg(long, value_name = "PATH")]
    pub pixi: Option<Utf8PathBuf>,
    /// How many locks to solve at once (default: as many as the machine has cores, 8 at most)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// How to show what changed
    #[arg(long, value_enum, default_value_t = LockFormat::Table)]
    pub format: LockFormat,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Locks {
    /// Each image's pixi.lock
    Pixi,
    /// images.lock
    Bases,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LockFormat {
    Table,
    Markdown,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct OutdatedArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Print a patch that writes the newer tags, for `git apply`
    #[arg(long, conflicts_with = "json")]
    pub patch: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
