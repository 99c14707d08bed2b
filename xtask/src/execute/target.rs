//! One target of a plan: parents bound, built, looked at again, recorded.

mod kept;
mod parents;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use kept::replaced;
use parents::{Looked, Ready};
pub use together::Logged;

use super::replaced::Replaced;
use crate::engine::build::{BuildFailure, Built, run_build};
use crate::engine::buildx::{Build, Parent};
use crate::engine::progress::Event;
use crate::engine::{Builder, Caching, Engine, StoredImage, sources};
use crate::key::{Identity, Record, Records};
use crate::plan::{Action, Held, Step};
use crate::reference::{Digest, Reference};
use crate::workspace::{SecretSource, TargetName};

/// How often a build is run again that failed by what other builds did at the same moment (`BuildFailure::lost_a_name`,
/// `BuildFailure::lost_a_session`, `BuildFailure::lost_patience`). Its steps are cached by then.
const AGAIN: u32 = 3;

/// Everything that the work on any target needs.
pub struct Workshop<'a> {
    pub engine: &'a Engine,
    /// Nothing where nothing is to be built.
    pub builder: Option<&'a Builder>,
    pub root: &'a Utf8Path,
    /// For this run alone: metadata files and layouts.
    pub scratch: &'a Utf8Path,
    pub records: &'a Records,
    pub no_cache: bool,
    pub caching: Caching,
    /// Whether the files that a target is built from are still those that its key was made from.
    pub unchanged: &'a (dyn Fn(&Step) -> bool + Sync),
    done: Mutex<BTreeMap<TargetName, Ready>>,
    /// Held by a build that is run again because it shared a step with another.
    alone: Mutex<()>,
    /// Whether builds that were done together have failed: no more of this run are.
    apart: AtomicBool,
    replaced: Mutex<Replaced>,
}

/// What is to be done for a step.
enum Start<'s> {
    UpToDate(Made),
    Build(Box<Prepared<'s>>),
}

/// A build whose parents are there.
struct Prepared<'s> {
    step: &'s Step,
    /// The step with the labels that name its parents.
    labelled: Step,
    parents: BTreeMap<TargetName, Parent>,
    /// What the image will say of itself: the digests of its parents are those that were bound.
    identity: Identity,
    previous: Vec<Record>,
    metadata_file: Utf8PathBuf,
    secrets: BTreeMap<String, String>,
}

/// A target that is up to date now.
#[derive(Debug)]
pub struct Made {
    pub built: bool,
    /// Whether the inputs were still those of the key when it ended, so that a later run can skip it.
    pub recorded: bool,
    pub digest: Digest,
    /// As the engine's store counts them.
    pub bytes: u64,
    pub seconds: Option<f64>,
    pub log: Option<Utf8PathBuf>,
    /// What a person should know although all went well.
    pub notes: Vec<String>,
}

/// Why there is no image.
#[derive(Debug)]
pub enum NotMade {
    Build(Box<BuildFailure>),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for NotMade {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl<'a> Workshop<'a> {
    pub fn new(
        engine: &'a Engine,
        builder: Option<&'a Builder>,
        root: &'a Utf8Path,
        scratch: &'a Utf8Path,
        records: &'a Records,
        no_cache: bool,
        unchanged: &'a (dyn Fn(&Step) -> bool + Sync),
    ) -> Self {
        Self {
            engine,
            builder,
            root,
            scratch,
            records,
            no_cache,
            caching: Caching::default(),
            unchanged,
            done: Mutex::default(),
            alone: Mutex::default(),
            apart: AtomicBool::new(false),
            replaced: Mutex::default(),
        }
    }

    /// With caches beyond the builder's own.
    #[must_use]
    pub fn with_caching(self, caching: Caching) -> Self {
        Self { caching, ..self }
    }

    /// Makes `step`'s image, or finds that it is up to date.
    ///
    /// # Errors
    /// When the build fails, or the engine does.
    pub fn make(
        &self,
        step: &Step,
        log: &Utf8Path,
        sink: &(dyn Fn(&Event) + Sync),
    ) -> Result<Made, NotMade> {
        match self.prepare(step)? {
            Start::UpToDate(made) => Ok(made),
            Start::Build(prepared) => self.build(&prepared, log, sink, Duration::ZERO),
        }
    }

    fn prepare<'s>(&self, step: &'s Step) -> anyhow::Result<Start<'s>> {
        let previous: Vec<Record> = step
            .platforms
            .iter()
            .filter_map(|platform| self.records.read(&step.name(), platform))
            .collect();
        if step.action == Action::Skip
            || (step.only_parents && self.parents_are_the_same(step, &previous))
        {
            return Ok(Start::UpToDate(self.skip(step)?));
        }
        let parents = self.bind_parents(step)?;
        let mut labelled = step.clone();
        let identity = Identity { key: step.key.clone(), parents: self.digests_of_parents(step) };
        labelled.labels.extend(identity.labels());
        // A parent that is bound by digest is what the label names.
        if let Some(base) = step.parents.iter().find(|edge| edge.is_base)
            && let Some(digest) = identity.parents.get(&base.parent.to_string())
        {
            labelled
                .labels
                .insert("org.opencontainers.image.base.digest".to_owned(), digest.to_string());
        }
        let metadata_file = self.scratch.join(format!("{}.metadata.json", file_name(&step.name())));
        let secrets = secrets(step);
        Ok(Start::Build(Box::new(Prepared {
            step,
            labelled,
            parents,
            identity,
            previous,
            metadata_file,
            secrets,
        })))
    }

    /// Builds it by a process of its own, where another has done so for the time `before`.
    fn build(
        &self,
        prepared: &Prepared<'_>,
        log: &Utf8Path,
        sink: &(dyn Fn(&Event) + Sync),
        before: Duration,
    ) -> Result<Made, NotMade> {
        let mut build = self.build_of(prepared)?;
        let name = file_name(&prepared.step.name());
        let policy = self.write_policy(&name, &build.engine_images())?;
        build.source_policy = policy.as_deref();
        let invocation = build.invocation();
        let start = Instant::now();
        let mut built = run_build(&invocation, log, sink);
        for _ in 0..AGAIN {
            built = match built {
                Err(failure) if failure.lost_a_name() || failure.lost_patience() => {
                    run_build(&invocation, log, sink)
                }
                Err(failure) if failure.lost_a_session() => {
                    // One at a time: side by side, they would share a step and its session once more.
                    let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
                    run_build(&invocation, log, sink)
                }
                other => other,
            };
        }
        let mut built = built.map_err(NotMade::Build)?;
        built.time = before + start.elapsed();
        let looked = Looked::new(self, std::iter::once(prepared));
        let image = self.engine.stored(&prepared.step.local_name())?;
        self.settle(prepared, built, image, &looked)
    }

    fn build_of<'p>(&'p self, prepared: &'p Prepared<'_>) -> anyhow::Result<Build<'p>> {
        Ok(Build {
            engine: self.engine,
            builder: self.builder()?,
            root: self.root,
            step: &prepared.labelled,
            parents: &prepared.parents,
            metadata_file: &prepared.metadata_file,
            source_policy: None,
            no_cache: self.no_cache && prepared.step.named,
            caching: &self.caching,
            secrets: &prepared.secrets,
        })
    }

    /// Writes the source policy of a build of this `name`, where it needs one.
    fn write_policy(
        &self,
        name: &str,
        images: &BTreeSet<Reference>,
    ) -> anyhow::Result<Option<Utf8PathBuf>> {
        if images.is_empty() {
            return Ok(None);
        }
        let file = self.scratch.join(format!("{name}.policy.json"));
        std::fs::write(&file, sources::engine_first(images))
            .with_context(|| format!("failed to write {file}"))?;
        Ok(Some(file))
    }

    /// What has to be done when a build has ended well; `image` is what the engine has under its name.
    fn settle(
        &self,
        prepared: &Prepared<'_>,
        built: Built,
        image: Option<StoredImage>,
        looked: &Looked,
    ) -> Result<Made, NotMade> {
        let Prepared { step, previous, identity, .. } = prepared;
        let image = image.with_context(|| {
            let name = step.local_name();
            format!("the build ended well, but the engine has no image {name}; is the builder loading into it?")
        })?;
        let mut made = Made {
            built: true,
            recorded: false,
            digest: image.id.clone(),
            bytes: image.bytes,
            seconds: Some(built.time.as_secs_f64()),
            log: Some(built.log),
            notes: Vec::new(),
        };
        made.notes.extend(built.cache_troubles.iter().map(|trouble| {
            format!("{} was built, and its cache was not written: {trouble}", step.name())
        }));
        let doubt = if Identity::read(&image.labels).as_ref() != Some(identity) {
            Some("another process built its image at the same time".to_owned())
        } else if let Some(why) = looked.doubt(&identity.parents) {
            Some(why)
        } else if !(self.unchanged)(step) {
            Some("its inputs changed while it was built".to_owned())
        } else {
            None
        };
        if let Some(why) = doubt {
            for platform in &step.platforms {
                self.records.forget(&step.name(), platform);
            }
            let name = step.name();
            made.notes.push(format!("{name}: {why}, so the build is not recorded; build it again"));
        } else {
            let replaced = replaced(step, previous);
            self.record(step, &image, &identity.parents, &replaced, built.time.as_secs_f64())?;
            // The image is there and recorded; names that stay are tried again by the next build.
            if let Err(error) = self.drop_later(step, replaced, previous) {
                made.notes.push(format!("an earlier image stays in the engine: {error:#}"));
            }
            made.recorded = true;
        }
        self.ready(step, &image.id, Some(looked.at));
        Ok(made)
    }

    fn builder(&self) -> anyhow::Result<&'a Builder> {
        self.builder.context("nothing was to be built, and so no builder was looked for")
    }

    fn skip(&self, step: &Step) -> anyhow::Result<Made> {
        let digest = step.present.clone().context("an image that is skipped must be there")?;
        // A plan asks for all images at once; asking for each again would be most of a run that builds nothing.
        let planned = step.held.clone().filter(|_| step.action == Action::Skip);
        let (tags, bytes) = match planned {
            Some(Held { tags, bytes: Some(bytes) }) => (tags, bytes),
            _ => {
                let image = self.engine.image(digest.as_str())?.with_context(|| {
                    format!("the image {digest} has gone from the engine since this run looked for it; build again")
                })?;
                (image.tags, image.size)
            }
        };
        for name in step.local_names() {
            if !tags.iter().any(|tag| same_name(tag, &name)) {
                self.engine.tag(digest.as_str(), &name)?;
            }
        }
        self.ready(step, &digest, None);
        Ok(Made {
            built: false,
            recorded: true,
            digest,
            bytes,
            seconds: None,
            log: None,
            notes: Vec::new(),
        })
    }
}

/// The secrets that come from variables of this process.
pub fn secrets(step: &Step) -> BTreeMap<String, String> {
    let of_source = |source: &SecretSource| match source {
        SecretSource::Env(name) => Some((name.clone(), std::env::var(name).ok()?)),
        SecretSource::File(_) => None,
    };
    step.target.secrets.values().filter_map(of_source).collect()
}

/// A target's name as part of a file's: `id@variant`.
pub fn file_name(name: &TargetName) -> String {
    name.variant
        .as_ref()
        .map_or_else(|| name.id.to_string(), |variant| format!("{}@{variant}", name.id))
}

/// Whether two names of an image mean the same; the engine writes Docker Hub's both with and without the host.
fn same_name(a: &str, b: &str) -> bool {
    let parse = |name: &str| name.parse::<crate::reference::Reference>().ok();
    a == b || (parse(a).is_some() && parse(a) == parse(b))
}
