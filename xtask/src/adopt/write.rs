//! Images as the text of an `image.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8Path;
use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use super::found::{ROOT, Secret};
use super::image::{Argument, Image, Variant, Version};
use super::merge::line;
use super::text::VersionFrom;
use crate::workspace::{Channel, shown};

/// The most places that the first comment names.
const MOST_PLACES: usize = 4;

/// The file of one image that has its folder for itself.
pub(super) fn single(image: &Image) -> String {
    let folder_id = image
        .folder
        .file_name()
        .and_then(|folder| Some(crate::workspace::default_id(folder).ok()?.to_string()));
    let own =
        (folder_id.as_deref() != Some(image.id.as_str())).then_some(("id", image.id.as_str()));
    let mut text = heading(image);
    text.push_str(&body(image, own, ""));
    text
}

/// The file of several images of one folder.
pub(super) fn several(images: &[&Image]) -> String {
    let mut texts = images.iter().map(|image| table(image));
    let first = texts.next().unwrap_or_default();
    texts.fold(first, |all, text| format!("{all}\n{text}"))
}

/// One image as a table of an `image.toml`.
pub(super) fn table(image: &Image) -> String {
    let path = format!("image.{}", image.id.to_toml_key());
    format!("{}[{path}]\n{}", heading(image), body(image, None, &path))
}

/// A comment: one line, whatever it is made of.
fn comment(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    format!("# {}\n", text.chars().map(plain).collect::<String>())
}

fn heading(image: &Image) -> String {
    let places: Vec<String> = image.places.iter().map(line).collect();
    let mut text = String::new();
    if !places.is_empty() {
        let more = places.len().saturating_sub(MOST_PLACES);
        let named = places[..places.len().min(MOST_PLACES)].join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        text.push_str(&comment(&format!("Taken over from {named}{more}.")));
    }
    for doubt in &image.doubts {
        text.push_str(&comment(&format!("unsure: {doubt}")));
    }
    text
}

fn body(image: &Image, own: Option<(&str, &str)>, path: &str) -> String {
    let mut keys = String::new();
    let mut tables = String::new();
    if let Some((key, value)) = own {
        entry(&mut keys, key, &value.to_toml_value());
    }
    if let Some(version) = &image.version {
        entry(&mut keys, "version", &version_value(version, &image.folder));
    }
    if !image.publish {
        entry(&mut keys, "publish", "false");
    }
    if !image.repositories.is_empty() {
        entry(&mut keys, "repositories", &list(&image.repositories));
    }
    let [only] = image.variants.as_slice() else {
        for variant in &image.variants {
            let name = variant.name.clone().unwrap_or_default();
            let path = joined_path(path, &format!("variants.{}", name.to_toml_key()));
            let (mut keys, mut inner) = (String::new(), String::new());
            if variant.default {
                entry(&mut keys, "default", "true");
            }
            if image.publish && !variant.publish && image.variants.iter().any(|other| other.publish)
            {
                entry(&mut keys, "publish", "false");
            }
            settings(&mut keys, &mut inner, variant, &image.folder, &path);
            let _ = write!(tables, "\n[{path}]\n{keys}{inner}");
        }
        return keys + &tables;
    };
    settings(&mut keys, &mut tables, only, &image.folder, path);
    keys + &tables
}

fn joined_path(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn entry(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| item.as_ref().to_toml_value()).collect();
    format!("[{}]", items.join(", "))
}

/// `path` as a file in `folder` writes it.
fn path_value(path: &Utf8Path, folder: &Utf8Path) -> String {
    let text = match path.strip_prefix(folder) {
        Ok(below) => shown(below),
        Err(_) => format!("/{}", shown(path).trim_start_matches('.')),
    };
    text.to_toml_value()
}

fn version_value(version: &Version, folder: &Utf8Path) -> String {
    match version {
        Version::Literal(text) => text.to_toml_value(),
        Version::From(VersionFrom::GitTag) => "{ git-tag = \"v*\" }".to_owned(),
        Version::From(VersionFrom::Key { file, key }) => {
            format!("{{ file = {}, key = {} }}", path_value(file, folder), key.to_toml_value())
        }
        Version::From(VersionFrom::Match { file, pattern }) => {
            format!(
                "{{ file = {}, match = {} }}",
                path_value(file, folder),
                pattern.to_toml_value()
            )
        }
    }
}

fn settings(
    keys: &mut String,
    tables: &mut String,
    variant: &Variant,
    folder: &Utf8Path,
    path: &str,
) {
    if variant.context != folder {
        entry(keys, "context", &path_value(&variant.context, folder));
    }
    if variant.dockerfile != folder.join("Dockerfile") {
        entry(keys, "dockerfile", &path_value(&variant.dockerfile, folder));
    }
    if let Some(stage) = &variant.stage {
        entry(keys, "target", &stage.to_toml_value());
    }
    if !variant.platforms.is_empty() {
        entry(keys, "platforms", &list(&variant.platforms));
    }
    if !variant.tags.is_empty() {
        entry(keys, "tags", &tags(&variant.tags));
    }
    if let Some(mode) = &variant.cache {
        entry(keys, "cache", &format!("{{ registry = true, mode = {} }}", mode.to_toml_value()));
    }
    if variant.ssh {
        entry(keys, "ssh", "true");
    }
    if !variant.external.is_empty() {
        entry(keys, "external", &list(&variant.external.iter().collect::<Vec<_>>()));
    }
    let templates = variant.args.iter().filter_map(|(name, value)| match value {
        Argument::Template(text) => Some((name, text)),
        Argument::Parent(_) => None,
    });
    section(
        tables,
        &joined_path(path, "args"),
        templates.map(|(name, text)| (name.as_str(), text.to_toml_value())),
    );
    let parents = variant.args.iter().filter_map(|(name, value)| match value {
        Argument::Parent(parent) => Some((name.as_str(), parent.to_toml_value())),
        Argument::Template(_) => None,
    });
    section(tables, &joined_path(path, "parents"), parents);
    let contexts =
        variant.contexts.iter().map(|(name, source)| (name.as_str(), source.to_toml_value()));
    section(tables, &joined_path(path, "contexts"), contexts);
    let secrets =
        variant.secrets.iter().map(|(name, secret)| (name.as_str(), secret_value(secret, folder)));
    section(tables, &joined_path(path, "secrets"), secrets);
}

fn secret_value(secret: &Secret, folder: &Utf8Path) -> String {
    match secret {
        Secret::Env(name) => format!("{{ env = {} }}", name.to_toml_value()),
        Secret::File(text) => {
            let written = text.to_string();
            let file = match super::found::joined(Utf8Path::new(""), &written) {
                Some(file) => path_value(&file, folder),
                None => written.replace(ROOT, "").to_toml_value(),
            };
            format!("{{ file = {file} }}")
        }
    }
}

fn section<'a>(text: &mut String, path: &str, entries: impl Iterator<Item = (&'a str, String)>) {
    let mut lines = String::new();
    for (name, value) in entries {
        entry(&mut lines, &name.to_toml_key(), &value);
    }
    if !lines.is_empty() {
        let _ = write!(text, "\n[{path}]\n{lines}");
    }
}

/// A list for every channel, or a table by channel, in which what is for all that publish is repeated.
fn tags(tags: &[(Option<Channel>, String)]) -> String {
    if tags.iter().all(|(channel, _)| channel.is_none()) {
        return list(&tags.iter().map(|(_, tag)| tag).collect::<Vec<_>>());
    }
    let channels = [(Channel::Dev, "dev"), (Channel::Main, "main"), (Channel::Release, "release")];
    let mut by_channel: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
    for (at, (channel, _)) in channels.iter().enumerate() {
        for (own, tag) in tags {
            let known = by_channel.entry(at).or_default();
            let counts = own.map_or(*channel != Channel::Dev, |own| own == *channel);
            if counts && !known.contains(&tag) {
                known.push(tag);
            }
        }
    }
    let parts = channels.iter().enumerate().filter_map(|(at, (_, name))| {
        let tags = by_channel.get(&at).filter(|tags| !tags.is_empty())?;
        Some(format!("{name} = {}", list(tags)))
    });
    format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
}
