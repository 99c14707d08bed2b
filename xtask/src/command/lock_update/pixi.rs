//! pixi's part of `lock-update`: which manifests, in which order, with which pixi.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::upgrades::Upgrades;
use super::{Outcome, load};
use crate::cli::{Global, LockUpdateArgs};

use crate::engine::pixi::{Pixi, on_path};
use crate::engine::{Containers, Engine, Environment, Search, interrupt};
use crate::execute::{self, Job, Limits, Moment};
use crate::key::state_folder;
use crate::lock::manifest::{LOCK, Manifest, NAMES, order, read};
use crate::lock::pixi::{self, NotSolved, Upgrade};
use crate::lock::{Changed, versions};
use crate::mistake::{Mistake, Mistakes};
use crate::report::locks::FailedLock;
use crate::tags::{self, Facts, Missing, Stamps};
use crate::workspace::{Target, TargetName, Workspace, pixi_versions, shown};

/// The most solves at once that still help.
const MOST_JOBS: usize = 8;

/// What pixi is to solve, and in which order.
#[derive(Debug)]
pub(super) struct Jobs {
    jobs: Vec<pixi::Job>,
    /// For each, the indices of those before it.
    needs: Vec<Vec<usize>>,
}

/// A job for the manifest of each selected image. Names of packages that are upgraded go to `taken`.
///
/// # Errors
/// [`Mistakes`] in `[pixi]`, and manifests that depend on each other in a circle.
pub(super) fn jobs(
    workspace: &Workspace,
    selected: &BTreeSet<TargetName>,
    upgrades: &Upgrades,
    taken: &mut BTreeSet<String>,
) -> anyhow::Result<Jobs> {
    let mut mistakes = Mistakes::default();
    let manifests = manifests(workspace);
    let stamps = Stamps::new(&workspace.git);
    let mut jobs = Vec::new();
    for (folder, manifest) in &manifests {
        let of_folder: Vec<&Target> =
            workspace.targets.iter().filter(|target| target.folder == *folder).collect();
        if !of_folder.iter().any(|target| selected.contains(&target.target_name())) {
            continue;
        }
        let cuda = mistakes.take(cuda(&of_folder, &stamps)).flatten();
        let images: BTreeSet<String> =
            of_folder.iter().map(|target| target.id.to_string()).collect();
        let lock = fs::read_to_string(workspace.root.join(folder).join(LOCK)).unwrap_or_default();
        jobs.push(pixi::Job {
            manifest: manifest.file.clone(),
            images: images.into_iter().collect(),
            cuda,
            upgrade: upgrade(upgrades, &of_folder, &lock, taken),
        });
    }
    let folders: Vec<Utf8PathBuf> = jobs.iter().map(|job| job.folder().to_owned()).collect();
    let needs = match order(&manifests, &folders) {
        Ok(needs) => needs,
        Err(circle) => {
            let names: Vec<String> = circle.iter().map(|folder| shown(folder)).collect();
            mistakes.push(
                Mistake::new(format!(
                    "pixi manifests depend on each other by path: {}",
                    names.join(" → ")
                ))
                .mend("remove one of the paths"),
            );
            Vec::new()
        }
    };
    mistakes.none()?;
    Ok(Jobs { jobs, needs })
}

/// The pixi manifest of each image's folder that has one.
fn manifests(workspace: &Workspace) -> BTreeMap<Utf8PathBuf, Manifest> {
    let folders: BTreeSet<&Utf8PathBuf> =
        workspace.targets.iter().map(|target| &target.folder).collect();
    let of_folder = |folder: &Utf8PathBuf| {
        let manifest = NAMES.iter().find_map(|name| {
            let file = folder.join(name);
            let text = fs::read_to_string(workspace.root.join(&file)).ok()?;
            read(&file, &text)
        });
        Some((folder.clone(), manifest?))
    };
    folders.into_iter().filter_map(of_folder).collect()
}

/// `CONDA_OVERRIDE_CUDA` for a folder. One lock serves all its images, and a newer CUDA runs what an older one does.
fn cuda(targets: &[&Target], stamps: &Stamps) -> Result<Option<String>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut newest: Option<String> = None;
    for target in targets {
        let Some(template) = &target.pixi.cuda else { continue };
        let rendered = tags::render(template, &Facts::new(target, stamps));
        let rendered = rendered.map_err(|missing| match missing {
            Missing::Mistake(mistake) => mistake,
            Missing::Observed(fact) => Mistake::new(format!(
                "`cuda` uses `{fact}`, which is read from the built image and can only serve tags"
            ))
            .at(template.place.clone()),
        });
        let Some(version) = mistakes.take(rendered).map(|rendered| rendered.text) else { continue };
        if newest.as_ref().is_none_or(|newest| versions::compare(newest, &version).is_lt()) {
            newest = Some(version);
        }
    }
    mistakes.none()?;
    Ok(newest)
}

fn upgrade(
    upgrades: &Upgrades,
    targets: &[&Target],
    lock: &str,
    taken: &mut BTreeSet<String>,
) -> Upgrade {
    let packages: Vec<String> = match upgrades {
        Upgrades::Nothing => return Upgrade::Nothing,
        Upgrades::Everything => Vec::new(),
        Upgrades::Names(names) => {
            names.iter().filter(|name| !pixi_versions(lock, name).is_empty()).cloned().collect()
        }
    };
    if packages.is_empty() && *upgrades != Upgrades::Everything {
        return Upgrade::Nothing;
    }
    taken.extend(packages.iter().cloned());
    // An image without an environment of its own uses whichever the manifest has.
    let named: Option<BTreeSet<String>> =
        targets.iter().map(|target| target.pixi.environment.clone()).collect();
    let environments = named.unwrap_or_default().into_iter().collect();
    Upgrade::To { packages, environments }
}

/// Has pixi solve every job, in order, as many at once as may be.
///
/// # Errors
/// When there is no pixi that can. What one job fails of is in the outcome.
pub(super) fn solve(
    global: &Global,
    args: &LockUpdateArgs,
    workspace: &Workspace,
    jobs: &Jobs,
) -> anyhow::Result<Outcome> {
    if jobs.jobs.is_empty() {
        return Ok(Outcome::default());
    }
    let environment = Environment::of_process();
    let program = match &args.pixi {
        Some(path) => Some(load::current_folder()?.join(path)),
        None => on_path(&environment),
    };
    if let Some(program) = program {
        let pixi = Pixi::program(program, environment)?;
        return solve_with(&pixi, global, args, &workspace.root, jobs);
    }
    let engine =
        Engine::find(&Search::default()).map_err(|not_found| no_pixi(jobs, &not_found.what()))?;
    if !engine.is_local() {
        let why =
            format!("the engine at {} does not see the files of this machine", engine.endpoint);
        return Err(no_pixi(jobs, &why));
    }
    let state = state_folder(&workspace.root);
    let containers = Containers::begin(&engine, &workspace.root, &state)?;
    let pixi = Pixi::image(&containers, &workspace.root, &state)?;
    solve_with(&pixi, global, args, &workspace.root, jobs)
}

fn no_pixi(jobs: &Jobs, why: &str) -> anyhow::Error {
    let first = jobs.jobs.first().map_or("", |job| job.manifest.as_str());
    Mistake::new(format!(
        "there is no pixi on PATH to lock {first} with, and no engine to run its image with: {why}"
    ))
    .mend("install pixi (https://pixi.sh), name it with --pixi PATH, start an engine, or ask for --only bases")
    .into_error()
}

fn solve_with(
    pixi: &Pixi<'_>,
    global: &Global,
    args: &LockUpdateArgs,
    root: &Utf8Path,
    jobs: &Jobs,
) -> anyhow::Result<Outcome> {
    pixi::check_version(pixi, args.check).map_err(Mistake::into_error)?;
    let work: Vec<Job> = jobs
        .jobs
        .iter()
        .zip(&jobs.needs)
        .map(|(job, needs)| Job {
            name: job.lock().to_string(),
            needs: needs.clone(),
            ..Job::default()
        })
        .collect();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let parallel = args.jobs.map_or_else(|| cores.min(MOST_JOBS), usize::from);
    let limits = Limits::new(parallel, true);
    let solve = |index: usize| pixi::solve(pixi, root, &jobs.jobs[index], args.check);
    let observe = |index: usize, moment: Moment<'_, pixi::Outcome, NotSolved>| {
        if let Moment::Ended(outcome) = moment
            && !global.quiet
        {
            anstream::eprintln!("{}: {}", work[index].name, said(outcome, args.check, &work));
        }
    };
    let outcomes = execute::run(&work, limits, &interrupt::interrupted, &solve, &observe);
    let mut result = Outcome::default();
    for (job, outcome) in jobs.jobs.iter().zip(outcomes) {
        let error = match outcome {
            execute::Outcome::Done(pixi::Outcome::Unchanged) => continue,
            execute::Outcome::Done(pixi::Outcome::Changed(changes)) => {
                let images = job.images.clone();
                result.changed.push(Changed { lock: job.lock(), images, changes });
                continue;
            }
            execute::Outcome::Failed(NotSolved::Pixi { said, command }) => {
                format!("{said}\n(`{command}`)")
            }
            execute::Outcome::Failed(NotSolved::Other(error)) => format!("{error:#}"),
            execute::Outcome::Blocked { by } => {
                format!("not tried: it depends by path on {}, which failed", work[by].name)
            }
            execute::Outcome::NotStarted => "not tried: the run was interrupted".to_owned(),
        };
        let (lock, images) = (job.lock().to_string(), job.images.clone());
        result.failed.push(FailedLock { lock, images, name: None, error });
    }
    Ok(result)
}

/// One line while the others go on.
fn said(outcome: &execute::Outcome<pixi::Outcome, NotSolved>, check: bool, work: &[Job]) -> String {
    match outcome {
        execute::Outcome::Done(pixi::Outcome::Unchanged) => "up to date".to_owned(),
        execute::Outcome::Done(pixi::Outcome::Changed(changes)) => {
            let word = if check { "stale" } else { "updated" };
            match changes.len() {
                0 => word.to_owned(),
                1 => format!("{word}, 1 change"),
                count => format!("{word}, {count} changes"),
            }
        }
        execute::Outcome::Failed(_) => "failed".to_owned(),
        execute::Outcome::Blocked { by } => format!("not tried, it needs {}", work[*by].name),
        execute::Outcome::NotStarted => "not tried".to_owned(),
    }
}
