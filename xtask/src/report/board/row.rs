//! What is known of one target while it is built. Pure: it is told the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::progress::{Event, Step};
use crate::report::{Status, human};

#[derive(Debug, Default)]
pub(super) struct Row {
    started: Option<Instant>,
    status: Option<Status>,
    /// In the order of their starts.
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    step: Arc<Step>,
    since: Instant,
    told: bool,
    /// Of what it fetches or sends: how far it is.
    transfer: Option<(u64, Option<u64>)>,
}

impl Row {
    pub(super) fn start(&mut self, now: Instant) {
        self.started = Some(now);
    }

    /// The step that this event ended, with how long it took, unless it was told of already.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> Option<(String, Duration)> {
        match event {
            Event::Started(step) => {
                // The first step of a process: what another one did before is over.
                if step.number == 1 {
                    self.running.clear();
                }
                self.running.push(Running {
                    step: Arc::clone(step),
                    since: now,
                    told: false,
                    transfer: None,
                });
                None
            }
            Event::Finished { step, .. } => {
                let index =
                    self.running.iter().position(|running| running.step.number == step.number)?;
                let ended = self.running.remove(index);
                (!ended.told).then(|| (step.title(), now - ended.since))
            }
            Event::Transfer { step, current, total, done, .. } => {
                let running =
                    self.running.iter_mut().find(|running| running.step.number == step.number)?;
                running.transfer = (!done && *current > 0).then_some((*current, *total));
                None
            }
            Event::Log { .. } | Event::Warning(_) | Event::Text(_) => None,
        }
    }

    /// How long it took, where it was started.
    pub(super) fn finish(&mut self, status: Status) -> Option<Duration> {
        self.running.clear();
        self.status = Some(status);
        self.started.map(|started| started.elapsed())
    }

    /// What it does now: the instruction that started last, else BuildKit's own step.
    pub(super) fn title(&self) -> String {
        let instruction = self.running.iter().rfind(|running| running.step.position().is_some());
        let Some(running) = instruction.or(self.running.last()) else { return String::new() };
        let title = running.step.title();
        match running.transfer {
            Some((current, Some(total))) => {
                format!("{title} · {} / {}", human::bytes(current), human::bytes(total))
            }
            Some((current, None)) => format!("{title} · {}", human::bytes(current)),
            None => title,
        }
    }

    /// Steps that have run for `limit` since the last time this was asked.
    pub(super) fn newly_long(&mut self, now: Instant, limit: Duration) -> Vec<(String, Duration)> {
        let mut long = Vec::new();
        for running in &mut self.running {
            let lasted = now.saturating_duration_since(running.since);
            if !running.told && lasted >= limit {
                running.told = true;
                long.push((running.step.title(), lasted));
            }
        }
        long
    }
}

/// `built 3 · failed 1 · running 2 · waiting 5`: nothing that is 0, and running and waiting last.
pub(super) fn totals(rows: &[Row]) -> String {
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    let ended =
        Status::ALL.map(|status| (status.as_str(), count(&|row| row.status == Some(status))));
    let open = [
        ("running", count(&|row| row.status.is_none() && row.started.is_some())),
        ("waiting", count(&|row| row.status.is_none() && row.started.is_none())),
    ];
    let shown = ended.into_iter().chain(open).filter(|(_, count)| *count > 0);
    shown.map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(" · ")
}

/// An event as a line of the whole log.
pub(super) fn verbose(event: &Event) -> Option<String> {
    match event {
        Event::Started(step) => Some(step.title()),
        Event::Finished { step, error: Some(error), .. } => {
            Some(format!("{}: {error}", step.title()))
        }
        Event::Finished { step, cached: true, .. } => Some(format!("{}: cached", step.title())),
        Event::Log { text, .. } | Event::Text(text) => Some(text.clone()),
        Event::Warning(warning) => Some(format!("warning: {}", warning.short)),
        Event::Finished { .. } | Event::Transfer { .. } => None,
    }
}
