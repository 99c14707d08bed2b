//! Which target needs which? References in Dockerfiles become edges between targets, or external bases.
//!
//! Nothing is guessed: an edge is a reference that equals a repository which the workspace declares. Pure. Called by
//! `command`; what an edge means for a build is decided in `plan` and `engine`.

mod cycle;
mod edges;
mod named;
mod owners;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Dockerfile, ImageUse, Request, Resolved, Via};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::reference::{Platform, Reference, Tag};
use crate::workspace::{Target, TargetName};
use edges::{
    add_contexts, add_edge, add_external, binding, edge, hidden_by_stage, lacking_platform,
};
use named::{find_parent, missing_stage, named, unused_parents};
use owners::{Owner, Owners};

/// What the graph is made from: a target, its Dockerfile, its rendered arguments, and every tag it could have.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub target: &'a Target,
    pub dockerfile: &'a Dockerfile,
    pub args: BTreeMap<String, String>,
    pub tags: Vec<Tag>,
}

/// A target in the graph.
#[derive(Clone, Debug)]
pub struct Vertex {
    pub name: TargetName,
    /// What building it reaches, per platform.
    pub platforms: BTreeMap<Platform, Resolved>,
    pub parents: Vec<Edge>,
    pub external: Vec<External>,
}

/// A use of one target by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub parent: TargetName,
    pub via: Via,
    /// As the Dockerfile names it, arguments expanded; for a `[parents]` entry, where the parent is published.
    pub reference: Reference,
    /// How the child is told which image to use.
    pub binding: Binding,
    /// Pairs of the child's platform and the parent's that it needs.
    pub platforms: BTreeSet<(Platform, Platform)>,
    /// The same; nothing stands for the builder's own platform, whichever it is (`FROM --platform=$BUILDPLATFORM`).
    pub uses: BTreeSet<(Platform, Option<Platform>)>,
    /// Whether the final stage starts from it.
    pub is_base: bool,
    pub place: Place,
}

/// How a build is given an image in place of the one that its Dockerfile names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// A named context under this name replaces the reference.
    Context(String),
    /// The build argument that holds the reference.
    Argument(String),
    /// Neither is possible: a stage has the reference's name, and no argument holds it.
    Impossible,
}

/// A reference that no image of the workspace owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    pub reference: Reference,
    pub via: Via,
    pub binding: Binding,
    /// The platforms asked of it, one for each of the child's.
    pub platforms: BTreeSet<(Platform, Platform)>,
    /// The same; nothing stands for the builder's own platform.
    pub uses: BTreeSet<(Platform, Option<Platform>)>,
    pub is_base: bool,
    pub place: Place,
    /// Why it is external although it looks like one of the workspace's images.
    pub note: Option<String>,
}

/// The vertices in build order: parents before children, otherwise by name.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub vertices: Vec<Vertex>,
}

/// The names under which Dockerfiles may know the workspace's images.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// Registries and aliases: prefixes that stand before an image's name.
    pub prefixes: Vec<&'a str>,
    pub build_platform: Platform,
    /// Whether every image is among the nodes: what is not there may otherwise only not have been read.
    pub is_whole: bool,
    /// The `ONBUILD` triggers of external bases, as far as they are known.
    pub triggers: &'a Triggers,
}

/// `Config.OnBuild` of images, by the reference under which Dockerfiles name them.
pub type Triggers = BTreeMap<Reference, Vec<String>>;

/// Builds the graph of `nodes`.
///
/// # Errors
/// Every unresolved reference, unknown parent, missing platform, impossible binding, and cycle.
pub fn build(nodes: &[Node<'_>], scope: &Scope<'_>) -> Result<Graph, Mistakes> {
    let owners = Owners::new(nodes, &scope.prefixes);
    let mut mistakes = Mistakes::default();
    let mut vertices = Vec::new();
    let mut of_targets: BTreeMap<Mistake, Vec<&Target>> = BTreeMap::new();
    for node in nodes {
        match vertex(node, nodes, &owners, scope) {
            Ok(vertex) => vertices.push(vertex),
            Err(found) => found.into_iter().for_each(|mistake| {
                of_targets.entry(mistake).or_default().push(node.target);
            }),
        }
    }
    mistakes
        .extend(of_targets.into_iter().map(|(mistake, targets)| named(mistake, &targets, nodes)));
    if vertices.len() == nodes.len() {
        match cycle::order(vertices) {
            Ok(vertices) => {
                mistakes.none()?;
                return Ok(Graph { vertices });
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    mistakes.none()?;
    Ok(Graph::default())
}

fn vertex(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    owners: &Owners<'_>,
    scope: &Scope<'_>,
) -> Result<Vertex, Mistakes> {
    let target = node.target;
    let mut mistakes = Mistakes::default();
    let mut args = node.args.clone();
    let mut declared = BTreeMap::new();
    let mut used_parents = BTreeSet::new();
    for (number, (argument, parent)) in target.parents.iter().enumerate() {
        let owner = match find_parent(nodes, &parent.value, &parent.place) {
            Ok(owner) => owner,
            Err(mistake) => {
                if scope.is_whole {
                    mistakes.push(mistake);
                }
                // The rest of the Dockerfile is looked at all the same.
                args.insert(argument.clone(), owners::stand_in(number, &parent.value).to_string());
                used_parents.insert(argument.as_str());
                continue;
            }
        };
        // The argument gets a reference that nothing else can equal, so that its uses are recognised.
        let stand_in = owners::stand_in(number, &owner.target_name());
        args.insert(argument.clone(), stand_in.to_string());
        declared.insert(stand_in, (argument, owner));
    }
    if let Some(mistake) = missing_stage(node) {
        mistakes.push(mistake);
        return Err(mistakes);
    }

    let contexts: BTreeSet<String> = target.contexts.keys().cloned().collect();
    let mut vertex = Vertex {
        name: target.target_name(),
        platforms: BTreeMap::new(),
        parents: Vec::new(),
        external: Vec::new(),
    };
    mistakes.take(add_contexts(target, owners, &mut vertex));
    // By what is lacking: said once, however often the image is named.
    let mut lacking: BTreeMap<String, Mistake> = BTreeMap::new();
    for platform in &target.platforms {
        let request = Request {
            args: &args,
            target: target.stage.as_ref().map(|stage| stage.value.as_str()),
            platform,
            build_platform: &scope.build_platform,
            contexts: &contexts,
        };
        let resolve = |request: &Request<'_>| {
            let parent = |image: &ImageUse| match declared.get(&image.reference) {
                Some((_, parent)) => Some(parent.target_name()),
                None => match owners.of(target, image) {
                    Ok(Owner::Target(parent)) => Some(parent.target_name()),
                    _ => None,
                },
            };
            resolve_with_parents(node, nodes, request, scope.triggers, &parent)
        };
        let Some(resolved) = mistakes.take(resolve(&request)) else { continue };
        // Resolved for a builder that cannot be, what has its platform is what takes the builder's.
        let nowhere = Request { build_platform: &nowhere(), ..request };
        let elsewhere = resolve(&nowhere).ok();
        for (index, image) in resolved.images.iter().enumerate() {
            let is_base = resolved.final_base == Some(index);
            let on = platform_of(image, elsewhere.as_ref(), index);
            let use_ = (platform.clone(), on);
            if let Some((argument, parent)) = declared.get(&image.reference) {
                used_parents.insert(argument.as_str());
                let published =
                    parent.all_repositories().first().map(|repository| (*repository).clone());
                let reference = published.map_or_else(
                    || owners::bare_name(parent),
                    |repository| Reference { repository, tag: None, digest: None },
                );
                let edge =
                    edge(parent, image, reference, Binding::Argument((*argument).clone()), is_base);
                lacking.extend(lacking_platform(target, parent, image));
                add_edge(&mut vertex.parents, edge, &image.platform, use_);
                continue;
            }
            match owners.of(target, image) {
                Ok(Owner::Target(parent)) => {
                    lacking.extend(lacking_platform(target, parent, image));
                    let binding = binding(image);
                    if binding == Binding::Impossible {
                        mistakes.push(hidden_by_stage(image));
                    }
                    let edge = edge(parent, image, image.reference.clone(), binding, is_base);
                    add_edge(&mut vertex.parents, edge, &image.platform, use_);
                }
                Ok(Owner::Nobody { note }) => {
                    add_external(&mut vertex.external, image, binding(image), use_, is_base, note);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        vertex.platforms.insert(platform.clone(), resolved);
    }
    if mistakes.is_empty() {
        mistakes.extend(unused_parents(target, &used_parents));
    }
    mistakes.extend(lacking.into_values());
    mistakes.none()?;
    // By their places, whatever platform met them first.
    vertex.parents.sort_by(|a, b| a.place.cmp(&b.place));
    vertex.external.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(vertex)
}

/// The platform of the image at `index`; nothing where it is the builder's own, which `elsewhere`, resolved for another
/// builder, shows.
fn platform_of(image: &ImageUse, elsewhere: Option<&Resolved>, index: usize) -> Option<Platform> {
    elsewhere
        .and_then(|elsewhere| elsewhere.images.get(index))
        .filter(|there| there.reference == image.reference)
        .is_none_or(|there| there.platform == image.platform)
        .then(|| image.platform.clone())
}

/// A platform that no builder has.
fn nowhere() -> Platform {
    "linux/builder".parse().expect("it is a platform")
}

/// Resolves the Dockerfile of `node` with the `ONBUILD` triggers of its parents in this workspace.
fn resolve_with_parents(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    request: &Request<'_>,
    triggers: &Triggers,
    parent: &dyn Fn(&ImageUse) -> Option<TargetName>,
) -> Result<Resolved, Mistakes> {
    let resolved = node.dockerfile.resolve_with_triggers(request, triggers)?;
    let mut all = triggers.clone();
    let mut any = false;
    for image in resolved.images.iter().filter(|image| image.via == Via::From) {
        let Some(parent) = parent(image) else { continue };
        let Some(parent) = nodes.iter().find(|node| node.target.target_name() == parent) else {
            continue;
        };
        let stage = parent.target.stage.as_ref().map(|stage| stage.value.as_str());
        let of_parent = parent.dockerfile.triggers_of(stage);
        any |= !of_parent.is_empty();
        all.insert(image.reference.clone(), of_parent);
    }
    if any { node.dockerfile.resolve_with_triggers(request, &all) } else { Ok(resolved) }
}

impl Graph {
    pub fn get(&self, name: &TargetName) -> Option<&Vertex> {
        self.vertices.iter().find(|vertex| vertex.name == *name)
    }

    /// `names` and everything that they need, in build order.
    pub fn with_parents(&self, names: &BTreeSet<TargetName>) -> Vec<&Vertex> {
        let mut wanted = names.clone();
        for vertex in self.vertices.iter().rev() {
            if wanted.contains(&vertex.name) {
                wanted.extend(vertex.parents.iter().map(|edge| edge.parent.clone()));
            }
        }
        self.vertices.iter().filter(|vertex| wanted.contains(&vertex.name)).collect()
    }

    /// The targets that need `name` directly.
    pub fn children<'a>(&'a self, name: &'a TargetName) -> impl Iterator<Item = &'a Vertex> {
        self.vertices
            .iter()
            .filter(move |vertex| vertex.parents.iter().any(|edge| edge.parent == *name))
    }
}
