//! A package archive, through apt with lists and caches of its own.

use std::fs;

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::super::Invocation;
use super::super::environment::Environment;
use super::programs_path;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with lists and caches of its own, so that the machine's are left alone.
#[derive(Debug)]
pub(in super::super) struct Archive {
    folder: Utf8PathBuf,
    options: Vec<String>,
    environment: Environment,
}

impl Archive {
    /// The machine's own sources.
    pub(in super::super) fn of_machine(
        folder: &Utf8Path,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let folder = folder.join("own");
        let lists = folder.join("lists");
        for made in
            [lists.join("partial"), folder.join("cache/archives/partial"), folder.join("packages")]
        {
            fs::create_dir_all(&made).with_context(|| format!("failed to make {made}"))?;
        }
        let options = [
            format!("Dir::State::Lists={lists}"),
            format!("Dir::Cache={}", folder.join("cache")),
            // The folder may be one that apt's own user cannot enter.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        Ok(Self { folder, options: options.into(), environment: environment.clone() })
    }

    /// One suite of Debian's archive, checked against Debian's keys and nothing of the machine's configuration.
    pub(in super::super) fn of_debian(
        folder: &Utf8Path,
        environment: &Environment,
        mirror: &str,
        suite: &str,
    ) -> anyhow::Result<Self> {
        let mut archive = Self::of_machine(folder, environment)?;
        if !Utf8Path::new(KEYRING).exists() {
            archive.update()?;
            archive.unpack(&["debian-archive-keyring"], &archive.folder.join("keyring"))?;
        }
        let keyring = if Utf8Path::new(KEYRING).exists() {
            Utf8PathBuf::from(KEYRING)
        } else {
            archive.folder.join("keyring").join(KEYRING.trim_start_matches('/'))
        };
        archive = Self { folder: folder.join(suite), ..Self::of_machine(folder, environment)? };
        let lists = archive.folder.join("lists");
        let sources = archive.folder.join("sources.list");
        for made in [lists.join("partial"), archive.folder.join("packages")] {
            fs::create_dir_all(&made).with_context(|| format!("failed to make {made}"))?;
        }
        fs::write(&sources, format!("deb [signed-by={keyring}] {mirror} {suite} main\n"))
            .with_context(|| format!("failed to write {sources}"))?;
        archive.options.extend([
            format!("Dir::State::Lists={lists}"),
            format!("Dir::Etc::SourceList={sources}"),
            "Dir::Etc::SourceParts=-".to_owned(),
            "Dir::State::Status=/dev/null".to_owned(),
            // The machine's pins are about its own release.
            "Dir::Etc::Preferences=-".to_owned(),
            "Dir::Etc::PreferencesParts=-".to_owned(),
        ]);
        Ok(archive)
    }

    pub(in super::super) fn update(&self) -> anyhow::Result<()> {
        Ok(self.apt("apt-get").args(["-q", "update"]).run()?)
    }

    /// What would be installed of each of `packages` that the archive has.
    pub(super) fn candidates<'a>(
        &self,
        packages: &[&'a str],
    ) -> anyhow::Result<Vec<(&'a str, String)>> {
        let text = self.apt("apt-cache").arg("policy").args(packages.iter().copied()).read()?;
        Ok(candidates(&text, packages))
    }

    /// Fetches `packages` and unpacks them into `into`.
    pub(in super::super) fn unpack(
        &self,
        packages: &[&str],
        into: &Utf8Path,
    ) -> anyhow::Result<()> {
        let folder = self.folder.join("packages");
        let download = || self.apt("apt-get").args(["-q", "download"]);
        // apt lists only what it would fetch, so it is asked where nothing is.
        let nowhere = tempfile::tempdir().context("failed to make a folder")?;
        let nowhere = Utf8Path::from_path(nowhere.path()).context("a folder's name is not text")?;
        let list = download().arg("--print-uris").args(packages.iter().copied()).folder(nowhere);
        let listed = list.read()?;
        if files_of(&listed).count() != packages.len() {
            bail!("failed to understand `{list}`:\n{listed}");
        }
        download().args(packages.iter().copied()).folder(folder.as_str()).run()?;
        fs::create_dir_all(into).with_context(|| format!("failed to make {into}"))?;
        for file in files_of(&listed) {
            Invocation::new("dpkg")
                .args(["-x", folder.join(file).as_str(), into.as_str()])
                .run()?;
        }
        Ok(())
    }

    fn apt(&self, program: &str) -> Invocation {
        let environment = self.environment.clone().with("PATH", programs_path(&self.environment));
        let command = Invocation::new(program).environment(environment).env("LC_ALL", "C");
        self.options.iter().fold(command, |command, option| command.args(["-o", option]))
    }
}

fn candidates<'a>(policy: &str, packages: &[&'a str]) -> Vec<(&'a str, String)> {
    let mut found = Vec::new();
    let mut current = None;
    for line in policy.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            current = packages.iter().copied().find(|package| *package == name);
        } else if let (Some(name), Some(version)) =
            (current, line.trim().strip_prefix("Candidate:"))
        {
            let version = version.trim();
            if version != "(none)" {
                found.push((name, version.to_owned()));
            }
        }
    }
    found
}

/// The file names of `apt-get download --print-uris`: `'URI' FILE SIZE HASH` lines.
fn files_of(listed: &str) -> impl Iterator<Item = &str> {
    listed
        .lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.rsplit_once('\'')?.1.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_says() {
        let policy = "docker.io:\n  Installed: (none)\n  Candidate: 26.1.5+dfsg1-9+b1\n  Version table:\n     26.1.5 500\n\
            docker-cli:\n  Installed: (none)\n  Candidate: (none)\nother:\n  Candidate: 1\n";
        assert_eq!(
            candidates(policy, &["docker.io", "docker-cli"]),
            [("docker.io", "26.1.5+dfsg1-9+b1".to_owned())]
        );
        let listed = "Get:1 x\n'http://d/docker.io_26.deb' docker.io_26.1.5%2bdfsg1-9_amd64.deb 230 SHA256:0\n";
        assert_eq!(files_of(listed).collect::<Vec<_>>(), ["docker.io_26.1.5%2bdfsg1-9_amd64.deb"]);
    }
}
