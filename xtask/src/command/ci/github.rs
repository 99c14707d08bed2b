//! What a job hands on to GitHub: outputs and the summary, as files that variables name; elsewhere nothing.

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context as _;

use crate::engine::Environment;

/// GitHub takes no larger summary of a step («Workflow commands», 1 MiB).
const MOST_SUMMARY_BYTES: usize = 1_000_000;
/// Rows of a table in a summary.
pub(super) const MOST_ROWS: usize = 500;

/// Appends `name=value` to `$GITHUB_OUTPUT`, where it is set.
///
/// # Errors
/// When the value has several lines, or the file cannot be written.
pub(super) fn output(name: &str, value: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!value.contains(['\n', '\r']), "the output {name} has several lines");
    append("GITHUB_OUTPUT", &format!("{name}={value}\n"))
}

/// Appends Markdown to `$GITHUB_STEP_SUMMARY`, where it is set.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn summary(markdown: &str) -> anyhow::Result<()> {
    let mut end = markdown.len().min(MOST_SUMMARY_BYTES);
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    append("GITHUB_STEP_SUMMARY", &markdown[..end])
}

fn append(variable: &str, text: &str) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let Some(file) = environment.get(variable) else { return Ok(()) };
    let write =
        || OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes());
    write().with_context(|| format!("failed to write {file}, which {variable} names"))
}
