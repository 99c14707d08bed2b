//! What a target reads from contexts that are folders: what its Dockerfile says, and what it may read besides.

use camino::Utf8PathBuf;

use super::files::UNKNOWN_ONBUILD;
use super::inputs::Sources;
use crate::dockerfile::{Base, Command, ContextRead, Reading, Resolved, Via};
use crate::graph::{Binding, External, Node, Vertex};
use crate::reference::Platform;
use crate::tags;
use crate::workspace::{ContextSource, Target};

/// What building `vertex` reads from contexts that are folders: these, and what is read.
pub(super) fn reads_of(
    sources: &Sources<'_>,
    vertex: &Vertex,
    node: &Node<'_>,
    platform: &Platform,
) -> Vec<(Utf8PathBuf, ContextRead)> {
    let target = node.target;
    let resolved = &vertex.platforms[platform];
    let folder = |read: &ContextRead| match &read.context {
        None => Some(target.context.clone()),
        Some(name) => match target.contexts.get(name) {
            Some(ContextSource::Folder(folder)) => Some(folder.clone()),
            _ => None,
        },
    };
    let mut reads: Vec<_> =
        resolved.reads.iter().filter_map(|read| Some((folder(read)?, read.clone()))).collect();
    for (_, read) in &mut reads {
        widen_late(target, read);
    }
    // A further context has children only where a stage starts from it.
    let has_children = |external: &External| match (external.via, &external.binding) {
        (Via::Context, Binding::Context(name)) => resolved
            .stages
            .iter()
            .any(|stage| matches!(&stage.base, Base::Context(base) if base == name)),
        (via, _) => matches!(via, Via::From | Via::Context),
    };
    let unknown = vertex.external.iter().find(|external| {
        has_children(external)
            && external.platforms.iter().any(|(child, _)| child == platform)
            && !sources.bases.contains_key(&external.reference)
            && !sources.workspace.config.bases.contains_key(&external.reference)
    });
    // What the base may have its children copy is not known before it is locked.
    let unknown = unknown.map(|base| {
        let why = format!("the ONBUILD of {} is unknown", base.reference.familiar());
        (why, base.place.line)
    });
    let of_context = || {
        let context = onbuild_of_contexts(sources, vertex, resolved)?;
        Some((format!("the context {context} has ONBUILD instructions"), 1))
    };
    if let Some((why, line)) = unknown.or_else(of_context) {
        reads.push((
            target.context.clone(),
            ContextRead {
                context: None,
                reading: Reading::Whole { why },
                instruction: UNKNOWN_ONBUILD.to_owned(),
                line,
                stage: 0,
            },
        ));
    }
    reads
}

/// A further context that is an image with `ONBUILD` instructions, and from which a stage starts: BuildKit carries them
/// out as those of any base (`dockerfile2llb/convert.go`, `resolveStages`). Which files they read is not followed.
fn onbuild_of_contexts(
    sources: &Sources<'_>,
    vertex: &Vertex,
    resolved: &Resolved,
) -> Option<String> {
    let mut names = resolved.stages.iter().filter_map(|stage| match &stage.base {
        Base::Context(name) => Some(name),
        _ => None,
    });
    let is =
        |binding: &Binding, name: &String| matches!(binding, Binding::Context(own) if own == name);
    let of_parent = |name: &String| {
        vertex.parents.iter().filter(|edge| is(&edge.binding, name)).any(|edge| {
            let parent = sources.nodes.get(&edge.parent);
            parent.is_some_and(|parent| {
                let mut all = parent.dockerfile.instructions().iter();
                all.any(|one| matches!(one.command, Command::Onbuild(_)))
            })
        })
    };
    let of_lock = |name: &String| {
        vertex.external.iter().filter(|base| is(&base.binding, name)).any(|base| {
            let locked = sources.workspace.lock.get(&base.reference);
            locked.is_some_and(|locked| !locked.onbuild.is_empty())
        })
    };
    names.find(|name| of_parent(name) || of_lock(name)).cloned()
}

/// Where a path holds an argument whose value was not known yet when the path was made, everything is read.
fn widen_late(target: &Target, read: &mut ContextRead) {
    let Reading::Paths { sources, excludes, .. } = &read.reading else { return };
    let is_template = |text: &String| text.contains("{{") || text.contains("}}");
    if sources.iter().chain(excludes).any(is_template) && target.args.values().any(tags::is_late) {
        let why = "an argument in the path is known only when the base is".to_owned();
        read.reading = Reading::Whole { why };
    }
}
