//! `lint`: what works, and costs time, caching or trust.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::load::{self, Loaded};
use super::{FAILED, select};
use crate::cli::{Global, LintArgs};
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{Reading, Resolved};
use crate::engine::{Engine, Search, check};
use crate::graph::{Binding, Node, Vertex};
use crate::lint::{self, Finding, Image, Surroundings};
use crate::report::{self, LintJson};
use crate::workspace::{Target, TargetName, in_folder};

/// The most files and folders of one context that are looked at for clutter.
const MOST_ENTRIES: usize = 20_000;

pub(super) fn run(global: &Global, args: &LintArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::images(&args.images))?;
    let named = select::select(&loaded.workspace, &args.images)?;
    let nodes = loaded.nodes();
    let subjects = subjects(&loaded, &nodes, &named);

    let mut findings = lint::findings(subjects.iter().map(|subject| subject.image(&loaded)));
    let (warnings, notes) = buildkit(&loaded, &subjects)?;
    findings.extend(warnings);
    let findings = lint::settle(findings, &texts(&loaded, &subjects));

    if args.json {
        report::json(&LintJson::new(&findings, subjects.len(), &notes))?;
    } else {
        anstream::print!("{}", report::findings(&findings));
        for note in notes.iter().filter(|_| !global.quiet) {
            anstream::eprintln!("note: {note}");
        }
        if !global.quiet {
            anstream::eprintln!("{}", report::counted(&findings, subjects.len()));
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A target with everything about it in one place.
struct Subject<'a> {
    target: &'a Target,
    vertex: &'a Vertex,
    node: &'a Node<'a>,
    resolved: Vec<&'a Resolved>,
    surroundings: Surroundings,
}

impl<'a> Subject<'a> {
    fn image(&'a self, loaded: &'a Loaded) -> Image<'a> {
        Image {
            target: self.target,
            dockerfile: self.node.dockerfile,
            resolved: &self.resolved,
            args: &self.node.args,
            external: &self.vertex.external,
            lock: &loaded.workspace.lock,
            surroundings: &self.surroundings,
        }
    }
}

fn subjects<'a>(
    loaded: &'a Loaded,
    nodes: &'a BTreeMap<TargetName, Node<'a>>,
    named: &BTreeSet<TargetName>,
) -> Vec<Subject<'a>> {
    let vertices = loaded.graph.vertices.iter().filter(|vertex| named.contains(&vertex.name));
    vertices
        .filter_map(|vertex| {
            let node = nodes.get(&vertex.name)?;
            let resolved: Vec<&Resolved> = vertex.platforms.values().collect();
            let surroundings = surroundings(&loaded.workspace.root, node.target, &resolved);
            Some(Subject { target: node.target, vertex, node, resolved, surroundings })
        })
        .collect()
}

/// What lies around a target's Dockerfile. What cannot be read is as if it were not there: a build says it.
fn surroundings(root: &Utf8Path, target: &Target, resolved: &[&Resolved]) -> Surroundings {
    let read = |path: Utf8PathBuf| Some((path.clone(), fs::read_to_string(root.join(path)).ok()?));
    let own = Utf8PathBuf::from(format!("{}.dockerignore", target.dockerfile.value));
    let ignore = read(own).or_else(|| read(in_folder(&target.context, ".dockerignore")));
    let ignore = ignore.and_then(|(path, text)| Some((path, Ignore::parse(&text).ok()?)));
    let pixi = read(target.folder.join("pixi.toml")).or_else(|| {
        read(target.folder.join("pyproject.toml")).filter(|(_, text)| text.contains("[tool.pixi"))
    });
    let mut around = Surroundings { ignore, pixi, ..Surroundings::default() };
    let context = root.join(&target.context);
    let mut seen = 0;
    let reads = resolved.iter().flat_map(|one| &one.reads).filter(|read| read.context.is_none());
    for read in reads {
        let Reading::Paths { sources, .. } = &read.reading else { continue };
        for source in sources {
            if context.join(source).is_dir() && around.folders.insert(source.clone()) {
                let below = if source == "." { "" } else { source };
                look_for_clutter(&context, Utf8Path::new(below), &mut around, &mut seen);
            }
        }
    }
    around
}

fn look_for_clutter(
    context: &Utf8Path,
    folder: &Utf8Path,
    around: &mut Surroundings,
    seen: &mut usize,
) {
    let Ok(entries) = context.join(folder).read_dir_utf8() else { return };
    for entry in entries.flatten() {
        *seen += 1;
        if *seen > MOST_ENTRIES {
            return;
        }
        let path = folder.join(entry.file_name());
        let ignored = around.ignore.as_ref().is_some_and(|(_, ignore)| {
            ignore.matches(path.as_str()) && !ignore.may_reinclude_below(path.as_str())
        });
        if lint::is_clutter(entry.file_name()) {
            around.clutter.insert(path.into_string());
        } else if !ignored && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look_for_clutter(context, &path, around, seen);
        }
    }
}

/// The texts in which a comment may allow a finding.
fn texts(loaded: &Loaded, subjects: &[Subject<'_>]) -> BTreeMap<Utf8PathBuf, String> {
    let mut texts = loaded.workspace.dockerfiles.clone();
    for subject in subjects {
        let manifest = subject.surroundings.pixi.clone();
        texts.extend(manifest);
        let file = &subject.target.place.file;
        if !texts.contains_key(file)
            && let Ok(text) = fs::read_to_string(loaded.workspace.root.join(file))
        {
            texts.insert(file.clone(), text);
        }
    }
    texts
}

/// What BuildKit says of the Dockerfiles, and notes on what it could not be asked.
fn buildkit(
    loaded: &Loaded,
    subjects: &[Subject<'_>],
) -> anyhow::Result<(Vec<Finding>, Vec<String>)> {
    let engine = match Engine::find(&Search::default()) {
        Ok(engine) if engine.has_checks() => engine,
        Ok(engine) => {
            let has = engine.buildx.map_or_else(String::new, |has| format!(", and {has} is here"));
            let note = format!(
                "BuildKit's own checks were not run: they need buildx {}{has}",
                check::OLDEST
            );
            return Ok((Vec::new(), vec![note]));
        }
        Err(not_found) => {
            let note = format!("BuildKit's own checks were not run: {}", not_found.what());
            return Ok((Vec::new(), vec![note]));
        }
    };
    let empty = tempfile::tempdir().context("failed to make an empty folder")?;
    let empty = Utf8Path::from_path(empty.path()).context("failed to name an empty folder")?;
    let asked: Vec<_> = subjects.par_iter().map(|one| ask(loaded, &engine, one, empty)).collect();
    let mut findings = Vec::new();
    let mut notes = Vec::new();
    for (subject, answer) in subjects.iter().zip(asked) {
        match answer {
            Ok(found) => findings.extend(found),
            Err(why) => notes.push(format!(
                "BuildKit did not check {}: {why:#}",
                subject.node.dockerfile.path()
            )),
        }
    }
    notes.sort();
    notes.dedup();
    Ok((findings, notes))
}

fn ask(
    loaded: &Loaded,
    engine: &Engine,
    subject: &Subject<'_>,
    empty: &Utf8Path,
) -> anyhow::Result<Vec<Finding>> {
    let of_context = |binding: &Binding| match binding {
        Binding::Context(name) => Some(name.clone()),
        _ => None,
    };
    let parents = subject.vertex.parents.iter().filter_map(|edge| of_context(&edge.binding));
    let bases = subject.vertex.external.iter().filter_map(|base| of_context(&base.binding));
    let images: Vec<String> = parents.chain(bases).collect();
    let target = subject.target;
    // What a parent's argument names is no registry's, and never asked for.
    let mut args: Vec<(String, String)> =
        subject.node.args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    args.extend(target.parents.keys().map(|name| (name.clone(), "scratch".to_owned())));
    let dockerfile = subject.node.dockerfile;
    let text = dockerfile.syntax().map(|(_, line)| {
        let lines = dockerfile.text().lines().zip(1..);
        let kept = lines.map(|(text, number)| if number == line { "#" } else { text });
        kept.collect::<Vec<_>>().join("\n") + "\n"
    });
    let warnings = engine.check(&check::Request {
        root: &loaded.workspace.root,
        dockerfile: dockerfile.path(),
        text: text.as_deref(),
        context: &target.context,
        stage: target.stage.as_ref().map(|stage| stage.value.as_str()),
        args: &args,
        images: &images,
        empty,
    })?;
    let kept = warnings.into_iter().filter(|warning| match warning.rule.as_str() {
        // The variables of bases are not known to it here.
        "UndefinedVar" => images.is_empty() || warning.detail.contains("did you mean"),
        // Arguments come from image.toml, and a lack of one is an error of ours.
        "InvalidDefaultArgInFrom" => false,
        _ => true,
    });
    Ok(kept.map(|warning| lint::of_buildkit(dockerfile, warning)).collect())
}
