//! Which target does a reference mean?

use std::collections::BTreeMap;

use super::Node;
use crate::dockerfile::ImageUse;
use crate::mistake::Mistake;
use crate::reference::{Reference, Repository};
use crate::workspace::{Target, TargetName, repository_of};

/// Repositories and the targets that are published to them.
pub(super) struct Owners<'a> {
    of: BTreeMap<Repository, Vec<&'a Node<'a>>>,
}

/// Whose image a reference names.
pub(super) enum Owner<'a> {
    Target(&'a Target),
    Nobody { note: Option<String> },
}

impl<'a> Owners<'a> {
    pub(super) fn new(nodes: &'a [Node<'a>], prefixes: &[&str]) -> Self {
        let mut of: BTreeMap<Repository, Vec<&Node<'_>>> = BTreeMap::new();
        for node in nodes {
            let mut repositories: Vec<Repository> =
                node.target.all_repositories().into_iter().cloned().collect();
            repositories.extend(
                prefixes.iter().filter_map(|prefix| repository_of(prefix, &node.target.name).ok()),
            );
            repositories.sort();
            repositories.dedup();
            for repository in repositories {
                of.entry(repository).or_default().push(node);
            }
        }
        Self { of }
    }

    /// The owner of the reference that `image` of `child` names. A tag picks the target whose templates give it; none
    /// or `latest` the default one; any other is a deliberate pin.
    ///
    /// # Errors
    /// When several targets own the reference and nothing chooses between them.
    pub(super) fn of(&self, child: &Target, image: &ImageUse) -> Result<Owner<'a>, Mistake> {
        let reference = &image.reference;
        if reference.digest.is_some() || child.opts_out(reference) {
            return Ok(Owner::Nobody { note: None });
        }
        let Some(owners) = self.of.get(&reference.repository) else {
            return Ok(Owner::Nobody { note: None });
        };
        let named = matches!(&reference.tag, Some(tag) if tag.as_str() != "latest");
        let candidates: Vec<&Target> = owners
            .iter()
            .filter(|node| match &reference.tag {
                Some(tag) if named => node.tags.contains(tag),
                _ => node.target.default,
            })
            .map(|node| node.target)
            .filter(|target| target.target_name() != child.target_name())
            .collect();
        match candidates.as_slice() {
            [one] => Ok(Owner::Target(one)),
            [] => Ok(nobody(child, reference, owners, named)),
            several => {
                match several.iter().filter(|target| target.default).collect::<Vec<_>>().as_slice()
                {
                    [one] if named => Ok(Owner::Target(one)),
                    _ => Err(ambiguous(image, several)),
                }
            }
        }
    }
}

/// Why a repository's owners are not meant.
fn nobody<'a>(
    child: &Target,
    reference: &Reference,
    owners: &[&Node<'_>],
    named: bool,
) -> Owner<'a> {
    let itself = owners.iter().any(|node| node.target.target_name() == child.target_name());
    let others: Vec<String> = owners
        .iter()
        .map(|node| node.target.target_name())
        .filter(|name| *name != child.target_name())
        .map(|name| name.to_string())
        .collect();
    let note = if others.is_empty() {
        itself.then(|| format!("{reference} is this image itself, as it was published"))
    } else if named {
        Some(format!(
            "no tag of {} gives {reference}, so it is taken as a deliberate pin; to build on today's, name it under \
             [parents]",
            others.join(" or ")
        ))
    } else {
        Some(format!(
            "{reference} means no variant of {}, because none is the default one; write `default = true` in one, or \
             name it under [parents]",
            others.join(" or ")
        ))
    };
    Owner::Nobody { note }
}

fn ambiguous(image: &ImageUse, several: &[&Target]) -> Mistake {
    let names: Vec<String> =
        several.iter().map(|target| target.target_name().to_string()).collect();
    Mistake::new(format!("{} could be any of {}", image.reference, names.join(", ")))
        .at(image.place.clone())
        .mend("name the one that is meant under [parents], or give the images different names or tags")
}

impl Target {
    /// Whether `external = […]` names `reference`, with its tag or without.
    fn opts_out(&self, reference: &Reference) -> bool {
        self.external.iter().any(|written| {
            written.value.parse::<Reference>().is_ok_and(|declared| {
                declared.repository == reference.repository
                    && (declared.tag.is_none() || declared.tag == reference.tag)
            })
        })
    }
}

/// A reference that stands for the target of the argument `number` while the graph is made. `.invalid` never resolves (RFC 2606).
pub(super) fn stand_in(number: usize, name: &TargetName) -> Reference {
    let variant = name.variant.as_ref().map_or_else(String::new, |variant| format!(":{variant}"));
    let text = format!("parent.dockyard.invalid/{number}/{}{variant}", name.id);
    text.parse().expect("ids and variants are parts of references")
}

/// The reference of an image that is published nowhere.
pub(super) fn bare_name(target: &Target) -> Reference {
    target.name.parse().expect("a target's name was checked to be one")
}
