//! What images say of each other: registries and aliases under which they are named, arguments and contexts that name
//! them, and references that only look so.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::found::{Repository as Tree, joined};
use super::image::{Argument, Image};
use super::merge::Merged;
use super::name::repository_in;
use super::text::Text;
use crate::dockerfile::{Dockerfile, ImageUse, Request};
use crate::reference::{Platform, Repository};
use crate::workspace::{repository_of, shown};

/// Names without a registry.
const BARE: &str = "docker.io/library";

/// The workspace's prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) registries: Vec<String>,
    pub(super) aliases: BTreeSet<String>,
    /// Whether every image says itself where it is published.
    pub(super) all_named: bool,
}

/// Finds the prefixes, and adds to the images what they say of each other.
pub(super) fn connect(
    merged: &mut [Merged],
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
    tree: &Tree,
) -> Prefixes {
    let mut prefixes = Prefixes {
        registries: registries(merged.iter().map(|one| &one.image)),
        ..Prefixes::default()
    };
    for one in merged.iter_mut() {
        let own = &mut one.image;
        let default: Vec<String> =
            prefixes.registries.iter().map(|prefix| format!("{prefix}/{}", own.id)).collect();
        if same(&default, &own.repositories) {
            own.repositories.clear();
        }
    }
    prefixes.all_named = !merged.is_empty()
        && merged.iter().all(|one| !one.image.publish || !one.image.repositories.is_empty());
    let owners = owners(merged);
    let labels = labels(merged);
    for one in merged.iter_mut() {
        parents(one, &owners, dockerfiles);
        contexts(one, &labels, &prefixes.registries, tree);
        let sources = one.image.variants.iter().flat_map(|variant| variant.contexts.values());
        if sources.into_iter().any(|source| source.starts_with("docker-image://docker.io/library/"))
        {
            prefixes.aliases.insert(BARE.to_owned());
        }
    }
    let uses = uses(merged, dockerfiles);
    for (at, found) in uses.iter().enumerate() {
        for (variant, image) in found {
            aliases(&mut merged[at].image, *variant, image, &owners, &mut prefixes);
        }
    }
    externals(merged, &uses, &owners, &prefixes);
    prefixes
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|one| b.contains(one))
}

/// The prefixes that most images are published under.
fn registries<'a>(images: impl Iterator<Item = &'a Image>) -> Vec<String> {
    let mut counted: Vec<(Vec<String>, usize)> = Vec::new();
    for image in images.filter(|image| image.publish && !image.repositories.is_empty()) {
        let end = format!("/{}", image.id);
        let prefixes: Option<Vec<String>> = image
            .repositories
            .iter()
            .map(|repository| repository.strip_suffix(&end).map(str::to_owned))
            .collect();
        let Some(prefixes) = prefixes
            .filter(|prefixes| prefixes.iter().all(|prefix| repository_of(prefix, "x").is_ok()))
        else {
            continue;
        };
        match counted.iter_mut().find(|(known, _)| same(known, &prefixes)) {
            Some((_, count)) => *count += 1,
            None => counted.push((prefixes, 1)),
        }
    }
    // The first of those that are equally common.
    counted
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map(|(prefixes, _)| prefixes)
        .unwrap_or_default()
}

/// A variant's name, and its tags as far as they are known.
type TagsOf = (Option<String>, BTreeSet<String>);

/// Who is named by a repository: the image, by its place in the list.
struct Owners {
    of: BTreeMap<Repository, usize>,
    /// The tags of each variant, with its name, and the id.
    known: Vec<(String, Vec<TagsOf>)>,
}

fn owners(merged: &[Merged]) -> Owners {
    let mut of = BTreeMap::new();
    let mut known = Vec::new();
    for (at, one) in merged.iter().enumerate() {
        for name in one.builds.iter().flatten().flat_map(|build| &build.names) {
            of.extend(name.compared().map(|repository| (repository, at)));
        }
        let variants = one.image.variants.iter().zip(&one.builds).map(|(variant, builds)| {
            let names = builds.iter().flat_map(|build| &build.names);
            (
                variant.name.clone(),
                names.filter_map(|name| name.tag.as_ref()?.as_known().map(str::to_owned)).collect(),
            )
        });
        known.push((one.image.id.clone(), variants.collect()));
    }
    Owners { of, known }
}

impl Owners {
    /// `id` or `id:variant`, for a reference with this tag.
    fn parent(&self, repository: &Repository, tag: Option<&str>) -> Option<String> {
        let at = *self.of.get(repository)?;
        let (id, variants) = &self.known[at];
        let named = tag.and_then(|tag| variants.iter().find(|(_, tags)| tags.contains(tag)));
        Some(match named {
            Some((Some(variant), _)) => format!("{id}:{variant}"),
            _ => id.clone(),
        })
    }
}

/// Arguments that name an image of this workspace, where a `FROM` uses them.
fn parents(one: &mut Merged, owners: &Owners, dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>) {
    for (variant, builds) in one.image.variants.iter_mut().zip(&one.builds) {
        let Some(dockerfile) = dockerfiles.get(&variant.dockerfile) else { continue };
        let values = builds.iter().flat_map(|build| &build.build.args);
        for (name, value) in values {
            let in_from = dockerfile.stages().any(|stage| {
                [format!("${name}"), format!("${{{name}}}"), format!("${{{name}:")]
                    .iter()
                    .any(|text| stage.base.contains(text.as_str()))
            });
            if !in_from {
                continue;
            }
            let Some((repository, tag)) = repository_in(value) else { continue };
            let Some(parent) = owners.parent(&repository, tag.as_ref().and_then(Text::as_known))
            else {
                continue;
            };
            if parent.split(':').next() == Some(one.image.id.as_str()) {
                continue;
            }
            variant.args.insert(name.clone(), Argument::Parent(parent));
            // It is known now, whatever the digest.
            let about = format!(" sets {name} to `");
            one.image.doubts.retain(|doubt| !doubt.contains(&about));
        }
    }
}

/// Bake targets and compose services, by file and name: the image's place and variant, and its reference.
type Labels = BTreeMap<(Utf8PathBuf, String), (String, Option<String>)>;

fn labels(merged: &[Merged]) -> Labels {
    let mut labels = Labels::new();
    for one in merged {
        for (variant, builds) in one.image.variants.iter().zip(&one.builds) {
            for build in builds {
                let Some(label) = &build.build.label else { continue };
                let tag = variant.tags.iter().map(|(_, tag)| tag).find(|tag| !tag.contains("{{"));
                let tag = tag.filter(|_| variant.name.is_some() && !variant.default).cloned();
                labels.insert(
                    (build.build.place.file.clone(), label.clone()),
                    (one.image.id.clone(), tag),
                );
            }
        }
    }
    labels
}

/// Named contexts: folders, images, and other targets of the same file.
fn contexts(one: &mut Merged, labels: &Labels, registries: &[String], tree: &Tree) {
    for (variant, builds) in one.image.variants.iter_mut().zip(&one.builds) {
        for build in builds {
            for (name, source) in &build.build.contexts {
                let known = source.as_known();
                let target = known.and_then(|known| known.strip_prefix("target:"));
                let of_target = target.and_then(|target| {
                    labels.get(&(build.build.place.file.clone(), target.to_owned()))
                });
                let written = match (of_target, known) {
                    (Some((id, tag)), _) => {
                        let prefix = registries.first().map_or(BARE, String::as_str);
                        let tag = tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
                        Some(format!("docker-image://{prefix}/{id}{tag}"))
                    }
                    (None, Some(image)) if image.starts_with("docker-image://") => {
                        Some(image.to_owned())
                    }
                    (None, Some(folder)) if !folder.contains("://") && target.is_none() => build
                        .build
                        .folders
                        .iter()
                        .find_map(|start| folder_below(start, folder, tree)),
                    _ => None,
                };
                match written {
                    Some(written) => {
                        variant.contexts.insert(name.clone(), written);
                    }
                    None => {
                        one.image
                            .doubts
                            .insert(format!("the context {name} = `{source}` is not taken over"));
                    }
                }
            }
        }
    }
}

fn folder_below(start: &Utf8Path, folder: &str, tree: &Tree) -> Option<String> {
    let folder = joined(start, folder).filter(|folder| tree.has(folder))?;
    Some(format!("/{}", shown(&folder).trim_start_matches('.')))
}

/// The external references of every Dockerfile, by image and variant.
fn uses(
    merged: &[Merged],
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
) -> Vec<Vec<(usize, ImageUse)>> {
    let native = Platform::native();
    let of_image = |one: &Merged| {
        let of_variant = |(at, variant): (usize, &super::image::Variant)| {
            let args: BTreeMap<String, String> = variant
                .args
                .iter()
                .filter_map(|(name, value)| match value {
                    Argument::Template(text) if !text.contains("{{") => {
                        Some((name.clone(), text.clone()))
                    }
                    Argument::Parent(_) => Some((name.clone(), "scratch".to_owned())),
                    Argument::Template(_) => None,
                })
                .collect();
            let names: BTreeSet<String> = variant.contexts.keys().cloned().collect();
            let request = Request {
                args: &args,
                target: variant.stage.as_deref(),
                platform: &native,
                build_platform: &native,
                contexts: &names,
            };
            let resolved =
                dockerfiles.get(&variant.dockerfile).and_then(|file| file.resolve(&request).ok());
            resolved
                .map(|resolved| resolved.images)
                .unwrap_or_default()
                .into_iter()
                .map(move |image| (at, image))
        };
        one.image.variants.iter().enumerate().flat_map(of_variant).collect()
    };
    merged.iter().map(of_image).collect()
}

fn is_declared(repository: &Repository, image: &Image, prefixes: &Prefixes) -> bool {
    let all = prefixes.registries.iter().chain(&prefixes.aliases);
    let mut of_prefixes = all.filter_map(|prefix| repository_of(prefix, &image.id).ok());
    of_prefixes.any(|one| one == *repository)
        || image
            .repositories
            .iter()
            .any(|one| Repository::parse(one).is_ok_and(|one| one == *repository))
}

/// A reference to one of these images under a prefix that is not declared yet.
fn aliases(
    image: &mut Image,
    variant: usize,
    used: &ImageUse,
    owners: &Owners,
    prefixes: &mut Prefixes,
) {
    let repository = &used.reference.repository;
    let Some(at) = owners.of.get(repository) else { return };
    let (id, _) = &owners.known[*at];
    if *id == image.id {
        return;
    }
    let full = repository.to_string();
    match full.strip_suffix(&format!("/{id}")) {
        Some(prefix) => {
            let known = prefixes
                .registries
                .iter()
                .any(|known| repository_of(known, id).is_ok_and(|one| one == *repository));
            if !known {
                prefixes.aliases.insert(prefix.to_owned());
            }
        }
        // Under another name: by the argument that carries it.
        None => {
            let tag = used.reference.tag.as_ref().map(crate::reference::Tag::as_str);
            if let (Some(argument), Some(parent), Some(variant)) =
                (&used.argument, owners.parent(repository, tag), image.variants.get_mut(variant))
            {
                variant.args.insert(argument.clone(), Argument::Parent(parent));
            }
        }
    }
}

/// References that an alias would take for one of these images, although no build gives that name.
fn externals(
    merged: &mut [Merged],
    uses: &[Vec<(usize, ImageUse)>],
    owners: &Owners,
    prefixes: &Prefixes,
) {
    let declared: Vec<BTreeSet<Repository>> = merged
        .iter()
        .map(|one| {
            prefixes
                .aliases
                .iter()
                .filter_map(|prefix| repository_of(prefix, &one.image.id).ok())
                .collect()
        })
        .collect();
    for (at, found) in uses.iter().enumerate() {
        for (variant, used) in found {
            let repository = &used.reference.repository;
            let by_alias = declared.iter().any(|names| names.contains(repository));
            let by_name = owners.of.contains_key(repository)
                || merged.iter().any(|one| {
                    is_declared(
                        repository,
                        &one.image,
                        &Prefixes { aliases: BTreeSet::new(), ..prefixes.clone() },
                    )
                });
            if by_alias
                && !by_name
                && let Some(variant) = merged[at].image.variants.get_mut(*variant)
            {
                variant.external.insert(used.written.clone());
            }
        }
    }
}
