//! What there is to do, of which jobs are made: what is built for which platform, on what, where, and with which logins.

use std::collections::{BTreeMap, BTreeSet};

use super::component::{Component, components};
use super::job::JobId;
use super::login::{Login, logins};
use super::runner::{Runner, Runners};
use super::step::Xtask;
use crate::graph::{Edge, Graph, Vertex};
use crate::reference::{Platform, Reference, Repository};
use crate::workspace::{Attestations, Config, SecretSource, Target, TargetName, is_secret_name};

/// Compressed layers that do not fit beside what GitHub's runners bring: unpacked, packed and sent they need several
/// times as much.
const LARGE: u64 = 3_000_000_000;

/// What workflows are made from.
pub struct Source<'s> {
    pub config: &'s Config,
    pub targets: &'s [Target],
    pub graph: &'s Graph,
    pub xtask: &'s Xtask,
    /// The workspace's folder in the repository, where it is not the repository's root.
    pub folder: Option<&'s str>,
}

/// `target` for `platform`.
pub(super) struct Build<'s> {
    pub(super) id: JobId,
    pub(super) target: &'s Target,
    pub(super) platform: &'s Platform,
    pub(super) runner: Runner<'s>,
    /// What other jobs build before. Parents that are staged nowhere are built here, on theirs.
    pub(super) parents: BTreeSet<(TargetName, Platform)>,
    pub(super) logins: BTreeSet<Login>,
    /// The variables with secrets of builds.
    pub(super) secrets: BTreeSet<&'s str>,
    pub(super) needs_room: bool,
    /// Whether the engine's own builder may not do.
    pub(super) needs_builder: bool,
}

/// A part of the graph.
pub(super) struct Check<'s> {
    pub(super) id: JobId,
    pub(super) name: TargetName,
    pub(super) runner: Runner<'s>,
    /// Whether something in it has to be emulated there.
    pub(super) is_emulated: bool,
    pub(super) needs_room: bool,
}

pub(super) struct Work<'s> {
    /// In build order. What is staged nowhere is built where its children are.
    pub(super) builds: Vec<Build<'s>>,
    pub(super) checks: Vec<Check<'s>>,
    /// Where content is staged.
    pub(super) staging: BTreeSet<Repository>,
}

impl<'s> Work<'s> {
    pub(super) fn new(source: &Source<'s>, runners: &'s Runners) -> Self {
        let targets = source.targets.iter().map(|target| (target.target_name(), target)).collect();
        let reader = Reader { source, targets, runners };
        let mut builds = Vec::new();
        let mut staging = BTreeSet::new();
        for vertex in &source.graph.vertices {
            let Some(target) = reader.targets.get(&vertex.name).filter(|it| is_staged(it)) else {
                continue;
            };
            staging.extend(reader.staging(target));
            builds.extend(target.platforms.iter().map(|it| reader.build(vertex, target, it)));
        }
        let checks = components(source.graph).iter().map(|part| reader.check(part)).collect();
        Self { builds, checks, staging }
    }

    /// Which xtasks are needed, and a runner that builds each.
    pub(super) fn architectures(&self) -> BTreeMap<&'s str, Runner<'s>> {
        let runners = self.builds.iter().map(|build| &build.runner);
        let runners = runners.chain(self.checks.iter().map(|check| &check.runner));
        let mut all = BTreeMap::new();
        for runner in runners {
            all.entry(runner.arch).or_insert_with(|| runner.clone());
        }
        all
    }
}

struct Reader<'r, 's> {
    source: &'r Source<'s>,
    targets: BTreeMap<TargetName, &'s Target>,
    runners: &'s Runners,
}

impl<'s> Reader<'_, 's> {
    fn build(&self, vertex: &'s Vertex, target: &'s Target, platform: &'s Platform) -> Build<'s> {
        let mut parents = BTreeSet::new();
        let mut here = BTreeSet::from([vertex.name.clone()]);
        self.add_parents(vertex, platform, &mut parents, &mut here);
        let here: Vec<&'s Target> =
            here.iter().filter_map(|name| self.targets.get(name).copied()).collect();
        let secrets = here.iter().flat_map(|target| target.secrets.values());
        let secrets = secrets.filter_map(|secret| match secret {
            SecretSource::Env(name) if is_secret_name(name) => Some(name.as_str()),
            _ => None,
        });
        let cache = &target.cache;
        let attested = self.source.config.attestations != Attestations::default();
        Build {
            id: JobId::build(&vertex.name, platform),
            target,
            platform,
            runner: self.runners.of(platform),
            logins: self.logins(target, &here, &parents),
            parents,
            secrets: secrets.collect(),
            needs_room: here.iter().any(|target| needs_room(target)),
            needs_builder: cache.registry || cache.github || attested,
        }
    }

    /// Those that jobs of their own build to `staged`; the others, and theirs, to `here`.
    fn add_parents(
        &self,
        vertex: &Vertex,
        platform: &Platform,
        staged: &mut BTreeSet<(TargetName, Platform)>,
        here: &mut BTreeSet<TargetName>,
    ) {
        for edge in &vertex.parents {
            let Some(target) = self.targets.get(&edge.parent) else { continue };
            for of_parent in platforms_of(edge, platform, target) {
                if is_staged(target) {
                    staged.insert((edge.parent.clone(), of_parent));
                } else if let Some(parent) = self.source.graph.get(&edge.parent) {
                    here.insert(edge.parent.clone());
                    self.add_parents(parent, &of_parent, staged, here);
                }
            }
        }
    }

    /// The logins to where a job sends `target`, and to what it starts from.
    fn logins(
        &self,
        target: &Target,
        here: &[&Target],
        parents: &BTreeSet<(TargetName, Platform)>,
    ) -> BTreeSet<Login> {
        let config = self.source.config;
        let parents = parents.iter().filter_map(|(name, _)| self.targets.get(name).copied());
        let mut repositories: Vec<Repository> =
            parents.chain([target]).flat_map(|target| self.staging(target)).collect();
        // Of bases from elsewhere only where a login is named: most are public.
        let from = |reference: &Reference| {
            config.mirrored(reference).unwrap_or_else(|| reference.clone()).repository
        };
        let vertices = here.iter().filter_map(|it| self.source.graph.get(&it.target_name()));
        let bases = vertices.flat_map(|vertex| &vertex.external).map(|base| from(&base.reference));
        repositories.extend(bases.filter(|base| config.logins.contains_key(base.registry())));
        logins(&repositories, config)
    }

    /// Where the content of `target` is staged, on whichever channel.
    fn staging(&self, target: &Target) -> Vec<Repository> {
        match &self.source.config.staging {
            Some(staging) => vec![staging.clone()],
            None => {
                let channels = target.repositories.values();
                channels.into_iter().filter_map(|all| all.first().cloned()).collect()
            }
        }
    }

    fn check(&self, part: &Component) -> Check<'s> {
        let all: Vec<&'s Target> =
            part.targets.iter().filter_map(|name| self.targets.get(name).copied()).collect();
        let main = Platform::amd64();
        let first = all.iter().flat_map(|target| &target.platforms).next();
        let has_main = all.iter().any(|target| target.platforms.contains(&main));
        let runner = self.runners.of(first.filter(|_| !has_main).unwrap_or(&main));
        let is_native = |target: &&Target| {
            target.platforms.iter().any(|own| self.runners.of(own) == runner && !runner.is_emulated)
        };
        Check {
            id: part.job(),
            name: part.name().clone(),
            is_emulated: !all.iter().all(is_native),
            runner,
            needs_room: all.iter().any(|target| needs_room(target)),
        }
    }
}

/// The platforms of the parent that the child needs for `platform`: where it is the builder's own, any that it has.
fn platforms_of(edge: &Edge, platform: &Platform, parent: &Target) -> Vec<Platform> {
    let used = edge.uses.iter().filter(|(child, _)| child == platform);
    used.flat_map(|(_, of_parent)| match of_parent {
        Some(of_parent) => vec![of_parent.clone()],
        None => parent.platforms.clone(),
    })
    .collect()
}

fn is_staged(target: &Target) -> bool {
    target.publish && !target.all_repositories().is_empty()
}

fn needs_room(target: &Target) -> bool {
    target.free_disk.unwrap_or_else(|| target.size_limit.is_some_and(|limit| limit >= LARGE))
}
