//! What a pull request has to build: what staging repositories lack, as far as they may be read; else what it changes.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{everything, standings};
use crate::ci::{Standing, Work};
use crate::cli::Global;
use crate::command::keys::of_workspace;
use crate::command::publication::Prepared;
use crate::command::steps;
use crate::command::trees::{Tree, differences};
use crate::engine::{Environment, interrupt};
use crate::registry::{Kind, Registries, Trouble};
use crate::workspace::{Checkout, TargetName};

/// The most reasons that are named for one image.
const MOST_REASONS: usize = 3;

/// What is stale, and on whose word.
pub(super) struct View {
    /// What is staged; empty where no registry was asked, or could be read.
    pub(super) standings: BTreeMap<TargetName, Standing>,
    /// Why each is built; what is staged and only has to be tested is not in it.
    pub(super) stale: BTreeMap<TargetName, String>,
    /// Those that are staged, and whose tests are new.
    pub(super) to_test: BTreeSet<TargetName>,
    /// Completes «stale is …».
    pub(super) source: String,
}

/// # Errors
/// When the workspace's files cannot be read.
pub(super) fn view(
    global: &Global,
    prepared: &Prepared,
    registries: &Registries,
) -> anyhow::Result<View> {
    let unread = if global.offline {
        "no registry is asked".to_owned()
    } else {
        match readable(prepared, registries)? {
            Ok(standings) => return by_staging(prepared, standings),
            Err(why) => why,
        }
    };
    let (stale, source) = match since_base(prepared)? {
        Ok((affected, since)) => {
            (shortened(affected), format!("what differs from {since}, because {unread}"))
        }
        Err(why) => {
            let all = everything(prepared).into_iter();
            let stale = all.map(|name| (name, "nothing says that it is not stale".to_owned()));
            (stale.collect(), format!("everything, because {unread}, and {why}"))
        }
    };
    let (standings, to_test) = Default::default();
    Ok(View { standings, stale, to_test, source })
}

/// What is staged where anybody may read it; else why nothing is.
///
/// Registries do not tell whoever has no login whether a repository is closed or not there yet, as that of a new image:
/// what stands in such a one is left out.
fn readable(
    prepared: &Prepared,
    registries: &Registries,
) -> anyhow::Result<Result<BTreeMap<TargetName, Standing>, String>> {
    let mut names = everything(prepared);
    names.retain(|name| prepared.destinations.contains_key(name));
    let mut why = "no image has a staging repository".to_owned();
    while !names.is_empty() {
        let troubles = match standings(prepared, registries, &names) {
            Ok(standings) => return Ok(Ok(standings)),
            Err(troubles) => troubles,
        };
        anyhow::ensure!(!interrupt::interrupted(), "interrupted");
        let first = troubles.first().map(ToString::to_string).unwrap_or_default();
        why = format!("staged images cannot be read ({})", first_line(&first));
        let is_closed = |trouble: &Trouble| {
            matches!(
                trouble.kind,
                Kind::Unauthorized { login: false } | Kind::Forbidden { login: false }
            )
        };
        if !troubles.iter().all(is_closed) {
            break;
        }
        let closed: BTreeSet<_> = troubles.iter().map(|trouble| &trouble.repository).collect();
        let staging = |name: &TargetName| prepared.destinations.get(name).map(|to| &to.staging);
        names.retain(|name| staging(name).is_some_and(|staging| !closed.contains(staging)));
    }
    Ok(Err(why))
}

fn by_staging(
    prepared: &Prepared,
    standings: BTreeMap<TargetName, Standing>,
) -> anyhow::Result<View> {
    let mut stale = BTreeMap::new();
    let mut to_test = BTreeSet::new();
    let mut affected = None;
    for step in &prepared.plan.steps {
        let name = step.name();
        let Some(standing) = standings.get(&name) else {
            // It is staged nowhere, or where we may not look, so that only the base can tell.
            if affected.is_none() {
                affected = Some(since_base(prepared)?.ok().map(|(of, _)| shortened(of)));
            }
            let parent = step.parents.iter().find(|edge| stale.contains_key(&edge.parent));
            let why = match (parent, affected.as_ref().and_then(Option::as_ref)) {
                (Some(edge), _) => Some(format!("its parent {} is built", edge.parent)),
                (None, Some(affected)) => affected.get(&name).cloned(),
                (None, None) => Some("it is staged nowhere".to_owned()),
            };
            stale.extend(why.map(|why| (name, why)));
            continue;
        };
        let to_build = standing.todo.values().find(|todo| todo.work == Work::Build);
        if let Some(todo) = to_build {
            stale.insert(name, todo.reason.clone());
        } else if !standing.todo.is_empty() {
            to_test.insert(name);
        }
    }
    let source = "what is not staged under today's keys".to_owned();
    Ok(View { standings, stale, to_test, source })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn shortened(reasons: BTreeMap<TargetName, Vec<String>>) -> BTreeMap<TargetName, String> {
    reasons.into_iter().map(|(name, reasons)| (name, shown(&reasons))).collect()
}

/// The first of `reasons` in one line.
fn shown(reasons: &[String]) -> String {
    let more = reasons.len().saturating_sub(MOST_REASONS);
    let text = reasons[..reasons.len() - more].join(", ");
    if more > 0 { format!("{text}, and {more} more") } else { text }
}

/// Why targets differ from a revision, and which revision that is; else why that is not known.
type Since = Result<(BTreeMap<TargetName, Vec<String>>, String), String>;

/// What differs from where the pull request left its base.
fn since_base(prepared: &Prepared) -> anyhow::Result<Since> {
    let environment = Environment::of_process();
    let Some(base) = environment.get("GITHUB_BASE_REF") else {
        return Ok(Err("GITHUB_BASE_REF names no base".to_owned()));
    };
    let remote = format!("origin/{base}");
    match since(prepared, &remote)? {
        Ok(affected) => Ok(Ok((affected, remote))),
        Err(why) => Ok(Err(why)),
    }
}

/// Why targets are built although the commit before had them, in one line each; nothing is known of a first commit.
pub(super) fn since_parent(prepared: &Prepared) -> anyhow::Result<BTreeMap<TargetName, String>> {
    Ok(since(prepared, "HEAD^")?.map(shortened).unwrap_or_default())
}

/// What differs from where HEAD and `revision` part, or why that cannot be told.
fn since(
    prepared: &Prepared,
    revision: &str,
) -> anyhow::Result<Result<BTreeMap<TargetName, Vec<String>>, String>> {
    let loaded = &prepared.loaded;
    let root = &loaded.workspace.root;
    let checkout = match Checkout::merge_base(root, revision) {
        Ok(checkout) => checkout,
        Err(why) => return Ok(Err(first_line(&why.to_string()).to_owned())),
    };
    let Ok((_, before)) = of_workspace(&checkout.root) else {
        return Ok(Err(format!("the workspace at {revision} cannot be read")));
    };
    let vertices: Vec<_> = loaded.graph.vertices.iter().collect();
    let now = steps::keys(loaded, &vertices, &prepared.substitutes.bases)?;
    let (old, new) = (Tree::new(&checkout.root, &before), Tree::new(root, &now));
    Ok(Ok(differences(loaded, &old, &new)?.of_targets))
}
