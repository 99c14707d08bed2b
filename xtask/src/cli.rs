//! What can be typed. Types only: `command` says what each does.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::cache::{Age, Size};
use crate::engine::substitute::Word;
use crate::new::Template;
use crate::reference::{Platform, Tag};
use crate::workspace::{Channel, parse_duration};

/// A registry that is silent for longer is of no use.
const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// Builds, tests and publishes a monorepo of container images.
///
/// Each image's folder holds a Dockerfile and an `image.toml`. From these Dockyard knows which image needs which, what
/// is stale and why, and drives `docker buildx` in that order.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  cargo xtask list                                what is there
  cargo xtask plan                                what would be built, and why
  cargo xtask build notebook-processor --setup    build one image, on a machine without Docker too
  cargo xtask run notebook-processor              try it
  cargo xtask test notebook-processor             test it
  cargo xtask doctor                              what this machine lacks

Exit status: 0 done, 1 a step failed or a check found something,
2 usage or configuration, 130 interrupted. `run` ends with its container's.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The workspace (default: the nearest folder above with [workspace.metadata.dockyard])
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<Utf8PathBuf>,
    /// More detail; the whole output of builds
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Only failures
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// Ask no registry (a build still fetches the bases that the engine lacks)
    #[arg(long, global = true)]
    pub offline: bool,
}

impl Global {
    /// For work on the workspace at `root` that nobody typed.
    pub(crate) fn at(root: &camino::Utf8Path) -> Self {
        let root = Some(root.to_owned());
        Self { root, verbose: false, quiet: true, color: When::Auto, offline: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the images of the workspace
    #[command(after_help = "Examples:\n  cargo xtask list\n  cargo xtask list --json")]
    List(ListArgs),
    /// Show which image needs which
    #[command(after_help = "Examples:\n  cargo xtask graph\n  cargo xtask graph --format mermaid")]
    Graph(GraphArgs),
    /// Show the tags that each image gets, and where each comes from
    #[command(after_help = "Examples:\n  cargo xtask tags\n  cargo xtask tags --channel release")]
    Tags(TagsArgs),
    /// Show what `build` would do, and why
    #[command(
        after_help = "Examples:\n  cargo xtask plan\n  cargo xtask plan notebook-processor --json"
    )]
    Plan(BuildArgs),
    /// Build what is stale, parents first
    #[command(after_help = "Examples:
  cargo xtask build                                 everything
  cargo xtask build notebook-processor --setup      one image; bring an engine up if there is none
  cargo xtask build services/notebook-processor     the same, by folder
  cargo xtask build --jobs 2 --keep-going
  cargo xtask build base --build-arg base:DEBUG=1")]
    Build(BuildCommand),
    /// Show what made an image stale, or when and why it was last built
    #[command(
        after_help = "Examples:\n  cargo xtask why notebook-processor\n  cargo xtask why base --json"
    )]
    Why(WhyArgs),
    /// Show which images a change affects
    #[command(
        after_help = "Examples:\n  cargo xtask affected --since origin/main\n  cargo xtask affected --since v1.2.0 --json"
    )]
    Affected(AffectedArgs),
    /// Make locks agree with what they lock: each image's pixi.lock, and images.lock for bases from elsewhere
    #[command(
        name = "lock-update",
        after_help = "Examples:
  cargo xtask lock-update                          lock what is new, drop what is gone, move nothing
  cargo xtask lock-update --upgrade                everything to the newest
  cargo xtask lock-update --upgrade pytorch        one package, wherever it is locked
  cargo xtask lock-update --upgrade debian:trixie-slim
  cargo xtask lock-update notebook-processor --only pixi
  cargo xtask lock-update --upgrade --format markdown    for a pull request
  cargo xtask lock-update --check                  change nothing, fail where something is stale"
    )]
    LockUpdate(LockUpdateArgs),
    /// Show newer digests and tags of the bases that Dockerfiles name
    #[command(after_help = "Examples:
  cargo xtask outdated
  cargo xtask outdated notebook-processor --json
  cargo xtask outdated --patch | git apply

A newer tag has the same shape: `noble-cuda-13.0.0` becomes `noble-cuda-13.1.0`, `3.12-slim` becomes `3.13-slim`,
and neither a pre-release. `lock-update --upgrade` takes newer digests over.")]
    Outdated(OutdatedArgs),
    /// Start a container of an image, removed when it ends
    #[command(after_help = "Examples:
  cargo xtask run notebook-processor                      its own command
  cargo xtask run plantuml-converter -- convert --help    words for its entry point
  cargo xtask run notebook-processor --mount DIR -- convert in.ipynb out.html")]
    Run(RunArgs),
    /// Test images in containers, as their [test] and [limits] say; what is stale is built first
    #[command(after_help = "Examples:
  cargo xtask test                                 every image, on the machine's own platform
  cargo xtask test notebook-processor --verbose    each check as it ends
  cargo xtask test --all-platforms --keep-going
  cargo xtask test base --force                    although it has passed before

An image whose digest and tests have not changed since they passed is not tested again.")]
    Test(TestArgs),
    /// Publish images: content first, then immutable tags, then the others, all or nothing
    #[command(after_help = "Examples:
  cargo xtask push --dry-run                        what would be written
  cargo xtask push                                  everything
  cargo xtask push --user alice notebook-processor  to docker.io/alice
  cargo xtask push --channel dev --registry ghcr.io
  cargo xtask push --allow-move latest              also where `latest` would go back

After a failure or an interruption the same command finishes what was begun.")]
    Push(PushArgs),
    /// Give published images the tags of another channel, without building
    #[command(after_help = "Examples:
  cargo xtask promote --channel release
  cargo xtask promote chai1 --channel main --dry-run")]
    Promote(PromoteArgs),
    /// Show what is published of an image: labels, digests, tags, layers, and whether it is today's
    #[command(
        after_help = "Examples:\n  cargo xtask inspect notebook-processor\n  cargo xtask inspect base --json"
    )]
    Inspect(InspectArgs),
    /// Write the folder of a new image; nothing that exists is overwritten
    #[command(after_help = "Examples:
  cargo xtask new services/search --template service
  cargo xtask new images/analysis --template pixi --dry-run

The folder's name is the image's id.")]
    New(NewArgs),
    /// Look for what works, and costs time, caching or trust: Dockyard's rules and BuildKit's own
    #[command(after_help = "Examples:
  cargo xtask lint
  cargo xtask lint notebook-processor --json

`# dockyard: allow(RULE)` on the line before a finding allows it. The exit status is 1 where something is found.")]
    Lint(LintArgs),
    /// Show BuildKit's cache, or make it smaller
    #[command(
        subcommand,
        after_help = "Examples:
  cargo xtask cache du
  cargo xtask cache prune --older-than 168h --keep 20GB
  cargo xtask cache prune --older-than 7d --dry-run"
    )]
    Cache(CacheCommand),
    /// Show what this machine has and lacks for building, each with its mend
    #[command(
        after_help = "Examples:\n  cargo xtask doctor\n  cargo xtask doctor --offline --json"
    )]
    Doctor(DoctorArgs),
    /// Start, stop or show the private engine, for a machine without Docker
    #[command(
        subcommand,
        after_help = "Examples:
  cargo xtask engine start
  cargo xtask engine status          prints DOCKER_HOST=…, for your own docker commands
  cargo xtask engine stop --purge"
    )]
    Engine(EngineCommand),
}

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
    /// How many images to build at once (default: 8)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Go on with what does not depend on a failure
    #[arg(short, long)]
    pub keep_going: bool,
}

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
