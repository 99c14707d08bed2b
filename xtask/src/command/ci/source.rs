//! What workflows are made from beside the graph: where the repository is, and how its xtask is built.

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::xtask::xtask;
use crate::ci::{Source, Xtask};
use crate::command::load::Loaded;
use crate::mistake::Mistake;
use crate::workspace;

pub(super) struct Ground {
    /// Where GitHub looks for workflows.
    pub(super) repository: Utf8PathBuf,
    folder: Option<String>,
    xtask: Xtask,
}

impl Ground {
    /// # Errors
    /// Names that a workflow cannot hold.
    pub(super) fn of(root: &Utf8Path) -> anyhow::Result<Self> {
        let (repository, folder) = repository(root)?;
        Ok(Self { repository, folder, xtask: xtask(root)? })
    }

    pub(super) fn source<'s>(&'s self, loaded: &'s Loaded) -> Source<'s> {
        Source {
            config: &loaded.workspace.config,
            targets: &loaded.workspace.targets,
            graph: &loaded.graph,
            xtask: &self.xtask,
            folder: self.folder.as_deref(),
        }
    }
}

/// The root of the repository that holds the workspace, where GitHub looks for workflows, and the workspace's folder in
/// it.
fn repository(root: &Utf8Path) -> anyhow::Result<(Utf8PathBuf, Option<String>)> {
    let root = root.canonicalize_utf8().with_context(|| format!("failed to find {root}"))?;
    let top = root.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&root);
    let folder = root.strip_prefix(top).ok().map(workspace::shown).filter(|it| it != ".");
    let plain = |folder: &String| {
        folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
    };
    if let Some(folder) = folder.as_ref().filter(|folder| !plain(folder)) {
        return Err(Mistake::new(format!(
            "the workspace's folder in its repository is {folder:?}, which a workflow cannot name safely"
        ))
        .mend("name folders with letters, digits, `.`, `_` and `-`")
        .into_error());
    }
    Ok((top.to_owned(), folder))
}
