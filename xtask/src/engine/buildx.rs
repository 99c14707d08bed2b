//! The `docker buildx build` that makes one step of a plan. A function of its arguments: what is printed by a dry run
//! is what runs.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Builder, Caching, Engine, Invocation, Store, sources, substitute};
use crate::dockerfile::FRONTEND_ARGUMENT;
use crate::graph::Binding;
use crate::plan::Step;
use crate::reference::{Digest, Reference};
use crate::workspace::{ContextSource, Scanner, SecretSource, TargetName};

/// How a parent reaches the builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The builder sees the engine's images: by its immutable local name.
    Local(String),
    /// An OCI layout on this machine, sent along with the build.
    Layout { folder: Utf8PathBuf, digest: Digest },
    /// In a registry: every builder fetches it by digest.
    Published(Reference),
}

impl Parent {
    /// As the value of `--build-context NAME=…`.
    fn context(&self) -> String {
        match self {
            Self::Local(name) => format!("docker-image://{name}"),
            Self::Layout { folder, digest } => format!("oci-layout://{folder}@{digest}"),
            Self::Published(reference) => format!("docker-image://{reference}"),
        }
    }
}

/// Everything that a build command depends on.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    pub engine: &'a Engine,
    pub builder: &'a Builder,
    /// The workspace root, which is the command's folder.
    pub root: &'a Utf8Path,
    pub step: &'a Step,
    pub parents: &'a BTreeMap<TargetName, Parent>,
    /// Where buildx writes the digest of what it made.
    pub metadata_file: &'a Utf8Path,
    /// A file that says of [`Build::engine_images`] that they are ([`sources`]), where there are some.
    pub source_policy: Option<&'a Utf8Path>,
    pub no_cache: bool,
    pub caching: &'a Caching,
    /// The values of secrets that come from variables, by variable.
    pub secrets: &'a BTreeMap<String, String>,
}

impl Build<'_> {
    /// The command. Every value stands behind its option with `=`, so that none can be taken for an option.
    pub fn invocation(&self) -> Invocation {
        let Self { step, builder, .. } = *self;
        let target = &step.target;
        let mut args: Vec<String> = vec![
            "build".to_owned(),
            "--progress=rawjson".to_owned(),
            format!("--metadata-file={}", self.metadata_file),
            format!("--builder={}", builder.name),
            format!("--platform={}", comma_list(&step.platforms)),
            format!("--file={}", target.dockerfile.value),
        ];
        if let Some(stage) = &target.stage {
            args.push(format!("--target={}", stage.value));
        }
        args.extend(step.local_names().into_iter().map(|name| format!("--tag={name}")));
        args.extend(
            self.build_args()
                .into_iter()
                .map(|(name, value)| format!("--build-arg={name}={value}")),
        );
        args.extend(step.labels.iter().map(|(name, value)| format!("--label={name}={value}")));
        args.extend(
            self.contexts()
                .into_iter()
                .map(|(name, value)| format!("--build-context={name}={value}")),
        );
        args.extend(self.secret_options());
        if target.ssh {
            args.push("--ssh=default".to_owned());
        }
        args.extend(self.build_options());
        args.extend(self.caching.options(step, self.engine, builder));
        args.extend(self.attestations());
        if !builder.sees_engine_images() {
            args.push("--load".to_owned());
        }
        if self.no_cache {
            args.push("--no-cache".to_owned());
        }
        args.push("--".to_owned());
        args.push(crate::workspace::shown(&target.context));
        let command = self.engine.buildx().args(args).folder(self.root);
        let command = self.tuned(self.caching.let_in(step, command));
        self.secrets
            .iter()
            .filter(|(name, _)| {
                target
                    .secrets
                    .values()
                    .any(|source| matches!(source, SecretSource::Env(own) if own == *name))
            })
            .fold(command, |command, (name, value)| command.secret_env(name, value))
    }

    /// `command` with the variables that spare time.
    pub(super) fn tuned(&self, command: Invocation) -> Invocation {
        let tuning = self.tuning().iter().copied();
        let command = tuning.fold(command, |command, (name, value)| command.env(name, value));
        match self.source_policy {
            Some(file) => command.env(sources::POLICY, file.as_str()),
            None => command,
        }
    }

    /// The images that are only in the engine, where the builder would look elsewhere first ([`sources`]).
    pub fn engine_images(&self) -> BTreeSet<Reference> {
        let asks_elsewhere =
            self.engine.store == Store::Containerd && self.builder.sees_engine_images();
        if !asks_elsewhere || self.engine.api < sources::KEEPS_NAMES {
            return BTreeSet::new();
        }
        let parents = self.parents.values().filter_map(|parent| match parent {
            Parent::Local(name) => Some(name),
            Parent::Layout { .. } | Parent::Published(_) => None,
        });
        let in_engine = |name: &&String| name.starts_with(substitute::REGISTRY);
        let substitutes = self.step.bound.values().filter(in_engine);
        parents.chain(substitutes).filter_map(|name| name.parse().ok()).collect()
    }

    /// Variables that make buildx start faster, and change nothing of what it builds. Half of a small build's processor
    /// time is its own start.
    fn tuning(&self) -> &'static [(&'static str, &'static str)] {
        // Go's garbage collector, which would run several times before the build begins.
        const COLLECT_LATER: (&str, &str) = ("GOGC", "1600");
        // A further question to the engine, for a provenance in the metadata file that nobody reads.
        const NO_QUESTION: (&str, &str) = ("BUILDX_METADATA_PROVENANCE", "disabled");
        // Six git processes, for commit and remote in the provenance.
        const NO_GIT: (&str, &str) = ("BUILDX_GIT_INFO", "false");
        // A trace that the engine records, of all builds of the process for each of them (BuildKit, `recordBuildHistory`).
        // Nothing but `docker buildx history trace` reads it.
        const NO_TRACE: (&str, &str) = ("OTEL_TRACES_SAMPLER", "always_off");
        if self.step.attestations.provenance.is_some() {
            &[COLLECT_LATER, NO_QUESTION, NO_TRACE]
        } else {
            &[COLLECT_LATER, NO_QUESTION, NO_TRACE, NO_GIT]
        }
    }

    /// The command as a person types it: where the program lies is this machine's affair.
    pub fn typed(&self) -> Vec<String> {
        let invocation = self.invocation();
        let words = invocation.argv().skip_while(|word| *word != "build").map(str::to_owned);
        ["docker", "buildx"].map(str::to_owned).into_iter().chain(words).collect()
    }

    /// The written arguments, and those that name a parent or a bound base.
    pub(super) fn build_args(&self) -> BTreeMap<String, String> {
        let mut args = self.step.args.clone();
        for edge in &self.step.parents {
            if let (Binding::Argument(argument), Some(parent)) =
                (&edge.binding, self.parents.get(&edge.parent))
            {
                args.insert(argument.clone(), argument_reference(&edge.parent, parent));
            }
        }
        for external in &self.step.external {
            if let (Binding::Argument(argument), Some(image)) =
                (&external.binding, self.step.bound.get(&external.reference))
            {
                args.insert(argument.clone(), image.clone());
            }
        }
        if let Some(frontend) = &self.step.frontend {
            args.insert(FRONTEND_ARGUMENT.to_owned(), frontend.clone());
        }
        args
    }

    pub(super) fn contexts(&self) -> BTreeMap<String, String> {
        let mut contexts = BTreeMap::new();
        for (name, source) in &self.step.target.contexts {
            let value = match source {
                ContextSource::Folder(folder) => crate::workspace::shown(folder),
                ContextSource::Image(reference) => {
                    format!(
                        "docker-image://{}",
                        self.step.bound.get(reference).unwrap_or(&reference.to_string())
                    )
                }
            };
            contexts.insert(name.clone(), value);
        }
        for edge in &self.step.parents {
            let Some(parent) = self.parents.get(&edge.parent) else { continue };
            match &edge.binding {
                Binding::Context(name) => {
                    contexts.insert(name.clone(), parent.context());
                }
                // An argument names a reference; where that is no image of the builder's, a context gives it content.
                Binding::Argument(_) if matches!(parent, Parent::Layout { .. }) => {
                    contexts.insert(argument_reference(&edge.parent, parent), parent.context());
                }
                Binding::Argument(_) | Binding::Impossible => {}
            }
        }
        for external in &self.step.external {
            if let (Binding::Context(name), Some(image)) =
                (&external.binding, self.step.bound.get(&external.reference))
            {
                contexts.entry(name.clone()).or_insert_with(|| format!("docker-image://{image}"));
            }
        }
        contexts
    }

    fn secret_options(&self) -> Vec<String> {
        let option = |(id, source): (&String, &SecretSource)| match source {
            SecretSource::Env(name) => format!("--secret=id={id},env={name}"),
            SecretSource::File(path) => format!("--secret=id={id},src={path}"),
        };
        self.step.target.secrets.iter().map(option).collect()
    }

    /// Off unless the workspace asks for them: with attestations a digest changes at every build, even a cached one, and
    /// makes children stale. The classic store has none.
    fn attestations(&self) -> [String; 2] {
        let wanted = &self.step.attestations;
        let kept = self.engine.store == Store::Containerd && self.builder.sees_engine_images();
        let provenance = match &wanted.provenance {
            Some(mode) if kept => format!("--provenance=mode={mode}"),
            _ => "--provenance=false".to_owned(),
        };
        let sbom = match &wanted.sbom {
            Some(Scanner::Default) if kept => "--sbom=true".to_owned(),
            Some(Scanner::Image(scanner)) if kept => format!("--sbom=generator={scanner}"),
            _ => "--sbom=false".to_owned(),
        };
        [provenance, sbom]
    }

    fn build_options(&self) -> Vec<String> {
        let build = &self.step.target.build;
        let mut args = Vec::new();
        if let Some(network) = &build.network {
            args.push(format!("--network={network}"));
            if network == "host" {
                args.push("--allow=network.host".to_owned());
            }
        }
        args.extend(build.shm_size.iter().map(|size| format!("--shm-size={size}")));
        args.extend(build.ulimits.iter().map(|(name, value)| format!("--ulimit={name}={value}")));
        args.extend(
            build.add_hosts.iter().map(|(host, address)| format!("--add-host={host}:{address}")),
        );
        args
    }
}

/// What an argument is set to so that it means `parent`. No stage can have this name.
fn argument_reference(name: &TargetName, parent: &Parent) -> String {
    match parent {
        Parent::Local(image) => image.clone(),
        Parent::Layout { digest, .. } => {
            format!("dockyard.invalid/parent/{}:{}", name.id, &digest.hex()[..12])
        }
        Parent::Published(reference) => reference.to_string(),
    }
}

fn comma_list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What the engine's image store cannot do for `step`, with the mend.
pub fn unsupported(engine: &Engine, step: &Step) -> Option<crate::mistake::Mistake> {
    (engine.store == Store::Classic && step.platforms.len() > 1).then(|| {
        crate::mistake::Mistake::new(format!(
            "{} is wanted for {}, and the engine's classic image store holds one platform an image",
            step.name(),
            comma_list(&step.platforms)
        ))
        .mend(
            "turn the containerd image store on ({\"features\":{\"containerd-snapshotter\":true}} in Docker's \
             daemon.json, or «Use containerd» in Docker Desktop's settings), or ask for one --platform",
        )
    })
}
