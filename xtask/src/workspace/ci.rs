//! `[workspace.metadata.dockyard.ci]`: what the generated workflow leaves to choose.

use std::collections::BTreeMap;

use super::read::{Placed, Table};
use crate::mistake::Mistake;
use crate::reference::Platform;

/// Monday, early in Europe; not at the full hour, when GitHub is busy.
const WEEKLY: &str = "23 4 * * 1";

/// What a person chose for CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ci {
    /// The branch whose images are published.
    pub branch: String,
    /// When everything is looked at again, as cron writes it; nothing for never.
    pub schedule: Option<String>,
    /// The labels of runners by the platform for which they build.
    pub runners: BTreeMap<Platform, Vec<String>>,
    /// Whether publications wait in a queue (`queue: max`), and none is given up for a newer one.
    pub queue: bool,
}

impl Default for Ci {
    fn default() -> Self {
        Self {
            branch: "main".to_owned(),
            schedule: Some(WEEKLY.to_owned()),
            runners: BTreeMap::new(),
            queue: false,
        }
    }
}

pub(super) fn read_ci(table: &Table<'_>) -> Ci {
    let mut ci = Ci::default();
    let Some(section) = table.table("ci") else { return ci };
    if let Some(branch) = section.string("branch") {
        ci.branch = checked(&section, branch, is_branch, "branch", "main");
    }
    if let Some(schedule) = section.string("schedule") {
        ci.schedule = (!schedule.value.is_empty())
            .then(|| checked(&section, schedule, is_cron, "schedule of cron", WEEKLY));
    }
    ci.queue = section.boolean("queue").unwrap_or(false);
    if let Some(runners) = section.table("runners") {
        for name in runners.names() {
            let Some(entry) = runners.entry(&name.value) else { continue };
            let place = name.place.clone();
            let platform = runners.parse::<Platform>(name);
            let labels = if entry.is_string() {
                entry.string().map(|label| vec![label])
            } else {
                entry.strings()
            };
            let labels: Vec<String> = (labels.unwrap_or_default().into_iter())
                .map(|label| {
                    checked(&runners, label, is_label, "label of a runner", "ubuntu-24.04")
                })
                .collect();
            if labels.is_empty() {
                runners.mistake(
                    Mistake::new("no label of a runner")
                        .at(place)
                        .mend("name one, e.g. \"ubuntu-24.04\""),
                );
            }
            ci.runners.extend(platform.map(|platform| (platform.value, labels)));
        }
    }
    section.finish();
    ci
}

/// `text`, which is noted as a mistake where it is none of `kind`.
fn checked(
    table: &Table<'_>,
    text: Placed<String>,
    is_good: fn(&str) -> bool,
    kind: &str,
    example: &str,
) -> String {
    if !is_good(&text.value) {
        table.mistake(
            Mistake::new(format!("{:?} is no {kind}", text.value))
                .at(text.place)
                .mend(format!("write e.g. {example:?}")),
        );
    }
    text.value
}

/// Plain names only: GitHub reads `*`, `?`, `+`, `[]` and `!` as patterns.
fn is_branch(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
}

fn is_cron(text: &str) -> bool {
    let is_field = |field: &str| {
        field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*,-/".contains(&byte))
    };
    text.split(' ').count() == 5
        && text.split(' ').all(|field| !field.is_empty() && is_field(field))
}

/// Nothing that could begin an expression.
fn is_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._:/@=-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_names_is_taken() {
        for text in ["main", "release/1.2", "v2-x"] {
            assert!(is_branch(text), "{text}");
        }
        for text in ["", "-x", "a b", "${{ x }}", "a\nb", "release/*", "!main", "'a"] {
            assert!(!is_branch(text), "{text}");
        }
        for text in ["23 4 * * 1", "*/15 0-5 1,15 * MON"] {
            assert!(is_cron(text), "{text}");
        }
        for text in ["", "weekly", "1 2 3 4", "1 2 3 4 5 6", "1  3 4 5", "1 2 3 4 '"] {
            assert!(!is_cron(text), "{text}");
        }
        for text in ["ubuntu-24.04", "self-hosted", "namespace-profile-x;y"] {
            assert_eq!(is_label(text), !text.contains(';'), "{text}");
        }
        assert!(!is_label("${{ secrets.X }}"));
    }
}
