//! The graph as a tree for terminals, and in the languages of Mermaid and Graphviz.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::json::unique;
use crate::graph::{Graph, Vertex};
use crate::workspace::TargetName;

/// External bases at the roots, and below each what is made from it. A target with several parents stands below each;
/// what is below itself is shown once.
pub fn tree(graph: &Graph) -> String {
    let mut roots: BTreeMap<String, Vec<&Vertex>> = BTreeMap::new();
    for vertex in &graph.vertices {
        let bases = unique(vertex.external.iter().map(|base| base.reference.familiar()));
        if bases.is_empty() && vertex.parents.is_empty() {
            roots.entry("scratch".to_owned()).or_default().push(vertex);
        }
        for base in bases {
            roots.entry(base).or_default().push(vertex);
        }
    }
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for (base, vertices) in &roots {
        line(&mut text, base);
        for (index, vertex) in vertices.iter().enumerate() {
            branch(&mut text, graph, vertex, "", index + 1 == vertices.len(), &mut shown);
        }
    }
    text
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}

fn branch(
    text: &mut String,
    graph: &Graph,
    vertex: &Vertex,
    indent: &str,
    last: bool,
    shown: &mut BTreeSet<TargetName>,
) {
    let children: Vec<&Vertex> = graph.children(&vertex.name).collect();
    let again = !shown.insert(vertex.name.clone()) && !children.is_empty();
    let (fork, pipe) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
    line(text, &format!("{indent}{fork}{}{}", vertex.name, if again { " (above)" } else { "" }));
    if again {
        return;
    }
    let indent = format!("{indent}{pipe}");
    for (index, child) in children.iter().enumerate() {
        branch(text, graph, child, &indent, index + 1 == children.len(), shown);
    }
}

/// A Mermaid flow chart, as GitHub shows it in Markdown.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    for arrow in Arrows::of(graph).nodes {
        let (open, close) = if arrow.external { ("([\"", "\"])") } else { ("[\"", "\"]") };
        // Writing to a `String` cannot fail, here and below.
        let _written =
            writeln!(text, "    {}{open}{}{close}", arrow.id, arrow.label.replace('"', "#quot;"));
    }
    for (from, to, via) in Arrows::of(graph).edges {
        let _written = match via {
            Some(via) => writeln!(text, "    {from} -. \"{via}\" .-> {to}"),
            None => writeln!(text, "    {from} --> {to}"),
        };
    }
    text
}

/// Graphviz's language.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph images {\n    rankdir = TB;\n    node [shape = box];\n");
    let arrows = Arrows::of(graph);
    for node in &arrows.nodes {
        let style = if node.external { ", style = dashed" } else { "" };
        let label = node.label.replace('\\', "\\\\").replace('"', "\\\"");
        let _written = writeln!(text, "    {} [label = \"{label}\"{style}];", node.id);
    }
    for (from, to, via) in &arrows.edges {
        let label = via
            .as_ref()
            .map_or_else(String::new, |via| format!(" [style = dashed, label = \"{via}\"]"));
        let _written = writeln!(text, "    {from} -> {to}{label};");
    }
    text.push_str("}\n");
    text
}

struct Arrows {
    nodes: Vec<ArrowNode>,
    /// From, to, and how when it is not `FROM`.
    edges: Vec<(String, String, Option<String>)>,
}

struct ArrowNode {
    id: String,
    label: String,
    external: bool,
}

impl Arrows {
    fn of(graph: &Graph) -> Self {
        let ids: BTreeMap<String, String> = graph
            .vertices
            .iter()
            .enumerate()
            .map(|(index, vertex)| (vertex.name.to_string(), format!("image{index}")))
            .collect();
        let bases: BTreeSet<String> = graph
            .vertices
            .iter()
            .flat_map(|vertex| vertex.external.iter().map(|base| base.reference.familiar()))
            .collect();
        let base_ids: BTreeMap<String, String> = bases
            .into_iter()
            .enumerate()
            .map(|(index, base)| (base, format!("base{index}")))
            .collect();
        let external = base_ids.iter().map(|(label, id)| ArrowNode {
            id: id.clone(),
            label: label.clone(),
            external: true,
        });
        let own = graph.vertices.iter().map(|vertex| {
            let label = vertex.name.to_string();
            ArrowNode { id: ids[&label].clone(), label, external: false }
        });
        let nodes = external.chain(own).collect();
        let mut edges = Vec::new();
        for vertex in &graph.vertices {
            let to = &ids[&vertex.name.to_string()];
            let how = |via: crate::dockerfile::Via| {
                (via != crate::dockerfile::Via::From).then(|| via.to_string())
            };
            for base in &vertex.external {
                edges.push((
                    base_ids[&base.reference.familiar()].clone(),
                    to.clone(),
                    how(base.via),
                ));
            }
            for edge in &vertex.parents {
                edges.push((ids[&edge.parent.to_string()].clone(), to.clone(), how(edge.via)));
            }
        }
        edges.dedup();
        Self { nodes, edges }
    }
}
