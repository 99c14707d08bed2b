//! The value of `RUN --mount=`: comma-separated keys, from which images and paths are read.
//! (`instructions/commands_runmount.go`)

use super::table;

/// The fields of one record of comma-separated values.
fn fields(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Err("--mount is empty".to_owned());
    }
    let wrong = || format!("--mount={text}: the quotes are wrong");
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err(wrong());
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut inner = quoted;
        rest = loop {
            let (part, after) = inner.split_once('"').ok_or_else(wrong)?;
            field.push_str(part);
            match after.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    inner = after;
                }
                None => break after,
            }
        };
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(fields),
            None => return Err(wrong()),
        }
    }
}

/// Keys (in lower case) with their values; a key without `=` has none.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    Ok(fields(text)?
        .into_iter()
        .map(|field| match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value.to_owned())),
            None => (field.to_lowercase(), None),
        })
        .collect())
}

/// What is wrong with a mount before any variable is known.
pub(super) fn check(text: &str) -> Result<(), String> {
    for (key, value) in pairs(text)? {
        let dollar = value.as_deref().and_then(|value| Some((value, value.find('$')?)));
        if key == "from" && dollar.is_some_and(|(value, at)| at + 1 != value.len()) {
            return Err(
                "`from` takes no variables: name a stage `FROM … AS name` and use that".to_owned()
            );
        }
    }
    Ok(())
}

/// The `from` of a mount as written; the last one counts.
pub(super) fn from(text: &str) -> Option<String> {
    let pairs = pairs(text).ok()?;
    let mut values =
        pairs.into_iter().filter(|(key, _)| key == "from").filter_map(|(_, value)| value);
    values.next_back().filter(|from| !from.is_empty())
}

/// What one mount reads, its values already expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    /// `bind` unless said otherwise.
    pub kind: String,
    pub from: Option<String>,
    pub source: String,
}

/// A mount from its pairs.
pub(super) fn read(pairs: &[(String, Option<String>)]) -> Result<Mount, String> {
    let mut mount = Mount { kind: "bind".to_owned(), ..Mount::default() };
    for (key, value) in pairs {
        if !table::MOUNT_KEYS.contains(&key.as_str()) {
            return Err(format!("--mount has no key {key:?}"));
        }
        let Some(value) = value else {
            if matches!(key.as_str(), "readonly" | "ro" | "readwrite" | "rw" | "required") {
                continue;
            }
            return Err(format!("--mount: `{key}` needs a value"));
        };
        match key.as_str() {
            "type" => {
                mount.kind = value.to_lowercase();
                if !table::MOUNT_TYPES.contains(&mount.kind.as_str()) {
                    return Err(format!(
                        "{value:?} is no type of mount: {}",
                        table::MOUNT_TYPES.join(", ")
                    ));
                }
            }
            "from" => mount.from = Some(value.clone()).filter(|from| !from.is_empty()),
            "source" | "src" => mount.source.clone_from(value),
            _ => {}
        }
    }
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_records() {
        for (text, expected) in [
            ("type=cache,target=/c", "cache//"),
            ("target=/x", "bind//"),
            ("type=bind,from=a,source=/b,ro", "bind/a//b"),
            ("\"type=bind\",\"src=a,b\"", "bind//a,b"),
            ("TYPE=Secret,id=x", "secret//"),
        ] {
            let mount = read(&pairs(text).unwrap()).unwrap();
            let shown =
                format!("{}/{}/{}", mount.kind, mount.from.unwrap_or_default(), mount.source);
            assert_eq!(shown, expected, "{text}");
        }
        for text in ["", "a\"b", "\"a\"b", "type=x", "nothing=1", "target"] {
            assert!(pairs(text).and_then(|pairs| read(&pairs)).is_err(), "{text}");
        }
        assert!(check("from=$X").is_err());
        assert!(check("from=x$").is_ok());
    }
}
