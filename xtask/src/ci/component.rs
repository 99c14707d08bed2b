//! The connected parts of the graph: what a pull request checks together, because parents are built in place.

use std::collections::{BTreeMap, BTreeSet};

use super::job::JobId;
use crate::graph::Graph;
use crate::workspace::TargetName;

/// Targets that are connected by edges, in build order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub targets: Vec<TargetName>,
}

impl Component {
    /// What the part is named after: its first target in build order, which needs no other.
    pub fn name(&self) -> &TargetName {
        &self.targets[0]
    }

    pub fn job(&self) -> JobId {
        JobId::check(self.name())
    }
}

/// The connected parts of `graph`, in the build order of their first targets.
pub fn components(graph: &Graph) -> Vec<Component> {
    let mut part_of: BTreeMap<&TargetName, usize> = BTreeMap::new();
    for (number, vertex) in graph.vertices.iter().enumerate() {
        part_of.insert(&vertex.name, number);
        let joined: BTreeSet<usize> =
            vertex.parents.iter().filter_map(|edge| part_of.get(&edge.parent).copied()).collect();
        let Some(&first) = joined.first() else { continue };
        for part in part_of.values_mut().filter(|part| joined.contains(part) || **part == number) {
            *part = first;
        }
    }
    let mut parts: BTreeMap<usize, Component> = BTreeMap::new();
    for vertex in &graph.vertices {
        let part = part_of[&vertex.name];
        let component = parts.entry(part).or_insert_with(|| Component { targets: Vec::new() });
        component.targets.push(vertex.name.clone());
    }
    parts.into_values().collect()
}

/// Every target of the parts that hold one of `names`.
pub fn around(graph: &Graph, names: &BTreeSet<TargetName>) -> BTreeSet<TargetName> {
    components(graph)
        .into_iter()
        .filter(|component| component.targets.iter().any(|target| names.contains(target)))
        .flat_map(|component| component.targets)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::Via;
    use crate::graph::{Binding, Edge, Vertex};
    use crate::mistake::Place;

    fn vertex(name: &str, parents: &[&str]) -> Vertex {
        let edge = |parent: &&str| Edge {
            parent: parent.parse().unwrap(),
            via: Via::From,
            reference: parent.parse().unwrap(),
            binding: Binding::Impossible,
            platforms: BTreeSet::new(),
            uses: BTreeSet::new(),
            is_base: true,
            place: Place::new("Dockerfile", 1, 1),
        };
        Vertex {
            name: name.parse().unwrap(),
            platforms: BTreeMap::new(),
            parents: parents.iter().map(edge).collect(),
            external: Vec::new(),
        }
    }

    #[test]
    fn parts_are_what_edges_connect() {
        let graph = Graph {
            vertices: vec![
                vertex("a", &[]),
                vertex("b", &[]),
                vertex("c", &[]),
                vertex("d", &["b"]),
                vertex("e", &["a", "c"]),
            ],
        };
        let shown: Vec<String> = components(&graph)
            .iter()
            .map(|part| {
                let targets: Vec<String> = part.targets.iter().map(ToString::to_string).collect();
                format!("{}: {}", part.job(), targets.join(" "))
            })
            .collect();
        assert_eq!(shown, ["check-a: a c e", "check-b: b d"]);
        let around = around(&graph, &["e".parse().unwrap()].into());
        assert_eq!(around, ["a", "c", "e"].map(|name| name.parse().unwrap()).into());
    }
}
