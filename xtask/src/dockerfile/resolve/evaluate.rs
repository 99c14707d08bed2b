//! Goes through the instructions of every reached stage in order: what they read, who sees which argument, labels.

use std::collections::{BTreeMap, BTreeSet};

use super::super::lex::{Expansion, Lex};
use super::super::{Command, Copy, Dockerfile, Instruction, mount};
use super::environment::Scope;
use super::nodes::{Graph, Node, Step};
use super::sources::{self, Kind};
use super::{
    Arguments, Base, ContextRead, ImageUse, ReachedStage, Reading, Request, Resolved, Sighting,
};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::{Platform, Reference};

pub(super) fn evaluate(
    file: &Dockerfile,
    request: &Request<'_>,
    graph: &Graph<'_>,
) -> Result<Resolved, Mistakes> {
    let (images, image_of) = images(file, request, graph);
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
        stages: stages(request, graph, &image_of),
        images,
        reads,
        labels: of_chain().flat_map(|labels| labels.keys.iter().cloned()).collect(),
        labels_unknown: of_chain().any(|labels| labels.unknown),
        final_base: image_of.get(&chain[chain.len() - 1]).copied(),
        arguments,
    })
}

/// The images of reached nodes in the order of the file, and which node has which.
fn images(
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

fn stages(
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
        stages.push(ReachedStage { index, name, platform, base, line: node.line });
    }
    stages
}

#[derive(Default)]
struct Labels {
    keys: BTreeSet<String>,
    unknown: bool,
}

struct Walk<'a> {
    file: &'a Dockerfile,
    request: &'a Request<'a>,
    graph: &'a Graph<'a>,
    /// The environment at the end of each node.
    scopes: BTreeMap<usize, Scope>,
    labels: BTreeMap<usize, Labels>,
    reads: Vec<ContextRead>,
    arguments: Arguments,
    mistakes: Mistakes,
}

/// The stage at hand.
struct At<'a> {
    index: usize,
    node: &'a Node<'a>,
    scope: Scope,
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

    fn see(&mut self, arguments: &BTreeSet<String>, line: u32, instruction: &str) {
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

    fn expand_with(
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
    fn use_(&mut self, at: &At<'_>, step: &Step<'_>, text: &str) -> Option<Expansion> {
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

    fn read(&mut self, at: &At<'_>, step: &Step<'_>, source: Option<usize>, reading: Reading) {
        let keyword = &step.instruction.keyword;
        let instruction = if keyword == "RUN" { "RUN --mount" } else { keyword };
        let context = match source {
            None => None,
            // Files of a stage are no reading of a context, unless the context stands for the stage.
            Some(source) => match &self.graph.nodes[source] {
                Node { context: Some(context), is_stage, is_replaced, .. }
                    if !is_stage || *is_replaced =>
                {
                    Some(context.clone())
                }
                _ => return,
            },
        };
        let instruction =
            if step.onbuild { format!("ONBUILD {instruction}") } else { instruction.to_owned() };
        self.reads.push(ContextRead {
            context,
            reading,
            instruction,
            line: step.instruction.line,
            stage: at.node.stage,
        });
    }

    fn refuse_later(&mut self, at: &At<'_>, step: &Step<'_>, source: usize) {
        let node = &self.graph.nodes[source];
        if node.is_stage && source >= at.index && !node.is_replaced {
            let name = node.name.map_or_else(|| source.to_string(), str::to_owned);
            let instruction = &step.instruction;
            let place = self.file.place(instruction.line, instruction.last_line, Some(&name));
            let what = format!(
                "{} takes from the stage {name}, which is defined further down",
                instruction.keyword
            );
            self.mistakes.push(Mistake::new(what).at(place).mend("move that stage up"));
        }
    }

    fn copy(&mut self, at: &At<'_>, step: &Step<'_>, copy: &Copy) {
        let source = step.sources.first().copied();
        if let Some(source) = source {
            self.refuse_later(at, step, source);
        }
        let checksum = copy.checksum.as_deref().and_then(|checksum| self.use_(at, step, checksum));
        for text in copy.ownership.iter().chain([&copy.destination]) {
            self.use_(at, step, text);
        }
        let body = Lex { ignores_quotes: true, ..Lex::new('\\') };
        for heredoc in step.instruction.heredocs.iter().filter(|heredoc| heredoc.expands) {
            if let Some(expansion) = self.expand_with(body, at, step, &heredoc.body) {
                let arguments = at.scope.arguments_of(&expansion.names);
                self.see(&arguments, step.instruction.line, &step.instruction.keyword);
            }
        }
        let mut paths = Vec::new();
        for written in &copy.sources {
            let Some(expanded) = self.use_(at, step, written) else { continue };
            let is_checked = checksum.as_ref().is_some_and(|checksum| !checksum.text.is_empty());
            let kind = sources::kind(&expanded.text);
            if let Some(unknown) = &expanded.unknown {
                let literal = written.split('$').next().unwrap_or_default();
                let why = format!("{written} depends on ${unknown}, which the base image may set");
                let reading = if copy.add && !sources::surely_local(literal) {
                    Reading::Always { why }
                } else {
                    Reading::Whole { why }
                };
                self.read(at, step, source, reading);
            } else if copy.add && kind != Kind::Local {
                if !is_checked && kind != (Kind::Git { pinned: true }) {
                    let mend = if kind == Kind::Http { "--checksum" } else { "a commit" };
                    let why = format!("{} can change, and has no {mend}", expanded.text);
                    let why = why.replace("no a commit", "no commit");
                    self.read(at, step, None, Reading::Always { why });
                }
            } else if kind != Kind::Local {
                self.refuse_remote(step, written);
            } else {
                paths.push(if copy.parents {
                    sources::clean(&expanded.text.replacen("/./", "/", 1))
                } else {
                    sources::clean(&expanded.text)
                });
            }
        }
        if !paths.is_empty() {
            let (excludes, parents) = (copy.excludes.clone(), copy.parents);
            self.read(at, step, source, Reading::Paths { sources: paths, excludes, parents });
        }
    }

    fn refuse_remote(&mut self, step: &Step<'_>, written: &str) {
        let instruction = &step.instruction;
        let place = self.file.place(instruction.line, instruction.last_line, Some(written));
        let what = format!("COPY takes no URL: {written}");
        self.mistakes.push(Mistake::new(what).at(place).mend("use ADD with --checksum"));
    }

    fn mount(&mut self, at: &At<'_>, step: &Step<'_>, written: &str, source: usize) {
        let instruction = &step.instruction;
        let Ok(mut pairs) = mount::pairs(written) else { return };
        let mut unknown = None;
        for (_, value) in &mut pairs {
            let Some(text) = value else { continue };
            let Some(expansion) = self.use_(at, step, text) else { return };
            unknown = unknown.or(expansion.unknown);
            *text = expansion.text;
        }
        let from = mount::from(written);
        let read =
            if unknown.is_some() { Ok(mount::Mount::default()) } else { mount::read(&pairs) };
        let mount = match read {
            Ok(mount) => mount,
            Err(why) => {
                let place = self.file.place(instruction.line, instruction.last_line, Some(written));
                self.mistakes.push(Mistake::new(why).at(place));
                return;
            }
        };
        let source = from.is_some().then_some(source);
        if let Some(source) = source {
            self.refuse_later(at, step, source);
        }
        let reading = match (unknown, mount.kind.as_str()) {
            (Some(unknown), _) => Reading::Whole {
                why: format!(
                    "--mount={written} depends on ${unknown}, which the base image may set"
                ),
            },
            (None, "bind") => Reading::Paths {
                sources: vec![sources::clean(&mount.source)],
                excludes: Vec::new(),
                parents: false,
            },
            (None, "cache") if source.is_some() => Reading::Paths {
                sources: vec![sources::clean(&mount.source)],
                excludes: Vec::new(),
                parents: false,
            },
            _ => return,
        };
        self.read(at, step, source, reading);
    }
}
