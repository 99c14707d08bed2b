//! `ci plan`: load → keys → what is staged → which jobs have work.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::ground::{everything, ground, images, standings};
use super::pull_request::{View, since_parent, view};
use super::source::Ground;
use super::{github, names};
use crate::ci::{self, Standing, Work};
use crate::cli::{CiPlanArgs, Global, PublicationArgs};
use crate::command::publication::{Extent, Prepared, registries, troubles};
use crate::reference::Platform;
use crate::report::{self, CiJob, CiPlanJson};
use crate::workspace::{Channel, TargetName};

pub(super) fn run(global: &Global, args: &CiPlanArgs) -> anyhow::Result<ExitCode> {
    let publication =
        PublicationArgs { images: images(&args.images)?, ..PublicationArgs::default() };
    let prepared = ground(global, &publication, Extent::Look, args.channel)?;
    let registries = registries(global.quiet, None);
    let plan = if prepared.channel == Channel::Pr {
        of_pull_request(&prepared, &view(global, &prepared, &registries)?)
    } else {
        let standings =
            standings(&prepared, &registries, &everything(&prepared)).map_err(troubles)?;
        of_publication(&prepared, &standings)?
    };
    let jobs: Vec<&str> = match prepared.channel {
        Channel::Pr => Vec::new(),
        _ => plan.jobs.iter().map(|job| job.job.as_str()).collect(),
    };
    github::output("jobs", &serde_json::to_string(&jobs)?)?;
    github::output("components", &serde_json::to_string(&plan.components)?)?;
    github::output("publish", if plan.publish { "true" } else { "false" })?;
    let stale = jobs.into_iter().chain(plan.components.iter().map(String::as_str)).collect();
    let ground = Ground::of(&prepared.loaded.workspace.root)?;
    for (name, runs) in ci::runs_of(&ground.source(&prepared.loaded), &stale) {
        github::output(&name, &runs)?;
    }
    github::summary(&report::ci_plan_summary(&plan, github::MOST_ROWS))?;
    if args.json {
        report::json(&plan)?;
    } else {
        anstream::print!("{}", report::ci_plan(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

fn of_publication(
    prepared: &Prepared,
    standings: &BTreeMap<TargetName, Standing>,
) -> anyhow::Result<CiPlanJson> {
    let todo = ci::jobs(&prepared.plan, standings, &prepared.selected);
    // What changed since the commit before says more than that nothing is staged.
    let changed = if todo.is_empty() { BTreeMap::new() } else { since_parent(prepared)? };
    let job = |(name, platform): (TargetName, Platform)| {
        let todo = standings.get(&name)?.todo.get(&platform)?;
        let changed = changed.get(&name).filter(|_| todo.work == Work::Build);
        Some(CiJob {
            job: names::job(&name, &platform),
            image: name.to_string(),
            platform: Some(platform.to_string()),
            work: todo.work.as_str(),
            reason: changed.unwrap_or(&todo.reason).clone(),
        })
    };
    Ok(CiPlanJson {
        version: 1,
        channel: prepared.channel.to_string(),
        publish: !prepared.published.is_empty(),
        stale: "what is not staged under today's keys".to_owned(),
        jobs: todo.into_iter().filter_map(job).collect(),
        components: Vec::new(),
    })
}

fn of_pull_request(prepared: &Prepared, view: &View) -> CiPlanJson {
    let mut jobs = Vec::new();
    let mut components = Vec::new();
    for step in &prepared.plan.steps {
        let name = step.name();
        if !prepared.selected.contains(&name) {
            continue;
        }
        let (work, reason) = match view.stale.get(&name) {
            Some(reason) => (Work::Build, reason.clone()),
            None if view.to_test.contains(&name) => {
                (Work::Test, "its tests are new since they were run".to_owned())
            }
            None => continue,
        };
        let component = names::component(&prepared.loaded.graph, &name);
        if !components.contains(&component) {
            components.push(component.clone());
        }
        let (image, platform) = (name.to_string(), None);
        jobs.push(CiJob { job: component, image, platform, work: work.as_str(), reason });
    }
    CiPlanJson {
        version: 1,
        channel: prepared.channel.to_string(),
        publish: false,
        stale: view.source.clone(),
        jobs,
        components,
    }
}
