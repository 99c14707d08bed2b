//! Goes through the instructions of every reached stage in order: what they read, who sees which argument, labels.

use std::collections::{BTreeMap, BTreeSet};

use super::super::lex::{Expansion, Lex};
use super::super::{Command, Dockerfile, Instruction};
use super::environment::Scope;
use super::images;
use super::nodes::{Graph, Node, Step};
use super::{Arguments, ContextRead, Reading, Request, Resolved, Sighting};
use crate::mistake::{Mistake, Mistakes};

pub(super) fn evaluate(
    file: &Dockerfile,
    request: &Request<'_>,
    graph: &Graph<'_>,
) -> Result<Resolved, Mistakes> {
    let (images, image_of) = images::images(file, request, graph);
    let mut walk = Walk {
        file,
        request,
        graph,
        scopes: BTreeMap::new(),
        labels: BTreeMap::new(),
        reads: Vec::new(),
        arguments: Arguments {
            global: graph.declared.clone(),
            first_line: graph.nodes.first().map_or(1, |node| node.line),
            ..Arguments::default()
        },
        mistakes: Mistakes::default(),
    };
    for &index in &graph.reached {
        walk.node(index);
    }
    let Walk { mut reads, arguments, mistakes, labels, .. } = walk;
    mistakes.none()?;
    reads.sort_by_key(|read| read.line);
    let mut chain = vec![graph.target];
    while let Some(parent) = graph.nodes[chain[chain.len() - 1]].parent {
        chain.push(parent);
    }
    let of_chain = || chain.iter().filter_map(|node| labels.get(node));
    Ok(Resolved {
        stages: images::stages(request, graph, &image_of),
        images,
        reads,
        labels: of_chain().flat_map(|labels| labels.keys.iter().cloned()).collect(),
        labels_unknown: of_chain().any(|labels| labels.unknown),
        final_base: image_of.get(&chain[chain.len() - 1]).copied(),
        arguments,
    })
}

#[derive(Default)]
struct Labels {
    keys: BTreeSet<String>,
    unknown: bool,
}

pub(super) struct Walk<'a> {
    pub file: &'a Dockerfile,
    request: &'a Request<'a>,
    pub graph: &'a Graph<'a>,
    /// The environment at the end of each node.
    scopes: BTreeMap<usize, Scope>,
    labels: BTreeMap<usize, Labels>,
    pub reads: Vec<ContextRead>,
    arguments: Arguments,
    pub mistakes: Mistakes,
}

/// The stage at hand.
pub(super) struct At<'a> {
    pub index: usize,
    pub node: &'a Node<'a>,
    pub scope: Scope,
}

impl<'a> Walk<'a> {
    fn node(&mut self, index: usize) {
        let graph: &'a Graph<'a> = self.graph;
        let node = &graph.nodes[index];
        let scope = match node.parent {
            Some(parent) => {
                self.scopes.get(&parent).cloned().unwrap_or_else(|| Scope::of_base(false))
            }
            None => Scope::of_base(node.base == "scratch" && node.context.is_none()),
        };
        if node.is_stage {
            self.see(&node.arguments, node.line, "FROM");
            self.read_as_base(index, node);
        }
        let mut at = At { index, node, scope };
        if !node.is_replaced {
            for step in &node.steps {
                self.step(&mut at, step);
            }
        }
        self.scopes.insert(index, at.scope);
    }

    fn read_as_base(&mut self, index: usize, node: &Node<'_>) {
        let context = match (&node.context, node.parent) {
            (Some(context), _) if !node.is_replaced || index == self.graph.target => {
                Some(context.clone())
            }
            (_, Some(parent)) if self.graph.nodes[parent].is_replaced => {
                self.graph.nodes[parent].context.clone()
            }
            _ => None,
        };
        if let Some(context) = context {
            self.reads.push(ContextRead {
                reading: Reading::Whole {
                    why: format!("the stage starts from the context {context}"),
                },
                context: Some(context),
                instruction: "FROM".to_owned(),
                line: node.line,
                stage: node.stage,
            });
        }
    }

    pub(super) fn see(&mut self, arguments: &BTreeSet<String>, line: u32, instruction: &str) {
        for argument in arguments {
            let sighting = Sighting { line, instruction: instruction.to_owned() };
            let first =
                self.arguments.sightings.entry(argument.clone()).or_insert(sighting.clone());
            if sighting < *first {
                *first = sighting;
            }
        }
    }

    /// Expands `text`; a mistake gives nothing.
    fn expand(&mut self, at: &At<'_>, step: &Step<'_>, text: &str) -> Option<Expansion> {
        self.expand_with(Lex::new(self.file.escape), at, step, text)
    }

    pub(super) fn expand_with(
        &mut self,
        lex: Lex,
        at: &At<'_>,
        step: &Step<'_>,
        text: &str,
    ) -> Option<Expansion> {
        match lex.expand(text, &at.scope) {
            Ok(expansion) => Some(expansion),
            Err(why) => {
                let instruction = &step.instruction;
                let place = self.file.place(instruction.line, instruction.last_line, Some(text));
                self.mistakes
                    .push(Mistake::new(format!("{}: {why}", instruction.keyword)).at(place));
                None
            }
        }
    }

    /// Expands `text`, and notes that this instruction sees what is in it.
    pub(super) fn use_(&mut self, at: &At<'_>, step: &Step<'_>, text: &str) -> Option<Expansion> {
        let expansion = self.expand(at, step, text)?;
        let arguments = at.scope.arguments_of(&expansion.names);
        self.see(&arguments, step.instruction.line, &step.instruction.keyword);
        Some(expansion)
    }

    fn step(&mut self, at: &mut At<'_>, step: &Step<'_>) {
        let instruction: &Instruction = &step.instruction;
        match &instruction.command {
            Command::Arg(arguments) => self.argument(at, step, arguments),
            Command::Env(pairs) => {
                let mut set = Vec::new();
                for (name, value) in pairs {
                    let (Some(name), Some(value)) =
                        (self.use_(at, step, name), self.use_(at, step, value))
                    else {
                        continue;
                    };
                    let on = at.scope.arguments_of(name.names.union(&value.names));
                    let text = Some(value.text).filter(|_| value.unknown.is_none());
                    set.push((name.text, text, on));
                }
                for (name, text, on) in set {
                    at.scope.set(&name, text, on);
                }
            }
            Command::Label(pairs) => {
                for (key, value) in pairs {
                    self.expand(at, step, value);
                    let Some(key) = self.expand(at, step, key) else { continue };
                    let labels = self.labels.entry(at.index).or_default();
                    if key.unknown.is_some() {
                        labels.unknown = true;
                    } else {
                        labels.keys.insert(key.text);
                    }
                }
            }
            Command::Copy(copy) => self.copy(at, step, copy),
            Command::Run { mounts } => {
                self.see(&at.scope.all_arguments(), instruction.line, "RUN");
                for (mount, &source) in mounts.iter().zip(&step.sources) {
                    self.mount(at, step, mount, source);
                }
            }
            Command::Expanded(words) => {
                for word in words {
                    self.use_(at, step, word);
                }
            }
            Command::Unknown => {
                self.see(&at.scope.all_arguments(), instruction.line, &instruction.keyword);
                let why = format!("{} is not known to this reader", instruction.keyword);
                self.read(at, step, None, Reading::Always { why });
            }
            Command::From { .. } | Command::Onbuild(_) | Command::Plain => {}
        }
        if let Some(flag) = instruction.unknown_flags.first() {
            self.see(&at.scope.all_arguments(), instruction.line, &instruction.keyword);
            let why = format!("the flag {flag} is not known to this reader");
            self.read(at, step, None, Reading::Whole { why });
        }
    }

    fn argument(
        &mut self,
        at: &mut At<'_>,
        step: &Step<'_>,
        arguments: &[(String, Option<String>)],
    ) {
        for (name, default) in arguments {
            self.arguments.stages.entry(at.node.stage).or_default().insert(name.clone());
            let mut on = BTreeSet::from([name.clone()]);
            if let Some(value) = self.request.args.get(name) {
                at.scope.set(name, Some(value.clone()), on);
            } else if let Some(default) = default {
                let Some(value) = self.expand(at, step, default) else { continue };
                on.extend(at.scope.arguments_of(&value.names));
                at.scope.set(name, Some(value.text).filter(|_| value.unknown.is_none()), on);
            } else if let Some(global) = self.graph.globals.get(name) {
                on.extend(global.arguments.iter().cloned());
                at.scope.set(name, global.text.clone(), on);
            }
        }
    }
}
