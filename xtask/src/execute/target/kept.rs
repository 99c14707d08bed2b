//! What is kept of a build for the next one: its record, and that the images which it replaced go.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::super::replaced::Names;
use super::Workshop;
use crate::engine::StoredImage;
use crate::key::{ReadRecord, Record, SCHEMA};
use crate::plan::Step;
use crate::reference::Digest;

impl Workshop<'_> {
    pub(super) fn record(
        &self,
        step: &Step,
        image: &StoredImage,
        parents: &BTreeMap<String, Digest>,
        replaced: &[String],
        seconds: f64,
    ) -> anyhow::Result<()> {
        for platform in &step.platforms {
            let Some(key) = step.keys.get(platform) else { continue };
            let record = Record {
                schema: SCHEMA,
                key: key.key.clone(),
                inputs: key.inputs.clone(),
                digest: image.id.clone(),
                bytes: Some(image.bytes),
                local_name: step.local_name(),
                replaces: replaced.to_vec(),
                parents: parents.clone(),
                engine: self.engine.endpoint.clone(),
                builder: self.builder()?.name.clone(),
                built_at: jiff::Timestamp::now().to_string(),
                seconds,
                reasons: step.reasons.clone(),
                reads: ReadRecord::all(key),
                ignores: key
                    .ignores
                    .iter()
                    .map(|(file, text)| (file.clone(), text.to_string()))
                    .collect(),
            };
            self.records.keep_lines(key)?;
            self.records.write(&step.name(), platform, &record)?;
        }
        Ok(())
    }

    /// The target's previous key tag goes, so that old content is not kept for ever.
    pub(super) fn drop_later(
        &self,
        step: &Step,
        names: Vec<String>,
        previous: &[Record],
    ) -> anyhow::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let parents = step.parents.iter().map(|edge| edge.parent.clone()).collect();
        let bytes = previous.iter().filter_map(|record| record.bytes).max().unwrap_or_default();
        let names = Names { target: step.name(), parents, names, bytes };
        let now = self.replaced.lock().unwrap_or_else(PoisonError::into_inner).add(names);
        self.untag(now)
    }

    /// Removes what builds have replaced; to be called when the last of them has ended.
    ///
    /// # Errors
    /// When the engine refuses. The next build of a target tries again.
    pub fn tidy(&self) -> anyhow::Result<()> {
        let rest = self.replaced.lock().unwrap_or_else(PoisonError::into_inner).rest();
        self.untag(rest)
    }

    fn untag(&self, groups: Vec<Vec<String>>) -> anyhow::Result<()> {
        groups.into_iter().try_for_each(|names| self.engine.untag_all(&names))
    }
}

/// The names of earlier images of `step`: of those that were recorded, and what these had replaced, of which some may be
/// left after a kill.
pub(super) fn replaced(step: &Step, previous: &[Record]) -> Vec<String> {
    let own = step.local_name();
    let mut names: Vec<String> = previous
        .iter()
        .flat_map(|record| record.replaces.iter().chain([&record.local_name]))
        .filter(|name| **name != own)
        .cloned()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
