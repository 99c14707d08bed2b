//! `test`: what is stale is built, then each image is tested in containers: load → plan → build → test → report.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;

use super::load::{self, Loaded};
use super::session::{self, Session};
use super::{FAILED, build, plan};
use crate::cli::{BuildArgs, Global, TestArgs};
use crate::engine::{Engine, Search, interrupt};
use crate::execute::test::{Check, Subject, Tested, Tester, Verdict};
use crate::execute::{self, Job, Limits, Moment, Outcome};
use crate::plan::{Action, Plan, Step};
use crate::reference::{Digest, Platform};
use crate::report::board::Style;
use crate::report::{self, TestJson, TestRow};

/// More containers at once disturb each other's time limits.
const MOST_JOBS: usize = 4;

pub(super) fn run(global: &Global, args: &TestArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let build_args = BuildArgs {
        images: args.images.clone(),
        platform: args.platform.clone(),
        all_platforms: args.all_platforms,
        builder: args.builder.clone(),
        build_arg: args.build_arg.clone(),
        ..BuildArgs::default()
    };
    let (mut loaded, mut session, mut plan) = planned(global, &build_args)?;
    if plan.steps.iter().any(|step| step.action != Action::Skip) {
        let options = build::Options {
            jobs: args.jobs,
            keep_going: args.keep_going,
            ..build::Options::default()
        };
        let built = build::build(global, &build_args, options)?;
        if built != ExitCode::SUCCESS && (!args.keep_going || interrupt::interrupted()) {
            return Ok(built);
        }
        (loaded, session, plan) = planned(global, &build_args)?;
    }
    // Built for other platforms, too, it has another name: that of its key over them.
    for step in plan.steps.iter().filter(|step| step.named && step.held.is_none()) {
        if let Some(digest) = &step.present {
            session.engine.tag(digest.as_str(), &step.local_name())?;
        }
    }
    let start = Instant::now();
    let root = &loaded.workspace.root;
    let tester = Tester::new(&session.engine, root)?;
    let items = items(&plan);
    let outcomes = test(global, args, &tester, &items);
    let rows: Vec<TestRow<'_>> = items
        .iter()
        .zip(&outcomes)
        .map(|(item, outcome)| TestRow::new(item.step.target.target_name(), item.platform, outcome))
        .collect();
    if args.json {
        report::json(&TestJson::new(&rows, root))?;
    } else if !global.quiet {
        anstream::eprint!("{}", report::tests(&rows, start.elapsed()));
    }
    let good = rows.iter().all(TestRow::is_good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn planned(global: &Global, args: &BuildArgs) -> anyhow::Result<(Loaded, Session, Plan)> {
    let loaded = load::load(global, &load::Typed::of(args))?;
    let session = Session::new(Engine::find(&Search::default())?, args.builder.as_deref());
    let substitutes = session::substitutes(&loaded.workspace, Some(&session.engine))?;
    let plan = plan::make(&loaded, args, &substitutes, Some(&session))?;
    Ok((loaded, session, plan))
}

/// One platform of a named image.
struct Item<'p> {
    step: &'p Step,
    platform: &'p Platform,
    reference: String,
    /// Nothing where it is not built.
    identity: Option<&'p Digest>,
}

fn items(plan: &Plan) -> Vec<Item<'_>> {
    let named = plan.steps.iter().filter(|step| step.named);
    let of_step = |step| {
        let up_to_date = |step: &Step| step.action == Action::Skip;
        let item = move |platform| Item {
            step,
            platform,
            reference: Step::local_name(step),
            identity: step.present.as_ref().filter(|_| up_to_date(step)),
        };
        step.platforms.iter().map(item)
    };
    named.flat_map(of_step).collect()
}

fn test(
    global: &Global,
    args: &TestArgs,
    tester: &Tester<'_>,
    items: &[Item<'_>],
) -> Vec<Outcome<Tested, anyhow::Error>> {
    let label = |item: &Item<'_>| format!("{} {}", item.step.name(), item.platform);
    let jobs: Vec<Job> =
        items.iter().map(|item| Job { name: label(item), ..Job::default() }).collect();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let parallel = args.jobs.map_or_else(|| cores.min(MOST_JOBS), usize::from);
    let limits = Limits::new(parallel, args.keep_going);
    let style = Style::of_stderr(global.verbose, global.quiet);
    // Lines of two tests must not mix.
    let output = Mutex::new(());
    let print = |text: &str| {
        let _whole = output.lock();
        anstream::eprint!("{text}");
    };
    // A failed test is an outcome of its own, no failure of the work: nothing new starts after it all the same.
    let enough = AtomicBool::new(false);
    let work = |index: usize| {
        let item = &items[index];
        let identity = item.identity.with_context(|| {
            format!("{} is not built, so there is nothing to test", item.step.name())
        })?;
        let subject = Subject {
            target: &item.step.target,
            platform: item.platform,
            reference: &item.reference,
            identity,
            fetch: false,
            size: None,
            alone: item.step.platforms.len() == 1,
        };
        let tell = |check: &Check| {
            if global.verbose {
                print(&report::check(&jobs[index].name, check));
            }
        };
        let tested = tester.test(&subject, args.force, &tell)?;
        if tested.verdict() == Verdict::Failed && !args.keep_going {
            enough.store(true, Ordering::Relaxed);
        }
        Ok(tested)
    };
    let observe = |index: usize, moment: Moment<'_, Tested, anyhow::Error>| match moment {
        Moment::Started if style.detail > report::Detail::Quiet => {
            print(&format!("{}: testing\n", jobs[index].name));
        }
        Moment::Started => {}
        // What was interrupted says nothing of the image.
        Moment::Ended(_) if interrupt::interrupted() => {}
        Moment::Ended(outcome) => {
            let bad =
                !matches!(outcome, Outcome::Done(tested) if tested.verdict() != Verdict::Failed);
            if bad || style.detail > report::Detail::Quiet {
                print(&report::tested(&jobs[index].name, outcome, style.color));
            }
        }
    };
    let stop = || interrupt::interrupted() || enough.load(Ordering::Relaxed);
    execute::run(&jobs, limits, &stop, &work, &observe)
}
