//! Which images from elsewhere do Dockerfiles name, and does `images.lock` hold them? Pure: what a registry says comes in as
//! [`Found`].

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::dockerfile::{Dockerfile, FRONTEND_ARGUMENT};
use crate::graph::Graph;
use crate::mistake::Place;
use crate::reference::{Digest, Platform, Reference};
use crate::workspace::{LockedImage, Target};

/// The lock, by reference as Dockerfiles name it.
pub type Lock = BTreeMap<Reference, LockedImage>;

/// An image from elsewhere that the workspace uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub platforms: BTreeSet<Platform>,
    /// Whether something uses it on the builder's own platform, which may be any.
    pub any_platform: bool,
    /// The ids of the images that use it.
    pub images: BTreeSet<String>,
    /// Where it is named.
    pub places: BTreeSet<Place>,
}

impl Wanted {
    /// The first of its places, as `file:line:column`.
    pub fn place(&self) -> String {
        self.places.first().map(Place::to_string).unwrap_or_default()
    }
}

/// What a registry says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of the index, where there is one.
    pub digest: Digest,
    pub platforms: BTreeMap<Platform, Digest>,
    pub onbuild: Vec<String>,
    /// RFC 3339.
    pub created: Option<String>,
}

/// A question for a registry: what is there for these platforms, or for all of them?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub reference: Reference,
    pub platforms: BTreeSet<Platform>,
    pub any_platform: bool,
}

/// Every image from elsewhere that `targets` use, the frontends of their Dockerfiles included.
pub fn wanted(
    graph: &Graph,
    targets: &[&Target],
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
) -> BTreeMap<Reference, Wanted> {
    let mut wanted: BTreeMap<Reference, Wanted> = BTreeMap::new();
    let mut add = |reference: &Reference, target: &Target, place: Place| {
        let entry = wanted.entry(reference.clone()).or_insert_with(|| Wanted {
            platforms: BTreeSet::new(),
            any_platform: false,
            images: BTreeSet::new(),
            places: BTreeSet::new(),
        });
        entry.images.insert(target.id.to_string());
        entry.places.insert(place);
    };
    for target in targets {
        if let Some(dockerfile) = dockerfiles.get(&target.dockerfile.value)
            && let Some((reference, place)) = frontend(target, dockerfile)
        {
            add(&reference, target, place);
        }
        for base in graph.get(&target.target_name()).into_iter().flat_map(|vertex| &vertex.external)
        {
            add(&base.reference, target, base.place.clone());
        }
    }
    for target in targets {
        for base in graph.get(&target.target_name()).into_iter().flat_map(|vertex| &vertex.external)
        {
            let Some(entry) = wanted.get_mut(&base.reference) else { continue };
            for (_, platform) in &base.uses {
                match platform {
                    Some(platform) => {
                        entry.platforms.insert(platform.clone());
                    }
                    None => entry.any_platform = true,
                }
            }
        }
    }
    wanted
}

/// The image of the argument that names a frontend, else of the `# syntax=` line, without the words that may follow it.
fn frontend(target: &Target, dockerfile: &Dockerfile) -> Option<(Reference, Place)> {
    let (written, place) = match target.args.get(FRONTEND_ARGUMENT) {
        Some(template) => (template.value.as_str(), template.place.clone()),
        None => {
            let (written, line) = dockerfile.syntax()?;
            (written, Place::new(&target.dockerfile.value, line, 1))
        }
    };
    Some((written.split_whitespace().next()?.parse().ok()?, place))
}

/// What the lock lacks of an image that is wanted, completing «debian:13 …».
pub fn lack(wanted: &Wanted, locked: Option<&LockedImage>) -> Option<String> {
    let Some(locked) = locked else { return Some("is not locked".to_owned()) };
    let missing: Vec<String> = wanted
        .platforms
        .iter()
        .filter(|platform| !locked.platforms.contains_key(*platform))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        return Some(format!("is locked without {}", missing.join(", ")));
    }
    // Of a base of any platform, at least one is known with its triggers.
    (wanted.any_platform && locked.platforms.is_empty())
        .then(|| "is locked without its platforms".to_owned())
}

/// What has to be asked for each reference that lacks something or may move. References that mean the same image share
/// a question; one that only lacks a platform keeps its digest.
pub fn questions(
    wanted: &BTreeMap<Reference, Wanted>,
    lock: &Lock,
    moves: &dyn Fn(&Reference) -> bool,
) -> BTreeMap<Reference, Question> {
    let asked = |(reference, wanted): (&Reference, &Wanted)| {
        let locked = lock.get(reference);
        // What is named by its digest cannot move.
        let moves = moves(reference) && reference.digest.is_none();
        if !moves && lack(wanted, locked).is_none() {
            return None;
        }
        let digest = match (&reference.digest, locked) {
            (Some(digest), _) => Some(digest.clone()),
            (None, Some(locked)) if !moves => Some(locked.digest.clone()),
            _ => None,
        };
        // The tag beside a digest says nothing.
        let tag = match &digest {
            Some(_) => None,
            None => reference.tag_or_latest().parse().ok(),
        };
        let (platforms, any_platform) = (wanted.platforms.clone(), wanted.any_platform);
        let of = Reference { repository: reference.repository.clone(), tag, digest };
        Some((reference.clone(), Question { reference: of, platforms, any_platform }))
    };
    let mut questions: BTreeMap<Reference, Question> = wanted.iter().filter_map(asked).collect();
    // Asked once, for the platforms of all.
    let mut together: BTreeMap<Reference, Question> = BTreeMap::new();
    for question in questions.values() {
        let all = together.entry(question.reference.clone()).or_insert_with(|| question.clone());
        all.platforms.extend(question.platforms.iter().cloned());
        all.any_platform |= question.any_platform;
    }
    for question in questions.values_mut() {
        question.clone_from(&together[&question.reference]);
    }
    questions
}

/// The entry for `reference` of what was found.
///
/// # Errors
/// The platforms that the image is not made for.
pub fn entry(reference: &Reference, wanted: &Wanted, found: &Found) -> Result<LockedImage, String> {
    let missing: Vec<String> = wanted
        .platforms
        .iter()
        .filter(|platform| !found.platforms.contains_key(*platform))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        let there: Vec<String> = found.platforms.keys().map(ToString::to_string).collect();
        return Err(format!(
            "it is not made for {}, only for {}",
            missing.join(", "),
            there.join(", ")
        ));
    }
    let kept = |platform: &Platform| wanted.any_platform || wanted.platforms.contains(platform);
    let platforms = found.platforms.iter().filter(|(platform, _)| kept(platform));
    Ok(LockedImage {
        reference: reference.clone(),
        digest: found.digest.clone(),
        created: found.created.clone(),
        platforms: platforms.map(|(platform, digest)| (platform.clone(), digest.clone())).collect(),
        onbuild: found.onbuild.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    fn wanted_on(platforms: &[&str]) -> Wanted {
        Wanted {
            platforms: platforms.iter().map(|platform| platform.parse().unwrap()).collect(),
            any_platform: false,
            images: BTreeSet::new(),
            places: BTreeSet::new(),
        }
    }

    fn locked(name: &str, platforms: &[&str]) -> (Reference, LockedImage) {
        let platforms =
            platforms.iter().map(|platform| (platform.parse().unwrap(), digest("1"))).collect();
        let image = LockedImage {
            reference: reference(name),
            digest: digest("0"),
            created: None,
            platforms,
            onbuild: Vec::new(),
        };
        (reference(name), image)
    }

    #[test]
    fn only_what_lacks_something_or_may_move_is_asked_for() {
        let pinned = format!("pinned:1@{}", digest("9"));
        let wanted: BTreeMap<_, _> = [
            (reference("a:1"), wanted_on(&["linux/amd64"])),
            (reference("b"), wanted_on(&["linux/amd64"])),
            (reference("b:latest"), wanted_on(&["linux/arm64"])),
            (reference("c:1"), wanted_on(&["linux/amd64", "linux/arm64"])),
            (reference(&pinned), wanted_on(&["linux/amd64"])),
        ]
        .into();
        let lock: Lock = [locked("a:1", &["linux/amd64"]), locked("c:1", &["linux/amd64"])].into();
        let rows = |moves: &dyn Fn(&Reference) -> bool| -> Vec<String> {
            let questions = questions(&wanted, &lock, moves);
            let row = |(name, asked): (&Reference, &Question)| {
                let on: Vec<String> = asked.platforms.iter().map(ToString::to_string).collect();
                format!("{} → {} {}", name.familiar(), asked.reference.familiar(), on.join(" "))
            };
            questions.iter().map(row).collect()
        };
        let both = "linux/amd64 linux/arm64";
        let (zero, nine) = (digest("0"), digest("9"));
        let lacking = [
            format!("b → b:latest {both}"),
            format!("b:latest → b:latest {both}"),
            format!("c:1 → c@{zero} {both}"),
            format!("{pinned} → pinned@{nine} linux/amd64"),
        ];
        assert_eq!(rows(&|_| false), lacking);
        let moved = rows(&|_| true);
        assert_eq!(moved[0], "a:1 → a:1 linux/amd64");
        assert_eq!(moved[3], format!("c:1 → c:1 {both}"));
        assert_eq!(moved[4], format!("{pinned} → pinned@{nine} linux/amd64"));
    }

    #[test]
    fn an_entry_has_the_platforms_that_are_used() {
        let found = Found {
            digest: digest("0"),
            platforms: ["linux/amd64", "linux/arm64", "linux/s390x"]
                .map(|platform| (platform.parse().unwrap(), digest("1")))
                .into(),
            onbuild: Vec::new(),
            created: None,
        };
        let entry = |wanted: &Wanted| entry(&reference("a"), wanted, &found);
        assert_eq!(entry(&wanted_on(&["linux/arm64"])).unwrap().platforms.len(), 1);
        let any = Wanted { any_platform: true, ..wanted_on(&[]) };
        assert_eq!(entry(&any).unwrap().platforms.len(), 3);
        let why = entry(&wanted_on(&["linux/riscv64"])).unwrap_err();
        assert!(why.starts_with("it is not made for linux/riscv64, only for linux/amd64"), "{why}");
        assert!(lack(&any, Some(&entry(&any).unwrap())).is_none());
    }
}
