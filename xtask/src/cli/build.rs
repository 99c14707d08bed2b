//! What can be typed to build, run and test.

use camino::Utf8PathBuf;
use clap::Args;

use crate::reference::Platform;
use crate::workspace::Channel;

/// What `plan` and `build` have in common.
#[expect(clippy::struct_excessive_bools, reason = "each is an option that a person gives or not")]
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BuildArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Build for this platform instead of the machine's own; several with commas
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', conflicts_with = "all_platforms")]
    pub platform: Vec<Platform>,
    /// Build for every platform of each image
    #[arg(long)]
    pub all_platforms: bool,
    /// The occasion that the tags are for (default: `release` at a version tag, else `dev`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Build the named images although they are up to date
    #[arg(long)]
    pub force: bool,
    /// Build the named images without BuildKit's cache
    #[arg(long)]
    pub no_cache: bool,
    /// Look up unlocked bases again
    #[arg(long)]
    pub pull: bool,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Set a build argument, for every named image or for one; a key input like `[args]`
    #[arg(long, value_name = "[ID:]KEY=VALUE")]
    pub build_arg: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an option that a person gives or not")]
#[derive(Debug, Args)]
pub(crate) struct BuildCommand {
    #[command(flatten)]
    pub build: BuildArgs,
    /// Bring an engine up where none is reached, and make bases from Debian's archive where no registry is
    #[arg(long)]
    pub setup: bool,
    /// Only show what would be done: the same as `plan`
    #[arg(long)]
    pub dry_run: bool,
    /// How many images to build at once (default: 8, and more of those that take seconds)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Go on with what does not depend on a failure
    #[arg(short, long)]
    pub keep_going: bool,
    /// Write the caches that images have in registries (`cache`), as `push` does
    #[arg(long)]
    pub write_cache: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// An id, id:variant, name or folder
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Mount something, as `docker run --volume` does: HOST:CONTAINER[:OPTIONS]
    #[arg(long, value_name = "VOLUME")]
    pub volume: Vec<String>,
    /// Mount this folder at /work, and start there; the image's user must be able to write it
    #[arg(long, value_name = "DIR")]
    pub mount: Option<Utf8PathBuf>,
    /// Build it first where it is stale
    #[arg(long)]
    pub build: bool,
    /// What to run instead of the image's own command, through its entry point
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an option that a person gives or not")]
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Test this platform instead of the machine's own; several with commas
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', conflicts_with = "all_platforms")]
    pub platform: Vec<Platform>,
    /// Test every platform of each image; those that cannot run here are reported as not run
    #[arg(long)]
    pub all_platforms: bool,
    /// How many images to build or test at once
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Test everything although something failed
    #[arg(short, long)]
    pub keep_going: bool,
    /// Test again what has passed before
    #[arg(long)]
    pub force: bool,
    /// The buildx builder
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Set a build argument, as for `build`
    #[arg(long, value_name = "[ID:]KEY=VALUE")]
    pub build_arg: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
