//! What a Dockerfile takes from elsewhere without saying which: its frontend, and bases called `latest`.

use super::{Found, Image};
use crate::dockerfile::Instruction;
use crate::reference::Reference;

/// The frontend inside the oldest supported engine: Docker 26 has BuildKit 0.13, whose Dockerfile frontend is 1.7.
const BUILT_IN: (u32, u32) = (1, 7);

/// A flag, and the first version of the frontend that has it. (BuildKit's `docs/reference.md`.)
struct Feature {
    keyword: &'static str,
    flag: &'static str,
    since: (u32, u32),
    /// It is in the `-labs` channel only.
    labs: bool,
}

const fn feature(keyword: &'static str, flag: &'static str, since: (u32, u32)) -> Feature {
    Feature { keyword, flag, since, labs: false }
}

const FEATURES: [Feature; 8] = [
    feature("COPY", "exclude", (1, 19)),
    feature("ADD", "exclude", (1, 19)),
    feature("COPY", "parents", (1, 20)),
    feature("ADD", "unpack", (1, 17)),
    feature("RUN", "security", (1, 20)),
    feature("ADD", "checksum", (1, 6)),
    feature("COPY", "link", (1, 4)),
    Feature { keyword: "RUN", flag: "device", since: (1, 14), labs: true },
];

pub(super) fn syntax(image: &Image<'_>, found: &mut Found<'_>) {
    let syntax = image.dockerfile.syntax().map(|(image, _)| image);
    for instruction in image.dockerfile.instructions() {
        for (what, since, labs) in needs(instruction) {
            let mend = if labs { "docker/dockerfile:1-labs" } else { "docker/dockerfile:1" };
            let has = match syntax {
                None => !labs && since <= BUILT_IN,
                Some(frontend) => frontend_has(frontend, since, labs),
            };
            if has {
                continue;
            }
            let (major, minor) = since;
            let needle = what.split(' ').next_back();
            let finding = match syntax {
                None => found.at(
                    image,
                    instruction,
                    needle,
                    format!("{what} needs Dockerfile {major}.{minor}, and there is no `# syntax=`"),
                ),
                Some(frontend) => found.at(
                    image,
                    instruction,
                    needle,
                    format!(
                        "{what} needs Dockerfile {major}.{minor}, and `# syntax=` names {frontend}"
                    ),
                ),
            };
            finding.mend = format!("begin the Dockerfile with `# syntax={mend}`");
        }
    }
}

fn needs(instruction: &Instruction) -> Vec<(String, (u32, u32), bool)> {
    let mut needs: Vec<(String, (u32, u32), bool)> = Vec::new();
    for feature in &FEATURES {
        if feature.keyword == instruction.keyword
            && instruction.flag_values(feature.flag).next().is_some()
        {
            needs.push((
                format!("{} --{}", feature.keyword, feature.flag),
                feature.since,
                feature.labs,
            ));
        }
    }
    if !instruction.heredocs.is_empty() {
        needs.push(("a heredoc".to_owned(), (1, 4), false));
    }
    if instruction.mounts().iter().any(|mount| mount.contains_key("env")) {
        needs.push(("a secret as a variable, env=".to_owned(), (1, 10), false));
    }
    if instruction
        .flag("chmod")
        .is_some_and(|mode| mode.contains(['+', '=']) && !mode.contains('$'))
    {
        needs.push(("a symbolic --chmod".to_owned(), (1, 14), false));
    }
    needs
}

/// Whether `docker/dockerfile` of that tag has a feature; other frontends may have anything.
fn frontend_has(frontend: &str, since: (u32, u32), labs: bool) -> bool {
    let frontend = frontend.split('@').next().unwrap_or(frontend);
    let Some((name, tag)) = frontend.rsplit_once(':') else { return true };
    if !name.ends_with("docker/dockerfile") {
        return true;
    }
    let (version, is_labs) = match tag.strip_suffix("-labs") {
        Some(version) => (version, true),
        None => (tag, tag == "labs"),
    };
    if labs && !is_labs {
        return false;
    }
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        // A labs frontend had the stable features first.
        (Some(Ok(major)), Some(Ok(minor))) => {
            (major, minor) >= since || (is_labs && (major, minor) >= (1, 7))
        }
        (Some(Ok(major)), None) => major >= since.0,
        _ => true,
    }
}

/// `node` and `node:latest` are one.
fn is_locked(image: &Image<'_>, reference: &Reference) -> bool {
    image.lock.keys().any(|locked| {
        locked.repository == reference.repository
            && locked.tag_or_latest() == reference.tag_or_latest()
    })
}

pub(super) fn unlocked_latest(image: &Image<'_>, found: &mut Found<'_>) {
    for base in image.external {
        let reference = &base.reference;
        if reference.digest.is_some()
            || reference.tag_or_latest() != "latest"
            || is_locked(image, reference)
        {
            continue;
        }
        let place = &base.place;
        let first = image.dockerfile.instructions().iter().find(|one| {
            *image.dockerfile.path() == place.file
                && (one.line..=one.last_line).contains(&place.line)
        });
        let named = if reference.tag.is_some() { "names" } else { "has no tag, and so means" };
        let finding =
            found.placed(place, format!("{} {named} `latest`", reference.repository.familiar()));
        if let Some(first) = first {
            finding.first_line = first.line;
        }
    }
}
