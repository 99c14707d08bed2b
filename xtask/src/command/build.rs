//! `build`: load → graph → plan → execute → report.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::again::SecondLook;
use super::load::{self, Loaded};
use super::session::{self, Session};
use super::{FAILED, check, plan, setup, steps};
use crate::cli::{BuildArgs, BuildCommand, Global};
use crate::engine::buildx::{Build, Parent};
use crate::engine::{Origin, interrupt};
use crate::execute::target::{Logged, Made, NotMade, Workshop, file_name, secrets};
use crate::execute::{self, Done, Job, Limits, Moment, Outcome};
use crate::key::{Records, state_folder};
use crate::plan::{Action, Plan, Step};
use crate::report::board::Style;
use crate::report::{self, Board, PlanJson, ResultJson, Status, status};
use crate::workspace::TargetName;

/// Builds at once where nobody says otherwise, however few cores there are: most of a build is waiting for the engine,
/// which has limits of its own.
const JOBS: usize = 8;
/// How many targets that share processes are built at once at the most.
const TOGETHER: usize = 64;

/// What quick builds run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Processes {
    #[default]
    Shared,
    /// Each has its own, because each is sent somewhere as soon as it is built.
    Own,
}

/// How a build is run, beside what is built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) setup: bool,
    pub(super) jobs: Option<u16>,
    pub(super) keep_going: bool,
    pub(super) processes: Processes,
    /// Whether the caches that images configure in registries are written.
    pub(super) write_cache: bool,
}

pub(super) fn run(global: &Global, args: &BuildCommand) -> anyhow::Result<ExitCode> {
    if args.dry_run {
        return plan::run(global, &args.build);
    }
    let options = Options {
        setup: args.setup,
        jobs: args.jobs,
        keep_going: args.keep_going,
        processes: Processes::Shared,
        write_cache: args.write_cache,
    };
    build(global, &args.build, options)
}

pub(super) fn build(
    global: &Global,
    args: &BuildArgs,
    options: Options,
) -> anyhow::Result<ExitCode> {
    // From here on, Ctrl-C ends what was started, and is told.
    interrupt::listen();
    let load = || load::load(global, &load::Typed::of(args));
    let builder = args.builder.as_deref();
    let (loaded, session) = if options.setup {
        let loaded = load()?;
        (loaded, Session::new(setup::engine(global.quiet)?, builder))
    } else {
        let likely = || session::likely(global, &args.images);
        let (loaded, session) =
            Session::find_during(builder, session::remembered(global), likely, load)?;
        (loaded, session?)
    };
    let substitutes = if options.setup {
        setup::bases(&loaded, &session, global.quiet, global.offline)?
    } else {
        session::substitutes(&loaded.workspace, Some(&session.engine))?
    };
    steps::make_room(&loaded);
    let plan = plan::make(&loaded, args, &substitutes, Some(&session))?;
    let mut session = session;
    if options.write_cache {
        session.caching.write =
            plan.steps.iter().filter_map(|step| step.repositories.first().cloned()).collect();
    }
    let stale = plan.steps.iter().any(|step| step.action == Action::Build);
    let builder = if stale { Some(session.running_builder()?.clone()) } else { None };
    check::check(&loaded, &plan, &session)?;
    if !global.quiet {
        check::say_emulated(&loaded, &plan, &session);
        check::say_unwritten(&plan, &session)?;
    }

    if args.pull && !global.offline {
        pull(global, &loaded, &plan, &session)?;
    }
    let state = state_folder(&loaded.workspace.root);
    let logs = state.join("logs");
    let scratch = scratch(&state)?;
    let again = SecondLook::new(&loaded, &substitutes.bases);
    let unchanged = |step: &Step| again.is_unchanged(step);
    let records = Records::new(&state);
    let workshop = Workshop::new(
        &session.engine,
        builder.as_ref(),
        &loaded.workspace.root,
        Utf8Path::from_path(scratch.path()).context("the workspace's name is not text")?,
        &records,
        args.no_cache,
        &unchanged,
    )
    .with_caching(session.caching.clone());
    let start = Instant::now();
    let outcomes = execute(global, options, &plan, &workshop, &logs, &|_, _, _| Ok(()));
    if stale {
        records.prune();
    }
    finish(global, args, &loaded, &plan, &session, &outcomes, start.elapsed())
}

/// Fetches the bases that nothing fixes again, into the engine. buildx's own `--pull` would look for local parents in a
/// registry; builders that do not see the engine's images ask the registry at every build anyway.
fn pull(global: &Global, loaded: &Loaded, plan: &Plan, session: &Session) -> anyhow::Result<()> {
    if !session.builder()?.sees_engine_images() {
        return Ok(());
    }
    let mut pulled = BTreeSet::new();
    for step in plan.steps.iter().filter(|step| step.action == Action::Build) {
        for base in step.external.iter().filter(|base| base.reference.digest.is_none()) {
            let mirrored = loaded.workspace.config.mirrored(&base.reference);
            let reference = mirrored.unwrap_or_else(|| base.reference.clone()).to_string();
            // What a lock or a substitute fixes is not asked for again.
            if step.bound.get(&base.reference).is_some_and(|image| *image != reference) {
                continue;
            }
            for (_, platform) in &base.platforms {
                let (reference, platform) = (reference.clone(), platform.to_string());
                if !pulled.insert((reference.clone(), platform.clone())) {
                    continue;
                }
                if !global.quiet {
                    super::engine::say(&format!(
                        "fetching {} for {platform}",
                        base.reference.familiar()
                    ));
                }
                session
                    .engine
                    .command()
                    .args(["image", "pull", "--quiet", "--platform", &platform, "--", &reference])
                    .run()
                    .with_context(|| {
                        format!("failed to fetch the base {}", base.reference.familiar())
                    })?;
            }
        }
    }
    Ok(())
}

/// A folder for this run alone, gone with it.
pub(super) fn scratch(state: &Utf8Path) -> anyhow::Result<tempfile::TempDir> {
    let folder = state.join("tmp");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {folder}"))?;
    tempfile::Builder::new()
        .prefix("build-")
        .tempdir_in(&folder)
        .with_context(|| format!("failed to make a folder in {folder}"))
}

/// What is done with an image that is up to date, before its children begin; it may tell what it does.
pub(super) type After<'a> =
    dyn Fn(&Step, &mut Made, &dyn Fn(&str)) -> Result<(), NotMade> + Sync + 'a;

pub(super) fn execute(
    global: &Global,
    options: Options,
    plan: &Plan,
    workshop: &Workshop<'_>,
    logs: &Utf8Path,
    after: &After<'_>,
) -> Vec<Outcome<Made, NotMade>> {
    let jobs: Vec<Job> = plan
        .steps
        .iter()
        .zip(plan.needs())
        .map(|(step, needs)| Job {
            name: step.name().to_string(),
            needs,
            last_seconds: step.last_seconds.filter(|_| step.action == Action::Build),
            shares: step.action == Action::Build && workshop.shares(step),
        })
        .collect();
    let parallel = options.jobs.map_or(JOBS, usize::from);
    // Whoever says how many are built at once, means it.
    let own = options.processes == Processes::Own || options.jobs.is_some();
    let together = if own { 1 } else { TOGETHER };
    let limits = Limits { parallel, keep_going: options.keep_going, together };
    let style = Style::of_stderr(global.verbose, global.quiet);
    let board = Board::new(jobs.iter().map(|job| job.name.clone()).collect(), style);
    let work = |indices: &[usize], done: Done<'_, Made, NotMade>| {
        let steps: Vec<(&Step, Utf8PathBuf)> = indices
            .iter()
            .map(|index| &plan.steps[*index])
            .map(|step| (step, logs.join(format!("{}.log", file_name(&step.name())))))
            .collect();
        let steps: Vec<Logged<'_>> =
            steps.iter().map(|(step, log)| (*step, log.as_path())).collect();
        let finish = |step: &Step, made: Result<Made, NotMade>| {
            let mut made = made?;
            after(step, &mut made, &|text| {
                if !global.quiet {
                    board.print(&format!("{}: {text}\n", step.name()));
                }
            })?;
            Ok(made)
        };
        workshop.make_together(
            &steps,
            options.keep_going,
            &|position, event| board.event(indices[position], event),
            &|results| {
                let finished = results
                    .into_iter()
                    .map(|(position, made)| (indices[position], finish(steps[position].0, made)));
                done(finished.collect());
            },
        );
    };
    let observe = |index: usize, moment: Moment<'_, Made, NotMade>| match moment {
        Moment::Started if plan.steps[index].action == Action::Skip => {}
        Moment::Started => board.started(index),
        Moment::Ended(outcome) => {
            let note = match outcome {
                Outcome::Blocked { by } => Some(format!("it needs {}", jobs[*by].name)),
                _ => None,
            };
            board.finished(index, status(outcome), note.as_deref());
            if let Some(text) = said_of(&plan.steps[index], outcome, workshop.root, style.color) {
                board.print(&text);
            }
        }
    };
    let outcomes = execute::run_together(&jobs, limits, &interrupt::interrupted, &work, &observe);
    board.close();
    // After a failure or Ctrl-C too: what was built has replaced something.
    if let Err(error) = workshop.tidy() {
        anstream::eprintln!("warning: {error:#}; the next build tries again");
    }
    outcomes
}

/// What a person must be told of an outcome beside its status.
fn said_of(
    step: &Step,
    outcome: &Outcome<Made, NotMade>,
    root: &Utf8Path,
    color: bool,
) -> Option<String> {
    let name = step.name().to_string();
    match outcome {
        Outcome::Failed(NotMade::Build(failure)) => {
            let context = report::failure::Context {
                name: &name,
                dockerfile: &step.target.dockerfile.value,
                root,
                color,
            };
            Some(report::failure::block(failure, &context))
        }
        Outcome::Failed(NotMade::Other(error)) => Some(format!("{name}: {error:#}")),
        Outcome::Done(made) if !made.notes.is_empty() => {
            Some(format!("warning: {}", made.notes.join("\nwarning: ")))
        }
        Outcome::Done(_) | Outcome::Blocked { .. } | Outcome::NotStarted => None,
    }
}

/// The table, and how to try what was built.
fn finish(
    global: &Global,
    args: &BuildArgs,
    loaded: &Loaded,
    plan: &Plan,
    session: &Session,
    outcomes: &[Outcome<Made, NotMade>],
    time: Duration,
) -> anyhow::Result<ExitCode> {
    if args.json {
        let mut results = results(plan, outcomes);
        report::json(&PlanJson::with_results(
            plan,
            &commands(loaded, plan, session)?,
            &mut results,
        ))?;
    } else if !global.quiet {
        anstream::eprint!("{}", report::summary(plan, outcomes, time));
    }
    let good = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_)));
    if !good {
        return Ok(ExitCode::from(FAILED));
    }
    if !args.json
        && !global.quiet
        && let Some(step) = plan.steps.iter().rev().find(|step| step.named)
    {
        anstream::eprintln!("try it: cargo xtask run {}", step.name());
        if session.engine.origin == Origin::Private {
            let programs = session.engine.docker.parent().unwrap_or(Utf8Path::new(""));
            anstream::eprintln!(
                "for docker commands of your own: export DOCKER_HOST={} PATH={programs}:$PATH",
                session.engine.endpoint
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn results(plan: &Plan, outcomes: &[Outcome<Made, NotMade>]) -> BTreeMap<TargetName, ResultJson> {
    let result = |outcome: &Outcome<Made, NotMade>| {
        let mut result = ResultJson {
            status: status(outcome).as_str().to_owned(),
            digest: None,
            seconds: None,
            bytes: None,
            error: None,
            log: None,
        };
        match outcome {
            Outcome::Done(made) => {
                result.digest = Some(made.digest.clone());
                result.seconds = made.seconds;
                result.bytes = Some(made.bytes);
                result.log = made.log.as_ref().map(Utf8PathBuf::to_string);
            }
            Outcome::Failed(NotMade::Build(failure)) => {
                result.seconds = Some(failure.time.as_secs_f64());
                result.error = Some(failure.to_string());
                result.log = Some(failure.log.to_string());
            }
            Outcome::Failed(NotMade::Other(error)) => result.error = Some(format!("{error:#}")),
            Outcome::Blocked { by } => {
                result.error = Some(format!("it needs {}, which failed", plan.steps[*by].name()));
            }
            // Whoever reads the JSON knows four words.
            Outcome::NotStarted => {
                Status::Blocked.as_str().clone_into(&mut result.status);
                result.error =
                    Some("it was not started, because another image failed first".to_owned());
            }
        }
        result
    };
    plan.steps.iter().zip(outcomes).map(|(step, outcome)| (step.name(), result(outcome))).collect()
}

/// The command that builds each step, as it would run now.
pub(super) fn commands(
    loaded: &Loaded,
    plan: &Plan,
    session: &Session,
) -> anyhow::Result<BTreeMap<TargetName, Vec<String>>> {
    let builder = session.builder()?;
    let command = |step: &Step| {
        let parents = step
            .parents
            .iter()
            .filter_map(|edge| {
                let parent = plan.step(&edge.parent)?;
                Some((edge.parent.clone(), Parent::Local(parent.local_name())))
            })
            .collect();
        let build = Build {
            engine: &session.engine,
            builder,
            root: &loaded.workspace.root,
            step,
            parents: &parents,
            metadata_file: Utf8Path::new("target/dockyard/metadata.json"),
            source_policy: None,
            no_cache: false,
            caching: &session.caching,
            secrets: &secrets(step),
        };
        build.typed()
    };
    Ok(plan.steps.iter().map(|step| (step.name(), command(step))).collect())
}
