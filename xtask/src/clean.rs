//! Which images of the engine may go? Pure.
//!
//! Without a filter, only what this workspace's builds have left: earlier `key-…` names of its images, and images of its
//! own that have no name any more. With filters, what they name. What containers use, and what this workspace has built
//! last, is never among it. Whatever goes can be built again: nothing else is lost. Called by `command/clean`.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;

use crate::engine::LocalImage;
use crate::reference::{Digest, matches};

/// On every image that Dockyard builds: which target it is of.
pub const LABEL: &str = "dockyard.id";
const DOCKER_HUB: [&str; 2] = ["docker.io/library/", "docker.io/"];

/// A label that images to remove carry: `KEY`, whatever its value, or `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    key: String,
    value: Option<String>,
}

/// Names that are to go: `repository` or `repository:tag`, with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// An image has to carry all of them.
    pub labels: &'a [Label],
    /// A name has to match one of them.
    pub names: &'a [NamePattern],
    /// Only what was made before.
    pub before: Option<Timestamp>,
}

/// What is this workspace's.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    pub ids: BTreeSet<String>,
    /// What its images are called, without tags.
    pub repositories: BTreeSet<String>,
    /// `name:key-…` of what it builds today or built last.
    pub names: BTreeSet<String>,
    /// The digests of what it built last.
    pub digests: BTreeSet<Digest>,
}

/// An image of which names go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    pub image: Digest,
    /// The target that it is of, where Dockyard built it.
    pub of: Option<String>,
    /// The names that go; none: it has none, and goes itself.
    pub names: Vec<String>,
    /// Its size, where no name is left, as the engine counts it: what it shares with others included.
    pub bytes: Option<u64>,
    /// RFC 3339.
    pub created: String,
    pub why: String,
}

/// An image that was asked for and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    pub image: Digest,
    pub names: Vec<String>,
    pub why: &'static str,
}

/// What of `images` goes and what stays although it was asked for, in the order of `images`.
pub fn choose(
    images: &[LocalImage],
    used: &BTreeSet<Digest>,
    ours: &Ours,
    wanted: &Wanted<'_>,
) -> (Vec<Removal>, Vec<Spared>) {
    let (mut removals, mut spared) = (Vec::new(), Vec::new());
    for image in images {
        let is_young = |before: Timestamp| {
            image.created.parse::<Timestamp>().map_or(true, |created| created >= before)
        };
        let tags: Vec<String> =
            image.tags.iter().filter(|tag| !tag.contains("<none>")).cloned().collect();
        let Some((names, why)) = asked_for(image, &tags, ours, wanted) else { continue };
        if wanted.before.is_some_and(is_young) {
            continue;
        }
        let is_todays = ours.digests.contains(&image.id)
            || tags.iter().any(|tag| ours.names.contains(&familiar(tag)));
        let stays = if used.contains(&image.id) {
            Some("a container uses it")
        } else if is_todays && (wanted.is_filtered() || names.is_empty()) {
            Some("this workspace built it last")
        } else {
            None
        };
        if let Some(why) = stays {
            spared.push(Spared { image: image.id.clone(), names: tags, why });
            continue;
        }
        removals.push(Removal {
            image: image.id.clone(),
            of: image.labels.get(LABEL).cloned(),
            bytes: (names.len() == tags.len()).then_some(image.size),
            names,
            created: image.created.clone(),
            why,
        });
    }
    (removals, spared)
}

/// The names of `image` that would go, and why; nothing where it has nothing to do with what is wanted.
fn asked_for(
    image: &LocalImage,
    tags: &[String],
    ours: &Ours,
    wanted: &Wanted<'_>,
) -> Option<(Vec<String>, String)> {
    if !wanted.is_filtered() {
        let target = image.labels.get(LABEL)?;
        let id = target.split_once(':').map_or(target.as_str(), |(id, _)| id);
        if !ours.ids.contains(id) {
            return None;
        }
        if tags.is_empty() {
            return Some((Vec::new(), "it has no name".to_owned()));
        }
        let names: Vec<String> = tags
            .iter()
            .filter(|tag| is_key_name(tag, ours) && !ours.names.contains(&familiar(tag)))
            .cloned()
            .collect();
        return (!names.is_empty()).then(|| (names, "an earlier key".to_owned()));
    }
    if !wanted.labels.iter().all(|label| label.is_on(image)) {
        return None;
    }
    if wanted.names.is_empty() {
        let labels: Vec<String> = wanted.labels.iter().map(ToString::to_string).collect();
        return Some((tags.to_vec(), format!("label {}", labels.join(", "))));
    }
    let matching = |tag: &&String| wanted.names.iter().any(|pattern| pattern.matches(tag));
    let names: Vec<String> = tags.iter().filter(matching).cloned().collect();
    (!names.is_empty()).then(|| (names, "its name".to_owned()))
}

impl Wanted<'_> {
    fn is_filtered(&self) -> bool {
        !self.labels.is_empty() || !self.names.is_empty()
    }
}

/// Whether it is `repository:key-<12 hex>` with a repository of ours.
fn is_key_name(name: &str, ours: &Ours) -> bool {
    let name = familiar(name);
    let Some((repository, tag)) = name.rsplit_once(':') else { return false };
    let is_key = tag.strip_prefix("key-").is_some_and(|hex| {
        hex.len() == 12 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    is_key && ours.repositories.contains(repository)
}

/// Without Docker Hub's own parts, which engines write or leave out.
fn familiar(name: &str) -> String {
    let short = DOCKER_HUB.iter().find_map(|start| name.strip_prefix(start));
    short.unwrap_or(name).to_owned()
}

impl Label {
    fn is_on(&self, image: &LocalImage) -> bool {
        let value = image.labels.get(&self.key);
        value.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').map_or((text, None), |(k, v)| (k, Some(v)));
        if key.trim().is_empty() {
            return Err(format!("{text:?} names no label: write KEY or KEY=VALUE"));
        }
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        matches(&self.0, &familiar(name))
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let last = text.rsplit('/').next().unwrap_or_default();
        let (repository, tag) = match last.split_once(':') {
            Some((_, tag)) => (&text[..text.len() - tag.len() - 1], tag),
            None => (text, "*"),
        };
        // So that a slip does not ask for everything.
        if !repository.bytes().any(|byte| byte.is_ascii_alphanumeric()) || tag.is_empty() {
            return Err(format!(
                "{text:?} names no repository: write e.g. acme/old-*, or acme/base:0.2.0"
            ));
        }
        Ok(Self(format!("{}:{tag}", familiar(repository))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().unwrap()
    }

    fn image(number: u8, of: Option<&str>, tags: &[&str]) -> LocalImage {
        let mut labels = std::collections::BTreeMap::new();
        labels.extend(of.map(|of| (LABEL.to_owned(), of.to_owned())));
        if number == 9 {
            labels.insert("org.example.layout".to_owned(), "1".to_owned());
        }
        LocalImage {
            id: digest(number),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            platforms: Vec::new(),
            labels,
            size: 10,
            created: format!("2026-01-{number:02}T00:00:00Z"),
        }
    }

    fn ours() -> Ours {
        Ours {
            ids: ["base".to_owned()].into(),
            repositories: ["acme-base".to_owned(), "acme/base".to_owned()].into(),
            names: ["acme-base:key-aaaaaaaaaaaa".to_owned()].into(),
            digests: [digest(1)].into(),
        }
    }

    fn images() -> Vec<LocalImage> {
        vec![
            image(1, Some("base"), &["acme-base:key-aaaaaaaaaaaa", "acme-base:dev"]),
            image(2, Some("base"), &["acme-base:key-bbbbbbbbbbbb"]),
            image(3, Some("base:full"), &["acme-base:key-cccccccccccc", "acme-base:0.2.0"]),
            image(4, Some("base"), &["<none>:<none>"]),
            image(5, Some("base"), &["docker.io/acme/base:key-dddddddddddd"]),
            image(6, Some("other"), &["other:key-eeeeeeeeeeee"]),
            image(7, None, &["acme-base:key-ffffffffffff"]),
            image(8, Some("base"), &["acme-base:key-0000", "else:key-bbbbbbbbbbbb"]),
            image(9, None, &["acme/clm-base:0.2.0", "acme/clm-base:0.1.0"]),
        ]
    }

    fn chosen(used: &[u8], wanted: &Wanted<'_>) -> Vec<String> {
        let used = used.iter().map(|number| digest(*number)).collect();
        let (removals, spared) = choose(&images(), &used, &ours(), wanted);
        let removal = |it: &Removal| {
            let whole = if it.bytes.is_some() { "" } else { " stays" };
            format!("{} {}{whole}: {}", &it.image.hex()[..2], it.names.join(" "), it.why)
        };
        let spare = |it: &Spared| format!("{} spared: {}", &it.image.hex()[..2], it.why);
        removals.iter().map(removal).chain(spared.iter().map(spare)).collect()
    }

    #[test]
    fn leftovers_of_this_workspace_and_nothing_else() {
        let all = [
            "02 acme-base:key-bbbbbbbbbbbb: an earlier key",
            "03 acme-base:key-cccccccccccc stays: an earlier key",
            "04 : it has no name",
            "05 docker.io/acme/base:key-dddddddddddd: an earlier key",
        ];
        assert_eq!(chosen(&[], &Wanted::default()), all);
        let mut used = all.to_vec();
        used.remove(0);
        used.push("02 spared: a container uses it");
        assert_eq!(chosen(&[2], &Wanted::default()), used);
        let before = Some("2026-01-04T00:00:00Z".parse().unwrap());
        assert_eq!(chosen(&[], &Wanted { before, ..Wanted::default() }), all[..2]);
    }

    #[test]
    fn what_filters_name_but_never_todays() {
        let labels = ["org.example.layout=1".parse().unwrap()];
        assert_eq!(
            chosen(&[], &Wanted { labels: &labels, ..Wanted::default() }),
            ["09 acme/clm-base:0.2.0 acme/clm-base:0.1.0: label org.example.layout=1"]
        );
        let names = ["docker.io/acme/clm-*:0.2.0".parse().unwrap()];
        assert_eq!(
            chosen(&[], &Wanted { names: &names, ..Wanted::default() }),
            ["09 acme/clm-base:0.2.0 stays: its name"]
        );
        let other = ["dockyard.id=other".parse().unwrap()];
        assert_eq!(
            chosen(&[], &Wanted { labels: &other, ..Wanted::default() }),
            ["06 other:key-eeeeeeeeeeee: label dockyard.id=other"]
        );
        assert_eq!(chosen(&[], &Wanted { labels: &other, names: &names, before: None }), [""; 0]);
        let todays = ["acme-base:dev".parse().unwrap()];
        assert_eq!(
            chosen(&[], &Wanted { names: &todays, ..Wanted::default() }),
            ["01 spared: this workspace built it last"]
        );
    }

    #[test]
    fn a_pattern_names_a_repository() {
        for text in ["", "*", "*:0.2.0", "*/*", "a:", ":1", "localhost:5000/"] {
            let parsed = text.parse::<NamePattern>();
            assert_eq!(parsed.is_err(), text != "localhost:5000/", "{text}: {parsed:?}");
        }
        let pattern: NamePattern = "localhost:5000/a".parse().unwrap();
        assert!(pattern.matches("localhost:5000/a:1") && !pattern.matches("localhost:5000/ab:1"));
        assert!("=x".parse::<Label>().is_err() && "a.b".parse::<Label>().is_ok());
    }
}
