//! `clean`: load → what the engine holds → what may go → ask → remove → report.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::load::{self, Loaded};
use super::{FAILED, ask, engine, session, steps};
use crate::clean::{self, Ours, Removal, Spared, Wanted};
use crate::cli::{CleanArgs, Global};
use crate::engine::{Engine, Removed, Search, interrupt};
use crate::execute::target::file_name;
use crate::key::{Records, state_folder};
use crate::mistake::Mistake;
use crate::plan;
use crate::report::{self, CleanJson, ImageState, RemovedFile};

/// A running build may be at work in a folder that is younger.
const ABANDONED: Duration = Duration::from_hours(24);

pub(super) fn run(global: &Global, args: &CleanArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let loaded = load::load(global, &load::Typed::default())?;
    let engine = Engine::find(&Search::default())?;
    let wanted = Wanted {
        labels: &args.label,
        names: &args.name,
        before: args.older_than.map(|age| jiff::Timestamp::now() - age.duration()),
    };
    let ours = ours(&loaded, &engine)?;
    let (removals, spared) =
        clean::choose(&engine.all_images()?, &engine.used_images()?, &ours, &wanted);
    // Filters ask for images, and for nothing else.
    let is_filtered = !args.label.is_empty() || !args.name.is_empty() || args.older_than.is_some();
    let files = if is_filtered { Vec::new() } else { leftovers(&loaded) };
    if !global.quiet {
        say(&removals, &spared, args.json);
    }
    if removals.is_empty() && files.is_empty() {
        if args.json {
            report::json(&CleanJson::new([], Vec::new(), None))?;
        } else if !global.quiet {
            anstream::eprintln!("nothing to remove");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        let would = removals.into_iter().map(|removal| (removal, ImageState::WouldGo)).collect();
        return finish(global, args, would, files, None);
    }
    if !args.yes && !confirm(&removals, &files)? {
        anstream::eprintln!("nothing was removed");
        return Ok(ExitCode::from(FAILED));
    }
    let before = engine.layers_size();
    let mut done = Vec::new();
    for removal in removals {
        if interrupt::interrupted() {
            break;
        }
        let state = remove(&engine, &removal)?;
        done.push((removal, state));
    }
    let reclaimed = before.and_then(|before| Some(before.saturating_sub(engine.layers_size()?)));
    for file in &files {
        remove_file(&loaded.workspace.root.join(&file.path))?;
    }
    finish(global, args, done, files, reclaimed)
}

/// What this workspace builds today, and what it has built last: its own whatever a filter asks for.
fn ours(loaded: &Loaded, engine: &Engine) -> anyhow::Result<Ours> {
    let workspace = &loaded.workspace;
    let records = Records::new(&state_folder(&workspace.root));
    let mut ours = Ours { digests: records.digests(), ..Ours::default() };
    ours.names.extend(records.local_names());
    let substitutes = session::substitutes(workspace, Some(engine))?;
    let vertices: Vec<_> = loaded.graph.vertices.iter().collect();
    let keys = steps::keys(loaded, &vertices, &substitutes.bases)?;
    for target in &workspace.targets {
        let name = target.target_name();
        ours.ids.insert(name.id.to_string());
        ours.repositories.insert(target.name.clone());
        let repositories =
            target.repositories.values().into_iter().flatten().chain(&workspace.config.staging);
        ours.repositories.extend(repositories.map(|repository| repository.familiar().to_owned()));
        // A build is for one platform or for all of them.
        let single = target.platforms.iter().map(std::slice::from_ref);
        for platforms in single.chain([target.platforms.as_slice()]) {
            let key = keys.over(&name, platforms);
            ours.names.extend(key.map(|key| plan::local_name(target, &key)));
        }
    }
    Ok(ours)
}

/// What builds have left on this machine: of targets that are gone, and of builds that were killed.
fn leftovers(loaded: &Loaded) -> Vec<RemovedFile> {
    let root = &loaded.workspace.root;
    let state = state_folder(root);
    let targets: BTreeSet<String> =
        loaded.workspace.targets.iter().map(|target| file_name(&target.target_name())).collect();
    let mut found: Vec<(Utf8PathBuf, &'static str)> = Vec::new();
    let is_gone = |name: &str| !targets.contains(name);
    found.extend(
        entries(&state.join("records"))
            .filter(|path| path.file_name().is_some_and(is_gone))
            .map(|path| (path, "a target that is gone")),
    );
    let of_gone = |path: &Utf8PathBuf| {
        let stem = path.file_name().and_then(|name| name.strip_suffix(".log"));
        let of_target = |stem: &str, name: &str| {
            let rest = stem.strip_prefix(name);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(".test.") || rest.starts_with(".facts.")
            })
        };
        stem.is_some_and(|stem| !targets.iter().any(|name| of_target(stem, name)))
    };
    found.extend(
        entries(&state.join("logs")).filter(of_gone).map(|path| (path, "a target that is gone")),
    );
    found.extend(
        entries(&state.join("tmp"))
            .filter(|path| is_abandoned(path))
            .map(|path| (path, "a build that was killed")),
    );
    found.sort();
    let relative = |path: &Utf8Path| path.strip_prefix(root).unwrap_or(path).to_string();
    found.into_iter().map(|(path, why)| RemovedFile { path: relative(&path), why }).collect()
}

fn entries(folder: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(camino::Utf8DirEntry::into_path)
}

fn is_abandoned(path: &Utf8Path) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    modified
        .is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > ABANDONED))
}

fn say(removals: &[Removal], spared: &[Spared], json: bool) {
    if !json && !removals.is_empty() {
        anstream::print!("{}", report::removals(removals));
    }
    for image in spared {
        let names =
            if image.names.is_empty() { String::new() } else { image.names.join(", ") + " " };
        anstream::eprintln!("note: {names}({}) stays: {}", &image.image.hex()[..12], image.why);
    }
}

/// # Errors
/// Where nobody can be asked.
fn confirm(removals: &[Removal], files: &[RemovedFile]) -> anyhow::Result<bool> {
    if !ask::is_there_somebody() {
        let mistake = Mistake::new("nobody is at a terminal to be asked what may be removed");
        return Err(mistake.mend("--yes removes it, --dry-run only shows it").into_error());
    }
    ask::confirm(&format!("remove {}?", counted(removals, files)))
}

/// `3 images, 1 further name, 2 files`.
fn counted(removals: &[Removal], files: &[RemovedFile]) -> String {
    let (whole, partly): (Vec<&Removal>, _) =
        removals.iter().partition(|removal| removal.bytes.is_some());
    let names = partly.iter().map(|removal| removal.names.len()).sum();
    let part = |(count, what): &(usize, &str)| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let counts = [(whole.len(), "image"), (names, "further name"), (files.len(), "file")];
    counts.iter().filter_map(part).collect::<Vec<_>>().join(", ")
}

fn remove(engine: &Engine, removal: &Removal) -> anyhow::Result<ImageState> {
    let mut kept = None;
    for name in &removal.names {
        // Between the look and now, it may have been given to another image.
        if engine.image(name)?.is_none_or(|image| image.id != removal.image) {
            continue;
        }
        if let Removed::Kept(why) = engine.remove_image(name)? {
            kept = Some(why);
        }
    }
    if removal.names.is_empty()
        && let Removed::Kept(why) = engine.remove_image(removal.image.as_str())?
    {
        kept = Some(why);
    }
    Ok(kept.map_or(ImageState::Removed, ImageState::Kept))
}

fn remove_file(path: &Utf8Path) -> anyhow::Result<()> {
    let removed =
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {path}"))
        }
        _ => Ok(()),
    }
}

fn finish(
    global: &Global,
    args: &CleanArgs,
    images: Vec<(Removal, ImageState)>,
    files: Vec<RemovedFile>,
    reclaimed: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let mut kept = 0;
    for (removal, state) in &images {
        if let ImageState::Kept(why) = state {
            kept += 1;
            engine::say(&format!("the engine keeps {}: {why}", &removal.image.hex()[..12]));
        }
    }
    if !args.json && !global.quiet {
        for file in &files {
            anstream::println!("{}  ({})", file.path, file.why);
        }
        let (removals, _): (Vec<Removal>, Vec<&ImageState>) =
            images.iter().map(|(removal, state)| (removal.clone(), state)).unzip();
        let counted = counted(&removals, &files);
        if args.dry_run {
            anstream::eprintln!(
                "would remove {counted}. Layers that other images or BuildKit's cache share stay; another checkout \
                 that used one of these images builds it again"
            );
        } else {
            let freed = reclaimed.map_or_else(
                || "the engine does not say how much room that made".to_owned(),
                |bytes| format!("images take {} less", report::human::bytes(bytes)),
            );
            anstream::eprintln!(
                "removed {counted}; {freed}. What BuildKit's cache holds goes with `cargo xtask cache prune`"
            );
        }
    }
    if args.json {
        report::json(&CleanJson::new(images, files, reclaimed))?;
    }
    Ok(if kept == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
