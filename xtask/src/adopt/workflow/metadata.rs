//! `docker/metadata-action`: its images and tag rules, as names by channel. (`docker/metadata-action`, README, «tags
//! input»)

use std::collections::BTreeMap;

use super::super::found::Name;
use super::super::text::{Text, VersionFrom};
use super::super::yaml::Node;
use super::expression::Scope;
use crate::workspace::Channel;

/// What the action uses where `tags` is empty.
const DEFAULT: &str = "type=schedule\ntype=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr";

/// The names that a step with these inputs gives.
pub(super) fn names(with: Option<&Node>, scope: &Scope<'_>) -> Vec<Name> {
    let input = |key: &str| {
        with.and_then(|with| with.text_of(key)).map(|text| scope.expand(text)).unwrap_or_default()
    };
    let cut = |c: char| c == '\n' || c == ',';
    let images: Vec<Text> = input("images")
        .parts(cut)
        .into_iter()
        .filter_map(|image| match image.strip_prefix("name=") {
            Some(name) => Some(name),
            None if image.to_string().starts_with("enable=") => None,
            None => Some(image),
        })
        .collect();
    let flavor: BTreeMap<String, Text> =
        input("flavor").parts(cut).iter().filter_map(field).collect();
    let mut rules = input("tags").parts(|c| c == '\n');
    if rules.is_empty() {
        rules = Text::known(DEFAULT).parts(|c| c == '\n');
    }
    let mut tags: Vec<(Option<Channel>, Text)> = Vec::new();
    for rule in &rules {
        for tag in rule_tags(rule, &flavor) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    let of_image = |image: &Text| {
        let image = image.edited(str::to_lowercase);
        let name = move |(channel, tag): &(Option<Channel>, Text)| {
            let mut text = image.clone();
            text.push_str(":");
            text.push(tag.clone());
            Name { text, channel: *channel }
        };
        tags.iter().map(name).collect::<Vec<Name>>()
    };
    images.iter().flat_map(of_image).collect()
}

fn field(text: &Text) -> Option<(String, Text)> {
    let (name, value) = text.split_once('=')?;
    Some((name.as_known()?.trim().to_owned(), value.trimmed()))
}

/// The tags that one rule gives, each with its channel; nothing: on every one.
fn rule_tags(rule: &Text, flavor: &BTreeMap<String, Text>) -> Vec<(Option<Channel>, Text)> {
    let parts = rule.parts(|c| c == ',');
    let fields: BTreeMap<String, Text> = parts.iter().filter_map(field).collect();
    let get = |key: &str| fields.get(key).and_then(Text::as_known);
    let kind = get("type").unwrap_or("raw");
    let Some(channels) = enabled(fields.get("enable")) else { return Vec::new() };
    let latest = flavor.get("latest").and_then(Text::as_known).unwrap_or("auto");
    let only = |wanted: Channel, text: Text| match channels {
        Enabled::Always => vec![(Some(wanted), text)],
        Enabled::On(channel) if channel == wanted => vec![(Some(wanted), text)],
        Enabled::On(_) => Vec::new(),
    };
    let around = |text: Text, prefix: &str| {
        let affix = |key: &str, default: &str| {
            let of_flavor = flavor.get(key).cloned();
            fields.get(key).cloned().or(of_flavor).unwrap_or_else(|| Text::known(default))
        };
        let mut whole = affix("prefix", prefix);
        whole.push(text);
        whole.push(affix("suffix", ""));
        whole
    };
    match kind {
        "raw" => {
            let value = fields.get("value").cloned().or_else(|| parts.first().cloned());
            let text = around(value.unwrap_or_default(), "");
            match channels {
                Enabled::Always => vec![(None, text)],
                Enabled::On(channel) => vec![(Some(channel), text)],
            }
        }
        "edge" => only(Channel::Main, around(Text::known("edge"), "")),
        "sha" => {
            let fact = if get("format") == Some("long") { "commit" } else { "sha" };
            let text = around(Text::fact(fact), "sha-");
            [Channel::Main, Channel::Release]
                .into_iter()
                .flat_map(|channel| only(channel, text.clone()))
                .collect()
        }
        "semver" | "pep440" => {
            let mut tags: Vec<_> = get("pattern")
                .and_then(version_pattern)
                .map(|text| only(Channel::Release, around(text, "")))
                .unwrap_or_default();
            if latest == "auto" && !tags.is_empty() {
                tags.push((Some(Channel::Release), Text::known("latest")));
            }
            tags
        }
        "ref" => match get("event") {
            Some("branch") => only(Channel::Main, around(Text::fact("branch"), "")),
            Some("tag") => {
                let mut text = Text::known("v");
                text.push(Text::version(VersionFrom::GitTag));
                let mut tags = only(Channel::Release, around(text, ""));
                if latest == "auto" && !tags.is_empty() {
                    tags.push((Some(Channel::Release), Text::known("latest")));
                }
                tags
            }
            // Pull requests publish nothing.
            _ => Vec::new(),
        },
        "match" => only(Channel::Release, around(Text::version(VersionFrom::GitTag), "")),
        _ => Vec::new(),
    }
}

#[derive(Clone, Copy)]
enum Enabled {
    Always,
    On(Channel),
}

/// What `enable=` says; nothing where the rule is off.
fn enabled(value: Option<&Text>) -> Option<Enabled> {
    let text = value.map(ToString::to_string).unwrap_or_default();
    if text == "false" {
        return None;
    }
    if text.contains("is_default_branch")
        || text.contains("refs/heads/")
        || text.contains("default_branch")
    {
        return Some(Enabled::On(Channel::Main));
    }
    if text.contains("refs/tags/") || text.contains("release") {
        return Some(Enabled::On(Channel::Release));
    }
    if text.contains("pull_request") && !text.contains("!=") {
        return None;
    }
    Some(Enabled::Always)
}

/// `v{{major}}.{{minor}}` as facts.
fn version_pattern(pattern: &str) -> Option<Text> {
    let mut text = Text::default();
    text.version = Some(VersionFrom::GitTag);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (name, after) = after.split_once("}}")?;
        let fact = match name.trim() {
            "version" | "raw" => "version",
            "major" => "major",
            "minor" => "minor",
            "patch" => "patch",
            _ => return None,
        };
        text.push(Text::fact(fact));
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}
