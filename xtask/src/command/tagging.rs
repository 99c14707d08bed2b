//! The end of a publication: content is copied, then tags are written, with a journal.

use super::publication::{Prepared, troubles};
use crate::cli::Global;
use crate::engine::interrupt;
use crate::key::state_folder;
use crate::publish::{self, Change, Decided, Entry, Journal, Note, Publication};
use crate::registry::Registries;

pub(super) fn write(
    global: &Global,
    prepared: &Prepared,
    registries: &Registries,
    publications: &[Publication],
    decided: &[Decided],
) -> anyhow::Result<()> {
    let say = |text: String| {
        if !global.quiet {
            anstream::eprintln!("{text}");
        }
    };
    publish::copy(registries, publications, decided, &|repository, digest| {
        say(format!("copied {} to {}", &digest.hex()[..12], repository.familiar()));
    })
    .map_err(|failures| {
        troubles(failures)
            .context("no tag was written anywhere; the same command goes on from here")
    })?;
    if interrupt::interrupted() {
        anyhow::bail!("interrupted before any tag was written");
    }
    let entries = publish::ordered(decided)
        .into_iter()
        .map(|one| Entry {
            repository: one.wanted.repository.clone(),
            tag: one.wanted.tag.clone(),
            digest: one.digest.clone(),
            from: match &one.change {
                Change::Move { from } => Some(from.clone()),
                _ => None,
            },
            immutable: one.wanted.immutable,
            done: false,
        })
        .collect();
    let workspace = &prepared.loaded.workspace;
    let note = Note {
        commit: workspace.git.commit.as_ref().map(|commit| commit.hash.clone()),
        channel: prepared.channel,
        began: jiff::Timestamp::now().to_string(),
        entries,
    };
    let journal = Journal::begin(&state_folder(&workspace.root), note)?;
    publish::write(registries, publications, decided, journal, &|one| {
        say(format!(
            "{}:{} → {}",
            one.wanted.repository.familiar(),
            one.wanted.tag,
            &one.digest.hex()[..12]
        ));
    })
    .map_err(|not_written| {
        let state = format!(
            "{} of {} tags were written; the same command writes the others",
            not_written.written, not_written.of
        );
        if interrupt::interrupted() {
            // Of an interrupted command no error is shown, but this has to be known.
            anstream::eprintln!("{state}");
        }
        troubles(not_written.reasons).context(state)
    })
}
