//! The docker commands of a script: `docker build`, `docker buildx build`, `docker tag`, `docker push`, and what pushes
//! compose and bake files.

use camino::Utf8PathBuf;

use super::found::{Build, Found, Kind, Name, Retag};
use super::text::Text;
use crate::mistake::Place;

/// Options of `docker build` and `docker buildx build` that take a value. (`docker/buildx`, `commands/build.go`)
const WITH_VALUE: [&str; 47] = [
    "--add-host",
    "--allow",
    "--annotation",
    "--attest",
    "--build-arg",
    "--build-context",
    "--builder",
    "--cache-from",
    "--cache-to",
    "--call",
    "--cgroup-parent",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-shares",
    "-c",
    "--cpuset-cpus",
    "--cpuset-mems",
    "--file",
    "-f",
    "--iidfile",
    "--isolation",
    "--label",
    "--memory",
    "-m",
    "--memory-swap",
    "--metadata-file",
    "--network",
    "--no-cache-filter",
    "--output",
    "-o",
    "--platform",
    "--policy",
    "--print",
    "--progress",
    "--provenance",
    "--sbom",
    "--secret",
    "--security-opt",
    "--shm-size",
    "--source-policy-file",
    "--ssh",
    "--tag",
    "-t",
    "--target",
    "--ulimit",
    "--root",
    "--server-config",
];
/// Options of `docker` itself that take a value.
const GLOBAL_WITH_VALUE: [&str; 7] =
    ["--config", "--context", "-c", "--host", "-H", "--log-level", "-l"];

/// Where a command was found and would run.
pub(super) struct Spot<'a> {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) folders: &'a [Utf8PathBuf],
}

/// Adds what the command `words` does to `found`; nothing for every other command.
pub(super) fn read(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    let mut words = words;
    while let [first, rest @ ..] = words
        && let Some(known) = first.as_known()
        && (["sudo", "time", "exec", "command", "env", "nice", "nohup", "run", "retry"]
            .contains(&known)
            || is_assignment(known))
    {
        words = rest;
    }
    let Some((program, rest)) = words.split_first() else { return };
    match program.as_known().map(|known| known.rsplit('/').next().unwrap_or(known)) {
        Some("docker" | "docker.exe" | "podman" | "nerdctl") => {}
        Some("docker-compose") => return compose(rest, spot, found),
        Some("buildx") => return buildx(rest, spot, found),
        _ => return,
    }
    let mut rest = rest;
    while let [first, after @ ..] = rest
        && let Some(option) = first.as_known()
        && option.starts_with('-')
    {
        let skipped = usize::from(GLOBAL_WITH_VALUE.contains(&option));
        rest = after.get(skipped..).unwrap_or_default();
    }
    let Some((verb, rest)) = rest.split_first() else { return };
    match (verb.as_known(), rest) {
        (Some("build"), rest) => build(rest, spot, found),
        (Some("buildx"), rest) => buildx(rest, spot, found),
        (Some("tag"), rest) => tag(rest, spot, found),
        (Some("push"), rest) => push(rest, found),
        (Some("compose"), rest) => compose(rest, spot, found),
        (Some("image" | "builder"), [verb, rest @ ..]) => match verb.as_known() {
            Some("build") => build(rest, spot, found),
            Some("tag") => tag(rest, spot, found),
            Some("push") => push(rest, found),
            _ => {}
        },
        _ => {}
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn buildx(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    let Some((verb, rest)) = words.split_first() else { return };
    match verb.as_known() {
        Some("build" | "b") => build(rest, spot, found),
        Some("bake" | "f") if rest.iter().filter_map(Text::as_known).any(publishes) => {
            found.pushed_files.extend(spot.folders.iter().cloned());
        }
        Some("imagetools") => {
            if let Some((verb, rest)) = rest.split_first()
                && verb.as_known() == Some("create")
            {
                imagetools(rest, spot, found);
            }
        }
        _ => {}
    }
}

/// Whether a word of `buildx bake` sends the results to registries.
fn publishes(word: &str) -> bool {
    word == "--push" || word.contains("push=true") || word.contains("type=registry")
}

/// `imagetools create -t NEW… SOURCE`: with one source, a tag for what is there.
fn imagetools(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    let (mut tags, mut sources) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_known() {
            Some("-t" | "--tag") => tags.extend(words.next().cloned()),
            Some(option) if option.starts_with('-') => {}
            _ => sources.push(word.clone()),
        }
    }
    if let [source] = sources.as_slice() {
        for to in tags {
            found.pushes.push(to.clone());
            found.retags.push(Retag { place: spot.place.clone(), from: source.clone(), to });
        }
    }
}

fn compose(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    let has = |wanted: &str| words.iter().any(|word| word.as_known() == Some(wanted));
    if has("push") || (has("build") && has("--push")) {
        found.pushed_files.extend(spot.folders.iter().cloned());
    }
}

fn tag(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    if let [from, to, ..] = words {
        let (from, to) = (from.clone(), to.clone());
        found.retags.push(Retag { place: spot.place.clone(), from, to });
    }
}

fn push(words: &[Text], found: &mut Found) {
    let named = words.iter().filter(|word| !word.to_string().starts_with('-'));
    found.pushes.extend(named.cloned());
}

fn build(words: &[Text], spot: &Spot<'_>, found: &mut Found) {
    let mut build = Build::new(spot.place.clone(), spot.kind);
    build.folders = spot.folders.to_vec();
    let mut positional = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let written = word.to_string();
        if !written.starts_with('-') || written == "-" {
            positional.push(word.clone());
            continue;
        }
        let (name, value) = option(word);
        let value = match value {
            None if WITH_VALUE.contains(&name.as_str()) => words.next().cloned(),
            value => value,
        };
        apply(&mut build, &name, value);
    }
    // A word that is nothing but unknown may be options, or nothing at all.
    let (unknown, folders): (Vec<Text>, Vec<Text>) =
        positional.into_iter().partition(|word| word.pieces().len() == 1 && word.has_unknown());
    match (folders.as_slice(), unknown.as_slice()) {
        ([context, ..], _) | ([], [.., context]) => build.context = context.clone(),
        ([], []) => return,
    }
    let others = unknown.iter().filter(|word| **word != build.context);
    build.notes.extend(others.map(|word| format!("`{word}` is known only when it runs")));
    found.builds.push(build);
}

/// `--name=value`, `-tvalue`, or only a name.
fn option(word: &Text) -> (String, Option<Text>) {
    if let Some((name, value)) = word.split_once('=')
        && let Some(name) = name.as_known()
        && name.starts_with("--")
    {
        return (name.to_owned(), Some(value));
    }
    for short in ["-t", "-f", "-o"] {
        if let Some(value) = word.strip_prefix(short)
            && !value.is_empty()
        {
            return (short.to_owned(), Some(value.strip_prefix("=").unwrap_or(value)));
        }
    }
    (word.to_string(), None)
}

fn apply(build: &mut Build, name: &str, value: Option<Text>) {
    let is_off = value.as_ref().and_then(Text::as_known) == Some("false");
    match (name, value) {
        ("--push", _) => build.pushed |= !is_off,
        ("-t" | "--tag", Some(value)) => build.names.push(Name::always(value)),
        ("-f" | "--file", Some(value)) => build.dockerfile = Some(value),
        ("--build-arg", Some(value)) => build.add_arg(&value),
        ("--platform", Some(value)) => build.add_platforms(&value),
        ("--target", Some(value)) => build.stage = Some(value),
        ("--secret", Some(value)) => build.add_secret(&value),
        ("--ssh", _) => build.ssh = true,
        ("--cache-to", Some(value)) => build.add_cache(&value),
        ("--build-context", Some(value)) => {
            if let Some((name, source)) = value.split_once('=')
                && let Some(name) = name.as_known()
            {
                build.contexts.insert(name.to_owned(), source);
            }
        }
        ("-o" | "--output", Some(value)) => {
            let value = value.to_string();
            if value.contains("push=true") || value.contains("type=registry") {
                build.pushed = true;
            }
        }
        ("--network" | "--add-host" | "--shm-size" | "--ulimit" | "--label", Some(value)) => {
            build
                .notes
                .push(format!("`{name} {value}` is not taken over: see `build` and `labels`"));
        }
        _ => {}
    }
}
