//! In which order does the work run? Jobs after those they need, as many at once as may be, the longest chain first.
//!
//! Knows nothing of images, processes or the terminal: `command` gives it the work, and `report` watches.

mod replaced;
mod schedule;
pub mod target;
pub mod test;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use schedule::Schedule;

/// A piece of work.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub name: String,
    /// Indices of the jobs that must have succeeded before.
    pub needs: Vec<usize>,
    /// How long it took the last time, where that is known.
    pub last_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many run at once; 0 is taken as 1.
    pub parallel: usize,
    /// After a failure, run everything that does not depend on it.
    pub keep_going: bool,
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
    let shared = Mutex::new(Shared {
        schedule: Schedule::new(jobs),
        outcomes: jobs.iter().map(|_| None).collect(),
        panic: None,
    });
    let changed = Condvar::new();
    let worker = || {
        let works = || {
            while let Some(index) = next(&shared, &changed, stop, observe) {
                let result = work(index);
                let mut shared = lock(&shared);
                shared.end(index, result, jobs, limits.keep_going, observe);
                changed.notify_all();
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

/// The next job, waiting until there is one; nothing when none will come.
fn next<T, E>(
    shared: &Mutex<Shared<T, E>>,
    changed: &Condvar,
    stop: &(dyn Fn() -> bool + Sync),
    observe: Observe<'_, T, E>,
) -> Option<usize> {
    let mut shared = lock(shared);
    loop {
        // The job that panicked never ends: nobody may wait for it.
        if shared.panic.is_some() {
            return None;
        }
        if stop() {
            shared.schedule.stop();
        }
        if let Some(index) = shared.schedule.start() {
            observe(index, Moment::Started);
            return Some(index);
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
        jobs: &[Job],
        keep_going: bool,
        observe: Observe<'_, T, E>,
    ) {
        let outcome = match result {
            Ok(done) => {
                self.schedule.done(index);
                Outcome::Done(done)
            }
            Err(error) => {
                self.schedule.failed(keep_going);
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
