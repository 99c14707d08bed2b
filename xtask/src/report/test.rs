//! What became of tests: lines while they run, a table, JSON.

use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use camino::Utf8Path;
use serde::Serialize;

use super::{Align, Table, human};
use crate::execute::Outcome as Ran;
use crate::execute::test::{Check, Outcome, Tested, Verdict};
use crate::reference::Platform;
use crate::workspace::{TargetName, shown};

/// The outcome of one platform of an image.
#[derive(Debug)]
pub struct TestRow<'a> {
    name: TargetName,
    platform: &'a Platform,
    ran: &'a Ran<Tested, anyhow::Error>,
}

impl<'a> TestRow<'a> {
    pub fn new(
        name: TargetName,
        platform: &'a Platform,
        ran: &'a Ran<Tested, anyhow::Error>,
    ) -> Self {
        Self { name, platform, ran }
    }

    /// Whether nothing failed, and nothing was left out because of a failure.
    pub fn is_good(&self) -> bool {
        matches!(self.ran, Ran::Done(tested) if tested.verdict() != Verdict::Failed)
    }
}

/// The word for an outcome.
fn word(ran: &Ran<Tested, anyhow::Error>) -> &'static str {
    match ran {
        Ran::Done(tested) => tested.verdict().as_str(),
        Ran::Failed(_) => "failed",
        Ran::Blocked { .. } | Ran::NotStarted => "not started",
    }
}

fn symbol(word: &str) -> (char, Style) {
    let colored = |color| Style::new().fg_color(Some(Color::Ansi(color)));
    match word {
        "passed" => ('✓', colored(AnsiColor::Green)),
        "failed" => ('✗', colored(AnsiColor::Red).bold()),
        "not run" => ('-', colored(AnsiColor::Yellow)),
        _ => ('·', Style::new().dimmed()),
    }
}

/// What is told once a test has ended: what failed or was not run, with the last lines, and where the whole log is.
pub fn tested(name: &str, ran: &Ran<Tested, anyhow::Error>, color: bool) -> String {
    let word = word(ran);
    let (symbol, style) = symbol(word);
    let style = if color { style } else { Style::new() };
    let mut head = format!("{style}{symbol} {word}{style:#} {name}");
    let mut rest = Vec::new();
    match ran {
        Ran::Done(tested) => {
            if tested.kept {
                head.push_str(" (unchanged since it passed)");
            } else if !tested.checks.is_empty() {
                head = format!("{head} {}", human::seconds(tested.time));
            }
            rest.extend(tested.checks.iter().flat_map(lines));
            if let (Verdict::Failed, Some(log)) = (tested.verdict(), &tested.log) {
                rest.push(format!("log: {log}"));
            }
        }
        Ran::Failed(error) => rest.extend(format!("{error:#}").lines().map(str::to_owned)),
        Ran::Blocked { .. } | Ran::NotStarted => {}
    }
    let rest: Vec<String> = rest.into_iter().map(|line| format!("\n  {line}")).collect();
    format!("{head}{}\n", rest.concat())
}

fn lines(check: &Check) -> Vec<String> {
    match &check.outcome {
        Outcome::Passed => Vec::new(),
        Outcome::NotRun(why) => vec![format!("not run: {}: {why}", check.name)],
        Outcome::Failed { why, said } => {
            let mut lines = vec![format!("{}: {why}", check.name)];
            lines.extend(said.iter().map(|line| format!("  | {line}")));
            lines
        }
    }
}

/// One check, once it is done.
pub fn check(name: &str, check: &Check) -> String {
    match &check.outcome {
        Outcome::Passed => format!("{name} | {}: passed\n", check.name),
        Outcome::Failed { why, .. } => format!("{name} | {}: {why}\n", check.name),
        Outcome::NotRun(why) => format!("{name} | {}: not run: {why}\n", check.name),
    }
}

/// The table after all tests, and a sum.
pub fn tests(rows: &[TestRow<'_>], time: Duration) -> String {
    let mut table = Table::new([
        ("image", Align::Left),
        ("platform", Align::Left),
        ("tests", Align::Left),
        ("checks", Align::Right),
        ("time", Align::Right),
    ]);
    let mut counts: Vec<(&str, usize)> =
        ["passed", "failed", "not run", "no tests", "not started"].map(|word| (word, 0)).into();
    for row in rows {
        let word = word(row.ran);
        if let Some((_, count)) = counts.iter_mut().find(|(counted, _)| *counted == word) {
            *count += 1;
        }
        let done = match row.ran {
            Ran::Done(tested) => Some(tested),
            _ => None,
        };
        let kept = done.is_some_and(|tested| tested.kept);
        table.row([
            row.name.to_string(),
            row.platform.to_string(),
            if kept { format!("{word} before") } else { word.to_owned() },
            done.map_or_else(String::new, |tested| tested.checks.len().to_string()),
            done.filter(|tested| !tested.time.is_zero())
                .map_or_else(String::new, |tested| human::seconds(tested.time)),
        ]);
    }
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let counts = if counts.is_empty() { "nothing to test".to_owned() } else { counts.join(", ") };
    format!("{table}{counts} in {}\n", human::seconds(time))
}

/// `test --json`.
#[derive(Debug, Serialize)]
pub struct TestJson {
    version: u32,
    images: Vec<TestedJson>,
}

#[derive(Debug, Serialize)]
struct TestedJson {
    id: String,
    variant: Option<String>,
    platform: String,
    /// `passed`, `failed`, `not run`, `no tests`, `not started`.
    status: &'static str,
    /// Whether it is an earlier result.
    kept: bool,
    seconds: Option<f64>,
    checks: Vec<CheckJson>,
    error: Option<String>,
    log: Option<String>,
}

#[derive(Debug, Serialize)]
struct CheckJson {
    name: String,
    status: &'static str,
    /// Why it failed, or was not run.
    reason: Option<String>,
}

impl TestJson {
    /// Paths become relative to `root`.
    pub fn new(rows: &[TestRow<'_>], root: &Utf8Path) -> Self {
        Self { version: 1, images: rows.iter().map(|row| TestedJson::new(row, root)).collect() }
    }
}

impl TestedJson {
    fn new(row: &TestRow<'_>, root: &Utf8Path) -> Self {
        let done = match row.ran {
            Ran::Done(tested) => Some(tested),
            _ => None,
        };
        let log = done.and_then(|tested| tested.log.as_deref());
        Self {
            id: row.name.id.to_string(),
            variant: row.name.variant.as_ref().map(ToString::to_string),
            platform: row.platform.to_string(),
            status: word(row.ran),
            kept: done.is_some_and(|tested| tested.kept),
            seconds: done.map(|tested| tested.time.as_secs_f64()),
            checks: done
                .into_iter()
                .flat_map(|tested| &tested.checks)
                .map(CheckJson::new)
                .collect(),
            error: match row.ran {
                Ran::Failed(error) => Some(format!("{error:#}")),
                _ => None,
            },
            log: log.map(|log| shown(log.strip_prefix(root).unwrap_or(log))),
        }
    }
}

impl CheckJson {
    fn new(check: &Check) -> Self {
        let (status, reason) = match &check.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Failed { why, .. } => ("failed", Some(why.clone())),
            Outcome::NotRun(why) => ("not run", Some(why.clone())),
        };
        Self { name: check.name.clone(), status, reason }
    }
}
