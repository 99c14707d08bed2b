//! What instructions read from build contexts, hashed once each, however many images read it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use dockyard_context::{Context, Folder, Index, Manifest, hex};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::dockerfile::ignore::{BadPattern, Ignore};
use crate::dockerfile::{ContextRead, Reading};
use crate::mistake::{Mistake, Mistakes, Place};
use crate::workspace::{in_folder, shown};

/// One instruction's reading of a context.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    /// The context's folder, relative to the workspace root.
    pub(super) folder: &'a Utf8Path,
    pub(super) dockerfile: &'a Utf8Path,
    pub(super) read: &'a ContextRead,
}

/// What stands for the instructions that an unlocked base may have its children carry out.
pub(super) const UNKNOWN_ONBUILD: &str = "ONBUILD of the base";

/// The contexts of a workspace, each file of which is looked at once.
#[derive(Debug)]
pub struct Contexts<'a> {
    root: &'a Utf8Path,
    files: Arc<Folder>,
    index: Arc<Index>,
    ignores: Mutex<BTreeMap<Utf8PathBuf, IgnoreFile>>,
    manifests: Mutex<BTreeMap<Identity, Arc<Manifest>>>,
    /// Ignore files that are taken for written.
    unwritten: BTreeMap<Utf8PathBuf, String>,
}

/// An ignore file, parsed and as it stands.
type IgnoreFile = (Arc<Ignore>, Arc<str>);

/// The context's folder, its ignore file, and what is read.
type Identity = (Utf8PathBuf, Option<Utf8PathBuf>, String);

impl<'a> Contexts<'a> {
    /// Contexts below `root`, with the hashes that `index` remembers.
    pub fn new(root: &'a Utf8Path, index: Arc<Index>) -> Self {
        Self {
            root,
            files: Folder::new(root.to_owned()),
            index,
            ignores: Mutex::default(),
            manifests: Mutex::default(),
            unwritten: BTreeMap::new(),
        }
    }

    /// The same, where these ignore files are taken for written.
    #[must_use]
    pub fn with_unwritten(mut self, files: &BTreeMap<Utf8PathBuf, String>) -> Self {
        self.unwritten.clone_from(files);
        self
    }

    /// Reads many at once. What goes wrong is said when it is asked for.
    pub(super) fn prepare(&self, requests: &[Request<'_>]) {
        let mut distinct = BTreeMap::new();
        for request in requests {
            distinct.entry(self.identity(request)).or_insert(request);
        }
        distinct.into_par_iter().for_each(|(identity, request)| {
            if let Ok(manifest) = self.make(request, identity.1.as_deref()) {
                lock(&self.manifests).insert(identity, Arc::new(manifest));
            }
        });
    }

    /// What `request` takes from its context.
    ///
    /// # Errors
    /// A bad ignore file or a context that takes in `target/` or `.git`: a [`Mistake`]; else the machine's trouble.
    pub(super) fn read(&self, request: &Request<'_>) -> anyhow::Result<Arc<Manifest>> {
        let identity = self.identity(request);
        if let Some(known) = lock(&self.manifests).get(&identity) {
            return Ok(known.clone());
        }
        let manifest = Arc::new(self.make(request, identity.1.as_deref())?);
        lock(&self.manifests).insert(identity, manifest.clone());
        Ok(manifest)
    }

    /// The ignore file that holds for `request`, relative to the root, and its text.
    pub(super) fn ignore_text(&self, request: &Request<'_>) -> Option<(Utf8PathBuf, Arc<str>)> {
        let file = self.identity(request).1?;
        let text = lock(&self.ignores).get(&file)?.1.clone();
        Some((file, text))
    }

    /// The context's ignore file, and the hash of its text, where an empty one beside the Dockerfile takes its place. Which
    /// of them holds, depends on the frontend: to one that runs in a container, an empty file is none.
    pub(super) fn hidden_ignore(&self, request: &Request<'_>) -> Option<(Utf8PathBuf, String)> {
        let (file, text) = self.ignore_text(request)?;
        let own = in_folder(request.folder, ".dockerignore");
        if !text.is_empty() || file == own {
            return None;
        }
        let text = fs::read(self.root.join(&own)).ok()?;
        Some((own, digest_of(text)))
    }

    /// Keeps the hashes of files for the next run, where nobody else goes on with the index.
    pub(super) fn save(&mut self) {
        // A look at what is not written yet leaves nothing behind.
        if !self.unwritten.is_empty() {
            return;
        }
        if let Some(index) = Arc::get_mut(&mut self.index) {
            index.save();
        }
    }

    fn identity(&self, request: &Request<'_>) -> Identity {
        let Request { folder, dockerfile, read } = request;
        let what = match &read.reading {
            Reading::Paths { sources, excludes, parents } => {
                format!("{parents}\0{}\0\0{}", sources.join("\0"), excludes.join("\0"))
            }
            Reading::Whole { .. } if read.instruction == UNKNOWN_ONBUILD => "ONBUILD".to_owned(),
            Reading::Whole { .. } | Reading::Always { .. } => ".".to_owned(),
        };
        let is_there =
            |file: &Utf8Path| self.unwritten.contains_key(file) || self.root.join(file).is_file();
        let ignore = ignore_file(is_there, folder, dockerfile, read.context.is_some());
        ((*folder).to_owned(), ignore, what)
    }

    fn make(
        &self,
        request: &Request<'_>,
        ignore_file: Option<&Utf8Path>,
    ) -> anyhow::Result<Manifest> {
        let root = self
            .files
            .descend(request.folder)
            .unwrap_or_else(|| Folder::new(self.root.join(request.folder)));
        let mut context = Context::new(root, self.ignore(ignore_file)?);
        let selection = request.read.reading.selection();
        let is_root = request.folder.as_str().is_empty();
        if is_root && request.read.instruction == UNKNOWN_ONBUILD {
            // Nobody wrote this reading, so nobody is asked to mend it.
            context = context.without_own_output();
        } else if is_root && selection.is_whole() {
            refuse_own_output(&context, request, ignore_file)?;
        }
        Manifest::new(context, selection, &self.index)
    }

    fn ignore(&self, file: Option<&Utf8Path>) -> anyhow::Result<Arc<Ignore>> {
        let Some(file) = file else { return Ok(Arc::default()) };
        if let Some((known, _)) = lock(&self.ignores).get(file) {
            return Ok(known.clone());
        }
        let (ignore, text) = load_ignore(self.root, file, self.unwritten.get(file))?;
        let ignore = Arc::new(ignore);
        lock(&self.ignores).insert(file.to_owned(), (ignore.clone(), text.into()));
        Ok(ignore)
    }
}

/// `sha256:…`.
pub(super) fn digest_of(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes).into()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, which wins outright, else the context's own. Named contexts have
/// only their own.
fn ignore_file(
    is_there: impl Fn(&Utf8Path) -> bool,
    context: &Utf8Path,
    dockerfile: &Utf8Path,
    named: bool,
) -> Option<Utf8PathBuf> {
    let beside = (!named).then(|| Utf8PathBuf::from(format!("{dockerfile}.dockerignore")));
    let own = in_folder(context, ".dockerignore");
    beside.into_iter().chain([own]).find(|file| is_there(file))
}

fn load_ignore(
    root: &Utf8Path,
    file: &Utf8Path,
    unwritten: Option<&String>,
) -> anyhow::Result<(Ignore, String)> {
    let text = match unwritten {
        Some(text) => text.clone(),
        None => {
            fs::read_to_string(root.join(file)).with_context(|| format!("failed to read {file}"))?
        }
    };
    match Ignore::parse(&text) {
        Ok(ignore) => Ok((ignore, text)),
        Err(wrong) => {
            let mistake = |bad: BadPattern| Mistake::new(bad.why).at(Place::new(file, bad.line, 1));
            Err(wrong.into_iter().map(mistake).collect::<Mistakes>().into())
        }
    }
}

/// A context that takes in what this tool itself writes could never be up to date.
fn refuse_own_output(
    context: &Context,
    request: &Request<'_>,
    ignore_file: Option<&Utf8Path>,
) -> anyhow::Result<()> {
    let taken: Vec<&str> =
        [".git", "target"].into_iter().filter(|path| !context.ignores(path)).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let Request { dockerfile, read, .. } = request;
    let lines = taken.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(" and ");
    let file = match ignore_file {
        Some(file) => shown(file),
        None if read.context.is_some() => ".dockerignore".to_owned(),
        None => format!("{dockerfile}.dockerignore"),
    };
    Err(Mistake::new(format!(
        "{} takes {lines} of the workspace into the build context",
        read.instruction
    ))
    .at(Place::new(*dockerfile, read.line, 1))
    .mend(format!("add the lines {lines} to {file}"))
    .into_error())
}
