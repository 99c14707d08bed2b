//! The JSON that other programs read. Stable: a field is added, never renamed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::graph::{Edge, External, Graph};
use crate::plan::{Action, Plan, Step};
use crate::reference::{Digest, Repository};
use crate::tags::WantedTag;
use crate::workspace::{Channel, Target, TargetName, shown};

/// The version of every form here.
const VERSION: u32 = 1;

/// Prints `value` on stdout, indented.
///
/// # Errors
/// When stdout is closed.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    std::io::stdout().lock().write_all(&text)?;
    Ok(())
}

/// `plan --json`, and with results `build --json`.
#[derive(Debug, Serialize)]
pub struct PlanJson {
    version: u32,
    images: Vec<StepJson>,
}

#[derive(Debug, Serialize)]
struct StepJson {
    id: String,
    variant: Option<String>,
    folder: String,
    name: String,
    repositories: Vec<String>,
    context: String,
    dockerfile: String,
    target: Option<String>,
    platforms: Vec<String>,
    args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    parents: Vec<ParentJson>,
    external: Vec<ExternalJson>,
    inputs: InputsJson,
    key: String,
    keys: BTreeMap<String, String>,
    tags: Vec<String>,
    action: Action,
    reasons: Vec<String>,
    last_seconds: Option<f64>,
    command: Option<Vec<String>>,
    #[serde(flatten)]
    result: Option<ResultJson>,
}

#[derive(Debug, Serialize)]
struct ParentJson {
    id: String,
    variant: Option<String>,
    via: String,
    reference: String,
}

#[derive(Debug, Serialize)]
struct ExternalJson {
    reference: String,
    via: String,
    platforms: Vec<String>,
    digest: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct InputsJson {
    files: u64,
    bytes: u64,
}

/// What became of a target, for `build --json`.
#[derive(Clone, Debug, Serialize)]
pub struct ResultJson {
    pub status: String,
    pub digest: Option<Digest>,
    pub seconds: Option<f64>,
    /// As the engine's image store counts them.
    pub bytes: Option<u64>,
    /// What went wrong, and where the whole log is.
    pub error: Option<String>,
    pub log: Option<String>,
}

impl PlanJson {
    /// With the command of each target that is known.
    pub fn new(plan: &Plan, commands: &BTreeMap<TargetName, Vec<String>>) -> Self {
        Self::with_results(plan, commands, &mut BTreeMap::new())
    }

    pub fn with_results(
        plan: &Plan,
        commands: &BTreeMap<TargetName, Vec<String>>,
        results: &mut BTreeMap<TargetName, ResultJson>,
    ) -> Self {
        let images = plan
            .steps
            .iter()
            .map(|step| {
                let name = step.name();
                StepJson::new(step, commands.get(&name).cloned(), results.remove(&name))
            })
            .collect();
        Self { version: VERSION, images }
    }
}

impl StepJson {
    fn new(step: &Step, command: Option<Vec<String>>, result: Option<ResultJson>) -> Self {
        let target = &step.target;
        let (files, bytes) = step.input_size();
        Self {
            id: target.id.to_string(),
            variant: target.variant.as_ref().map(ToString::to_string),
            folder: shown(&target.folder),
            name: target.name.clone(),
            repositories: step.repositories.iter().map(ToString::to_string).collect(),
            context: shown(&target.context),
            dockerfile: shown(&target.dockerfile.value),
            target: target.stage.as_ref().map(|stage| stage.value.clone()),
            platforms: step.platforms.iter().map(ToString::to_string).collect(),
            args: step.args.clone(),
            labels: step.labels.clone(),
            parents: step.parents.iter().map(ParentJson::new).collect(),
            external: step.external.iter().map(|base| ExternalJson::of_step(base, step)).collect(),
            inputs: InputsJson { files, bytes },
            key: step.key.to_string(),
            keys: step
                .keys
                .iter()
                .map(|(platform, key)| (platform.to_string(), key.key.to_string()))
                .collect(),
            tags: step
                .tags
                .iter()
                .filter_map(|wanted| wanted.tag.as_ref())
                .map(ToString::to_string)
                .collect(),
            action: step.action,
            reasons: step.reasons.clone(),
            last_seconds: step.last_seconds,
            command,
            result,
        }
    }
}

impl ParentJson {
    fn new(edge: &Edge) -> Self {
        Self {
            id: edge.parent.id.to_string(),
            variant: edge.parent.variant.as_ref().map(ToString::to_string),
            via: edge.via.to_string(),
            reference: edge.reference.to_string(),
        }
    }
}

impl ExternalJson {
    /// With what the lock binds, which is named by its digest.
    fn of_step(external: &External, step: &Step) -> Self {
        let bound = step.bound.get(&external.reference);
        let bound = bound.and_then(|image| image.parse::<crate::reference::Reference>().ok());
        let digest = bound.and_then(|bound| bound.digest).map(|digest| digest.to_string());
        let external = Self::new(external);
        Self { digest: external.digest.clone().or(digest), ..external }
    }

    fn new(external: &External) -> Self {
        let mut platforms: Vec<String> =
            external.platforms.iter().map(|(_, base)| base.to_string()).collect();
        platforms.sort();
        platforms.dedup();
        Self {
            reference: external.reference.to_string(),
            via: external.via.to_string(),
            platforms,
            digest: external.reference.digest.as_ref().map(ToString::to_string),
            note: external.note.clone(),
        }
    }
}

/// `list --json`.
#[derive(Debug, Serialize)]
pub struct ListJson {
    version: u32,
    images: Vec<ListedJson>,
}

#[derive(Debug, Serialize)]
struct ListedJson {
    id: String,
    variant: Option<String>,
    name: String,
    description: Option<String>,
    version: Option<String>,
    folder: String,
    dockerfile: String,
    context: String,
    platforms: Vec<String>,
    publish: bool,
    repositories: Vec<String>,
    parents: Vec<String>,
}

impl ListJson {
    pub fn new(targets: &[Target], graph: &Graph) -> Self {
        let listed = |target: &Target| ListedJson {
            id: target.id.to_string(),
            variant: target.variant.as_ref().map(ToString::to_string),
            name: target.name.clone(),
            description: target.description.clone(),
            version: target.known_version.as_ref().map(ToString::to_string),
            folder: shown(&target.folder),
            dockerfile: shown(&target.dockerfile.value),
            context: shown(&target.context),
            platforms: target.platforms.iter().map(ToString::to_string).collect(),
            publish: target.publish,
            repositories: target.all_repositories().into_iter().map(ToString::to_string).collect(),
            parents: graph
                .get(&target.target_name())
                .map(|vertex| unique(vertex.parents.iter().map(|edge| edge.parent.to_string())))
                .unwrap_or_default(),
        };
        Self { version: VERSION, images: targets.iter().map(listed).collect() }
    }
}

/// `graph --format json`.
#[derive(Debug, Serialize)]
pub struct GraphJson {
    version: u32,
    images: Vec<VertexJson>,
}

#[derive(Debug, Serialize)]
struct VertexJson {
    id: String,
    variant: Option<String>,
    parents: Vec<ParentJson>,
    external: Vec<ExternalJson>,
}

impl GraphJson {
    pub fn new(graph: &Graph) -> Self {
        let vertex = |vertex: &crate::graph::Vertex| VertexJson {
            id: vertex.name.id.to_string(),
            variant: vertex.name.variant.as_ref().map(ToString::to_string),
            parents: vertex.parents.iter().map(ParentJson::new).collect(),
            external: vertex.external.iter().map(ExternalJson::new).collect(),
        };
        Self { version: VERSION, images: graph.vertices.iter().map(vertex).collect() }
    }
}

/// `tags --json`.
#[derive(Debug, Serialize)]
pub struct TagsJson {
    version: u32,
    channel: Channel,
    images: Vec<TaggedJson>,
}

#[derive(Debug, Serialize)]
struct TaggedJson {
    id: String,
    variant: Option<String>,
    repositories: Vec<String>,
    tags: Vec<TagJson>,
}

#[derive(Debug, Serialize)]
struct TagJson {
    /// Nothing while an observed fact in it is unknown.
    tag: Option<String>,
    template: String,
    place: String,
    immutable: bool,
    /// The observed facts that it waits for.
    awaits: Vec<String>,
}

impl TagsJson {
    pub fn new(channel: Channel, wanted: &[(&Target, Vec<Repository>, Vec<WantedTag>)]) -> Self {
        let images = wanted
            .iter()
            .map(|(target, repositories, tags)| TaggedJson {
                id: target.id.to_string(),
                variant: target.variant.as_ref().map(ToString::to_string),
                repositories: repositories.iter().map(ToString::to_string).collect(),
                tags: tags
                    .iter()
                    .map(|wanted| TagJson {
                        tag: wanted.tag.as_ref().map(ToString::to_string),
                        template: wanted.template.value.clone(),
                        place: wanted.template.place.to_string(),
                        immutable: wanted.immutable,
                        awaits: wanted.awaits.clone(),
                    })
                    .collect(),
            })
            .collect();
        Self { version: VERSION, channel, images }
    }
}

/// Each item once, in the order of their first appearance.
pub(super) fn unique(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
