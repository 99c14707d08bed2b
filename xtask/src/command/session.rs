//! The engine that a command works with, and what it is asked before anything is done.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::load;
use crate::cli::Global;
use crate::engine::substitute::SubstituteRecipe;
use crate::engine::{Builder, Caching, Engine, Environment, NamedImage, NotFound, Search};
use crate::key::{Base, Bases, ReadRecord, Records, state_folder};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{Held, Known, Plan, Step};
use crate::reference::{Digest, Platform, Reference};
use crate::workspace::{TargetName, Workspace};

/// An engine and the builder that buildx would use, which is asked for where something is built.
pub(super) struct Session {
    pub(super) engine: Engine,
    /// As a person named it.
    named: Option<String>,
    builder: OnceLock<Builder>,
    pub(super) caching: Caching,
    looked_at: OnceLock<Builder>,
    /// What the engine was asked for before anybody knew that it is wanted.
    ahead: BTreeMap<String, Option<NamedImage>>,
}

impl Session {
    pub(super) fn new(engine: Engine, builder: Option<&str>) -> Self {
        Self {
            engine,
            named: builder.map(str::to_owned),
            builder: OnceLock::new(),
            caching: Caching::of(&Environment::of_process()),
            looked_at: OnceLock::new(),
            ahead: BTreeMap::new(),
        }
    }

    /// The builder. Where somebody chose one, it takes a process to know it; else, of its platforms only the engine's own
    /// is known: see [`looked_at_builder`](Self::looked_at_builder).
    ///
    /// # Errors
    /// When there is none of that name, or it does not say what it is.
    pub(super) fn builder(&self) -> anyhow::Result<&Builder> {
        if let Some(builder) = self.builder.get() {
            return Ok(builder);
        }
        let unchosen = if self.named.is_none() { Builder::unchosen(&self.engine) } else { None };
        if let Some(builder) = unchosen {
            return Ok(self.builder.get_or_init(|| builder));
        }
        let builder = self.looked_at_builder()?.clone();
        Ok(self.builder.get_or_init(|| builder))
    }

    /// The builder with everything that buildx says of it, for which a process is started.
    ///
    /// # Errors
    /// As [`builder`](Self::builder).
    pub(super) fn looked_at_builder(&self) -> anyhow::Result<&Builder> {
        if let Some(builder) = self.looked_at.get() {
            return Ok(builder);
        }
        let builder = Builder::find(&self.engine, self.named.as_deref())?;
        Ok(self.looked_at.get_or_init(|| builder))
    }

    /// The builder, started where it does not run.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn running_builder(&mut self) -> anyhow::Result<&Builder> {
        let builder = self.builder()?;
        if !builder.is_running() {
            let booted = builder.boot(&self.engine)?;
            self.looked_at = OnceLock::from(booted.clone());
            self.builder = OnceLock::from(booted);
        }
        self.builder()
    }

    /// The engine that is reached, asked for while `work` is done: neither waits for the other. Meanwhile it says of
    /// the images called `likely` whether it has them.
    ///
    /// # Errors
    /// Those of `work`. No engine is no error here.
    pub(super) fn find_during<T: Send>(
        builder: Option<&str>,
        remembered: Option<Utf8PathBuf>,
        likely: impl FnOnce() -> Vec<String> + Send,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Result<Self, NotFound>)> {
        std::thread::scope(|scope| {
            let session = scope.spawn(|| {
                let search = Search { remembered, ..Search::default() };
                let mut session = Self::new(Engine::find(&search)?, builder);
                let names = likely();
                // A question that fails here is asked again, and fails where it matters.
                let images = session.engine.all_named(&names).unwrap_or_default();
                session.ahead = names.into_iter().zip(images).collect();
                Ok(session)
            });
            let done = work()?;
            let session =
                session.join().map_err(|_| anyhow::anyhow!("failed to look for an engine"))?;
            Ok((done, session))
        })
    }

    /// As [`Engine::all_named`], of which some were asked for ahead.
    fn named(&self, names: &[String]) -> anyhow::Result<Vec<Option<NamedImage>>> {
        let others: Vec<&String> =
            names.iter().filter(|name| !self.ahead.contains_key(*name)).collect();
        let mut asked = self.engine.all_named(&others)?.into_iter();
        let image = |name: &String| match self.ahead.get(name) {
            Some(image) => image.clone(),
            None => asked.next().flatten(),
        };
        Ok(names.iter().map(image).collect())
    }

    /// Where no engine is reached: enough to show commands.
    pub(super) fn unreached(builder: Option<&str>) -> Self {
        let unreached = Builder::unreached(builder);
        Self { builder: OnceLock::from(unreached), ..Self::new(Engine::unreached(), builder) }
    }

    /// What was recorded of each step, and what of it the engine still holds.
    pub(super) fn known(
        &self,
        plan: &Plan,
        records: &Records,
    ) -> anyhow::Result<BTreeMap<TargetName, Known>> {
        let mut known = recorded(plan, records);
        // What was never built here is built, whatever the engine has of that name.
        let recorded =
            |step: &&Step| known.get(&step.name()).is_some_and(|known| !known.records.is_empty());
        let steps: Vec<&Step> = plan.steps.iter().filter(recorded).collect();
        let names: Vec<String> = steps.iter().map(|step| step.local_name()).collect();
        let images = self.named(&names)?;
        for (step, image) in steps.into_iter().zip(images) {
            let Some(known) = known.get_mut(&step.name()) else { continue };
            if let Some(image) = image {
                let same = known.records.values().find(|record| record.digest == image.id);
                let bytes = same.and_then(|record| record.bytes);
                known.present = Some(image.id);
                known.held = Some(Held { tags: image.tags, bytes });
            }
            let Some(recorded) = known.records.values().next().map(|record| record.digest.clone())
            else {
                continue;
            };
            // Somebody took the name, or moved it: the content may still be there, and is what counts.
            if known.present.as_ref() != Some(&recorded)
                && known.records.values().all(|record| record.digest == recorded)
                && self.engine.named(recorded.as_str())?.is_some()
            {
                known.present = Some(recorded);
                known.held = None;
            }
            if let Some(present) = &known.present
                && !self.holds_platforms(step, present)?
            {
                (known.present, known.held) = (None, None);
            }
        }
        Ok(known)
    }

    /// Whether the content of `image` for each platform of `step` is there. That of the engine's own platform is, or the
    /// engine would not have named the image; of others, not every engine can tell.
    fn holds_platforms(&self, step: &Step, image: &Digest) -> anyhow::Result<bool> {
        let others = step.platforms.iter().any(|platform| *platform != self.engine.platform);
        if !others || !self.engine.tells_platforms() {
            return Ok(true);
        }
        let image = self.engine.image(image.as_str())?;
        Ok(image.is_some_and(|image| {
            step.platforms.iter().all(|platform| image.platforms.contains(platform))
        }))
    }
}

/// Where it is remembered which buildx this machine has.
pub(super) fn remembered(global: &Global) -> Option<Utf8PathBuf> {
    let root = load::root(global).ok()?.canonicalize_utf8().ok()?;
    Some(state_folder(&root).join("buildx.json"))
}

/// The images that a run over the whole workspace will ask the engine for, unless something changed: those that were
/// recorded. Which ones a run over some images needs is known only once the graph is.
pub(super) fn likely(global: &Global, images: &[String]) -> Vec<String> {
    let root = load::root(global).and_then(|root| Ok(root.canonicalize_utf8()?));
    match root {
        Ok(root) if images.is_empty() => Records::new(&state_folder(&root)).local_names(),
        _ => Vec::new(),
    }
}

/// What was recorded of each step, without an engine to ask.
pub(super) fn recorded(plan: &Plan, records: &Records) -> BTreeMap<TargetName, Known> {
    let of_step = |step: &Step| {
        let name = step.name();
        let mut known = Known::default();
        for platform in &step.platforms {
            let Some(record) = records.read(&name, platform) else { continue };
            if step.keys.get(platform).is_some_and(|key| key.key != record.key) {
                let lines = |read: &ReadRecord| {
                    Some((read.manifest.clone(), records.lines(&read.manifest)?))
                };
                known.lines.extend(record.reads.iter().filter_map(lines));
            }
            known.records.insert(platform.clone(), record);
        }
        (name, known)
    };
    plan.steps.iter().map(of_step).collect()
}

/// The external bases for which something else is bound.
#[derive(Debug, Default)]
pub(super) struct Substitutes {
    pub(super) bases: Bases,
    pub(super) bound: BTreeMap<Reference, String>,
}

/// The recipes of `bases` in the workspace's configuration.
///
/// # Errors
/// [`Mistakes`] in them.
pub(super) fn recipes(workspace: &Workspace) -> Result<Vec<SubstituteRecipe>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut recipes = Vec::new();
    for (reference, recipe) in &workspace.config.bases {
        let recipe = SubstituteRecipe::new(reference.clone(), recipe)
            .map_err(|error| Mistake::new(format!("the base {}: {error:#}", reference.familiar())));
        recipes.extend(mistakes.take(recipe));
    }
    mistakes.none()?;
    Ok(recipes)
}

/// The substitutes that were made for this workspace and are still in the engine.
pub(super) fn substitutes(
    workspace: &Workspace,
    engine: Option<&Engine>,
) -> anyhow::Result<Substitutes> {
    let mut substitutes = Substitutes::locked(workspace);
    let chosen = chosen(workspace);
    if chosen.is_empty() {
        return Ok(substitutes);
    }
    let platform = engine.map_or_else(Platform::native, |engine| engine.platform.clone());
    for recipe in
        recipes(workspace)?.into_iter().filter(|recipe| chosen.contains(&recipe.reference))
    {
        let name = recipe.name(&platform);
        let there = match engine {
            Some(engine) => engine.image(&name)?.is_some(),
            None => true,
        };
        if there {
            substitutes.add(&recipe, name);
        }
    }
    Ok(substitutes)
}

impl Substitutes {
    /// What `images.lock` says.
    pub(super) fn locked(workspace: &Workspace) -> Self {
        let mut locked = Self::default();
        for (reference, image) in &workspace.lock {
            let exact =
                Reference { tag: None, digest: Some(image.digest.clone()), ..reference.clone() };
            // What a Dockerfile names by its digest needs nothing in its place.
            if reference.digest.is_none() {
                let exact = workspace.config.mirrored(&exact).unwrap_or(exact);
                locked.bound.insert(reference.clone(), exact.to_string());
            }
            let (index, platforms) = (image.digest.clone(), image.platforms.clone());
            locked.bases.insert(reference.clone(), Base::Locked { index, platforms });
        }
        locked
    }

    pub(super) fn add(&mut self, recipe: &SubstituteRecipe, name: String) {
        self.bases.insert(recipe.reference.clone(), Base::Substitute { recipe: recipe.identity() });
        self.bound.insert(recipe.reference.clone(), name);
    }
}

fn file(workspace: &Workspace) -> Utf8PathBuf {
    state_folder(&workspace.root).join("substitutes.json")
}

/// The bases that `--setup` has replaced.
fn chosen(workspace: &Workspace) -> Vec<Reference> {
    fs::read(file(workspace))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Remembers which bases are replaced, so that a later build without `--setup` does the same.
pub(super) fn choose(workspace: &Workspace, references: &[Reference]) -> anyhow::Result<()> {
    let file = file(workspace);
    let write = || -> anyhow::Result<()> {
        fs::create_dir_all(state_folder(&workspace.root))?;
        fs::write(&file, serde_json::to_vec_pretty(references)?)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {file}"))
}
