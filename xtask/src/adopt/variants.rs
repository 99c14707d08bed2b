//! The builds of one image, as its variants.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::found::Kind;
use super::image::{Argument, Variant, Version};
use super::merge::{Resolved, line};
use super::name::Tagged;
use super::text::Text;
use crate::dockerfile::Dockerfile;
use crate::reference::VariantName;
use crate::tags;
use crate::workspace::{Channel, shown};

/// The tag of an image that somebody builds for themselves.
const DEV: &str = "dev";

/// The variants of the image `id`, and the builds that each was made of. Doubts are added.
pub(super) fn of(
    builds: Vec<Resolved>,
    id: &str,
    version: Option<&Version>,
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
    doubts: &mut BTreeSet<String>,
) -> (Vec<Variant>, Vec<Vec<Resolved>>) {
    let mut classes: Vec<Vec<Resolved>> = Vec::new();
    for build in builds {
        let place = classes.iter().position(|class| agree(class, &build, dockerfiles));
        match place {
            Some(at) => classes[at].push(build),
            None => classes.push(vec![build]),
        }
    }
    let names = names(&classes, id);
    let mut variants: Vec<Variant> =
        classes.iter().map(|class| variant(class, version, doubts)).collect();
    if variants.len() > 1 {
        tags_once(&mut variants, doubts);
        let owners = variants.iter().filter(|one| has_latest(one)).count();
        for (number, (variant, name)) in variants.iter_mut().zip(names).enumerate() {
            variant.default =
                if owners == 1 { has_latest(variant) } else { owners == 0 && number == 0 };
            // Variants share a repository.
            if !variant.default {
                for (channel, tag) in &mut variant.tags {
                    if *channel == Some(Channel::Dev) && tag == DEV {
                        *tag = format!("{DEV}-{name}");
                    }
                }
            }
            variant.name = Some(name);
        }
        if owners == 0 {
            doubts
                .insert("no variant has the tag `latest`; the first is the default one".to_owned());
        }
    }
    (variants, classes)
}

/// A tag belongs to one variant: builds that overwrote each other's are told apart, and the first keeps it.
fn tags_once(variants: &mut [Variant], doubts: &mut BTreeSet<String>) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for variant in variants {
        let own: BTreeSet<String> = variant.tags.iter().map(|(_, tag)| tag.clone()).collect();
        for tag in own.intersection(&taken).filter(|tag| *tag != DEV) {
            doubts.insert(format!("several builds give the tag {tag}; the first variant has it"));
        }
        variant.tags.retain(|(_, tag)| tag == DEV || !taken.contains(tag));
        taken.extend(own);
    }
}

fn has_latest(variant: &Variant) -> bool {
    variant.tags.iter().any(|(_, tag)| tag == "latest")
}

/// Whether `build` is one of `class`, or says less of the same.
fn agree(
    class: &[Resolved],
    build: &Resolved,
    dockerfiles: &BTreeMap<Utf8PathBuf, Dockerfile>,
) -> bool {
    let Some(first) = class.first() else { return false };
    if first.dockerfile != build.dockerfile {
        return false;
    }
    let last = dockerfiles
        .get(&build.dockerfile)
        .and_then(|file| file.stages().last()?.name.map(str::to_owned));
    let stage = |one: &Resolved| one.stage().map(str::to_lowercase).or_else(|| last.clone());
    if stage(first) != stage(build) {
        return false;
    }
    let (a, b) = (args(class.iter()), args(std::iter::once(build)));
    let compatible = a.iter().all(|(name, value)| b.get(name).is_none_or(|other| other == value));
    let shares_tag = class
        .iter()
        .flat_map(|one| &one.names)
        .any(|one| build.names.iter().any(|two| one.same(two)));
    if !compatible {
        return shares_tag;
    }
    let equal = a == b;
    let other_file = class.iter().all(|one| one.build.place.file != build.build.place.file);
    equal || shares_tag || other_file || build.names.is_empty()
}

/// The arguments whose values are known.
fn args<'a>(builds: impl Iterator<Item = &'a Resolved>) -> BTreeMap<&'a str, &'a str> {
    let all = builds.flat_map(|one| &one.build.args);
    let known = all.filter_map(|(name, value)| Some((name.as_str(), value.as_known()?)));
    known.fold(BTreeMap::new(), |mut args, (name, value)| {
        args.entry(name).or_insert(value);
        args
    })
}

fn variant(
    class: &[Resolved],
    version: Option<&Version>,
    doubts: &mut BTreeSet<String>,
) -> Variant {
    let first = &class[0];
    let mut variant = Variant {
        name: None,
        default: false,
        publish: class.iter().any(Resolved::is_published),
        dockerfile: first.dockerfile.clone(),
        context: first.context.clone(),
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
    let mut values: BTreeMap<&str, (&Text, &Resolved)> = BTreeMap::new();
    for one in class {
        let here = line(&one.build.place);
        if one.context != variant.context {
            doubts.insert(format!(
                "{here} builds with the context {}, not {}",
                shown(&one.context),
                shown(&variant.context)
            ));
        }
        variant.stage = variant.stage.or_else(|| one.stage().map(str::to_owned));
        for platform in &one.build.platforms {
            if !variant.platforms.contains(platform) {
                variant.platforms.push(platform.clone());
            }
        }
        variant.ssh |= one.build.ssh;
        variant.cache = variant.cache.or_else(|| one.build.cache.clone());
        for (name, secret) in &one.build.secrets {
            variant.secrets.entry(name.clone()).or_insert_with(|| secret.clone());
        }
        for (name, value) in &one.build.args {
            match values.get(name.as_str()) {
                None => {
                    values.insert(name, (value, one));
                }
                Some((other, _)) if other.has_unknown() && !value.has_unknown() => {
                    values.insert(name, (value, one));
                }
                Some((other, _)) if !value.has_unknown() && *other != value => {
                    doubts.insert(format!("{here} sets {name} to `{value}`, not `{other}`"));
                }
                Some(_) => {}
            }
        }
    }
    for (name, (value, one)) in values {
        match argument(name, value, class) {
            Some(template) => {
                variant.args.insert(name.to_owned(), Argument::Template(template));
            }
            None => {
                let here = line(&one.build.place);
                doubts.insert(format!(
                    "{here} sets {name} to `{value}`, which is known only when that runs"
                ));
            }
        }
    }
    variant.tags = all_tags(class, version, doubts);
    variant
}

/// The value of a build argument as a template. The image's own name is a fact.
fn argument(name: &str, value: &Text, class: &[Resolved]) -> Option<String> {
    let own = class
        .iter()
        .flat_map(|one| &one.build.names)
        .any(|one| one.text == *value && !value.is_empty());
    if own {
        return Some("{{ reference }}".to_owned());
    }
    let lower = name.to_lowercase();
    if value.has_unknown() && lower.contains("base") && lower.contains("digest") {
        return Some("{{ base_digest | default('') }}".to_owned());
    }
    value.template()
}

/// The tags of all builds. Where one file publishes by channel, what others write belongs to `dev`.
fn all_tags(
    class: &[Resolved],
    version: Option<&Version>,
    doubts: &mut BTreeSet<String>,
) -> Vec<(Option<Channel>, String)> {
    // A workflow publishes; what others build beside it is for where they are run.
    let publishes = |one: &Resolved| {
        one.build.kind == Kind::Workflow && one.names.iter().any(|name| name.pushed)
    };
    let by_channel = class.iter().any(publishes);
    let mut tags: Vec<(Option<Channel>, String)> = Vec::new();
    for one in class {
        for name in &one.names {
            let Some(template) = template(name, version) else {
                let tag = name.tag.clone().unwrap_or_default();
                doubts.insert(format!(
                    "{} gives the tag `{tag}`, which is known only when that runs",
                    line(&one.build.place)
                ));
                continue;
            };
            let everywhere = || tags.iter().any(|(_, tag)| *tag == template);
            let channel = match name.channel {
                None if by_channel && !name.pushed => {
                    if everywhere() {
                        continue;
                    }
                    Some(Channel::Dev)
                }
                channel => channel,
            };
            if !tags.contains(&(channel, template.clone())) {
                tags.push((channel, template));
            }
        }
    }
    // A table by channel leaves `build` without a tag, where it has none for `dev`.
    if tags.iter().any(|(channel, _)| channel.is_some())
        && !tags.iter().any(|(channel, _)| *channel == Some(Channel::Dev))
    {
        tags.push((Some(Channel::Dev), DEV.to_owned()));
    }
    tags
}

fn template(name: &Tagged, version: Option<&Version>) -> Option<String> {
    let Some(tag) = &name.tag else { return Some("latest".to_owned()) };
    if let (Some(Version::Literal(version)), Some(known)) = (version, tag.as_known()) {
        let rest = known.strip_prefix(version.as_str());
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('-')) {
            return Some(format!("{{{{ version }}}}{rest}"));
        }
    }
    // What is no tag at all would stop every command.
    if let Some(known) = tag.as_known() {
        tags::sanitise(known).ok()?;
    }
    tag.template()
}

/// What a class could be called.
type Naming<'a> = dyn Fn(&Vec<Resolved>) -> Option<String> + 'a;

/// A name for each class: by what tells them apart.
fn names(classes: &[Vec<Resolved>], id: &str) -> Vec<String> {
    if classes.len() < 2 {
        return vec![String::new(); classes.len()];
    }
    let first = |class: &Vec<Resolved>| class[0].clone();
    let candidates: [&Naming<'_>; 6] = [
        &|class| first(class).stage().map(str::to_owned),
        &|class| {
            let label = class.iter().find_map(|one| one.build.label.clone())?;
            let rest = label.strip_prefix(id).unwrap_or(&label).trim_matches(['-', '_', '.']);
            (!rest.is_empty()).then(|| rest.to_owned())
        },
        &|class| differing_argument(class, classes),
        &|class| Some(first(class).dockerfile.parent().and_then(Utf8Path::file_name)?.to_owned()),
        &|class| {
            let name = first(class).dockerfile.file_name()?.to_lowercase();
            let rest = name
                .trim_start_matches("dockerfile")
                .trim_end_matches("dockerfile")
                .trim_matches('.');
            Some(if rest.is_empty() { "default".to_owned() } else { rest.to_owned() })
        },
        &|class| {
            let tags = class.iter().flat_map(|one| &one.names).filter_map(|name| name.tag.as_ref());
            let known = tags.filter_map(Text::as_known).find(|tag| *tag != "latest");
            Some(known.unwrap_or("latest").to_owned())
        },
    ];
    for candidate in candidates {
        let found: Vec<Option<String>> = classes
            .iter()
            .map(|class| candidate(class).and_then(|name| variant_name(&name)))
            .collect();
        let missing = found.iter().filter(|name| name.is_none()).count();
        let names: Vec<String> =
            found.into_iter().map(|name| name.unwrap_or_else(|| "default".to_owned())).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        if different.len() == names.len() && missing <= 1 {
            return names;
        }
    }
    (1..=classes.len()).map(|number| format!("v{number}")).collect()
}

/// The value of the one argument in which the classes differ.
fn differing_argument(class: &[Resolved], classes: &[Vec<Resolved>]) -> Option<String> {
    let all: Vec<BTreeMap<&str, &str>> = classes.iter().map(|class| args(class.iter())).collect();
    let keys: BTreeSet<&str> = all.iter().flat_map(|args| args.keys().copied()).collect();
    let differing: Vec<&str> = keys
        .into_iter()
        .filter(|key| all.iter().map(|args| args.get(key)).collect::<BTreeSet<_>>().len() > 1)
        .collect();
    let [key] = differing[..] else { return None };
    args(class.iter()).get(key).map(|value| (*value).to_owned())
}

fn variant_name(text: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    name.parse::<VariantName>().ok().map(|name| name.to_string())
}
