//! `run`: a container of an image, to try it.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::bail;

use super::session::{self, Session};
use super::{build, load, plan};
use crate::cli::{BuildArgs, Global, RunArgs};
use crate::engine::{Engine, Search};
use crate::mistake::Mistake;
use crate::plan::{Action, Step};

pub(super) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let build_args = BuildArgs { images: vec![args.image.clone()], ..BuildArgs::default() };
    if args.build {
        let built = build::build(global, &build_args, build::Options::default())?;
        if built != ExitCode::SUCCESS {
            return Ok(built);
        }
    }
    let loaded = load::load(global, &load::Typed::of(&build_args))?;
    let session = Session::new(Engine::find(&Search::default())?, None);
    let substitutes = session::substitutes(&loaded.workspace, Some(&session.engine))?;
    let made = plan::make(&loaded, &build_args, &substitutes, Some(&session))?;
    let named: Vec<&Step> = made.steps.iter().filter(|step| step.named).collect();
    let step = match named.as_slice() {
        [step] => *step,
        several => several.iter().find(|step| step.target.default).copied().ok_or_else(|| {
            let names: Vec<String> = several.iter().map(|step| step.name().to_string()).collect();
            Mistake::new(format!("{:?} is several images", args.image))
                .mend(format!("one of {}", names.join(", ")))
                .into_error()
        })?,
    };
    let Some(image) = newest(&session, step)? else {
        bail!(
            "{} is not built here; build it first: cargo xtask build {}",
            step.name(),
            step.name()
        );
    };
    if step.action != Action::Skip && !global.quiet {
        anstream::eprintln!(
            "note: {} is stale ({}); this is what was built last",
            step.name(),
            step.reasons.first().map_or("", String::as_str)
        );
    }
    container(&session.engine, args, &image)
}

/// The image of today's key; else the one under the first of its other names.
fn newest(session: &Session, step: &Step) -> anyhow::Result<Option<String>> {
    for name in step.local_names() {
        if session.engine.image(&name)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn container(engine: &Engine, args: &RunArgs, image: &str) -> anyhow::Result<ExitCode> {
    let mut command = engine.command().args(["run", "--rm", "--interactive"]);
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        command = command.arg("--tty");
    }
    if let Some(folder) = &args.mount {
        let folder = folder.canonicalize_utf8().map_err(|error| {
            Mistake::new(format!("the folder {folder} cannot be mounted: {error}")).into_error()
        })?;
        if folder.as_str().contains([',', '"']) {
            bail!(
                "failed to mount {folder}: its name holds a `,` or a quote, which Docker's --mount cannot take"
            );
        }
        command = command.args([
            format!("--mount=type=bind,source={folder},target=/work"),
            "--workdir=/work".to_owned(),
        ]);
    }
    command = command.args(args.volume.iter().map(|volume| format!("--volume={volume}")));
    let status = command.arg("--").arg(image).args(args.command.clone()).run_attached()?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(super::FAILED)))
}
