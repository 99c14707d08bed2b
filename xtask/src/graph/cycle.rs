//! Build order, and the circle where there is none.

use std::collections::BTreeMap;

use super::Vertex;
use crate::mistake::Mistake;
use crate::workspace::TargetName;

/// `vertices` with parents before children, otherwise by name.
///
/// # Errors
/// A mistake that names one circle, `a → b → a`.
pub(super) fn order(vertices: Vec<Vertex>) -> Result<Vec<Vertex>, Mistake> {
    let mut waiting: BTreeMap<TargetName, Vertex> =
        vertices.into_iter().map(|vertex| (vertex.name.clone(), vertex)).collect();
    let mut levels: BTreeMap<TargetName, usize> = BTreeMap::new();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<TargetName> = waiting
            .values()
            .filter(|vertex| vertex.parents.iter().all(|edge| levels.contains_key(&edge.parent)))
            .map(|vertex| vertex.name.clone())
            .collect();
        if ready.is_empty() {
            return Err(circle(&waiting));
        }
        for name in ready {
            levels.insert(name.clone(), 0);
            ordered.extend(waiting.remove(&name));
        }
    }
    Ok(ordered)
}

fn circle(waiting: &BTreeMap<TargetName, Vertex>) -> Mistake {
    // Every vertex that waits has a parent that waits, so following them must come back.
    let mut path: Vec<&Vertex> = Vec::new();
    let mut current = waiting.values().next();
    while let Some(vertex) = current {
        if let Some(start) = path.iter().position(|seen| seen.name == vertex.name) {
            path.drain(..start);
            break;
        }
        path.push(vertex);
        current = vertex.parents.iter().find_map(|edge| waiting.get(&edge.parent));
    }
    let mut names: Vec<String> = path.iter().map(|vertex| vertex.name.to_string()).collect();
    names.extend(path.first().map(|vertex| vertex.name.to_string()));
    let mistake =
        Mistake::new(format!("the images need each other in a circle: {}", names.join(" → ")))
            .mend("one of them must not start from or copy from the next");
    match path
        .first()
        .and_then(|vertex| vertex.parents.iter().find(|edge| waiting.contains_key(&edge.parent)))
    {
        Some(edge) => mistake.at(edge.place.clone()),
        None => mistake,
    }
}
