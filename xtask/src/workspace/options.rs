//! What becomes options of the build: secrets, further contexts, networks and limits.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::paths::below_root;
use super::read::{Placed, Table};
use super::settings::{BuildOptions, ContextSource, SecretSource};
use crate::mistake::Mistake;

pub(super) fn read_secrets(table: &Table<'_>, folder: &Utf8Path) -> BTreeMap<String, SecretSource> {
    let Some(secrets) = table.table("secrets") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for id in secrets.names() {
        check_option_name(&secrets, &id, "secret id");
        let Some(secret) = secrets.entry(&id.value).and_then(|entry| entry.table()) else {
            continue;
        };
        let (env, file) = (secret.string("env"), secret.string("file"));
        match (env, file) {
            (Some(env), None) => {
                check_argument_name(&secret, &env, "an environment variable");
                read.insert(id.value, SecretSource::Env(env.value));
            }
            (None, Some(file)) => {
                if file.value.contains([',', '"', '\n']) {
                    secret.mistake(
                        Mistake::new(
                            "a secret's file name may not hold `,`, quotes or line breaks",
                        )
                        .at(file.place.clone()),
                    );
                }
                let path = below_root(folder, &file.value).map_err(|why| {
                    Mistake::new(why)
                        .at(file.place)
                        .mend("a secret from elsewhere comes in a variable: { env = \"NAME\" }")
                });
                match path {
                    Ok(path) => drop(read.insert(id.value, SecretSource::File(path))),
                    Err(mistake) => secret.mistake(mistake),
                }
            }
            (None, None) if secret.has("env") || secret.has("file") => {}
            _ => secret.mistake(
                Mistake::new(format!("the secret {:?} needs one source", id.value))
                    .at(id.place)
                    .mend("write { env = \"NAME\" } or { file = \"PATH\" }"),
            ),
        }
        secret.finish();
    }
    read
}

/// What becomes part of a `key=value,…` list of buildx, where commas and quotes have a meaning.
pub(super) fn check_option_name(table: &Table<'_>, name: &Placed<String>, what: &str) {
    let good = name.value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !good {
        table.mistake(
            Mistake::new(format!("{:?} is not a valid {what}", name.value))
                .at(name.place.clone())
                .mend("letters, digits, `_`, `.` and `-`, beginning with a letter or digit"),
        );
    }
}

pub(super) fn check_argument_name(table: &Table<'_>, name: &Placed<String>, what: &str) {
    let good = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        table.mistake(
            Mistake::new(format!("{:?} is not a valid name of {what}", name.value))
                .at(name.place.clone())
                .mend("letters, digits and `_`, beginning with a letter or `_`"),
        );
    }
}

pub(super) fn read_contexts(
    table: &Table<'_>,
    folder: &Utf8Path,
) -> BTreeMap<String, Placed<ContextSource>> {
    let Some(contexts) = table.table("contexts") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in contexts.names() {
        if name.value == "context" || name.value == "scratch" {
            contexts.mistake(
                Mistake::new(format!("BuildKit does not let a context be called {:?}", name.value))
                    .at(name.place.clone())
                    .mend("choose another name"),
            );
        } else if name.value.is_empty()
            || name.value.starts_with('-')
            || name.value.contains(['=', '\n'])
        {
            contexts.mistake(
                Mistake::new(format!("{:?} is not a valid name of a context", name.value))
                    .at(name.place.clone())
                    .mend("a name that a Dockerfile can copy from: `COPY --from=NAME`"),
            );
        }
        let Some(text) = contexts.entry(&name.value).and_then(|entry| entry.string()) else {
            continue;
        };
        let source = if let Some(reference) = text.value.strip_prefix("docker-image://") {
            contexts.check(&text.place, reference.parse()).map(ContextSource::Image)
        } else if text.value.contains("://") {
            contexts.mistake(
                Mistake::new(format!("{:?} is no context that Dockyard can follow", text.value))
                    .at(text.place.clone())
                    .mend("a folder of the workspace, or docker-image://REFERENCE"),
            );
            None
        } else {
            contexts.check(&text.place, below_root(folder, &text.value)).map(ContextSource::Folder)
        };
        read.extend(source.map(|value| (name.value, Placed { value, place: text.place })));
    }
    read
}

pub(super) fn read_build_options(table: &Table<'_>) -> Option<BuildOptions> {
    let build = table.table("build")?;
    let network = build.string("network");
    if let Some(network) = &network
        && !["default", "none", "host"].contains(&network.value.as_str())
    {
        build.mistake(
            Mistake::new(format!("unknown network {:?}", network.value))
                .at(network.place.clone())
                .mend("`default`, `none` or `host`"),
        );
    }
    let shm_size = build.string("shm-size");
    if let Some(size) = shm_size.as_ref().filter(|size| !is_memory_size(&size.value)) {
        build.mistake(
            Mistake::new(format!("{:?} is no size of memory", size.value))
                .at(size.place.clone())
                .mend("write e.g. \"2g\" or \"512m\""),
        );
    }
    let values = |key, check: fn(&str) -> Result<(), &'static str>| -> BTreeMap<String, String> {
        let Some(inner) = build.table(key) else { return BTreeMap::new() };
        let names = inner.names();
        names
            .into_iter()
            .filter_map(|name| {
                check_option_name(&inner, &name, "name");
                let value = inner.entry(&name.value)?.scalar()?;
                if let Err(mend) = check(&value.value) {
                    inner.mistake(
                        Mistake::new(format!("{:?} is no value of `{key}`", value.value))
                            .at(value.place.clone())
                            .mend(mend),
                    );
                }
                Some((name.value, value.value))
            })
            .collect()
    };
    let options = BuildOptions {
        network: network.map(|text| text.value),
        shm_size: shm_size.map(|text| text.value),
        ulimits: values("ulimits", check_ulimit),
        add_hosts: values("add-hosts", check_address),
    };
    build.finish();
    Some(options)
}

/// As Docker reads it (`docker/go-units`, `RAMInBytes`): a number and perhaps a unit.
pub(super) fn is_memory_size(text: &str) -> bool {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let units = ["", "b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib"];
    units.contains(&text[unit..].to_ascii_lowercase().as_str())
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text[..unit].trim_end().parse::<f64>().is_ok()
}

/// `soft` or `soft:hard` (`docker/go-units`, `ParseUlimit`).
pub(super) fn check_ulimit(text: &str) -> Result<(), &'static str> {
    let numbers = text.splitn(2, ':').all(|number| number.parse::<i64>().is_ok_and(|n| n >= -1));
    numbers.then_some(()).ok_or("write \"1024\" or \"1024:2048\"; -1 is no limit")
}

pub(super) fn check_address(text: &str) -> Result<(), &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let good = bare == "host-gateway" || bare.parse::<std::net::IpAddr>().is_ok();
    good.then_some(()).ok_or("write an IP address, or host-gateway")
}
