//! `adopt`: an existing repository becomes a workspace. Reads what git tracks, writes what is not there, shows the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Parser as _;

use super::{load, plan, session, written};
use crate::adopt::{self, Adoption, Known, Repository, Spec};
use crate::cli::{AdoptArgs, BuildArgs, Global};
use crate::mistake::{Mistake, Mistakes};
use crate::plan::Plan;
use crate::report::{self, AdoptJson, PlanJson};
use crate::workspace::{Git, Workspace};

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;
const CONFIG: &str = "Cargo.toml";

pub(super) fn run(global: &Global, args: &AdoptArgs) -> anyhow::Result<ExitCode> {
    let root = root(global)?;
    let repository = read(&root)?;
    let existing = |path: &str| text_of(&root, Utf8Path::new(path));
    let spec = spec(&root, args.dockyard.as_deref(), adopt::needs_spec(&existing))?;
    let known = known(&root, &existing)?;
    let adoption = adopt::adopt(&repository, &known, spec.as_ref(), &existing);
    refuse_outside(&root, &adoption)?;
    if !args.dry_run {
        for file in &adoption.files {
            written::write(&root.join(&file.path), &file.text)?;
        }
    }
    let plan = plan_of(&root, &adoption, args.dry_run, &existing)?;
    show(global, args, &adoption, plan)
}

/// `--root`, else the repository that we stand in.
fn root(global: &Global) -> anyhow::Result<Utf8PathBuf> {
    let start = match &global.root {
        Some(root) => root.clone(),
        None => load::current_folder()?,
    };
    let outside = || {
        Mistake::new(format!("{start} is in no git repository"))
            .mend("name one with --root, or make one: `git init`, and `git add` what belongs to it")
            .into_error()
    };
    let start = start.canonicalize_utf8().map_err(|_| outside())?;
    let top = Git::root_of(&start).ok_or_else(outside)?;
    Ok(top.canonicalize_utf8()?)
}

/// What git tracks, and the texts that may say something.
fn read(root: &Utf8Path) -> anyhow::Result<Repository> {
    let tracked = Git::tracked(root).context("failed to ask git for its files")?;
    let texts = tracked.iter().filter(|path| adopt::is_read(path));
    let texts = texts.filter_map(|path| Some((path.clone(), text_of(root, path)?))).collect();
    let source = Git::read(root).source;
    let github =
        source.and_then(|url| Some(url.strip_prefix("https://github.com/")?.to_lowercase()));
    let mut repository = Repository {
        name: root.file_name().unwrap_or("image").to_owned(),
        github,
        tracked: tracked.into_iter().collect(),
        texts,
    };
    for path in adopt::wanted(&repository) {
        repository.texts.extend(text_of(root, &path).map(|text| (path, text)));
    }
    Ok(repository)
}

/// The text of a file below `root`; empty where it is there, and is no text that could be taken over.
fn text_of(root: &Utf8Path, path: &Utf8Path) -> Option<String> {
    let full = root.join(path);
    full.symlink_metadata().ok()?;
    let readable = written::is_inside(root, path)
        && full.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
    let text = readable.then(|| fs::read_to_string(&full).ok()).flatten();
    Some(text.unwrap_or_default())
}

/// Where the repository's xtask gets Dockyard from; nothing where that is not asked.
fn spec(root: &Utf8Path, asked: Option<&str>, needed: bool) -> anyhow::Result<Option<Spec>> {
    if let Some(asked) = asked {
        return spec_of(root, asked).map(Some);
    }
    if !needed {
        return Ok(None);
    }
    let own = Some(env!("CARGO_PKG_REPOSITORY")).filter(|url| !url.is_empty()).map(str::to_owned);
    let cloned = || Git::read(Utf8Path::new(env!("CARGO_MANIFEST_DIR"))).source;
    let url = own.or_else(cloned).ok_or_else(|| {
        Mistake::new("it is not known where the repository's xtask gets Dockyard from")
            .mend("name it: --dockyard URL of its git repository, or the folder of a checkout")
            .into_error()
    })?;
    Ok(Some(Spec::Git(url)))
}

fn spec_of(root: &Utf8Path, asked: &str) -> anyhow::Result<Spec> {
    if asked.contains("://") {
        return Ok(Spec::Git(asked.to_owned()));
    }
    if let Some((host, path)) = asked.split_once(':').filter(|(host, _)| host.contains('@')) {
        return Ok(Spec::Git(format!("ssh://{host}/{path}")));
    }
    let folder = Utf8Path::new(asked).canonicalize_utf8();
    let folder = folder.ok().and_then(|folder| {
        [folder.join("xtask"), folder].into_iter().find(|folder| folder.join(CONFIG).is_file())
    });
    let folder = folder.ok_or_else(|| {
        Mistake::new(format!(
            "--dockyard {asked:?} is neither an address nor a checkout of Dockyard"
        ))
        .mend("write e.g. https://git.example.org/dockyard, or the folder of a checkout")
        .into_error()
    })?;
    Ok(Spec::Path(match folder.strip_prefix(root) {
        Ok(below) => Utf8Path::new("..").join(below),
        Err(_) => folder,
    }))
}

/// The images that are there already.
fn known(root: &Utf8Path, existing: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Known> {
    let reading =
        Workspace::load_with(root, &unwritten(&[], existing, "[workspace.metadata.dockyard]\n"))?;
    if reading.gaps.images || reading.gaps.config {
        reading.mistakes.none()?;
    }
    let targets = reading.workspace.targets;
    let dockerfiles: BTreeSet<Utf8PathBuf> =
        targets.iter().map(|target| target.dockerfile.value.clone()).collect();
    let rooted = targets.iter().filter(|target| target.context.as_str().is_empty());
    let rooted = rooted.map(|target| target.dockerfile.value.clone()).collect();
    let ids = targets.iter().map(|target| target.id.to_string()).collect();
    Ok(Known { dockerfiles, rooted, ids })
}

/// What a workspace is read from besides what is on the disk: `files`, and `section` where no `Cargo.toml` has one.
fn unwritten(
    files: &[adopt::File],
    existing: &dyn Fn(&str) -> Option<String>,
    section: &str,
) -> BTreeMap<Utf8PathBuf, String> {
    let mut unwritten: BTreeMap<Utf8PathBuf, String> =
        files.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
    let has_section = existing(CONFIG).is_some_and(|text| adopt::has_section(&text));
    if !has_section && !unwritten.contains_key(Utf8Path::new(CONFIG)) {
        unwritten.insert(CONFIG.into(), section.to_owned());
    }
    unwritten
}

/// No file is written outside the repository.
fn refuse_outside(root: &Utf8Path, adoption: &Adoption) -> Result<(), Mistakes> {
    let outside = adoption.files.iter().filter(|file| !written::is_inside(root, &file.path));
    let mistake = |file: &adopt::File| {
        Mistake::new(format!("{} would lie outside the repository, by a symbolic link", file.path))
            .mend("put a folder in the link's place")
    };
    outside.map(mistake).collect::<Mistakes>().none()
}

/// The plan as it is once every file and line is there, without an engine; or why there is none.
fn plan_of(
    root: &Utf8Path,
    adoption: &Adoption,
    dry: bool,
    existing: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Result<Plan, Mistakes>> {
    let files = if dry { adoption.files.as_slice() } else { &[] };
    let mut unwritten = unwritten(files, existing, &adoption.section);
    for lines in
        adoption.lines.iter().filter(|lines| lines.path.as_str().ends_with(".dockerignore"))
    {
        let text = existing(lines.path.as_str()).unwrap_or_default();
        unwritten.insert(lines.path.clone(), format!("{text}\n{}", lines.text));
    }
    let global = Global::at(root);
    let made = load::load(&global, &load::Typed::unwritten(&unwritten)).and_then(|loaded| {
        let substitutes = session::substitutes(&loaded.workspace, None)?;
        plan::make(&loaded, &BuildArgs::everything(), &substitutes, None)
    });
    match made {
        Ok(plan) => Ok(Ok(plan)),
        Err(error) => error.downcast::<Mistakes>().map(Err),
    }
}

fn show(
    global: &Global,
    args: &AdoptArgs,
    adoption: &Adoption,
    plan: Result<Plan, Mistakes>,
) -> anyhow::Result<ExitCode> {
    let (plan, mistakes) = match plan {
        Ok(plan) => (Some(plan), None),
        Err(mistakes) => (None, Some(mistakes)),
    };
    if args.json {
        let plan = plan.map(|plan| PlanJson::new(&plan, &BTreeMap::new()));
        let texts = mistakes.into_iter().flatten().map(|mistake| mistake.to_string()).collect();
        report::json(&AdoptJson::new(adoption, !args.dry_run, plan, texts))?;
        return Ok(ExitCode::SUCCESS);
    }
    anstream::print!("{}", report::adoption(adoption, !args.dry_run));
    if !global.quiet {
        for note in &adoption.notes {
            let place = &note.place;
            let what: String =
                note.what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            anstream::eprintln!("note: {}:{}: {what}", place.file, place.line);
        }
        anstream::eprintln!("{}", summary(adoption, args.dry_run));
    }
    if let Some(mistakes) = mistakes {
        let mend = "these stand against a plan; once they are mended: `cargo xtask plan`";
        anstream::eprintln!("{mend}");
        return Err(mistakes.into());
    }
    if let Some(plan) = plan {
        anstream::print!("{}", report::plan(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(adoption: &Adoption, dry: bool) -> String {
    let Adoption { files, lines, dockerfiles, .. } = adoption;
    if files.is_empty() && lines.is_empty() {
        return "nothing to write: every Dockerfile has an image".to_owned();
    }
    if files.is_empty() {
        return format!("nothing written; {} files wait for lines that you add", lines.len());
    }
    let what = if dry { "would be written" } else { "written" };
    let doubts: usize = files.iter().map(|file| file.text.matches("# unsure:").count()).sum();
    format!(
        "{} files {what}, for {dockerfiles} Dockerfiles; nothing that existed was edited; {doubts} doubts, marked `# unsure:`",
        files.len()
    )
}

impl BuildArgs {
    /// As `cargo xtask plan --all-platforms` would be read.
    fn everything() -> Self {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: BuildArgs,
        }
        Line::parse_from(["plan", "--all-platforms"]).args
    }
}
