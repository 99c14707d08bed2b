//! Live progress on stderr: one line an image at a terminal, plain lines elsewhere.

mod live;
mod row;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::width::shortened;
use super::{Status, human};
use crate::engine::progress::Event;
use live::Live;
use row::Row;

/// A step that takes longer is told of where there is no terminal.
const LONG_STEP: Duration = Duration::from_secs(10);
/// How much of a step's name a plain line holds.
const TITLE_WIDTH: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing but failures.
    Quiet,
    Normal,
    /// Every line of every log.
    Verbose,
}

/// How to show; the caller has asked the terminal and the flags.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether stderr is a terminal: only there lines are drawn anew.
    pub terminal: bool,
    pub color: bool,
    pub detail: Detail,
}

/// Shows what happens to targets, by their index in `names`. All methods may be called from any thread.
pub struct Board {
    style: Style,
    state: Mutex<State>,
}

struct State {
    names: Vec<String>,
    rows: Vec<Row>,
    output: Output,
}

enum Output {
    Live(Live),
    Plain(Box<dyn Write + Send>),
}

impl Style {
    /// For stderr as it is: live lines on a terminal, plain ones elsewhere, colour as `--color` says.
    pub fn of_stderr(verbose: bool, quiet: bool) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let color =
            anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let detail = match (verbose, quiet) {
            (true, _) => Detail::Verbose,
            (_, true) => Detail::Quiet,
            _ => Detail::Normal,
        };
        Self { terminal: terminal && detail == Detail::Normal, color, detail }
    }
}

impl Board {
    /// A board on stderr.
    pub fn new(names: Vec<String>, style: Style) -> Self {
        let output = match style.detail {
            Detail::Normal | Detail::Verbose if style.terminal => Output::Live(Live::new()),
            _ => Output::Plain(Box::new(std::io::stderr())),
        };
        Self::with_output(names, style, output)
    }

    /// A board of plain lines on `output`.
    pub fn plain(names: Vec<String>, style: Style, output: impl Write + Send + 'static) -> Self {
        Self::with_output(names, style, Output::Plain(Box::new(output)))
    }

    fn with_output(names: Vec<String>, style: Style, output: Output) -> Self {
        let rows = names.iter().map(|_| Row::default()).collect();
        let state = Mutex::new(State { names, rows, output });
        let board = Self { style, state };
        board.lock().show_totals();
        board
    }

    /// The build of a target began.
    pub fn started(&self, index: usize) {
        let mut state = self.lock();
        state.rows[index].start(Instant::now());
        let State { names, rows, output, .. } = &mut *state;
        match output {
            Output::Live(live) => live.start(index, &names[index], rows[index].title()),
            Output::Plain(_) if self.style.detail >= Detail::Normal => {
                let line = format!("{}: started", names[index]);
                output.line(&line);
            }
            Output::Plain(_) => {}
        }
        state.show_totals();
    }

    /// Something happened in a target's build.
    pub fn event(&self, index: usize, event: &Event) {
        let now = Instant::now();
        let mut state = self.lock();
        let lasted = state.rows[index].event(event, now);
        if self.style.detail == Detail::Verbose {
            if let Some(text) = row::verbose(event) {
                let line = format!("{} | {text}", state.names[index]);
                state.output.line(&line);
            }
            state.show_row(index);
            return;
        }
        state.show_row(index);
        if matches!(state.output, Output::Plain(_)) && self.style.detail == Detail::Normal {
            // One that ended before anybody looked has its whole time; one that still runs, so far.
            if let Some((title, lasted)) = lasted.filter(|(_, lasted)| *lasted >= LONG_STEP) {
                let title = shortened(&title, TITLE_WIDTH);
                let line = format!("{}: {title} ({})", state.names[index], human::seconds(lasted));
                state.output.line(&line);
            }
            state.tell_long_steps(now);
        }
    }

    /// What became of a target; `note` says more (`needs base`). For one that was never started, too.
    pub fn finished(&self, index: usize, status: Status, note: Option<&str>) {
        let mut state = self.lock();
        let time = state.rows[index].finish(status);
        if let Output::Live(live) = &mut state.output {
            live.end(index);
        }
        if self.style.detail > Detail::Quiet || status == Status::Failed {
            let line = ended(&state.names[index], status, time, note, self.style.color);
            state.output.line(&line);
        }
        state.show_totals();
    }

    /// Prints text of one or more lines above what is live, whatever the detail: for failures.
    pub fn print(&self, text: &str) {
        self.lock().output.line(text.trim_end_matches('\n'));
    }

    /// Takes the live lines away. What is printed later goes to stderr as it is.
    pub fn close(&self) {
        if let Output::Live(live) = &mut self.lock().output {
            live.close();
        }
    }

    /// A panic elsewhere must not silence the rest.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn show_row(&mut self, index: usize) {
        let title = self.rows[index].title();
        if let Output::Live(live) = &mut self.output {
            live.show(index, title);
        }
    }

    fn show_totals(&mut self) {
        if let Output::Live(live) = &mut self.output {
            live.show_totals(row::totals(&self.rows));
        }
    }

    /// Steps of any image: one that is silent is seen when another one speaks.
    fn tell_long_steps(&mut self, now: Instant) {
        for (row, name) in self.rows.iter_mut().zip(&self.names) {
            for (title, lasted) in row.newly_long(now, LONG_STEP) {
                let title = shortened(&title, TITLE_WIDTH);
                self.output.line(&format!("{name}: {title} ({} so far)", human::seconds(lasted)));
            }
        }
    }
}

impl Output {
    /// That nobody reads stderr any more is no reason to give up a build.
    fn line(&mut self, line: &str) {
        match self {
            Self::Live(live) => live.line(line),
            Self::Plain(output) => {
                let _unread = writeln!(output, "{line}").and_then(|()| output.flush());
            }
        }
    }
}

/// `✓ built base 12.3 s (note)`.
fn ended(
    name: &str,
    status: Status,
    time: Option<Duration>,
    note: Option<&str>,
    color: bool,
) -> String {
    let style = if color { status.style() } else { anstyle::Style::new() };
    let time = time.map_or(String::new(), |time| format!(" {}", human::seconds(time)));
    let note = note.map_or(String::new(), |note| format!(" ({note})"));
    format!("{style}{} {status}{style:#} {name}{time}{note}", status.symbol())
}

#[cfg(test)]
mod tests;
