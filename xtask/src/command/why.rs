//! `why`: what made an image stale, or when and why it was last built.

use std::process::ExitCode;

use super::load;
use super::plan as planning;
use super::session::{self, Session};
use crate::cli::{BuildArgs, Global, WhyArgs};
use crate::engine::{Engine, Search};
use crate::key::{Record, Records, state_folder};
use crate::plan::{self, Action, Change, Step};
use crate::reference::Platform;
use crate::report::{self, WhyJson};

pub(super) fn run(global: &Global, args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let images = [args.image.clone()];
    let loaded = load::load(global, &load::Typed::images(&images))?;
    let session = match Engine::find(&Search::default()) {
        Ok(engine) => Some(Session::new(engine, args.builder.as_deref())),
        Err(_) => None,
    };
    let engine = session.as_ref().map(|session| &session.engine);
    let substitutes = session::substitutes(&loaded.workspace, engine)?;
    let asked = BuildArgs { images: vec![args.image.clone()], ..BuildArgs::default() };
    let plan = planning::make(&loaded, &asked, &substitutes, session.as_ref())?;
    let records = Records::new(&state_folder(&loaded.workspace.root));
    let steps: Vec<WhyJson> =
        plan.steps.iter().filter(|step| step.named).map(|step| why(step, &records)).collect();
    if args.json {
        report::json(&report::WhyList { version: 1, images: steps })?;
    } else {
        anstream::print!("{}", report::why(&steps));
    }
    Ok(ExitCode::SUCCESS)
}

fn why(step: &Step, records: &Records) -> WhyJson {
    let name = step.name();
    let built: Vec<(&Platform, Record)> = step
        .platforms
        .iter()
        .filter_map(|platform| Some((platform, records.read(&name, platform)?)))
        .collect();
    let mut changes = Vec::new();
    for (platform, record) in &built {
        changes.extend(changes_since(step, platform, record, records));
    }
    changes.sort();
    changes.dedup();
    let last = built.first().map(|(_, record)| record);
    WhyJson {
        id: name.id.to_string(),
        variant: name.variant.as_ref().map(ToString::to_string),
        up_to_date: step.action == Action::Skip,
        reasons: step.reasons.clone(),
        changes,
        built_at: last.map(|record| record.built_at.clone()),
        built_because: last.map(|record| record.reasons.clone()).unwrap_or_default(),
        seconds: last.map(|record| record.seconds),
        digest: last.map(|record| record.digest.to_string()),
    }
}

fn changes_since(
    step: &Step,
    platform: &Platform,
    record: &Record,
    records: &Records,
) -> Vec<Change> {
    let Some(key) = step.keys.get(platform).filter(|key| key.key != record.key) else {
        return Vec::new();
    };
    let lines = record
        .reads
        .iter()
        .filter_map(|read| Some((read.manifest.clone(), records.lines(&read.manifest)?)))
        .collect();
    let dockerfile = step.target.dockerfile.value.file_name().unwrap_or_default();
    plan::changes(record, key, &lines, dockerfile)
}
