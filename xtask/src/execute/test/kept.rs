//! What was found out about an image, by its digest: one file a question, written whole or not at all.
//!
//! Losing all of it costs time, never correctness; a file that cannot be read, or answers something else, is none.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reference::{Digest, Platform};

/// A result that nobody has asked for so long goes. It is found out again where it is needed.
const OLD: Duration = Duration::from_hours(24 * 90);

/// Results of one kind.
#[derive(Debug)]
pub(super) struct Kept {
    folder: Utf8PathBuf,
}

/// What a result belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) identity: &'a Digest,
    pub(super) platform: &'a Platform,
    /// The hash of what was asked.
    pub(super) definition: &'a str,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<T> {
    identity: Digest,
    platform: Platform,
    definition: String,
    /// RFC 3339.
    at: String,
    answer: T,
}

impl Kept {
    /// Results in `folder`; old ones go.
    pub(super) fn new(folder: Utf8PathBuf) -> Self {
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            if age.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > OLD) {
                let _taken = fs::remove_file(entry.path());
            }
        }
        Self { folder }
    }

    pub(super) fn read<T: DeserializeOwned>(&self, question: Question<'_>) -> Option<T> {
        let bytes = fs::read(self.file(question)).ok()?;
        let answer: Answer<T> = serde_json::from_slice(&bytes).ok()?;
        let fits = answer.identity == *question.identity
            && answer.platform == *question.platform
            && answer.definition == question.definition;
        fits.then_some(answer.answer)
    }

    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write<T: Serialize>(
        &self,
        question: Question<'_>,
        answer: T,
    ) -> anyhow::Result<()> {
        let file = self.file(question);
        let answer = Answer {
            identity: question.identity.clone(),
            platform: question.platform.clone(),
            definition: question.definition.to_owned(),
            at: jiff::Timestamp::now().to_string(),
            answer,
        };
        let mut bytes = serde_json::to_vec_pretty(&answer)?;
        bytes.push(b'\n');
        replace(&self.folder, &file, &bytes).with_context(|| format!("failed to write {file}"))
    }

    fn file(&self, question: Question<'_>) -> Utf8PathBuf {
        let beginning = |text: &str| text.chars().take(32).collect::<String>();
        let (identity, definition) = (question.identity.hex(), question.definition);
        let platform = question.platform.slug();
        self.folder.join(format!(
            "{}-{platform}-{}.json",
            beginning(identity),
            beginning(definition)
        ))
    }
}

fn replace(folder: &Utf8Path, file: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_to_its_own_question_only() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(Utf8Path::from_path(folder.path()).unwrap().join("kept"));
        let digest =
            |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().unwrap();
        let (one, other) = (digest("1"), digest("2"));
        let (amd, arm) = ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
        let asked = Question { identity: &one, platform: &amd, definition: "abc" };
        assert_eq!(kept.read::<u32>(asked), None);
        kept.write(asked, 7).unwrap();
        assert_eq!(kept.read::<u32>(asked), Some(7));
        for question in [
            Question { identity: &other, ..asked },
            Question { platform: &arm, ..asked },
            Question { definition: "abd", ..asked },
        ] {
            assert_eq!(kept.read::<u32>(question), None, "{question:?}");
            // Nor where the file lies under the other's name.
            fs::copy(kept.file(asked), kept.file(question)).unwrap();
            assert_eq!(kept.read::<u32>(question), None, "{question:?}");
        }
        fs::write(kept.file(asked), "{").unwrap();
        assert_eq!(kept.read::<u32>(asked), None);
    }
}
