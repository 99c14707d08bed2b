//! What was built: one file a target and platform, written only after success.
//!
//! Losing every record costs time, never correctness; one that cannot be read is as good as none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Inputs, Key, Line, PlatformKey, SCHEMA};
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
    /// Of that image, as the engine's store counted them when it was built; nothing in records of before.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// `<name>:key-…`, the name that holds it.
    pub local_name: String,
    /// The names that this build has replaced. They go when the run ends; after a kill, with the next build.
    #[serde(default)]
    pub replaces: Vec<String>,
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
    /// What was read from contexts; the lines are kept apart, see [`Records::lines`].
    pub reads: Vec<ReadRecord>,
    /// The ignore files that held, by path.
    pub ignores: BTreeMap<Utf8PathBuf, String>,
}

/// What one instruction read.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadRecord {
    /// The context's folder, relative to the workspace root.
    pub folder: Utf8PathBuf,
    pub instruction: String,
    pub line: u32,
    /// Of the manifest: `sha256:…`.
    pub manifest: String,
}

impl ReadRecord {
    /// Of everything that `key` reads.
    pub fn all(key: &PlatformKey) -> Vec<Self> {
        let of_read = |read: &super::Read| Self {
            folder: read.folder.clone(),
            instruction: read.instruction.clone(),
            line: read.line,
            manifest: read.manifest.digest(),
        };
        key.reads.iter().map(of_read).collect()
    }
}

/// A manifest this young may belong to a record that another process is about to write.
const YOUNG: Duration = Duration::from_mins(10);

/// The folder of records of a workspace.
#[derive(Clone, Debug)]
pub struct Records {
    folder: Utf8PathBuf,
    /// One file a manifest, named by its hash, however many records name it.
    manifests: Utf8PathBuf,
}

impl Records {
    /// Records below `state`, see [`super::state_folder`].
    pub fn new(state: &Utf8Path) -> Self {
        Self { folder: state.join("records"), manifests: state.join("manifests") }
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
        let write = || -> anyhow::Result<()> {
            let mut bytes = serde_json::to_vec_pretty(record)?;
            bytes.push(b'\n');
            replace(&file, &bytes)?;
            Ok(())
        };
        write().with_context(|| format!("failed to record the build of {name} in {file}"))
    }

    /// Keeps the lines of everything that `key` reads, for [`Records::lines`].
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep_lines(&self, key: &PlatformKey) -> anyhow::Result<()> {
        for read in &key.reads {
            let file = self.manifest(&read.manifest.digest());
            // An empty one is what a machine that went down may have left of it.
            if !file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                let text: String = read.manifest.lines()?.iter().map(Line::to_text).collect();
                replace(&file, text.as_bytes())
                    .with_context(|| format!("failed to write {file}"))?;
            }
        }
        Ok(())
    }

    /// The lines of a recorded manifest; nothing where they were not kept.
    pub fn lines(&self, manifest: &str) -> Option<Vec<Line>> {
        Line::parse_all(&fs::read_to_string(self.manifest(manifest)).ok()?)
    }

    fn manifest(&self, digest: &str) -> Utf8PathBuf {
        self.manifests.join(digest.strip_prefix("sha256:").unwrap_or(digest))
    }

    /// Removes manifests that no record names. A failure is no error: they only take room.
    pub fn prune(&self) {
        let mut named = BTreeSet::new();
        for record in self.every_file() {
            let Some(record) = fs::read(record)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
            else {
                continue;
            };
            named.extend(record.reads.iter().map(|read| self.manifest(&read.manifest)));
        }
        for file in list(&self.manifests) {
            let age = fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
            let is_old = age.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > YOUNG);
            if is_old && !named.contains(&file) {
                let _stays = fs::remove_file(&file);
            }
        }
    }

    /// The names of all images that are recorded, each once.
    pub fn local_names(&self) -> Vec<String> {
        let name = |file: Utf8PathBuf| {
            let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
            Some(record.local_name)
        };
        let names: BTreeSet<String> = self.every_file().into_iter().filter_map(name).collect();
        names.into_iter().collect()
    }

    /// The digests of all images that are recorded.
    pub fn digests(&self) -> BTreeSet<Digest> {
        let digest = |file: Utf8PathBuf| {
            let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
            Some(record.digest)
        };
        self.every_file().into_iter().filter_map(digest).collect()
    }

    fn every_file(&self) -> Vec<Utf8PathBuf> {
        list(&self.folder).iter().flat_map(|folder| list(folder)).collect()
    }

    /// Forgets a build, so that nothing can be skipped because of it.
    pub fn forget(&self, name: &TargetName, platform: &Platform) {
        let _absent = fs::remove_file(self.file(name, platform));
    }
}

/// Writes `file` whole or not at all, whatever ends this process. Not so where the machine itself ends: what is then
/// empty or cut off cannot be read, and is no record; waiting for the disk twice an image would cost every build more.
fn replace(file: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(file)?;
    Ok(())
}

fn list(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = folder.read_dir_utf8() else { return Vec::new() };
    entries.flatten().map(camino::Utf8DirEntry::into_path).collect()
}
