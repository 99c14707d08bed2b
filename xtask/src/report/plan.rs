//! A plan for people: what, why, how long it took last time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::human;
use crate::plan::{Action, Plan};

/// One line a target, its reasons below, then the notes and a sum.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    let width =
        plan.steps.iter().map(|step| step.name().to_string().chars().count()).max().unwrap_or(0);
    for step in &plan.steps {
        let word = match step.action {
            Action::Build => "build",
            Action::Skip => "skip ",
            Action::Blocked => "blocked",
        };
        let name = step.name().to_string();
        let last = step.last_seconds.filter(|_| step.action == Action::Build).map_or_else(
            String::new,
            |seconds| {
                format!(" (took {} last time)", human::seconds(Duration::from_secs_f64(seconds)))
            },
        );
        let first = step.reasons.first().map_or("up to date", String::as_str);
        // Writing to a `String` cannot fail, here and below.
        let _written = writeln!(text, "{word} {name:width$}  {first}{last}");
        for reason in step.reasons.iter().skip(1).take(4) {
            let _written = writeln!(text, "      {:width$}  {reason}", "");
        }
        if step.reasons.len() > 5 {
            let _written =
                writeln!(text, "      {:width$}  and {} more", "", step.reasons.len() - 5);
        }
        for note in step.external.iter().filter_map(|base| Some((base, base.note.as_ref()?))) {
            let _written =
                writeln!(text, "      {:width$}  note: {} ({})", "", note.1, note.0.place);
        }
    }
    let unlocked: Vec<String> = unlocked(plan)
        .into_iter()
        .map(|(base, steps)| format!("{base} ({})", steps.join(", ")))
        .collect();
    if !unlocked.is_empty() {
        let _written = writeln!(
            text,
            "note: not locked, each as old as the last build that fetched it: {}; `cargo xtask lock-update` locks them, --pull fetches them anew",
            unlocked.join(", ")
        );
    }
    let build = plan.steps.iter().filter(|step| step.action == Action::Build).count();
    let known: f64 = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Build)
        .filter_map(|step| step.last_seconds)
        .sum();
    let time = if known > 0.0 {
        format!(", {} of work last time", human::seconds(Duration::from_secs_f64(known)))
    } else {
        String::new()
    };
    let _written =
        writeln!(text, "{build} to build, {} up to date{time}", plan.steps.len() - build);
    text
}

/// The bases whose content nothing fixes, and the targets that use them.
fn unlocked(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let mut bases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in &plan.steps {
        for base in step.unlocked() {
            let steps = bases.entry(base.familiar()).or_default();
            let name = step.name().to_string();
            if !steps.contains(&name) {
                steps.push(name);
            }
        }
    }
    bases
}
