//! `lock-update`: what is to be locked → pixi's locks → `images.lock` → what changed, and what becomes stale by it.

mod bases;
mod pixi;
mod upgrades;

use std::collections::BTreeSet;
use std::process::ExitCode;

use camino::Utf8Path;

use super::{FAILED, keys, load, select};
use crate::cli::{Global, LockFormat, LockUpdateArgs, Locks};
use crate::engine::interrupt;
use crate::key::Keys;
use crate::lock::Changed;
use crate::mistake::Mistakes;
use crate::report::{self, locks::FailedLock, locks::LocksJson};
use crate::workspace::{Reading, Workspace};
use upgrades::Upgrades;

/// What became of one kind of locks.
#[derive(Debug, Default)]
struct Outcome {
    changed: Vec<Changed>,
    failed: Vec<FailedLock>,
}

pub(super) fn run(global: &Global, args: &LockUpdateArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    // Only what pixi needs is read first: what else is wrong may be what a new lock mends.
    let Reading { workspace, gaps, mistakes } = Workspace::load(&load::root(global)?)?;
    if gaps.config || gaps.images {
        mistakes.none()?;
    }
    let selected = select::select(&workspace, &args.images)?;
    let upgrades = Upgrades::new(args);
    let before = if args.check {
        None
    } else {
        keys::of_workspace(&workspace.root).ok().map(|(_, keys)| keys)
    };

    let mut outcome = Outcome::default();
    let mut taken = BTreeSet::new();
    if args.only != Some(Locks::Bases) {
        let jobs = pixi::jobs(&workspace, &selected, &upgrades, &mut taken)?;
        outcome.add(pixi::solve(global, args, &workspace, &jobs)?);
    }
    if args.only != Some(Locks::Pixi) && !interrupt::interrupted() {
        let at_root = Global { root: Some(workspace.root.clone()), ..global.clone() };
        outcome.add(bases::lock(&at_root, args, &upgrades, &mut taken)?);
    }
    upgrades.all_are(&taken, args.only)?;
    let stale = before.map(|before| stale(&workspace.root, &before)).transpose()?;
    let locks = LocksJson {
        version: 1,
        changed: outcome.changed,
        failed: outcome.failed,
        stale: stale.unwrap_or_default(),
    };
    show(global, args, &locks)?;
    let is_as_asked = !args.check || locks.changed.is_empty();
    let good = is_as_asked && locks.failed.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.changed.extend(other.changed);
        self.failed.extend(other.failed);
    }
}

/// The targets whose key is another one than `before`.
fn stale(root: &Utf8Path, before: &Keys) -> anyhow::Result<Vec<String>> {
    let (loaded, now) = match keys::of_workspace(root) {
        Ok(now) => now,
        // What a person has to mend beside the locks is for `plan` to say.
        Err(error) if error.is::<Mistakes>() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_stale = |name: &crate::workspace::TargetName| {
        now.of(name).any(|(platform, key)| {
            before.get(name, platform).is_none_or(|before| before.key != key.key)
        })
    };
    let names = loaded.graph.vertices.iter().map(|vertex| &vertex.name);
    Ok(names.filter(|name| is_stale(name)).map(ToString::to_string).collect())
}

fn show(global: &Global, args: &LockUpdateArgs, locks: &LocksJson) -> anyhow::Result<()> {
    match args.format {
        _ if args.json => report::json(locks)?,
        LockFormat::Json => report::json(locks)?,
        LockFormat::Markdown => anstream::print!("{}", report::locks::markdown(locks)),
        LockFormat::Table => anstream::print!("{}", report::locks::table(locks)),
    }
    for failed in &locks.failed {
        let what = failed.name.as_ref().unwrap_or(&failed.lock);
        anstream::eprintln!(
            "error: {what} ({}) is as it was:\n{}",
            failed.images.join(", "),
            indented(&failed.error)
        );
    }
    if args.check && !locks.changed.is_empty() {
        anstream::eprintln!("{} stale\n  mend: {}", stale_locks(locks), mend(args));
    } else if !global.quiet && locks.changed.is_empty() && locks.failed.is_empty() {
        anstream::eprintln!("every lock agrees with what it locks");
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn stale_locks(locks: &LocksJson) -> String {
    let names: BTreeSet<&str> = locks.changed.iter().map(|changed| changed.lock.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// The same command without `--check`.
fn mend(args: &LockUpdateArgs) -> String {
    let mut words = vec!["cargo xtask lock-update".to_owned()];
    words.extend(args.images.iter().cloned());
    words.extend(
        args.only
            .map(|only| format!("--only {}", if only == Locks::Pixi { "pixi" } else { "bases" })),
    );
    words.extend(args.upgrade.iter().map(|name| format!("--upgrade {name}").trim_end().to_owned()));
    words.join(" ")
}
