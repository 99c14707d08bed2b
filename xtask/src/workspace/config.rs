//! `[workspace.metadata.dockyard]` in the root `Cargo.toml`: what holds for every image.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::ci::{Ci, read_ci};
use super::layer::{read_cache, read_labels, read_platforms, read_tags, read_version};
use super::read::{Source, Table};
use super::settings::{ByChannel, Cache, Template, VersionSource};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Platform, Reference, Repository};

/// How a base is made from Debian's archive when its registry cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseRecipe {
    /// Debian's name of the release: `trixie`.
    pub suite: String,
    /// mmdebstrap's variant.
    pub variant: String,
    pub include: Vec<String>,
}

/// The names of the secrets with which CI logs in to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLogin {
    pub user: String,
    pub secret: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    /// At most so many tags may match a pattern, over the whole workspace.
    pub max_matching: BTreeMap<String, u64>,
    pub forbid: Vec<String>,
}

/// Which attestations published images carry.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Attestations {
    pub provenance: Option<String>,
    /// What finds out which software is in an image; nothing for no SBOM.
    pub sbom: Option<Scanner>,
}

/// The image that BuildKit runs to write an SBOM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanner {
    /// Whichever this BuildKit takes by itself.
    Default,
    Image(Reference),
}

/// What BuildKit takes by itself (`frontend/attestations/parse.go`): it knows no mirrors of ours.
const DEFAULT_SCANNER: &str = "docker.io/docker/buildkit-syft-scanner:stable-1";

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// Prefixes under which images are published: `ghcr.io/acme`.
    pub registries: Vec<String>,
    /// Further prefixes under which Dockerfiles name these images.
    pub aliases: Vec<String>,
    pub version: Option<VersionSource>,
    pub platforms: Option<Vec<Platform>>,
    pub tags: Option<ByChannel<Vec<Template>>>,
    pub labels: BTreeMap<String, Template>,
    pub cache: Option<Cache>,
    pub staging: Option<Repository>,
    /// Registry host → the prefix from which its content is fetched.
    pub mirrors: BTreeMap<String, String>,
    pub logins: BTreeMap<String, RegistryLogin>,
    pub policy: Policy,
    pub attestations: Attestations,
    pub bases: BTreeMap<Reference, BaseRecipe>,
    pub ci: Ci,
}

impl Config {
    /// Where the content of `reference` is fetched from; nothing where its registry has no mirror. A mirror holds the
    /// whole path below its prefix, `library/` included, as pull-through caches do.
    pub fn mirrored(&self, reference: &Reference) -> Option<Reference> {
        let prefix = self.mirrors.get(reference.repository.registry())?;
        let repository = repository_of(prefix, reference.repository.path()).ok()?;
        Some(Reference { repository, ..reference.clone() })
    }

    /// The attestations that are asked for, with the scanner as it is fetched here.
    pub fn attestations_here(&self) -> Attestations {
        let mirrored = match &self.attestations.sbom {
            None => None,
            Some(Scanner::Default) => {
                DEFAULT_SCANNER.parse().ok().and_then(|scanner| self.mirrored(&scanner))
            }
            Some(Scanner::Image(scanner)) => self.mirrored(scanner),
        };
        let sbom = mirrored.map(Scanner::Image).or_else(|| self.attestations.sbom.clone());
        Attestations { sbom, ..self.attestations.clone() }
    }
}

/// Reads the section out of the root `Cargo.toml`; nothing when there is none.
///
/// # Errors
/// Every mistake in it.
pub(super) fn read(source: &Source) -> Result<Option<Config>, Mistakes> {
    source.read(|cargo| {
        let metadata = cargo.table("workspace")?.table("metadata")?;
        metadata
            .has("dockyard")
            .then(|| metadata.table("dockyard").map(|table| read_section(&table)))?
    })
}

fn read_section(table: &Table<'_>) -> Config {
    let config = Config {
        registries: read_prefixes(table, "registries"),
        aliases: read_prefixes(table, "aliases"),
        version: read_version(table, Utf8Path::new("")),
        platforms: table.has("platforms").then(|| read_platforms(table)).flatten(),
        tags: read_tags(table),
        labels: read_labels(table),
        cache: read_cache(table),
        staging: table
            .string("staging")
            .and_then(|text| table.check(&text.place, Repository::parse(&text.value))),
        mirrors: read_mirrors(table),
        logins: read_logins(table),
        policy: read_policy(table),
        attestations: read_attestations(table),
        bases: read_bases(table),
        ci: read_ci(table),
    };
    table.finish();
    config
}

/// The repository `prefix/name`.
///
/// # Errors
/// When the two do not make one.
pub fn repository_of(prefix: &str, name: &str) -> Result<Repository, crate::reference::Invalid> {
    Repository::parse(&format!("{prefix}/{name}"))
}

fn read_prefixes(table: &Table<'_>, key: &'static str) -> Vec<String> {
    let mut prefixes = Vec::new();
    for text in table.strings(key).unwrap_or_default() {
        let prefix = text.value.trim_end_matches('/').to_owned();
        // `docker.io` alone is a registry too; an image's name follows.
        if let Err(why) = repository_of(&prefix, "x") {
            table.mistake(
                Mistake::new(why.of("registry", &text.value).to_string())
                    .at(text.place)
                    .mend("write a host and a path without a scheme, e.g. \"ghcr.io/acme\""),
            );
        } else {
            prefixes.push(prefix);
        }
    }
    prefixes
}

fn read_mirrors(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut mirrors = BTreeMap::new();
    for (host, prefix) in table.string_map("mirrors").unwrap_or_default() {
        let prefix_text = prefix.value.trim_end_matches('/').to_owned();
        let check = |text: &str| {
            let checked = repository_of(text, "x").map_err(|why| why.of("registry", text));
            table.check(&prefix.place, checked)
        };
        let (Some(source), Some(_)) = (check(&host), check(&prefix_text)) else { continue };
        if source.registry() == host {
            mirrors.insert(host, prefix_text);
        } else {
            table.mistake(
                Mistake::new(format!(
                    "{host:?} is no registry's host, so nothing is fetched from its mirror"
                ))
                .at(prefix.place)
                .mend("write the host alone, e.g. \"docker.io\""),
            );
        }
    }
    mirrors
}

fn read_logins(table: &Table<'_>) -> BTreeMap<String, RegistryLogin> {
    let Some(registries) = table.table("registry") else { return BTreeMap::new() };
    let mut logins = BTreeMap::new();
    for host in registries.names() {
        let checked =
            repository_of(&host.value, "x").map_err(|why| why.of("registry", &host.value));
        table.check(&host.place, checked);
        let Some(login) = registries.entry(&host.value).and_then(|entry| entry.table()) else {
            continue;
        };
        match (login.string("user"), login.string("secret")) {
            (Some(user), Some(secret)) => {
                for name in [&user, &secret] {
                    if !is_secret_name(&name.value) {
                        login.mistake(
                            Mistake::new(format!("{:?} is no name of a secret of CI", name.value))
                                .at(name.place.clone())
                                .mend("write the secret's name, not its value: letters, digits and `_`"),
                        );
                    }
                }
                logins.insert(host.value, RegistryLogin { user: user.value, secret: secret.value });
            }
            _ => login.mistake(
                Mistake::new(format!("the login for {:?} is not whole", host.value))
                    .at(host.place)
                    .mend("write { user = \"NAME_OF_SECRET\", secret = \"NAME_OF_SECRET\" }"),
            ),
        }
        login.finish();
    }
    logins
}

/// Whether CI can have a secret of this name (GitHub, «Naming your secrets»), out of which nothing else can be read.
pub(crate) fn is_secret_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && (name == "GITHUB_TOKEN" || !name.to_ascii_uppercase().starts_with("GITHUB_"))
}

fn read_policy(table: &Table<'_>) -> Policy {
    let Some(policy) = table.table("policy") else { return Policy::default() };
    let mut max_matching = BTreeMap::new();
    if let Some(limits) = policy.table("max-matching") {
        for pattern in limits.names() {
            let number =
                limits.entry(&pattern.value).and_then(|entry| entry.scalar()).and_then(|text| {
                    let number = text.value.parse::<u64>().map_err(|_| {
                        format!("{:?} is no number of tags; write e.g. 4", text.value)
                    });
                    limits.check(&text.place, number)
                });
            max_matching.extend(number.map(|number| (pattern.value, number)));
        }
    }
    let forbid =
        policy.strings("forbid").unwrap_or_default().into_iter().map(|text| text.value).collect();
    policy.finish();
    Policy { max_matching, forbid }
}

fn read_attestations(table: &Table<'_>) -> Attestations {
    let Some(section) = table.table("attestations") else { return Attestations::default() };
    let provenance = section.string("provenance");
    if let Some(mode) = &provenance
        && !["min", "max"].contains(&mode.value.as_str())
    {
        section.mistake(
            Mistake::new(format!("unknown provenance {:?}", mode.value))
                .at(mode.place.clone())
                .mend("`min` or `max`; leave the key out for none"),
        );
    }
    let sbom = if section.has("sbom") && !section.is_boolean("sbom") {
        section.parsed("sbom").map(|scanner| Scanner::Image(scanner.value))
    } else {
        section.boolean("sbom").unwrap_or(false).then_some(Scanner::Default)
    };
    section.finish();
    Attestations { provenance: provenance.map(|mode| mode.value), sbom }
}

fn read_bases(table: &Table<'_>) -> BTreeMap<Reference, BaseRecipe> {
    let Some(bases) = table.table("bases") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in bases.names() {
        let Some(entry) = bases.entry(&name.value) else { continue };
        let reference = bases.check(&name.place, name.value.parse::<Reference>());
        let recipe = if entry.is_string() {
            entry.string().map(|suite| (suite, None, Vec::new()))
        } else {
            entry.table().and_then(|inner| {
                let suite = inner.string("suite");
                let (variant, include) = (inner.string("variant"), inner.strings("include"));
                inner.finish();
                if suite.is_none() {
                    inner.mistake(
                        Mistake::new("the base has no `suite`")
                            .at(entry.place())
                            .mend("suite = \"trixie\""),
                    );
                }
                Some((suite?, variant, include.unwrap_or_default()))
            })
        };
        let (Some(reference), Some((suite, variant, include))) = (reference, recipe) else {
            continue;
        };
        for word in std::iter::once(&suite).chain(variant.iter()).chain(&include) {
            let plain = word.value.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
            if !plain {
                bases.mistake(
                    Mistake::new(format!("{:?} is no name of a suite or package", word.value))
                        .at(word.place.clone())
                        .mend("write it as Debian does, e.g. \"trixie\""),
                );
            }
        }
        let recipe = BaseRecipe {
            suite: suite.value,
            variant: variant.map_or_else(|| "minbase".to_owned(), |text| text.value),
            include: include.into_iter().map(|text| text.value).collect(),
        };
        read.insert(reference, recipe);
    }
    read
}
