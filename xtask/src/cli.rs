//! What can be typed. Types only: `command` says what each does.

mod build;
mod ci;
mod house;
mod lock;
mod look;
mod publish;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use build::{BuildArgs, BuildCommand, RunArgs, TestArgs};
pub(crate) use ci::{
    CiBuildArgs, CiCheckArgs, CiCommand, CiGenerateArgs, CiPlanArgs, CiPublishArgs,
};
pub(crate) use house::{
    AdoptArgs, CacheCommand, CacheDu, CachePrune, CleanArgs, DoctorArgs, EngineCommand, LintArgs,
    NewArgs,
};
pub(crate) use lock::{LockFormat, LockUpdateArgs, Locks, OutdatedArgs};
pub(crate) use look::{
    AffectedArgs, GraphArgs, GraphFormat, InspectArgs, ListArgs, TagsArgs, WhyArgs,
};
pub(crate) use publish::{PromoteArgs, PublicationArgs, PushArgs};

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
    /// Take over the repository you are in, or the one of --root: its Dockerfiles, as its scripts and workflows build them
    #[command(after_help = "Examples:
  cargo xtask adopt --dry-run                         what would be written, and the plan
  cargo xtask adopt
  cargo xtask adopt --root ../their-repository        from a clone of Dockyard
  cargo xtask adopt --dockyard https://git.example.org/dockyard

It reads what git tracks: Dockerfiles, workflows, bake and compose files, devcontainers, and the docker commands in
shell scripts, PowerShell and Makefiles. It runs nothing of it, and edits nothing that exists: lines that belong into
such a file are shown. A comment `# unsure:` marks what needs a look.")]
    Adopt(AdoptArgs),
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
    /// Remove images that builds of this workspace have left in the engine, or that a label or name picks
    #[command(after_help = "Examples:
  cargo xtask clean --dry-run                                what would go, and why
  cargo xtask clean --yes --older-than 7d
  cargo xtask clean --name 'acme/*-base:0.2.0'               images of an older layout
  cargo xtask clean --label org.example.layout=1 --dry-run

Without --label and --name: earlier key-… names of this workspace's images, images of its own
without a name, and what targets that are gone have left in target/dockyard.
Another checkout on the same engine builds again what it misses. What a container uses, and what
this workspace built last, always stays. BuildKit's cache is for `cache prune`.")]
    Clean(CleanArgs),
    /// The workflow of CI, and the commands that its jobs call; each works anywhere
    #[command(subcommand)]
    Ci(CiCommand),
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
