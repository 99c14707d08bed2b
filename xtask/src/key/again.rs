//! The second look at a target's files, after its build: is what BuildKit read still what the key was made from?

use std::fs;

use super::inputs::{self, Sources};
use super::keys::PlatformKey;
use super::reads::reads_of;
use super::{Contexts, Request};
use crate::dockerfile::Reading;
use crate::graph::Vertex;
use crate::reference::Platform;

/// Whether nothing that a build of `vertex` reads was changed since `then`, nor written, made or removed and put back.
///
/// Only what buildx reads from the disk can differ from the key: the Dockerfile, its ignore file and contexts.
/// Arguments, options and parents were handed over as the plan had them, and the record says which. `contexts` must not
/// have been asked before. What cannot be read again has changed.
pub fn is_untouched(
    sources: &Sources<'_>,
    vertex: &Vertex,
    platform: &Platform,
    then: &PlatformKey,
    contexts: &Contexts<'_>,
) -> bool {
    let Some(node) = sources.nodes.get(&vertex.name) else { return false };
    let dockerfile = &node.target.dockerfile.value;
    let now = fs::read_to_string(sources.workspace.root.join(dockerfile)).ok();
    let stamps = inputs::stamps(sources, dockerfile, &then.reads);
    if now.as_ref() != sources.workspace.dockerfiles.get(dockerfile) || stamps != then.stamps {
        return false;
    }
    let reads = reads_of(sources, vertex, node, platform);
    let reads: Vec<_> = reads
        .iter()
        .filter(|(_, read)| !matches!(read.reading, Reading::Always { .. }))
        .map(|(folder, read)| Request { folder, dockerfile, read })
        .collect();
    contexts.prepare(&reads);
    reads.len() == then.reads.len()
        && reads.iter().zip(&then.reads).all(|(request, then)| {
            contexts.read(request).is_ok_and(|now| now.is_untouched_since(&then.manifest))
        })
}
