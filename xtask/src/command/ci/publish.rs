//! `ci publish`: load → keys → what is staged → one image of its platforms → tags as `push` writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::Context as _;

use super::ground::{everything, ground, images, refuse_pull_request, standings};
use super::parents::index;
use super::{github, names};
use crate::ci::{Standing, Work, is_on_parents};
use crate::cli::{CiPublishArgs, Global, PublicationArgs};
use crate::command::publication::{Extent, Prepared, Staged, registries, troubles};
use crate::command::push::{How, publish};
use crate::plan::Step;
use crate::publish::{self as publishing, Decided, Found, Holding};
use crate::registry::{Registries, rest};
use crate::report;
use crate::workspace::TargetName;

pub(super) fn run(global: &Global, args: &CiPublishArgs) -> anyhow::Result<ExitCode> {
    let images = images(&args.publication.images)?;
    let publication = PublicationArgs { images, ..args.publication.clone() };
    let prepared = ground(global, &publication, Extent::Whole, args.channel)?;
    refuse_pull_request(&prepared)?;
    let registries = registries(global.quiet, publication.registry_timeout);
    let standings = standings(&prepared, &registries, &everything(&prepared)).map_err(troubles)?;
    let staged = if publication.dry_run {
        None
    } else {
        refuse_unfinished(&prepared, &standings)?;
        Some(merge_all(global, &prepared, &registries, standings)?)
    };
    let summary = |staged: &Staged, decided: &[Decided]| {
        github::summary(&report::ci_published(
            &prepared.channel.to_string(),
            decided,
            &staged.held,
            github::MOST_ROWS,
        ))
    };
    // The jobs that built have tested each platform where it runs.
    let tested = prepared.published.clone();
    let how = How { maker: None, staged, tested, told: Some(&summary) };
    publish(global, &publication, &prepared, how)
}

/// # Errors
/// Each image that is not staged and tested for all its platforms, with the job that does it.
fn refuse_unfinished(
    prepared: &Prepared,
    standings: &BTreeMap<TargetName, Standing>,
) -> anyhow::Result<()> {
    let mut lacking = Vec::new();
    for name in &prepared.published {
        let todo = standings.get(name).map(|standing| &standing.todo);
        for (platform, todo) in todo.into_iter().flatten() {
            let what = match todo.work {
                Work::Build => "is not staged",
                Work::Test => "was not tested",
            };
            lacking.push(format!(
                "{name} {what} for {platform} ({}); the job {} does it: cargo xtask ci build {name} --platform {platform}",
                todo.reason,
                names::job(name, platform)
            ));
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(troubles(lacking).context("nothing was published: no tag was written anywhere"))
}

/// Makes an index of every published image that is staged in parts; everything that is staged whole then.
fn merge_all(
    global: &Global,
    prepared: &Prepared,
    registries: &Registries,
    standings: BTreeMap<TargetName, Standing>,
) -> anyhow::Result<Staged> {
    let in_parts = |name: &TargetName| standings.get(name).is_some_and(|it| it.whole.is_none());
    let steps: Vec<&Step> = prepared
        .plan
        .steps
        .iter()
        .filter(|step| prepared.published.contains(&step.name()) && in_parts(&step.name()))
        .collect();
    let merged = publishing::parallel(&steps, |step| {
        let merged = merge_one(global, prepared, registries, step, &standings);
        let named = |holding| (step.name(), holding);
        merged.map(named).map_err(|error| format!("{}: {error:#}", step.name()))
    });
    let merged = publishing::all(merged).map_err(troubles)?;
    let whole = standings.into_iter().filter_map(|(name, standing)| Some((name, standing.whole?)));
    Ok(Staged { held: whole.chain(merged).collect(), ..Staged::default() })
}

fn merge_one(
    global: &Global,
    prepared: &Prepared,
    registries: &Registries,
    step: &Step,
    standings: &BTreeMap<TargetName, Standing>,
) -> anyhow::Result<Holding> {
    let name = step.name();
    let standing = standings.get(&name).context("what is merged is staged in parts")?;
    let to = prepared.destinations.get(&name).context("it is staged somewhere")?;
    let index = index(registries, &to.staging, &standing.parts)?;
    let tag = step.key.tag();
    let holdings = prepared.holdings();
    let look = || holdings.look(registries, &to.staging, &step.key, &step.platforms);
    let mut found = look()?;
    let is_ours = |found: &Found| matches!(found, Found::Image(it) if it.digest == index.digest);
    // What was built here is on the parts of this run: nobody else's whole can stand for them.
    if !is_ours(&found)
        && matches!(&found, Found::Image(it) if is_on_parents(&prepared.plan, step, it, standings))
    {
        anyhow::bail!(
            "somebody else has staged it as {}:{tag} at the same time; run the workflow again",
            to.staging.familiar()
        );
    }
    registries.put_manifest(&to.staging, &tag, &index)?;
    found = look()?;
    for wait in publishing::waits() {
        if is_ours(&found) {
            break;
        }
        // Some registries show late what was written.
        rest(wait);
        found = look()?;
    }
    let built: BTreeSet<_> = standing
        .parts
        .iter()
        .filter_map(|(platform, part)| Some((platform, &part.images.get(platform)?.manifest)))
        .collect();
    let Found::Image(holding) = found else {
        anyhow::bail!(
            "{}:{tag} was written, and does not show its platforms",
            to.staging.familiar()
        );
    };
    let listed = holding.images.iter().map(|(platform, image)| (platform, &image.manifest));
    anyhow::ensure!(
        listed.collect::<BTreeSet<_>>() == built,
        "{}:{tag} was written by somebody else at the same time; publish again",
        to.staging.familiar()
    );
    if !global.quiet {
        let platforms: Vec<String> = step.platforms.iter().map(ToString::to_string).collect();
        anstream::eprintln!("{name}: {}:{tag} is {}", to.staging.familiar(), platforms.join(", "));
    }
    Ok(holding)
}
