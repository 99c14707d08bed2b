//! CUDA's version: facts, arguments, bases, and what pixi is told must agree.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex_lite::Regex;

use super::{Found, Image};
use crate::dockerfile::Command;
use crate::mistake::Place;

/// A version, and who says it.
struct Said {
    place: Place,
    who: String,
    version: Vec<u32>,
}

pub(super) fn versions(image: &Image<'_>, found: &mut Found<'_>) {
    let mut said: Vec<Said> = Vec::new();
    of_target(image, &mut said);
    for base in image.external {
        let tag = base.reference.tag_or_latest();
        let version = in_tag(tag, base.reference.repository.path());
        add(&mut said, &base.place, format!("the base {}", base.reference.familiar()), version);
    }
    of_dockerfile(image, &mut said);
    of_manifest(image, &mut said);
    let Some((first, others)) = said.split_first() else { return };
    for other in others {
        let agrees = first.version.iter().zip(&other.version).all(|(a, b)| a == b);
        if !agrees {
            let what = format!(
                "{} says CUDA {}, and {} ({}) says {}",
                other.who,
                shown(&other.version),
                first.who,
                first.place,
                shown(&first.version)
            );
            found.placed(&other.place, what);
        }
    }
}

fn add(said: &mut Vec<Said>, place: &Place, who: String, version: Option<Vec<u32>>) {
    said.extend(version.map(|version| Said { place: place.clone(), who, version }));
}

fn of_target(image: &Image<'_>, said: &mut Vec<Said>) {
    let target = image.target;
    for (name, fact) in &target.facts {
        if name.eq_ignore_ascii_case("cuda") || name.eq_ignore_ascii_case("cuda_version") {
            let version = target.known_facts.get(name).and_then(|value| parse(value));
            add(said, &fact.place, format!("the fact {name}"), version);
        }
    }
    for (name, template) in &target.args {
        let value = image.args.get(name).and_then(|value| of_variable(name, value));
        add(said, &template.place, format!("the argument {name}"), value);
    }
    if let Some(template) = &target.pixi.cuda {
        let fact = |name: &str| target.known_facts.get(name).cloned();
        let value = match template
            .value
            .trim()
            .strip_prefix("{{")
            .and_then(|inner| inner.strip_suffix("}}"))
        {
            Some(name) => fact(name.trim()),
            None => Some(template.value.clone()),
        };
        add(said, &template.place, "[pixi] cuda".to_owned(), value.and_then(|value| parse(&value)));
    }
}

/// Defaults of arguments that nobody overrides, and variables.
fn of_dockerfile(image: &Image<'_>, said: &mut Vec<Said>) {
    for instruction in image.dockerfile.instructions() {
        let pairs: Vec<(&String, &String)> = match &instruction.command {
            Command::Arg(args) => (args.iter())
                .filter(|(name, _)| !image.args.contains_key(name))
                .filter_map(|(name, value)| Some((name, value.as_ref()?)))
                .collect(),
            Command::Env(pairs) => pairs.iter().map(|(name, value)| (name, value)).collect(),
            _ => continue,
        };
        for (name, value) in pairs {
            let place = image.dockerfile.place_of(instruction, Some(name));
            add(said, &place, format!("{} {name}", instruction.keyword), of_variable(name, value));
        }
    }
}

/// `[system-requirements] cuda` of pixi's manifest, and of the features of the image's environment.
fn of_manifest(image: &Image<'_>, said: &mut Vec<Said>) {
    let Some((file, text)) = &image.surroundings.pixi else { return };
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let manifest =
        match table.get("tool").and_then(|tool| tool.get("pixi")).and_then(toml::Value::as_table) {
            Some(inner) if file.file_name() == Some("pyproject.toml") => inner,
            _ => &table,
        };
    let environment = image.target.pixi.environment.as_deref().unwrap_or("default");
    let environment = manifest.get("environments").and_then(|all| all.get(environment));
    let list =
        environment.and_then(|one| one.as_array().or_else(|| one.get("features")?.as_array()));
    let features = list.into_iter().flatten().filter_map(toml::Value::as_str);
    let features = features.filter_map(|name| {
        Some((format!("feature.{name}."), manifest.get("feature")?.get(name)?.as_table()?))
    });
    for (prefix, table) in std::iter::once((String::new(), manifest)).chain(features) {
        let Some(cuda) = table.get("system-requirements").and_then(|table| table.get("cuda"))
        else {
            continue;
        };
        let value = match cuda {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            _ => continue,
        };
        let section = format!("[{prefix}system-requirements]");
        add(said, &place(file, text, &section), format!("`{section} cuda`"), parse(&value));
    }
}

/// The line with `cuda` below the section's title.
fn place(file: &Utf8Path, text: &str, section: &str) -> Place {
    let start = text.find(section).unwrap_or(0);
    let offset = text[start..].find("\ncuda").map_or(start, |at| start + at + 1);
    Place::of_offset(file, text, offset)
}

/// pip's index of wheels for one version.
static INDEX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"/whl/(?:nightly/)?cu(\d{3})\b").expect("it is an expression"));

/// The version that a variable of this name says: `CUDA_VERSION`, `CONDA_OVERRIDE_CUDA`, an index of wheels.
fn of_variable(name: &str, value: &str) -> Option<Vec<u32>> {
    let name = name.to_uppercase();
    let named = [
        "CUDA",
        "CUDA_VERSION",
        "CUDA_VER",
        "CUDA_LINE",
        "CUDA_TAG",
        "CU_VERSION",
        "CONDA_OVERRIDE_CUDA",
    ];
    if named.contains(&name.as_str()) || name.ends_with("_CUDA_VERSION") {
        return parse(value);
    }
    parse(&INDEX.captures(value)?[1])
}

/// `nvidia/cuda:12.6.3-base`, `pytorch:2.5.1-cuda12.4-cudnn9`, `pixi:0.77.0-noble-cuda-13.0.0`, `x:cu126`.
fn in_tag(tag: &str, path: &str) -> Option<Vec<u32>> {
    static IN_TAG: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[-_.])(?:cuda[-_]?(\d+(?:\.\d+)*)|cu(\d{3}))(?:[-_]|$)")
            .expect("it is an expression")
    });
    if path.ends_with("/cuda") || path == "cuda" {
        return parse(tag.split('-').next()?);
    }
    let captures = IN_TAG.captures(tag)?;
    parse(captures.get(1).or_else(|| captures.get(2))?.as_str())
}

/// `12.6.3`, `12`, `126`, `cu126`, `cuda12.6`.
fn parse(text: &str) -> Option<Vec<u32>> {
    let text = text.trim().trim_matches('"').to_lowercase();
    let text = text
        .trim_start_matches("cuda")
        .trim_start_matches("cu")
        .trim_start_matches(['-', '=', '>', '~']);
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && text.len() == 3 {
        let (major, minor) = text.split_at(2);
        return Some(vec![major.parse().ok()?, minor.parse().ok()?]);
    }
    let numbers: Option<Vec<u32>> =
        text.trim_end_matches(".*").split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

fn shown(version: &[u32]) -> String {
    version.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}
