//! What can be typed for CI.

use clap::{Args, Subcommand};

use super::PublicationArgs;
use crate::reference::Platform;
use crate::workspace::{Channel, TargetName};

#[derive(Debug, Subcommand)]
pub(crate) enum CiCommand {
    /// Write GitHub's workflows from the graph
    #[command(after_help = "Examples:
  cargo xtask ci generate
  cargo xtask ci generate --check    in a test: fails where a workflow is not what would be written

[workspace.metadata.dockyard.ci] has what there is to choose: branch, schedule, runners.")]
    Generate(CiGenerateArgs),
    /// Show which jobs have work, and why: what is not staged under today's keys
    #[command(after_help = "Examples:
  cargo xtask ci plan
  cargo xtask ci plan notebook-processor --json
  GITHUB_EVENT_NAME=pull_request GITHUB_ACTIONS=true cargo xtask ci plan    as in a pull request

In a job, `jobs`, `components` and `publish` are appended to $GITHUB_OUTPUT, and a table to $GITHUB_STEP_SUMMARY.
$DOCKYARD_IMAGES names images as the arguments do: ids between commas or blanks, and nothing else.")]
    Plan(CiPlanArgs),
    /// Build one image for one platform on its staged parents, send it under its key, and test exactly that
    #[command(after_help = "Examples:
  cargo xtask ci build notebook-processor --platform linux/amd64
  cargo xtask ci build notebook:gpu --platform linux/arm64

What is staged already is neither built nor sent again. In a job, `digest` is appended to $GITHUB_OUTPUT, and
$DOCKYARD_PARENTS says what the jobs of its parents have made: `TARGET PLATFORM DIGEST` on a line each.")]
    Build(CiBuildArgs),
    /// Make one image of what was built for each platform, and give it its tags, as `push` does; nothing is built
    #[command(after_help = "Examples:
  cargo xtask ci publish --dry-run
  cargo xtask ci publish --yes
  cargo xtask ci publish notebook-processor --channel dev --yes")]
    Publish(CiPublishArgs),
    /// Build and test what is stale around images, in this engine; nothing is sent anywhere
    #[command(after_help = "Examples:
  cargo xtask ci check
  cargo xtask ci check base

An image stands for all that hangs together with it: its parents, its children, and theirs. Stale is what is not staged
under today's keys; where no registry can be read, what differs from the base of the pull request, else everything.")]
    Check(CiCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CiPlanArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// The occasion (default: CI's event, else `release`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CiBuildArgs {
    /// The image: its id, or id:variant
    #[arg(value_name = "IMAGE")]
    pub image: TargetName,
    /// The platform to build for
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Platform,
    /// The occasion (default: CI's event, else `release`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Send it although inputs differ from HEAD
    #[arg(long)]
    pub allow_dirty: bool,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CiPublishArgs {
    #[command(flatten)]
    pub publication: PublicationArgs,
    /// The occasion that the tags are for (default: CI's event, else `release`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
}

#[derive(Debug, Args)]
pub(crate) struct CiCheckArgs {
    /// Images: an id, id:variant, name or folder; each with all that hangs together with it (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// How many images to build at once (default: 8)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// The buildx builder (default: the one that `docker buildx use` chose)
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CiGenerateArgs {
    /// Change nothing, and fail where a workflow is stale
    #[arg(long)]
    pub check: bool,
}
