//! The part of `lock-update` that writes `images.lock`.

use std::collections::{BTreeMap, BTreeSet};

use super::upgrades::Upgrades;
use super::{Outcome, load, select};
use crate::cli::{Global, LockUpdateArgs};
use crate::command::load::Loaded;
use crate::command::registries;
use crate::engine::interrupt;
use crate::execute::{self, Job, Limits};
use crate::lock::bases::{Found, Lock, Question, Wanted, entry, questions, wanted};
use crate::lock::{Changed, changes, kept};
use crate::mistake::Mistake;
use crate::reference::Reference;
use crate::report::locks::FailedLock;
use crate::workspace::{IMAGES_LOCK, Target, images_lock_text};

/// How many references are asked for at once: registries answer slowly, and this machine only waits.
const AT_ONCE: usize = 20;
/// A newly locked base may have triggers that name further images, whose bases may have such triggers.
const MOST_ROUNDS: usize = 5;

/// Makes `images.lock` hold what the Dockerfiles of the named images name, and nothing that no Dockerfile names.
///
/// # Errors
/// What is wrong in the workspace. What one reference fails of is in the outcome.
pub(super) fn lock(
    global: &Global,
    args: &LockUpdateArgs,
    upgrades: &Upgrades,
    taken: &mut BTreeSet<String>,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut asked: BTreeSet<Reference> = BTreeSet::new();
    for _ in 0..MOST_ROUNDS {
        let loaded = load::load(global, &load::Typed::images(&args.images))?;
        let bases = Bases::of(&loaded, args)?;
        taken.extend(bases.all.keys().filter_map(|name| upgrades.name_of(name)).map(str::to_owned));
        let old = &loaded.workspace.lock;
        let moves = |name: &Reference| upgrades.moves(name) && !asked.contains(name);
        let mut questions = questions(&bases.selected, old, &moves);
        // What failed once is not tried again.
        questions.retain(|name, _| !asked.contains(name));
        asked.extend(questions.keys().cloned());

        let is_used = |name: &Reference| bases.all.contains_key(name);
        let mut new: Lock = old.clone();
        new.retain(|name, _| is_used(name));
        if args.check && *upgrades == Upgrades::Nothing {
            // What would be asked for is stale; where it points now is not needed to know that.
            outcome.changed.extend(lacking(&bases.selected, old, &questions));
        } else {
            for (name, found) in ask(global, &loaded, &questions)? {
                let locked = found.and_then(|found| entry(&name, &bases.selected[&name], &found));
                match locked {
                    Ok(image) => {
                        new.insert(name, image);
                    }
                    Err(error) => {
                        outcome.failed.push(failed(&name, &bases.selected[&name], &error));
                    }
                }
            }
        }
        outcome.changed.extend(rows(old, &new, &bases.all));
        if args.check || new == *old {
            break;
        }
        let text = images_lock_text(&new);
        kept::replace(&loaded.workspace.root.join(IMAGES_LOCK), text.as_bytes())?;
        if interrupt::interrupted() {
            break;
        }
    }
    Ok(outcome)
}

/// The images from elsewhere that Dockerfiles name.
struct Bases {
    /// Those of the images that a person named.
    selected: BTreeMap<Reference, Wanted>,
    all: BTreeMap<Reference, Wanted>,
}

impl Bases {
    fn of(loaded: &Loaded, args: &LockUpdateArgs) -> anyhow::Result<Self> {
        let selected = select::select(&loaded.workspace, &args.images)?;
        let targets: Vec<&Target> = loaded.workspace.targets.iter().collect();
        let all = wanted(&loaded.graph, &targets, &loaded.dockerfiles);
        let named: Vec<&Target> =
            targets.into_iter().filter(|target| selected.contains(&target.target_name())).collect();
        let mut selected = wanted(&loaded.graph, &named, &loaded.dockerfiles);
        // An entry is for every image that uses it.
        for (name, wanted) in &mut selected {
            wanted.clone_from(&all[name]);
        }
        Ok(Self { selected, all })
    }
}

/// Asks for each distinct image once, many at once, and gives the answer to every reference that means it.
fn ask(
    global: &Global,
    loaded: &Loaded,
    questions: &BTreeMap<Reference, Question>,
) -> anyhow::Result<BTreeMap<Reference, Result<Found, String>>> {
    if global.offline && !questions.is_empty() {
        let names: Vec<String> = questions.keys().map(Reference::familiar).collect();
        return Err(Mistake::new(format!(
            "with --offline, no registry can be asked for {}",
            names.join(", ")
        ))
        .mend("leave --offline out, or ask for --only pixi")
        .into_error());
    }
    let distinct: BTreeMap<&Reference, &Question> =
        questions.values().map(|question| (&question.reference, question)).collect();
    let distinct: Vec<&Question> = distinct.into_values().collect();
    let client = registries::client(global.quiet);
    let jobs: Vec<Job> = distinct
        .iter()
        .map(|question| Job { name: question.reference.familiar(), ..Job::default() })
        .collect();
    let limits = Limits::new(AT_ONCE, true);
    let work = |index: usize| registries::found(&client, &loaded.workspace.config, distinct[index]);
    let outcomes = execute::run(&jobs, limits, &interrupt::interrupted, &work, &|_, _| {});
    let answers: BTreeMap<&Reference, Result<Found, String>> = distinct
        .iter()
        .zip(outcomes)
        .map(|(question, outcome)| {
            let answer = match outcome {
                execute::Outcome::Done(found) => Ok(found),
                execute::Outcome::Failed(error) => Err(error),
                execute::Outcome::Blocked { .. } | execute::Outcome::NotStarted => {
                    Err("not tried: the run was interrupted".to_owned())
                }
            };
            (&question.reference, answer)
        })
        .collect();
    let of_name = |(name, question): (&Reference, &Question)| {
        (name.clone(), answers[&question.reference].clone())
    };
    Ok(questions.iter().map(of_name).collect())
}

fn failed(name: &Reference, wanted: &Wanted, error: &str) -> FailedLock {
    FailedLock {
        lock: IMAGES_LOCK.to_owned(),
        images: wanted.images.iter().cloned().collect(),
        name: Some(name.familiar()),
        error: format!("{error} ({})", wanted.place()),
    }
}

/// A change for each entry that differs, with the images that use it.
fn rows(old: &Lock, new: &Lock, all: &BTreeMap<Reference, Wanted>) -> Vec<Changed> {
    let row = |change: changes::Change| {
        let used = all.iter().find(|(name, _)| name.familiar() == change.name);
        Changed {
            lock: IMAGES_LOCK.into(),
            images: used
                .map(|(_, wanted)| wanted.images.iter().cloned().collect())
                .unwrap_or_default(),
            changes: vec![change],
        }
    };
    changes::of_images(old, new).into_iter().map(row).collect()
}

/// For `--check`: what the lock lacks, without asking anybody.
fn lacking(
    selected: &BTreeMap<Reference, Wanted>,
    old: &Lock,
    questions: &BTreeMap<Reference, Question>,
) -> Vec<Changed> {
    let row = |name: &Reference| {
        let wanted = &selected[name];
        let change = changes::lacking(name, wanted, old.get(name));
        Changed {
            lock: IMAGES_LOCK.into(),
            images: wanted.images.iter().cloned().collect(),
            changes: vec![change],
        }
    };
    questions.keys().map(row).collect()
}
