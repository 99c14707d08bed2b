//! The second look at what a build reads, when it has ended.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::load::Loaded;
use super::steps;
use crate::graph::{Node, Vertex};
use crate::key::{self, Bases, Contexts, Index};
use crate::plan::Step;
use crate::workspace::TargetName;

/// A workspace as it was loaded, to look at its files again.
pub(super) struct SecondLook<'a> {
    loaded: &'a Loaded,
    bases: &'a Bases,
    nodes: BTreeMap<TargetName, Node<'a>>,
    vertices: BTreeMap<&'a TargetName, &'a Vertex>,
    /// As the plan left it; not loaded before something is built.
    index: LazyLock<Arc<Index>, Box<dyn FnOnce() -> Arc<Index> + Send + 'a>>,
}

impl<'a> SecondLook<'a> {
    pub(super) fn new(loaded: &'a Loaded, bases: &'a Bases) -> Self {
        let vertices = loaded.graph.vertices.iter();
        Self {
            loaded,
            bases,
            nodes: loaded.nodes(),
            vertices: vertices.map(|vertex| (&vertex.name, vertex)).collect(),
            index: LazyLock::new(Box::new(|| Arc::new(steps::load_index(loaded)))),
        }
    }

    /// Whether the files that building `step` reads are still those of its key.
    pub(super) fn is_unchanged(&self, step: &Step) -> bool {
        let Some(vertex) = self.vertices.get(&step.name()) else { return false };
        let sources = steps::sources(self.loaded, &self.nodes, self.bases);
        let contexts = Contexts::new(&self.loaded.workspace.root, self.index.clone());
        step.platforms.iter().all(|platform| {
            step.keys
                .get(platform)
                .is_some_and(|then| key::is_untouched(&sources, vertex, platform, then, &contexts))
        })
    }
}
