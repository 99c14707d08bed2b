//! `outdated`: newer digests and tags of the bases that Dockerfiles name, and a patch that takes the tags over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use super::load::{self, Loaded};
use super::{FAILED, registries, select};
use crate::cli::{Global, OutdatedArgs};
use crate::dockerfile::{Command, Dockerfile};
use crate::engine::interrupt;
use crate::execute::{self, Job, Limits};
use crate::lock::bases::{Wanted, wanted};
use crate::lock::newer::newest;
use crate::lock::patch::{Edits, Renewal, Variable};
use crate::mistake::{Mistake, Place};
use crate::reference::{Digest, Reference, Tag};
use crate::registry::Registries;
use crate::report::{self, outdated::OutdatedBase, outdated::OutdatedJson};
use crate::tags;
use crate::workspace::{Config, Fact, FactSource, Target, TargetName};

/// How many references are asked for at once.
const AT_ONCE: usize = 20;

/// What a registry has that is newer.
#[derive(Debug, Default)]
struct News {
    digest: Option<Digest>,
    tag: Option<Tag>,
    /// What that tag points to, where the reference has a digest.
    digest_of_tag: Option<Digest>,
}

pub(super) fn run(global: &Global, args: &OutdatedArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let loaded = load::load(global, &load::Typed::images(&args.images))?;
    let selected = select::select(&loaded.workspace, &args.images)?;
    let of_all = loaded.workspace.targets.iter();
    let targets: Vec<&Target> =
        of_all.filter(|target| selected.contains(&target.target_name())).collect();
    // A reference without a tag to ask for cannot move.
    let mut bases = wanted(&loaded.graph, &targets, &loaded.dockerfiles);
    bases.retain(|name, _| name.tag.is_some() || name.digest.is_none());
    if global.offline {
        return Err(Mistake::new("with --offline, no registry can be asked for what is newer")
            .mend("leave --offline out")
            .into_error());
    }

    let news = ask(global, &loaded, &bases);
    let mut failed = false;
    let mut found = Vec::new();
    for ((name, wanted), news) in bases.iter().zip(news) {
        match news {
            Ok(news) if news.digest.is_none() && news.tag.is_none() => {}
            Ok(news) => found.push((name, wanted, news)),
            Err(error) => {
                failed = true;
                anstream::eprintln!("error: {} ({}): {error}", name.familiar(), wanted.place());
            }
        }
    }
    let rows: Vec<OutdatedBase> =
        found.iter().map(|(name, wanted, news)| row(&loaded, name, wanted, news)).collect();
    if args.patch {
        anstream::print!("{}", patch(&loaded, &targets, &found)?);
    } else if args.json {
        report::json(&OutdatedJson { version: 1, bases: rows })?;
    } else {
        anstream::print!("{}", report::outdated::outdated(&rows));
        if !global.quiet && rows.is_empty() && !failed {
            anstream::eprintln!("nothing newer");
        }
    }
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// What is newer than each of `bases`, in their order.
fn ask(
    global: &Global,
    loaded: &Loaded,
    bases: &BTreeMap<Reference, Wanted>,
) -> Vec<Result<News, String>> {
    let client = registries::client(global.quiet);
    let names: Vec<&Reference> = bases.keys().collect();
    let jobs: Vec<Job> =
        names.iter().map(|name| Job { name: name.familiar(), ..Job::default() }).collect();
    let limits = Limits::new(AT_ONCE, true);
    let work = |index: usize| {
        let name = names[index];
        let written = name.digest.as_ref();
        let locked = written.or_else(|| Some(&loaded.workspace.lock.get(name)?.digest));
        news(&client, &loaded.workspace.config, name, locked)
    };
    let outcomes = execute::run(&jobs, limits, &interrupt::interrupted, &work, &|_, _| {});
    let answer = |outcome| match outcome {
        execute::Outcome::Done(news) => Ok(news),
        execute::Outcome::Failed(error) => Err(error),
        execute::Outcome::Blocked { .. } | execute::Outcome::NotStarted => {
            Err("not asked: the run was interrupted".to_owned())
        }
    };
    outcomes.into_iter().map(answer).collect()
}

fn news(
    client: &Registries,
    config: &Config,
    name: &Reference,
    locked: Option<&Digest>,
) -> Result<News, String> {
    let repository = registries::asked(config, name).repository;
    let own: Tag = name.tag_or_latest().parse().map_err(|invalid| format!("{invalid}"))?;
    let head = |tag: &Tag| client.head(&repository, tag).map_err(|trouble| trouble.to_string());
    let mut news = News::default();
    if let Some(locked) = locked {
        let now = head(&own)?.ok_or_else(|| format!("{repository} has no {own} any more"))?;
        news.digest = (now != *locked).then_some(now);
    }
    // `latest` and the like have no newer tags.
    if own.as_str().bytes().any(|byte| byte.is_ascii_digit()) {
        let tags = client.tags(&repository).map_err(|trouble| trouble.to_string())?;
        news.tag = newest(own.as_str(), &tags).cloned();
        if let (Some(tag), true) = (&news.tag, name.digest.is_some()) {
            news.digest_of_tag = head(tag)?;
        }
    }
    Ok(news)
}

fn row(loaded: &Loaded, name: &Reference, wanted: &Wanted, news: &News) -> OutdatedBase {
    let locked = loaded.workspace.lock.get(name).map(|locked| &locked.digest);
    let digest = name.digest.as_ref().or(locked);
    let short = Reference { digest: None, ..name.clone() };
    OutdatedBase {
        reference: short.familiar(),
        places: wanted.places.iter().map(ToString::to_string).collect(),
        digest: digest.map(ToString::to_string),
        newer_digest: news.digest.as_ref().map(ToString::to_string),
        newer_tag: news.tag.as_ref().map(ToString::to_string),
        rebuilt: rebuilt(loaded, wanted),
    }
}

/// The targets that use the base, and all that are built on these.
fn rebuilt(loaded: &Loaded, wanted: &Wanted) -> Vec<String> {
    let mut names: BTreeSet<&TargetName> = BTreeSet::new();
    for vertex in &loaded.graph.vertices {
        // Parents come first in the graph.
        let on_one = vertex.parents.iter().any(|edge| names.contains(&edge.parent));
        if on_one || wanted.images.contains(vertex.name.id.as_str()) {
            names.insert(&vertex.name);
        }
    }
    names.into_iter().map(ToString::to_string).collect()
}

/// The patch for every newer tag; what cannot be patched is said.
fn patch(
    loaded: &Loaded,
    targets: &[&Target],
    found: &[(&Reference, &Wanted, News)],
) -> anyhow::Result<String> {
    let texts = texts(loaded, targets)?;
    let mut edits = Edits::default();
    for (name, wanted, news) in found {
        let Some(tag) = &news.tag else { continue };
        let old = (*name).clone();
        let renewal = Renewal { old, tag: tag.clone(), digest: news.digest_of_tag.clone() };
        for place in &wanted.places {
            let named = loaded.dockerfiles.get(&place.file);
            let users = targets.iter().filter(|target| {
                target.dockerfile.value == place.file && wanted.images.contains(target.id.as_str())
            });
            let mut lines = named.map(naming_lines).unwrap_or_default();
            lines.insert(place.line);
            let mut variables: Vec<Variable<'_>> =
                users.flat_map(|target| arguments(target)).collect();
            variables.extend(named.into_iter().flat_map(|file| defaults(&place.file, file)));
            let renewed: Vec<u32> = lines
                .into_iter()
                .filter(|line| edits.renew(&renewal, &place.file, *line, &texts, &variables))
                .collect();
            if renewed.is_empty() {
                anstream::eprintln!(
                    "note: {place}: write {} by hand; what it is made of was not found",
                    Reference { tag: Some(tag.clone()), digest: None, ..(*name).clone() }
                        .familiar()
                );
            }
        }
    }
    Ok(edits.patch(&texts))
}

/// The files that may be patched.
fn texts(loaded: &Loaded, targets: &[&Target]) -> anyhow::Result<BTreeMap<Utf8PathBuf, String>> {
    let mut texts = loaded.workspace.dockerfiles.clone();
    for target in targets {
        let args = target.args.values().map(|template| &template.place.file);
        for file in args.chain(target.facts.values().map(|fact| &fact.place.file)) {
            if !texts.contains_key(file) {
                let text = fs::read_to_string(loaded.workspace.root.join(file))?;
                texts.insert(file.clone(), text);
            }
        }
    }
    Ok(texts)
}

/// The lines of the instructions that can name an image.
fn naming_lines(file: &Dockerfile) -> BTreeSet<u32> {
    let names = |command: &Command| match command {
        Command::From { .. } => true,
        Command::Copy(copy) => copy.from.is_some(),
        Command::Run { mounts } => mounts.iter().any(|mount| mount.contains("from=")),
        _ => false,
    };
    let named = file.instructions().iter().filter(|one| names(&one.command));
    named.flat_map(|one| one.line..=one.last_line).collect()
}

/// What `image.toml` sets: the values of `[args]`, and the literal facts that templates there take theirs from.
fn arguments(target: &Target) -> Vec<Variable<'_>> {
    let mut variables = Vec::new();
    for (name, template) in &target.args {
        let Place { file, line, .. } = &template.place;
        variables.push(Variable { name, file, line: *line, value: &template.value });
        for fact in tags::names_in(template) {
            let Some(Fact { source: FactSource::Literal(value), place, .. }) =
                target.facts.get(&fact)
            else {
                continue;
            };
            variables.push(Variable { name, file: &place.file, line: place.line, value });
        }
    }
    variables
}

/// The defaults of a Dockerfile's arguments.
fn defaults<'a>(path: &'a Utf8Path, file: &'a Dockerfile) -> Vec<Variable<'a>> {
    let mut variables = Vec::new();
    for instruction in file.instructions() {
        let Command::Arg(names) = &instruction.command else { continue };
        for (name, default) in names {
            let Some(value) = default else { continue };
            variables.push(Variable { name, file: path, line: instruction.line, value });
        }
    }
    variables
}
