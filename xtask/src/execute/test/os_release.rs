//! `/etc/os-release`, as os-release(5) of systemd describes it. Pure.

/// The value of `key`; nothing where it is not there. The last assignment counts, as in a shell.
pub(super) fn value(text: &str, key: &str) -> Option<String> {
    let assignment = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        (name == key).then(|| unquoted(value))
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(assignment)
        .next_back()
}

/// In double quotes a `\` takes away the meaning of `"`, `$`, `` ` `` and `\`; in single quotes nothing has one.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut text = String::new();
    let mut chars = inner.unwrap_or(value).chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = c == '\\' && chars.peek().is_some_and(|next| "\"$`\\".contains(*next));
        text.push(if escaped { chars.next().unwrap_or(c) } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn as_a_shell_would_read_it() {
        let text = "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nVERSION_CODENAME=jammy\n# ID=no\nID=debian\nID='ubuntu'\n\
            HOME_URL=\"https://a/\\$b\\\"\"\nEMPTY=\n";
        for (key, expected) in [
            ("VERSION_CODENAME", Some("jammy")),
            ("PRETTY_NAME", Some("Ubuntu 22.04.5 LTS")),
            ("ID", Some("ubuntu")),
            ("HOME_URL", Some("https://a/$b\"")),
            ("EMPTY", Some("")),
            ("VERSION", None),
            ("CODENAME", None),
        ] {
            assert_eq!(value(text, key).as_deref(), expected, "{key}");
        }
    }
}
