//! The grammar of tags, digests, ids and repositories.

use super::Invalid;

pub(super) fn check_tag(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("tag", text, why));
    if text.is_empty() {
        return invalid("it is empty");
    }
    if text.len() > 128 {
        return invalid("it is longer than 128 characters");
    }
    if text.starts_with(['.', '-']) {
        return invalid("it begins with `.` or `-`");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return invalid("only letters, digits, `_`, `.` and `-` may stand in a tag");
    }
    Ok(())
}

pub(super) fn check_digest(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("digest", text, why));
    let Some((algorithm, hex)) = text.split_once(':') else {
        return invalid("write algorithm:hex, e.g. sha256:…");
    };
    let expected = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return invalid("the algorithm is none of sha256, sha384, sha512"),
    };
    if hex.len() != expected || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return invalid(&format!("{algorithm} has {expected} lower-case hexadecimal digits"));
    }
    Ok(())
}

pub(super) fn check_id(text: &str) -> Result<(), Invalid> {
    if text.len() > 128 {
        return Err(Invalid::new("id", text, "it is longer than 128 characters"));
    }
    check_component(text).map_err(|why| Invalid::new("id", text, why))
}

pub(super) fn check_variant(text: &str) -> Result<(), Invalid> {
    let invalid = |why: &str| Err(Invalid::new("variant name", text, why));
    if text.is_empty() || text.len() > 64 {
        return invalid("it has 1 to 64 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return invalid("it begins with a letter or digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return invalid("only letters, digits, `_`, `.` and `-` may stand in it");
    }
    Ok(())
}

pub(super) fn check_repository(text: &str) -> Result<(), Invalid> {
    let invalid = |why: String| Err(Invalid::new("repository", text, why));
    let Some((registry, path)) = text.split_once('/') else {
        return invalid("write registry/path, e.g. ghcr.io/acme/base".to_owned());
    };
    if text.len() > 255 {
        return invalid("it is longer than 255 characters".to_owned());
    }
    if let Err(why) = check_registry(registry) {
        return invalid(why);
    }
    for component in path.split('/') {
        if let Err(why) = check_component(component) {
            return invalid(why);
        }
    }
    Ok(())
}

/// A host, perhaps with a port: `ghcr.io`, `localhost:5000`, `[::1]:5000`.
fn check_registry(text: &str) -> Result<(), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err(format!("the host {text:?} lacks its `]`"));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("{address:?} is no IPv6 address"));
        }
        (None, after.strip_prefix(':').or((!after.is_empty()).then_some("")))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    if let Some(host) = host {
        let good = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !host.split('.').all(good) {
            return Err(format!("{host:?} is no host name"));
        }
    }
    match port {
        Some(port) if port.is_empty() || port.parse::<u16>().is_err() => {
            Err(format!("{port:?} is no port"))
        }
        _ => Ok(()),
    }
}

/// One part of a repository's path: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn check_component(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a part of it is empty".to_owned());
    }
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if let Some(bad) =
        text.chars().find(|&c| !c.is_ascii() || !(alphanumeric(c as u8) || "._-".contains(c)))
    {
        let hint = if bad.is_ascii_uppercase() { " (only lower case)" } else { "" };
        return Err(format!("{bad:?} may not stand in a name{hint}"));
    }
    let (first, last) = (text.as_bytes()[0], text.as_bytes()[text.len() - 1]);
    if !alphanumeric(first) || !alphanumeric(last) {
        return Err(format!("{text:?} must begin and end with a letter or digit"));
    }
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    for separator in separators.filter(|separator| !separator.is_empty()) {
        let good = matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        if !good {
            return Err(format!(
                "{separator:?} may not stand between letters (use `.`, `_`, `__` or `-`)"
            ));
        }
    }
    Ok(())
}
