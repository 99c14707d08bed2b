//! What the target reaches, and the `ONBUILD` triggers that fire on the way.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::{Command, command, lines};
use super::Triggers;
use super::nodes::{Builder, Step};
use crate::mistake::Mistake;

impl<'a> Builder<'a, '_> {
    /// What the target reaches, with the `ONBUILD` triggers fired in the stages that they reach.
    pub(super) fn reach(&mut self, target: usize, triggers: &Triggers) -> BTreeSet<usize> {
        let mut fired = BTreeSet::new();
        loop {
            let reached = self.reached(target);
            let fresh: Vec<usize> =
                reached.iter().copied().filter(|&node| fired.insert(node)).collect();
            let before = self.nodes.len();
            let mut any = false;
            for node in fresh {
                any |= self.fire(node, triggers);
            }
            if !any && before == self.nodes.len() {
                return reached;
            }
        }
    }

    fn reached(&self, target: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![target];
        while let Some(node) = open.pop() {
            if reached.insert(node) {
                open.extend(self.nodes[node].parent);
                open.extend(self.nodes[node].steps.iter().flat_map(|step| &step.sources));
            }
        }
        reached
    }

    /// Puts the triggers of a node's base before its instructions. Whether there were any.
    fn fire(&mut self, node: usize, triggers: &Triggers) -> bool {
        let texts: Vec<String> = match self.nodes[node].parent {
            Some(parent) => (self.nodes[parent].steps.iter())
                .filter_map(|step| match &step.instruction.command {
                    Command::Onbuild(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            None if self.nodes[node].is_stage => {
                let reference = self.nodes[node].base.parse().ok();
                reference
                    .and_then(|reference| triggers.get(&reference))
                    .cloned()
                    .unwrap_or_default()
            }
            None => Vec::new(),
        };
        let mut steps = Vec::new();
        for text in &texts {
            match self.trigger(node, text) {
                Ok(step) => steps.push(step),
                Err(why) => {
                    let what =
                        format!("the trigger `ONBUILD {}` of the base: {why}", text.trim_end());
                    let mistake = Mistake::new(what).at(self.place(&self.nodes[node]));
                    self.mistakes.push(mistake);
                }
            }
        }
        let fired = !steps.is_empty();
        self.nodes[node].steps.splice(0..0, steps);
        fired
    }

    fn trigger(&mut self, node: usize, text: &str) -> Result<Step<'a>, String> {
        let read = lines::read(text);
        if let Some((_, why)) = read.wrong.into_iter().next() {
            return Err(why);
        }
        let [line] = read.lines.as_slice() else {
            return Err("it is not one instruction".to_owned());
        };
        let frontend =
            command::Frontend { escape: read.escape, other: self.file.syntax().is_some() };
        let mut instruction = command::parse(line, frontend).map_err(|(what, _)| what)?;
        (instruction.line, instruction.last_line) =
            (self.nodes[node].line, self.nodes[node].last_line);
        instruction.stage = Some(self.nodes[node].stage);
        let sources = self.sources(node, &instruction)?;
        Ok(Step { instruction: Cow::Owned(instruction), sources, onbuild: true })
    }
}
