//! `ci build`: load → keys → what is staged → build for one platform, send, test, say that it was tested.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;

use super::github;
use super::ground::{ground, refuse_pull_request, standings, tests_of};
use super::parents::{Family, handed_on, restricted, say_others};
use crate::ci::{self, Standing, Work};
use crate::cli::{CiBuildArgs, Global, PublicationArgs};
use crate::command::FAILED;
use crate::command::make::{Bench, End, Maker, Slot};
use crate::command::publication::{Extent, Prepared, registries, troubles};
use crate::command::push::refuse_dirty;
use crate::command::verify::Verifier;
use crate::engine::{Engine, Search};
use crate::execute::Outcome;
use crate::execute::target::{Made, NotMade};
use crate::execute::test::{Tester, Verdict};
use crate::human;
use crate::mistake::Mistake;
use crate::plan::{Plan, Step};
use crate::publish::{Holding, checked_tag, part_tag, waits};
use crate::reference::{Digest, Platform};
use crate::registry::{Registries, rest};
use crate::report::{self, CiMade};
use crate::workspace::TargetName;

pub(super) fn run(global: &Global, args: &CiBuildArgs) -> anyhow::Result<ExitCode> {
    let everything = PublicationArgs::default();
    let prepared = ground(global, &everything, Extent::Whole, args.channel)?;
    refuse_pull_request(&prepared)?;
    let step = chosen(&prepared, &args.image, &args.platform)?;
    let family: BTreeSet<TargetName> = prepared
        .loaded
        .graph
        .with_parents(&BTreeSet::from([step.name()]))
        .into_iter()
        .map(|vertex| vertex.name.clone())
        .collect();
    if !args.allow_dirty {
        refuse_dirty(&prepared, &family)?;
    }
    let registries = registries(global.quiet, None);
    let handed_on = handed_on()?;
    let look = || standings(&prepared, &registries, &family).map_err(troubles);
    let mut standings = look()?;
    for wait in waits() {
        if handed_on.iter().all(|parent| parent.is_in(&standings)) {
            break;
        }
        // Some registries show late what another job has written.
        rest(wait);
        standings = look()?;
    }
    say_others(&handed_on, &standings);
    let job = Job {
        global,
        prepared: &prepared,
        registries: &registries,
        standings: &standings,
        step: restricted(&prepared, step, std::slice::from_ref(&args.platform)),
        platform: &args.platform,
        verifier: Verifier::new(&prepared, global.quiet, BTreeSet::new()),
        ended: Mutex::default(),
    };
    job.run(&Maker {
        builder: args.builder.as_deref(),
        jobs: None,
        keep_going: false,
        writes_cache: true,
    })
}

/// # Errors
/// Where there is no such image, it is not made for the platform, or has no staging repository.
fn chosen<'p>(
    prepared: &'p Prepared,
    image: &TargetName,
    platform: &Platform,
) -> anyhow::Result<&'p Step> {
    let step = prepared.plan.step(image).ok_or_else(|| {
        Mistake::new(format!("there is no image {:?}", image.to_string()))
            .mend("name an id, or id:variant, as `cargo xtask list` shows them")
            .into_error()
    })?;
    if !step.platforms.contains(platform) {
        let made: Vec<String> = step.platforms.iter().map(ToString::to_string).collect();
        let what = format!("{image} is not made for {platform}, only for {}", made.join(", "));
        let mend = "add it to `platforms`, or ask for another --platform";
        return Err(Mistake::new(what).at(step.target.place.clone()).mend(mend).into_error());
    }
    if !prepared.destinations.contains_key(image) {
        let what = format!("{image} has no repository on channel {}", prepared.channel);
        let mend = "build it without sending it: cargo xtask build";
        return Err(Mistake::new(what).at(step.target.place.clone()).mend(mend).into_error());
    }
    Ok(step)
}

/// One job: one target for one platform.
struct Job<'a> {
    global: &'a Global,
    prepared: &'a Prepared,
    registries: &'a Registries,
    standings: &'a BTreeMap<TargetName, Standing>,
    /// For the platform alone.
    step: Step,
    platform: &'a Platform,
    verifier: Verifier<'a>,
    /// How it ended, where it did.
    ended: Mutex<Option<Ended>>,
}

struct Ended {
    holding: Holding,
    verdict: Verdict,
}

impl Job<'_> {
    fn run(&self, maker: &Maker<'_>) -> anyhow::Result<ExitCode> {
        let name = self.step.name();
        let standing =
            self.standings.get(&name).context("an image that is staged has a standing")?;
        let todo = standing.todo.get(self.platform);
        let Some(todo) = todo else {
            let image =
                standing.image(self.platform).context("nothing to do, and nothing there")?;
            anstream::eprintln!("{name} is staged for {}, and tested", self.platform);
            self.told("up to date", None, image.bytes, None, &image.manifest, "")?;
            return Ok(ExitCode::SUCCESS);
        };
        if todo.work == Work::Test {
            return self.test(standing, &todo.reason);
        }
        let family = Family {
            prepared: self.prepared,
            registries: self.registries,
            standings: self.standings,
            step: &self.step,
            platform: self.platform,
        };
        let (steps, ground) = family.needed()?;
        let end: &End<'_> = &|bench, step, made, tell| self.end(bench, step, made, tell);
        let (plan, outcomes) = maker.build(self.global, self.prepared, steps, &ground, end)?;
        self.report(&plan, &outcomes, &todo.reason)
    }

    /// After the build: sent, tested, and said to be.
    fn end(
        &self,
        bench: &Bench<'_>,
        step: &Step,
        made: &mut Made,
        tell: &dyn Fn(&str),
    ) -> Result<(), NotMade> {
        let name = step.name();
        if !made.recorded {
            let why = anyhow::anyhow!("its inputs changed while it was built; build it again");
            return Err(NotMade::Other(why));
        }
        if name != self.step.name() {
            return Ok(());
        }
        let to = self.prepared.destinations.get(&name).context("it is staged somewhere")?;
        let tag = part_tag(&step.key, self.platform);
        let holdings = self.prepared.holdings();
        let only = std::slice::from_ref(self.platform);
        let look = || holdings.look_at(self.registries, &to.staging, &tag, &step.key, only);
        let slot = Slot {
            registries: self.registries,
            repository: &to.staging,
            tag: &tag,
            look: &look,
            fits: &|holding| ci::is_on_parents(&self.prepared.plan, step, holding, self.standings),
        };
        let holding = slot.fill(bench.workshop.engine, made, tell)?;
        let local = holding.is_known_as(&made.digest).then(|| step.local_name());
        if local.is_none() {
            made.notes.push(format!(
                "{name} was staged by somebody else under the same key; theirs is taken"
            ));
        }
        let verdict = self.verify(bench.tester, &holding, local.as_deref(), tell)?;
        if verdict == Verdict::Failed {
            return Err(NotMade::Other(anyhow::anyhow!("its tests failed")));
        }
        Ok(())
    }

    /// Tests `holding`, and says in its repository that nothing failed.
    fn verify(
        &self,
        tester: &Tester<'_>,
        holding: &Holding,
        local: Option<&str>,
        tell: &dyn Fn(&str),
    ) -> anyhow::Result<Verdict> {
        let step = &self.step;
        let to = self.prepared.destinations.get(&step.name()).context("it is staged somewhere")?;
        let verdict = self.verifier.test_one(tester, step, &to.staging, holding, local, tell)?;
        if verdict != Verdict::Failed
            && let Some(definition) = tests_of(self.prepared, step)
        {
            let image = holding.images.get(self.platform).context("it is for its platform")?;
            let manifest = self.registries.manifest(&to.staging, &image.manifest)?;
            let manifest = manifest.context("what was tested is gone from its repository")?;
            let tag = checked_tag(&step.key, self.platform, &definition);
            self.registries.put_manifest(&to.staging, &tag, &manifest)?;
        }
        let ended = Ended { holding: holding.clone(), verdict };
        *self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ended);
        Ok(verdict)
    }

    /// What is staged is tested, and not built.
    fn test(&self, standing: &Standing, reason: &str) -> anyhow::Result<ExitCode> {
        let engine = Engine::find(&Search::default())?;
        let tester = Tester::new(&engine, &self.prepared.loaded.workspace.root)?;
        let part = standing.whole.as_ref().or_else(|| standing.parts.get(self.platform));
        let part = part.context("what is tested is staged")?;
        let image = part.images.get(self.platform).context("it is for its platform")?;
        let only = BTreeMap::from([(self.platform.clone(), image.clone())]);
        let holding = Holding { digest: image.manifest.clone(), images: only, ..part.clone() };
        let name = self.step.name();
        let tell = |text: &str| {
            if !self.global.quiet {
                anstream::eprintln!("{name}: {text}");
            }
        };
        let verdict = self.verify(&tester, &holding, None, &tell)?;
        self.told("tested", None, image.bytes, Some(verdict), &image.manifest, reason)?;
        Ok(if verdict == Verdict::Failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }

    fn report(
        &self,
        plan: &Plan,
        outcomes: &[Outcome<Made, NotMade>],
        reason: &str,
    ) -> anyhow::Result<ExitCode> {
        let name = self.step.name();
        let outcome = plan.steps.iter().zip(outcomes).find(|(step, _)| step.name() == name);
        let (_, outcome) = outcome.context("it was planned")?;
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let time = match outcome {
            Outcome::Done(made) => made.seconds,
            _ => None,
        };
        match (outcome, &ended) {
            (Outcome::Done(made), Some(Ended { holding, verdict })) => {
                let image = holding.images.get(self.platform).context("it is for its platform")?;
                let own = holding.is_known_as(&made.digest);
                let status = if own && made.built { "built" } else { "taken" };
                let (bytes, digest) = (image.bytes, &image.manifest);
                self.told(status, time, bytes, Some(*verdict), digest, reason)?;
                Ok(ExitCode::SUCCESS)
            }
            _ => {
                let verdict = ended.as_ref().map(|ended| ended.verdict);
                let size = ended.as_ref().and_then(|it| it.holding.images.get(self.platform));
                let bytes = size.map_or(0, |image| image.bytes);
                self.summary("failed", None, bytes, verdict, "", reason)?;
                Ok(ExitCode::from(FAILED))
            }
        }
    }

    fn told(
        &self,
        status: &str,
        seconds: Option<f64>,
        bytes: u64,
        verdict: Option<Verdict>,
        digest: &Digest,
        reason: &str,
    ) -> anyhow::Result<()> {
        github::output("digest", digest.as_str())?;
        self.summary(status, seconds, bytes, verdict, digest.as_str(), reason)
    }

    fn summary(
        &self,
        status: &str,
        seconds: Option<f64>,
        bytes: u64,
        verdict: Option<Verdict>,
        digest: &str,
        reason: &str,
    ) -> anyhow::Result<()> {
        let time = seconds.map(Duration::from_secs_f64).map_or_else(String::new, human::seconds);
        let made = CiMade {
            image: self.step.name().to_string(),
            platform: self.platform.to_string(),
            status: status.to_owned(),
            time,
            size: if bytes > 0 { human::bytes(bytes) } else { String::new() },
            tests: verdict.map_or_else(String::new, |verdict| verdict.as_str().to_owned()),
            digest: digest.to_owned(),
            reason: reason.to_owned(),
        };
        let title = format!("{} for {}", self.step.name(), self.platform);
        github::summary(&report::ci_made(&title, &[made], 1))
    }
}
