//! What has to be remembered of a build's events for its end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::super::child::Stopped;
use super::super::interrupt;
use super::super::progress::{CANCELED, Event, Step, Warning};
use super::Built;
use super::failure::{BuildFailure, Cause, excerpt, summary};
use super::log::Log;

/// How many of a failed step's last lines are kept.
const LAST_LINES: usize = 20;
/// How many lines of text: errors and excerpts are at the end, so the first ones go.
const TEXT_LINES: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Numbers of the steps that were run.
    run: BTreeSet<usize>,
    cached: BTreeSet<usize>,
    warnings: BTreeSet<Warning>,
    tails: BTreeMap<usize, VecDeque<String>>,
    failed: Option<(Arc<Step>, String)>,
    /// Why caches were not written, each once.
    cache_troubles: BTreeSet<String>,
    text: VecDeque<String>,
}

impl Tally {
    pub(super) fn take(&mut self, event: Event) {
        let is_failure = event.is_failure();
        match event {
            // A build does not fail for a cache; one that nobody wrote yet is nothing to tell of.
            Event::Finished { step, error: Some(error), .. } if step.moves_cache() => {
                if step.writes_cache() && !error.contains(CANCELED) {
                    self.cache_troubles.insert(error);
                }
            }
            Event::Finished { step, error: Some(error), .. } => {
                if is_failure {
                    self.failed.get_or_insert((step, error));
                }
            }
            Event::Finished { step, cached, .. } => {
                self.tails.remove(&step.number);
                // A step that was run and is then found in the cache was run.
                if step.makes_layer() && !cached {
                    self.cached.remove(&step.number);
                    self.run.insert(step.number);
                } else if step.makes_layer() && !self.run.contains(&step.number) {
                    self.cached.insert(step.number);
                }
            }
            Event::Log { step, text, .. } => {
                push(self.tails.entry(step.number).or_default(), text, LAST_LINES);
            }
            Event::Warning(warning) => {
                self.warnings.insert(warning);
            }
            Event::Text(text) => push(&mut self.text, text, TEXT_LINES),
            Event::Started(_) | Event::Transfer { .. } => {}
        }
    }

    pub(super) fn into_built(self, time: Duration, log: Utf8PathBuf, log_file: Log) -> Built {
        Built {
            time,
            steps_run: self.run.len(),
            steps_cached: self.cached.len(),
            warnings: self.warnings.into_iter().collect(),
            cache_troubles: self.cache_troubles.into_iter().collect(),
            log,
            log_error: log_file.error,
        }
    }

    pub(super) fn into_failure(
        mut self,
        status: &Result<ExitStatus, Stopped>,
        time: Duration,
        log: Utf8PathBuf,
    ) -> BuildFailure {
        let text: Vec<String> = self.text.into_iter().collect();
        let summary = summary(&text);
        let last_lines = match &self.failed {
            Some((step, _)) => self.tails.remove(&step.number).unwrap_or_default().into(),
            None => text[text.len().saturating_sub(LAST_LINES)..].to_vec(),
        };
        let step_error = self.failed.as_ref().map_or("", |(_, error)| error);
        let disk_is_full = [step_error, &summary]
            .into_iter()
            .chain(last_lines.iter().map(String::as_str))
            .any(is_full);
        let cause = match status {
            _ if interrupt::interrupted() => Cause::Interrupted,
            Err(Stopped::Interrupted | Stopped::TimedOut(_)) => Cause::Interrupted,
            Err(Stopped::Lost(_)) => Cause::Killed,
            _ if disk_is_full => Cause::DiskFull,
            Ok(status) if was_killed(*status, &summary) => Cause::Killed,
            Ok(_) if self.failed.as_ref().is_some_and(|(step, _)| step.makes_layer()) => {
                Cause::Step
            }
            Ok(_) => Cause::Refused,
        };
        // The CLI does not begin every error with `ERROR: `.
        let summary = match (summary, step_error) {
            (summary, "") if summary.is_empty() => last_lines.join(
                "
",
            ),
            (summary, error) if summary.is_empty() => error.to_owned(),
            (summary, _) => summary,
        };
        let step = self.failed.map(|(step, _)| step.title());
        BuildFailure { cause, time, step, last_lines, summary, excerpt: excerpt(&text), log }
    }
}

fn push(lines: &mut VecDeque<String>, line: String, most: usize) {
    if lines.len() == most {
        lines.pop_front();
    }
    lines.push_back(line);
}

fn is_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("no space left on device") || text.contains("disk quota exceeded")
}

/// By a signal, whatever its plug-in still had to say; or the plug-in was, and the CLI passes that on as shells do.
fn was_killed(status: ExitStatus, summary: &str) -> bool {
    status.code().is_none_or(|code| matches!(code, 137 | 143) && summary.is_empty())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn step(number: usize, name: &str) -> Arc<Step> {
        Arc::new(Step { number, digest: format!("sha256:{number}"), name: name.to_owned() })
    }

    fn finished(step: &Arc<Step>, cached: bool, error: Option<&str>) -> Event {
        Event::Finished {
            step: Arc::clone(step),
            cached,
            error: error.map(str::to_owned),
            seconds: 1.0,
        }
    }

    fn failure(events: Vec<Event>, status: i32) -> BuildFailure {
        let mut tally = Tally::default();
        for event in events {
            tally.take(event);
        }
        tally.into_failure(&Ok(ExitStatus::from_raw(status)), Duration::ZERO, Utf8PathBuf::new())
    }

    #[test]
    fn counts_instructions_once() {
        let mut tally = Tally::default();
        for (number, name, cached) in [
            (1, "[internal] load build definition", false),
            (2, "[1/4] FROM debian", false),
            (3, "[2/4] RUN a", true),
            (4, "[3/4] RUN b", false),
            (4, "[3/4] RUN b", true),
            (5, "[4/4] RUN c", true),
            (5, "[4/4] RUN c", false),
            (6, "exporting to image", false),
        ] {
            tally.take(finished(&step(number, name), cached, None));
        }
        assert_eq!((tally.run.len(), tally.cached.len()), (2, 1));
    }

    #[test]
    fn a_cache_is_no_reason_to_fail() {
        let import = step(1, "importing cache manifest from ghcr.io/a/b:buildcache-linux-amd64");
        let run = step(2, "[2/2] RUN make");
        let export = step(3, "exporting cache to registry");
        let github = step(4, "exporting to GitHub Actions Cache");
        let events = [
            finished(&import, false, Some("not found")),
            finished(&export, false, Some("denied")),
            finished(&github, false, Some("403")),
            finished(&export, false, Some("Canceled: context canceled")),
        ];
        let mut tally = Tally::default();
        events.clone().into_iter().for_each(|event| tally.take(event));
        assert_eq!(tally.cache_troubles.into_iter().collect::<Vec<_>>(), ["403", "denied"]);
        let failed = finished(&run, false, Some("exit code: 2"));
        let failure = failure([events.to_vec(), vec![failed]].concat(), 256);
        assert_eq!(failure.step.as_deref(), Some("[2/2] RUN make"));
    }

    #[test]
    fn causes() {
        let run = step(3, "[2/2] RUN make");
        let load = step(2, "[internal] load metadata for x");
        let text = |text: &str| Event::Text(text.to_owned());
        let log = |text: &str| {
            let output = crate::engine::progress::Output::Stderr;
            Event::Log { step: Arc::clone(&run), output, seconds: 0.0, text: text.to_owned() }
        };
        for (events, status, cause) in [
            (vec![finished(&run, false, Some("exit code: 1")), text("ERROR: x")], 256, Cause::Step),
            (
                vec![finished(&load, false, Some("not found")), text("ERROR: x")],
                256,
                Cause::Refused,
            ),
            (vec![finished(&run, false, Some(CANCELED)), text("ERROR: x")], 256, Cause::Refused),
            (vec![text("ERROR: write /x: no space left on device")], 256, Cause::DiskFull),
            (
                vec![
                    log("tar: No space left on device"),
                    finished(&run, false, Some("exit code: 2")),
                ],
                256,
                Cause::DiskFull,
            ),
            (vec![], 9, Cause::Killed),
            (vec![text("ERROR: failed to solve: Canceled: context canceled")], 9, Cause::Killed),
            (vec![], 137 << 8, Cause::Killed),
            (
                vec![finished(&run, false, Some("exit code: 137")), text("ERROR: x")],
                256,
                Cause::Step,
            ),
            (vec![], 256, Cause::Refused),
        ] {
            assert_eq!(failure(events.clone(), status).cause, cause, "{events:?}");
        }
    }

    #[test]
    fn the_first_failed_step_and_its_last_lines() {
        let (one, two) = (step(1, "[a 2/2] RUN one"), step(2, "[b 2/2] RUN\n  two"));
        let log = |step: &Arc<Step>, n: usize| {
            let output = crate::engine::progress::Output::Stdout;
            Event::Log { step: Arc::clone(step), output, seconds: 0.0, text: format!("{n}") }
        };
        let mut events: Vec<Event> =
            (0..50).flat_map(|n| [log(&one, n), log(&two, n + 100)]).collect();
        events.push(finished(&one, false, Some("Canceled: context canceled")));
        events.push(finished(&two, false, Some("exit code: 3")));
        let failure = failure(events, 256);
        assert_eq!(failure.step.as_deref(), Some("[b 2/2] RUN two"));
        assert_eq!(failure.last_lines, (130..150).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(failure.to_string(), "exit code: 3");
    }
}
