//! What only the image itself can tell of what is staged: whether its tests pass, and its observed facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::publication::Prepared;
use crate::engine::{Engine, Search, Size};
use crate::execute::Outcome;
use crate::execute::test::{Subject, Tester, Verdict, has_tests};
use crate::plan::Step;
use crate::publish::Holding;
use crate::reference::Repository;
use crate::report;
use crate::workspace::TargetName;

/// Tests and probes, with an engine that is looked for only where one is needed.
pub(super) struct Verifier<'a> {
    prepared: &'a Prepared,
    quiet: bool,
    engine: OnceLock<Engine>,
    /// What passed in this run, or elsewhere before it.
    passed: Mutex<BTreeSet<TargetName>>,
}

impl<'a> Verifier<'a> {
    pub(super) fn new(prepared: &'a Prepared, quiet: bool, passed: BTreeSet<TargetName>) -> Self {
        Self { prepared, quiet, engine: OnceLock::new(), passed: Mutex::new(passed) }
    }

    fn engine(&self) -> anyhow::Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::find(&Search::default())?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// The observed facts of an image, from what `staging` holds.
    ///
    /// # Errors
    /// When a probe fails, says nothing, or platforms disagree; and when there is no engine.
    pub(super) fn observe(
        &self,
        step: &Step,
        staging: &Repository,
        holding: &Holding,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let tester = Tester::new(self.engine()?, &self.prepared.loaded.workspace.root)?;
        let reference = at(staging, holding);
        let observed =
            tester.observe(&subjects(step, holding, &reference, true)).map_err(|error| {
                error.context(format!(
                    "{}: its tags need facts that are read from the image",
                    step.name()
                ))
            })?;
        for note in observed.notes.iter().filter(|_| !self.quiet) {
            anstream::eprintln!("note: {}: {note}", step.name());
        }
        Ok(observed.facts)
    }

    /// Whether the tests of all `names` pass, which was not seen yet in this run. What failed was told.
    ///
    /// # Errors
    /// When there is no engine, or it fails.
    pub(super) fn test(
        &self,
        held: &BTreeMap<TargetName, Holding>,
        names: &BTreeSet<&TargetName>,
    ) -> anyhow::Result<bool> {
        let seen = self.lock().clone();
        let steps: Vec<(&Step, &Holding, &Repository)> = self
            .prepared
            .plan
            .steps
            .iter()
            .filter(|step| names.contains(&step.name()) && !seen.contains(&step.name()))
            .filter(|step| has_tests(&step.target))
            .filter_map(|step| {
                let to = self.prepared.destinations.get(&step.name())?;
                Some((step, held.get(&step.name())?, &to.staging))
            })
            .collect();
        if steps.is_empty() {
            return Ok(true);
        }
        let tester = Tester::new(self.engine()?, &self.prepared.loaded.workspace.root)?;
        let mut good = true;
        for (step, holding, staging) in steps {
            let tell = |text: &str| {
                if !self.quiet {
                    anstream::eprintln!("{}: {text}", step.name());
                }
            };
            let verdict = self.test_one(&tester, step, staging, holding, None, &tell)?;
            good &= verdict != Verdict::Failed;
        }
        Ok(good)
    }

    /// How the tests of one image end, on exactly what `staging` holds: the worst over its platforms. `local` is a name under which the engine
    /// has it already.
    ///
    /// # Errors
    /// When the engine fails, or we are interrupted.
    pub(super) fn test_one(
        &self,
        tester: &Tester<'_>,
        step: &Step,
        staging: &Repository,
        holding: &Holding,
        local: Option<&str>,
        tell: &dyn Fn(&str),
    ) -> anyhow::Result<Verdict> {
        let reference = local.map_or_else(|| at(staging, holding), str::to_owned);
        let mut worst = Verdict::Untested;
        for subject in subjects(step, holding, &reference, local.is_none()) {
            let tested = tester.test(&subject, false, &|_| {})?;
            let verdict = tested.verdict();
            worst = worst.max(verdict);
            if verdict != Verdict::Untested && (verdict != Verdict::Passed || !tested.kept) {
                let label = format!("tests on {}", subject.platform);
                tell(report::tested(&label, &Outcome::Done(tested), false).trim_end());
            }
        }
        if worst != Verdict::Failed {
            self.lock().insert(step.name());
        }
        Ok(worst)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<TargetName>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(staging: &Repository, holding: &Holding) -> String {
    format!("{}@{}", staging.familiar(), holding.digest)
}

/// Every platform of an image, as the engine is to start it.
fn subjects<'s>(
    step: &'s Step,
    holding: &'s Holding,
    reference: &'s str,
    fetch: bool,
) -> Vec<Subject<'s>> {
    let subject =
        |(platform, image): (&'s crate::reference::Platform, &crate::publish::HeldImage)| Subject {
            target: &step.target,
            platform,
            reference,
            identity: &holding.digest,
            fetch,
            size: Some(Size::Measured(image.bytes)),
            alone: holding.images.len() == 1,
        };
    holding.images.iter().map(subject).collect()
}
