//! The git state, asked once: which commit, which tags, which remote, which files.

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Cmd, Shell, cmd};

/// What git says of the workspace. All absent outside a repository, or before the first commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    pub commit: Option<Commit>,
    /// The branch that HEAD is on.
    pub branch: Option<String>,
    /// The tags that name HEAD itself, sorted.
    pub tags: Vec<String>,
    /// Where the repository is found on the web, without credentials and `.git`.
    pub source: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// 40 hexadecimal digits.
    pub hash: String,
    /// The committer's date, RFC 3339 in UTC.
    pub date: String,
}

impl Git {
    /// Asks git about the repository that holds `root`; nothing is an answer too.
    pub fn read(root: &Utf8Path) -> Self {
        let Some(shell) = shell(root) else { return Self::default() };
        let format = "%H%x00%ct%x00%D";
        let log = cmd!(shell, "git log -1 --no-show-signature --decorate=full --format={format}");
        let mut git = Self::default();
        if let Ok(line) = asked(log).read() {
            git.read_log(&line);
        }
        let remote = asked(cmd!(shell, "git config --get remote.origin.url")).read();
        git.source = remote.ok().and_then(|url| web_address(url.trim()));
        git
    }

    /// The root of the repository that holds `folder`; nothing outside one.
    pub fn root_of(folder: &Utf8Path) -> Option<Utf8PathBuf> {
        let shell = shell(folder)?;
        let answer = asked(cmd!(shell, "git rev-parse --show-toplevel")).read().ok()?;
        Some(answer.trim_end_matches(['\r', '\n']).into())
            .filter(|root: &Utf8PathBuf| !root.as_str().is_empty())
    }

    /// Every plain file that git tracks below `root`, symbolic links and submodules left out; nothing where git does
    /// not answer.
    pub fn tracked(root: &Utf8Path) -> Option<Vec<Utf8PathBuf>> {
        let shell = shell(root)?;
        let output = asked(cmd!(shell, "git ls-files -z --stage")).output().ok()?;
        let lines = pieces(&output.stdout).into_iter();
        let files = lines.filter_map(|line| {
            let (about, path) = line.split_once('\t')?;
            about.starts_with("100").then(|| path.into())
        });
        Some(files.collect())
    }

    fn read_log(&mut self, line: &str) {
        let mut parts = line.split('\0');
        let (Some(hash), Some(seconds), Some(names)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let date = seconds
            .trim()
            .parse::<i64>()
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .map(|timestamp| timestamp.to_string());
        let Some(date) = date else { return };
        self.commit = Some(Commit { hash: hash.trim().to_owned(), date });
        for name in names.split(", ") {
            if let Some(tag) = name.strip_prefix("tag: refs/tags/") {
                self.tags.push(tag.to_owned());
            } else if let Some(branch) = name.strip_prefix("HEAD -> refs/heads/") {
                self.branch = Some(branch.to_owned());
            }
        }
        self.tags.sort();
    }
}

/// What a repository holds of what is looked for.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The files of the name that was asked for which git tracks or does not ignore.
    pub(super) files: Vec<Utf8PathBuf>,
    /// The folders that are repositories of their own, submodules included, and that git does not ignore: it does not look
    /// into them.
    pub(super) nested: Vec<Utf8PathBuf>,
}

/// What is below `root`, and which of its files are called `name`; nothing where git does not answer.
///
/// What is not tracked takes git a walk of the whole folder, so that it is asked for once.
pub(super) fn listed(root: &Utf8Path, name: &str) -> Option<Listed> {
    let list = |command: fn(&Shell) -> Cmd<'_>| {
        let shell = shell(root)?;
        Some(asked(command(&shell)).output().ok()?.stdout)
    };
    let (untracked, tracked) = rayon::join(
        || list(|shell| cmd!(shell, "git ls-files -z --others --exclude-standard")),
        || list(|shell| cmd!(shell, "git ls-files -z --stage")),
    );
    let (untracked, tracked) = (untracked?, tracked?);
    let mut listed = Listed::default();
    let mut take = |path: &str, is_module: bool| {
        let path = Utf8Path::new(path.trim_end_matches('/'));
        if is_module && root.join(path).join(".git").exists() {
            listed.nested.push(path.into());
        } else if path.file_name() == Some(name) {
            listed.files.push(path.into());
        }
    };
    for path in pieces(&untracked) {
        take(path, path.ends_with('/'));
    }
    for line in pieces(&tracked) {
        if let Some((about, path)) = line.split_once('\t') {
            take(path, about.starts_with("160000 "));
        }
    }
    // A repository around the workspace that ignores all of it says nothing about its files.
    let ignored = || {
        let shell = shell(root)?;
        Some(asked(cmd!(shell, "git check-ignore --quiet .")).run().is_ok())
    };
    if listed.files.is_empty() && ignored()? { None } else { Some(listed) }
}

/// What stands between NULs. A file whose path is no UTF-8 cannot be named in any reference to it: it is left out, not
/// everything.
fn pieces(output: &[u8]) -> Vec<&str> {
    match std::str::from_utf8(output) {
        Ok(text) => text.split_terminator('\0').collect(),
        Err(_) => output
            .split(|byte| *byte == 0)
            .filter_map(|piece| std::str::from_utf8(piece).ok())
            .collect(),
    }
}

fn shell(root: &Utf8Path) -> Option<Shell> {
    let shell = Shell::new().ok()?;
    shell.change_dir(root);
    Some(shell)
}

/// Another repository's variables (a hook's, for example) must not redirect a question. An empty one would: git takes
/// it for a path.
fn asked(question: Cmd<'_>) -> Cmd<'_> {
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"]
        .into_iter()
        .fold(question.quiet().ignore_stderr(), Cmd::env_remove)
}

/// `git@host:path.git`, `ssh://git@host/path`, `https://user:token@host/path` → `https://host/path`.
fn web_address(url: &str) -> Option<String> {
    let (host, path) = if let Some((scheme, rest)) = url.split_once("://") {
        if !["https", "http", "ssh", "git"].contains(&scheme) {
            return None;
        }
        let (authority, path) = rest.split_once('/')?;
        let host = authority.rsplit('@').next()?;
        let host = if scheme == "ssh" { host.split(':').next()? } else { host };
        (host, path)
    } else {
        let (authority, path) = url.split_once(':')?;
        // `C:\repo` and `./a:b` are paths.
        if authority.len() < 2 || authority.contains('/') {
            return None;
        }
        (authority.rsplit('@').next()?, path.trim_start_matches('/'))
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let plain =
        |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (plain(host) && plain(path)).then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_carry_no_credentials() {
        for (url, expected) in [
            ("git@github.com:acme/images.git", Some("https://github.com/acme/images")),
            (
                "https://user:secret@github.com/acme/images.git",
                Some("https://github.com/acme/images"),
            ),
            ("https://token@gitlab.example:8443/a/b", Some("https://gitlab.example:8443/a/b")),
            ("ssh://git@github.com:22/acme/images", Some("https://github.com/acme/images")),
            ("/srv/git/images.git", None),
            ("C:\\repo", None),
            ("file:///srv/git", None),
        ] {
            assert_eq!(web_address(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn the_log_line_is_read() {
        let mut git = Git::default();
        git.read_log("abc\x001700000000\0HEAD -> refs/heads/main, tag: refs/tags/v1.0.0, refs/remotes/origin/main");
        assert_eq!(git.branch.as_deref(), Some("main"));
        assert_eq!(git.tags, ["v1.0.0"]);
        assert_eq!(git.commit.unwrap().date, "2023-11-14T22:13:20Z");
    }
}
