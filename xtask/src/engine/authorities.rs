//! The certificate authorities that this machine trusts beyond those of Debian's `ca-certificates`.

use std::collections::BTreeSet;
use std::path::Path;

/// What Debian's `update-ca-certificates` makes: everything that the machine trusts.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What the package `ca-certificates` itself brings.
const PACKAGED: &str = "/usr/share/ca-certificates";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// They, each as a PEM file's text, sorted; none on most machines.
pub(super) fn beyond_debian() -> Vec<String> {
    let Ok(bundle) = std::fs::read_to_string(BUNDLE) else { return Vec::new() };
    let mut packaged = String::new();
    gather(Path::new(PACKAGED), &mut packaged);
    if packaged.is_empty() {
        // Without the package nothing tells a company's certificates from the public ones.
        return Vec::new();
    }
    beyond(&bundle, &packaged)
}

fn gather(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, text);
        } else if let Ok(content) = std::fs::read_to_string(&path) {
            text.push_str(&content);
            text.push('\n');
        }
    }
}

fn beyond(bundle: &str, packaged: &str) -> Vec<String> {
    let packaged = certificates(packaged);
    let own =
        certificates(bundle).into_iter().filter(|certificate| !packaged.contains(certificate));
    own.map(|body| {
        let mut lines = vec![BEGIN];
        lines.extend((0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]));
        lines.extend([END, ""]);
        lines.join("\n")
    })
    .collect()
}

/// The base64 bodies, without line breaks: files differ in theirs.
fn certificates(text: &str) -> BTreeSet<String> {
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(END)?.0))
        .map(|body| body.chars().filter(|c| c.is_ascii() && !c.is_ascii_whitespace()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_debian_lacks_is_carried_over() {
        let pem = |body: &str| format!("{BEGIN}\n{body}\n{END}\n");
        let bundle = [pem("AAAA"), pem("OUR+"), pem("BB\nBB")].concat();
        let packaged = [pem("BBBB"), pem("AA\r\nAA")].concat();
        assert_eq!(beyond(&bundle, &packaged), [pem("OUR+")]);
        assert!(beyond(&packaged, &bundle).is_empty());
    }
}
