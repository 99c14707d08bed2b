//! What a source of `COPY` or `ADD` is: a path, a URL, a git repository. (`convert_copy.go`, `dfgitutil`)

/// `source` as a path below the context's root: cleaned, without a leading slash, `.` for the root.
pub(super) fn clean(source: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Local,
    Http,
    /// Whether the URL itself names a commit.
    Git {
        pinned: bool,
    },
}

pub(super) fn kind(source: &str) -> Kind {
    let scheme = source.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let git = match scheme.as_deref() {
        Some("http" | "https") => {
            let path = source.split(['#', '?']).next().unwrap_or_default();
            if path.strip_suffix(".git").is_some() {
                true
            } else if source.starts_with("http://") || source.starts_with("https://") {
                return Kind::Http;
            } else {
                false
            }
        }
        Some("ssh" | "git") => true,
        Some(_) => false,
        None => is_scp(source),
    };
    if git { Kind::Git { pinned: names_commit(source) } } else { Kind::Local }
}

/// `user@host:path`.
fn is_scp(source: &str) -> bool {
    let word = |text: &str, more: &[char]| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || more.contains(&c))
    };
    let Some((user, rest)) = source.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    word(user, &['_']) && word(host, &['.'])
}

/// `#<commit>[:folder]`, `?checksum=…` or `?commit=…`.
fn names_commit(source: &str) -> bool {
    let (before, fragment) = source.split_once('#').unwrap_or((source, ""));
    let query = before.split_once('?').map_or("", |(_, query)| query);
    let is_commit =
        |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let checked = query.split('&').any(|pair| {
        pair.split_once('=').is_some_and(|(key, value)| match key {
            "checksum" | "commit" => !value.is_empty(),
            "ref" => is_commit(value),
            _ => false,
        })
    });
    checked || is_commit(fragment.split(':').next().unwrap_or_default())
}

/// Whether a source that begins with `start`, whatever follows, can only be a path: no URL, no `user@host:`.
pub(super) fn surely_local(start: &str) -> bool {
    match start.find(['/', ':', '@']) {
        Some(at) => start[at..].starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (source, cleaned) in [
            ("a", "a"),
            ("/a/b/", "a/b"),
            ("./a", "a"),
            ("../a", "a"),
            ("a/../../b", "b"),
            (".", "."),
            ("", "."),
            ("/", "."),
            ("a//b/./c*", "a/b/c*"),
        ] {
            assert_eq!(clean(source), cleaned, "{source}");
        }
    }

    #[test]
    fn sources_have_kinds() {
        let commit = "0123456789012345678901234567890123456789";
        for (source, expected) in [
            ("a/b".to_owned(), Kind::Local),
            ("github.com/a/b".to_owned(), Kind::Local),
            ("ftp://a/b".to_owned(), Kind::Local),
            ("https://a/b.tar".to_owned(), Kind::Http),
            ("https://a/b.git".to_owned(), Kind::Git { pinned: false }),
            ("https://a/b.git#v1".to_owned(), Kind::Git { pinned: false }),
            (format!("https://a/b.git#{commit}:x"), Kind::Git { pinned: true }),
            (format!("https://a/b.git?checksum={commit}"), Kind::Git { pinned: true }),
            ("git@github.com:a/b".to_owned(), Kind::Git { pinned: false }),
            ("git://a/b".to_owned(), Kind::Git { pinned: false }),
        ] {
            assert_eq!(kind(&source), expected, "{source}");
        }
    }
}
