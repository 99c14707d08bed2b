//! What was built: one file a target and platform, written only after success.
//!
//! Losing every record costs time, never correctness; one that cannot be read is as good as none.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Inputs, Key, SCHEMA};
use crate::reference::{Digest, Platform};
use crate::workspace::TargetName;

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub schema: u32,
    pub key: Key,
    pub inputs: Inputs,
    /// Of the image in the engine: what a later skip asks for.
    pub digest: Digest,
    /// `<name>:key-…`, the name that holds it.
    pub local_name: String,
    /// The digests of the parents that were bound, by target.
    pub parents: BTreeMap<String, Digest>,
    /// The engine that holds the image.
    pub engine: String,
    pub builder: String,
    /// RFC 3339.
    pub built_at: String,
    /// How long the build took.
    pub seconds: f64,
    /// Why it was built.
    pub reasons: Vec<String>,
}

/// The folder of records of a workspace.
#[derive(Clone, Debug)]
pub struct Records {
    folder: Utf8PathBuf,
}

impl Records {
    /// Records below `state`, see [`super::state_folder`].
    pub fn new(state: &Utf8Path) -> Self {
        Self { folder: state.join("records") }
    }

    fn file(&self, name: &TargetName, platform: &Platform) -> Utf8PathBuf {
        let folder = match &name.variant {
            // An id has no `@`, so that no two targets share a folder.
            Some(variant) => format!("{}@{variant}", name.id),
            None => name.id.to_string(),
        };
        self.folder.join(folder).join(format!("{}.json", platform.slug()))
    }

    pub fn read(&self, name: &TargetName, platform: &Platform) -> Option<Record> {
        let bytes = fs::read(self.file(name, platform)).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        (record.schema == SCHEMA).then_some(record)
    }

    /// Replaces the record, atomically.
    ///
    /// # Errors
    /// When the file cannot be written: the image is built, and will be built again.
    pub fn write(
        &self,
        name: &TargetName,
        platform: &Platform,
        record: &Record,
    ) -> anyhow::Result<()> {
        let file = self.file(name, platform);
        let folder = file.parent().unwrap_or(&self.folder);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            let mut bytes = serde_json::to_vec_pretty(record)?;
            bytes.push(b'\n');
            temporary.write_all(&bytes)?;
            temporary.as_file().sync_all()?;
            temporary.persist(&file)?;
            Ok(())
        };
        write().with_context(|| format!("failed to record the build of {name} in {file}"))
    }

    /// Forgets a build, so that nothing can be skipped because of it.
    pub fn forget(&self, name: &TargetName, platform: &Platform) {
        let _absent = fs::remove_file(self.file(name, platform));
    }
}
