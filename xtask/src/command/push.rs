//! `push` and `promote`: load → plan → what is staged → build, send, test → compare → copy → write.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::Context as _;

use super::make::{Maker, Missing};
use super::publication::{Extent, Prepared, Staged, prepare, registries, troubles};
use super::stops::{before_building, can_write, collisions, refuse_conflicts};
use super::tagging::write;
use super::verify::Verifier;
use super::{FAILED, ask, dirty, load, steps};
use crate::cli::{Global, PromoteArgs, PublicationArgs, PushArgs};
use crate::engine::{Environment, interrupt};
use crate::key::state_folder;
use crate::mistake::Mistakes;
use crate::plan::Step;
use crate::publish::{self, Decided, Holding, Journal, Note, Publication, take_turn};
use crate::registry::Registries;
use crate::report::{self, PublicationJson, PublishedImage};
use crate::tags::Occasion;
use crate::workspace::{Channel, TargetName};

pub(super) fn push(global: &Global, args: &PushArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let channel = |loaded: &load::Loaded| {
        let workspace = &loaded.workspace;
        let event = Environment::of_process().ci_event(&workspace.config.ci.branch);
        let git = &workspace.git;
        Occasion { asked: args.channel, event, git, otherwise: Channel::Release }.channel()
    };
    let prepared = prepare(global, &args.publication, Extent::Named, &channel)?;
    if !args.allow_dirty && !args.publication.dry_run {
        let all = prepared.plan.steps.iter().map(Step::name).collect();
        refuse_dirty(&prepared, &all)?;
    }
    let maker = Maker {
        builder: args.builder.as_deref(),
        jobs: args.jobs,
        keep_going: false,
        writes_cache: true,
    };
    publish(global, &args.publication, &prepared, How { maker: Some(&maker), ..How::default() })
}

/// # Errors
/// Each of `targets` that differs from HEAD.
pub(super) fn refuse_dirty(
    prepared: &Prepared,
    targets: &BTreeSet<TargetName>,
) -> anyhow::Result<()> {
    let vertices: Vec<_> = prepared.loaded.graph.vertices.iter().collect();
    let keys = steps::keys(&prepared.loaded, &vertices, &prepared.substitutes.bases)?;
    dirty::refuse(&prepared.loaded, &keys, targets)
}

/// The common way of a publication, and where ways part.
#[derive(Default)]
pub(super) struct How<'a> {
    /// Without one, what is not staged is an error.
    pub(super) maker: Option<&'a Maker<'a>>,
    /// What is staged, where that is known.
    pub(super) staged: Option<Staged>,
    /// What was tested elsewhere, on exactly what is staged.
    pub(super) tested: BTreeSet<TargetName>,
    /// Hears what was written, when all of it was.
    pub(super) told: Option<&'a Told<'a>>,
}

/// Takes what is staged, and what became of each name.
pub(super) type Told<'a> = dyn Fn(&Staged, &[Decided]) -> anyhow::Result<()> + 'a;

pub(super) fn promote(global: &Global, args: &PromoteArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let prepared = prepare(global, &args.publication, Extent::Named, &|_| args.channel)?;
    publish(global, &args.publication, &prepared, How::default())
}

pub(super) fn publish(
    global: &Global,
    args: &PublicationArgs,
    prepared: &Prepared,
    how: How<'_>,
) -> anyhow::Result<ExitCode> {
    let state = state_folder(&prepared.loaded.workspace.root);
    // Held to the end: on one machine, one publication follows the other.
    let _turn = if args.dry_run { None } else { Some(turn(global)?) };
    let unfinished = Journal::unfinished(&state);
    if let Some(left) = unfinished.as_ref().filter(|_| !global.quiet) {
        say_unfinished(left);
    }
    let registries = registries(global.quiet, args.registry_timeout);
    let mut staged = match how.staged {
        Some(staged) => staged,
        None => prepared.staged(&registries)?,
    };
    let missing = Missing::new(prepared, &staged);
    let mut verifier = Verifier::new(prepared, global.quiet, how.tested);
    if args.dry_run {
        return dry_run(global, args, prepared, &registries, &staged, &mut verifier);
    }
    let nothing_was_missing = missing.is_empty();
    if !nothing_was_missing {
        let Some(maker) = how.maker else { return Err(missing.not_staged(prepared, &staged)) };
        let wanted = missing.published(prepared);
        can_write(
            &registries,
            wanted
                .filter_map(|step| prepared.destinations.get(&step.name()))
                .flat_map(|to| std::iter::once(&to.staging).chain(&to.repositories)),
        )?;
        before_building(prepared, &registries, &missing)?;
        match maker.make(global, prepared, &registries, &missing, &mut staged, &verifier)? {
            Ok(()) => {}
            Err(status) => {
                anstream::eprintln!("nothing was published: no tag was written anywhere");
                return Ok(status);
            }
        }
    }
    let publications = publications(prepared, &staged.held, &mut verifier)?;
    let allowed = args.allow_move.iter().cloned().collect();
    let decided = publish::compare(&registries, &publications, &allowed).map_err(troubles)?;
    if !global.quiet && !args.json {
        anstream::eprint!("{}", report::publication(&decided));
    }
    refuse_conflicts(&decided)?;
    // Only what gets a name has to be good; what has all its names was tested before it got them.
    let named: BTreeSet<&TargetName> =
        decided.iter().filter(|one| one.change.writes()).map(|one| &one.wanted.target).collect();
    if !named.is_empty() {
        if !verifier.test(&staged.held, &named)? {
            anstream::eprintln!("nothing was published: no tag was written anywhere");
            return Ok(ExitCode::from(FAILED));
        }
        if !confirm(args, &decided)? {
            anstream::eprintln!("nothing was published");
            return Ok(ExitCode::from(FAILED));
        }
        if nothing_was_missing {
            // It was not asked before building, and a tag that cannot be written would stop others in the middle.
            let writes = decided.iter().filter(|one| one.change.writes());
            can_write(&registries, writes.map(|one| &one.wanted.repository))?;
        }
        write(global, prepared, &registries, &publications, &decided)?;
    } else if unfinished.is_some_and(|left| is_done(&left, &decided)) {
        Journal::forget(&state);
    }
    if let Some(told) = how.told {
        told(&staged, &decided)?;
    }
    finish(global, args, prepared, &staged, &decided, true)
}

fn finish(
    global: &Global,
    args: &PublicationArgs,
    prepared: &Prepared,
    staged: &Staged,
    decided: &[Decided],
    written: bool,
) -> anyhow::Result<ExitCode> {
    if args.json {
        let images: Vec<PublishedImage<'_>> = prepared
            .plan
            .steps
            .iter()
            .filter(|step| prepared.published.contains(&step.name()))
            .map(|step| PublishedImage {
                name: step.name(),
                key: step.key.to_string(),
                holding: staged.held.get(&step.name()),
            })
            .collect();
        report::json(&PublicationJson::new(prepared.channel, written, &images, decided))?;
    } else if written && !global.quiet {
        anstream::eprintln!(
            "published {} images on channel {}: {}",
            prepared.published.len(),
            prepared.channel,
            report::counts(decided)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn turn(global: &Global) -> anyhow::Result<publish::Turn> {
    let folder = Environment::of_process().state_folder()?;
    let waiting = |holder: &str| {
        if !global.quiet {
            anstream::eprintln!("waiting for another push on this machine to end ({holder})");
        }
    };
    let myself = format!("process {}", std::process::id());
    take_turn(&folder, &myself, &waiting, &interrupt::interrupted)?
        .context("interrupted while waiting for another push")
}

/// Whether all that an earlier push left undone is as it would have made it.
fn is_done(left: &Note, decided: &[Decided]) -> bool {
    left.entries.iter().all(|entry| {
        decided
            .iter()
            .any(|one| one.wanted.repository == entry.repository && one.wanted.tag == entry.tag)
    })
}

fn say_unfinished(left: &Note) {
    let done = left.entries.iter().filter(|entry| entry.done).count();
    let commit = left.commit.as_deref().unwrap_or("no commit");
    anstream::eprintln!(
        "note: the push of {} (channel {}, {}) wrote {done} of {} tags and did not end; this one goes on from what the \
         registries hold",
        commit.get(..12).unwrap_or(commit),
        left.channel,
        left.began,
        left.entries.len()
    );
}

/// Each published image with all its names.
fn publications(
    prepared: &Prepared,
    held: &BTreeMap<TargetName, Holding>,
    verifier: &mut Verifier<'_>,
) -> anyhow::Result<Vec<Publication>> {
    let mut mistakes = Mistakes::default();
    let mut publications = Vec::new();
    for step in &prepared.plan.steps {
        let name = step.name();
        let (Some(holding), Some(to)) = (held.get(&name), prepared.destinations.get(&name)) else {
            continue;
        };
        if !prepared.published.contains(&name) {
            continue;
        }
        let tags = if step.tags.iter().any(|wanted| wanted.tag.is_none()) {
            let observed = verifier.observe(step, &to.staging, holding)?;
            mistakes.take(prepared.tags(step, &observed)).unwrap_or_default()
        } else {
            step.tags.clone()
        };
        publications.push(Publication {
            staging: to.staging.clone(),
            holding: holding.clone(),
            names: prepared.names(step, &tags),
        });
    }
    mistakes.extend(collisions(&publications));
    mistakes.none()?;
    Ok(publications)
}

fn confirm(args: &PublicationArgs, decided: &[Decided]) -> anyhow::Result<bool> {
    if args.yes || !ask::is_there_somebody() {
        return Ok(true);
    }
    ask::confirm(&format!("write these tags ({})?", report::counts(decided)))
}

fn dry_run(
    global: &Global,
    args: &PublicationArgs,
    prepared: &Prepared,
    registries: &Registries,
    staged: &Staged,
    verifier: &mut Verifier<'_>,
) -> anyhow::Result<ExitCode> {
    let publications = publications(prepared, &staged.held, verifier)?;
    let allowed = args.allow_move.iter().cloned().collect();
    let decided = publish::compare(registries, &publications, &allowed).map_err(troubles)?;
    let absent: Vec<&Step> = prepared
        .plan
        .steps
        .iter()
        .filter(|step| {
            prepared.published.contains(&step.name()) && !staged.held.contains_key(&step.name())
        })
        .collect();
    if !args.json {
        if !decided.is_empty() {
            anstream::print!("{}", report::publication(&decided));
        }
        for step in absent {
            let names: Vec<String> = prepared
                .names(step, &step.tags)
                .iter()
                .map(|name| format!("{}:{}", name.repository.familiar(), name.tag))
                .collect();
            let why = staged.others.get(&step.name()).map_or("", String::as_str);
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            anstream::println!(
                "{}: {} is not staged{why}; it would be built where it is stale, sent, tested, and named {}",
                step.name(),
                step.key.tag(),
                names.join(" ")
            );
        }
    }
    finish(global, args, prepared, staged, &decided, false)
}
