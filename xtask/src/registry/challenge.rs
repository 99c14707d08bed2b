//! How does a registry want to be authorised? `WWW-Authenticate` (RFC 9110, section 11.6.1) as registries use it
//! (distribution token authentication specification).

/// The way that a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The best of all headers' challenges: a token before a password.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let all: Vec<Self> = headers.flat_map(challenges).collect();
        let bearer = all.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or(all.first()).cloned()
    }
}

fn challenges(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header;
    while let Some((scheme, parameters, after)) = next(rest) {
        rest = after;
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter("realm")
        {
            found.push(Challenge::Bearer { realm, service: parameter("service") });
        }
    }
    found
}

type Parameters = Vec<(String, String)>;

/// The first challenge of `text` (scheme and parameters), and what follows it.
fn next(text: &str) -> Option<(&str, Parameters, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (scheme, mut rest) = token(text)?;
    let mut parameters = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = token(start) else { return Some((scheme, parameters, "")) };
        let Some(value) = after.trim_start().strip_prefix('=') else {
            // No parameter but the next scheme.
            return Some((scheme, parameters, start));
        };
        let (value, after) = value_of(value.trim_start());
        parameters.push((name.to_owned(), value));
        rest = after;
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
    let end = end.unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (headers, expected) in [
            (&[r#"Basic realm="Registry Realm""#][..], Some(Challenge::Basic)),
            (&["basic"], Some(Challenge::Basic)),
            (
                &[
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                ],
                bearer("https://auth.docker.io/token", Some("registry.docker.io")),
            ),
            (&[r"Bearer realm=https://x/token"], bearer("https://x/token", None)),
            (&[r#"BEARER  Realm = "a\"b" , service="s""#], bearer("a\"b", Some("s"))),
            (&[r#"Basic realm="x", Bearer realm="https://y/t""#], bearer("https://y/t", None)),
            (&["Basic realm=x", "Bearer realm=https://y/t"], bearer("https://y/t", None)),
            (&["Negotiate", r#"Basic realm="x""#], Some(Challenge::Basic)),
            (&["Bearer service=x"], None),
            (&[r#"Bearer realm="unended"#], bearer("unended", None)),
            (&["", ",,", "=", "\"", "Bearer realm"], None),
            (&[], None),
        ] {
            assert_eq!(Challenge::of(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
