//! What can be typed to look at a workspace, its images and their reasons.

use clap::{Args, ValueEnum};

use crate::workspace::Channel;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A tree for the terminal, a picture's source, or data
    #[arg(long, value_enum, default_value_t = GraphFormat::Tree)]
    pub format: GraphFormat,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Tree,
    Mermaid,
    Dot,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct TagsArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// The occasion that the tags are for (default: `release` at a version tag, else `dev`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// An id, id:variant, name or folder
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The channel whose tags are shown (default: `release`)
    #[arg(long, value_enum)]
    pub channel: Option<Channel>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// An id, id:variant, name or folder
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The buildx builder
    #[arg(long, value_name = "BUILDER", env = "BUILDX_BUILDER", hide_env_values = true)]
    pub builder: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AffectedArgs {
    /// Images: an id, id:variant, name or folder (default: all)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A branch, tag or commit: the work tree is compared with where the two histories part
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    pub since: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
