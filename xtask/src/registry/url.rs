//! Where does a registry send us? A `Location`, `Link` or `realm` against the address it was found at.

use ureq::http::Uri;

/// `text` as an absolute address, relative to `base` (RFC 3986, section 5, as far as servers use it). Nothing where
/// it is none, names a user, or has another scheme than HTTP's.
pub(super) fn resolve(base: &Uri, text: &str) -> Option<Uri> {
    let text = text.split('#').next().unwrap_or_default();
    if text.is_empty() {
        return None;
    }
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let absolute = if text.starts_with("//") {
        format!("{scheme}:{text}")
    } else if text.starts_with('/') {
        format!("{scheme}://{authority}{text}")
    } else if text.starts_with('?') {
        format!("{scheme}://{authority}{}{text}", base.path())
    } else if text.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        text.to_owned()
    } else {
        let folder = base.path().rfind('/').map_or("/", |slash| &base.path()[..=slash]);
        format!("{scheme}://{authority}{folder}{text}")
    };
    let uri: Uri = absolute.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    (known && host).then_some(uri)
}

/// Whether both are served by the same port of the same host in the same way, so that a login for one is one for the
/// other.
pub(super) fn same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().or(Some(if is_https(uri) { 443 } else { 80 }));
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    is_https(one) == is_https(other) && host(one) == host(other) && port(one) == port(other)
}

pub(super) fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// `uri` with a further query parameter. `value` needs no escapes.
pub(super) fn with_parameter(uri: &Uri, name: &str, value: &str) -> String {
    let mark = if uri.query().is_some_and(|query| !query.is_empty()) { '&' } else { '?' };
    let text = uri.to_string();
    format!("{}{mark}{name}={value}", text.trim_end_matches('?'))
}

/// `text` as the value of a query parameter or of a form (RFC 3986, section 2.3).
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_resolved_as_servers_mean_them() {
        let base: Uri = "https://r.test:5000/v2/a/tags/list?n=1".parse().unwrap();
        for (text, expected) in [
            ("/v2/x?y=1#z", Some("https://r.test:5000/v2/x?y=1")),
            ("https://other.test/x", Some("https://other.test/x")),
            ("http://other.test/x", Some("http://other.test/x")),
            ("//other.test/x", Some("https://other.test/x")),
            ("list?n=2", Some("https://r.test:5000/v2/a/tags/list?n=2")),
            ("?n=2", Some("https://r.test:5000/v2/a/tags/list?n=2")),
            ("file:///etc/passwd", None),
            ("ftp://x/y", None),
            ("https://user:word@r.test/x", None),
            ("https://", None),
            ("https:///x", None),
            ("javascript:x", None),
            ("", None),
            ("#x", None),
            ("/a b", None),
        ] {
            let found = resolve(&base, text).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_login_is_for_one_origin() {
        for (one, other, same) in [
            ("https://a.test/x", "https://A.test:443/y", true),
            ("http://a.test/x", "http://a.test:80/", true),
            ("https://a.test/", "http://a.test/", false),
            ("https://a.test/", "https://a.test:444/", false),
            ("https://a.test/", "https://b.test/", false),
            ("https://a.test/", "https://a.test.b.test/", false),
        ] {
            let (one, other): (Uri, Uri) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(same_origin(&one, &other), same, "{one} {other}");
        }
    }

    #[test]
    fn parameters_are_added_and_escaped() {
        let with = |text: &str| with_parameter(&text.parse().unwrap(), "digest", "sha256:0");
        assert_eq!(with("http://a/b"), "http://a/b?digest=sha256:0");
        assert_eq!(with("http://a/b?_state=x%3D"), "http://a/b?_state=x%3D&digest=sha256:0");
        assert_eq!(with("http://a/b?"), "http://a/b?digest=sha256:0");
        assert_eq!(escaped("a b&c=é/~"), "a%20b%26c%3D%C3%A9%2F~");
    }
}
