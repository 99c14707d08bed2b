//! The files of the workspace besides its images: the root `Cargo.toml`, the `xtask` package, its alias, ignore files.
//! What exists is never edited: then the lines to add are given.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use toml_writer::ToTomlValue;

use super::connect::Prefixes;
use super::{File, Lines};

const PROFILE: &str = r#"
# The xtask is compiled in every fresh clone, and in CI: symbols of its dependencies are a quarter of that time.
[profile.dev.package."*"]
debug = false

# What runs once a file, and nothing else, is worth an optimising compiler's time.
[profile.dev.package.dockyard-context]
opt-level = 2

[profile.dev.package.sha2]
opt-level = 3
"#;
const ALIAS: &str = "[alias]\nxtask = \"run --quiet --bin xtask --\"\n";
const MAIN: &str =
    "use std::process::ExitCode;\n\nfn main() -> ExitCode {\n    dockyard::main()\n}\n";

/// What is there already: the text of a file, if there is one.
pub(super) type Existing<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Where Dockyard itself comes from: the value of the dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    Git(String),
    Path(Utf8PathBuf),
}

impl Spec {
    fn dependency(&self) -> String {
        let (key, value) = match self {
            Self::Git(url) => ("git", url.clone()),
            Self::Path(path) => ("path", path.to_string()),
        };
        format!("dockyard = {{ package = \"xtask\", {key} = {} }}", value.to_toml_value())
    }
}

/// The section of the root `Cargo.toml`.
pub(super) fn section(prefixes: &Prefixes) -> String {
    let list = |items: &mut dyn Iterator<Item = &String>| {
        let items: Vec<String> = items.map(ToTomlValue::to_toml_value).collect();
        format!("[{}]", items.join(", "))
    };
    let mut text = "[workspace.metadata.dockyard]\n".to_owned();
    if prefixes.registries.is_empty() && prefixes.all_named {
        text.push_str("# Each image names its own repositories.\n");
    } else if prefixes.registries.is_empty() {
        text.push_str("# unsure: no build names a registry. Where are these images published?\n");
        text.push_str("# registries = [\"ghcr.io/acme\"]\n");
    } else {
        text = text + "registries = " + &list(&mut prefixes.registries.iter()) + "\n";
    }
    if !prefixes.aliases.is_empty() {
        text = text + "aliases = " + &list(&mut prefixes.aliases.iter()) + "\n";
    }
    text
}

/// Whether `xtask/Cargo.toml` has to be written, and so has to say where Dockyard comes from.
pub(super) fn needs_spec(existing: &Existing<'_>) -> bool {
    existing("xtask/Cargo.toml").is_none()
}

/// The files to write, and the lines to add where one exists.
pub(super) fn files(
    prefixes: &Prefixes,
    spec: Option<&Spec>,
    rooted: &BTreeSet<&Utf8Path>,
    existing: &Existing<'_>,
) -> (Vec<File>, Vec<Lines>) {
    let (mut files, mut lines) = (Vec::new(), Vec::new());
    let mut file = |path: &str, text: String| files.push(File { path: path.into(), text });
    let mut add = |path: &str, text: String, place: &str| {
        lines.push(Lines { path: path.into(), place: place.to_owned(), text });
    };
    let section = section(prefixes);
    match existing("Cargo.toml") {
        None => file(
            "Cargo.toml",
            format!("[workspace]\nresolver = \"3\"\nmembers = [\"xtask\"]\n\n{section}{PROFILE}"),
        ),
        Some(text) => {
            let read = text.parse::<toml::Table>().unwrap_or_default();
            let workspace = read.get("workspace").and_then(toml::Value::as_table);
            let metadata =
                workspace.and_then(|workspace| workspace.get("metadata")?.get("dockyard"));
            let members = workspace.and_then(|workspace| workspace.get("members")?.as_array());
            let is_member = members.is_some_and(|members| {
                members
                    .iter()
                    .filter_map(toml::Value::as_str)
                    .any(|member| member == "xtask" || member == "*")
            });
            let head =
                if workspace.is_none() { "[workspace]\nmembers = [\"xtask\"]\n\n" } else { "" };
            if metadata.is_none() {
                add("Cargo.toml", format!("{head}{section}{PROFILE}"), "at the end");
            }
            if workspace.is_some() && !is_member {
                add("Cargo.toml", "\"xtask\"\n".to_owned(), "to the list `members` of [workspace]");
            }
        }
    }
    match existing(".cargo/config.toml") {
        None => file(".cargo/config.toml", ALIAS.to_owned()),
        Some(text) => {
            let read = text.parse::<toml::Table>().unwrap_or_default();
            let alias = read.get("alias").and_then(toml::Value::as_table);
            match alias {
                None => add(".cargo/config.toml", ALIAS.to_owned(), "at the end"),
                Some(aliases) if !aliases.contains_key("xtask") => {
                    add(
                        ".cargo/config.toml",
                        ALIAS.trim_start_matches("[alias]\n").to_owned(),
                        "in [alias]",
                    );
                }
                Some(_) => {}
            }
        }
    }
    match (existing("xtask/Cargo.toml"), spec) {
        (None, Some(spec)) => {
            let dependency = spec.dependency();
            file(
                "xtask/Cargo.toml",
                format!(
                    "[package]\nname = \"xtask\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{dependency}\n"
                ),
            );
            if existing("xtask/src/main.rs").is_none() {
                file("xtask/src/main.rs", MAIN.to_owned());
            }
        }
        (Some(text), Some(spec)) if !text.contains("dockyard") => {
            add(
                "xtask/Cargo.toml",
                format!("{}\n", spec.dependency()),
                "in [dependencies]; and its main calls dockyard::main()",
            );
        }
        _ => {}
    }
    let ignored = ["target", "/target", "target/", "/target/"];
    match existing(".gitignore") {
        None => file(".gitignore", "/target/\n".to_owned()),
        Some(text) if !text.lines().any(|line| ignored.contains(&line.trim())) => {
            add(".gitignore", "/target/\n".to_owned(), "at the end");
        }
        Some(_) => {}
    }
    ignore_files(rooted, existing, &mut file, &mut add);
    (files, lines)
}

/// Contexts that are the whole repository leave `.git` and `target` out.
fn ignore_files(
    dockerfiles: &BTreeSet<&Utf8Path>,
    existing: &Existing<'_>,
    file: &mut dyn FnMut(&str, String),
    add: &mut dyn FnMut(&str, String, &str),
) {
    let mut common = false;
    let mut check = |path: &str, text: &str| {
        let ignore = crate::dockerfile::ignore::Ignore::parse(text).ok();
        let taken = |name: &&str| ignore.as_ref().is_some_and(|ignore| !ignore.matches(name));
        let missing: Vec<&str> = [".git", "target"].into_iter().filter(taken).collect();
        if !missing.is_empty() {
            add(
                path,
                missing.join("\n") + "\n",
                "at the end: builds take the whole repository as their context",
            );
        }
    };
    for dockerfile in dockerfiles {
        let own = format!("{dockerfile}.dockerignore");
        match existing(&own) {
            Some(text) => check(&own, &text),
            None => common = true,
        }
    }
    if common {
        match existing(".dockerignore") {
            Some(text) => check(".dockerignore", &text),
            None => file(".dockerignore", ".git\ntarget\n".to_owned()),
        }
    }
}
