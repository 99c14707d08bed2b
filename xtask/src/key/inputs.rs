//! The inputs of one target and platform, by name, and the key over them.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::Key;
use super::files::{Contexts, Request, digest_of};
use super::keys::{Base, Bases, Inputs, Keys, PlatformKey, Read};
use super::reads::reads_of;
use crate::dockerfile::{FRONTEND_ARGUMENT, Reading, Resolved};
use crate::graph::{Binding, External, Graph, Node, Vertex};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Platform, Reference};
use crate::tags::{self, Stamps};
use crate::workspace::{Target, TargetName, Workspace, in_folder};

/// What the keys of a workspace are made from.
#[derive(Debug)]
pub struct Sources<'a> {
    pub workspace: &'a Workspace,
    pub graph: &'a Graph,
    pub nodes: &'a BTreeMap<TargetName, Node<'a>>,
    pub bases: &'a Bases,
}

/// The keys of `wanted`, parents included, in build order.
///
/// # Errors
/// [`Mistakes`] in ignore files and contexts; else the machine's trouble with a file.
pub fn compute(
    sources: &Sources<'_>,
    wanted: &[&Vertex],
    contexts: &mut Contexts<'_>,
) -> anyhow::Result<Keys> {
    let mut keys = Keys::default();
    let mut mistakes = Mistakes::default();
    prepare(sources, wanted, contexts);
    for vertex in wanted {
        let Some(node) = sources.nodes.get(&vertex.name) else { continue };
        let mut platforms = BTreeMap::new();
        for platform in vertex.platforms.keys() {
            match of_platform(sources, vertex, node, platform, &keys, contexts) {
                Ok(key) => {
                    platforms.insert(platform.clone(), key);
                }
                Err(error) => match error.downcast::<Mistakes>() {
                    Ok(of_context) => mistakes.extend(of_context),
                    Err(error) => return Err(error),
                },
            }
        }
        keys.0.insert(vertex.name.clone(), platforms);
    }
    mistakes.none()?;
    contexts.save();
    Ok(keys)
}

/// Looks at all files at once, on all cores.
fn prepare(sources: &Sources<'_>, wanted: &[&Vertex], contexts: &Contexts<'_>) {
    let mut reads = Vec::new();
    for vertex in wanted {
        let Some(node) = sources.nodes.get(&vertex.name) else { continue };
        for platform in vertex.platforms.keys() {
            let of_platform = reads_of(sources, vertex, node, platform);
            let dockerfile = &node.target.dockerfile.value;
            reads.extend(of_platform.into_iter().map(|read| (dockerfile, read)));
        }
    }
    let requests: Vec<Request<'_>> = reads
        .iter()
        .filter(|(_, (_, read))| !matches!(read.reading, Reading::Always { .. }))
        .map(|(dockerfile, (folder, read))| Request { folder, dockerfile, read })
        .collect();
    contexts.prepare(&requests);
}

fn of_platform(
    sources: &Sources<'_>,
    vertex: &Vertex,
    node: &Node<'_>,
    platform: &Platform,
    keys: &Keys,
    contexts: &mut Contexts<'_>,
) -> anyhow::Result<PlatformKey> {
    let target = node.target;
    let mut inputs = Inputs::new();
    let mut always = Vec::new();
    inputs.insert("schema".to_owned(), super::SCHEMA.to_string());
    // Two variants may have equal inputs; their images, which share a local name, are still two.
    if let Some(variant) = &vertex.name.variant {
        inputs.insert("variant".to_owned(), variant.to_string());
    }
    inputs.insert("platform".to_owned(), platform.to_string());
    if let Some(text) = sources.workspace.dockerfiles.get(&target.dockerfile.value) {
        inputs.insert("dockerfile".to_owned(), digest_of(text));
    }
    add_settings(&mut inputs, target);
    let resolved = &vertex.platforms[platform];
    for (name, value) in &node.args {
        // Nothing but a label sees such a stamp, so it is provenance and no input.
        let value = if stamped(target, name) && resolved.only_labels_see(name).is_ok() {
            "a stamp that only labels see"
        } else {
            value
        };
        inputs.insert(format!("argument {name}"), value.to_owned());
    }
    refuse_reference(node, resolved)?;
    add_parents(&mut inputs, vertex, platform, keys);
    for external in &vertex.external {
        add_external(&mut inputs, external, platform, sources.bases);
    }
    add_frontend(&mut inputs, node, sources.bases);

    let mut reads = Vec::new();
    let mut ignores = BTreeMap::new();
    let all = reads_of(sources, vertex, node, platform);
    for (folder, read) in &all {
        if let Reading::Always { why } = &read.reading {
            always.push(format!(
                "{why} ({}, {}:{})",
                read.instruction, target.dockerfile.value, read.line
            ));
            continue;
        }
        let request = Request { folder, dockerfile: &target.dockerfile.value, read };
        let manifest = contexts.read(&request)?;
        let mut input = format!(
            "files {} ({}:{})",
            described(&read.reading, read.context.as_deref()),
            read.instruction,
            read.line
        );
        // Triggers of a base have the line of its FROM, and a line may read a context in two ways.
        while inputs.contains_key(&input) {
            input.push_str(", again");
        }
        if let Some((file, digest)) = contexts.hidden_ignore(&request) {
            inputs.insert(format!("ignore file {file}"), digest);
        }
        inputs.insert(input.clone(), manifest.digest());
        ignores.extend(contexts.ignore_text(&request));
        let (folder, instruction) = (folder.clone(), read.instruction.clone());
        reads.push(Read { input, folder, instruction, line: read.line, manifest });
    }
    let mut hasher = Sha256::new();
    for (name, value) in &inputs {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update((value.len() as u64).to_le_bytes());
        hasher.update(value);
    }
    let stamps = stamps(sources, &target.dockerfile.value, &reads);
    let key = Key::of(&hasher.finalize().into());
    Ok(PlatformKey { key, inputs, reads, ignores, stamps, always })
}

/// Of a Dockerfile and the ignore files that may hold for it and for what `reads` from contexts, as they are now, whether
/// they are there or not.
pub(super) fn stamps(
    sources: &Sources<'_>,
    dockerfile: &Utf8Path,
    reads: &[Read],
) -> BTreeMap<Utf8PathBuf, u64> {
    let own = reads.iter().map(|read| in_folder(&read.folder, ".dockerignore"));
    let beside = [dockerfile.to_owned(), format!("{dockerfile}.dockerignore").into()];
    let files: BTreeSet<Utf8PathBuf> = own.chain(beside).collect();
    let stamp = |file: &Utf8PathBuf| dockyard_context::stamp(&sources.workspace.root.join(file));
    files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
}

fn add_settings(inputs: &mut Inputs, target: &Target) {
    let mut add = |name: String, value: &str| {
        inputs.insert(name, value.to_owned());
    };
    if let Some(stage) = &target.stage {
        add("target".to_owned(), &stage.value);
    }
    for id in target.secrets.keys() {
        add(format!("secret {id}"), "");
    }
    if target.ssh {
        add("ssh".to_owned(), "default");
    }
    if let Some(network) = &target.build.network {
        add("option network".to_owned(), network);
    }
    if let Some(size) = &target.build.shm_size {
        add("option shm-size".to_owned(), size);
    }
    for (name, value) in &target.build.ulimits {
        add(format!("option ulimit {name}"), value);
    }
    for (host, address) in &target.build.add_hosts {
        add(format!("option add-host {host}"), address);
    }
    for name in target.contexts.keys() {
        add(format!("context {name}"), "");
    }
}

/// Publication must not decide what is built: no step may see the image's own reference.
///
/// # Errors
/// Each argument by which one does.
fn refuse_reference(node: &Node<'_>, resolved: &Resolved) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    for (name, template) in &node.target.args {
        let is_given = node.args.get(name) != Some(&template.value);
        if is_given || !tags::names_in(template).contains("reference") {
            continue;
        }
        if let Err(sighting) = resolved.only_labels_see(name) {
            let what = format!(
                "the argument {name} of {} says where the image is published, and {} sees it ({}:{})",
                node.target.target_name(),
                sighting.instruction,
                node.target.dockerfile.value,
                sighting.line
            );
            mistakes.push(Mistake::new(what).at(template.place.clone()).mend(
                "let only LABEL see it: move the ARG below that line, or write the value without `reference`",
            ));
        }
    }
    mistakes.none()
}

/// Whether the argument's template names a stamp.
fn stamped(target: &Target, argument: &str) -> bool {
    target.args.get(argument).is_some_and(|template| {
        let names = tags::names_in(template);
        Stamps::NAMES.iter().any(|stamp| names.contains(*stamp))
    })
}

fn add_parents(inputs: &mut Inputs, vertex: &Vertex, platform: &Platform, keys: &Keys) {
    for edge in &vertex.parents {
        for (_, parent_platform) in edge.uses.iter().filter(|(child, _)| child == platform) {
            // Which platform the builder has must not tell two machines' keys apart.
            let (on, key) = match parent_platform {
                Some(on) => (on.to_string(), keys.get(&edge.parent, on).map(|key| key.key.clone())),
                None => (BUILDER.to_owned(), keys.over_all(&edge.parent)),
            };
            let by = match &edge.binding {
                Binding::Context(name) | Binding::Argument(name) => name.as_str(),
                Binding::Impossible => "",
            };
            let Some(key) = key else { continue };
            inputs.insert(format!("parent {} {on} as {by}", edge.parent), key.to_string());
        }
    }
}

/// What stands for the digest of an image from elsewhere that nothing fixes.
pub(super) const UNLOCKED: &str = "unlocked";
/// What stands for the builder's own platform.
const BUILDER: &str = "builder";

fn add_external(inputs: &mut Inputs, external: &External, platform: &Platform, bases: &Bases) {
    for (_, base_platform) in external.uses.iter().filter(|(child, _)| child == platform) {
        let value = match bases.get(&external.reference) {
            None => UNLOCKED.to_owned(),
            Some(Base::Locked { index, platforms }) => base_platform
                .as_ref()
                .and_then(|platform| platforms.get(platform))
                .unwrap_or(index)
                .to_string(),
            Some(Base::Substitute { recipe }) => format!("substitute {recipe}"),
        };
        let on = base_platform.as_ref().map_or_else(|| BUILDER.to_owned(), Platform::to_string);
        inputs.insert(format!("base {} {on}", external.reference), value);
    }
}

fn add_frontend(inputs: &mut Inputs, node: &Node<'_>, bases: &Bases) {
    let of_argument = node.args.get(FRONTEND_ARGUMENT).and_then(|it| it.split_whitespace().next());
    let Some(written) = of_argument.or_else(|| Some(node.dockerfile.syntax()?.0)) else { return };
    let locked = written.parse::<Reference>().ok().and_then(|reference| bases.get(&reference));
    let value = match locked {
        Some(Base::Locked { index, .. }) => index.as_str(),
        _ => UNLOCKED,
    };
    inputs.insert(format!("frontend {written}"), value.to_owned());
}

fn described(reading: &Reading, context: Option<&str>) -> String {
    let what = match reading {
        Reading::Paths { sources, .. } => sources.join(" "),
        Reading::Whole { .. } | Reading::Always { .. } => ".".to_owned(),
    };
    context.map_or(what.clone(), |context| format!("{context}:{what}"))
}
