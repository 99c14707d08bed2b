//! What BuildKit refuses of a graph: circles, bases that are no references; and arguments without a value.

use std::collections::BTreeSet;

use super::nodes::Builder;
use crate::mistake::Mistake;
use crate::reference::Reference;

impl Builder<'_, '_> {
    /// Circles of `COPY --from` and mounts; `FROM` cannot make one.
    pub(super) fn refuse_circles(&mut self) {
        let mut done = BTreeSet::new();
        for start in 0..self.nodes.len() {
            let mut path = Vec::new();
            if let Some(circle) = self.circle(start, &mut done, &mut path) {
                let label = |&node: &usize| {
                    let node = &self.nodes[node];
                    node.name.map_or_else(|| node.stage.to_string(), str::to_owned)
                };
                let names: Vec<String> = circle.iter().map(label).collect();
                let node = &self.nodes[circle[0]];
                let place = self.file.place(node.line, node.last_line, None);
                let what =
                    format!("stages copy from each other in a circle: {}", names.join(" → "));
                self.mistakes.push(Mistake::new(what).at(place));
                return;
            }
        }
    }

    fn circle(
        &self,
        node: usize,
        done: &mut BTreeSet<usize>,
        path: &mut Vec<usize>,
    ) -> Option<Vec<usize>> {
        if let Some(start) = path.iter().position(|&other| other == node) {
            return Some([&path[start..], &[node]].concat());
        }
        if !done.insert(node) {
            return None;
        }
        path.push(node);
        let sources = self.nodes[node].steps.iter().flat_map(|step| &step.sources);
        let found = sources.copied().find_map(|source| self.circle(source, done, path));
        path.pop();
        found
    }

    /// Bases that are no references, in stages that are not reached too; and contexts found for those that are.
    pub(super) fn refuse_references(&mut self) {
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if node.parent.is_some() || (node.base == "scratch" && node.context.is_none()) {
                continue;
            }
            match node.base.parse::<Reference>() {
                Ok(reference) if node.context.is_none() => {
                    let context = self.context(&reference, node.platform.as_ref());
                    let node = &mut self.nodes[index];
                    if let Some(context) = context {
                        node.context = Some(context);
                    }
                }
                Ok(_) => {}
                Err(_) if !node.missing.is_empty() => {}
                Err(invalid) => {
                    let mistake = Mistake::new(invalid.to_string()).at(self.place(node));
                    self.mistakes.push(mistake);
                }
            }
        }
    }

    pub(super) fn refuse_missing(
        &mut self,
        reached: &BTreeSet<usize>,
        declared: &BTreeSet<String>,
    ) {
        for (index, node) in self.nodes.iter().enumerate() {
            let is_wrong = reached.contains(&index)
                || (node.parent.is_none() && node.base.parse::<Reference>().is_err());
            for name in node.missing.iter().filter(|_| is_wrong) {
                let place = self.file.place(node.line, node.last_line, Some(&format!("${name}")));
                let braced =
                    self.file.place(node.line, node.last_line, Some(&format!("${{{name}")));
                self.mistakes.push(no_value(name, declared).at(place.max(braced)));
            }
        }
    }
}

/// The mistake of an argument without a value.
pub(super) fn no_value(name: &str, declared: &BTreeSet<String>) -> Mistake {
    let mistake = Mistake::new(format!("the argument {name} in FROM has no value"));
    if declared.contains(name) {
        return mistake.mend(format!(
            "set `args.{name} = \"…\"` in image.toml, or give `ARG {name}` a default"
        ));
    }
    mistake
        .mend(format!("write `ARG {name}=…` before the first FROM; FROM sees no other arguments"))
}
