//! The names of the workflow's jobs, as values of its outputs.

use crate::ci::component::components;
use crate::ci::job::JobId;
use crate::graph::Graph;
use crate::reference::Platform;
use crate::workspace::TargetName;

/// The job that builds `name` for `platform`.
pub(super) fn job(name: &TargetName, platform: &Platform) -> String {
    JobId::build(name, platform).to_string()
}

/// The job that checks, in a pull request, the connected part of the graph that holds `name`.
pub(super) fn component(graph: &Graph, name: &TargetName) -> String {
    let parts = components(graph);
    let part = parts.iter().find(|part| part.targets.contains(name));
    part.map_or_else(|| JobId::check(name), crate::ci::component::Component::job).to_string()
}
