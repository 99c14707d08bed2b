//! Which target needs which? References in Dockerfiles become edges between targets, or external bases.
//!
//! Nothing is guessed: an edge is a reference that equals a repository which the workspace declares. Pure. Called by
//! `command`; what an edge means for a build is decided in `plan` and `engine`.

mod cycle;
mod owners;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Dockerfile, ImageUse, Request, Resolved, Via};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::reference::{Platform, Reference, Tag};
use crate::workspace::{ContextSource, Target, TargetName, nearest};
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
}

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

/// A mistake that only some variants of an image make names them.
fn named(mut mistake: Mistake, targets: &[&Target], nodes: &[Node<'_>]) -> Mistake {
    let made =
        |target: &Target| targets.iter().any(|other| other.target_name() == target.target_name());
    let all = targets.first().is_none_or(|first| {
        nodes.iter().map(|node| node.target).filter(|target| target.id == first.id).all(made)
    });
    let names: Vec<String> =
        targets.iter().map(|target| target.target_name().to_string()).collect();
    if !all && !names.iter().any(|name| mistake.what.contains(name)) {
        mistake.what = format!("{} ({})", mistake.what, names.join(", "));
    }
    mistake
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
    for (argument, parent) in &target.parents {
        let owner = match find_parent(nodes, &parent.value, &parent.place) {
            Ok(owner) => owner,
            Err(mistake) => {
                if scope.is_whole {
                    mistakes.push(mistake);
                }
                // The rest of the Dockerfile is looked at all the same.
                args.insert(argument.clone(), owners::stand_in(&parent.value).to_string());
                used_parents.insert(argument.as_str());
                continue;
            }
        };
        // The argument gets a reference that nothing else can equal, so that its uses are recognised.
        let stand_in = owners::stand_in(&owner.target_name());
        args.insert(argument.clone(), stand_in.to_string());
        declared.insert(stand_in, (argument, owner, &parent.place));
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
        let Some(resolved) = mistakes.take(node.dockerfile.resolve(&request)) else { continue };
        for (index, image) in resolved.images.iter().enumerate() {
            let is_base = resolved.final_base == Some(index);
            if let Some((argument, parent, _)) = declared.get(&image.reference) {
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
                add_edge(&mut vertex.parents, edge, platform, &image.platform);
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
                    add_edge(&mut vertex.parents, edge, platform, &image.platform);
                }
                Ok(Owner::Nobody { note }) => {
                    add_external(
                        &mut vertex.external,
                        image,
                        binding(image),
                        platform,
                        is_base,
                        note,
                    );
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        vertex.platforms.insert(platform.clone(), resolved);
    }
    for (argument, parent) in &target.parents {
        if mistakes.is_empty() && !used_parents.contains(argument.as_str()) {
            mistakes.push(
                Mistake::new(format!(
                    "nothing in {} starts from or copies from the argument {argument}",
                    target.dockerfile.value
                ))
                .at(parent.place.clone())
                .mend(format!("write `ARG {argument}` before the first FROM and `FROM ${{{argument}}}`, or remove the entry")),
            );
        }
    }
    mistakes.extend(lacking.into_values());
    mistakes.none()?;
    // By their places, whatever platform met them first.
    vertex.parents.sort_by(|a, b| a.place.cmp(&b.place));
    vertex.external.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(vertex)
}

fn missing_stage(node: &Node<'_>) -> Option<Mistake> {
    let wanted = node.target.stage.as_ref()?;
    let names: Vec<&str> = node.dockerfile.stages().filter_map(|stage| stage.name).collect();
    let lower = wanted.value.to_lowercase();
    if names.contains(&lower.as_str()) {
        return None;
    }
    let file = &node.target.dockerfile.value;
    let mistake =
        Mistake::new(format!("{file} has no stage {:?}", wanted.value)).at(wanted.place.clone());
    Some(match nearest(&lower, names.iter().copied()) {
        Some(near) => mistake.mend(format!("did you mean {near:?}?")),
        None if names.is_empty() => mistake.mend("give the stage a name: `FROM … AS NAME`"),
        None => mistake.mend(format!("one of {}", names.join(", "))),
    })
}

fn find_parent<'a>(
    nodes: &[Node<'a>],
    name: &TargetName,
    place: &Place,
) -> Result<&'a Target, Mistake> {
    let of_image: Vec<&Target> =
        nodes.iter().map(|node| node.target).filter(|target| target.id == name.id).collect();
    if of_image.is_empty() {
        let mistake =
            Mistake::new(format!("there is no image {:?}", name.id.as_str())).at(place.clone());
        let near = nearest(name.id.as_str(), nodes.iter().map(|node| node.target.id.as_str()));
        return Err(match near {
            Some(near) => mistake.mend(format!("did you mean {near:?}?")),
            None => mistake.mend("`cargo xtask list` shows the ids"),
        });
    }
    let chosen = match &name.variant {
        Some(_) => of_image.iter().find(|target| target.variant == name.variant),
        None => of_image.iter().find(|target| target.default),
    };
    chosen.copied().ok_or_else(|| {
        let variants: Vec<String> = of_image
            .iter()
            .filter_map(|target| Some(format!("{}:{}", target.id, target.variant.as_ref()?)))
            .collect();
        let what = match &name.variant {
            Some(variant) => format!("{} has no variant {:?}", name.id, variant.as_str()),
            None => format!("no variant of {} is the default one", name.id),
        };
        Mistake::new(what).at(place.clone()).mend(if variants.is_empty() {
            format!("write {:?}: it has no variants", name.id.as_str())
        } else if name.variant.is_none() {
            format!("write one of {}, or `default = true` in one of them", variants.join(", "))
        } else {
            format!("one of {}", variants.join(", "))
        })
    })
}

fn edge(
    parent: &Target,
    image: &ImageUse,
    reference: Reference,
    binding: Binding,
    is_base: bool,
) -> Edge {
    Edge {
        parent: parent.target_name(),
        via: image.via,
        reference,
        binding,
        platforms: BTreeSet::new(),
        is_base,
        place: image.place.clone(),
    }
}

fn add_edge(edges: &mut Vec<Edge>, edge: Edge, platform: &Platform, parent_platform: &Platform) {
    let pair = (platform.clone(), parent_platform.clone());
    let same = |other: &&mut Edge| {
        other.parent == edge.parent
            && other.via == edge.via
            && other.reference == edge.reference
            && other.binding == edge.binding
    };
    match edges.iter_mut().find(same) {
        Some(known) => {
            known.platforms.insert(pair);
            known.is_base |= edge.is_base;
        }
        None => edges.push(Edge { platforms: BTreeSet::from([pair]), ..edge }),
    }
}

fn add_external(
    externals: &mut Vec<External>,
    image: &ImageUse,
    binding: Binding,
    platform: &Platform,
    is_base: bool,
    note: Option<String>,
) {
    let pair = (platform.clone(), image.platform.clone());
    let same =
        |other: &&mut External| other.reference == image.reference && other.binding == binding;
    match externals.iter_mut().find(same) {
        Some(known) => {
            known.platforms.insert(pair);
            known.is_base |= is_base;
        }
        None => externals.push(External {
            reference: image.reference.clone(),
            via: image.via,
            binding,
            platforms: BTreeSet::from([pair]),
            is_base,
            place: image.place.clone(),
            note,
        }),
    }
}

/// Images that `contexts = { name = "docker-image://…" }` brings in: the workspace's own, or others.
fn add_contexts(target: &Target, owners: &Owners<'_>, vertex: &mut Vertex) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    for (name, source) in &target.contexts {
        let ContextSource::Image(reference) = source else { continue };
        let place = target.context_places.get(name).unwrap_or(&target.place);
        for platform in &target.platforms {
            let image = ImageUse {
                reference: reference.clone(),
                written: reference.to_string(),
                argument: None,
                via: Via::Context,
                platform: platform.clone(),
                stage: 0,
                place: place.clone(),
                collides: false,
            };
            let binding = Binding::Context(name.clone());
            match owners.of(target, &image) {
                Ok(Owner::Target(parent)) => {
                    mistakes.extend(lacking_platform(target, parent, &image).map(|(_, lack)| lack));
                    let edge = edge(parent, &image, reference.clone(), binding, false);
                    add_edge(&mut vertex.parents, edge, platform, platform);
                }
                Ok(Owner::Nobody { note }) => {
                    add_external(&mut vertex.external, &image, binding, platform, false, note);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    mistakes.none()
}

/// A context also replaces a stage of its name, so the argument is the only way where a stage has the name.
fn binding(image: &ImageUse) -> Binding {
    match (&image.argument, image.collides) {
        (_, false) => Binding::Context(image.reference.context_name()),
        (Some(argument), true) => Binding::Argument(argument.clone()),
        (None, true) => Binding::Impossible,
    }
}

fn hidden_by_stage(image: &ImageUse) -> Mistake {
    Mistake::new(format!(
        "a stage has the same name as the image {}, so that the image cannot be replaced without replacing the stage",
        image.reference.context_name()
    ))
    .at(image.place.clone())
    .mend("rename the stage")
}

fn lacking_platform(
    child: &Target,
    parent: &Target,
    image: &ImageUse,
) -> Option<(String, Mistake)> {
    if parent.platforms.contains(&image.platform) {
        return None;
    }
    let made: Vec<String> = parent.platforms.iter().map(ToString::to_string).collect();
    let what = format!(
        "{} needs {} for {}, which is made only for {}",
        child.target_name(),
        parent.target_name(),
        image.platform,
        made.join(", ")
    );
    let mend = format!(
        "add {:?} to the platforms of {}, or take it from those of {}",
        image.platform.to_string(),
        parent.target_name(),
        child.target_name()
    );
    Some((what.clone(), Mistake::new(what).at(image.place.clone()).mend(mend)))
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
