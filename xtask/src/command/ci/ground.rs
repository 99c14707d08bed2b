//! What every command of CI stands on: the whole workspace with its keys, and what is staged of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ci::{self, Standing};
use crate::cli::{Global, PublicationArgs};
use crate::command::load::Loaded;
use crate::command::publication::{Extent, Prepared, prepare};
use crate::engine::Environment;
use crate::execute::test::definition;
use crate::mistake::{Mistake, Mistakes};
use crate::plan::Step;
use crate::publish::{Asked, Parts};
use crate::registry::{Registries, Trouble};
use crate::tags::Occasion;
use crate::workspace::{Channel, TargetName};

/// The variable that names images as a person does who starts the workflow by hand.
const IMAGES: &str = "DOCKYARD_IMAGES";

/// The images that are typed, and those of `$DOCKYARD_IMAGES`, between commas and blanks. That variable holds what a
/// person wrote into a form, so that nothing but ids is taken from it.
///
/// # Errors
/// [`Mistakes`]: each word that is no id.
pub(super) fn images(typed: &[String]) -> Result<Vec<String>, Mistakes> {
    let environment = Environment::of_process();
    let written = environment.get(IMAGES).unwrap_or_default();
    let mut images = typed.to_vec();
    let mut mistakes = Mistakes::default();
    for word in written.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()) {
        match word.parse::<TargetName>() {
            Ok(name) => images.push(name.to_string()),
            Err(invalid) => mistakes.push(
                Mistake::new(format!("{IMAGES} names {word:?}: {invalid}"))
                    .mend("write ids as `cargo xtask list` shows them, between commas"),
            ),
        }
    }
    mistakes.none()?;
    Ok(images)
}

/// Loads and plans the whole workspace; `args` says which of it is published.
pub(super) fn ground(
    global: &Global,
    args: &PublicationArgs,
    extent: Extent,
    asked: Option<Channel>,
) -> anyhow::Result<Prepared> {
    let channel = |loaded: &Loaded| {
        let workspace = &loaded.workspace;
        let event = Environment::of_process().ci_event(&workspace.config.ci.branch);
        let git = &workspace.git;
        Occasion { asked, event, git, otherwise: Channel::Release }.channel()
    };
    prepare(global, args, extent, &channel)
}

/// # Errors
/// In a pull request: its content is nobody's but its author's.
pub(super) fn refuse_pull_request(prepared: &Prepared) -> anyhow::Result<()> {
    if prepared.channel != Channel::Pr {
        return Ok(());
    }
    Err(Mistake::new("nothing of a pull request is sent to a registry")
        .mend("build and test it in place: cargo xtask ci check IMAGES")
        .into_error())
}

/// What is staged of `names`, judged.
///
/// # Errors
/// Every registry that does not answer.
pub(super) fn standings(
    prepared: &Prepared,
    registries: &Registries,
    names: &BTreeSet<TargetName>,
) -> Result<BTreeMap<TargetName, Standing>, Vec<Trouble>> {
    let steps: Vec<&Step> =
        prepared.plan.steps.iter().filter(|step| names.contains(&step.name())).collect();
    let definitions: BTreeMap<TargetName, String> =
        steps.iter().filter_map(|step| Some((step.name(), tests_of(prepared, step)?))).collect();
    let mut asked = Vec::new();
    for step in steps {
        let name = step.name();
        let Some(to) = prepared.destinations.get(&name) else { continue };
        let tests = definitions.get(&name).map(String::as_str);
        let (repository, key, platforms) = (&to.staging, &step.key, step.platforms.as_slice());
        asked.push((name, Asked { repository, key, platforms, tests }));
    }
    let (names, asked): (Vec<TargetName>, Vec<Asked<'_>>) = asked.into_iter().unzip();
    let holdings = prepared.holdings();
    let tested: BTreeSet<TargetName> = definitions.keys().cloned().collect();
    let judge = |found: &[Parts]| {
        let found = names.iter().cloned().zip(found.iter().cloned()).collect();
        ci::judge(&prepared.plan, &found, &tested)
    };
    let mut found = holdings.ask(registries, &asked)?;
    // Of what is there whole, on parents that are, no part is asked for.
    let judged = judge(&found);
    let in_parts = |name: &TargetName| judged.get(name).is_none_or(|it| it.whole.is_none());
    let lacking: Vec<usize> = (0..names.len()).filter(|&at| in_parts(&names[at])).collect();
    let of_lacking: Vec<(Asked<'_>, Parts)> =
        lacking.iter().map(|&at| (asked[at], found[at].clone())).collect();
    for (at, parts) in lacking.iter().zip(holdings.ask_parts(registries, &of_lacking)?) {
        found[*at] = parts;
    }
    let all: Vec<(Asked<'_>, Parts)> = asked.iter().copied().zip(found).collect();
    Ok(judge(&holdings.ask_checked(registries, &all)?))
}

/// All targets of the workspace.
pub(super) fn everything(prepared: &Prepared) -> BTreeSet<TargetName> {
    prepared.plan.steps.iter().map(Step::name).collect()
}

/// Everything that the tests of `step` depend on; nothing where it has none.
pub(super) fn tests_of(prepared: &Prepared, step: &Step) -> Option<String> {
    let commit = prepared.loaded.workspace.git.commit.as_ref();
    definition(&step.target, commit.map(|commit| commit.hash.as_str()))
}
