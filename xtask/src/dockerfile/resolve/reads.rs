//! What `COPY`, `ADD` and mounts read.

use super::super::lex::Lex;
use super::super::{Copy, mount};
use super::evaluate::{At, Walk};
use super::nodes::{Node, Step};
use super::sources::{self, Kind};
use super::{ContextRead, Reading};
use crate::mistake::Mistake;

impl Walk<'_> {
    pub(super) fn read(
        &mut self,
        at: &At<'_>,
        step: &Step<'_>,
        source: Option<usize>,
        reading: Reading,
    ) {
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

    pub(super) fn copy(&mut self, at: &At<'_>, step: &Step<'_>, copy: &Copy) {
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

    pub(super) fn mount(&mut self, at: &At<'_>, step: &Step<'_>, written: &str, source: usize) {
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
