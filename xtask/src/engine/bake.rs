//! The `docker buildx bake` that makes several steps of a plan at once, as [`buildx`](super::buildx) makes one. Pure.
//!
//! A start of buildx is 0.06 s of processor time, which is a third of a small build. But in one call of bake the first
//! failure cancels everything else, so that only builds are done together that are expected to take seconds; which these
//! are is decided by [`execute`](crate::execute). What not every bake can do, is not done together at all.

use camino::Utf8Path;
use serde_json::{Map, Value, json};

use super::buildx::Build;
use super::{Builder, Caching, Engine, Invocation};
use crate::plan::Step;
use crate::workspace::{Attestations, BuildOptions, shown};

/// Whether `step` can be built together with others. Known before its parents are there.
pub fn shares(
    step: &Step,
    root: &Utf8Path,
    engine: &Engine,
    builder: &Builder,
    caching: &Caching,
) -> bool {
    let target = &step.target;
    let texts = step
        .args
        .iter()
        .chain(&step.labels)
        .flat_map(|(name, value)| [name, value])
        .map(String::as_str)
        .chain([root.as_str(), target.context.as_str(), target.dockerfile.value.as_str()])
        .chain(target.stage.as_ref().map(|stage| stage.value.as_str()));
    builder.sees_engine_images()
        && step.platforms.len() == 1
        && step.attestations == Attestations::default()
        && target.build == BuildOptions::default()
        && target.secrets.is_empty()
        && !target.ssh
        && target.contexts.is_empty()
        && caching.options(step, engine, builder).is_empty()
        && texts.into_iter().all(is_literal)
}

/// Whether bake takes `text` as it is: it reads the strings of its definitions as HCL's templates, and writes letters that
/// Unicode has several ways for in one of them.
fn is_literal(text: &str) -> bool {
    text.is_ascii() && !text.contains("${") && !text.contains("%{")
}

/// What bake calls the build at `index`: an id may hold what the name of a target may not.
pub fn target(index: usize) -> String {
    format!("t{index}")
}

/// The definition of `builds`, as bake reads it from a file.
pub fn definition(builds: &[Build<'_>]) -> String {
    let names: Vec<String> = (0..builds.len()).map(target).collect();
    let targets: Map<String, Value> =
        names.iter().cloned().zip(builds.iter().map(target_of)).collect();
    json!({ "group": { "default": { "targets": names } }, "target": targets }).to_string()
}

fn target_of(build: &Build<'_>) -> Value {
    let step = build.step;
    let mut target = json!({
        "context": shown(&step.target.context),
        // bake looks for it in the context, where it is not absolute.
        "dockerfile": build.root.join(&step.target.dockerfile.value),
        "platforms": step.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tags": step.local_names(),
        "args": build.build_args(),
        "labels": step.labels,
        "contexts": build.contexts(),
        "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
    });
    if let Some(stage) = &step.target.stage {
        target["target"] = json!(stage.value);
    }
    target
}

/// The command that builds what the file `definition` says, in the folder of `first`, which is any of the builds.
pub fn invocation(first: &Build<'_>, definition: &Utf8Path) -> Invocation {
    let args = [
        "bake".to_owned(),
        "--progress=rawjson".to_owned(),
        format!("--builder={}", first.builder.name),
        format!("--file={definition}"),
    ];
    first.tuned(first.engine.buildx().args(args).folder(first.root))
}
