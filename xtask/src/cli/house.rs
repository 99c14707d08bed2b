//! What can be typed to keep the house: new images, lint, caches, engines.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use crate::clean::{Label, NamePattern};
use crate::engine::cache::{Age, Size};
use crate::engine::substitute::Word;
use crate::new::Template;

#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// Where the repository's xtask gets Dockyard from: the address of a git repository, or a folder
    #[arg(long, value_name = "URL|PATH")]
    pub dockyard: Option<String>,
    /// Only show what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The folder, relative to where you are
    #[arg(value_name = "FOLDER")]
    pub folder: Utf8PathBuf,
    /// What kind of image to begin with
    #[arg(short, long, value_enum)]
    pub template: Template,
    /// Only show what would be written
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show what it holds, by type
    Du(CacheDu),
    /// Remove what nothing uses
    Prune(CachePrune),
}

#[derive(Debug, Args)]
pub(crate) struct CacheDu {
    /// Only what was not used for so long: hours, minutes or days (168h, 90m, 7d)
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<Age>,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CachePrune {
    /// Only what was not used for so long: hours, minutes or days (168h, 90m, 7d)
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<Age>,
    /// Stop when so much is left (20GB, 512MB, 10GiB); what was used last stays
    #[arg(long, value_name = "SIZE")]
    pub keep: Option<Size>,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Only show what could go
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// Instead: images that carry this label (KEY or KEY=VALUE); of several, all
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<Label>,
    /// Instead: names that match this pattern (`*`, `?`; without a tag: every tag); of several, any
    #[arg(long, value_name = "PATTERN")]
    pub name: Vec<NamePattern>,
    /// Only images that were made so long ago: hours, minutes or days (168h, 90m, 7d)
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<Age>,
    /// Only show what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The buildx builder to look at
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// Bring the private engine up (Linux with apt, as root); any other engine is left alone
    Start(EngineStart),
    /// Stop it
    Stop {
        /// Also remove its programs, images and caches
        #[arg(long)]
        purge: bool,
    },
    /// Show whether it runs
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EngineStart {
    /// A mirror of Docker Hub; repeat for several
    #[arg(long, value_name = "URL")]
    pub registry_mirror: Vec<String>,
    /// A registry without TLS (HOST:PORT); repeat for several
    #[arg(long, value_name = "HOST")]
    pub insecure_registry: Vec<String>,
    /// Debian's archive, where the system's own packages are too old (default: `http://deb.debian.org/debian`)
    #[arg(long, value_name = "URL")]
    pub debian_mirror: Option<String>,
    /// The suite of Debian to take Docker from, e.g. `sid` (default: this system's own, else trixie)
    #[arg(long, value_name = "SUITE")]
    pub suite: Option<Word>,
    /// With Docker's classic image store instead of containerd's
    #[arg(long)]
    pub classic_store: bool,
}
