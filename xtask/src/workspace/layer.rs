//! One level of settings: the top of an `image.toml`, an `[image.ID]` table, or a variant. A later level overrides
//! an earlier one key by key; tables of names (`args`, `labels`, `facts`, …) are merged name by name.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::options::{check_argument_name, read_build_options, read_contexts, read_secrets};
use super::paths::below_root;
use super::read::{Placed, Table};
use super::settings::{
    BuildOptions, ByChannel, Cache, Channel, ContextSource, Fact, PixiSettings, SecretSource,
    TargetName, Template, TestSettings, VersionSource,
};
use super::{facts, tests_section};
use crate::mistake::Mistake;
use crate::reference::{Platform, Reference, Repository};

#[derive(Clone, Default)]
pub(super) struct Layer {
    pub(super) name: Option<Placed<String>>,
    pub(super) description: Option<String>,
    pub(super) version: Option<VersionSource>,
    pub(super) context: Option<Placed<Utf8PathBuf>>,
    pub(super) dockerfile: Option<Placed<Utf8PathBuf>>,
    pub(super) stage: Option<Placed<String>>,
    pub(super) platforms: Option<Vec<Platform>>,
    pub(super) publish: Option<bool>,
    pub(super) repositories: Option<ByChannel<Vec<Repository>>>,
    pub(super) tags: Option<ByChannel<Vec<Template>>>,
    pub(super) labels: BTreeMap<String, Template>,
    pub(super) cache: Option<Cache>,
    pub(super) secrets: BTreeMap<String, SecretSource>,
    pub(super) ssh: Option<bool>,
    pub(super) contexts: BTreeMap<String, Placed<ContextSource>>,
    pub(super) build: Option<BuildOptions>,
    pub(super) args: BTreeMap<String, Template>,
    pub(super) parents: BTreeMap<String, Placed<TargetName>>,
    pub(super) external: Option<Vec<Placed<String>>>,
    pub(super) facts: BTreeMap<String, Fact>,
    pub(super) test: Option<TestSettings>,
    pub(super) pixi: Option<PixiSettings>,
    pub(super) size_limit: Option<u64>,
    pub(super) free_disk: Option<bool>,
}

impl Layer {
    /// Reads the settings that every level may have; the level's own keys are the caller's.
    pub(super) fn read(table: &Table<'_>, folder: &Utf8Path) -> Self {
        let path = |key| {
            let text = table.string(key)?;
            let value = table.check(&text.place, below_root(folder, &text.value))?;
            Some(Placed { value, place: text.place })
        };
        Self {
            name: None,
            description: table.string("description").map(|text| text.value),
            version: read_version(table, folder),
            context: path("context"),
            dockerfile: path("dockerfile"),
            stage: table.string("target"),
            platforms: read_platforms(table),
            publish: table.boolean("publish"),
            repositories: read_repositories(table),
            tags: read_tags(table),
            labels: read_labels(table),
            cache: read_cache(table),
            secrets: read_secrets(table, folder),
            ssh: table.boolean("ssh"),
            contexts: read_contexts(table, folder),
            build: read_build_options(table),
            args: read_args(table),
            parents: read_parents(table),
            external: read_external(table),
            facts: facts::read(table, folder),
            test: tests_section::read(table, folder),
            pixi: read_pixi(table),
            size_limit: read_size_limit(table),
            free_disk: read_free_disk(table),
        }
    }

    /// These settings where they say something, else those of `base`.
    pub(super) fn over(self, base: Self) -> Self {
        fn merged<V>(
            mut base: BTreeMap<String, V>,
            own: BTreeMap<String, V>,
        ) -> BTreeMap<String, V> {
            base.extend(own);
            base
        }
        Self {
            name: self.name.or(base.name),
            description: self.description.or(base.description),
            version: self.version.or(base.version),
            context: self.context.or(base.context),
            dockerfile: self.dockerfile.or(base.dockerfile),
            stage: self.stage.or(base.stage),
            platforms: self.platforms.or(base.platforms),
            publish: self.publish.or(base.publish),
            repositories: self.repositories.or(base.repositories),
            tags: self.tags.or(base.tags),
            labels: merged(base.labels, self.labels),
            cache: self.cache.or(base.cache),
            secrets: merged(base.secrets, self.secrets),
            ssh: self.ssh.or(base.ssh),
            contexts: merged(base.contexts, self.contexts),
            build: self.build.or(base.build),
            args: merged(base.args, self.args),
            parents: merged(base.parents, self.parents),
            external: self.external.or(base.external),
            facts: merged(base.facts, self.facts),
            test: self.test.or(base.test),
            pixi: self.pixi.or(base.pixi),
            size_limit: self.size_limit.or(base.size_limit),
            free_disk: self.free_disk.or(base.free_disk),
        }
    }
}

pub(super) fn read_platforms(table: &Table<'_>) -> Option<Vec<Platform>> {
    let mut platforms: Vec<Platform> = Vec::new();
    let written = table.parsed_list::<Platform>("platforms")?;
    for platform in written {
        if platforms.contains(&platform.value) {
            table.mistake(
                Mistake::new(format!("{} stands here twice", platform.value))
                    .at(platform.place)
                    .mend("remove one of them"),
            );
        } else {
            platforms.push(platform.value);
        }
    }
    if platforms.is_empty() && table.is_empty_list("platforms") {
        table.mistake(
            Mistake::new("`platforms` names no platform")
                .at(table.place_of("platforms"))
                .mend("write e.g. [\"linux/amd64\"], or leave the key out"),
        );
    }
    (!platforms.is_empty()).then_some(platforms)
}

/// `key` as one value, or as a table with a value a channel.
fn by_channel<T>(
    table: &Table<'_>,
    key: &'static str,
    read: impl Fn(&Table<'_>, &'static str) -> Option<T>,
) -> Option<ByChannel<T>> {
    if !table.is_table(key) {
        return table.has(key).then(|| read(table, key)).flatten().map(ByChannel::Every);
    }
    let inner = table.table(key)?;
    let mut each = BTreeMap::new();
    for (channel, name) in Channel::ALL.into_iter().zip(["dev", "pr", "main", "release"]) {
        if inner.has(name)
            && let Some(value) = read(&inner, name)
        {
            each.insert(channel, value);
        }
    }
    inner.finish();
    Some(ByChannel::Each(each))
}

fn read_repositories(table: &Table<'_>) -> Option<ByChannel<Vec<Repository>>> {
    by_channel(table, "repositories", |table, key| {
        let texts = table.strings(key)?;
        let parse = |text: Placed<String>| table.check(&text.place, Repository::parse(&text.value));
        Some(texts.into_iter().filter_map(parse).collect())
    })
}

fn read_templates(table: &Table<'_>, key: &'static str) -> Option<Vec<Template>> {
    table.strings(key)
}

pub(super) fn read_tags(table: &Table<'_>) -> Option<ByChannel<Vec<Template>>> {
    by_channel(table, "tags", read_templates)
}

pub(super) fn read_labels(table: &Table<'_>) -> BTreeMap<String, Template> {
    let labels = table.string_map("labels").unwrap_or_default();
    for (name, value) in &labels {
        if name.is_empty() || name.contains(['=', '\n', '\r']) || name.starts_with('-') {
            table.mistake(
                Mistake::new(format!("{name:?} cannot be the name of a label"))
                    .at(value.place.clone())
                    .mend(
                        "a label's name has no `=` and no line break, and does not begin with `-`",
                    ),
            );
        }
    }
    labels
}

pub(super) fn read_cache(table: &Table<'_>) -> Option<Cache> {
    let cache = table.table("cache")?;
    let registry = cache.boolean("registry").unwrap_or(false);
    let github = cache.boolean("github").unwrap_or(true);
    let mode = cache.string("mode");
    let max = match mode.as_ref().map(|mode| mode.value.as_str()) {
        None | Some("max") => true,
        Some("min") => false,
        Some(other) => {
            let place = mode.as_ref().map_or_else(|| cache.place(), |mode| mode.place.clone());
            cache.mistake(
                Mistake::new(format!("unknown cache mode {other:?}"))
                    .at(place)
                    .mend("`min` or `max`"),
            );
            true
        }
    };
    cache.finish();
    Some(Cache { registry, github, max })
}

fn read_external(table: &Table<'_>) -> Option<Vec<Placed<String>>> {
    let external = table.strings("external")?;
    for text in &external {
        table.check(&text.place, text.value.parse::<Reference>());
    }
    Some(external)
}

fn read_args(table: &Table<'_>) -> BTreeMap<String, Template> {
    let Some(args) = table.table("args") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in args.names() {
        check_argument_name(&args, &name, "a build argument");
        if let Some(value) = args.entry(&name.value).and_then(|entry| entry.scalar()) {
            read.insert(name.value, value);
        }
    }
    read
}

fn read_parents(table: &Table<'_>) -> BTreeMap<String, Placed<TargetName>> {
    let Some(parents) = table.table("parents") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in parents.names() {
        check_argument_name(&parents, &name, "a build argument");
        let parent = parents.entry(&name.value).and_then(|entry| entry.string());
        if let Some(parent) = parent.and_then(|text| parents.parse(text)) {
            read.insert(name.value, parent);
        }
    }
    read
}

pub(super) fn read_version(table: &Table<'_>, folder: &Utf8Path) -> Option<VersionSource> {
    if !table.is_table("version") {
        return table.string("version").map(VersionSource::Literal);
    }
    let version = table.table("version")?;
    let place = table.place_of("version");
    let source = if let Some(pattern) = version.string("git-tag") {
        Some(VersionSource::GitTag { pattern: pattern.value, place })
    } else {
        facts::read_file(&version, folder, &place, "{ git-tag = \"v*\" }")
            .map(|(file, at)| VersionSource::File { file, at, place })
    };
    version.finish();
    source
}

fn read_pixi(table: &Table<'_>) -> Option<PixiSettings> {
    let pixi = table.table("pixi")?;
    let settings = PixiSettings {
        environment: pixi.string("environment").map(|text| text.value),
        cuda: pixi.string("cuda"),
    };
    pixi.finish();
    Some(settings)
}

fn read_free_disk(table: &Table<'_>) -> Option<bool> {
    let ci = table.table("ci")?;
    let free_disk = ci.boolean("free-disk");
    ci.finish();
    free_disk
}

fn read_size_limit(table: &Table<'_>) -> Option<u64> {
    let limits = table.table("limits")?;
    let size = limits.string("size");
    limits.finish();
    let size = size?;
    let bytes = parse_size(&size.value);
    if bytes.is_none() {
        limits.mistake(
            Mistake::new(format!("{:?} is no size", size.value))
                .at(size.place)
                .mend("write e.g. \"5GB\""),
        );
    }
    bytes
}

/// Bytes of `5GB`, `1.5 GiB`, `300MB`, `1000`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..split].trim(), text[split..].to_ascii_lowercase());
    let factor: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "tb" | "t" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (number >= 0.0 && number * factor < 9e18).then_some((number * factor) as u64)
}
