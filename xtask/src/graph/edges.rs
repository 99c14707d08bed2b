//! Uses of images as edges and external bases, and what is wrong with them.

use std::collections::BTreeSet;

use super::owners::{Owner, Owners};
use super::{Binding, Edge, External, Vertex};
use crate::dockerfile::{ImageUse, Via};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Platform, Reference};
use crate::workspace::{ContextSource, Target};

pub(super) fn edge(
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
        uses: BTreeSet::new(),
        is_base,
        place: image.place.clone(),
    }
}

/// The child's platform, and the one of the image that it uses; nothing for the builder's own.
pub(super) type Use = (Platform, Option<Platform>);

pub(super) fn add_edge(edges: &mut Vec<Edge>, edge: Edge, parent_platform: &Platform, use_: Use) {
    let pair = (use_.0.clone(), parent_platform.clone());
    let same = |other: &&mut Edge| {
        other.parent == edge.parent
            && other.via == edge.via
            && other.reference == edge.reference
            && other.binding == edge.binding
    };
    match edges.iter_mut().find(same) {
        Some(known) => {
            known.platforms.insert(pair);
            known.uses.insert(use_);
            known.is_base |= edge.is_base;
        }
        None => edges.push(Edge {
            platforms: BTreeSet::from([pair]),
            uses: BTreeSet::from([use_]),
            ..edge
        }),
    }
}

pub(super) fn add_external(
    externals: &mut Vec<External>,
    image: &ImageUse,
    binding: Binding,
    use_: Use,
    is_base: bool,
    note: Option<String>,
) {
    let pair = (use_.0.clone(), image.platform.clone());
    let same =
        |other: &&mut External| other.reference == image.reference && other.binding == binding;
    match externals.iter_mut().find(same) {
        Some(known) => {
            known.platforms.insert(pair);
            known.uses.insert(use_);
            known.is_base |= is_base;
        }
        None => externals.push(External {
            reference: image.reference.clone(),
            via: image.via,
            binding,
            platforms: BTreeSet::from([pair]),
            uses: BTreeSet::from([use_]),
            is_base,
            place: image.place.clone(),
            note,
        }),
    }
}

/// Images that `contexts = { name = "docker-image://…" }` brings in: the workspace's own, or others.
pub(super) fn add_contexts(
    target: &Target,
    owners: &Owners<'_>,
    vertex: &mut Vertex,
) -> Result<(), Mistakes> {
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
            let use_ = (platform.clone(), Some(platform.clone()));
            let binding = Binding::Context(name.clone());
            match owners.of(target, &image) {
                Ok(Owner::Target(parent)) => {
                    mistakes.extend(lacking_platform(target, parent, &image).map(|(_, lack)| lack));
                    let edge = edge(parent, &image, reference.clone(), binding, false);
                    add_edge(&mut vertex.parents, edge, platform, use_);
                }
                Ok(Owner::Nobody { note }) => {
                    add_external(&mut vertex.external, &image, binding, use_, false, note);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    mistakes.none()
}

/// A context also replaces a stage of its name, so the argument is the only way where a stage has the name.
pub(super) fn binding(image: &ImageUse) -> Binding {
    match (&image.argument, image.collides) {
        (_, false) => Binding::Context(image.reference.context_name()),
        (Some(argument), true) => Binding::Argument(argument.clone()),
        (None, true) => Binding::Impossible,
    }
}

pub(super) fn hidden_by_stage(image: &ImageUse) -> Mistake {
    Mistake::new(format!(
        "a stage has the same name as the image {}, so that the image cannot be replaced without replacing the stage",
        image.reference.context_name()
    ))
    .at(image.place.clone())
    .mend("rename the stage")
}

pub(super) fn lacking_platform(
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
