//! Files → values: the workspace, its Dockerfiles, what templates may use, and the graph.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::select;
use crate::cli::{BuildArgs, Global};
use crate::dockerfile::Dockerfile;
use crate::graph::{self, Graph, Node, Scope, Vertex};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Platform, Tag};
use crate::tags::{self, Facts, Missing, Stamps};
use crate::workspace::{self, Target, TargetName, Template, Workspace};

/// A workspace with everything that can be known without asking an engine or a registry.
pub(super) struct Loaded {
    pub(super) workspace: Workspace,
    pub(super) graph: Graph,
    pub(super) dockerfiles: BTreeMap<Utf8PathBuf, Dockerfile>,
    pub(super) facts: BTreeMap<TargetName, Facts>,
    pub(super) args: BTreeMap<TargetName, Arguments>,
    /// Every tag that a template of any channel gives.
    tags: BTreeMap<TargetName, Vec<Tag>>,
}

/// The build arguments of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    pub(super) rendered: BTreeMap<String, String>,
    /// Those that need a fact that is known only later.
    pub(super) late: BTreeMap<String, Template>,
}

/// What a person typed that bears on the workspace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Typed<'a> {
    /// Ids, names and folders; none means all.
    images: &'a [String],
    /// `[ID:]KEY=VALUE`.
    build_args: &'a [String],
    /// Files that are to be taken for written.
    unwritten: Option<&'a BTreeMap<Utf8PathBuf, String>>,
}

impl<'a> Typed<'a> {
    pub(super) fn of(args: &'a BuildArgs) -> Self {
        Self { images: &args.images, build_args: &args.build_arg, unwritten: None }
    }

    pub(super) fn images(images: &'a [String]) -> Self {
        Self { images, build_args: &[], unwritten: None }
    }

    /// A workspace some of whose files are not written yet.
    pub(super) fn unwritten(files: &'a BTreeMap<Utf8PathBuf, String>) -> Self {
        Self { unwritten: Some(files), ..Self::default() }
    }
}

/// Loads the workspace that `global` names.
///
/// # Errors
/// [`Mistakes`]: everything that is wrong in the workspace, and in what was typed.
pub(super) fn load(global: &Global, typed: &Typed<'_>) -> anyhow::Result<Loaded> {
    let root = root(global)?;
    let reading = match typed.unwritten {
        Some(files) => Workspace::load_with(&root, files)?,
        None => Workspace::load(&root)?,
    };
    let workspace::Reading { workspace, gaps, mut mistakes } = reading;
    let mut typos = Mistakes::default();
    let overrides = parse_overrides(typed, &workspace, &mut typos)?;
    if !gaps.images {
        // Otherwise what was not found may only not have been read.
        mistakes.extend(typos);
    }

    let parsed: Vec<_> = workspace
        .dockerfiles
        .par_iter()
        .map(|(file, text)| (file.clone(), Dockerfile::parse(file, text)))
        .collect();
    let mut dockerfiles = BTreeMap::new();
    for (file, result) in parsed {
        dockerfiles.extend(mistakes.take(result).map(|dockerfile| (file, dockerfile)));
    }
    if gaps.config {
        // Without registries and defaults, nothing more can be told of the images.
        mistakes.clone().none()?;
    }

    let stamps = Stamps::new(&workspace.git);
    let mut facts = BTreeMap::new();
    let mut args = BTreeMap::new();
    let known = workspace.targets.iter().filter(|one| !gaps.values.contains(&one.target_name()));
    for target in known {
        let of_target = Facts::new(target, &stamps);
        let templates = target.tags.iter().flat_map(|tags| tags.values()).flatten();
        let templates = templates.chain(target.labels.values());
        mistakes.extend(templates.filter_map(|template| tags::check(template, &of_target)));
        if let Some(rendered) = mistakes.take(render_args(target, &of_target, &overrides)) {
            args.insert(target.target_name(), rendered);
        }
        facts.insert(target.target_name(), of_target);
    }

    let tags: BTreeMap<TargetName, Vec<Tag>> = workspace
        .targets
        .par_iter()
        .filter_map(|target| {
            let name = target.target_name();
            let tags = tags::every_tag(target, facts.get(&name)?);
            Some((name, tags))
        })
        .collect();
    let nodes: Vec<Node<'_>> = workspace
        .targets
        .iter()
        .filter_map(|target| node(target, &dockerfiles, &args, &tags, None))
        .collect();
    let scope = Scope {
        prefixes: prefixes(&workspace),
        build_platform: Platform::native(),
        is_whole: !gaps.images && nodes.len() == workspace.targets.len(),
        triggers: &workspace.triggers(),
    };
    let graph = mistakes.take(graph::build(&nodes, &scope)).unwrap_or_default();
    for vertex in &graph.vertices {
        if let Some(facts) = facts.get_mut(&vertex.name) {
            add_base(facts, vertex, &workspace);
        }
    }
    mistakes.none()?;
    Ok(Loaded { workspace, graph, dockerfiles, facts, args, tags })
}

impl Loaded {
    pub(super) fn nodes(&self) -> BTreeMap<TargetName, Node<'_>> {
        self.workspace
            .targets
            .iter()
            .filter_map(|target| {
                Some((
                    target.target_name(),
                    node(
                        target,
                        &self.dockerfiles,
                        &self.args,
                        &self.tags,
                        self.facts.get(&target.target_name()),
                    )?,
                ))
            })
            .collect()
    }
}

/// The folder of the workspace: `--root`, else the nearest one above.
pub(super) fn root(global: &Global) -> anyhow::Result<Utf8PathBuf> {
    if let Some(root) = &global.root {
        return Ok(root.clone());
    }
    workspace::find_root(&current_folder()?)
}

pub(super) fn current_folder() -> anyhow::Result<Utf8PathBuf> {
    let folder = std::env::current_dir().context("failed to find the current folder")?;
    Utf8PathBuf::from_path_buf(folder).map_err(|folder| {
        anyhow::anyhow!("failed to use the folder {}: its name is not UTF-8", folder.display())
    })
}

fn node<'a>(
    target: &'a Target,
    dockerfiles: &'a BTreeMap<Utf8PathBuf, Dockerfile>,
    args: &BTreeMap<TargetName, Arguments>,
    tags: &BTreeMap<TargetName, Vec<Tag>>,
    facts: Option<&Facts>,
) -> Option<Node<'a>> {
    let name = target.target_name();
    let arguments = args.get(&name)?;
    // What is not known yet is set all the same: no more than that it is there is needed before the graph is made. The
    // image's own reference is known last, and only labels may see it.
    let value = |template: &Template| {
        let facts = facts.filter(|_| !tags::names_in(template).contains("reference"))?;
        Some(tags::render(template, facts).ok()?.text)
    };
    let late = arguments.late.iter().map(|(name, template)| {
        (name.clone(), value(template).unwrap_or_else(|| template.value.clone()))
    });
    Some(Node {
        target,
        dockerfile: dockerfiles.get(&target.dockerfile.value)?,
        args: arguments.rendered.clone().into_iter().chain(late).collect(),
        tags: tags.get(&name)?.clone(),
    })
}

/// The facts of what the final stage starts from.
fn add_base(facts: &mut Facts, vertex: &Vertex, workspace: &Workspace) {
    let parent = vertex.parents.iter().find(|edge| edge.is_base).map(|edge| &edge.reference);
    let external = || vertex.external.iter().find(|base| base.is_base).map(|base| &base.reference);
    let Some(base) = parent.or_else(external) else {
        for name in ["base_name", "base_digest"] {
            facts.lack(name, "the final stage starts from nothing");
        }
        return;
    };
    facts.set("base_name", &base.to_string());
    let locked = || workspace.lock.get(base).map(|locked| &locked.digest);
    match base.digest.as_ref().or_else(locked) {
        Some(digest) => facts.set("base_digest", digest.as_str()),
        None => {
            facts.lack("base_digest", "the base is not locked; `cargo xtask lock-update` locks it, or name it with its digest");
        }
    }
}

fn prefixes(workspace: &Workspace) -> Vec<&str> {
    let config = &workspace.config;
    config.registries.iter().chain(&config.aliases).map(String::as_str).collect()
}

fn render_args(
    target: &Target,
    facts: &Facts,
    overrides: &[Override],
) -> Result<Arguments, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut args = Arguments::default();
    for (name, template) in &target.args {
        // Even where it could be rendered now: `default` would hide what is not known yet.
        if tags::is_late(template) {
            args.late.insert(name.clone(), template.clone());
            continue;
        }
        match tags::render(template, facts) {
            Ok(rendered) => {
                args.rendered.insert(name.clone(), rendered.text);
            }
            Err(Missing::Mistake(mistake)) => mistakes.push(mistake),
            Err(Missing::Observed(fact)) => mistakes.push(
                Mistake::new(format!(
                    "the argument {name} uses `{fact}`, which is read from the built image and can only serve tags"
                ))
                .at(template.place.clone()),
            ),
        }
    }
    let name = target.target_name();
    for given in overrides.iter().filter(|given| given.targets.contains(&name)) {
        args.late.remove(&given.name);
        args.rendered.insert(given.name.clone(), given.value.clone());
    }
    mistakes.none()?;
    Ok(args)
}

struct Override {
    /// The targets that it is for.
    targets: BTreeSet<TargetName>,
    name: String,
    value: String,
}

/// The `--build-arg`s: for the named images, or for one. Mistakes that need every image to be known go to `typos`.
fn parse_overrides(
    typed: &Typed<'_>,
    workspace: &Workspace,
    typos: &mut Mistakes,
) -> anyhow::Result<Vec<Override>> {
    let named = match select::select(workspace, typed.images) {
        Ok(named) => named,
        Err(error) => {
            typos.extend(error.downcast::<Mistakes>()?);
            BTreeSet::new()
        }
    };
    let mut overrides = Vec::new();
    for text in typed.build_args {
        let Some((name, value)) = text.split_once('=') else {
            typos.push(
                Mistake::new(format!("--build-arg {text:?} has no value"))
                    .mend("write [ID:]KEY=VALUE"),
            );
            continue;
        };
        let (id, name) = match name.split_once(':') {
            Some((id, name)) => (Some(id), name),
            None => (None, name),
        };
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            typos.push(
                Mistake::new(format!("--build-arg {text:?}: {name:?} is no name of an argument"))
                    .mend("write [ID:]KEY=VALUE"),
            );
        }
        let targets: BTreeSet<TargetName> = match id {
            None => named.clone(),
            Some(id) => {
                let of_id = workspace.targets.iter().filter(|target| target.id.as_str() == id);
                of_id.map(Target::target_name).collect()
            }
        };
        if let (Some(id), true) = (id, targets.is_empty()) {
            let mistake = Mistake::new(format!("--build-arg {text:?}: there is no image {id:?}"));
            let ids = workspace.targets.iter().map(|target| target.id.as_str());
            typos.push(match workspace::nearest(id, ids) {
                Some(near) => mistake.mend(format!("did you mean {near:?}?")),
                None => mistake.mend("`cargo xtask list` shows the ids"),
            });
        }
        let bound = workspace.targets.iter().find(|target| {
            targets.contains(&target.target_name()) && target.parents.contains_key(name)
        });
        if let Some(target) = bound {
            typos.push(
                Mistake::new(format!(
                    "--build-arg {text:?}: {} takes {name} from [parents]",
                    target.target_name()
                ))
                .mend("remove it there to build on something else"),
            );
        }
        overrides.push(Override { targets, name: name.to_owned(), value: value.to_owned() });
    }
    Ok(overrides)
}

/// `path` relative to the workspace root, when it lies there.
pub(super) fn below(root: &Utf8Path, path: &Utf8Path) -> Option<Utf8PathBuf> {
    path.canonicalize_utf8().ok()?.strip_prefix(root).ok().map(Utf8Path::to_owned)
}
