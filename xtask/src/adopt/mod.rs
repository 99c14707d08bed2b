//! What would an existing repository's images be? Dockerfiles, and what scripts, workflows, bake and compose files do
//! with them, become the texts of `image.toml`s and of what else a workspace needs.
//!
//! Pure: texts in, texts out. Nothing is run, and what only a run knows becomes a comment. Called by `command/adopt`.

mod bake;
mod compose;
mod connect;
mod devcontainer;
mod docker;
mod found;
mod house;
mod image;
mod make;
mod merge;
mod name;
mod powershell;
mod shell;
mod text;
mod variants;
mod workflow;
mod write;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

pub use found::{Note, Repository};
pub use house::Spec;

use crate::dockerfile::{Command, Dockerfile};
use found::{Found, Kind};
use image::Image;
use merge::Merged;

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: Utf8PathBuf,
    pub text: String,
}

/// Lines that a person adds to a file that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    pub path: Utf8PathBuf,
    /// Where in it.
    pub place: String,
    pub text: String,
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Adoption {
    pub files: Vec<File>,
    pub lines: Vec<Lines>,
    /// What was seen and not taken over.
    pub notes: Vec<Note>,
    /// How many Dockerfiles there are without an image yet.
    pub dockerfiles: usize,
    /// The section `[workspace.metadata.dockyard]`.
    pub section: String,
}

/// What a workspace that is there already says.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Dockerfiles that images have.
    pub dockerfiles: BTreeSet<Utf8PathBuf>,
    /// Those whose context is the whole repository.
    pub rooted: BTreeSet<Utf8PathBuf>,
    pub ids: BTreeSet<String>,
}

/// Whether a root `Cargo.toml` has the section `[workspace.metadata.dockyard]`.
pub fn has_section(text: &str) -> bool {
    let read = text.parse::<toml::Table>().ok();
    let section =
        read.as_ref().and_then(|read| read.get("workspace")?.get("metadata")?.get("dockyard"));
    section.is_some()
}

/// Whether a tracked file's text may say something.
pub fn is_read(path: &Utf8Path) -> bool {
    if is_vendored(path) {
        return false;
    }
    let name = path.file_name().unwrap_or_default();
    let in_workflows = path.starts_with(".github/workflows") || path.starts_with(".github/actions");
    let is_yaml = matches!(path.extension(), Some("yml" | "yaml"));
    is_dockerfile(name)
        || (in_workflows && is_yaml)
        || compose::is_compose(name)
        || bake::is_bake(name)
        || is_script(name)
        || is_makefile(name)
        || [
            "devcontainer.json",
            "pyproject.toml",
            "package.json",
            "Cargo.toml",
            "setup.cfg",
            ".env",
            ".gitignore",
            "config.toml",
            "image.toml",
            "main.rs",
        ]
        .contains(&name)
        || name.ends_with(".dockerignore")
        || path.extension() == Some("env")
}

/// Dockerfiles that builds name and whose text is not known: their names do not say what they are.
pub fn wanted(repository: &Repository) -> BTreeSet<Utf8PathBuf> {
    let found = read(repository);
    let files =
        found.builds.iter().filter_map(|build| build.paths(repository).ok().map(|(file, _)| file));
    files.filter(|file| !repository.texts.contains_key(file)).collect()
}

/// Whether `path` lies in a folder of copies from elsewhere.
fn is_vendored(path: &Utf8Path) -> bool {
    path.components().any(|part| matches!(part.as_str(), "vendor" | "node_modules" | "third_party"))
}

/// By its name, as far as that says it: not a template of one, nor a program about them.
fn is_dockerfile(name: &str) -> bool {
    let lower = name.to_lowercase();
    let other = [
        "c",
        "dockerignore",
        "go",
        "h",
        "html",
        "in",
        "j2",
        "java",
        "jinja",
        "js",
        "json",
        "lock",
        "md",
        "orig",
        "py",
        "rb",
        "rs",
        "rst",
        "swp",
        "template",
        "tmpl",
        "toml",
        "tpl",
        "ts",
        "txt",
        "vim",
        "yaml",
        "yml",
    ];
    if Utf8Path::new(&lower).extension().is_some_and(|extension| other.contains(&extension)) {
        return false;
    }
    ["dockerfile", "containerfile"].iter().any(|word| {
        lower == *word
            || lower.starts_with(&format!("{word}."))
            || lower.starts_with(&format!("{word}-"))
            || lower.ends_with(&format!(".{word}"))
    })
}

fn is_script(name: &str) -> bool {
    [".sh", ".bash", ".ps1"].iter().any(|end| name.ends_with(end))
}

fn is_makefile(name: &str) -> bool {
    ["Makefile", "makefile", "GNUmakefile", "justfile"].contains(&name)
        || Utf8Path::new(name).extension() == Some("mk")
}

/// What to write for `repository`. `existing` are all its files, tracked or not; `spec` says where Dockyard comes from.
pub fn adopt(
    repository: &Repository,
    known: &Known,
    spec: Option<&Spec>,
    existing: &dyn Fn(&str) -> Option<String>,
) -> Adoption {
    let found = read(repository);
    let (dockerfiles, mut notes) = dockerfiles(repository, &found, known);
    let (mut merged, more) = merge::images(&found, &dockerfiles, &known.ids, repository);
    notes.extend(more);
    let mut prefixes = connect::connect(&mut merged, &dockerfiles, repository);
    if !known.dockerfiles.is_empty() {
        // Images that are there already are published somewhere, too.
        let (all, _) = self::dockerfiles(repository, &found, &Known::default());
        let (mut every, _) = merge::images(&found, &all, &BTreeSet::new(), repository);
        prefixes = connect::connect(&mut every, &all, repository);
    }
    let (mut files, mut lines) = image_files(&merged, existing);
    let variants = merged.iter().flat_map(|one| &one.image.variants);
    let rooted = variants
        .filter(|variant| variant.context.as_str().is_empty())
        .map(|variant| &variant.dockerfile);
    let rooted: BTreeSet<&Utf8Path> = rooted
        .chain(&known.rooted)
        .filter(|file| takes_all(file, repository))
        .map(Utf8PathBuf::as_path)
        .collect();
    let (house, house_lines) = house::files(&prefixes, spec, &rooted, existing);
    files.extend(house);
    lines.extend(house_lines);
    notes.sort();
    notes.dedup();
    Adoption {
        files,
        lines,
        notes,
        dockerfiles: dockerfiles.len(),
        section: house::section(&prefixes),
    }
}

/// Whether [`adopt`] needs to know where Dockyard comes from.
pub fn needs_spec(existing: &dyn Fn(&str) -> Option<String>) -> bool {
    house::needs_spec(existing)
}

/// Everything that the files of `repository` say of builds.
fn read(repository: &Repository) -> Found {
    let mut found = Found::default();
    for (path, text) in &repository.texts {
        let name = path.file_name().unwrap_or_default();
        if path.starts_with(".github/workflows") {
            found.extend(workflow::read(path, text, repository));
        } else if compose::is_compose(name) {
            found.extend(compose::read(path, text, repository));
        } else if bake::is_bake(name) {
            found.extend(bake::read(path, text));
        } else if is_makefile(name) {
            found.extend(make::read(path, text, repository));
        } else if name == "devcontainer.json" {
            found.extend(devcontainer::read(path, text));
        } else if is_script(name) {
            let mut folders = vec![Utf8PathBuf::new()];
            folders.extend(
                path.parent().filter(|folder| !folder.as_str().is_empty()).map(Utf8Path::to_owned),
            );
            let mut runner = shell::Runner::new(repository, path, Kind::Script, folders);
            let nodes = if path.extension() == Some("ps1") {
                powershell::parse(text, 1)
            } else {
                shell::parse(text, 1)
            };
            runner.run(&nodes);
            found.extend(runner.found);
        }
    }
    found
}

/// The Dockerfiles that no image has yet: by their names, and those that builds name.
fn dockerfiles(
    repository: &Repository,
    found: &Found,
    known: &Known,
) -> (BTreeMap<Utf8PathBuf, Dockerfile>, Vec<Note>) {
    let by_build =
        found.builds.iter().filter_map(|build| build.paths(repository).ok().map(|(file, _)| file));
    let by_name = repository
        .tracked
        .iter()
        .filter(|path| path.file_name().is_some_and(is_dockerfile) && !is_vendored(path))
        .cloned();
    let all: BTreeSet<Utf8PathBuf> = by_build.chain(by_name).collect();
    let (mut parsed, mut notes) = (BTreeMap::new(), Vec::new());
    for path in all.into_iter().filter(|path| !known.dockerfiles.contains(path)) {
        let place = crate::mistake::Place::new(&path, 1, 1);
        let Some(text) = repository.texts.get(&path) else {
            notes.push(Note {
                place,
                what: "not taken over: it is no text, or too large".to_owned(),
            });
            continue;
        };
        match Dockerfile::parse(&path, text) {
            Ok(dockerfile) => {
                parsed.insert(path, dockerfile);
            }
            Err(mistakes) => {
                let first =
                    mistakes.into_iter().next().map(|mistake| mistake.what).unwrap_or_default();
                notes.push(Note { place, what: format!("not taken over: {first}") });
            }
        }
    }
    (parsed, notes)
}

/// Whether a build copies its whole context.
fn takes_all(path: &Utf8Path, repository: &Repository) -> bool {
    let file = repository.texts.get(path).and_then(|text| Dockerfile::parse(path, text).ok());
    file.is_some_and(|file| {
        file.instructions().iter().any(|instruction| match &instruction.command {
            Command::Copy(copy) => {
                let all =
                    |source: &String| matches!(source.as_str(), "." | "./" | "/" | "*" | "./*");
                copy.from.is_none() && copy.sources.iter().any(all)
            }
            Command::Run { .. } => instruction.flags.iter().any(|flag| {
                let other = [
                    "type=cache",
                    "type=secret",
                    "type=ssh",
                    "type=tmpfs",
                    "from=",
                    "source=",
                    "src=",
                ];
                flag.starts_with("--mount=") && !other.iter().any(|other| flag.contains(other))
            }),
            _ => false,
        })
    })
}

/// An `image.toml` for each folder; lines for those that have one.
fn image_files(
    merged: &[Merged],
    existing: &dyn Fn(&str) -> Option<String>,
) -> (Vec<File>, Vec<Lines>) {
    let mut folders: BTreeMap<&Utf8Path, Vec<&Image>> = BTreeMap::new();
    for one in merged {
        folders.entry(&one.image.folder).or_default().push(&one.image);
    }
    let (mut files, mut lines) = (Vec::new(), Vec::new());
    for (folder, images) in folders {
        let path = crate::workspace::in_folder(folder, "image.toml");
        if existing(path.as_str()).is_some() {
            let text =
                images.iter().map(|image| write::table(image)).collect::<Vec<_>>().join("\n");
            let place =
                "at the end; the image that it describes alone becomes a table [image.ID], too"
                    .to_owned();
            lines.push(Lines { path, place, text });
            continue;
        }
        let text = match images.as_slice() {
            [only] => write::single(only),
            several => write::several(several),
        };
        files.push(File { path, text });
    }
    (files, lines)
}
