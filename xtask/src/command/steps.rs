//! From the graph and the keys to a plan: everything about each target of a run but whether it is stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::load::Loaded;
use crate::dockerfile::FRONTEND_ARGUMENT;
use crate::graph::{Binding, External, Node, Vertex};
use crate::key::{self, Bases, Contexts, Index, Keys, Sources};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::{self, Action, Plan, Step, Wanted};
use crate::publish;
use crate::reference::{Platform, Reference};
use crate::tags::{self, Claim, Facts};
use crate::workspace::{Channel, Target, TargetName};

/// What decides a plan besides the workspace.
pub(super) struct Scope<'a> {
    pub(super) named: &'a BTreeSet<TargetName>,
    pub(super) wanted: Wanted,
    pub(super) channel: Channel,
    pub(super) bases: &'a Bases,
    /// The references to bind instead of bases, by the base's reference and platform-independent.
    pub(super) bound: &'a BTreeMap<Reference, String>,
}

/// The plan with every step's key, in build order. Actions are filled in by [`plan::decide`].
///
/// # Errors
/// [`Mistakes`] in platforms, tags, labels and contexts.
pub(super) fn plan(loaded: &Loaded, scope: &Scope<'_>) -> anyhow::Result<Plan> {
    let targets: BTreeMap<TargetName, &Target> =
        loaded.workspace.targets.iter().map(|target| (target.target_name(), target)).collect();
    let platforms = plan::platforms(&loaded.graph, &targets, scope.named, &scope.wanted)?;
    let vertices = loaded.graph.with_parents(scope.named);
    let (_, mut mistakes) = wanted_tags(loaded, scope.channel);
    let keys = match keys(loaded, &vertices, scope.bases) {
        Ok(keys) => keys,
        Err(error) => {
            mistakes.extend(error.downcast::<Mistakes>()?);
            return Err(mistakes.none().map_or_else(Into::into, |()| {
                anyhow::anyhow!("failed to find out why there are no keys")
            }));
        }
    };
    let mut plan = Plan::default();
    for vertex in vertices {
        let (Some(target), Some(platforms)) =
            (targets.get(&vertex.name), platforms.get(&vertex.name))
        else {
            continue;
        };
        let step = mistakes.take(step(loaded, scope, vertex, target, platforms, &keys));
        plan.steps.extend(step);
    }
    mistakes.none()?;
    Ok(plan)
}

/// The keys of `vertices`, with a fresh look at every file.
pub(super) fn keys(loaded: &Loaded, vertices: &[&Vertex], bases: &Bases) -> anyhow::Result<Keys> {
    let nodes = loaded.nodes();
    let sources = sources(loaded, &nodes, bases);
    let index = Arc::new(load_index(loaded));
    let contexts = Contexts::new(&loaded.workspace.root, index);
    key::compute(&sources, vertices, &mut contexts.with_unwritten(&loaded.workspace.unwritten))
}

/// What keys are made from.
pub(super) fn sources<'a>(
    loaded: &'a Loaded,
    nodes: &'a BTreeMap<TargetName, Node<'a>>,
    bases: &'a Bases,
) -> Sources<'a> {
    Sources { workspace: &loaded.workspace, graph: &loaded.graph, nodes, bases }
}

/// Makes the folder for what is kept, before a build's files are looked at: what comes into the workspace's root later has
/// changed it, and the build would not be recorded. Where it cannot be made, that is told by whoever writes into it.
pub(super) fn make_room(loaded: &Loaded) {
    let _made = std::fs::create_dir_all(key::state_folder(&loaded.workspace.root));
}

/// The hashes of files that the last run knew.
pub(super) fn load_index(loaded: &Loaded) -> Index {
    Index::load(key::state_folder(&loaded.workspace.root).join("index"))
}

/// What each target wants on `channel`: its repositories and tags.
pub(super) type WantedTags<'a> =
    Vec<(&'a Target, Vec<crate::reference::Repository>, Vec<tags::WantedTag>)>;

/// The tags of all targets together, and what is wrong with them: each must be valid, and none wanted twice.
pub(super) fn wanted_tags(loaded: &Loaded, channel: Channel) -> (WantedTags<'_>, Mistakes) {
    let mut mistakes = Mistakes::default();
    let mut wanted = Vec::new();
    for target in &loaded.workspace.targets {
        let Some(facts) = loaded.facts.get(&target.target_name()) else { continue };
        if let Some(tags) = mistakes.take(tags::wanted(target, facts, channel)) {
            wanted.push((target, repositories(target, channel), tags));
        }
    }
    let claims: Vec<Claim<'_>> = wanted
        .iter()
        .map(|(target, repositories, tags)| Claim { target, repositories, tags })
        .collect();
    mistakes.extend(tags::collisions(&claims));
    mistakes.extend(publish::violations(&loaded.workspace.config.policy, &claims));
    (wanted, mistakes)
}

fn repositories(target: &Target, channel: Channel) -> Vec<crate::reference::Repository> {
    target.repositories.get(channel).cloned().unwrap_or_default()
}

fn step(
    loaded: &Loaded,
    scope: &Scope<'_>,
    vertex: &Vertex,
    target: &Target,
    platforms: &[Platform],
    keys: &Keys,
) -> Result<Step, Mistakes> {
    let name = &vertex.name;
    let mut mistakes = Mistakes::default();
    let mut facts = loaded.facts.get(name).cloned().unwrap_or_default();
    let tags = mistakes.take(tags::wanted(target, &facts, scope.channel)).unwrap_or_default();
    let repositories = repositories(target, scope.channel);
    add_reference(&mut facts, target, &tags, &repositories);

    let (parents, external) = plan::for_platforms(vertex, platforms);
    let mut args = BTreeMap::new();
    if let Some(arguments) = loaded.args.get(name) {
        args.clone_from(&arguments.rendered);
        for (argument, template) in &arguments.late {
            let rendered =
                tags::render(template, &facts).map_err(|missing| missing.into_mistake(template));
            args.extend(mistakes.take(rendered).map(|rendered| (argument.clone(), rendered.text)));
        }
    }
    let labels = mistakes.take(labels(loaded, vertex, target, &facts)).unwrap_or_default();
    let Some(key) = keys.over(name, platforms) else {
        mistakes.push(Mistake::new(format!("{name} has no key for {platforms:?}")));
        return Err(mistakes);
    };
    let instead = |reference: &Reference| instead_of(loaded, scope, reference);
    let bound = mistakes.take(bound(&external, &instead)).unwrap_or_default();
    let frontend = frontend(loaded, target, &args, &instead);
    mistakes.none()?;
    Ok(Step {
        target: target.clone(),
        platforms: platforms.to_vec(),
        key,
        keys: keys.of(name).map(|(platform, key)| (platform.clone(), key.clone())).collect(),
        args,
        labels,
        parents,
        external,
        bound,
        frontend,
        repositories,
        tags,
        attestations: loaded.workspace.config.attestations_here(),
        action: Action::Build,
        reasons: Vec::new(),
        only_parents: false,
        last_seconds: None,
        present: None,
        held: None,
        named: scope.named.contains(name),
    })
}

/// What is fetched in place of an image that this workspace does not make: its substitute, its lock, else its mirror.
fn instead_of(loaded: &Loaded, scope: &Scope<'_>, reference: &Reference) -> Option<String> {
    let mirrored = || loaded.workspace.config.mirrored(reference).map(|mirror| mirror.to_string());
    scope.bound.get(reference).cloned().or_else(mirrored)
}

/// What is bound in place of each base.
///
/// # Errors
/// Where a base can be bound neither by a context nor by an argument.
fn bound(
    external: &[External],
    instead: &dyn Fn(&Reference) -> Option<String>,
) -> Result<BTreeMap<Reference, String>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut bound = BTreeMap::new();
    for base in external {
        let Some(image) = instead(&base.reference) else { continue };
        if base.binding == Binding::Impossible {
            mistakes.push(plan::hidden_base(base, &image));
        }
        bound.insert(base.reference.clone(), image);
    }
    mistakes.none()?;
    Ok(bound)
}

/// What `BUILDKIT_SYNTAX` must say so that the frontend is fetched from elsewhere: the argument of that name, else the
/// `# syntax=` line, with its image replaced. The words after the image are the frontend's own.
fn frontend(
    loaded: &Loaded,
    target: &Target,
    args: &BTreeMap<String, String>,
    instead: &dyn Fn(&Reference) -> Option<String>,
) -> Option<String> {
    let dockerfile = loaded.dockerfiles.get(&target.dockerfile.value)?;
    let written = match args.get(FRONTEND_ARGUMENT) {
        Some(written) => written.trim(),
        None => dockerfile.syntax()?.0,
    };
    let (image, rest) = written.split_at(written.find(' ').unwrap_or(written.len()));
    Some(format!("{}{rest}", instead(&image.parse().ok()?)?))
}

/// The fact that follows from the tags.
fn add_reference(
    facts: &mut Facts,
    target: &Target,
    tags: &[tags::WantedTag],
    repositories: &[crate::reference::Repository],
) {
    if let Some(tag) = tags.first().and_then(|wanted| wanted.tag.as_ref()) {
        let repository =
            repositories.first().map_or(target.name.as_str(), |repository| repository.familiar());
        facts.set("reference", &format!("{repository}:{tag}"));
    }
}

/// The OCI annotation keys (image spec, «Pre-Defined Annotation Keys») as labels, where neither the Dockerfile nor
/// `labels` says otherwise.
fn labels(
    loaded: &Loaded,
    vertex: &Vertex,
    target: &Target,
    facts: &Facts,
) -> Result<BTreeMap<String, String>, Mistakes> {
    const PREFIX: &str = "org.opencontainers.image.";
    let git = &loaded.workspace.git;
    let mut labels = BTreeMap::new();
    let mut add = |key: &str, value: Option<&str>| {
        labels.extend(value.map(|value| (format!("{PREFIX}{key}"), value.to_owned())));
    };
    add("title", Some(&target.name));
    add("description", target.description.as_deref());
    add("version", facts.get("version"));
    add("created", facts.get("created"));
    add("revision", facts.get("commit"));
    add("source", git.source.as_deref());
    add("base.name", facts.get("base_name"));
    add("base.digest", facts.get("base_digest"));
    add("ref.name", facts.get("reference"));

    let in_dockerfile: BTreeSet<&str> = vertex
        .platforms
        .values()
        .flat_map(|resolved| &resolved.labels)
        .map(String::as_str)
        .collect();
    labels.retain(|key, _| !in_dockerfile.contains(key.as_str()));
    let mut mistakes = Mistakes::default();
    for (key, template) in &target.labels {
        let rendered =
            tags::render(template, facts).map_err(|missing| missing.into_mistake(template));
        labels.extend(mistakes.take(rendered).map(|rendered| (key.clone(), rendered.text)));
    }
    mistakes.none()?;
    labels.insert("dockyard.id".to_owned(), vertex.name.to_string());
    Ok(labels)
}
