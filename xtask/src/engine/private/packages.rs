//! The engine's programs, from packages that apt verifies and that are only unpacked.

use std::fs;

use anyhow::{Context, bail};
use camino::Utf8Path;

use super::super::Invocation;
use super::super::environment::Environment;
use super::super::not_found::{OLDEST_BUILDX, OLDEST_ENGINE};
use super::super::substitute::Word;
use super::super::version::Version;
use super::Options;
use super::archive::Archive;
use super::state::State;

const DEBIAN: &str = "http://deb.debian.org/debian";
/// The Debian whose packages serve where the distribution's own are too old.
const NEWER_DEBIAN: &str = "trixie";
/// `docker-cli` and `tini` are part of `docker.io` in some releases.
const REQUIRED: &[&str] = &["docker.io", "docker-buildx", "containerd"];
const OPTIONAL: &[&str] = &["docker-cli", "tini"];
const PROGRAMS: &[&str] =
    &["docker", "dockerd", "containerd", "containerd-shim-runc-v2", "docker-buildx"];

/// Beside the programs, so that it is as old as they are.
const SUITE_FILE: &str = ".suite";

/// `PATH` with the folders of system programs, which a plain `su` does not have.
pub(in super::super) fn programs_path(environment: &Environment) -> String {
    format!(
        "{}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
        environment.get("PATH").unwrap_or("/usr/local/bin")
    )
}

/// Puts the programs below the state's folder, unless they are there.
pub(super) fn install(
    state: &State,
    environment: &Environment,
    options: &Options,
    say: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let wanted = options.suite.as_ref().map(Word::as_str);
    let is_wanted = wanted.is_none() || suite_of(state).as_deref() == wanted;
    if is_wanted && PROGRAMS.iter().all(|program| state.program(program).is_some()) {
        return Ok(());
    }
    let folder = options.packages.clone().unwrap_or_else(|| state.folder().join("packages"));
    let (archive, packages) = choose(&folder, environment, options, say)?;
    say("fetching Docker Engine, containerd and buildx (about 80 MB)");
    // Unpacked beside and renamed, so that what is there is whole.
    let fresh = state.folder().join("root.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("failed to remove {fresh}"))?;
    }
    archive.unpack(&packages, &fresh)?;
    fs::write(fresh.join(SUITE_FILE), wanted.unwrap_or_default())
        .with_context(|| format!("failed to write {fresh}/{SUITE_FILE}"))?;
    let root = state.root();
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("failed to remove {root}"))?;
    }
    fs::rename(&fresh, &root).with_context(|| format!("failed to rename {fresh}"))?;
    let missing: Vec<&str> =
        PROGRAMS.iter().copied().filter(|program| state.program(program).is_none()).collect();
    if !missing.is_empty() {
        bail!("the packages {} hold no {}", packages.join(", "), missing.join(", "));
    }
    Ok(())
}

/// The suite that the programs were asked from.
pub(super) fn suite_of(state: &State) -> Option<String> {
    fs::read_to_string(state.root().join(SUITE_FILE)).ok()
}

/// The machine's own packages where they are new enough, else a newer Debian's.
fn choose(
    folder: &Utf8Path,
    environment: &Environment,
    options: &Options,
    say: &dyn Fn(&str),
) -> anyhow::Result<(Archive, Vec<&'static str>)> {
    let wanted: Vec<&str> = REQUIRED.iter().chain(OPTIONAL).copied().collect();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if options.suite.is_none() && may_serve(&release) {
        say("looking for Docker Engine in this system's packages");
        let own = Archive::of_machine(folder, environment)?;
        // Some source of a machine is often out of reach; what the others say counts.
        let _incomplete = own.update();
        let found = own.candidates(&wanted)?;
        if new_enough(&found) {
            return Ok((own, found.into_iter().map(|(name, _)| name).collect()));
        }
    }
    let suite = options.suite.as_ref().map_or(NEWER_DEBIAN, Word::as_str);
    say(&format!("looking for Docker Engine in Debian {suite}"));
    let debian = Archive::of_debian(
        folder,
        environment,
        options.debian_mirror.as_deref().unwrap_or(DEBIAN),
        suite,
    )?;
    debian.update().context(
        "failed to reach Debian's archive; is there a proxy to set (http_proxy), or a mirror?",
    )?;
    let found = debian.candidates(&wanted)?;
    if !new_enough(&found) {
        bail!(
            "Debian {suite} has no Docker Engine {OLDEST_ENGINE} with buildx {OLDEST_BUILDX} for this processor"
        );
    }
    Ok((debian, found.into_iter().map(|(name, _)| name).collect()))
}

/// Whether it is worth asking: Debian 12 and older have no buildx.
fn may_serve(release: &str) -> bool {
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let old = value("VERSION_ID")
        .and_then(|id| id.parse::<u32>().ok())
        .is_some_and(|version| version < 13);
    value("ID").as_deref() != Some("debian") || !old
}

fn new_enough(found: &[(&str, String)]) -> bool {
    let version = |name| {
        found
            .iter()
            .find(|(found, _)| *found == name)
            .and_then(|(_, version)| debian_version(version))
    };
    version("docker.io") >= Some(OLDEST_ENGINE)
        && version("docker-buildx") >= Some(OLDEST_BUILDX)
        && version("containerd").is_some()
}

/// The upstream part of `[epoch:]upstream[-revision]` (`deb-version(7)`).
fn debian_version(text: &str) -> Option<Version> {
    Version::parse(text.split_once(':').map_or(text, |(_, version)| version))
}

/// What has to be the system's own: `runc`, which is linked with its libraries, and what speaks to its kernel.
pub(super) fn install_system_wide(
    environment: &Environment,
    say: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let missing: Vec<&str> = [("runc", "runc"), ("iptables", "iptables"), ("ip", "iproute2")]
        .into_iter()
        .filter(|(program, _)| {
            which::which_in(program, Some(programs_path(environment)), "/").is_err()
        })
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() { Ok(()) } else { install_packages(&missing, environment, say) }
}

/// Installs packages with the machine's apt, and says so.
pub(in super::super) fn install_packages(
    packages: &[&str],
    environment: &Environment,
    say: &dyn Fn(&str),
) -> anyhow::Result<()> {
    say(&format!("installing {} with apt", packages.join(", ")));
    let apt = || {
        let environment = environment.clone().with("PATH", programs_path(environment));
        Invocation::new("apt-get")
            .environment(environment)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-q")
    };
    let install =
        apt().args(["install", "--yes", "--no-install-recommends"]).args(packages.iter().copied());
    if install.run().is_ok() {
        return Ok(());
    }
    // A fresh machine has no package lists.
    let _incomplete = apt().arg("update").run();
    install.run().with_context(|| format!("failed to install {}", packages.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_that_are_new_enough_are_taken() {
        for (docker, buildx, enough) in [
            ("26.1.5+dfsg1-9", "0.13.1+ds1-3", true),
            ("20.10.24+dfsg1-1", "0.13.1", false),
            ("1:27.5.1-0ubuntu3", "0.20.1-0ubuntu1", true),
            ("26.1.5", "0.12.0", false),
        ] {
            let found = [
                ("docker.io", docker.to_owned()),
                ("docker-buildx", buildx.to_owned()),
                ("containerd", "1.7".to_owned()),
            ];
            assert_eq!(new_enough(&found), enough, "{docker} {buildx}");
        }
        assert!(!new_enough(&[("docker.io", "26.1.5".to_owned())]));
        assert!(!may_serve("ID=debian\nVERSION_ID=\"12\"\n"));
        assert!(
            may_serve("ID=debian\nVERSION_ID=\"13\"\n")
                && may_serve("ID=ubuntu\nVERSION_ID=\"22.04\"\n")
        );
    }
}
