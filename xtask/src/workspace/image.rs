//! One `image.toml`: its images and their variants, as [`Target`]s with every default applied.

use camino::Utf8Path;

use super::config::{Config, repository_of};
use super::layer::Layer;
use super::paths::in_folder;
use super::read::{Placed, Source, Table};
use super::settings::{ByChannel, Target};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::reference::{ImageId, Platform, VariantName};

/// Reads the file; `fallback` is the id of an image at the workspace root that gives itself none.
///
/// # Errors
/// Every mistake in it.
pub(super) fn read(
    source: &Source,
    config: &Config,
    fallback: &str,
) -> Result<Vec<Target>, Mistakes> {
    let folder = source.file.parent().unwrap_or(Utf8Path::new("")).to_owned();
    source.read(|table| {
        let shared = Layer::read(&table, &folder);
        let several = table.has("image");
        let shared_variants = read_variants(&table, &folder);
        let mut targets = Vec::new();
        if several {
            for key in ["id", "name"] {
                if table.has(key) {
                    table.mistake(
                        Mistake::new(format!(
                            "`{key}` at the top of a file with `[image.ID]` tables"
                        ))
                        .at(table.place_of(key))
                        .mend(format!("move it into one of the tables, or remove `{key}`")),
                    );
                }
            }
            if let Some(images) = table.table("image") {
                for id in images.names() {
                    let Some(image) = images.entry(&id.value).and_then(|entry| entry.table())
                    else {
                        continue;
                    };
                    let place = id.place.clone();
                    let Some(id) = images.parse::<ImageId>(id) else { continue };
                    let layer = Layer {
                        name: image.string("name"),
                        ..Layer::read(&image, &folder).over(shared.clone())
                    };
                    let mut variants = shared_variants.clone();
                    for own in read_variants(&image, &folder) {
                        match variants
                            .iter_mut()
                            .find(|variant| variant.name.value == own.name.value)
                        {
                            Some(variant) => {
                                *variant = Variant {
                                    layer: own.layer.over(std::mem::take(&mut variant.layer)),
                                    default: own.default || variant.default,
                                    name: own.name,
                                }
                            }
                            None => variants.push(own),
                        }
                    }
                    image.finish_but(&[(
                        "id",
                        "the id is the table's name: [image.ID]; remove the key",
                    )]);
                    let one = Image { id: id.value, place, layer, variants, folder: &folder };
                    targets.extend(one.targets(&image, config));
                }
            }
        } else {
            let written = table.parsed::<ImageId>("id");
            let place = written
                .as_ref()
                .map_or_else(|| Place::new(source.file.clone(), 1, 1), |id| id.place.clone());
            let layer = Layer { name: table.string("name"), ..shared };
            let id = match written {
                Some(id) => Some(id.value),
                None if table.has("id") => None,
                None => {
                    let guessed = default_id(folder.file_name().unwrap_or(fallback));
                    table.check(&place, guessed)
                }
            };
            if let Some(id) = id {
                let one = Image { id, place, layer, variants: shared_variants, folder: &folder };
                targets.extend(one.targets(&table, config));
            }
        }
        table.finish();
        targets
    })
}

/// The id that a folder's name gives: lower case, what an id cannot hold replaced by `-`.
pub(crate) fn default_id(folder: &str) -> Result<ImageId, String> {
    let text: String = folder
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    text.trim_matches(['.', '_', '-']).parse().map_err(|_| {
        format!("the folder's name {folder:?} gives no id; write id = \"…\" into its image.toml")
    })
}

#[derive(Clone)]
struct Variant {
    name: Placed<VariantName>,
    default: bool,
    layer: Layer,
}

fn read_variants(table: &Table<'_>, folder: &Utf8Path) -> Vec<Variant> {
    let Some(variants) = table.table("variants") else { return Vec::new() };
    let mut read = Vec::new();
    for name in variants.names() {
        let Some(inner) = variants.entry(&name.value).and_then(|entry| entry.table()) else {
            continue;
        };
        let Some(name) = variants.parse::<VariantName>(name) else { continue };
        let default = inner.boolean("default").unwrap_or(false);
        let layer = Layer::read(&inner, folder);
        inner.finish_but(&[
            ("id", "the variants of an image share its id; write another image instead"),
            (
                "name",
                "the variants of an image share its name; `tags` and `repositories` may differ",
            ),
        ]);
        read.push(Variant { name, default, layer });
    }
    read
}

struct Image<'a> {
    id: ImageId,
    place: Place,
    layer: Layer,
    variants: Vec<Variant>,
    folder: &'a Utf8Path,
}

impl Image<'_> {
    fn targets(self, table: &Table<'_>, config: &Config) -> Vec<Target> {
        if self.variants.is_empty() {
            return self
                .target(table, config, None, self.layer.clone(), true)
                .into_iter()
                .collect();
        }
        let defaults: Vec<&Variant> =
            self.variants.iter().filter(|variant| variant.default).collect();
        if let [_, second, ..] = defaults.as_slice() {
            table.mistake(
                Mistake::new(format!("two variants of {:?} are the default one", self.id.as_str()))
                    .at(second.name.place.clone())
                    .mend("write `default = true` in one of them"),
            );
        }
        let only = self.variants.len() == 1;
        self.variants
            .iter()
            .filter_map(|variant| {
                let layer = variant.layer.clone().over(self.layer.clone());
                self.target(table, config, Some(&variant.name), layer, variant.default || only)
            })
            .collect()
    }

    fn target(
        &self,
        table: &Table<'_>,
        config: &Config,
        variant: Option<&Placed<VariantName>>,
        layer: Layer,
        default: bool,
    ) -> Option<Target> {
        let name =
            layer.name.as_ref().map_or_else(|| self.id.to_string(), |name| name.value.clone());
        let name_place = layer.name.as_ref().map_or(&self.place, |name| &name.place);
        let of = |prefix: &str| {
            repository_of(prefix, &name).map_err(|why| why.of("name of an image", &name))
        };
        table.check(name_place, of("docker.io/library"))?;
        let mut inherited = Vec::new();
        for registry in &config.registries {
            inherited.push(table.check(name_place, of(registry))?);
        }
        for (argument, parent) in &layer.parents {
            if layer.args.contains_key(argument) {
                table.mistake(
                    Mistake::new(format!("{argument} stands under both [args] and [parents]"))
                        .at(parent.place.clone())
                        .mend("remove one of them: [parents] gives the argument its value"),
                );
            }
        }
        let context = layer
            .context
            .unwrap_or_else(|| Placed { value: self.folder.to_owned(), place: self.place.clone() });
        let dockerfile = layer.dockerfile.unwrap_or_else(|| Placed {
            value: in_folder(self.folder, "Dockerfile"),
            place: self.place.clone(),
        });
        let mut labels = config.labels.clone();
        labels.extend(layer.labels);
        Some(Target {
            id: self.id.clone(),
            variant: variant.map(|variant| variant.value.clone()),
            default,
            folder: self.folder.to_owned(),
            place: variant.map_or_else(|| self.place.clone(), |variant| variant.place.clone()),
            name,
            description: layer.description,
            version: layer.version.or_else(|| config.version.clone()),
            known_version: None,
            context: context.value,
            context_place: context.place,
            dockerfile,
            stage: layer.stage,
            platforms: layer
                .platforms
                .or_else(|| config.platforms.clone())
                .unwrap_or_else(default_platforms),
            publish: layer.publish.unwrap_or(true),
            repositories: layer.repositories.unwrap_or(ByChannel::Every(inherited)),
            tags: layer.tags.or_else(|| config.tags.clone()),
            labels,
            cache: layer.cache.or_else(|| config.cache.clone()).unwrap_or_default(),
            secrets: layer.secrets,
            ssh: layer.ssh.unwrap_or(false),
            context_places: (layer.contexts.iter())
                .map(|(name, source)| (name.clone(), source.place.clone()))
                .collect(),
            contexts: (layer.contexts.into_iter())
                .map(|(name, source)| (name, source.value))
                .collect(),
            build: layer.build.unwrap_or_default(),
            args: layer.args,
            parents: layer.parents,
            external: layer.external.unwrap_or_default(),
            facts: layer.facts,
            known_facts: std::collections::BTreeMap::new(),
            test: layer.test.unwrap_or_default(),
            pixi: layer.pixi.unwrap_or_default(),
            size_limit: layer.size_limit,
            free_disk: layer.free_disk,
        })
    }
}

/// The same on every machine, so that the graph is.
fn default_platforms() -> Vec<Platform> {
    "linux/amd64".parse().into_iter().collect()
}
