//! One target of a plan: parents bound, built, looked at again, recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::replaced::{Names, Replaced};
use crate::engine::build::{BuildFailure, run_build};
use crate::engine::buildx::{Build, Parent};
use crate::engine::progress::Event;
use crate::engine::{Builder, Caching, Engine, LocalImage, layout};
use crate::key::{Identity, ReadRecord, Record, Records, SCHEMA};
use crate::plan::{Action, Held, Step};
use crate::reference::{Digest, Reference, Repository};
use crate::workspace::{SecretSource, TargetName};

/// How often a build is run again that failed by what other builds did at the same moment (`BuildFailure::lost_a_name`,
/// `BuildFailure::lost_a_session`). Its steps are cached by then.
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
    replaced: Mutex<Replaced>,
}

/// A target whose image children can be built on.
#[derive(Clone, Debug)]
enum Ready {
    InEngine {
        local_name: String,
        digest: Digest,
        /// Written once a builder needs it.
        layout: Option<Parent>,
    },
    InRegistry {
        repository: Repository,
        /// What is bound.
        bound: Digest,
        /// What children say that they were built on.
        digest: Digest,
    },
}

impl Ready {
    fn digest(&self) -> &Digest {
        let (Self::InEngine { digest, .. } | Self::InRegistry { digest, .. }) = self;
        digest
    }
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
        let previous: Vec<Record> = step
            .platforms
            .iter()
            .filter_map(|platform| self.records.read(&step.name(), platform))
            .collect();
        if step.action == Action::Skip
            || (step.only_parents && self.parents_are_the_same(step, &previous))
        {
            return Ok(self.skip(step)?);
        }
        let builder = self.builder()?;
        let parents = self.bind_parents(step)?;
        let bound = self.digests_of_parents(step);
        let mut labelled = step.clone();
        let identity = Identity { key: step.key.clone(), parents: bound.clone() };
        labelled.labels.extend(identity.labels());
        // A parent that is bound by digest is what the label names.
        if let Some(base) = step.parents.iter().find(|edge| edge.is_base)
            && let Some(digest) = bound.get(&base.parent.to_string())
        {
            labelled
                .labels
                .insert("org.opencontainers.image.base.digest".to_owned(), digest.to_string());
        }
        let metadata_file = self.scratch.join(format!("{}.metadata.json", file_name(&step.name())));
        let build = Build {
            engine: self.engine,
            builder,
            root: self.root,
            step: &labelled,
            parents: &parents,
            metadata_file: &metadata_file,
            no_cache: self.no_cache && step.named,
            caching: &self.caching,
            secrets: &secrets(step),
        };
        let invocation = build.invocation();
        let mut built = run_build(&invocation, log, sink);
        for _ in 0..AGAIN {
            built = match built {
                Err(failure) if failure.lost_a_name() => run_build(&invocation, log, sink),
                Err(failure) if failure.lost_a_session() => {
                    // One at a time: side by side, they would share a step and its session once more.
                    let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
                    run_build(&invocation, log, sink)
                }
                other => other,
            };
        }
        let built = built.map_err(NotMade::Build)?;
        let image = self.find(&step.local_name())?;
        let mut made = Made {
            built: true,
            recorded: false,
            digest: image.id.clone(),
            bytes: image.size,
            seconds: Some(built.time.as_secs_f64()),
            log: Some(built.log),
            notes: Vec::new(),
        };
        made.notes.extend(built.cache_troubles.iter().map(|trouble| {
            format!("{} was built, and its cache was not written: {trouble}", step.name())
        }));
        if (self.unchanged)(step) {
            let replaced = replaced(step, &previous);
            self.record(step, &image, &bound, &replaced, built.time.as_secs_f64())?;
            self.drop_later(step, replaced, &previous)?;
            made.recorded = true;
        } else {
            for platform in &step.platforms {
                self.records.forget(&step.name(), platform);
            }
            made.notes.push(format!(
                "the inputs of {} changed while it was built, so the build is not recorded; build it again",
                step.name()
            ));
        }
        self.ready(step, &image.id);
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
                let image = self.find(digest.as_str())?;
                (image.tags, image.size)
            }
        };
        for name in step.local_names() {
            if !tags.iter().any(|tag| same_name(tag, &name)) {
                self.engine.tag(digest.as_str(), &name)?;
            }
        }
        self.ready(step, &digest);
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

    fn find(&self, name: &str) -> anyhow::Result<LocalImage> {
        self.engine.image(name)?.with_context(|| {
            format!("the build ended well, but the engine has no image {name}; is the builder loading into it?")
        })
    }

    fn ready(&self, step: &Step, digest: &Digest) {
        let ready =
            Ready::InEngine { local_name: step.local_name(), digest: digest.clone(), layout: None };
        self.lock().insert(step.name(), ready);
    }

    /// From now on, children of `name` are built on what `repository` holds.
    pub fn take_published(&self, name: &TargetName, repository: &Repository, digest: &Digest) {
        self.take_index(name, repository, digest, digest);
    }

    /// As [`take_published`](Self::take_published), where several platforms of a parent are needed that have no index
    /// of their own yet: `bound` names them for this build, and children say that they were built on `digest`.
    pub fn take_index(
        &self,
        name: &TargetName,
        repository: &Repository,
        bound: &Digest,
        digest: &Digest,
    ) {
        let (repository, bound, digest) = (repository.clone(), bound.clone(), digest.clone());
        self.lock().insert(name.clone(), Ready::InRegistry { repository, bound, digest });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TargetName, Ready>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digests_of_parents(&self, step: &Step) -> BTreeMap<String, Digest> {
        let done = self.lock();
        step.parents
            .iter()
            .filter_map(|edge| {
                Some((edge.parent.to_string(), done.get(&edge.parent)?.digest().clone()))
            })
            .collect()
    }

    /// Whether every build was recorded with the digests that the parents have now.
    fn parents_are_the_same(&self, step: &Step, previous: &[Record]) -> bool {
        let now = self.digests_of_parents(step);
        step.present.is_some()
            && !previous.is_empty()
            && previous.iter().all(|record| record.parents == now)
    }

    fn bind_parents(&self, step: &Step) -> anyhow::Result<BTreeMap<TargetName, Parent>> {
        let mut parents = BTreeMap::new();
        for edge in &step.parents {
            if parents.contains_key(&edge.parent) {
                continue;
            }
            let ready = self.lock().get(&edge.parent).cloned();
            let ready = ready.with_context(|| format!("{} is not there yet", edge.parent))?;
            let parent = match ready {
                Ready::InRegistry { repository, bound, .. } => {
                    Parent::Published(Reference { repository, tag: None, digest: Some(bound) })
                }
                Ready::InEngine { local_name, digest, .. } => {
                    self.hold(&edge.parent, &local_name, &digest)?;
                    if self.builder()?.sees_engine_images() {
                        Parent::Local(local_name)
                    } else {
                        self.layout(&edge.parent, &local_name)?
                    }
                }
            };
            parents.insert(edge.parent.clone(), parent);
        }
        Ok(parents)
    }

    /// Sees to it that `local_name` means `digest`. It is immutable by our own rule only: somebody may have moved it.
    fn hold(&self, name: &TargetName, local_name: &str, digest: &Digest) -> anyhow::Result<()> {
        if self.engine.named(local_name)?.is_some_and(|image| image.id == *digest) {
            return Ok(());
        }
        self.engine.tag(digest.as_str(), local_name).with_context(|| {
            format!(
                "the image of {name} is gone from the engine since it was made; does another process build \
                 the same? Build again when it has ended"
            )
        })
    }

    /// The layout of a parent, written by the first child that needs it.
    fn layout(&self, name: &TargetName, local_name: &str) -> anyhow::Result<Parent> {
        // Held while it is written, so that siblings do not write it twice.
        let mut done = self.lock();
        let Some(Ready::InEngine { layout, .. }) = done.get_mut(name) else {
            anyhow::bail!("{name} is not in the engine");
        };
        if let Some(layout) = layout {
            return Ok(layout.clone());
        }
        let folder = self.scratch.join(format!("{}.layout", file_name(name).replace('@', "+")));
        Ok(layout.insert(layout::export(self.engine, local_name, self.root, &folder)?).clone())
    }

    fn record(
        &self,
        step: &Step,
        image: &LocalImage,
        parents: &BTreeMap<String, Digest>,
        replaced: &[String],
        seconds: f64,
    ) -> anyhow::Result<()> {
        for platform in &step.platforms {
            let Some(key) = step.keys.get(platform) else { continue };
            let record = Record {
                schema: SCHEMA,
                key: key.key.clone(),
                inputs: key.inputs.clone(),
                digest: image.id.clone(),
                bytes: Some(image.size),
                local_name: step.local_name(),
                replaces: replaced.to_vec(),
                parents: parents.clone(),
                engine: self.engine.endpoint.clone(),
                builder: self.builder()?.name.clone(),
                built_at: jiff::Timestamp::now().to_string(),
                seconds,
                reasons: step.reasons.clone(),
                reads: ReadRecord::all(key),
                ignores: key
                    .ignores
                    .iter()
                    .map(|(file, text)| (file.clone(), text.to_string()))
                    .collect(),
            };
            self.records.keep_lines(key)?;
            self.records.write(&step.name(), platform, &record)?;
        }
        Ok(())
    }

    /// The target's previous key tag goes, so that old content is not kept for ever.
    fn drop_later(
        &self,
        step: &Step,
        names: Vec<String>,
        previous: &[Record],
    ) -> anyhow::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let parents = step.parents.iter().map(|edge| edge.parent.clone()).collect();
        let bytes = previous.iter().filter_map(|record| record.bytes).max().unwrap_or_default();
        let names = Names { target: step.name(), parents, names, bytes };
        let now = self.replaced.lock().unwrap_or_else(PoisonError::into_inner).add(names);
        self.untag(now)
    }

    /// Removes what builds have replaced; to be called when the last of them has ended.
    ///
    /// # Errors
    /// When the engine refuses. The next build of a target tries again.
    pub fn tidy(&self) -> anyhow::Result<()> {
        let rest = self.replaced.lock().unwrap_or_else(PoisonError::into_inner).rest();
        self.untag(rest)
    }

    fn untag(&self, groups: Vec<Vec<String>>) -> anyhow::Result<()> {
        groups.into_iter().try_for_each(|names| self.engine.untag_all(&names))
    }
}

/// The names of earlier images of `step`: of those that were recorded, and what these had replaced, of which some may be
/// left after a kill.
fn replaced(step: &Step, previous: &[Record]) -> Vec<String> {
    let own = step.local_name();
    let mut names: Vec<String> = previous
        .iter()
        .flat_map(|record| record.replaces.iter().chain([&record.local_name]))
        .filter(|name| **name != own)
        .cloned()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
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
