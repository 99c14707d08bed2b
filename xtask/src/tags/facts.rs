//! The named values that templates may use, and why the missing ones are missing.

use std::collections::BTreeMap;

use crate::workspace::{Git, Target, VersionSource};

/// Facts that differ at every commit or run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<&'static str, String>);

impl Stamps {
    /// The names of all stamps, known or not.
    pub const NAMES: [&'static str; 6] =
        ["commit", "sha", "branch", "date", "created", "reference"];

    /// From the git state. `reference` is the image's own and set later.
    pub fn new(git: &Git) -> Self {
        let mut stamps = BTreeMap::new();
        if let Some(commit) = &git.commit {
            stamps.insert("commit", commit.hash.clone());
            stamps.insert("sha", commit.hash.chars().take(7).collect());
            stamps.insert("created", commit.date.clone());
            stamps.insert("date", commit.date.chars().take(10).collect());
        }
        if let Some(branch) = &git.branch {
            stamps.insert("branch", branch.clone());
        }
        Self(stamps)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The facts of one target.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    known: BTreeMap<String, String>,
    /// Name → why it has no value.
    absent: BTreeMap<String, String>,
    observed: Vec<String>,
}

impl Facts {
    /// Everything that is known of `target` before it is built.
    pub fn new(target: &Target, stamps: &Stamps) -> Self {
        let mut facts = Self::default();
        facts.set("id", target.id.as_str());
        facts.set("name", &target.name);
        match &target.variant {
            Some(variant) => facts.set("variant", variant.as_str()),
            None => facts.lack("variant", "the image has no variants"),
        }
        facts.set_version(target);
        for name in Stamps::NAMES {
            match stamps.get(name) {
                Some(value) => facts.set(name, value),
                None if name == "branch" => facts.lack(name, "HEAD is on no branch"),
                None => facts.lack(name, "this is no git repository, or it has no commit yet"),
            }
        }
        facts.lack("reference", "it is known only when the tags are");
        for name in ["base_name", "base_digest"] {
            facts.lack(name, "it is known only when the graph is");
        }
        for (name, value) in &target.known_facts {
            facts.set(name, value);
        }
        facts.observed = target
            .facts
            .iter()
            .filter(|(_, fact)| fact.is_observed())
            .map(|(name, _)| name.clone())
            .collect();
        facts
    }

    fn set_version(&mut self, target: &Target) {
        let numbers = ["major", "minor", "patch"];
        let Some(version) = &target.known_version else {
            let why = match &target.version {
                Some(VersionSource::GitTag { pattern, .. }) => {
                    format!("the version comes from a git tag {pattern:?}, and HEAD has none")
                }
                _ => "the image has no version; write version = \"…\"".to_owned(),
            };
            for name in std::iter::once("version").chain(numbers) {
                self.lack(name, &why);
            }
            return;
        };
        self.set("version", &version.to_string());
        for (index, name) in numbers.into_iter().enumerate() {
            match version.number(index) {
                Some(number) => self.set(name, &number.to_string()),
                None => self.lack(name, &format!("the version {version} has no such number")),
            }
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.absent.remove(name);
        self.known.insert(name.to_owned(), value.to_owned());
    }

    pub fn lack(&mut self, name: &str, why: &str) {
        self.known.remove(name);
        self.absent.insert(name.to_owned(), why.to_owned());
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    pub(super) fn known(&self) -> &BTreeMap<String, String> {
        &self.known
    }

    pub(super) fn why_absent(&self, name: &str) -> Option<&str> {
        self.absent.get(name).map(String::as_str)
    }

    pub(super) fn is_observed(&self, name: &str) -> bool {
        !self.known.contains_key(name) && self.observed.iter().any(|observed| observed == name)
    }

    /// Every name that a template may use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().chain(self.absent.keys()).chain(&self.observed).map(String::as_str)
    }
}
