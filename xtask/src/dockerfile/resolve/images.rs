//! The images and stages that are reached, in the order of the file.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Command, Dockerfile};
use super::nodes::Graph;
use super::{Base, ImageUse, ReachedStage, Request};
use crate::reference::{Platform, Reference};

/// The images of reached nodes in the order of the file, and which node has which.
pub(super) fn images(
    file: &Dockerfile,
    request: &Request<'_>,
    graph: &Graph<'_>,
) -> (Vec<ImageUse>, BTreeMap<usize, usize>) {
    let names: BTreeSet<&str> = file.stages().filter_map(|stage| stage.name).collect();
    let mut uses: Vec<(usize, ImageUse)> = Vec::new();
    for &index in &graph.reached {
        let node = &graph.nodes[index];
        if node.parent.is_some() || node.context.is_some() || node.base == "scratch" {
            continue;
        }
        let Ok(reference) = node.base.parse::<Reference>() else { continue };
        uses.push((
            index,
            ImageUse {
                collides: names.contains(reference.context_name().to_lowercase().as_str()),
                reference,
                argument: sole_argument(&node.written).filter(|name| graph.declared.contains(name)),
                written: node.written.clone(),
                via: node.via,
                platform: node.platform.clone().unwrap_or_else(|| request.platform.clone()),
                stage: node.stage,
                place: file.place(node.line, node.last_line, Some(&node.written)),
            },
        ));
    }
    uses.sort_by_key(|(index, image)| (image.place.line, *index));
    let image_of = uses.iter().enumerate().map(|(image, (node, _))| (*node, image)).collect();
    (uses.into_iter().map(|(_, image)| image).collect(), image_of)
}

/// `X` of `$X`, `${X}`, `${X-d}` and `${X:-d}`, with or without double quotes.
fn sole_argument(written: &str) -> Option<String> {
    let bare = written.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap_or(written);
    let name_end = |text: &str| {
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
    };
    let after = bare.strip_prefix('$')?;
    let Some(braced) = after.strip_prefix('{') else {
        return (!after.is_empty() && name_end(after) == after.len()).then(|| after.to_owned());
    };
    let (name, form) = braced.split_at(name_end(braced));
    let default = form.strip_prefix(":-").or_else(|| form.strip_prefix('-'));
    let is_sole =
        form == "}" || default.and_then(|d| d.strip_suffix('}')).is_some_and(|d| !d.contains('}'));
    (!name.is_empty() && is_sole).then(|| name.to_owned())
}

/// The reached stages.
pub(super) fn stages(
    request: &Request<'_>,
    graph: &Graph<'_>,
    image_of: &BTreeMap<usize, usize>,
) -> Vec<ReachedStage> {
    let mut platforms: BTreeMap<usize, Platform> = BTreeMap::new();
    let mut stages = Vec::new();
    for &index in &graph.reached {
        let node = &graph.nodes[index];
        if !node.is_stage {
            continue;
        }
        let base = match (&node.context, node.parent, image_of.get(&index)) {
            (Some(context), ..) => Base::Context(context.clone()),
            (None, Some(parent), _) => Base::Stage(parent),
            (None, None, Some(&image)) => Base::Image(image),
            (None, None, None) => Base::Scratch,
        };
        let platform = match &base {
            Base::Stage(parent) => platforms.get(parent).cloned(),
            Base::Scratch => None,
            Base::Image(_) | Base::Context(_) => node.platform.clone(),
        };
        let platform = platform.unwrap_or_else(|| request.platform.clone());
        platforms.insert(index, platform.clone());
        let name = node.name.map(str::to_owned);
        let runs = !node.is_replaced
            && (node.steps.iter())
                .any(|step| matches!(step.instruction.command, Command::Run { .. }));
        stages.push(ReachedStage { index, name, platform, base, runs, line: node.line });
    }
    stages
}
