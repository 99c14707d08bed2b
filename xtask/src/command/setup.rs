//! `build --setup`: an engine where none is reached, and bases where no registry is.

use std::time::Duration;

use super::engine::say;
use super::load::Loaded;
use super::session::{self, Session, Substitutes};
use crate::engine::private::Options;
use crate::engine::{Engine, Search, probe};
use crate::reference::Reference;

/// How long a registry has to answer before its bases are made here.
const PATIENCE: Duration = Duration::from_secs(5);

/// The engine that is reached, else the private one, brought up.
///
/// # Errors
/// When none can be brought up: what is missing, and how to mend it.
pub(super) fn engine(quiet: bool) -> anyhow::Result<Engine> {
    let search = Search::default();
    let tell = |line: &str| {
        if !quiet {
            say(line);
        }
    };
    Engine::find_or_start(&search, &Options::default(), &tell)
}

/// Makes the bases that the configuration lists, that a Dockerfile names, and whose registry nobody reaches.
pub(super) fn bases(
    loaded: &Loaded,
    session: &Session,
    quiet: bool,
    offline: bool,
) -> anyhow::Result<Substitutes> {
    let named = |reference: &Reference| {
        loaded
            .graph
            .vertices
            .iter()
            .any(|vertex| vertex.external.iter().any(|base| base.reference == *reference))
    };
    let mut substitutes = Substitutes::locked(&loaded.workspace);
    let mut chosen = Vec::new();
    for recipe in
        session::recipes(&loaded.workspace)?.into_iter().filter(|recipe| named(&recipe.reference))
    {
        let reach = if offline {
            probe::Reach::Unreachable { said: "--offline".to_owned() }
        } else {
            let mirrored = loaded.workspace.config.mirrored(&recipe.reference);
            let asked = mirrored.as_ref().unwrap_or(&recipe.reference);
            probe::registry(&session.engine, session.builder()?, asked, PATIENCE)
        };
        let probe::Reach::Unreachable { said } = reach else { continue };
        if !quiet {
            say(&format!(
                "the registry of {} is not reached ({said})",
                recipe.reference.familiar()
            ));
        }
        let tell = |line: &str| {
            if !quiet {
                say(line);
            }
        };
        let substitute = recipe.provide(&session.engine, &session.engine.platform, &tell)?;
        chosen.push(recipe.reference.clone());
        substitutes.add(&recipe, substitute.name);
    }
    session::choose(&loaded.workspace, &chosen)?;
    Ok(substitutes)
}
