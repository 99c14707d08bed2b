//! The engine that a command works with, and what it is asked before anything is done.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use camino::Utf8PathBuf;

use crate::engine::substitute::SubstituteRecipe;
use crate::engine::{Builder, Engine, NotFound, Search};
use crate::key::{Base, Bases, ReadRecord, Records, state_folder};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{Held, Known, Plan};
use crate::reference::{Platform, Reference};
use crate::workspace::{TargetName, Workspace};

/// An engine and the builder that buildx would use.
pub(super) struct Session {
    pub(super) engine: Engine,
    pub(super) builder: Builder,
}

impl Session {
    pub(super) fn new(engine: Engine, builder: Option<&str>) -> anyhow::Result<Self> {
        let builder = Builder::find(&engine, builder)?;
        Ok(Self { engine, builder })
    }

    /// The engine that is reached and the builder, asked for while `work` is done: neither waits for the other.
    ///
    /// # Errors
    /// Those of `work`. No engine is no error here, but an engine whose builder cannot be used is one.
    pub(super) fn find_during<T: Send>(
        builder: Option<&str>,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, anyhow::Result<Result<Self, NotFound>>)> {
        std::thread::scope(|scope| {
            let session = scope.spawn(|| match Engine::find(&Search::default()) {
                Ok(engine) => Self::new(engine, builder).map(Ok),
                Err(not_found) => Ok(Err(not_found)),
            });
            let done = work()?;
            let session =
                session.join().map_err(|_| anyhow::anyhow!("failed to look for an engine"))?;
            Ok((done, session))
        })
    }

    /// Where no engine is reached: enough to show commands.
    pub(super) fn unreached(builder: Option<&str>) -> Self {
        Self { engine: Engine::unreached(), builder: Builder::unreached(builder) }
    }

    /// What was recorded of each step, and what of it the engine still holds.
    pub(super) fn known(
        &self,
        plan: &Plan,
        records: &Records,
    ) -> anyhow::Result<BTreeMap<TargetName, Known>> {
        let names: Vec<String> = plan.steps.iter().map(crate::plan::Step::local_name).collect();
        let images = self.engine.images(&names)?;
        let mut known = recorded(plan, records);
        for (step, image) in plan.steps.iter().zip(images) {
            let Some(known) = known.get_mut(&step.name()) else { continue };
            if let Some(image) = image {
                known.present = Some(image.id);
                known.held = Some(Held { tags: image.tags, bytes: image.size });
            }
            let Some(recorded) = known.records.values().next().map(|record| record.digest.clone())
            else {
                continue;
            };
            // Somebody took the name, or moved it: the content may still be there, and is what counts.
            if known.present.as_ref() != Some(&recorded)
                && known.records.values().all(|record| record.digest == recorded)
                && self.engine.image(recorded.as_str())?.is_some()
            {
                known.present = Some(recorded);
                known.held = None;
            }
        }
        Ok(known)
    }
}

/// What was recorded of each step, without an engine to ask.
pub(super) fn recorded(plan: &Plan, records: &Records) -> BTreeMap<TargetName, Known> {
    let of_step = |step: &crate::plan::Step| {
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
