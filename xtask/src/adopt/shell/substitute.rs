//! What a command substitution prints, where that can be read: paths, git's state, a version that a file keeps.

use camino::Utf8PathBuf;

use super::super::found::{ROOT, Repository, joined};
use super::super::text::{Text, VersionFrom};
use super::run::Runner;
use super::{Node, parse};

/// The output of `script`.
pub(super) fn output(script: &str, runner: &mut Runner<'_>) -> Text {
    if let Some(text) = of_git(script).or_else(|| version(script, runner.repository)) {
        return text;
    }
    let written = || Text::unknown(format!("$({script})"));
    let before = runner.folders.clone();
    let mut printed = None;
    for node in parse(script, 0) {
        let Node::Simple { words, .. } = node else { continue };
        let words: Vec<Text> = words.iter().flat_map(|word| runner.expand(word)).collect();
        let Some(program) = words.first().and_then(Text::as_known).map(str::to_owned) else {
            continue;
        };
        let argument = words[1..].iter().rfind(|word| !word.to_string().starts_with('-')).cloned();
        printed = match (program.as_str(), argument) {
            ("cd" | "pushd", Some(folder)) => {
                runner.change_folder(&folder);
                continue;
            }
            ("pwd", _) => Some(Text::known(absolute(runner))),
            ("dirname", Some(path)) => path.as_known().map(dirname),
            ("basename", _) => basename(&words[1..]),
            ("realpath" | "readlink" | "echo" | "printf", Some(text)) => Some(text),
            ("date", _) => Some(date(&words)),
            ("tr" | "head" | "tail" | "xargs" | "sed" | "cut" | "sort" | "cat", _)
                if printed.is_some() =>
            {
                continue;
            }
            _ => None,
        };
        if printed.is_none() {
            break;
        }
    }
    runner.folders = before;
    printed.unwrap_or_else(written)
}

fn absolute(runner: &Runner<'_>) -> String {
    let folder = runner.folders.first().cloned().unwrap_or_default();
    if folder.as_str().is_empty() { ROOT.to_owned() } else { format!("{ROOT}/{folder}") }
}

fn dirname(path: &str) -> Text {
    let path = path.trim_end_matches('/');
    Text::known(path.rsplit_once('/').map_or(".", |(folder, _)| folder))
}

fn basename(words: &[Text]) -> Option<Text> {
    let path = words.first()?.as_known()?.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let suffix = words.get(1).and_then(Text::as_known).unwrap_or_default();
    Some(Text::known(name.strip_suffix(suffix).unwrap_or(name)))
}

fn date(words: &[Text]) -> Text {
    let format = words.iter().filter_map(Text::as_known).find(|word| word.starts_with('+'));
    Text::fact(if format.is_some_and(|format| format == "+%Y-%m-%d" || format == "+%F") {
        "date"
    } else {
        "created"
    })
}

/// What git says of HEAD.
fn of_git(script: &str) -> Option<Text> {
    let words: Vec<&str> = script.split(|c: char| c.is_whitespace() || c == '"').collect();
    let has = |word: &str| words.contains(&word);
    let starts = |start: &str| words.iter().any(|word| word.starts_with(start));
    if !has("git") {
        return None;
    }
    if has("--show-toplevel") {
        return Some(Text::known(ROOT));
    }
    if has("--abbrev-ref") || has("--show-current") {
        return Some(Text::fact("branch"));
    }
    if has("rev-parse") {
        let short = has("--short") || has("--short=7");
        return match (short, starts("--short")) {
            (true, _) => Some(Text::fact("sha")),
            (false, true) => None,
            (false, false) => Some(Text::fact("commit")),
        };
    }
    if has("describe") {
        let mut text = Text::known("v");
        text.push(Text::version(VersionFrom::GitTag));
        return Some(text);
    }
    None
}

/// The version that a file of the repository keeps, where `script` reads it out of there.
fn version(script: &str, repository: &Repository) -> Option<Text> {
    let lower = script.to_lowercase();
    if !lower.contains("version") {
        return None;
    }
    let separators = |c: char| !(c.is_alphanumeric() || "._-/".contains(c));
    script.split(separators).find_map(|word| {
        let file = joined("".into(), word.trim_matches('.').trim_start_matches('/'))?;
        if !repository.tracked.contains(&file) {
            return None;
        }
        version_in(file, repository).map(Text::version)
    })
}

/// How `file` keeps its version.
fn version_in(file: Utf8PathBuf, repository: &Repository) -> Option<VersionFrom> {
    let text = repository.texts.get(&file).map(String::as_str).unwrap_or_default();
    let key = |key: &str| Some(VersionFrom::Key { file: file.clone(), key: key.to_owned() });
    match file.file_name()? {
        "pyproject.toml" if text.contains("[tool.poetry]") && !text.contains("[project]") => {
            key("tool.poetry.version")
        }
        "pyproject.toml" => key("project.version"),
        "package.json" => key("version"),
        "Cargo.toml" if text.contains("[workspace.package]") => key("workspace.package.version"),
        "Cargo.toml" => key("package.version"),
        name if name.to_lowercase().starts_with("version") && file.extension() != Some("py") => {
            Some(VersionFrom::Match { file, pattern: r"^v?(\S+)".to_owned() })
        }
        "setup.cfg" => {
            Some(VersionFrom::Match { file, pattern: r"^version\s*=\s*(\S+)".to_owned() })
        }
        _ if file.extension() == Some("py") => {
            let pattern = r#"version\w*\s*=\s*["']([^"']+)"#.to_owned();
            Some(VersionFrom::Match { file, pattern })
        }
        _ => None,
    }
}
