//! Cache mounts: missing, not writable, or not used.

use std::collections::BTreeMap;

use super::install::{self, Manager};
use super::stage::{self, Scene, Script, Stage};
use super::{Found, Image};
use crate::dockerfile::{Command, Instruction};

type Mount = BTreeMap<String, String>;

/// Every `RUN` of a reached stage with what holds there and what it runs.
fn runs<'s, 'a>(
    stages: &'s [Stage<'a>],
) -> impl Iterator<Item = (&'a Instruction, &'s Scene, Script)> {
    let steps = stages.iter().flat_map(|stage| &stage.steps);
    steps
        .filter(|(instruction, _)| matches!(instruction.command, Command::Run { .. }))
        .map(|(instruction, scene)| (*instruction, scene, stage::script(instruction, scene)))
}

fn caches(instruction: &Instruction) -> Vec<Mount> {
    let mut mounts = instruction.mounts();
    mounts.retain(|mount| mount.get("type").is_some_and(|kind| kind.eq_ignore_ascii_case("cache")));
    mounts
}

fn target(mount: &Mount) -> &str {
    mount.get("target").map_or("", |target| target.trim_end_matches('/'))
}

/// Whether one of `mounts` keeps what `manager` downloads, under one of its usual names or where a variable says.
fn is_served(
    manager: &Manager,
    mounts: &[Mount],
    instruction: &Instruction,
    scene: &Scene,
) -> bool {
    mounts.iter().map(target).any(|target| {
        manager.is_served_by(target)
            || scene.variables.values().any(|value| value.trim_end_matches('/') == target)
            || instruction.rest.contains(target)
    })
}

pub(super) fn missing(image: &Image<'_>, found: &mut Found<'_>) {
    let stages = stage::stages(image);
    for (instruction, scene, script) in runs(&stages) {
        let mounts = caches(instruction);
        let mut named: Vec<&str> = Vec::new();
        for call in script.commands.iter().filter_map(|words| install::call(words)) {
            let manager = call.manager;
            let served = is_served(manager, &mounts, instruction, scene);
            if !call.installs() || served || named.contains(&manager.name) {
                continue;
            }
            named.push(manager.name);
            let what = format!("{} installs without a cache mount", manager.name);
            let finding = found.at(image, instruction, None, what);
            finding.mend = if manager.name == "apt" {
                "RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
                 rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update && …"
                    .to_owned()
            } else {
                format!("RUN --mount=type=cache,target={},sharing=locked …", manager.folder)
            };
        }
    }
}

pub(super) fn of_another_user(image: &Image<'_>, found: &mut Found<'_>) {
    let stages = stage::stages(image);
    for (instruction, scene, _) in runs(&stages) {
        let Some(user) = &scene.user else { continue };
        let mut parts = user.splitn(2, ':');
        let (uid, gid) = (parts.next().unwrap_or_default(), parts.next());
        if matches!(uid, "0" | "root" | "") || instruction.rest.contains("sudo ") {
            continue;
        }
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        for mount in caches(instruction) {
            let target = target(&mount);
            let open = mount.get("mode").is_some_and(|mode| mode.ends_with('7'));
            let what = match mount.get("uid") {
                _ if open => continue,
                None => format!(
                    "the cache mount at {target} belongs to root, and the step runs as {user}"
                ),
                Some(given) if number(uid) && number(given) && given != uid => {
                    format!(
                        "the cache mount at {target} belongs to {given}, and the step runs as {user}"
                    )
                }
                Some(_) => continue,
            };
            let mend = if number(uid) {
                format!("add `uid={uid},gid={}` to the mount", gid.unwrap_or(uid))
            } else {
                format!("add `uid=` and `gid=`, the numbers of {user}, to the mount")
            };
            found.at(image, instruction, Some(target), what).mend = mend;
        }
    }
}

pub(super) fn unused(image: &Image<'_>, found: &mut Found<'_>) {
    let stages = stage::stages(image);
    for (instruction, scene, script) in runs(&stages) {
        let mounts = caches(instruction);
        if mounts.is_empty() {
            continue;
        }
        for words in &script.commands {
            if let Some(call) = install::call(words) {
                if !is_served(call.manager, &mounts, instruction, scene) {
                    continue;
                }
                let name = call.manager.name;
                let variable = call.manager.no_cache_variable.filter(|name| {
                    let value = scene.variables.get(*name).map(String::as_str);
                    value.is_some_and(|value| !matches!(value, "" | "0" | "false" | "off" | "no"))
                });
                if let Some(option) = call.no_cache().filter(|_| call.installs()) {
                    let what = format!("{name} has {option} beside a cache mount");
                    found.at(image, instruction, Some(option), what).mend =
                        format!("remove {option}");
                } else if let Some(variable) = variable.filter(|_| call.installs()) {
                    let what = format!("{variable} is set, and {name} has a cache mount");
                    found.at(image, instruction, None, what).mend =
                        format!("remove `ENV {variable}`");
                } else if call.cleans() {
                    found.at(
                        image,
                        instruction,
                        None,
                        format!("{name} empties its cache, which is a cache mount"),
                    );
                }
                continue;
            }
            let Some((program, rest)) = words.split_first() else { continue };
            if stage::name(&program.text) != "rm" {
                continue;
            }
            for word in rest {
                let within = |mount: &Mount| {
                    word.text.starts_with(&format!("{}/", target(mount)))
                        || word.text == target(mount)
                };
                let mount = mounts.iter().find(|mount| !target(mount).is_empty() && within(mount));
                // Locks and partial downloads are no cache.
                if mount.is_some()
                    && !word.text.ends_with("lock")
                    && !word.text.contains("/partial")
                {
                    let what = format!("rm empties {}, which is a cache mount", word.text);
                    found.at(image, instruction, Some(&word.text), what);
                }
            }
        }
    }
}
