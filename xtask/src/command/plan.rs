//! `plan`: what `build` would do, and why.

use std::process::ExitCode;

use super::load::{self, Loaded};
use super::session::{self, Session, Substitutes};
use super::{select, steps};
use crate::cli::{BuildArgs, Global};
use crate::engine::NotFound;
use crate::key::{Records, state_folder};
use crate::plan::{self, Plan, Wanted};
use crate::reference::Platform;
use crate::report;
use crate::tags::Occasion;
use crate::workspace::Channel;

pub(super) fn run(global: &Global, args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let load = || load::load(global, &load::Typed::of(args));
    let likely = || session::likely(global, &args.images);
    let (loaded, session) =
        Session::find_during(args.builder.as_deref(), session::remembered(global), likely, load)?;
    let (plan, session) = match session {
        Ok(session) => {
            let substitutes = session::substitutes(&loaded.workspace, Some(&session.engine))?;
            (make(&loaded, args, &substitutes, Some(&session))?, Ok(session))
        }
        Err(not_found) => {
            let substitutes = session::substitutes(&loaded.workspace, None)?;
            (make(&loaded, args, &substitutes, None)?, Err(not_found))
        }
    };
    show(global, args, &loaded, &plan, &session)?;
    Ok(ExitCode::SUCCESS)
}

/// The plan for `args`, with actions as far as the engine can say what it holds.
pub(super) fn make(
    loaded: &Loaded,
    args: &BuildArgs,
    substitutes: &Substitutes,
    session: Option<&Session>,
) -> anyhow::Result<Plan> {
    let named = select::select(&loaded.workspace, &args.images)?;
    let native = session.map_or_else(Platform::native, |session| session.engine.platform.clone());
    let wanted = if args.all_platforms {
        Wanted::All
    } else if args.platform.is_empty() {
        Wanted::Native(native)
    } else {
        Wanted::These(args.platform.clone())
    };
    let scope = steps::Scope {
        named: &named,
        wanted,
        channel: channel(loaded, args.channel),
        bases: &substitutes.bases,
        bound: &substitutes.bound,
    };
    let mut plan = steps::plan(loaded, &scope)?;
    let records = Records::new(&state_folder(&loaded.workspace.root));
    let known = match session {
        Some(session) => session.known(&plan, &records)?,
        None => session::recorded(&plan, &records),
    };
    plan::decide(&mut plan, &known, force(args));
    Ok(plan)
}

/// The option by which a person insists.
fn force(args: &BuildArgs) -> Option<&'static str> {
    [(args.force, "--force"), (args.no_cache, "--no-cache"), (args.pull, "--pull")]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
}

pub(super) fn channel(loaded: &Loaded, asked: Option<Channel>) -> Channel {
    Occasion { asked, event: None, git: &loaded.workspace.git, otherwise: Channel::Dev }.channel()
}

/// Prints the plan: JSON or a table on stdout, the lack of an engine on stderr.
pub(super) fn show(
    global: &Global,
    args: &BuildArgs,
    loaded: &Loaded,
    plan: &Plan,
    session: &Result<Session, NotFound>,
) -> anyhow::Result<()> {
    if args.json {
        let unreached;
        let session = match session {
            Ok(session) => session,
            Err(_) => {
                unreached = Session::unreached(args.builder.as_deref());
                &unreached
            }
        };
        let commands = super::build::commands(loaded, plan, session)?;
        return report::json(&report::PlanJson::new(plan, &commands));
    }
    if let Err(not_found) = session
        && !global.quiet
    {
        anstream::eprintln!("note: no engine was asked what it holds: {}", not_found.what());
    }
    anstream::print!("{}", report::plan(plan));
    Ok(())
}
