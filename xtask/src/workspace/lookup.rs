//! Values that stand in files of the workspace: versions, facts, and the versions of packages in locks.

use camino::Utf8Path;
use toml::de::{DeTable, DeValue};

use super::settings::{InFile, LockKind};

/// The value at `at` in `text`, the content of `file`.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn in_file(file: &Utf8Path, text: &str, at: &InFile) -> Result<String, String> {
    match at {
        InFile::Match(pattern) => {
            matching(text, pattern)?.ok_or_else(|| format!("nothing in {file} matches {pattern:?}"))
        }
        InFile::Key(key) if file.extension() == Some("json") => {
            let json: serde_json::Value = serde_json::from_str(text)
                .map_err(|error| format!("{file} is not valid JSON: {error}"))?;
            let value = key.split('.').try_fold(&json, |value, part| value.get(part));
            match value {
                Some(serde_json::Value::String(text)) => Ok(text.clone()),
                Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
                Some(_) => Err(format!("`{key}` in {file} is no text")),
                None => Err(format!("{file} has no `{key}`")),
            }
        }
        InFile::Key(key) => {
            let table = DeTable::parse(text)
                .map_err(|error| format!("{file} is not valid TOML: {}", error.message()))?;
            let mut value = None;
            let mut current = Some(table.get_ref());
            for part in key.split('.') {
                value = current.and_then(|table| table.get(part)).map(toml::Spanned::get_ref);
                current = value.and_then(DeValue::as_table);
            }
            match value {
                Some(DeValue::String(text)) => Ok(text.to_string()),
                Some(DeValue::Integer(number)) => Ok(number.as_str().to_owned()),
                Some(DeValue::Float(number)) => Ok(number.as_str().to_owned()),
                Some(_) => Err(format!("`{key}` in {file} is no text")),
                None => Err(format!("{file} has no `{key}`")),
            }
        }
    }
}

/// The first group of the first match of `pattern` (multi-line), or the whole match.
///
/// # Errors
/// A sentence, when the pattern is no expression.
pub fn matching(text: &str, pattern: &str) -> Result<Option<String>, String> {
    let regex = regex_lite::RegexBuilder::new(pattern)
        .multi_line(true)
        .build()
        .map_err(|error| format!("{pattern:?} is no regular expression: {error}"))?;
    Ok(regex
        .captures(text)
        .and_then(|found| found.get(1).or_else(|| found.get(0)))
        .map(|m| m.as_str().to_owned()))
}

/// The version of `package` in a lock.
///
/// # Errors
/// A sentence, when the lock has none, or several.
pub(super) fn in_lock(
    file: &Utf8Path,
    text: &str,
    kind: LockKind,
    package: &str,
) -> Result<String, String> {
    let mut found: Vec<String> = match kind {
        LockKind::Pixi => pixi_versions(text, package),
        LockKind::Uv => uv_versions(text, package),
        LockKind::Requirements => requirement_versions(text, package),
    };
    found.sort();
    found.dedup();
    match found.as_slice() {
        [version] => Ok(version.clone()),
        [] => Err(format!("{file} locks no package {package:?}")),
        several => Err(format!("{file} locks {package:?} more than once: {}", several.join(", "))),
    }
}

/// PEP 503: case and `-`, `_`, `.` do not distinguish names.
fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// pixi.lock names conda packages by their archive (`…/pytorch-2.5.1-cuda126_0.conda`) and PyPI packages by `name`
/// and `version` lines.
pub fn pixi_versions(text: &str, package: &str) -> Vec<String> {
    let wanted = normalised(package);
    let mut found = Vec::new();
    let mut name = None;
    for line in text.lines() {
        let line = line.trim_start();
        let item = line.strip_prefix("- ");
        if item.is_some() {
            name = None;
        }
        if let Some(address) = item.and_then(|item| item.strip_prefix("conda: ")) {
            let archive = address.rsplit('/').next().unwrap_or_default();
            let stem = archive.strip_suffix(".conda").or_else(|| archive.strip_suffix(".tar.bz2"));
            let mut parts = stem.unwrap_or_default().rsplitn(3, '-');
            if let (Some(_build), Some(version), Some(this)) =
                (parts.next(), parts.next(), parts.next())
                && normalised(this) == wanted
            {
                found.push(version.to_owned());
            }
        } else if let Some(this) = line.strip_prefix("name: ") {
            name = Some(normalised(this.trim()));
        } else if let Some(version) = line.strip_prefix("version: ")
            && name.as_ref() == Some(&wanted)
        {
            found.push(version.trim().trim_matches(['\'', '"']).to_owned());
        }
    }
    found
}

fn uv_versions(text: &str, package: &str) -> Vec<String> {
    let Ok(lock) = DeTable::parse(text) else { return Vec::new() };
    let packages = lock.get_ref().get("package").and_then(|value| value.get_ref().as_array());
    let text_of = |package: &DeValue<'_>, key| {
        package.get(key).and_then(|value| value.get_ref().as_str()).map(str::to_owned)
    };
    packages
        .into_iter()
        .flat_map(|packages| packages.iter())
        .filter(|this| {
            text_of(this.get_ref(), "name").is_some_and(|n| normalised(&n) == normalised(package))
        })
        .filter_map(|this| text_of(this.get_ref(), "version"))
        .collect()
}

fn requirement_versions(text: &str, package: &str) -> Vec<String> {
    let line_of = |line: &str| {
        let line = line.split(" #").next()?.trim();
        let (name, version) = line.split_once("==")?;
        let name = name.split('[').next()?.trim();
        let version = version.split([' ', ';', ',', '\\']).find(|part| !part.is_empty())?;
        (normalised(name) == normalised(package)).then(|| version.to_owned())
    };
    text.lines().filter_map(line_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_name_versions() {
        let pixi = "packages:\n- conda: https://x/linux-64/pytorch-2.5.1-cuda126_0.conda\n  sha256: 0\n- pypi: https://y\n  name: Torch_Vision\n  version: 0.20.1\n";
        let file = Utf8Path::new("x");
        assert_eq!(in_lock(file, pixi, LockKind::Pixi, "pytorch").unwrap(), "2.5.1");
        assert_eq!(in_lock(file, pixi, LockKind::Pixi, "torch-vision").unwrap(), "0.20.1");
        assert!(in_lock(file, pixi, LockKind::Pixi, "torch").is_err(), "torchvision is not torch");
        let uv = "[[package]]\nname = \"torch\"\nversion = \"2.6.0+cu126\"\n";
        assert_eq!(in_lock(file, uv, LockKind::Uv, "torch").unwrap(), "2.6.0+cu126");
        let requirements = "torchvision==1\ntorch[x]==2.5.1 ; python_version > '3' # why\n";
        assert_eq!(in_lock(file, requirements, LockKind::Requirements, "torch").unwrap(), "2.5.1");
    }

    #[test]
    fn keys_and_matches() {
        let toml = "[project]\nversion = \"1.2\"\n";
        let key = InFile::Key("project.version".to_owned());
        assert_eq!(in_file(Utf8Path::new("p.toml"), toml, &key).unwrap(), "1.2");
        assert_eq!(
            in_file(Utf8Path::new("p.json"), "{\"project\":{\"version\":\"3\"}}", &key).unwrap(),
            "3"
        );
        let pattern = InFile::Match(r"^version = (\S+)".to_owned());
        assert_eq!(in_file(Utf8Path::new("setup.cfg"), "a\nversion = 7\n", &pattern).unwrap(), "7");
    }
}
