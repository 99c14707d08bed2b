//! `doctor`: what this machine has and lacks.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::{FAILED, load};
use crate::cli::{DoctorArgs, Global};
use crate::engine::Search;
use crate::engine::doctor::{self, Needs, State};
use crate::reference::Platform;
use crate::report;

pub(super) fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    // A workspace with mistakes in it has a machine all the same.
    let needs = match load::load(global, &load::Typed::default()) {
        Ok(loaded) => needs_of(&loaded, args, global.offline),
        Err(error) => {
            report::error(&error);
            Needs { builder: args.builder.clone(), ..Needs::default() }
        }
    };
    let checks = doctor::checks(&Search::default(), &needs);
    if args.json {
        report::json(&serde_json::json!({ "version": 1, "checks": checks }))?;
    } else {
        anstream::println!("{}", doctor::render(&checks));
    }
    let bad = checks.iter().any(|check| check.state == State::Bad);
    Ok(if bad { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn needs_of(loaded: &load::Loaded, args: &DoctorArgs, offline: bool) -> Needs {
    let targets = &loaded.workspace.targets;
    let platforms: BTreeSet<Platform> =
        targets.iter().flat_map(|target| target.platforms.clone()).collect();
    let mut registries: BTreeSet<String> = BTreeSet::new();
    if !offline {
        for vertex in &loaded.graph.vertices {
            registries.extend(vertex.external.iter().map(|base| {
                let mirrored = loaded.workspace.config.mirrored(&base.reference);
                let asked = mirrored.as_ref().unwrap_or(&base.reference);
                asked.repository.registry().to_owned()
            }));
        }
        for target in targets.iter().filter(|target| target.publish) {
            registries
                .extend(target.all_repositories().into_iter().map(|one| one.registry().to_owned()));
        }
    }
    Needs {
        platforms: platforms.into_iter().collect(),
        registries: registries.into_iter().collect(),
        pixi: targets
            .iter()
            .any(|target| loaded.workspace.root.join(&target.folder).join("pixi.toml").is_file()),
        builder: args.builder.clone(),
    }
}
