//! What the publication in progress means to write, and what of it is written.
//!
//! What registries hold decides what a push does; the journal lets the next one say what the last one left undone.

use std::fs;
use std::io::Write as _;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use crate::reference::{Digest, Repository, Tag};
use crate::workspace::Channel;

/// One tag that is written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub repository: Repository,
    pub tag: Tag,
    pub digest: Digest,
    /// What it named before.
    pub from: Option<Digest>,
    pub immutable: bool,
    pub done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Of HEAD, when it began.
    pub commit: Option<String>,
    pub channel: Channel,
    /// RFC 3339.
    pub began: String,
    /// In the order in which they are written: immutable tags, then the others.
    pub entries: Vec<Entry>,
}

/// The file of a workspace's publication.
#[derive(Debug)]
pub struct Journal {
    file: Utf8PathBuf,
    note: Note,
}

impl Journal {
    fn file(state: &Utf8Path) -> Utf8PathBuf {
        state.join("publication.json")
    }

    /// What an earlier publication left undone; nothing where none did, or its journal cannot be read.
    pub fn unfinished(state: &Utf8Path) -> Option<Note> {
        serde_json::from_slice(&fs::read(Self::file(state)).ok()?).ok()
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// When it cannot be written: then nothing may be done.
    pub fn begin(state: &Utf8Path, note: Note) -> anyhow::Result<Self> {
        let journal = Self { file: Self::file(state), note };
        journal.write()?;
        Ok(journal)
    }

    /// Notes that the entry at `index` was written and read back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn done(&mut self, index: usize) -> anyhow::Result<()> {
        self.note.entries[index].done = true;
        self.write()
    }

    /// Everything was written.
    pub fn finish(self) {
        // One that stays tells the next push only that everything is done.
        let _stays = fs::remove_file(&self.file);
    }

    /// What an earlier publication left undone is done.
    pub fn forget(state: &Utf8Path) {
        let _stays = fs::remove_file(Self::file(state));
    }

    fn write(&self) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let folder = self.file.parent().unwrap_or(Utf8Path::new("."));
            fs::create_dir_all(folder)?;
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut temporary, &self.note)?;
            temporary.write_all(b"\n")?;
            temporary.as_file().sync_all()?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        write().with_context(|| format!("failed to write the journal {}", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_undone_is_known_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(folder.path()).unwrap();
        assert_eq!(Journal::unfinished(state), None);
        let entry = |tag: &str, immutable| Entry {
            repository: Repository::parse("ghcr.io/acme/app").unwrap(),
            tag: tag.parse().unwrap(),
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            from: None,
            immutable,
            done: false,
        };
        let note = Note {
            commit: None,
            channel: Channel::Release,
            began: "2026-01-01T00:00:00Z".to_owned(),
            entries: vec![entry("1.0.0", true), entry("latest", false)],
        };
        let mut journal = Journal::begin(state, note).unwrap();
        journal.done(0).unwrap();
        let left = Journal::unfinished(state).unwrap();
        assert_eq!(left.entries.iter().map(|entry| entry.done).collect::<Vec<_>>(), [true, false]);
        journal.finish();
        assert_eq!(Journal::unfinished(state), None);
    }
}
