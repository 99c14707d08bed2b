//! Several builds in one process, from start to end: `docker buildx bake` runs, and each build has its own events, log and
//! end.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::super::progress::{Event, ProgressOfMany};
use super::super::{Invocation, interrupt};
use super::log::Log;
use super::tally::Tally;
use super::{Built, attend};

/// An instruction that runs longer than this has cost too much to be ended because another build of the process fails.
const LONG: Duration = Duration::from_secs(15);

/// How long a build of its own may take until BuildKit runs the step for it, too.
const JOINED: Duration = Duration::from_secs(10);

/// How long the first build that ends is kept back for others that end: what is done with several at once is done faster.
const GATHER: Duration = Duration::from_millis(300);

/// So many parts get a build of their own while the process runs: each is a process more.
const MOST_HANDED_OVER: usize = 8;

/// How many lines are kept of what is no progress.
const TEXT_LINES: usize = 20;

/// One of the builds.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// As bake calls it.
    pub target: &'a str,
    pub log: &'a Utf8Path,
}

/// What becomes of a part before the process ends, by the index of the part. Nothing more is told of it afterwards.
#[derive(Debug)]
pub enum Told {
    /// Its image is in the engine. Of those that end at about the same time.
    Built(Vec<(usize, Built)>),
    /// A step of it takes long: it needs a build of its own. BuildKit then runs that step for both, and goes on when one of
    /// them is ended.
    HandOver(usize),
}

/// Not all parts were built.
#[derive(Debug, Default)]
pub struct NotAll {
    /// The one that failed, as far as that is known. Why, is only said well by a build of its own.
    pub failed: Option<usize>,
    /// The last of what was said and is no progress.
    pub text: Vec<String>,
}

impl NotAll {
    /// What a person should know: that bake refused for a reason of its own, which no build of its own will tell.
    pub fn note(&self) -> Option<String> {
        let told = self.failed.is_none() && !self.text.is_empty() && !interrupt::interrupted();
        told.then(|| {
            format!(
                "builds that were to share a process did not, each was built by itself: {}",
                self.text.join("\n")
            )
        })
    }
}

/// What is known of a part.
struct Watched {
    building: Option<Building>,
    exported: Option<Instant>,
    handed_over: Option<Instant>,
    /// Whether a step of it failed by itself, also where it was handed over.
    failed: bool,
}

struct Building {
    log: Log,
    tally: Tally,
    /// The instructions that run, by the number of their step. Contexts that are sent and images that are exported are no
    /// such: a second client would do that once more.
    instructions: BTreeMap<usize, Instant>,
    begun: Instant,
    last: Instant,
}

impl Watched {
    fn new(log: Log) -> Self {
        let now = Instant::now();
        let (tally, instructions) = (Tally::default(), BTreeMap::new());
        let building = Building { log, tally, instructions, begun: now, last: now };
        Self { building: Some(building), exported: None, handed_over: None, failed: false }
    }

    fn event(&mut self, event: Event) {
        self.failed |= event.is_failure();
        let Some(build) = &mut self.building else { return };
        build.last = Instant::now();
        match &event {
            Event::Started(step) if step.position().is_some() => {
                build.instructions.insert(step.number, build.last);
            }
            Event::Finished { step, error, .. } => {
                build.instructions.remove(&step.number);
                if error.is_none() && step.name.starts_with("exporting to image") {
                    self.exported = Some(build.last);
                }
            }
            _ => {}
        }
        build.log.event(&event);
        build.tally.take(event);
    }

    fn takes_long(&self) -> bool {
        self.exported.is_none()
            && self
                .building
                .iter()
                .any(|build| build.instructions.values().any(|started| started.elapsed() > LONG))
    }

    /// Whether it is still built by this process alone.
    fn is_open(&self) -> bool {
        self.exported.is_none() && self.handed_over.is_none()
    }

    /// Whether the process is no longer needed for it.
    fn is_done(&self) -> bool {
        self.exported.is_some() || self.handed_over.is_some_and(|since| since.elapsed() > JOINED)
    }

    fn take(&mut self, part: &Part<'_>) -> Option<Built> {
        let mut build = self.building.take()?;
        let time = build.last.duration_since(build.begun);
        let seconds = time.as_secs_f64();
        build.log.end(&format!("built together with others, after {seconds:.1} s"));
        Some(build.tally.into_built(time, part.log.to_owned(), build.log))
    }
}

/// Runs `invocation`, a `docker buildx bake --progress=rawjson …` of the targets of `parts`, to its end. `sink` gets every
/// event with the index of its part, `tell` what becomes of each.
///
/// Ends when all that was not handed over is built.
///
/// # Errors
/// Where not all of them were built or handed over. What was built until then is in BuildKit's cache.
pub fn run_together(
    invocation: &Invocation,
    parts: &[Part<'_>],
    sink: &(dyn Fn(usize, &Event) + Sync),
    tell: &dyn Fn(Told),
) -> Result<(), NotAll> {
    interrupt::listen();
    if interrupt::interrupted() {
        return Err(NotAll::default());
    }
    let mut watched = Vec::with_capacity(parts.len());
    for part in parts {
        let log = Log::create(part.log, invocation).map_err(|_| NotAll::default())?;
        watched.push(Watched::new(log));
    }
    let mut text = VecDeque::new();
    let mut pass_on = |watched: &mut Vec<Watched>, index: usize, event: Event| {
        if let Event::Text(line) = &event {
            text.drain(..(text.len() + 1).saturating_sub(TEXT_LINES));
            text.push_back(line.clone());
        }
        if watched[index].building.is_some() {
            sink(index, &event);
        }
        watched[index].event(event);
    };
    let mut progress = ProgressOfMany::new(parts.iter().map(|part| part.target));
    let feed = |bytes: &[u8]| {
        progress.feed(bytes, &mut |index, event| pass_on(&mut watched, index, event));
        let mut handed_over = watched.iter().filter(|part| part.handed_over.is_some()).count();
        for (index, part) in watched.iter_mut().enumerate() {
            if handed_over < MOST_HANDED_OVER && part.takes_long() {
                handed_over += 1;
                part.handed_over = Some(Instant::now());
                part.building = None;
                tell(Told::HandOver(index));
            }
        }
        tell_built(&mut watched, parts, false, tell);
        !(watched.iter().any(|part| part.handed_over.is_some())
            && watched.iter().all(Watched::is_done))
    };
    let status = attend(invocation, feed).map_err(|_| NotAll::default())?;
    progress.finish(&mut |index, event| pass_on(&mut watched, index, event));
    let ended_well = status.is_ok_and(|status| status.success());
    if ended_well {
        for part in &mut watched {
            part.exported.get_or_insert_with(Instant::now);
        }
    }
    tell_built(&mut watched, parts, true, tell);
    if ended_well || (watched.iter().all(Watched::is_done) && !interrupt::interrupted()) {
        return Ok(());
    }
    let of_rest = watched.iter().position(|part| part.failed && part.handed_over.is_none());
    let failed = of_rest.or_else(|| watched.iter().position(|part| part.failed));
    Err(NotAll { failed, text: text.into() })
}

/// Tells of those that are built, unless others may still join them, and it is not said that none will.
fn tell_built(watched: &mut [Watched], parts: &[Part<'_>], none_will: bool, tell: &dyn Fn(Told)) {
    let waiting = watched.iter().filter(|part| part.building.is_some());
    let Some(first) = waiting.filter_map(|part| part.exported).min() else { return };
    if none_will || first.elapsed() > GATHER || !watched.iter().any(Watched::is_open) {
        let built = watched.iter_mut().zip(parts).enumerate();
        let built = built.filter(|(_, (part, _))| part.exported.is_some());
        let built = built.filter_map(|(index, (watched, part))| Some((index, watched.take(part)?)));
        tell(Told::Built(built.collect()));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(script: &str) -> (Result<(), NotAll>, Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = ["a", "b"].map(|name| {
            camino::Utf8PathBuf::from_path_buf(folder.path().join(name)).expect("text")
        });
        let parts = [("a", &logs[0]), ("b", &logs[1])].map(|(target, log)| Part { target, log });
        let told = std::cell::RefCell::new(Vec::new());
        let result = run_together(
            &Invocation::new("sh").args(["-c", script]),
            &parts,
            &|_, _| {},
            &|what| {
                told.borrow_mut().push(match what {
                    Told::Built(built) => built
                        .iter()
                        .map(|(index, _)| index.to_string())
                        .collect::<Vec<_>>()
                        .join("+"),
                    Told::HandOver(index) => format!("{index} handed over"),
                });
            },
        );
        let logs = logs.map(|log| std::fs::read_to_string(log).expect("a log"));
        (result, told.into_inner(), logs.to_vec())
    }

    fn exported(target: &str) -> String {
        format!(
            r#"echo '{{"vertexes":[{{"digest":"{target}","name":"[{target}] exporting to image","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z"}}]}}'
            "#
        )
    }

    #[test]
    fn each_is_told_of_when_it_is_there() {
        let (result, told, logs) = run(&format!("{}sleep 1\n{}", exported("b"), exported("a")));
        assert!(result.is_ok());
        assert_eq!(told, ["1", "0"]);
        assert!(
            logs.iter().all(|log| log.contains("built together with others, after")),
            "{logs:?}"
        );
        // Those that end at about the same time, at once; and what says nothing of its end has ended with the process.
        let (_, told, _) = run(&format!("{}sleep 0.05\n{}", exported("b"), exported("a")));
        assert_eq!(told, ["0+1"]);
        let (result, told, _) = run(&exported("b"));
        assert!(result.is_ok());
        assert_eq!(told, ["0+1"]);
    }

    #[test]
    fn what_was_built_before_a_failure_is_not_lost() {
        let failed = r#"echo '{"vertexes":[{"digest":"x","name":"[a 2/2] RUN x","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z","error":"exit code: 3"}]}'"#;
        let (result, told, _) = run(&format!("{}{failed}\nexit 1", exported("b")));
        let not_all = result.unwrap_err();
        assert_eq!((not_all.failed, told), (Some(0), vec!["1".to_owned()]));
        assert_eq!(not_all.note(), None);
    }

    #[test]
    fn what_bake_itself_refuses_is_told() {
        let (result, told, _) = run("echo 'ERROR: unknown attribute' >&2; exit 1");
        let not_all = result.unwrap_err();
        assert_eq!((not_all.failed, told.len()), (None, 0));
        assert!(not_all.note().unwrap().ends_with("by itself: ERROR: unknown attribute"));
    }
}
