//! `cache`: what BuildKit's cache holds, and making it smaller.

use std::process::ExitCode;

use crate::cli::{CacheCommand, CacheDu, CachePrune, Global};
use crate::engine::cache::{self, Kind};
use crate::engine::{Builder, Engine, Search};
use crate::report;

pub(super) fn run(global: &Global, command: &CacheCommand) -> anyhow::Result<ExitCode> {
    match command {
        CacheCommand::Du(args) => du(global, args),
        CacheCommand::Prune(args) => prune(global, args),
    }
}

fn find(builder: Option<&str>) -> anyhow::Result<(Engine, Builder)> {
    let engine = Engine::find(&Search::default())?;
    let builder = Builder::find(&engine, builder)?;
    Ok((engine, builder))
}

fn du(global: &Global, args: &CacheDu) -> anyhow::Result<ExitCode> {
    let (engine, builder) = find(args.builder.as_deref())?;
    let kinds = cache::usage(&engine, &builder, args.older_than)?;
    show(global, args.json, &builder.name, &kinds)?;
    Ok(ExitCode::SUCCESS)
}

fn prune(global: &Global, args: &CachePrune) -> anyhow::Result<ExitCode> {
    let (engine, builder) = find(args.builder.as_deref())?;
    let command = cache::prune(&engine, &builder, args.older_than, args.keep);
    if args.dry_run {
        // buildx has no dry run: this is what may go at most.
        let kinds = cache::usage(&engine, &builder, args.older_than)?;
        show(global, args.json, &builder.name, &kinds)?;
        if !global.quiet {
            let kept =
                args.keep.map(|keep| format!(", until {} are left", report::human::bytes(keep.0)));
            anstream::eprintln!(
                "what is reclaimable would go{}: {command}",
                kept.unwrap_or_default()
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let reclaimed = cache::run(&command)?;
    if args.json {
        report::json(
            &serde_json::json!({ "version": 1, "builder": builder.name, "reclaimed": reclaimed }),
        )?;
    } else {
        anstream::println!("{} reclaimed", report::human::bytes(reclaimed));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(global: &Global, json: bool, builder: &str, kinds: &[Kind]) -> anyhow::Result<()> {
    let sum = |of: fn(&Kind) -> u64| kinds.iter().map(of).sum::<u64>();
    if json {
        return report::json(&serde_json::json!({
            "version": 1,
            "builder": builder,
            "kinds": kinds,
            "bytes": sum(|kind| kind.bytes),
            "reclaimable": sum(|kind| kind.reclaimable),
        }));
    }
    anstream::print!("{}", report::cache(kinds));
    if !global.quiet {
        let (all, free) = (sum(|kind| kind.bytes), sum(|kind| kind.reclaimable));
        let [all, free] = [all, free].map(report::human::bytes);
        anstream::eprintln!("the builder {builder} holds {all}, {free} of it reclaimable");
    }
    Ok(())
}
