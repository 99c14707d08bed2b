//! What does this workspace say? Files become typed values here: the configuration, every `image.toml`, the
//! Dockerfiles' texts, versions and facts from files, and the git state.
//!
//! It decides nothing: which image needs which is `graph`'s question, what an image is made of is `key`'s.
//! Called by `command`, once a run.

mod checkout;
mod ci;
mod config;
mod facts;
mod files;
mod git;
mod image;
mod images_lock;
mod layer;
mod lookup;
mod options;
mod paths;
mod read;
mod settings;
mod tests_section;
mod values;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

pub use checkout::Checkout;
pub use ci::Ci;
pub(crate) use config::is_secret_name;
pub use config::{Attestations, BaseRecipe, Config, Policy, RegistryLogin, Scanner, repository_of};
pub use facts::GIVEN as GIVEN_FACTS;
pub use git::{Commit, Git};
pub(crate) use image::default_id;
pub use images_lock::{IMAGES_LOCK, LockedImage, images_lock_text, parse_images_lock};
pub use lookup::{matching, pixi_versions};
pub(crate) use paths::clean;
pub use paths::{in_folder, shown};
pub use read::{Placed, nearest};
pub use settings::{
    BuildOptions, ByChannel, Cache, Channel, ContextSource, Fact, FactSource, Gpus, HttpTest,
    InFile, LockKind, PixiSettings, SecretSource, Target, TargetName, Template, TestRun,
    TestSettings, VersionSource,
};
pub(crate) use tests_section::parse_duration;
pub use version::Version;

use crate::mistake::{Mistake, Mistakes, Place};
use crate::reference::Reference;
use files::{image_files, read_text};
use read::Source;

/// The file that makes a folder an image's.
const IMAGE_FILE: &str = "image.toml";

/// A workspace as its files describe it. Paths are relative to `root`.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub root: Utf8PathBuf,
    pub config: Config,
    /// Sorted by id; the variants of an image in the order of their names.
    pub targets: Vec<Target>,
    pub git: Git,
    /// The text of every Dockerfile that a target names.
    pub dockerfiles: BTreeMap<Utf8PathBuf, String>,
    /// `images.lock`; empty where there is none.
    pub lock: BTreeMap<Reference, LockedImage>,
    /// Files that are taken for written, by [`Workspace::load_with`].
    pub unwritten: BTreeMap<Utf8PathBuf, String>,
}

/// The nearest folder at or above `start` whose `Cargo.toml` has `[workspace.metadata.dockyard]`.
///
/// # Errors
/// When there is none, or a `Cargo.toml` on the way cannot be read.
pub fn find_root(start: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    for folder in start.ancestors() {
        let file = folder.join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if text.contains("dockyard") {
            let source = Source { file: "Cargo.toml".into(), text };
            if config::read(&source).is_ok_and(|config| config.is_none()) {
                continue;
            }
            return Ok(folder.to_owned());
        }
    }
    Err(Mistake::new(format!("no Dockyard workspace at or above {start}"))
        .mend("add [workspace.metadata.dockyard] to the root Cargo.toml, or name the folder with --root")
        .into_error())
}

/// What could be read of a workspace, and what could not: whoever goes on with the first adds to the mistakes, so that
/// one run reports those of every stage.
#[derive(Debug)]
pub struct Reading {
    pub workspace: Workspace,
    pub gaps: Gaps,
    pub mistakes: Mistakes,
}

/// What is missing because of mistakes, and must not be taken for absent.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    pub config: bool,
    /// There are images that could not be read.
    pub images: bool,
    /// Targets whose version or facts could not be read.
    pub values: BTreeSet<TargetName>,
}

impl Workspace {
    /// Reads everything below `root`.
    ///
    /// # Errors
    /// [`Mistakes`] when there is no workspace. Other errors are the machine's.
    pub fn load(root: &Utf8Path) -> anyhow::Result<Reading> {
        Self::load_with(root, &BTreeMap::new())
    }

    /// As [`Workspace::load`], as if the root `Cargo.toml`, the `image.toml`s and the ignore files in `unwritten` were there;
    /// what is there gives way.
    ///
    /// # Errors
    /// As [`Workspace::load`].
    pub fn load_with(
        root: &Utf8Path,
        unwritten: &BTreeMap<Utf8PathBuf, String>,
    ) -> anyhow::Result<Reading> {
        let root = root.canonicalize_utf8().map_err(|_| {
            Mistake::new(format!("there is no folder {root}"))
                .mend("name the workspace's root folder with --root")
                .into_error()
        })?;
        let git_root = root.clone();
        let git = std::thread::spawn(move || Git::read(&git_root));
        let mut files = image_files(&root)?;
        files.extend(unwritten.keys().filter(|file| file.file_name() == Some(IMAGE_FILE)).cloned());
        files.sort();
        files.dedup();

        let mut mistakes = Mistakes::default();
        let mut gaps = Gaps::default();
        let config = match unwritten.get(Utf8Path::new("Cargo.toml")) {
            Some(text) => config_of(text.clone()),
            None => read_config(&root)?,
        };
        let config = mistakes.take(config);
        gaps.config = config.is_none();
        let config = config.unwrap_or_default();
        let fallback = root.file_name().unwrap_or("image");
        let mut targets = Vec::new();
        for file in files {
            let text = unwritten
                .get(&file)
                .map_or_else(|| read_text(&root, &file), |text| Ok(text.clone()));
            match text {
                Ok(text) => {
                    let source = Source { file, text };
                    let read = mistakes.take(image::read(&source, &config, fallback));
                    gaps.images |= read.is_none();
                    targets.extend(read.unwrap_or_default());
                }
                Err(unreadable) => {
                    gaps.images = true;
                    mistakes.push(unreadable.at(Place::new(file, 1, 1), None));
                }
            }
        }
        targets.sort_by(|a, b| (&a.id, &a.variant, &a.place).cmp(&(&b.id, &b.variant, &b.place)));
        mistakes.extend(doubles(&targets));

        let git = git.join().unwrap_or_default();
        let lock = mistakes.take(read_lock(&root)).unwrap_or_default();
        let mut workspace = Self {
            root,
            config,
            targets,
            git,
            dockerfiles: BTreeMap::new(),
            lock,
            unwritten: unwritten.clone(),
        };
        workspace.read_dockerfiles(&mut mistakes);
        workspace.check_folders(&mut mistakes);
        workspace.read_values(&mut mistakes, &mut gaps.values);
        Ok(Reading { workspace, gaps, mistakes })
    }

    /// The `ONBUILD` triggers of the bases of which they are known.
    pub fn triggers(&self) -> BTreeMap<Reference, Vec<String>> {
        let of_lock = |(reference, image): (&Reference, &LockedImage)| {
            (reference.clone(), image.onbuild.clone())
        };
        self.lock.iter().map(of_lock).collect()
    }

    fn read_dockerfiles(&mut self, mistakes: &mut Mistakes) {
        for target in &self.targets {
            let Placed { value: file, place } = &target.dockerfile;
            if self.dockerfiles.contains_key(file) {
                continue;
            }
            match read_text(&self.root, file) {
                Ok(text) => {
                    self.dockerfiles.insert(file.clone(), text);
                }
                Err(mut unreadable) => {
                    if unreadable.place.is_none() {
                        unreadable.why =
                            format!("the Dockerfile of {}: {}", target.id, unreadable.why);
                    }
                    let mend = "create it, or name another with `dockerfile = \"PATH\"`";
                    mistakes.push(unreadable.at(place.clone(), Some(mend)));
                }
            }
        }
    }

    /// Contexts must be folders, and must not lead out of the workspace by a symbolic link.
    fn check_folders(&self, mistakes: &mut Mistakes) {
        let mut seen: BTreeMap<&Utf8Path, Option<String>> = BTreeMap::new();
        for target in &self.targets {
            let named = target.contexts.iter().filter_map(|(name, source)| match source {
                ContextSource::Folder(folder) => {
                    let place = target.context_places.get(name).unwrap_or(&target.place);
                    Some((format!("the context {name:?}"), folder.as_path(), place))
                }
                ContextSource::Image(_) => None,
            });
            let main = ("the context".to_owned(), target.context.as_path(), &target.context_place);
            for (what, folder, place) in named.chain([main]) {
                let wrong = seen.entry(folder).or_insert_with(|| self.wrong_folder(folder));
                if let Some(why) = wrong {
                    mistakes.push(
                        Mistake::new(format!("{what} of {}: {why}", target.id))
                            .at(place.clone())
                            .mend("name a folder of the workspace: relative to this file's, or from the root with a leading `/`"),
                    );
                }
            }
        }
    }

    fn wrong_folder(&self, folder: &Utf8Path) -> Option<String> {
        let shown = shown(folder);
        match self.root.join(folder).canonicalize_utf8() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("there is no folder {shown}"))
            }
            Err(error) => Some(format!("the folder {shown} cannot be opened: {error}")),
            Ok(path) if !path.is_dir() => Some(format!("{shown} is not a folder")),
            Ok(path) if !path.starts_with(&self.root) => {
                Some(format!("the folder {shown} leads out of the workspace, to {path}"))
            }
            Ok(_) => None,
        }
    }
}

/// The targets that these `image.toml`s describe under the configuration `config`, for tests of pure modules.
#[cfg(test)]
pub(crate) fn targets_of(config: &str, files: &[(String, String)]) -> Vec<Target> {
    let text = format!("[workspace.metadata.dockyard]\n{config}\n");
    let config = config::read(&Source { file: "Cargo.toml".into(), text }).unwrap().unwrap();
    let read = |(file, text): &(String, String)| {
        let source = Source { file: file.into(), text: text.clone() };
        image::read(&source, &config, "root").unwrap()
    };
    let mut targets: Vec<Target> = files.iter().flat_map(read).collect();
    for target in &mut targets {
        if let Some(VersionSource::Literal(text)) = &target.version {
            target.known_version = text.value.parse().ok();
        }
    }
    targets
}

fn read_config(root: &Utf8Path) -> anyhow::Result<Result<Config, Mistakes>> {
    let file = root.join("Cargo.toml");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Mistake::new(format!("there is no {file}"))
                .mend("name the workspace's root folder with --root")
                .into_error());
        }
        read => read.with_context(|| format!("failed to read {file}"))?,
    };
    Ok(config_of(text))
}

fn config_of(text: String) -> Result<Config, Mistakes> {
    let source = Source { file: "Cargo.toml".into(), text };
    match config::read(&source) {
        Ok(Some(config)) => Ok(config),
        Ok(None) => Err(Mistake::new("there is no [workspace.metadata.dockyard] section")
            .at(Place::new("Cargo.toml", 1, 1))
            .mend("add one; it may be empty")
            .into()),
        Err(mistakes) => Err(mistakes),
    }
}

/// Two images of one id.
fn doubles(targets: &[Target]) -> Vec<Mistake> {
    let mut first: BTreeMap<&str, &Target> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for target in targets {
        let known = first.entry(target.id.as_str()).or_insert(target);
        let same_image = known.place.file == target.place.file
            && known.variant.is_some() == target.variant.is_some()
            && known.variant != target.variant;
        if !std::ptr::eq(*known, target) && !same_image {
            mistakes.push(
                Mistake::new(format!(
                    "two images have the id {:?}; the other is at {}",
                    target.id.as_str(),
                    known.place
                ))
                .at(target.place.clone())
                .mend("give one of them another `id`"),
            );
        }
    }
    mistakes
}

fn read_lock(root: &Utf8Path) -> Result<BTreeMap<Reference, LockedImage>, Mistake> {
    match fs::read_to_string(root.join(IMAGES_LOCK)) {
        Ok(text) => parse_images_lock(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(Mistake::new(format!("it cannot be read: {error}")).at(Place::new(
            IMAGES_LOCK,
            1,
            1,
        ))),
    }
}
