//! The workspace as it was at another commit, in a git worktree of its own that goes when it is dropped.

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use super::Git;
use crate::mistake::Mistake;

/// A temporary checkout.
#[derive(Debug)]
pub struct Checkout {
    repository: Utf8PathBuf,
    /// Removed when git has forgotten the worktree.
    folder: tempfile::TempDir,
    /// The workspace's folder in it.
    pub root: Utf8PathBuf,
    /// The commit that is checked out: where the histories of HEAD and of the revision part.
    pub commit: String,
}

impl Checkout {
    /// Checks out the merge base of HEAD and `revision`, away from the workspace, which would find its own images twice.
    /// Files kept by Git LFS stay pointers.
    ///
    /// # Errors
    /// A [`Mistake`] where git does not know the revision, or not enough of the history.
    pub fn merge_base(root: &Utf8Path, revision: &str) -> anyhow::Result<Self> {
        if revision.is_empty() || revision.starts_with('-') {
            return Err(Mistake::new(format!("{revision:?} is no revision"))
                .mend("name a branch, tag or commit: --since origin/main")
                .into_error());
        }
        let shell = shell(root)?;
        let ask = |command: xshell::Cmd<'_>| command.quiet().ignore_stderr().read();
        let prefix = ask(cmd!(shell, "git rev-parse --show-prefix"))
            .map_err(|_| Mistake::new(format!("{root} is in no git repository")).into_error())?;
        let is_shallow = ask(cmd!(shell, "git rev-parse --is-shallow-repository"))
            .is_ok_and(|answer| answer.trim() == "true");
        let deepen = "the clone is shallow: fetch more of it (`git fetch --unshallow`; in GitHub's checkout action `fetch-depth: 0`)";
        let name = format!("{revision}^{{commit}}");
        let known = ask(cmd!(shell, "git rev-parse --verify --quiet --end-of-options {name}"));
        let known = known.map_err(|_| {
            let mistake = Mistake::new(format!("git knows no revision {revision:?}"));
            let mend = if is_shallow { deepen } else { "fetch it, or name another" };
            mistake.mend(mend).into_error()
        })?;
        let known = known.trim();
        let commit = ask(cmd!(shell, "git merge-base HEAD {known}")).map_err(|_| {
            let mistake = Mistake::new(format!("HEAD and {revision} have no commit in common"));
            let mend = if is_shallow { deepen } else { "name a revision of the same history" };
            mistake.mend(mend).into_error()
        })?;
        Self::of(root, commit.trim(), prefix.trim())
    }

    /// Checks out HEAD itself; nothing outside a repository, or before the first commit.
    ///
    /// # Errors
    /// When git cannot make the worktree.
    pub fn head(root: &Utf8Path) -> anyhow::Result<Option<Self>> {
        let shell = shell(root)?;
        let ask = |command: xshell::Cmd<'_>| command.quiet().ignore_stderr().read().ok();
        let (Some(prefix), Some(commit)) = (
            ask(cmd!(shell, "git rev-parse --show-prefix")),
            ask(cmd!(shell, "git rev-parse --verify --quiet HEAD")),
        ) else {
            return Ok(None);
        };
        Self::of(root, commit.trim(), prefix.trim()).map(Some)
    }

    /// `commit` is a hash, and `prefix` the workspace's folder in the repository.
    fn of(root: &Utf8Path, commit: &str, prefix: &str) -> anyhow::Result<Self> {
        let shell = shell(root)?;
        let commit = commit.to_owned();
        let folder = tempfile::Builder::new().prefix("dockyard-tree-").tempdir()?;
        let path = Utf8Path::from_path(folder.path())
            .ok_or_else(|| anyhow::anyhow!("the workspace's path is not UTF-8"))?
            .join("tree");
        let checkout = Self {
            repository: root.to_owned(),
            root: path.join(prefix),
            folder,
            commit: commit.clone(),
        };
        // No hook of the repository has anything to do with a look at it.
        cmd!(
            shell,
            "git -c core.hooksPath=/dev/null worktree add --quiet --force --detach {path} {commit}"
        )
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .quiet()
        .ignore_stdout()
        .run()?;
        Ok(checkout)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Ok(shell) = shell(&self.repository) else { return };
        let path = self.folder.path().join("tree");
        // What is left over is removed with the folder, and forgotten by git's own `worktree prune`.
        let _left = cmd!(shell, "git worktree remove --force --force {path}")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run();
    }
}

impl Git {
    /// Which of `paths`, relative to `root`, git ignores and does not track.
    pub fn ignored(root: &Utf8Path, paths: &[&Utf8Path]) -> Vec<Utf8PathBuf> {
        if paths.is_empty() {
            return Vec::new();
        }
        let Ok(shell) = shell(root) else { return Vec::new() };
        let input: String = paths.iter().flat_map(|path| [path.as_str(), "\0"]).collect();
        // Status 1 says that none is.
        let output = cmd!(shell, "git check-ignore -z --stdin")
            .stdin(input)
            .quiet()
            .ignore_status()
            .output();
        let Ok(output) = output else { return Vec::new() };
        let text = String::from_utf8_lossy(&output.stdout);
        text.split_terminator('\0').map(Utf8PathBuf::from).collect()
    }
}

fn shell(root: &Utf8Path) -> anyhow::Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    Ok(shell)
}
