//! Builds that make the same image become one: what one says and another does not is added, what they say differently
//! becomes variants, or a doubt.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::found::{Build, Found, Kind, Note, Repository};
use super::image::{Image, Variant, Version};
use super::name::{Tagged, id_of};
use super::text::Text;
use super::variants;
use crate::dockerfile::Dockerfile;

/// A build whose paths are known.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) build: Build,
    pub(super) dockerfile: Utf8PathBuf,
    pub(super) context: Utf8PathBuf,
    pub(super) names: Vec<Tagged>,
}

impl Resolved {
    pub(super) fn is_published(&self) -> bool {
        self.build.pushed || self.names.iter().any(|name| name.pushed || name.prefix.is_some())
    }

    /// Those that publish first, then by the kind of their file.
    fn rank(&self) -> (bool, Kind, &crate::mistake::Place) {
        (!self.names.iter().any(|name| name.pushed), self.build.kind, &self.build.place)
    }

    pub(super) fn stage(&self) -> Option<&str> {
        self.build.stage.as_ref().and_then(Text::as_known)
    }
}

/// Images with the builds that each was made of.
pub(super) struct Merged {
    pub(super) image: Image,
    /// By variant, in the same order.
    pub(super) builds: Vec<Vec<Resolved>>,
}

/// Every image that was found, and what could not be taken over.
pub(super) fn images(
    found: &Found,
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
    taken: &BTreeSet<String>,
    repository: &Repository,
) -> (Vec<Merged>, Vec<Note>) {
    let mut notes = found.notes.clone();
    let mut builds = resolve(found, dockerfiles, repository, &mut notes);
    add_tags(&mut builds, found, &mut notes);
    builds.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let any_published = builds.iter().any(Resolved::is_published);

    let mut merged: Vec<Merged> = Vec::new();
    let mut ids = taken.clone();
    for group in groups(builds) {
        let image = image(group, any_published, dockerfiles, repository);
        merged.push(image);
    }
    // A Dockerfile that nothing builds is an image all the same.
    let built: BTreeSet<Utf8PathBuf> = merged
        .iter()
        .flat_map(|one| &one.image.variants)
        .map(|variant| variant.dockerfile.clone())
        .collect();
    for (file, dockerfile) in dockerfiles.iter().filter(|(file, _)| !built.contains(*file)) {
        merged.push(unbuilt(file, dockerfile, any_published, repository));
    }
    for one in &mut merged {
        let wanted = one.image.id.clone();
        let folder =
            one.image.folder.file_name().map(|folder| id_of(&format!("{folder}-{wanted}")));
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let free = std::iter::once(wanted.clone())
            .chain(folder)
            .chain(numbered)
            .find(|id| !ids.contains(id));
        one.image.id = free.unwrap_or(wanted);
        ids.insert(one.image.id.clone());
    }
    (merged, notes)
}

/// The builds whose Dockerfile is known. Of one place, what is known of one run speaks for the others.
fn resolve(
    found: &Found,
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
    repository: &Repository,
    notes: &mut Vec<Note>,
) -> Vec<Resolved> {
    let mut builds = Vec::new();
    let mut missing = Vec::new();
    for build in &found.builds {
        match build.paths(repository) {
            Ok((dockerfile, context)) if dockerfiles.contains_key(&dockerfile) => {
                let mut build = build.clone();
                let mut names: Vec<Tagged> = Vec::new();
                for name in &build.names {
                    match Tagged::of(&name.text, name.channel) {
                        Some(tagged) => names.push(Tagged { pushed: build.pushed, ..tagged }),
                        None => build.notes.push(format!("the name `{}` is not known", name.text)),
                    }
                }
                builds.push(Resolved { build, dockerfile, context, names });
            }
            Ok((dockerfile, _)) => missing.push(Note {
                place: build.place.clone(),
                what: format!("{dockerfile} cannot be read, or has an image.toml already"),
            }),
            Err(why) => missing
                .push(Note { place: build.place.clone(), what: format!("not taken over: {why}") }),
        }
    }
    let known: BTreeSet<_> = builds.iter().map(|one| one.build.place.clone()).collect();
    notes.extend(
        missing
            .into_iter()
            .filter(|note| !known.contains(&note.place) && !note.what.ends_with("already")),
    );
    builds
}

/// `docker tag` and `docker push`.
fn add_tags(builds: &mut [Resolved], found: &Found, notes: &mut Vec<Note>) {
    for retag in &found.retags {
        let from = Tagged::of(&retag.from, None);
        let to = Tagged::of(&retag.to, None);
        let (Some(from), Some(to)) = (from, to) else {
            notes.push(Note {
                place: retag.place.clone(),
                what: format!("not taken over: the tag `{}` for `{}`", retag.to, retag.from),
            });
            continue;
        };
        for one in builds.iter_mut().filter(|one| one.names.iter().any(|name| name.same(&from))) {
            if !one.names.iter().any(|name| name.same(&to)) {
                one.names.push(to.clone());
            }
        }
    }
    let pushed: Vec<(Tagged, bool)> = found
        .pushes
        .iter()
        .filter_map(|text| {
            Some((Tagged::of(text, None)?, super::name::split_tag(text).1.is_none()))
        })
        .collect();
    for one in builds.iter_mut() {
        let file = one.build.place.file.parent().unwrap_or(Utf8Path::new(""));
        let of_file = matches!(one.build.kind, Kind::Bake | Kind::Compose)
            && found
                .pushed_files
                .iter()
                .any(|folder| folder == file || one.build.folders.contains(folder));
        for name in &mut one.names {
            let by_command = pushed.iter().any(|(pushed, all)| {
                name.same(pushed)
                    || (*all && name.prefix == pushed.prefix && name.last == pushed.last)
            });
            // Without a registry, `push` sends nothing anywhere that this tool could.
            name.pushed |= by_command || (of_file && name.prefix.is_some());
        }
    }
}

/// Builds of one image together: those that share a repository, or the Dockerfile and the last part of a name.
fn groups(builds: Vec<Resolved>) -> Vec<Vec<Resolved>> {
    let mut groups: Vec<Vec<Resolved>> = Vec::new();
    let (named, nameless): (Vec<Resolved>, Vec<Resolved>) =
        builds.into_iter().partition(|one| !one.names.is_empty());
    for build in named {
        let (mut own, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| is_one(&build, other)));
        groups = others;
        let mut joined: Vec<Resolved> = own.drain(..).flatten().collect();
        joined.push(build);
        groups.push(joined);
    }
    // What is built for a test, under a name of its own, is the one image that is published from that Dockerfile.
    let (published, local): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.iter().any(Resolved::is_published));
    let mut groups = published;
    for group in local {
        join_by_file(&mut groups, group, |group| group.iter().any(Resolved::is_published));
    }
    for build in nameless {
        join_by_file(&mut groups, vec![build], |_| true);
    }
    groups
}

/// Joins `group` to the one group that builds the same Dockerfile and stage, else adds it.
fn join_by_file(
    groups: &mut Vec<Vec<Resolved>>,
    mut group: Vec<Resolved>,
    counts: impl Fn(&[Resolved]) -> bool,
) {
    let same = |other: &Vec<Resolved>| {
        counts(other)
            && group.iter().all(|one| {
                other.iter().any(|two| {
                    one.dockerfile == two.dockerfile
                        && (one.names.is_empty() || one.stage() == two.stage())
                })
            })
    };
    let found: Vec<usize> =
        groups.iter().enumerate().filter(|(_, other)| same(other)).map(|(at, _)| at).collect();
    match found.as_slice() {
        [one] => {
            for build in &mut group {
                build.names.clear();
            }
            groups[*one].extend(group);
        }
        _ => groups.push(group),
    }
}

fn is_one(a: &Resolved, b: &Resolved) -> bool {
    a.names.iter().any(|one| {
        b.names.iter().any(|two| {
            one.last == two.last && (a.dockerfile == b.dockerfile || (one.prefix == two.prefix))
        })
    })
}

fn image(
    builds: Vec<Resolved>,
    any_published: bool,
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
    repository: &Repository,
) -> Merged {
    let mut builds = builds;
    builds.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let names: Vec<&Tagged> = builds.iter().flat_map(|one| &one.names).collect();
    let pushed: Vec<&Tagged> = names.iter().copied().filter(|name| name.pushed).collect();
    let leading = pushed.iter().chain(&names).next();
    let file = Image::common_folder(builds.iter().map(|one| one.dockerfile.as_path()));
    let label = builds.iter().find_map(|one| one.build.label.clone());
    let id = match (leading, label) {
        (Some(name), _) => name.last.clone(),
        (None, Some(label)) => id_of(&label),
        (None, None) => default_id(&builds[0].dockerfile, repository),
    };

    let mut repositories: Vec<String> = Vec::new();
    let publishing = if pushed.is_empty() { &names } else { &pushed };
    for written in publishing.iter().filter_map(|name| name.written()) {
        if !repositories.contains(&written) {
            repositories.push(written);
        }
    }
    let mut doubts = BTreeSet::new();
    for name in publishing.iter().filter(|name| name.prefix.as_ref().is_some_and(Text::has_unknown))
    {
        let prefix = name.prefix.clone().unwrap_or_default();
        doubts.insert(format!(
            "it is published below `{prefix}`, which is known only when that runs: write it into `registries`, or use `cargo xtask push --user`"
        ));
    }
    let is_published = builds.iter().any(Resolved::is_published);
    let local = builds.iter().all(|one| one.build.kind == Kind::Devcontainer);
    if any_published && !is_published && !local {
        doubts.insert("nothing was found that publishes it, so it stays local".to_owned());
    }
    let version = version(&builds);
    let places = builds.iter().map(|one| one.build.place.clone()).collect();
    doubts.extend(builds.iter().flat_map(|one| {
        one.build.notes.iter().map(|note| format!("{}: {note}", line(&one.build.place)))
    }));
    let (variants, builds) = variants::of(builds, &id, version.as_ref(), dockerfiles, &mut doubts);
    let image = Image {
        id,
        folder: file,
        repositories,
        publish: is_published || !any_published,
        version,
        variants,
        places,
        doubts,
    };
    Merged { image, builds }
}

/// `file:line`.
pub(super) fn line(place: &crate::mistake::Place) -> String {
    format!("{}:{}", place.file, place.line)
}

/// Where the version in the tags comes from; else the one tag that is a version.
fn version(builds: &[Resolved]) -> Option<Version> {
    let names = || builds.iter().flat_map(|one| &one.names);
    let values = builds.iter().flat_map(|one| one.build.args.values());
    let mut texts = names().filter_map(|name| name.tag.as_ref()).chain(values);
    if let Some(from) = texts.find_map(|text| text.version.clone()) {
        return Some(Version::From(from));
    }
    let literal = |text: &str| {
        text.split('.').count() == 3
            && !text.contains('-')
            && text.parse::<crate::workspace::Version>().is_ok()
    };
    let known =
        names().filter_map(|name| name.tag.as_ref()?.as_known().filter(|text| literal(text)));
    let versions: BTreeSet<&str> = known.collect();
    let [version] = versions.into_iter().collect::<Vec<_>>()[..] else { return None };
    Some(Version::Literal(version.to_owned()))
}

/// What an image is called that nothing names: its folder, and what the Dockerfile's name adds.
fn default_id(file: &Utf8Path, repository: &Repository) -> String {
    let folder = file.parent().and_then(Utf8Path::file_name).unwrap_or(&repository.name);
    let name = file.file_name().unwrap_or_default();
    let lower = name.to_lowercase();
    let more = ["dockerfile.", "containerfile."].iter().find_map(|start| lower.strip_prefix(start));
    let more = more.or_else(|| lower.strip_suffix(".dockerfile"));
    id_of(&more.map_or_else(|| folder.to_owned(), |more| format!("{folder}-{more}")))
}

/// An image of a Dockerfile that no command builds.
fn unbuilt(
    file: &Utf8Path,
    dockerfile: &Dockerfile,
    any_published: bool,
    repository: &Repository,
) -> Merged {
    let folder = file.parent().unwrap_or(Utf8Path::new("")).to_owned();
    let context = likely_context(&folder, dockerfile, repository);
    let mut doubts = BTreeSet::from([
        "no command was found that builds it: look at context, arguments and tags".to_owned(),
    ]);
    if any_published {
        doubts.insert("nothing was found that publishes it, so it stays local".to_owned());
    }
    let variant = Variant {
        name: None,
        default: false,
        publish: true,
        dockerfile: file.to_owned(),
        context,
        stage: None,
        args: BTreeMap::new(),
        platforms: Vec::new(),
        tags: Vec::new(),
        contexts: BTreeMap::new(),
        secrets: BTreeMap::new(),
        ssh: false,
        cache: None,
        external: BTreeSet::new(),
    };
    let image = Image {
        id: default_id(file, repository),
        folder,
        repositories: Vec::new(),
        publish: !any_published,
        version: None,
        variants: vec![variant],
        places: BTreeSet::new(),
        doubts,
    };
    Merged { image, builds: vec![Vec::new()] }
}

/// The folder that holds what the Dockerfile copies: its own, else the nearest above.
fn likely_context(
    folder: &Utf8Path,
    dockerfile: &Dockerfile,
    repository: &Repository,
) -> Utf8PathBuf {
    use crate::dockerfile::Command;
    let copied: Vec<&str> = dockerfile
        .instructions()
        .iter()
        .filter_map(|instruction| match &instruction.command {
            Command::Copy(copy) if copy.from.is_none() => Some(&copy.sources),
            _ => None,
        })
        .flatten()
        .map(|source| source.trim_start_matches("./").trim_start_matches('/'))
        .filter(|source| !source.is_empty() && !source.contains(['*', '?', '$', '[', ':']))
        .collect();
    let holds = |context: &&Utf8Path| {
        copied.iter().all(|source| repository.has(&context.join(source.trim_end_matches('/'))))
    };
    folder.ancestors().find(holds).unwrap_or(folder).to_owned()
}
