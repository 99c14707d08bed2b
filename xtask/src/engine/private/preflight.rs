//! What a machine must have for a private engine, each with what to do where it lacks.

use anyhow::bail;

use super::super::Invocation;
use super::super::environment::Environment;
use super::programs_path;

pub(super) fn check(environment: &Environment) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        bail!(
            "a private engine needs Linux: install Docker Desktop, Colima or OrbStack, and start it"
        );
    }
    if !is_root() {
        bail!(
            "a private engine needs root: run this command with sudo, or ask for membership in the group `docker`"
        );
    }
    let path = programs_path(environment);
    for program in ["apt-get", "apt-cache", "dpkg", "setsid", "start-stop-daemon"] {
        if which::which_in(program, Some(&path), "/").is_err() {
            bail!(
                "a private engine is made from Debian's or Ubuntu's packages, and this machine has no {program}: \
                 install Docker Engine as https://docs.docker.com/engine/install/ says"
            );
        }
    }
    if !knows_overlay(environment) {
        bail!(
            "the kernel has no overlay file system: load it with `modprobe overlay`, or use another kernel"
        );
    }
    if !has_cgroups() {
        bail!(
            "no cgroups are mounted at /sys/fs/cgroup: in a container, start it with `--privileged`; otherwise \
             `mount -t cgroup2 none /sys/fs/cgroup`"
        );
    }
    Ok(())
}

/// Whether we act as root, which a private engine takes.
pub(in super::super) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    // Real, effective, saved, file system.
    ids.is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

fn knows_overlay(environment: &Environment) -> bool {
    let known = || {
        let list = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        list.lines().any(|line| line.ends_with("\toverlay"))
    };
    if known() {
        return true;
    }
    // A module that was not needed yet. Where it cannot be loaded, the second look says so.
    let _not_loaded =
        Invocation::new("modprobe").arg("overlay").environment(with_programs(environment)).read();
    known()
}

fn has_cgroups() -> bool {
    ["cgroup.controllers", "memory", "unified"]
        .iter()
        .any(|name| std::path::Path::new("/sys/fs/cgroup").join(name).exists())
}

fn with_programs(environment: &Environment) -> Environment {
    environment.clone().with("PATH", programs_path(environment))
}
