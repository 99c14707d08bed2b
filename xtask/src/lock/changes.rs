//! What changed in a lock? Pure: pixi's own words, or two states of `images.lock`, become rows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bases::{Wanted, lack};
use super::versions::compare;
use crate::reference::Reference;
use crate::workspace::LockedImage;

/// What became of one thing that a lock holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub of: Locked,
    pub name: String,
    pub kind: Kind,
    pub from: Option<String>,
    pub to: Option<String>,
    /// pixi's environments and platforms, as `environment/platform`; none for bases.
    pub places: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Locked {
    Package,
    Base,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Added,
    Removed,
    Upgraded,
    Downgraded,
    /// Another build of the same version, or a digest of which no age is known.
    Changed,
}

/// A lock that changed, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Relative to the workspace root.
    pub lock: Utf8PathBuf,
    /// The images that it is for.
    pub images: Vec<String>,
    /// None where the lock says the same in other words, as after an update of pixi.
    pub changes: Vec<Change>,
}

impl Locked {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Base => "base",
        }
    }
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Changed => "changed",
        }
    }

    fn of(from: Option<&str>, to: Option<&str>) -> Self {
        match (from, to) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            (Some(from), Some(to)) => Self::ordered(compare(from, to)),
        }
    }

    fn ordered(order: Ordering) -> Self {
        match order {
            Ordering::Less => Self::Upgraded,
            Ordering::Greater => Self::Downgraded,
            Ordering::Equal => Self::Changed,
        }
    }
}

/// `pixi lock --json` and `pixi update --json` (`pixi_diff`, `LockFileJsonDiff`).
#[derive(Deserialize)]
struct Said {
    environment: BTreeMap<String, BTreeMap<String, Vec<Package>>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// What pixi printed → the changes, each once over all environments and platforms, by name.
///
/// # Errors
/// When it is not what pixi prints.
pub fn of_pixi(json: &str) -> Result<Vec<Change>, serde_json::Error> {
    let said: Said = serde_json::from_str(json)?;
    let mut places: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (environment, platforms) in said.environment {
        for (platform, packages) in platforms {
            for package in packages {
                let (mut from, mut to) =
                    (package.before.as_ref().map(described), package.after.as_ref().map(described));
                // Builds matter where versions do not.
                let version = |state: &Option<Described>| {
                    state.as_ref().map(|described| described.version.clone())
                };
                if version(&from) != version(&to) {
                    for described in [&mut from, &mut to].into_iter().flatten() {
                        described.build = None;
                    }
                }
                let text = |state: Option<Described>| state.map(Described::text);
                let change = (shown(&package.name), text(from), text(to));
                places.entry(change).or_default().push(format!("{environment}/{platform}"));
            }
        }
    }
    let change = |((name, from, to), places): ((String, _, _), _)| {
        let kind = Kind::of(Option::as_deref(&from), Option::as_deref(&to));
        Change { of: Locked::Package, name, kind, from, to, places }
    };
    Ok(places.into_iter().map(change).collect())
}

/// A package in one state.
struct Described {
    version: String,
    build: Option<String>,
}

impl Described {
    fn text(self) -> String {
        shown(&match self.build {
            Some(build) => format!("{} {build}", self.version),
            None => self.version,
        })
    }
}

/// A channel's words, without anything that a terminal obeys.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// The version of a package that pixi shows: written, or in the name of its archive. A package from a folder has none:
/// there the folder is shown.
fn described(package: &Value) -> Described {
    let text = |key| package.get(key).and_then(Value::as_str);
    let location =
        ["conda", "conda_source", "source", "pypi", "location"].into_iter().find_map(text);
    let archive = location.and_then(|location| location.rsplit('/').next()).unwrap_or_default();
    let conda = [".conda", ".tar.bz2"].iter().find_map(|end| archive.strip_suffix(end));
    let python = [".whl", ".tar.gz", ".zip"].iter().find_map(|end| archive.strip_suffix(end));
    let (version, build) = if let Some(stem) = conda {
        let mut parts = stem.rsplitn(3, '-');
        let build = parts.next();
        (parts.next(), build)
    } else {
        (python.and_then(|stem| stem.split('-').nth(1)), None)
    };
    let version = text("version").or(version).or(location).unwrap_or("other content");
    let build = text("build").or(build).map(str::to_owned);
    Described { version: version.to_owned(), build }
}

/// The entries in which two states of `images.lock` differ.
pub fn of_images(
    before: &BTreeMap<Reference, LockedImage>,
    after: &BTreeMap<Reference, LockedImage>,
) -> Vec<Change> {
    let names: BTreeSet<&Reference> = before.keys().chain(after.keys()).collect();
    let change = |name: &Reference| {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            return None;
        }
        let kind = match (old, new) {
            (Some(old), Some(new)) => Kind::ordered(match (&old.created, &new.created) {
                (Some(old), Some(new)) => old.cmp(new),
                _ => Ordering::Equal,
            }),
            (old, new) => Kind::of(old.map(|_| ""), new.map(|_| "")),
        };
        let mut texts = [old, new].map(|image| image.map(digest_and_date));
        if let [Some(from), Some(to)] = &mut texts
            && from == to
        {
            *to = format!("{to}, {}", what_else(old?, new?));
        }
        let [from, to] = texts;
        let name = name.familiar();
        Some(Change { of: Locked::Base, name, kind, from, to, places: Vec::new() })
    };
    names.into_iter().filter_map(change).collect()
}

/// What `images.lock` lacks of a base, before anybody was asked where it points.
pub fn lacking(name: &Reference, wanted: &Wanted, locked: Option<&LockedImage>) -> Change {
    let kind = if locked.is_some() { Kind::Changed } else { Kind::Added };
    Change {
        of: Locked::Base,
        name: name.familiar(),
        kind,
        from: locked.map(digest_and_date),
        to: lack(wanted, locked),
        places: vec![wanted.place()],
    }
}

/// As much of a digest as tells it from others.
pub fn short(digest: &crate::reference::Digest) -> String {
    format!("sha256:{}", digest.hex().get(..12).unwrap_or(digest.hex()))
}

fn digest_and_date(image: &LockedImage) -> String {
    let day = image.created.as_deref().and_then(|created| created.get(..10));
    match day {
        Some(day) => format!("{} of {day}", short(&image.digest)),
        None => short(&image.digest),
    }
}

/// What differs beside the digest.
fn what_else(old: &LockedImage, new: &LockedImage) -> String {
    if old.onbuild != new.onbuild {
        return "other ONBUILD triggers".to_owned();
    }
    let platforms: Vec<String> = new.platforms.keys().map(ToString::to_string).collect();
    format!("for {}", platforms.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_once_over_environments_and_platforms() {
        let url = |file: &str| format!("{{\"conda\":\"https://x/linux-64/{file}\"}}");
        let torch = format!(
            "{{\"name\":\"pytorch\",\"before\":{},\"after\":{},\"type\":\"conda\",\"explicit\":true}}",
            url("pytorch-2.5.1-cuda126_0.conda"),
            url("pytorch-2.6.0-cuda126_1.conda")
        );
        let build = format!(
            "{{\"name\":\"zlib\",\"before\":{},\"after\":{},\"type\":\"conda\"}}",
            url("zlib-1.3-h1_0.conda"),
            url("zlib-1.3-h1_1.conda")
        );
        let wheel = "{\"name\":\"x_y\",\"before\":{\"version\":\"2\"},\"after\":{\"pypi\":\"https://f/x_y-1.9-py3-none-any.whl\"},\"type\":\"pypi\"}";
        let gone = "{\"name\":\"old\",\"before\":{\"conda\":\"../lib\"},\"after\":null,\"type\":\"conda\"}";
        let json = format!(
            "{{\"version\":1,\"environment\":{{\"default\":{{\"linux-64\":[{torch},{build},{wheel}],\"osx-arm64\":[{torch}]}},\"ml\":{{\"linux-64\":[{gone}]}}}}}}"
        );
        let rows: Vec<String> = of_pixi(&json)
            .unwrap()
            .into_iter()
            .map(|c| {
                let end = |end: Option<String>| end.unwrap_or_default();
                format!(
                    "{} {} {}→{} {}",
                    c.name,
                    c.kind.as_str(),
                    end(c.from),
                    end(c.to),
                    c.places.join(" ")
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                "old removed ../lib→ ml/linux-64",
                "pytorch upgraded 2.5.1→2.6.0 default/linux-64 default/osx-arm64",
                "x_y downgraded 2→1.9 default/linux-64",
                "zlib upgraded 1.3 h1_0→1.3 h1_1 default/linux-64",
            ]
        );
        assert!(of_pixi("{\"version\":1,\"environment\":{}}").unwrap().is_empty());
        assert!(of_pixi("").is_err());
    }

    #[test]
    fn bases_move_by_date() {
        let image = |digit: &str, created: Option<&str>| LockedImage {
            reference: "debian:13".parse().unwrap(),
            digest: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
            created: created.map(str::to_owned),
            platforms: BTreeMap::new(),
            onbuild: Vec::new(),
        };
        let state = |image: LockedImage| BTreeMap::from([(image.reference.clone(), image)]);
        let (old, new) = (
            state(image("a", Some("2026-01-05T00:00:00Z"))),
            state(image("b", Some("2026-02-05T00:00:00Z"))),
        );
        let row = |before, after| {
            let changes = of_images(before, after);
            assert_eq!(changes.len(), 1);
            (changes[0].kind, changes[0].from.clone(), changes[0].to.clone())
        };
        let (a, b) = (
            Some("sha256:aaaaaaaaaaaa of 2026-01-05".into()),
            Some("sha256:bbbbbbbbbbbb of 2026-02-05".into()),
        );
        assert_eq!(row(&old, &new), (Kind::Upgraded, a.clone(), b.clone()));
        assert_eq!(row(&new, &old), (Kind::Downgraded, b, a.clone()));
        let none = BTreeMap::new();
        assert_eq!(row(&none, &old), (Kind::Added, None, a.clone()));
        assert_eq!(row(&old, &none), (Kind::Removed, a, None));
        assert_eq!(row(&old, &state(image("b", None))).0, Kind::Changed);
        assert!(of_images(&old, &old).is_empty());
    }
}
