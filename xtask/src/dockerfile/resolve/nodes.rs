//! The graph of a Dockerfile: its stages and the images that instructions name, what each depends on, what is reached.
//!
//! The order in which BuildKit does it decides what a name means: `FROM` sees the stages above it, `COPY --from` and
//! mounts see the last stage of a name wherever it stands, and an index also counts images named before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::lex::{Lex, Nothing};
use super::super::{Command, Dockerfile, Instruction, mount};
use super::checks::no_value;
use super::environment::{self, Scope};
use super::{Request, Triggers, Via, platform};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::reference::{Platform, Reference};

/// A stage, or an image or context that an instruction names.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The stage of the file that this is, or whose instruction names it.
    pub stage: usize,
    pub is_stage: bool,
    pub name: Option<&'a str>,
    /// What it starts from: as written, and expanded.
    pub written: String,
    pub base: String,
    /// Arguments that `base` depends on, and those of them that have no value.
    pub arguments: BTreeSet<String>,
    pub missing: BTreeSet<String>,
    pub via: Via,
    pub platform: Option<Platform>,
    /// The stage it starts from.
    pub parent: Option<usize>,
    /// The named context that stands for it.
    pub context: Option<String>,
    /// Whether the context stands for the stage itself, and not for what it starts from.
    pub is_replaced: bool,
    pub steps: Vec<Step<'a>>,
    pub line: u32,
    pub last_line: u32,
}

/// An instruction in a stage.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub instruction: Cow<'a, Instruction>,
    /// The node of `COPY --from`, or one for each mount of a `RUN`.
    pub sources: Vec<usize>,
    pub onbuild: bool,
}

#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub globals: Scope,
    /// Names of `ARG`s before the first `FROM`.
    pub declared: BTreeSet<String>,
    /// The stages by their index, then everything else.
    pub nodes: Vec<Node<'a>>,
    pub target: usize,
    pub reached: BTreeSet<usize>,
}

pub(super) fn build<'a>(
    file: &'a Dockerfile,
    request: &Request<'_>,
    triggers: &Triggers,
) -> Result<Graph<'a>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let (globals, declared) = environment::global(file, request, &mut mistakes);
    let mut builder =
        Builder { file, request, names: BTreeMap::new(), nodes: Vec::new(), mistakes };
    builder.add_stages(&globals, &declared);
    let target = builder.target();
    builder.link_steps();
    builder.refuse_circles();
    std::mem::take(&mut builder.mistakes).none()?;
    let reached = builder.reach(target, triggers);
    // BuildKit lets a stage take files from itself by way of a trigger; `--call=outline` of such a file ends the engine.
    builder.refuse_circles();
    builder.refuse_references();
    builder.refuse_missing(&reached, &declared);
    builder.mistakes.none()?;
    Ok(Graph { globals, declared, nodes: builder.nodes, target, reached })
}

pub(super) struct Builder<'a, 'r> {
    pub file: &'a Dockerfile,
    request: &'r Request<'r>,
    names: BTreeMap<String, usize>,
    pub nodes: Vec<Node<'a>>,
    pub mistakes: Mistakes,
}

impl<'a> Builder<'a, '_> {
    pub(super) fn place(&self, node: &Node<'_>) -> Place {
        self.file.place(node.line, node.last_line, Some(&node.written))
    }

    fn add_stages(&mut self, globals: &Scope, declared: &BTreeSet<String>) {
        for instruction in &self.file.instructions {
            let Some(stage) = instruction.stage else { continue };
            match &instruction.command {
                Command::From { base, platform, name } => {
                    let from = From { base, platform: platform.as_deref(), name: name.as_deref() };
                    self.add_stage(stage, instruction, &from, globals, declared);
                }
                _ => self.nodes[stage].steps.push(Step {
                    instruction: Cow::Borrowed(instruction),
                    sources: Vec::new(),
                    onbuild: false,
                }),
            }
        }
    }

    fn add_stage(
        &mut self,
        stage: usize,
        instruction: &'a Instruction,
        from: &From<'a>,
        globals: &Scope,
        declared: &BTreeSet<String>,
    ) {
        let lex = Lex::new(self.file.escape);
        let place =
            |needle: &str| self.file.place(instruction.line, instruction.last_line, Some(needle));
        let mut node = Node {
            stage,
            is_stage: true,
            name: from.name,
            written: from.base.to_owned(),
            base: String::new(),
            arguments: BTreeSet::new(),
            missing: BTreeSet::new(),
            via: Via::From,
            platform: None,
            parent: None,
            context: None,
            is_replaced: false,
            steps: Vec::new(),
            line: instruction.line,
            last_line: instruction.last_line,
        };
        match lex.expand(from.base, globals) {
            Ok(base) if base.text.is_empty() && base.missing.is_empty() => {
                let what = format!("`FROM {}` gives no image: it expands to nothing", from.base);
                self.mistakes.push(Mistake::new(what).at(place(from.base)));
            }
            Ok(base) => {
                node.arguments = globals.arguments_of(&base.names);
                if base.text.is_empty() {
                    let missing = base.missing.iter().map(|name| no_value(name, declared));
                    self.mistakes.extend(missing.map(|mistake| mistake.at(place(from.base))));
                }
                node.missing = base.missing;
                node.base = base.text;
            }
            Err(why) => self.mistakes.push(Mistake::new(why).at(place(from.base))),
        }
        if let Some(written) = from.platform {
            match lex.expand(written, globals) {
                Ok(value) => {
                    node.arguments.extend(globals.arguments_of(&value.names));
                    match platform::parse(&value.text, self.request.build_platform) {
                        Ok(platform) => node.platform = Some(platform),
                        Err(_) if !value.missing.is_empty() => {
                            let missing = value.missing.iter().map(|name| no_value(name, declared));
                            self.mistakes.extend(missing.map(|mistake| mistake.at(place(written))));
                        }
                        Err(why) => self.mistakes.push(Mistake::new(why).at(place(written))),
                    }
                }
                Err(why) => self.mistakes.push(Mistake::new(why).at(place(written))),
            }
        }
        if let Some(name) = from.name {
            self.name_stage(&mut node, name);
        } else {
            node.parent = self.names.get(&node.base).copied();
        }
        self.nodes.push(node);
    }

    /// Looks for a context that stands for the stage, and for the stage it starts from; then gives it its name.
    fn name_stage(&mut self, node: &mut Node<'a>, name: &str) {
        node.parent = self.names.get(&node.base).copied();
        if name != "scratch" && name != "context" {
            match name.parse::<Reference>() {
                Ok(reference) => node.context = self.context(&reference, node.platform.as_ref()),
                Err(invalid) => {
                    let what =
                        format!("the name of a stage must also be one for an image: {invalid}");
                    let place = self.file.place(node.line, node.last_line, Some(name));
                    self.mistakes.push(Mistake::new(what).at(place).mend("rename the stage"));
                }
            }
        }
        if node.context.is_some() {
            node.parent = None;
            node.is_replaced = true;
        }
        self.names.insert(name.to_owned(), node.stage);
    }

    pub(super) fn context(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Option<String> {
        let wanted = reference.context_name();
        let for_platform = format!("{wanted}::{}", platform.unwrap_or(self.request.platform));
        [for_platform, wanted].into_iter().find_map(|wanted| {
            self.request.contexts.iter().find(|name| context_key(name) == wanted).cloned()
        })
    }

    fn target(&mut self) -> usize {
        let last = self.nodes.len() - 1;
        let Some(target) = self.request.target else { return last };
        if let Some(&node) = self.names.get(&target.to_lowercase()) {
            return node;
        }
        let near = (self.names.keys())
            .min_by_key(|name| strsim::damerau_levenshtein(name, &target.to_lowercase()));
        let mut mistake = Mistake::new(format!("there is no stage {target:?} to build"))
            .at(Place::new(&self.file.path, 1, 1));
        mistake.mend = Some(match near {
            Some(near) => format!("set `target` to one that is there, for example {near:?}"),
            None => "give a stage a name: `FROM … AS name`".to_owned(),
        });
        self.mistakes.push(mistake);
        last
    }

    fn link_steps(&mut self) {
        for node in 0..self.nodes.len() {
            for step in 0..self.nodes[node].steps.len() {
                let instruction = self.nodes[node].steps[step].instruction.clone();
                match self.sources(node, &instruction) {
                    Ok(sources) => self.nodes[node].steps[step].sources = sources,
                    Err(what) => {
                        let needle = instruction.flag("from");
                        let place =
                            self.file.place(instruction.line, instruction.last_line, needle);
                        self.mistakes.push(Mistake::new(what).at(place));
                    }
                }
            }
        }
    }

    /// The nodes that an instruction takes files from, added where they are no stages.
    pub(super) fn sources(
        &mut self,
        node: usize,
        instruction: &Instruction,
    ) -> Result<Vec<usize>, String> {
        match &instruction.command {
            Command::Copy(copy) => {
                let Some(from) = &copy.from else { return Ok(Vec::new()) };
                let expanded = Lex::new(self.file.escape).expand(from, &Nothing)?;
                if expanded.text != *from {
                    return Err(format!(
                        "--from={from} takes no variables: name a stage `FROM {from} AS name` and copy from that"
                    ));
                }
                if let Ok(index) = from.parse::<i64>() {
                    let index =
                        usize::try_from(index).ok().filter(|&index| index < self.nodes.len());
                    return index
                        .map(|index| vec![index])
                        .ok_or(format!("there is no stage {from}"));
                }
                Ok(vec![self.named(node, instruction, from, Via::CopyFrom)])
            }
            Command::Run { mounts } => Ok(mounts
                .iter()
                .map(|mount| {
                    let from = mount::from(mount).unwrap_or_else(|| "scratch".to_owned());
                    self.named(node, instruction, &from, Via::MountFrom)
                })
                .collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn named(&mut self, node: usize, instruction: &Instruction, name: &str, via: Via) -> usize {
        if let Some(&stage) = self.names.get(&name.to_lowercase()) {
            return stage;
        }
        self.nodes.push(Node {
            stage: self.nodes[node].stage,
            is_stage: false,
            name: None,
            written: name.to_owned(),
            base: name.to_owned(),
            arguments: BTreeSet::new(),
            missing: BTreeSet::new(),
            via,
            platform: None,
            parent: None,
            context: None,
            is_replaced: false,
            steps: Vec::new(),
            line: instruction.line,
            last_line: instruction.last_line,
        });
        self.nodes.len() - 1
    }
}

/// `FROM`'s parts.
struct From<'a> {
    base: &'a str,
    platform: Option<&'a str>,
    name: Option<&'a str>,
}

/// The name of a given context as BuildKit compares it.
fn context_key(name: &str) -> String {
    let (name, platform) =
        name.split_once("::").map_or((name, None), |(name, platform)| (name, Some(platform)));
    let key =
        name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.context_name());
    match platform {
        Some(platform) => {
            let platform = platform
                .parse::<Platform>()
                .map_or_else(|_| platform.to_owned(), |p| p.to_string());
            format!("{key}::{platform}")
        }
        None => key,
    }
}
