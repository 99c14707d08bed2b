//! `.dockerignore`: whether it is there, and says enough and not too much.

use super::{Found, Image, is_below};
use crate::dockerfile::{Command, Instruction, Reading};

pub(super) fn ignore_file(image: &Image<'_>, found: &mut Found<'_>) {
    let surroundings = image.surroundings;
    let reads = image.resolved.iter().flat_map(|resolved| &resolved.reads);
    for read in reads.filter(|read| read.context.is_none()) {
        let Some(instruction) = at(image, read.line) else { continue };
        // Files that BuildKit itself reads of what `ONBUILD` names have no line of their own.
        if matches!(instruction.command, Command::From { .. }) {
            continue;
        }
        let Reading::Paths { sources, excludes, .. } = &read.reading else { continue };
        for source in sources {
            match &surroundings.ignore {
                None if source == "." => {
                    let what = "all of the context is taken, and there is no .dockerignore";
                    found.at(image, instruction, None, what);
                }
                Some((file, ignore))
                    if !has_wildcard(source)
                        && source != "."
                        && ignore.matches(source)
                        && !ignore.may_reinclude_below(source) =>
                {
                    let finding = found.at(
                        image,
                        instruction,
                        Some(source),
                        format!("{file} leaves {source} out, which is copied here"),
                    );
                    "the build cannot find what the context does not have"
                        .clone_into(&mut finding.why);
                    finding.mend =
                        format!("add `!{source}` to {file}, below the line that leaves it out");
                }
                _ => {}
            }
            if source == "." && surroundings.ignore.is_none() {
                continue;
            }
            let ignored = |path: &str| {
                surroundings.ignore.as_ref().is_some_and(|(_, ignore)| ignore.matches(path))
            };
            let excluded = |path: &str| {
                excludes.iter().any(|pattern| path.contains(pattern.trim_matches(['*', '/'])))
            };
            let mut inside = surroundings
                .clutter
                .iter()
                .filter(|path| is_below(path, source) && !ignored(path) && !excluded(path));
            if let Some(path) = inside.next() {
                let more = inside.count();
                let more =
                    if more == 0 { String::new() } else { format!(" and {more} more like it") };
                let name = path.rsplit('/').next().unwrap_or(path);
                let finding =
                    found.at(image, instruction, None, format!("{path}{more} is taken along"));
                let file =
                    surroundings.ignore.as_ref().map_or(".dockerignore", |(file, _)| file.as_str());
                finding.mend = format!("add `**/{name}` to {file}");
            }
        }
    }
}

fn at<'a>(image: &Image<'a>, line: u32) -> Option<&'a Instruction> {
    image.dockerfile.instructions().iter().find(|one| (one.line..=one.last_line).contains(&line))
}

fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '['])
}
