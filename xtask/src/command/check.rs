//! What does a plan need that this machine lacks? All of it at once, before anything is built.

use std::collections::BTreeSet;

use super::load::Loaded;
use super::session::Session;
use crate::engine::buildx;
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{Action, Plan, Step};
use crate::reference::Platform;
use crate::workspace::SecretSource;

/// # Errors
/// Every emulator, secret or ability of the engine's store that a step to be built lacks.
pub(super) fn check(loaded: &Loaded, plan: &Plan, session: &Session) -> anyhow::Result<()> {
    let mut mistakes = Mistakes::default();
    for step in plan.steps.iter().filter(|step| step.action == Action::Build) {
        mistakes.extend(buildx::unsupported(&session.engine, step));
        mistakes.extend(lacking_emulators(loaded, step, session)?);
        mistakes.extend(lacking_secrets(loaded, step));
        if step.target.ssh
            && std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty())
        {
            mistakes.push(
                Mistake::new(format!(
                    "{} uses ssh, and no agent is there: SSH_AUTH_SOCK is not set",
                    step.name()
                ))
                .at(step.target.place.clone())
                .mend("start one: eval \"$(ssh-agent)\" && ssh-add"),
            );
        }
    }
    Ok(mistakes.none()?)
}

/// Platforms on which a program has to run although the builder cannot run it. An image into which files are only
/// copied, or whose programs run on the builder's own platform, needs no emulator.
fn lacking_emulators(
    loaded: &Loaded,
    step: &Step,
    session: &Session,
) -> anyhow::Result<Vec<Mistake>> {
    let mut lacking = running_platforms(loaded, step);
    let builder = session.builder()?;
    lacking.retain(|platform| !builder.builds_for(platform));
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let builder = session.looked_at_builder()?;
    lacking.retain(|platform| !builder.builds_for(platform));
    let mistake = |platform: &Platform| {
        Mistake::new(format!(
            "{} is wanted for {platform}, and the builder {:?} has no emulator for it",
            step.name(),
            builder.name
        ))
        .at(step.target.place.clone())
        .mend(
            "install one (Debian and Ubuntu: apt install qemu-user-static binfmt-support; anywhere: docker run \
             --privileged --rm tonistiigi/binfmt --install all)",
        )
    };
    Ok(lacking.into_iter().map(mistake).collect())
}

fn running_platforms<'a>(loaded: &'a Loaded, step: &Step) -> BTreeSet<&'a Platform> {
    let vertex = loaded.graph.get(&step.name());
    let resolved = vertex
        .into_iter()
        .flat_map(|vertex| step.platforms.iter().filter_map(|p| vertex.platforms.get(p)));
    let stages = resolved.flat_map(|resolved| &resolved.stages);
    stages.filter(|stage| stage.runs).map(|stage| &stage.platform).collect()
}

pub(super) fn lacking_secrets(loaded: &Loaded, step: &Step) -> Vec<Mistake> {
    let missing = |source: &SecretSource| match source {
        SecretSource::Env(name) => std::env::var_os(name)
            .is_none()
            .then(|| format!("the variable {name}, which is not set")),
        SecretSource::File(path) => (!loaded.workspace.root.join(path).is_file())
            .then(|| format!("the file {path}, which is not there")),
    };
    let lacking = step.target.secrets.iter().filter_map(|(id, source)| {
        let what = format!("the secret {id:?} of {} is in {}", step.name(), missing(source)?);
        Some(Mistake::new(what).at(step.target.place.clone()))
    });
    lacking.collect()
}

/// Says which steps run programs of another platform.
pub(super) fn say_emulated(loaded: &Loaded, plan: &Plan, session: &Session) {
    let native = &session.engine.platform;
    for step in plan.steps.iter().filter(|step| step.action == Action::Build) {
        for platform in running_platforms(loaded, step).into_iter().filter(|it| *it != native) {
            anstream::eprintln!(
                "note: {} is built for {platform}, emulated on {native}",
                step.name()
            );
        }
    }
}

/// Says which caches stay unwritten that should be written, once.
pub(super) fn say_unwritten(plan: &Plan, session: &Session) -> anyhow::Result<()> {
    for step in plan.steps.iter().filter(|step| step.action == Action::Build) {
        if let Some(why) = session.caching.obstacle(step, &session.engine, session.builder()?) {
            anstream::eprintln!("note: {why}");
        }
    }
    Ok(())
}
