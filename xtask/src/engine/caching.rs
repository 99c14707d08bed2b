//! BuildKit's cache beyond the builder's own: in a registry beside the image, and in GitHub's cache service.
//!
//! It is read by every build whose image configures it, and written where that was asked for. No input of a key, and
//! nothing that a build may fail for. See <https://docs.docker.com/build/cache/backends/>.

use std::collections::BTreeSet;

use super::{Builder, Driver, Engine, Environment, Invocation, Store};
use crate::plan::Step;
use crate::reference::{Platform, Repository};

/// The token that the service wants, and addresses of which one is there.
const TOKEN: &str = "ACTIONS_RUNTIME_TOKEN";
const ADDRESSES: [&str; 2] = ["ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL"];
/// Which version of the service it is.
const VERSION: &str = "ACTIONS_CACHE_SERVICE_V2";

/// How a run uses caches.
#[derive(Clone, Default)]
pub struct Caching {
    /// The repositories that get what builds of this run cached.
    pub write: BTreeSet<Repository>,
    /// GitHub's cache service, where this process is let into it.
    github: Option<Github>,
}

/// The variables by which buildx finds the service.
#[derive(Clone)]
struct Github(Vec<(&'static str, String)>);

impl Caching {
    /// Registries are read; GitHub's service is read and written where `environment` has its variables.
    pub fn of(environment: &Environment) -> Self {
        let variable = |name: &'static str| Some((name, environment.get(name)?.to_owned()));
        let is_there = environment.get(TOKEN).is_some()
            && ADDRESSES.iter().any(|name| environment.get(name).is_some());
        let names = [TOKEN].into_iter().chain(ADDRESSES).chain([VERSION]);
        let github = is_there.then(|| Github(names.filter_map(variable).collect()));
        Self { write: BTreeSet::new(), github }
    }

    /// The options of the build of `step`.
    pub(super) fn options(&self, step: &Step, engine: &Engine, builder: &Builder) -> Vec<String> {
        let cache = &step.target.cache;
        let mode = if cache.max { "max" } else { "min" };
        let writes = can_write(engine, builder);
        let mut options = Vec::new();
        let mut add = |place: String, write: bool, more: &str| {
            options.push(format!("--cache-from={place}"));
            if write && writes {
                // An image that was built is not given up because its cache could not be written: that is noted.
                options.push(format!("--cache-to={place},mode={mode}{more},ignore-error=true"));
            }
        };
        for platform in &step.platforms {
            if cache.registry
                && let Some(repository) = step.repositories.first()
            {
                let place =
                    format!("type=registry,ref={repository}:buildcache-{}", slug(step, platform));
                // Some registries take nothing but manifests of images.
                add(
                    place,
                    self.write.contains(repository),
                    ",image-manifest=true,oci-mediatypes=true",
                );
            }
            if cache.github && self.github.is_some() {
                let place = format!("type=gha,scope={}-{}", step.target.id, slug(step, platform));
                add(place, true, "");
            }
        }
        options
    }

    /// `command`, which gets the variables of GitHub's service if `step` uses it, and else none of them.
    pub(super) fn let_in(&self, step: &Step, command: Invocation) -> Invocation {
        let github = self.github.as_ref().filter(|_| step.target.cache.github);
        let variables = github.into_iter().flat_map(|github| &github.0);
        variables.fold(command, |command, (name, value)| command.secret_env(*name, value))
    }

    /// Why the caches of `step` are not written although they should be, with the mend.
    pub fn obstacle(&self, step: &Step, engine: &Engine, builder: &Builder) -> Option<String> {
        let cache = &step.target.cache;
        let first = step.repositories.first().filter(|_| cache.registry);
        let wants = first.is_some_and(|repository| self.write.contains(repository))
            || (cache.github && self.github.is_some());
        (wants && !can_write(engine, builder)).then(|| {
            format!(
                "the cache of {} is read and not written: with the classic image store, the engine's own builder \
                 writes none; turn the containerd image store on, or use a docker-container builder (--builder)",
                step.name()
            )
        })
    }
}

impl std::fmt::Debug for Caching {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let github = self.github.is_some();
        f.debug_struct("Caching").field("write", &self.write).field("github", &github).finish()
    }
}

/// BuildKit in the engine exports caches from containerd's content only.
fn can_write(engine: &Engine, builder: &Builder) -> bool {
    builder.driver != Driver::Docker || engine.store == Store::Containerd
}

/// `variant-linux-amd64`, or without the variant.
fn slug(step: &Step, platform: &Platform) -> String {
    let variant = step.target.variant.as_ref();
    variant.map_or_else(String::new, |variant| format!("{variant}-")) + &platform.slug()
}
