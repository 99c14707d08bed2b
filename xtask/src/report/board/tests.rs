use std::sync::Arc;

use super::*;
use crate::engine::progress::{Output as Stream, Step, Warning};

/// What a board printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn step(number: usize, name: &str) -> Arc<Step> {
    Arc::new(Step { number, digest: String::new(), name: name.to_owned() })
}

fn finished(step: &Arc<Step>) -> Event {
    Event::Finished { step: Arc::clone(step), cached: false, error: None, seconds: 1.0 }
}

fn printed(detail: Detail) -> String {
    let output = Printed::default();
    let names = ["base", "app", "late"].map(str::to_owned).to_vec();
    let board =
        Board::plain(names, Style { terminal: false, color: false, detail }, output.clone());
    let (one, two) = (step(1, "[1/2] FROM x"), step(2, "[2/2] RUN\n make"));
    board.started(0);
    board.event(0, &Event::Started(Arc::clone(&one)));
    board.event(0, &finished(&one));
    board.event(0, &Event::Started(Arc::clone(&two)));
    board.event(
        0,
        &Event::Log { step: two, output: Stream::Stdout, seconds: 0.1, text: "hi".to_owned() },
    );
    board.finished(0, Status::Failed, Some("exit code: 1"));
    board.finished(1, Status::Blocked, Some("needs base"));
    board.finished(2, Status::Skipped, None);
    board.print("block\nof lines\n");
    drop(board);
    String::from_utf8(output.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn plain_lines() {
    let ends = "✗ failed base 0.0 s (exit code: 1)\n⊘ blocked app (needs base)\n· skipped late\nblock\nof lines\n";
    for (detail, expected) in [
        (Detail::Quiet, "✗ failed base 0.0 s (exit code: 1)\nblock\nof lines\n".to_owned()),
        (Detail::Normal, format!("base: started\n{ends}")),
        (
            Detail::Verbose,
            format!("base: started\nbase | [1/2] FROM x\nbase | [2/2] RUN make\nbase | hi\n{ends}"),
        ),
    ] {
        assert_eq!(printed(detail), expected, "{detail:?}");
    }
}

#[test]
fn colour_is_asked_for() {
    assert_eq!(ended("a", Status::Built, None, None, true), "\u{1b}[32m✓ built\u{1b}[0m a");
}

#[test]
fn the_line_of_a_row() {
    let mut row = Row::default();
    let start = Instant::now();
    let (load, run, export) =
        (step(1, "[internal] load"), step(2, "[2/7] RUN make"), step(3, "exporting"));
    let begin = |step: &Arc<Step>| Event::Started(Arc::clone(step));
    let transfer = |step: &Arc<Step>, current, total, done| Event::Transfer {
        step: Arc::clone(step),
        id: String::new(),
        current,
        total,
        done,
    };
    let warning =
        Warning { short: String::new(), detail: Vec::new(), file: None, line: None, url: None };
    for (event, title) in [
        (begin(&load), "[internal] load"),
        (transfer(&load, 1500, None, false), "[internal] load · 1.5kB"),
        (begin(&run), "[2/7] RUN make"),
        (transfer(&run, 1500, Some(3000), false), "[2/7] RUN make · 1.5kB / 3kB"),
        (transfer(&run, 3000, Some(3000), true), "[2/7] RUN make"),
        (begin(&export), "[2/7] RUN make"),
        (Event::Warning(warning), "[2/7] RUN make"),
        (finished(&run), "exporting"),
        (finished(&run), "exporting"),
        (finished(&export), "[internal] load · 1.5kB"),
        (finished(&load), ""),
    ] {
        row.event(&event, start);
        assert_eq!(row.title(), title, "{event:?}");
    }
}

#[test]
fn a_long_step_is_told_of_once() {
    let mut row = Row::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let run = step(1, "[1/1] RUN make");
    assert_eq!(row.event(&Event::Started(Arc::clone(&run)), start), None);
    assert_eq!(row.newly_long(at(9), LONG_STEP), []);
    assert_eq!(
        row.newly_long(at(11), LONG_STEP),
        [("[1/1] RUN make".to_owned(), Duration::from_secs(11))]
    );
    assert_eq!(row.newly_long(at(12), LONG_STEP), []);
    assert_eq!(row.event(&finished(&run), at(30)), None);
    // Nobody looked while it ran.
    row.event(&Event::Started(Arc::clone(&run)), start);
    assert_eq!(
        row.event(&finished(&run), at(30)),
        Some(("[1/1] RUN make".to_owned(), Duration::from_secs(30)))
    );
}

#[test]
fn totals_name_what_there_is() {
    let mut rows: Vec<Row> = (0..6).map(|_| Row::default()).collect();
    assert_eq!(row::totals(&rows), "waiting 6");
    rows[0].start(Instant::now());
    rows[1].start(Instant::now());
    rows[1].finish(Status::Built);
    rows[2].finish(Status::Skipped);
    rows[3].finish(Status::Failed);
    assert_eq!(row::totals(&rows), "built 1 · skipped 1 · failed 1 · running 1 · waiting 2");
}
