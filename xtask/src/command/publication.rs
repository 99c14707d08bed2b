//! What a push or promotion is about: the plan for every platform, where each image goes, and what is staged already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::load::{self, Loaded};
use super::session::{self, Substitutes};
use super::{select, steps};
use crate::cli::{Global, PublicationArgs};
use crate::engine::Environment;
use crate::key::{Base, state_folder};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{Plan, Step, Wanted};
use crate::publish::{self, Destinations, Found, Holding, Holdings, Narrowing, WantedName};
use crate::registry::{Limits, Registries, Settings};
use crate::tags::{self, Facts, WantedTag};
use crate::workspace::{Channel, Target, TargetName};

/// Everything that is known before a registry is asked.
pub(super) struct Prepared {
    pub(super) loaded: Loaded,
    pub(super) channel: Channel,
    /// Every platform of the images and their parents, in build order; nothing is known of the engine.
    pub(super) plan: Plan,
    pub(super) substitutes: Substitutes,
    pub(super) destinations: BTreeMap<TargetName, Destinations>,
    /// The images that were named.
    pub(super) selected: BTreeSet<TargetName>,
    /// Those of them whose tags are written.
    pub(super) published: BTreeSet<TargetName>,
}

/// What staging repositories hold.
#[derive(Default)]
pub(super) struct Staged {
    /// Today's images, on today's parents.
    pub(super) held: BTreeMap<TargetName, Holding>,
    /// Why a key's tag is there, and yet not taken.
    pub(super) others: BTreeMap<TargetName, String>,
}

/// What is prepared, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The images that were named and their parents, to be published.
    Named,
    /// The whole workspace, of which the images that were named are published: keys are then the same in every job of
    /// CI, whichever images it is about.
    Whole,
    /// As `Whole`, to look only: nothing need be published, and nothing is wrong with a substitute base.
    Look,
}

/// # Errors
/// [`Mistakes`] in the workspace and in what was typed; images on substitute bases.
pub(super) fn prepare(
    global: &Global,
    args: &PublicationArgs,
    extent: Extent,
    channel: &dyn Fn(&Loaded) -> Channel,
) -> anyhow::Result<Prepared> {
    let loaded = load::load(global, &load::Typed::images(&args.images))?;
    let channel = channel(&loaded);
    let selected = select::select(&loaded.workspace, &args.images)?;
    let named = match extent {
        Extent::Named => selected.clone(),
        Extent::Whole | Extent::Look => select::select(&loaded.workspace, &[])?,
    };
    let substitutes = session::substitutes(&loaded.workspace, None)?;
    let scope = steps::Scope {
        named: &named,
        wanted: Wanted::All,
        channel,
        bases: &substitutes.bases,
        bound: &substitutes.bound,
    };
    steps::make_room(&loaded);
    let plan = steps::plan(&loaded, &scope)?;
    let narrowing = Narrowing { user: args.user.clone(), registries: args.registry.clone() };
    let mut mistakes = Mistakes::default();
    let mut destinations = BTreeMap::new();
    for step in &plan.steps {
        let staging = loaded.workspace.config.staging.as_ref();
        let found = publish::destinations(&step.target, channel, staging, &narrowing)
            .map_err(|invalid| Mistake::new(invalid.to_string()).mend("--user NAME"));
        destinations
            .extend(mistakes.take(found).flatten().map(|destinations| (step.name(), destinations)));
    }
    let published: BTreeSet<TargetName> = plan
        .steps
        .iter()
        .map(Step::name)
        .filter(|name| selected.contains(name))
        .filter(|name| destinations.get(name).is_some_and(|to| !to.repositories.is_empty()))
        .collect();
    if extent != Extent::Look {
        if published.is_empty() && mistakes.is_empty() {
            mistakes.push(nothing(&plan, &selected, args, channel));
        }
        mistakes.extend(on_substitutes(&plan, &substitutes, &published));
    }
    mistakes.extend(shared_keys(&plan, &destinations));
    mistakes.none()?;
    Ok(Prepared { loaded, channel, plan, substitutes, destinations, selected, published })
}

fn nothing(
    plan: &Plan,
    selected: &BTreeSet<TargetName>,
    args: &PublicationArgs,
    channel: Channel,
) -> Mistake {
    let named = plan.steps.iter().filter(|step| selected.contains(&step.name()));
    let named: Vec<&Target> = named.map(|step| &step.target).collect();
    if let [target] = named.as_slice()
        && !target.publish
    {
        return Mistake::new(format!(
            "{} is not published: `publish = false`",
            target.target_name()
        ))
        .at(target.place.clone());
    }
    let known: BTreeSet<&str> = named
        .iter()
        .flat_map(|target| target.repositories.get(channel).into_iter().flatten())
        .map(crate::reference::Repository::registry)
        .collect();
    let known: Vec<&str> = known.into_iter().collect();
    if !args.registry.is_empty() && !known.is_empty() {
        return Mistake::new(format!(
            "no repository is of {}; there are {}",
            args.registry.join(", "),
            known.join(", ")
        ))
        .mend("name one of these with --registry, or none");
    }
    Mistake::new(format!("no image has a repository on channel {channel}"))
        .mend("write `registries` in [workspace.metadata.dockyard], or push with --user NAME")
}

/// Substitutes are made of this machine's means, and stand for what they replace only here.
fn on_substitutes(
    plan: &Plan,
    substitutes: &Substitutes,
    published: &BTreeSet<TargetName>,
) -> Vec<Mistake> {
    let mut because: BTreeMap<TargetName, String> = BTreeMap::new();
    for step in &plan.steps {
        let own = step.external.iter().find(|base| {
            matches!(substitutes.bases.get(&base.reference), Some(Base::Substitute { .. }))
        });
        let parents = || step.parents.iter().find_map(|edge| because.get(&edge.parent).cloned());
        if let Some(base) = own.map(|base| base.reference.familiar()).or_else(parents) {
            because.insert(step.name(), base);
        }
    }
    let mistake = |(name, base): (&TargetName, &String)| {
        Mistake::new(format!(
            "{name} is built on a substitute for {base}, which is never published"
        ))
        .mend("push from a machine that reaches the base's registry, or name a mirror of it")
    };
    because.iter().filter(|(name, _)| published.contains(*name)).map(mistake).collect()
}

/// Two targets of equal inputs in one staging repository would be one tag with two meanings.
fn shared_keys(plan: &Plan, destinations: &BTreeMap<TargetName, Destinations>) -> Vec<Mistake> {
    let mut owners = BTreeMap::new();
    let mut mistakes = Vec::new();
    for step in &plan.steps {
        let Some(to) = destinations.get(&step.name()) else { continue };
        if let Some(other) = owners.insert((&to.staging, &step.key), step.name()) {
            mistakes.push(
                Mistake::new(format!(
                    "{other} and {} have equal inputs, and both are staged in {}",
                    step.name(),
                    to.staging.familiar()
                ))
                .at(step.target.place.clone())
                .mend("make one of them a further tag of the other, or give them `repositories` of their own"),
            );
        }
    }
    mistakes
}

/// A client with the machine's logins, that tells of its pauses unless it is to be quiet.
/// Silence that is longer than `timeout` is trouble.
pub(super) fn registries(quiet: bool, timeout: Option<Duration>) -> Registries {
    let mut settings = Settings::new(Environment::of_process());
    if let Some(timeout) = timeout {
        settings.limits = Limits::with_silence(timeout);
    }
    if !quiet {
        settings.tell = Box::new(|retry| anstream::eprintln!("{retry}"));
    }
    Registries::new(settings)
}

impl Prepared {
    pub(super) fn holdings(&self) -> Holdings {
        Holdings::new(&state_folder(&self.loaded.workspace.root))
    }

    /// The parents of `step` that have a staging repository: those whose digests can be compared anywhere.
    fn staged_parents<'s>(&self, step: &'s Step) -> impl Iterator<Item = &'s TargetName> {
        let parents: BTreeSet<&TargetName> = step.parents.iter().map(|edge| &edge.parent).collect();
        parents
            .into_iter()
            .filter(|parent| self.destinations.contains_key(*parent))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Whether `holding` was built on what `held` has for the parents of `step`; not where one of them is not held.
    pub(super) fn is_on_parents(
        &self,
        step: &Step,
        holding: &Holding,
        held: &BTreeMap<TargetName, Holding>,
    ) -> bool {
        let mut parents = BTreeMap::new();
        for parent in self.staged_parents(step) {
            let Some(held) = held.get(parent) else { return false };
            parents.insert(parent.to_string(), held.clone());
        }
        holding.was_built_on(&parents)
    }

    /// Asks every staging repository for today's keys.
    ///
    /// # Errors
    /// [`Mistakes`]: every registry that does not answer.
    pub(super) fn staged(&self, registries: &Registries) -> anyhow::Result<Staged> {
        let holdings = self.holdings();
        let steps: Vec<(&Step, &Destinations)> = self
            .plan
            .steps
            .iter()
            .filter_map(|step| Some((step, self.destinations.get(&step.name())?)))
            .collect();
        let found = publish::all(publish::parallel(&steps, |(step, to)| {
            holdings.look(registries, &to.staging, &step.key, &step.platforms)
        }))
        .map_err(troubles)?;
        let mut staged = Staged::default();
        for ((step, _), found) in steps.into_iter().zip(found) {
            match found {
                Found::Image(holding) if self.is_on_parents(step, &holding, &staged.held) => {
                    staged.held.insert(step.name(), holding);
                }
                Found::Image(_) => {
                    staged.others.insert(step.name(), "its parents were built again".to_owned());
                }
                Found::Other(why) => drop(staged.others.insert(step.name(), why)),
                Found::Nothing => {}
            }
        }
        Ok(staged)
    }

    /// Every name that `tags` give to the image of `step`.
    pub(super) fn names(&self, step: &Step, tags: &[WantedTag]) -> Vec<WantedName> {
        let Some(to) = self.destinations.get(&step.name()) else { return Vec::new() };
        let forward_only = matches!(self.channel, Channel::Main | Channel::Release);
        let facts = self.loaded.facts.get(&step.name());
        let version = facts.and_then(|facts| facts.get("version")).map(str::to_owned);
        let immutable = tags.iter().filter(|wanted| wanted.immutable);
        let around_version = version.as_deref().map_or_else(Vec::new, |version| {
            publish::around_version(version, immutable.filter_map(|wanted| wanted.tag.as_ref()))
        });
        let mut names = Vec::new();
        for repository in &to.repositories {
            names.extend(tags.iter().filter_map(|wanted| {
                Some(WantedName {
                    target: step.name(),
                    repository: repository.clone(),
                    tag: wanted.tag.clone()?,
                    immutable: wanted.immutable,
                    forward_only: forward_only && !wanted.immutable,
                    version: version.clone(),
                    around_version: around_version.clone(),
                    place: wanted.template.place.clone(),
                })
            }));
        }
        names
    }

    /// The tags of `step`, with facts that were observed in its image.
    ///
    /// # Errors
    /// [`Mistakes`] in them.
    pub(super) fn tags(
        &self,
        step: &Step,
        observed: &BTreeMap<String, String>,
    ) -> Result<Vec<WantedTag>, Mistakes> {
        let mut facts: Facts = self.loaded.facts.get(&step.name()).cloned().unwrap_or_default();
        for (name, value) in observed {
            facts.set(name, value);
        }
        tags::wanted(&step.target, &facts, self.channel)
    }
}

/// What registries refused or did not answer, as one error. Not a person's mistake in a file, but reported alike: each
/// says what, where and how to mend it.
pub(super) fn troubles<E: std::fmt::Display>(troubles: Vec<E>) -> anyhow::Error {
    let mut lines: Vec<String> = troubles.into_iter().map(|trouble| trouble.to_string()).collect();
    lines.sort();
    lines.dedup();
    anyhow::anyhow!("{}", lines.join("\n"))
}
