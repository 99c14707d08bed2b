//! What building one target of a Dockerfile reaches, needs and reads, for one platform and one set of arguments.
//! (`dockerfile2llb/convert.go`)

mod checks;
mod environment;
mod evaluate;
mod images;
mod nodes;
mod platform;
mod reach;
mod reads;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dockyard_context::Selection;

use super::Dockerfile;
use crate::mistake::{Mistakes, Place};
use crate::reference::{Platform, Reference};

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Build arguments.
    pub args: &'a BTreeMap<String, String>,
    /// A stage's name, in any case, as `--target`; nothing is the last stage.
    pub target: Option<&'a str>,
    pub platform: &'a Platform,
    /// The builder's own.
    pub build_platform: &'a Platform,
    /// Names of further contexts that are given with `--build-context`.
    pub contexts: &'a BTreeSet<String>,
}

/// What a build reaches, needs and reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The reached stages, in the order of the file.
    pub stages: Vec<ReachedStage>,
    /// Every reference that is not a stage, of reached stages, in the order of the file.
    pub images: Vec<ImageUse>,
    /// Everything that reached stages read from the build context or a named context, in the order of the file.
    pub reads: Vec<ContextRead>,
    /// The keys of `LABEL` in the target stage and the stages below it.
    pub labels: BTreeSet<String>,
    /// Whether there is a `LABEL` whose key depends on the environment of an external image.
    pub labels_unknown: bool,
    /// The image in `images` that the target stage starts from, through other stages. Nothing: scratch or a context.
    pub final_base: Option<usize>,
    pub arguments: Arguments,
}

impl Resolved {
    /// Whether nothing but `LABEL` can see the value of the build argument `argument`, so that no layer depends on it.
    ///
    /// # Errors
    /// The first instruction that can see it.
    pub fn only_labels_see(&self, argument: &str) -> Result<(), Sighting> {
        self.arguments.sighting(argument).map_or(Ok(()), Err)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedStage {
    pub index: usize,
    /// In lower case.
    pub name: Option<String>,
    /// What the stage is built for: of its base where that is a stage, the target's where it is scratch.
    pub platform: Platform,
    pub base: Base,
    /// Whether a program of its base runs in it.
    pub runs: bool,
    pub line: u32,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    Scratch,
    /// The index of a stage.
    Stage(usize),
    /// An index into [`Resolved::images`].
    Image(usize),
    /// A named context. It stands for the stage itself where that has the name: then none of its instructions runs.
    Context(String),
}

/// How a reference is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    From,
    CopyFrom,
    MountFrom,
    /// A further named context that is an image.
    Context,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::From => "FROM",
            Self::CopyFrom => "COPY --from",
            Self::MountFrom => "RUN --mount=from",
            Self::Context => "context",
        })
    }
}

/// A reference to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUse {
    pub reference: Reference,
    /// As in the file.
    pub written: String,
    /// The global argument that is the whole of it: `$X`, `${X}`, `${X:-default}`.
    pub argument: Option<String>,
    pub via: Via,
    /// `FROM`: as `--platform` asks, else the target's. Everything else: the target's, whatever the stage's.
    pub platform: Platform,
    pub stage: usize,
    pub place: Place,
    /// Whether a context under this reference's name would also replace a stage of the file.
    pub collides: bool,
}

/// Something that is read from a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextRead {
    /// A named context, or the build context.
    pub context: Option<String>,
    pub reading: Reading,
    /// `COPY`, `RUN --mount`, …
    pub instruction: String,
    pub line: u32,
    pub stage: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// These files and folders with all that is in them.
    Paths {
        /// Cleaned and relative to the context's root, `.` for all of it. Symbolic links on the way are followed inside
        /// the context. Wildcards (`*`, `?`, `[]`) match as Go's `filepath.Match`; none need match.
        sources: Vec<String>,
        /// `--exclude`, patterns as in `.dockerignore`.
        excludes: Vec<String>,
        /// `COPY --parents`: wildcards match as in `.dockerignore` (`**` too), and the folders above a source count.
        parents: bool,
    },
    /// It cannot be known which.
    Whole { why: String },
    /// Nobody can know whether what is read has changed.
    Always { why: String },
}

impl Reading {
    /// What is asked of the context; all of it where that is not known.
    pub fn selection(&self) -> Selection {
        match self.clone() {
            Self::Paths { sources, excludes, parents } => {
                Selection::Paths { sources, excludes, parents }
            }
            Self::Whole { .. } | Self::Always { .. } => Selection::Whole,
        }
    }
}

/// Which arguments are declared, and who sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Before the first `FROM`.
    pub global: BTreeSet<String>,
    /// By reached stage. A stage also has those of the stage it starts from.
    pub stages: BTreeMap<usize, BTreeSet<String>>,
    sightings: BTreeMap<String, Sighting>,
    first_line: u32,
}

/// An instruction that can see the value of an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    pub line: u32,
    /// `RUN`, `FROM`, …
    pub instruction: String,
}

impl Arguments {
    fn sighting(&self, argument: &str) -> Option<Sighting> {
        if reaches_every_run(argument) {
            return Some(Sighting {
                line: self.first_line,
                instruction: "BuildKit itself".to_owned(),
            });
        }
        self.sightings.get(argument).cloned()
    }
}

/// Arguments that change a build without being declared: the proxies, and BuildKit's own.
fn reaches_every_run(argument: &str) -> bool {
    let proxy = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];
    argument.starts_with("BUILDKIT_")
        || argument == "SOURCE_DATE_EPOCH"
        || proxy.iter().any(|proxy| argument.eq_ignore_ascii_case(proxy))
}

/// The `ONBUILD` triggers of external images.
pub(super) type Triggers = BTreeMap<Reference, Vec<String>>;

pub(super) fn resolve(
    file: &Dockerfile,
    request: &Request<'_>,
    triggers: &Triggers,
) -> Result<Resolved, Mistakes> {
    let graph = nodes::build(file, request, triggers)?;
    evaluate::evaluate(file, request, &graph)
}
