//! Secrets in `ARG` and `ENV`, and in `[args]`: by their names, and by the shapes of well-known tokens.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{Found, Image};
use crate::dockerfile::Command;

/// Tokens that say what they are, and keys and passwords in text.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bhf_[A-Za-z0-9]{20,}",
        r"\bnpm_[A-Za-z0-9]{30,}",
        r"\bpypi-AgE[A-Za-z0-9_-]{20,}",
        r"\bdckr_pat_[A-Za-z0-9_-]{20,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
        r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"://[^/\s:@$]+:[^/\s:@$]{3,}@",
    ];
    Regex::new(&shapes.join("|")).expect("the shapes are expressions")
});

pub(super) fn in_values(image: &Image<'_>, found: &mut Found<'_>) {
    for instruction in image.dockerfile.instructions() {
        let pairs: Vec<(&str, Option<&str>)> = match &instruction.command {
            Command::Arg(args) => {
                args.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
            }
            Command::Env(pairs) => {
                pairs.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect()
            }
            _ => continue,
        };
        for (name, value) in pairs {
            if let Some(what) = wrong(name, value) {
                found.at(image, instruction, Some(name), format!("{} {what}", instruction.keyword));
            }
        }
    }
    for (name, template) in &image.target.args {
        let value = image.args.get(name).map_or(template.value.as_str(), String::as_str);
        if let Some(what) = wrong(name, Some(value)) {
            found.placed(&template.place, format!("the argument {what}"));
        }
    }
}

/// What is wrong with a value; it is never shown itself.
fn wrong(name: &str, value: Option<&str>) -> Option<String> {
    if value.is_some_and(|value| TOKEN.is_match(value)) {
        return Some(format!("{name} holds what looks like a token, key or password"));
    }
    // An empty value or a switch is no secret: `JUPYTER_TOKEN=""`, `USE_TOKEN=1`.
    let harmless = value.is_some_and(|value| {
        let value = value.trim_matches(['"', '\'']);
        matches!(
            value.to_lowercase().as_str(),
            "" | "0" | "1" | "true" | "false" | "yes" | "no" | "on" | "off"
        )
    });
    (!harmless && is_secret_name(name)).then(|| format!("{name} is named as a secret is"))
}

/// Whether the parts of a name say that its value is a secret, and not where one lies or what it is called.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_uppercase();
    let parts: Vec<&str> = name.split('_').collect();
    let about = [
        "FILE", "PATH", "DIR", "URL", "URI", "ID", "NAME", "TTL", "LENGTH", "TYPE", "HOST", "USER",
    ];
    if parts.contains(&"PUBLIC") || parts.last().is_some_and(|last| about.contains(last)) {
        return false;
    }
    let one = [
        "TOKEN",
        "SECRET",
        "SECRETS",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
    ];
    let two = [
        ["API", "KEY"],
        ["ACCESS", "KEY"],
        ["PRIVATE", "KEY"],
        ["SECRET", "KEY"],
        ["SSH", "KEY"],
        ["DEPLOY", "KEY"],
    ];
    parts.iter().any(|part| one.contains(part))
        || parts.windows(2).any(|pair| two.iter().any(|two| pair == two))
}
