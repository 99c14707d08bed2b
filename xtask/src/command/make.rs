//! What a push lacks: built where it is stale, sent to its staging repository, and tested there.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use camino::Utf8Path;

use super::again::SecondLook;
use super::build::{self, After, Options, Processes};
use super::publication::{Prepared, Staged};
use super::session::Session;
use super::verify::Verifier;
use super::{FAILED, check};
use crate::cli::Global;
use crate::engine::{Engine, Search};
use crate::execute::Outcome;
use crate::execute::target::{Made, NotMade, Workshop};
use crate::execute::test::{Tester, Verdict};
use crate::key::{Records, state_folder};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{self, Action, Plan, Step};
use crate::publish::{Found, Holding, Holdings, Way, upload, waits};
use crate::reference::{Digest, Repository, Tag};
use crate::registry::{Registries, Trouble, rest};
use crate::report;
use crate::workspace::TargetName;

/// The steps whose images no staging repository holds, and the unpublished parents that they need.
pub(super) struct Missing<'a> {
    steps: Vec<&'a Step>,
}

impl<'a> Missing<'a> {
    pub(super) fn new(prepared: &'a Prepared, staged: &Staged) -> Self {
        let mut needed: BTreeSet<TargetName> = BTreeSet::new();
        let mut steps = Vec::new();
        for step in prepared.plan.steps.iter().rev() {
            let name = step.name();
            let wanted = prepared.published.contains(&name) || needed.contains(&name);
            if !wanted || staged.held.contains_key(&name) {
                continue;
            }
            needed.extend(step.parents.iter().map(|edge| edge.parent.clone()));
            steps.push(step);
        }
        steps.reverse();
        Self { steps }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Those whose tags are written.
    pub(super) fn published(&self, prepared: &Prepared) -> impl Iterator<Item = &'a Step> {
        let published: Vec<&'a Step> = self
            .steps
            .iter()
            .copied()
            .filter(|step| prepared.published.contains(&step.name()))
            .collect();
        published.into_iter()
    }

    /// The error of whoever may not build.
    pub(super) fn not_staged(&self, prepared: &Prepared, staged: &Staged) -> anyhow::Error {
        let mut mistakes = Mistakes::default();
        for step in self.published(prepared) {
            let staging = prepared.destinations.get(&step.name());
            let staging = staging.map_or("", |to| to.staging.familiar());
            let why = staged.others.get(&step.name());
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            let what = format!("{staging} does not hold {} as it is now{why}", step.name());
            mistakes.push(Mistake::new(what).mend("push it first: cargo xtask push"));
        }
        match mistakes.none() {
            Err(mistakes) => mistakes.into(),
            Ok(()) => anyhow::anyhow!("a parent of what is wanted is not staged"),
        }
    }
}

/// How it is made.
pub(super) struct Maker<'a> {
    pub(super) builder: Option<&'a str>,
    pub(super) jobs: Option<u16>,
    /// Whether what does not need a failure is built all the same.
    pub(super) keep_going: bool,
    /// Whether the repositories that are published to get the caches of builds, too.
    pub(super) writes_cache: bool,
}

/// What is staged, and what builds are bound to where that is not its own digest.
#[derive(Default)]
pub(super) struct Ground {
    pub(super) held: BTreeMap<TargetName, Holding>,
    pub(super) bound: BTreeMap<TargetName, Digest>,
}

/// Where a step of a run is made: what its end needs to know.
pub(super) struct Bench<'a> {
    pub(super) workshop: &'a Workshop<'a>,
    pub(super) tester: &'a Tester<'a>,
}

/// What is done with an image that is up to date, before its children begin.
pub(super) type End<'a> =
    dyn Fn(&Bench<'_>, &Step, &mut Made, &dyn Fn(&str)) -> Result<(), NotMade> + Sync + 'a;

impl Maker<'_> {
    /// Makes `missing` and adds it to what is staged; the exit status where something failed, which was told.
    pub(super) fn make(
        &self,
        global: &Global,
        prepared: &Prepared,
        registries: &Registries,
        missing: &Missing<'_>,
        staged: &mut Staged,
        verifier: &Verifier<'_>,
    ) -> anyhow::Result<Result<(), ExitCode>> {
        let sender = Sender {
            prepared,
            registries,
            holdings: prepared.holdings(),
            verifier,
            held: Mutex::new(staged.held.clone()),
        };
        let steps = missing.steps.iter().map(|step| (*step).clone()).collect();
        let end: &End<'_> = &|bench, step, made, tell| sender.send(bench, step, made, tell);
        let ground = Ground { held: staged.held.clone(), ..Ground::default() };
        let (_, outcomes) = self.build(global, prepared, steps, &ground, end)?;
        staged.held = sender.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let good = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_)));
        Ok(if good { Ok(()) } else { Err(ExitCode::from(FAILED)) })
    }

    /// Builds those of `steps` that are stale, on what is staged of their parents, and ends each with `end`. What failed
    /// was told.
    pub(super) fn build(
        &self,
        global: &Global,
        prepared: &Prepared,
        steps: Vec<Step>,
        ground: &Ground,
        end: &End<'_>,
    ) -> anyhow::Result<(Plan, Vec<Outcome<Made, NotMade>>)> {
        let loaded = &prepared.loaded;
        let root = &loaded.workspace.root;
        let state = state_folder(root);
        let mut session = Session::new(Engine::find(&Search::default())?, self.builder);
        if self.writes_cache {
            let repositories = prepared.destinations.values().flat_map(|to| &to.repositories);
            session.caching.write = repositories.cloned().collect();
        }
        let records = Records::new(&state);
        let mut plan = Plan { steps };
        let known = session.known(&plan, &records)?;
        plan::decide(&mut plan, &known, None);
        on_other_parents(&mut plan, &records, &ground.held);
        check::check(loaded, &plan, &session)?;
        let stale = plan.steps.iter().any(|step| step.action == Action::Build);
        let builder = if stale { Some(session.running_builder()?.clone()) } else { None };
        if !global.quiet {
            check::say_emulated(loaded, &plan, &session);
            check::say_unwritten(&plan, &session)?;
        }
        let scratch = build::scratch(&state)?;
        let again = SecondLook::new(loaded, &prepared.substitutes.bases);
        let unchanged = |step: &Step| again.is_unchanged(step);
        let workshop = Workshop::new(
            &session.engine,
            builder.as_ref(),
            root,
            Utf8Path::from_path(scratch.path()).context("the workspace's name is not text")?,
            &records,
            false,
            &unchanged,
        )
        .with_caching(session.caching.clone());
        for (name, holding) in &ground.held {
            if let Some(to) = prepared.destinations.get(name) {
                let bound = ground.bound.get(name).unwrap_or(&holding.digest);
                workshop.take_index(name, &to.staging, bound, &holding.digest);
            }
        }
        let tester = Tester::new(&session.engine, root)?;
        let bench = Bench { workshop: &workshop, tester: &tester };
        let start = std::time::Instant::now();
        let options = Options {
            jobs: self.jobs,
            keep_going: self.keep_going,
            processes: Processes::Own,
            ..Options::default()
        };
        let after: &After<'_> = &|step, made, tell| end(&bench, step, made, tell);
        let outcomes =
            build::execute(global, options, &plan, &workshop, &state.join("logs"), after);
        records.prune();
        if !global.quiet {
            anstream::eprint!("{}", report::summary(&plan, &outcomes, start.elapsed()));
        }
        Ok((plan, outcomes))
    }
}

/// Builds again what was built on other parents than those that are staged.
fn on_other_parents(plan: &mut Plan, records: &Records, held: &BTreeMap<TargetName, Holding>) {
    for step in &mut plan.steps {
        let others = step.parents.iter().filter(|edge| {
            held.get(&edge.parent).is_some_and(|holding| {
                step.platforms.iter().any(|platform| {
                    let record = records.read(&step.name(), platform);
                    let bound =
                        record.and_then(|it| it.parents.get(&edge.parent.to_string()).cloned());
                    !bound.is_some_and(|digest| holding.is_known_as(&digest))
                })
            })
        });
        let reasons: BTreeSet<String> =
            others.map(|edge| format!("{} is published with other content", edge.parent)).collect();
        if !reasons.is_empty() && step.action == Action::Skip {
            step.action = Action::Build;
            step.reasons = reasons.into_iter().collect();
        }
    }
}

/// A name in a staging repository, for an image of which the first holder wins.
pub(super) struct Slot<'a> {
    pub(super) registries: &'a Registries,
    pub(super) repository: &'a Repository,
    pub(super) tag: &'a Tag,
    /// What it names.
    pub(super) look: &'a dyn Fn() -> Result<Found, Trouble>,
    /// Whether what it names is on today's parents.
    pub(super) fits: &'a dyn Fn(&Holding) -> bool,
}

impl Slot<'_> {
    /// Sends what was made, unless somebody did before; what the name holds then.
    pub(super) fn fill(
        &self,
        engine: &Engine,
        made: &Made,
        tell: &dyn Fn(&str),
    ) -> Result<Holding, NotMade> {
        let Self { registries, repository, tag, look, fits } = *self;
        match look().map_err(anyhow::Error::from)? {
            Found::Image(holding) if fits(&holding) => return Ok(holding),
            _ => {}
        }
        let name = format!("{}:{tag}", repository.familiar());
        tell(&format!("sending {name}"));
        let arrived = || matches!(look(), Ok(Found::Image(holding)) if fits(&holding));
        let way = Way { limits: registries.limits(), arrived: &arrived, tell };
        upload(engine, &made.digest, made.bytes, repository, tag, &way)?;
        let mut found = look().map_err(anyhow::Error::from)?;
        for wait in waits() {
            if matches!(found, Found::Image(_)) {
                break;
            }
            // Some registries show late what was written.
            rest(wait);
            found = look().map_err(anyhow::Error::from)?;
        }
        let why = match found {
            Found::Image(holding) if fits(&holding) => return Ok(holding),
            Found::Image(_) => {
                format!("another push sent {name} on other parents at the same time; push again")
            }
            Found::Other(why) => format!("{name} was sent, and cannot be taken: {why}"),
            Found::Nothing => {
                format!("{name} was sent, and the registry does not show it; push again")
            }
        };
        Err(NotMade::Other(anyhow::anyhow!(why)))
    }
}

/// What happens to an image once the engine has it.
struct Sender<'a> {
    prepared: &'a Prepared,
    registries: &'a Registries,
    holdings: Holdings,
    verifier: &'a Verifier<'a>,
    held: Mutex<BTreeMap<TargetName, Holding>>,
}

impl Sender<'_> {
    /// Sends it to its staging repository, unless somebody did before, and tests exactly what that holds.
    fn send(
        &self,
        bench: &Bench<'_>,
        step: &Step,
        made: &mut Made,
        tell: &dyn Fn(&str),
    ) -> Result<(), NotMade> {
        let name = step.name();
        if !made.recorded {
            // What was built is not what the key says.
            return Err(NotMade::Other(anyhow::anyhow!(
                "its inputs changed while it was built; push again"
            )));
        }
        let Some(to) = self.prepared.destinations.get(&name) else { return Ok(()) };
        let tag = step.key.tag();
        let look = || self.holdings.look(self.registries, &to.staging, &step.key, &step.platforms);
        let slot = Slot {
            registries: self.registries,
            repository: &to.staging,
            tag: &tag,
            look: &look,
            fits: &|holding| self.is_on_parents(step, holding),
        };
        let holding = slot.fill(bench.workshop.engine, made, tell)?;
        let local = holding.is_known_as(&made.digest).then(|| step.local_name());
        if local.is_none() {
            made.notes.push(format!(
                "{name} was published by somebody else under the same key; theirs is taken"
            ));
        }
        // From here on children are built on what is published.
        bench.workshop.take_published(&name, &to.staging, &holding.digest);
        let verdict = self.verifier.test_one(
            bench.tester,
            step,
            &to.staging,
            &holding,
            local.as_deref(),
            tell,
        )?;
        self.lock().insert(name, holding);
        if verdict == Verdict::Failed {
            return Err(NotMade::Other(anyhow::anyhow!("its tests failed")));
        }
        Ok(())
    }

    fn is_on_parents(&self, step: &Step, holding: &Holding) -> bool {
        self.prepared.is_on_parents(step, holding, &self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TargetName, Holding>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
