//! `ci check`: load → what is stale → build in this engine → test. Nothing is sent anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use super::github;
use super::ground::ground;
use super::parents::restricted;
use super::pull_request::{View, view};
use crate::ci::component::around;
use crate::cli::{CiCheckArgs, Global, PublicationArgs};
use crate::command::make::{Bench, End, Ground, Maker};
use crate::command::publication::{Extent, Prepared, registries};
use crate::command::verify::Verifier;
use crate::command::{FAILED, check};
use crate::engine::{Engine, Search};
use crate::execute::Outcome;
use crate::execute::target::{Made, NotMade};
use crate::execute::test::{Subject, Tester, Verdict, has_tests};
use crate::human;
use crate::plan::{self, Plan, Step, Wanted};
use crate::publish::Holding;
use crate::reference::Platform;
use crate::report::{self, CiMade};
use crate::workspace::{Target, TargetName};

/// The title of the summary.
const TITLE: &str = "Built and tested in place; nothing was sent anywhere";

pub(super) fn run(global: &Global, args: &CiCheckArgs) -> anyhow::Result<ExitCode> {
    let publication = PublicationArgs { images: args.images.clone(), ..Default::default() };
    let prepared = ground(global, &publication, Extent::Look, None)?;
    let view = view(global, &prepared, &registries(global.quiet, None))?;
    anstream::eprintln!("stale is {}", view.source);
    // Parents are built in place, so that one job checks all that hangs together.
    let around = around(&prepared.loaded.graph, &prepared.selected);
    let checked = |name: &&TargetName| around.contains(*name);
    let stale: BTreeSet<TargetName> = view.stale.keys().filter(checked).cloned().collect();
    let to_test: BTreeSet<TargetName> = view.to_test.iter().filter(checked).cloned().collect();
    if stale.is_empty() && to_test.is_empty() {
        anstream::eprintln!("nothing is stale");
        github::summary(&format!("### {TITLE}\n\nNothing is stale.\n\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let engine = Engine::find(&Search::default())?;
    let check = Check {
        global,
        prepared: &prepared,
        view: &view,
        platforms: platforms(&prepared, &stale, &engine.platform)?,
        verdicts: Mutex::default(),
    };
    let mut rows = check.test_staged(&engine, &to_test)?;
    let maker = Maker {
        builder: args.builder.as_deref(),
        jobs: args.jobs,
        keep_going: true,
        writes_cache: false,
    };
    rows.extend(check.build(&maker, &stale)?);
    github::summary(&report::ci_made(TITLE, &rows, github::MOST_ROWS))?;
    let good = rows.iter().all(|row| row.status != "failed" && row.status != "not built");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What of each target is built here.
fn platforms(
    prepared: &Prepared,
    named: &BTreeSet<TargetName>,
    native: &Platform,
) -> anyhow::Result<BTreeMap<TargetName, Vec<Platform>>> {
    let loaded = &prepared.loaded;
    let targets: BTreeMap<TargetName, &Target> =
        loaded.workspace.targets.iter().map(|target| (target.target_name(), target)).collect();
    Ok(plan::platforms(&loaded.graph, &targets, named, &Wanted::Native(native.clone()))?)
}

struct Check<'a> {
    global: &'a Global,
    prepared: &'a Prepared,
    view: &'a View,
    platforms: BTreeMap<TargetName, Vec<Platform>>,
    verdicts: Mutex<BTreeMap<TargetName, Verdict>>,
}

impl Check<'_> {
    /// Tests what is staged and need not be built.
    fn test_staged(
        &self,
        engine: &Engine,
        names: &BTreeSet<TargetName>,
    ) -> anyhow::Result<Vec<CiMade>> {
        let mut rows = Vec::new();
        if names.is_empty() {
            return Ok(rows);
        }
        let tester = Tester::new(engine, &self.prepared.loaded.workspace.root)?;
        let verifier = Verifier::new(self.prepared, self.global.quiet, BTreeSet::new());
        for step in self.prepared.plan.steps.iter().filter(|step| names.contains(&step.name())) {
            let name = step.name();
            let held = self
                .held(&name, &engine.platform)
                .or_else(|| step.platforms.iter().find_map(|platform| self.held(&name, platform)));
            let to = self.prepared.destinations.get(&name).context("it is staged somewhere")?;
            let holding = held.context("what is tested is staged")?;
            let tell = |text: &str| anstream::eprintln!("{name}: {text}");
            let verdict = verifier.test_one(&tester, step, &to.staging, &holding, None, &tell)?;
            let status = if verdict == Verdict::Failed { "failed" } else { "staged" };
            let platforms: Vec<String> = holding.images.keys().map(ToString::to_string).collect();
            rows.push(CiMade {
                image: name.to_string(),
                platform: platforms.join(", "),
                status: status.to_owned(),
                time: String::new(),
                size: String::new(),
                tests: verdict.as_str().to_owned(),
                digest: holding.digest.to_string(),
                reason: "its tests are new since they were run".to_owned(),
            });
        }
        Ok(rows)
    }

    /// What is staged of a target that is not stale, for one platform.
    fn held(&self, name: &TargetName, platform: &Platform) -> Option<Holding> {
        if self.view.stale.contains_key(name) {
            return None;
        }
        let standing = self.view.standings.get(name)?;
        let of = standing.whole.as_ref().or_else(|| standing.parts.get(platform))?;
        let image = of.images.get(platform)?;
        let images = BTreeMap::from([(platform.clone(), image.clone())]);
        Some(Holding { digest: image.manifest.clone(), images, ..of.clone() })
    }

    /// Builds what is stale with all that it needs and that is not staged.
    fn build(
        &self,
        maker: &Maker<'_>,
        stale: &BTreeSet<TargetName>,
    ) -> anyhow::Result<Vec<CiMade>> {
        let (steps, ground, left_out) = self.needed(stale);
        let mut rows: Vec<CiMade> =
            left_out.into_iter().map(|(name, why)| row(&name, "not run", why)).collect();
        if steps.is_empty() {
            return Ok(rows);
        }
        let end: &End<'_> = &|bench, step, made, tell| self.end(bench, stale, step, made, tell);
        let (plan, outcomes) = maker.build(self.global, self.prepared, steps, &ground, end)?;
        rows.extend(self.rows(&plan, &outcomes));
        Ok(rows)
    }

    /// The steps to build, parents first; what they are built on; and what cannot be built, because a secret is lacking
    /// that no pull request sees.
    fn needed(
        &self,
        stale: &BTreeSet<TargetName>,
    ) -> (Vec<Step>, Ground, BTreeMap<TargetName, String>) {
        let mut left_out: BTreeMap<TargetName, String> = BTreeMap::new();
        for step in &self.prepared.plan.steps {
            let secrets = check::lacking_secrets(&self.prepared.loaded, step);
            let parent = step.parents.iter().find(|edge| left_out.contains_key(&edge.parent));
            let is_built = self.view.stale.contains_key(&step.name())
                || !self.view.standings.contains_key(&step.name());
            if let Some(mistake) = secrets.first().filter(|_| is_built) {
                left_out.insert(step.name(), mistake.to_string());
            } else if let Some(edge) = parent {
                left_out.insert(step.name(), format!("its parent {} is not built", edge.parent));
            }
        }
        let mut wanted: BTreeSet<TargetName> =
            stale.iter().filter(|name| !left_out.contains_key(*name)).cloned().collect();
        let (mut steps, mut ground) = (Vec::new(), Ground::default());
        for step in self.prepared.plan.steps.iter().rev() {
            let name = step.name();
            let Some(platforms) = self.platforms.get(&name).filter(|_| wanted.contains(&name))
            else {
                continue;
            };
            let standing = self.view.standings.get(&name).filter(|_| !stale.contains(&name));
            let whole = standing.and_then(|standing| standing.whole.clone());
            let part = || match platforms.as_slice() {
                [platform] => self.held(&name, platform),
                _ => None,
            };
            let held = whole.filter(|_| !self.view.stale.contains_key(&name)).or_else(part);
            if let Some(held) = held.filter(|_| !stale.contains(&name)) {
                ground.held.insert(name, held);
                continue;
            }
            let step = restricted(self.prepared, step, platforms);
            wanted.extend(step.parents.iter().map(|edge| edge.parent.clone()));
            steps.push(step);
        }
        steps.reverse();
        left_out.retain(|name, _| stale.contains(name));
        (steps, ground, left_out)
    }

    /// Tests what was built, where it is checked.
    fn end(
        &self,
        bench: &Bench<'_>,
        stale: &BTreeSet<TargetName>,
        step: &Step,
        made: &mut Made,
        tell: &dyn Fn(&str),
    ) -> Result<(), NotMade> {
        let name = step.name();
        if !stale.contains(&name) || !has_tests(&step.target) {
            return Ok(());
        }
        let reference = step.local_name();
        let mut worst = Verdict::Untested;
        for platform in &step.platforms {
            let subject = Subject {
                target: &step.target,
                platform,
                reference: &reference,
                identity: &made.digest,
                fetch: false,
                size: None,
                alone: step.platforms.len() == 1,
            };
            let tested = bench.tester.test(&subject, false, &|_| {})?;
            worst = worst.max(tested.verdict());
            let label = format!("tests on {platform}");
            tell(report::tested(&label, &Outcome::Done(tested), false).trim_end());
        }
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).insert(name, worst);
        if worst == Verdict::Failed {
            return Err(NotMade::Other(anyhow::anyhow!("its tests failed")));
        }
        Ok(())
    }

    fn rows(&self, plan: &Plan, outcomes: &[Outcome<Made, NotMade>]) -> Vec<CiMade> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_step = |(step, outcome): (&Step, &Outcome<Made, NotMade>)| {
            let name = step.name();
            let reason = self.view.stale.get(&name).cloned();
            let reason = reason.unwrap_or_else(|| "a child is built on it".to_owned());
            let platforms: Vec<String> = step.platforms.iter().map(ToString::to_string).collect();
            let tests = verdicts.get(&name).map_or_else(String::new, |it| it.as_str().to_owned());
            let row = CiMade { platform: platforms.join(", "), tests, ..row(&name, "", reason) };
            match outcome {
                Outcome::Done(made) => CiMade {
                    status: if made.built { "built" } else { "up to date" }.to_owned(),
                    time: made
                        .seconds
                        .map(Duration::from_secs_f64)
                        .map_or_else(String::new, human::seconds),
                    size: human::bytes(made.bytes),
                    digest: made.digest.to_string(),
                    ..row
                },
                Outcome::Failed(_) => CiMade { status: "failed".to_owned(), ..row },
                Outcome::Blocked { .. } | Outcome::NotStarted => {
                    CiMade { status: "not built".to_owned(), ..row }
                }
            }
        };
        plan.steps.iter().zip(outcomes).map(of_step).collect()
    }
}

fn row(name: &TargetName, status: &str, reason: String) -> CiMade {
    CiMade {
        image: name.to_string(),
        platform: String::new(),
        status: status.to_owned(),
        time: String::new(),
        size: String::new(),
        tests: String::new(),
        digest: String::new(),
        reason,
    }
}
