//! In which order does the work run? Jobs after those they need, as many at once as may be, the longest chain first.
//!
//! Knows nothing of images, processes or the terminal: `command` gives it the work, and `report` watches.

mod replaced;
mod schedule;
pub mod target;
pub mod test;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schedule::Schedule;

/// A piece of work.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub name: String,
    /// Indices of the jobs that must have succeeded before.
    pub needs: Vec<usize>,
    /// How long it took the last time, where that is known.
    pub last_seconds: Option<f64>,
    /// Whether it may be done by the process that does others, as long as it is quick.
    pub shares: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many run at once; 0 is taken as 1.
    pub parallel: usize,
    /// After a failure, run everything that does not depend on it.
    pub keep_going: bool,
    /// How many jobs one process does at the most, and how many that share one run at once.
    pub together: usize,
}

impl Limits {
    /// A process for each job.
    pub fn new(parallel: usize, keep_going: bool) -> Self {
        Self { parallel, keep_going, together: 1 }
    }
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T, E> {
    Done(T),
    Failed(E),
    /// It needs, perhaps through others, the job `by`, which failed.
    Blocked {
        by: usize,
    },
    /// Something else failed and `keep_going` was not asked for, or everything was stopped.
    NotStarted,
}

/// What an observer sees of a job.
#[derive(Debug)]
pub enum Moment<'a, T, E> {
    Started,
    Ended(&'a Outcome<T, E>),
}

/// What is told to whoever watches: a job's index and what happened to it.
pub type Observe<'a, T, E> = &'a (dyn Fn(usize, Moment<'_, T, E>) + Sync);

/// What does jobs together.
pub type Work<'a, T, E> = &'a (dyn Fn(&[usize], Done<'_, T, E>) + Sync);
/// What is told of jobs that have ended.
pub type Done<'a, T, E> = &'a (dyn Fn(Vec<(usize, Result<T, E>)>) + Sync);

struct Shared<T, E> {
    schedule: Schedule,
    outcomes: Vec<Option<Outcome<T, E>>>,
    panic: Option<Box<dyn Any + Send>>,
}

/// Runs `jobs` and gives the outcome of each, in their order.
///
/// Once `stop` says so, or a job failed without `keep_going`, nothing new starts, and what runs is waited for; a job
/// that should end early has to look for itself. `observe` is called one call at a time, in the order of events, and
/// must be quick.
///
/// # Panics
/// With what `work` or `observe` panicked with, once everything that runs has ended; and where jobs need each other
/// in a circle, which a graph rules out.
pub fn run<T: Send, E: Send>(
    jobs: &[Job],
    limits: Limits,
    stop: &(dyn Fn() -> bool + Sync),
    work: &(dyn Fn(usize) -> Result<T, E> + Sync),
    observe: Observe<'_, T, E>,
) -> Vec<Outcome<T, E>> {
    let limits = Limits { together: 1, ..limits };
    let one_by_one = |indices: &[usize], done: Done<'_, T, E>| {
        for index in indices {
            done(vec![(*index, work(*index))]);
        }
    };
    run_together(jobs, limits, stop, &one_by_one, observe)
}

/// As [`run`]; `work` gets the indices of jobs that it does together, and tells the result of each when it has one: of
/// those that end together, in one call, so that all that they make ready is known when the next are chosen. A job of
/// which nothing is told was not started.
///
/// Jobs are done together that [share](Job::shares), where more are ready than there is room for, and where they are
/// expected to be quick: their last time says so, or all those of this run did that have ended.
///
/// # Panics
/// As [`run`].
pub fn run_together<T: Send, E: Send>(
    jobs: &[Job],
    limits: Limits,
    stop: &(dyn Fn() -> bool + Sync),
    work: Work<'_, T, E>,
    observe: Observe<'_, T, E>,
) -> Vec<Outcome<T, E>> {
    let shared = Mutex::new(Shared {
        schedule: Schedule::new(jobs, limits),
        outcomes: jobs.iter().map(|_| None).collect(),
        panic: None,
    });
    let changed = Condvar::new();
    let worker = || {
        let works = || {
            while let Some(indices) = next(&shared, &changed, stop, observe) {
                let start = Instant::now();
                let untold = AtomicUsize::new(indices.len());
                work(&indices, &|results| {
                    let mut shared = lock(&shared);
                    let told = results.len();
                    for (index, result) in results {
                        shared.end(index, result, start.elapsed(), jobs, observe);
                    }
                    if told > 0 && untold.fetch_sub(told, Ordering::Relaxed) == told {
                        shared.schedule.ended(&indices);
                    }
                    changed.notify_all();
                });
                if untold.into_inner() > 0 {
                    lock(&shared).schedule.ended(&indices);
                    changed.notify_all();
                }
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(works)) {
            lock(&shared).panic.get_or_insert(panic);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..limits.parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(worker);
        }
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(panic) = shared.panic {
        resume_unwind(panic);
    }
    let left = shared.outcomes.into_iter().enumerate().map(|(index, outcome)| {
        outcome.unwrap_or_else(|| {
            observe(index, Moment::Ended(&Outcome::NotStarted));
            Outcome::NotStarted
        })
    });
    left.collect()
}

/// The next jobs, waiting until there are some; nothing when none will come.
fn next<T, E>(
    shared: &Mutex<Shared<T, E>>,
    changed: &Condvar,
    stop: &(dyn Fn() -> bool + Sync),
    observe: Observe<'_, T, E>,
) -> Option<Vec<usize>> {
    let mut shared = lock(shared);
    loop {
        // The job that panicked never ends: nobody may wait for it.
        if shared.panic.is_some() {
            return None;
        }
        if stop() {
            shared.schedule.stop();
        }
        let indices = shared.schedule.start();
        if !indices.is_empty() {
            for index in &indices {
                observe(*index, Moment::Started);
            }
            return Some(indices);
        }
        if shared.schedule.is_over() {
            return None;
        }
        shared = changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
    }
}

impl<T, E> Shared<T, E> {
    fn end(
        &mut self,
        index: usize,
        result: Result<T, E>,
        time: Duration,
        jobs: &[Job],
        observe: Observe<'_, T, E>,
    ) {
        let outcome = match result {
            Ok(done) => {
                self.schedule.done(index, time);
                Outcome::Done(done)
            }
            Err(error) => {
                self.schedule.failed(index);
                Outcome::Failed(error)
            }
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        observe(index, Moment::Ended(self.outcomes[index].insert(outcome)));
        if failed {
            for blocked in schedule::dependents(jobs, index) {
                if self.outcomes[blocked].is_none() {
                    let outcome = self.outcomes[blocked].insert(Outcome::Blocked { by: index });
                    observe(blocked, Moment::Ended(outcome));
                }
            }
        }
    }
}

/// A panic while the lock is held ends the run anyway, so that the state need not be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
