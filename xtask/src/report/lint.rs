//! What `lint` found.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::lint::Finding;

/// `lint --json`.
#[derive(Debug, Serialize)]
pub struct LintJson<'a> {
    version: u32,
    /// How many images were looked at.
    images: usize,
    findings: &'a [Finding],
    notes: &'a [String],
}

impl<'a> LintJson<'a> {
    pub fn new(findings: &'a [Finding], images: usize, notes: &'a [String]) -> Self {
        Self { version: 1, images, findings, notes }
    }
}

/// Each finding with its place, why, and mend.
pub fn findings(findings: &[Finding]) -> String {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let mut text = String::new();
    for finding in findings {
        let Finding { file, line, rule, what, why, mend, .. } = finding;
        let column = finding.column.map(|column| format!(":{column}")).unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _written = writeln!(
            text,
            "{file}:{line}{column}: {yellow}{rule}{yellow:#}: {what}\n  why: {why}\n  mend: {mend}"
        );
    }
    text
}

/// The last line.
pub fn counted(findings: &[Finding], images: usize) -> String {
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    if findings.is_empty() {
        return format!("nothing to mend in {}", plural(images, "image"));
    }
    format!(
        "{} in {}; `# dockyard: allow(RULE)` on the line before allows one",
        plural(findings.len(), "finding"),
        plural(images, "image")
    )
}
