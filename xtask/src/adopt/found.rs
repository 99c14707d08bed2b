//! What a script, a workflow or a file of targets says about a build, as far as it can be read.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::text::Text;
use crate::mistake::Place;
use crate::reference::Platform;
use crate::workspace::{Channel, clean, in_folder};

/// The repository, as an absolute path in texts that are read: `cd "$(git rev-parse --show-toplevel)"` leads there.
pub(super) const ROOT: &str = "//repository";

/// What is read of a repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// Its folder's name.
    pub name: String,
    /// `owner/name` at GitHub, of the remote `origin`.
    pub github: Option<String>,
    /// Every tracked path.
    pub tracked: BTreeSet<Utf8PathBuf>,
    /// The texts of those that may say something.
    pub texts: BTreeMap<Utf8PathBuf, String>,
}

impl Repository {
    /// Whether something tracked lies at or below `path`.
    pub(super) fn has(&self, path: &Utf8Path) -> bool {
        let mut from = self.tracked.range(path.to_owned()..);
        path.as_str().is_empty() || from.next().is_some_and(|first| first.starts_with(path))
    }
}

/// What kind of file a build was found in, those that publish first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Workflow,
    Bake,
    Script,
    Compose,
    Devcontainer,
}

/// A name that a build gives its image: a reference, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub text: Text,
    /// The one channel on which it is given, where that is known.
    pub channel: Option<Channel>,
}

impl Name {
    pub(super) fn always(text: Text) -> Self {
        Self { text, channel: None }
    }
}

/// Where the value of a build secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    Env(String),
    File(Text),
}

/// One build, as it was found.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub place: Place,
    pub kind: Kind,
    /// What its file calls it: a bake target, a service, an entry of a matrix.
    pub label: Option<String>,
    /// Where it may be run, the likeliest first; relative to the repository's root.
    pub folders: Vec<Utf8PathBuf>,
    pub context: Text,
    pub dockerfile: Option<Text>,
    /// The Dockerfile is relative to the context, not to where the build is run.
    pub beside_context: bool,
    pub stage: Option<Text>,
    pub args: BTreeMap<String, Text>,
    pub platforms: Vec<String>,
    pub names: Vec<Name>,
    pub contexts: BTreeMap<String, Text>,
    pub secrets: BTreeMap<String, Secret>,
    pub ssh: bool,
    /// The mode of a cache in a registry.
    pub cache: Option<String>,
    pub pushed: bool,
    /// What could not be taken over.
    pub notes: Vec<String>,
}

impl Build {
    pub(super) fn new(place: Place, kind: Kind) -> Self {
        Self {
            place,
            kind,
            label: None,
            folders: vec![Utf8PathBuf::new()],
            context: Text::known("."),
            dockerfile: None,
            beside_context: false,
            stage: None,
            args: BTreeMap::new(),
            platforms: Vec::new(),
            names: Vec::new(),
            contexts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ssh: false,
            cache: None,
            pushed: false,
            notes: Vec::new(),
        }
    }

    /// `--platform a,b`, `platforms: a,b`.
    pub(super) fn add_platforms(&mut self, text: &Text) {
        for part in text.parts(|c| c == ',' || c.is_whitespace()) {
            match part.as_known().map(|known| (known, known.parse::<Platform>())) {
                // The machine's own, for what is no image.
                Some(("local", _)) => {}
                Some((_, Ok(platform))) => {
                    let platform = platform.to_string();
                    if !self.platforms.contains(&platform) {
                        self.platforms.push(platform);
                    }
                }
                _ => self.notes.push(format!("the platform `{part}` is not known")),
            }
        }
    }

    /// `NAME=VALUE`; without a value, the variable's of the caller.
    pub(super) fn add_arg(&mut self, text: &Text) {
        let split = text.split_once('=');
        let name = split.as_ref().map_or(text, |(name, _)| name).as_known().map(str::to_owned);
        match (name, split) {
            (Some(name), Some((_, value))) => {
                self.args.insert(name, value);
            }
            (Some(name), None) => {
                self.args.insert(name.clone(), Text::unknown(format!("${name}")));
            }
            (None, _) => self.notes.push(format!("the build argument `{text}` has no known name")),
        }
    }

    /// `type=registry,ref=…,mode=max`.
    pub(super) fn add_cache(&mut self, text: &Text) {
        let fields = text.parts(|c| c == ',');
        let value = |key: &str| fields.iter().find_map(|field| field.strip_prefix(key));
        let kind = value("type=");
        if kind.is_none_or(|kind| kind.as_known() == Some("registry")) {
            let mode = value("mode=").and_then(|mode| mode.as_known().map(str::to_owned));
            self.cache = Some(mode.unwrap_or_else(|| "min".to_owned()));
        }
    }

    /// `id=NAME,env=VARIABLE` or `id=NAME,src=FILE`.
    pub(super) fn add_secret(&mut self, text: &Text) {
        let fields = text.parts(|c| c == ',');
        let value = |keys: &[&str]| {
            keys.iter().find_map(|key| fields.iter().find_map(|field| field.strip_prefix(key)))
        };
        let Some(id) = value(&["id="]).and_then(|id| id.as_known().map(str::to_owned)) else {
            self.notes.push(format!("the secret `{text}` has no known id"));
            return;
        };
        let secret = match (value(&["env="]), value(&["src=", "source="])) {
            (_, Some(file)) => Secret::File(file),
            (Some(name), None) => Secret::Env(name.as_known().unwrap_or(&id).to_owned()),
            (None, None) => Secret::Env(id.clone()),
        };
        self.secrets.insert(id, secret);
    }

    /// The Dockerfile and the context below the repository's root.
    ///
    /// # Errors
    /// Why they are not known.
    pub(super) fn paths(
        &self,
        repository: &Repository,
    ) -> Result<(Utf8PathBuf, Utf8PathBuf), String> {
        let known = |what: &str, text: &Text| {
            let unknown = || format!("{what} `{text}` is known only when it runs");
            text.as_known().map(str::to_owned).ok_or_else(unknown)
        };
        let context = known("the context", &self.context)?;
        if context == "-" || context.contains("://") || context.starts_with("git@") {
            return Err(format!("the context {context:?} is not in this repository"));
        }
        let file =
            self.dockerfile.as_ref().map(|text| known("the Dockerfile", text)).transpose()?;
        let mut looked_for = None;
        for folder in &self.folders {
            let Some(context) = joined(folder, &context) else { continue };
            let file = match &file {
                None => Some(in_folder(&context, "Dockerfile")),
                Some(file) => joined(if self.beside_context { &context } else { folder }, file),
            };
            let Some(file) = file else { continue };
            if repository.tracked.contains(&file) {
                return Ok((file, context));
            }
            looked_for.get_or_insert(file);
        }
        Err(match looked_for {
            Some(file) => format!("there is no Dockerfile {file}"),
            None => "its paths lead out of the repository".to_owned(),
        })
    }
}

/// `text` seen from `folder`, below the repository's root; nothing where it leads out of it.
pub(super) fn joined(folder: &Utf8Path, text: &str) -> Option<Utf8PathBuf> {
    match text.strip_prefix(ROOT) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            clean(rest.trim_start_matches('/').into())
        }
        _ if text.starts_with('/') => None,
        _ => clean(&folder.join(text)),
    }
}

/// `docker tag FROM TO`.
#[derive(Clone, Debug)]
pub(super) struct Retag {
    pub place: Place,
    pub from: Text,
    pub to: Text,
}

/// Something that was seen and could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    pub place: Place,
    pub what: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub builds: Vec<Build>,
    pub retags: Vec<Retag>,
    /// References that are pushed.
    pub pushes: Vec<Text>,
    /// Compose or bake files whose images are pushed; the folders where that is run.
    pub pushed_files: BTreeSet<Utf8PathBuf>,
    pub notes: Vec<Note>,
}

impl Found {
    pub(super) fn extend(&mut self, other: Self) {
        self.builds.extend(other.builds);
        self.retags.extend(other.retags);
        self.pushes.extend(other.pushes);
        self.pushed_files.extend(other.pushed_files);
        self.notes.extend(other.notes);
    }

    pub(super) fn note(&mut self, place: Place, what: impl Into<String>) {
        self.notes.push(Note { place, what: what.into() });
    }
}
