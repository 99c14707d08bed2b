//! Lines that are drawn anew at a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::report::human;

const TICK: Duration = Duration::from_millis(120);
/// Longer names push the rest of their line to the right.
const NAME_WIDTH: usize = 24;

/// One line a running target, and one for the totals.
pub(super) struct Live {
    lines: MultiProgress,
    running: BTreeMap<usize, ProgressBar>,
    totals: ProgressBar,
    closed: bool,
}

impl Live {
    pub(super) fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let totals = lines.add(ProgressBar::new_spinner().with_style(style("{msg} · {since}")));
        totals.enable_steady_tick(TICK);
        Self { lines, running: BTreeMap::new(), totals, closed: false }
    }

    pub(super) fn start(&mut self, index: usize, name: &str, title: String) {
        let line = ProgressBar::new_spinner()
            .with_style(style("{spinner} {prefix} {time} {wide_msg}"))
            .with_prefix(format!("{name:NAME_WIDTH$}"))
            .with_message(title);
        let line = self.lines.insert_before(&self.totals, line);
        line.enable_steady_tick(TICK);
        self.running.insert(index, line);
    }

    pub(super) fn show(&mut self, index: usize, title: String) {
        if let Some(line) = self.running.get(&index).filter(|line| line.message() != title) {
            line.set_message(title);
        }
    }

    pub(super) fn end(&mut self, index: usize) {
        if let Some(line) = self.running.remove(&index) {
            line.finish_and_clear();
            self.lines.remove(&line);
        }
    }

    pub(super) fn show_totals(&mut self, totals: String) {
        self.totals.set_message(totals);
    }

    /// Prints above the live lines; once they are gone, simply prints.
    pub(super) fn line(&mut self, line: &str) {
        // That nobody reads stderr any more is no reason to give up a build.
        if self.closed || self.lines.is_hidden() {
            use std::io::Write;
            let _unread = writeln!(std::io::stderr(), "{line}");
        } else {
            let _unread = self.lines.println(line);
        }
    }

    pub(super) fn close(&mut self) {
        for (_, line) in std::mem::take(&mut self.running) {
            line.finish_and_clear();
        }
        self.totals.finish_and_clear();
        self.closed = true;
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants")
        .with_key("time", |state: &ProgressState, f: &mut dyn std::fmt::Write| {
            let _infallible = write!(f, "{:>10}", human::seconds(state.elapsed()));
        })
        .with_key("since", |state: &ProgressState, f: &mut dyn std::fmt::Write| {
            let _infallible = f.write_str(&human::seconds(state.elapsed()));
        })
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}
