//! How is this workspace's xtask built? As the alias in `.cargo/config.toml` runs it.

use std::fs;

use anyhow::Context as _;
use camino::Utf8Path;

use crate::ci::{Profile, Xtask};
use crate::mistake::{Mistake, Place};

const FILE: &str = ".cargo/config.toml";

/// # Errors
/// When the file cannot be read, or names something that is no plain name.
pub(super) fn xtask(root: &Utf8Path) -> anyhow::Result<Xtask> {
    let file = root.join(FILE);
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("failed to read {file}"))?,
    };
    of_alias(&words(&text)?)
}

/// The words of `alias.xtask`, which is a text or a list.
fn words(text: &str) -> anyhow::Result<Vec<String>> {
    let config: toml::Table = toml::from_str(text).map_err(|error| {
        let place =
            Place::of_offset(Utf8Path::new(FILE), text, error.span().map_or(0, |span| span.start));
        Mistake::new(format!("TOML: {}", error.message())).at(place).into_error()
    })?;
    Ok(match config.get("alias").and_then(|alias| alias.get("xtask")) {
        Some(toml::Value::String(line)) => line.split_whitespace().map(str::to_owned).collect(),
        Some(toml::Value::Array(words)) => {
            words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    })
}

fn of_alias(words: &[String]) -> anyhow::Result<Xtask> {
    let option = |names: [&str; 2]| {
        words.iter().enumerate().find_map(|(number, word)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value.to_owned()),
            None if names.contains(&word.as_str()) => words.get(number + 1).cloned(),
            _ => None,
        })
    };
    let package = option(["--package", "-p"]);
    let bin = option(["--bin", "--bin"]).or_else(|| package.clone());
    let bin = bin.unwrap_or_else(|| "xtask".to_owned());
    let profile = match option(["--profile", "--profile"]) {
        Some(name) if name == "dev" => Profile::Dev,
        Some(name) if name == "release" => Profile::Release,
        Some(name) => Profile::Named(name),
        None if words.iter().any(|word| word == "--release" || word == "-r") => Profile::Release,
        None => Profile::Dev,
    };
    let named = match &profile {
        Profile::Named(name) => name.as_str(),
        _ => "dev",
    };
    for name in package.iter().map(String::as_str).chain([bin.as_str(), named]) {
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !plain {
            return Err(Mistake::new(format!("{name:?} in the alias `xtask` is no plain name"))
                .at(Place::new(FILE, 1, 1))
                .mend("write xtask = \"run --quiet --package xtask --\"")
                .into_error());
        }
    }
    Ok(Xtask { package, bin, profile })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match words(text).and_then(|words| of_alias(&words)) {
            Ok(Xtask { package, bin, profile }) => {
                format!("{} {bin} {profile:?}", package.as_deref().unwrap_or("-"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn aliases_are_read_as_cargo_reads_them() {
        for (text, xtask) in [
            ("", "- xtask Dev"),
            ("[alias]\nxtask = 'run --quiet --bin xtask --'", "- xtask Dev"),
            ("[alias]\nxtask = 'run --quiet --package xtask --'", "xtask xtask Dev"),
            ("[alias]\nxtask = 'run -p tools --bin tool --release --'", "tools tool Release"),
            (
                "[alias]\nxtask = ['run', '--package=x', '--profile=fast', '--']",
                "x x Named(\"fast\")",
            ),
            ("[alias]\nxtask = 'run --package x --profile dev'", "x x Dev"),
        ] {
            assert_eq!(read(text), xtask, "{text}");
        }
        for text in
            ["[alias]\nxtask = 'run --package $(x)'", "[alias", "[alias]\nxtask = 'run --bin -x'"]
        {
            assert!(read(text).contains(".cargo/config.toml"), "{text}: {}", read(text));
        }
    }
}
