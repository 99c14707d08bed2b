//! The order of instructions: what changes often must not stand above what takes long.

use super::install;
use super::stage::{self, Stage};
use super::{Found, Image};
use crate::dockerfile::{Command, Instruction, Reading};
use crate::tags::{self, Stamps};

pub(super) fn code_before_packages(image: &Image<'_>, found: &mut Found<'_>) {
    for stage in stage::stages(image) {
        let mut code: Vec<(&Instruction, String, &str)> = Vec::new();
        for (instruction, scene) in &stage.steps {
            match &instruction.command {
                Command::Copy(copy) if copy.from.is_none() => {
                    let sources = sources(image, instruction);
                    let sources = sources.into_iter().filter(|source| is_code(image, source));
                    code.extend(
                        sources.map(|source| (*instruction, source, copy.destination.as_str())),
                    );
                }
                Command::Run { .. } => {
                    let script = stage::script(instruction, scene);
                    let calls = script.commands.iter().filter_map(|words| install::call(words));
                    let Some(call) =
                        calls.into_iter().find(|call| call.installs() && call.local().is_none())
                    else {
                        continue;
                    };
                    for (copy, source, destination) in std::mem::take(&mut code) {
                        // The step needs that folder: `-r requirements/base.txt`.
                        let last = source.rsplit('/').next().unwrap_or(&source);
                        let named = |text: &str| {
                            text.len() > 1 && instruction.rest.contains(text.trim_end_matches('/'))
                        };
                        if last != "." && (named(last) || named(destination)) {
                            continue;
                        }
                        let what = format!(
                            "{source} is copied above the step that installs with {} (line {})",
                            call.manager.name, instruction.line
                        );
                        let finding = found.at(image, copy, Some(&source), what);
                        finding.mend = format!(
                            "move this line below line {}; above it, copy the list of packages alone",
                            instruction.last_line
                        );
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a `COPY` takes of the context, variables expanded.
fn sources(image: &Image<'_>, instruction: &Instruction) -> Vec<String> {
    let reads = image.resolved.iter().flat_map(|resolved| &resolved.reads);
    let mut sources: Vec<String> = Vec::new();
    for read in reads.filter(|read| read.context.is_none() && read.line == instruction.line) {
        let Reading::Paths { sources: paths, .. } = &read.reading else { continue };
        for path in paths {
            if !sources.contains(path) {
                sources.push(path.clone());
            }
        }
    }
    sources
}

/// Whether a source of a `COPY` is a folder of code: all of the context, or a folder that is no list of packages.
fn is_code(image: &Image<'_>, source: &str) -> bool {
    let lists = ["require", "depend", "lock", "package", "wheel", "vendor", "certs"];
    let folder = image.surroundings.folders.contains(source);
    source == "."
        || source == "*"
        || (folder && !lists.iter().any(|list| source.to_lowercase().contains(list)))
}

pub(super) fn stamp(image: &Image<'_>, found: &mut Found<'_>) {
    for (name, template) in &image.target.args {
        let facts = tags::names_in(template);
        let Some(stamp) = Stamps::NAMES.iter().find(|stamp| facts.contains(**stamp)) else {
            continue;
        };
        let seen = image.resolved.iter().find_map(|resolved| resolved.only_labels_see(name).err());
        let Some(sighting) = seen else { continue };
        let instructions = image.dockerfile.instructions();
        let Some(seer) =
            instructions.iter().find(|one| (one.line..=one.last_line).contains(&sighting.line))
        else {
            continue;
        };
        let declares = |one: &&Instruction| {
            one.stage == seer.stage
                && matches!(&one.command, Command::Arg(args) if args.iter().any(|(arg, _)| arg == name))
        };
        let declared = instructions.iter().filter(|one| one.line < seer.line).rfind(declares);
        let what = format!(
            "{} sees {name}, which is `{}` ({}) and differs at every commit",
            sighting.instruction, template.value, template.place
        );
        let finding = found.at(image, seer, None, what);
        finding.why = format!("{} (`{stamp}`)", finding.why);
        let last = stage::stages(image)
            .into_iter()
            .find(|one| Some(one.index) == seer.stage)
            .and_then(|stage| last_run(&stage));
        finding.mend = match (declared, last) {
            (Some(arg), Some(last)) if !uses(seer, name) => {
                format!(
                    "move `ARG {name}` (line {}) below line {last}, and use it in nothing but LABEL",
                    arg.line
                )
            }
            _ => format!(
                "take {name} out of this line, and put it into a LABEL at the end; or remove it from [args]"
            ),
        };
    }
}

/// The last line of the last `RUN`.
fn last_run(stage: &Stage<'_>) -> Option<u32> {
    let runs = stage.steps.iter().filter(|(one, _)| matches!(one.command, Command::Run { .. }));
    runs.map(|(one, _)| one.last_line).max()
}

/// Whether the instruction itself names the argument.
fn uses(instruction: &Instruction, name: &str) -> bool {
    let text = instruction.rest.as_str();
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].ends_with('$') || text[..at].ends_with("${");
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        before && !text[at + name.len()..].starts_with(word)
    })
}
