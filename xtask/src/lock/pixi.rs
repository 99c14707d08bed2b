//! One pixi lock: solved, replaced only where the solve succeeded, and what changed.

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::changes::{Change, of_pixi};
use super::kept::Kept;
use super::manifest::LOCK;
use crate::engine::Version;
use crate::engine::pixi::{Pixi, Request};
use crate::mistake::Mistake;

/// `pixi lock` came with this version, its `--dry-run` with that.
const LOCKS: Version = Version::new(0, 41, 0);
const DRY_RUNS: Version = Version::new(0, 64, 0);

/// A manifest whose lock is to agree with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Relative to the workspace root.
    pub manifest: Utf8PathBuf,
    /// The ids of the images in its folder.
    pub images: Vec<String>,
    /// `CONDA_OVERRIDE_CUDA`.
    pub cuda: Option<String>,
    pub upgrade: Upgrade,
}

/// What may move although the manifest allows what is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrade {
    Nothing,
    /// These packages, or all of them where none is named, of these environments, or of all.
    To {
        packages: Vec<String>,
        environments: Vec<String>,
    },
}

/// What became of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Unchanged,
    /// The lock was replaced; with `--check`, it would be.
    Changed(Vec<Change>),
}

/// Why there is no new lock. The old one is as it was.
#[derive(Debug)]
pub enum NotSolved {
    /// In pixi's own words.
    Pixi {
        said: String,
        command: String,
    },
    Other(anyhow::Error),
}

impl From<anyhow::Error> for NotSolved {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Job {
    pub fn folder(&self) -> &Utf8Path {
        self.manifest.parent().unwrap_or(Utf8Path::new(""))
    }

    pub fn lock(&self) -> Utf8PathBuf {
        self.folder().join(LOCK)
    }

    /// The words for pixi. `lock` keeps what is locked, `update` moves it.
    fn words(&self, check: bool) -> Vec<String> {
        let mut words: Vec<String> = match &self.upgrade {
            Upgrade::Nothing if check => vec!["lock".into(), "--check".into()],
            Upgrade::Nothing => vec!["lock".into()],
            Upgrade::To { environments, .. } => std::iter::once("update".to_owned())
                .chain(environments.iter().map(|name| format!("--environment={name}")))
                .collect(),
        };
        words.push("--json".to_owned());
        // `lock --check` alone writes.
        words.extend(check.then(|| "--dry-run".to_owned()));
        if let Upgrade::To { packages, .. } = &self.upgrade
            && !packages.is_empty()
        {
            words.push("--".to_owned());
            words.extend(packages.iter().cloned());
        }
        words
    }
}

/// # Errors
/// A mistake that names the version that is needed.
pub fn check_version(pixi: &Pixi<'_>, check: bool) -> Result<(), Mistake> {
    let (needed, what) =
        if check { (DRY_RUNS, "`pixi lock --dry-run`") } else { (LOCKS, "`pixi lock`") };
    match pixi.version {
        Some(version) if version < needed => {
            Err(Mistake::new(format!("{pixi} is too old: {what} came with {needed}"))
                .mend("`pixi self-update`, or name another with --pixi PATH"))
        }
        _ => Ok(()),
    }
}

/// Has pixi make the lock of `job` agree with its manifest. With `check`, nothing is written.
///
/// pixi solves in the folder itself, since manifests name other files by relative paths, and writes at its end; what it
/// leaves after a failure, an interruption or a check is put back.
///
/// # Errors
/// When pixi cannot solve it, in its own words, or the machine has trouble. The lock is then as it was.
pub fn solve(
    pixi: &Pixi<'_>,
    root: &Utf8Path,
    job: &Job,
    check: bool,
) -> Result<Outcome, NotSolved> {
    let lock = root.join(job.lock());
    let kept = Kept::of(&lock)?;
    let words = job.words(check);
    let request =
        Request { root, manifest: &job.manifest, words: &words, cuda: job.cuda.as_deref() };
    let solved = look(pixi, &request, check, &kept);
    if check || solved.is_err() {
        kept.put_back()?;
    }
    solved
}

fn look(
    pixi: &Pixi<'_>,
    request: &Request<'_>,
    check: bool,
    kept: &Kept,
) -> Result<Outcome, NotSolved> {
    let said = pixi.run(request)?;
    let changes = of_pixi(&said.stdout);
    // A check that finds something fails, too, but only once it has said what.
    let is_told = said.success || (check && changes.is_ok());
    if !is_told {
        let words = if said.stderr.trim().is_empty() { said.stdout } else { said.stderr };
        let command = pixi.shown(request).to_string();
        return Err(NotSolved::Pixi { said: words.trim_end().to_owned(), command });
    }
    let changes = changes
        .with_context(|| format!("failed to understand what `{}` printed", pixi.shown(request)))?;
    let is_changed = if check { !said.success || !changes.is_empty() } else { kept.is_changed()? };
    Ok(if is_changed { Outcome::Changed(changes) } else { Outcome::Unchanged })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pixi_is_asked() {
        let words = |upgrade: Upgrade, check| {
            let job =
                Job { manifest: "a/pixi.toml".into(), images: Vec::new(), cuda: None, upgrade };
            job.words(check).join(" ")
        };
        let to = |packages: &[&str], environments: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            Upgrade::To { packages: owned(packages), environments: owned(environments) }
        };
        assert_eq!(words(Upgrade::Nothing, false), "lock --json");
        assert_eq!(words(Upgrade::Nothing, true), "lock --check --json --dry-run");
        assert_eq!(words(to(&[], &[]), false), "update --json");
        assert_eq!(
            words(to(&["-x"], &["ml"]), true),
            "update --environment=ml --json --dry-run -- -x"
        );
    }
}
