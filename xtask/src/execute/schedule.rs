//! Which jobs start next, and which of them together. Pure: no threads, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Job, Limits};

/// A job that took no longer than this in this run is quick: more of them may run at once.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// A job that took no longer than this the last time may be done together with others, beside which it may have been then.
/// What a failure costs the others does not depend on it: work that takes long is not ended.
const QUICK_BEFORE: Duration = Duration::from_secs(30);
/// How many more jobs may run at once for each that was quick.
const MORE: usize = 6;

/// What has to be known to name the next job.
#[derive(Debug)]
pub(super) struct Schedule {
    /// How many of its needs each job still waits for.
    waits_for: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    /// By rank: the longest remaining chain first, then the order of the jobs.
    rank: Vec<usize>,
    /// Ranks of the jobs that may start.
    ready: BTreeSet<usize>,
    by_rank: Vec<usize>,
    /// Whether the job may be done with others, by its index; where its last time is known, that decides.
    shares: Vec<Shares>,
    limits: Limits,
    /// Processes: jobs that are done together are one.
    running: usize,
    /// The jobs that run, each with the most that did at once since it was started.
    running_jobs: BTreeMap<usize, usize>,
    /// What processes still do that were started for more than one job and have more than one left.
    groups: Vec<BTreeSet<usize>>,
    /// How many jobs that share have ended and were quick.
    quick: usize,
    /// Whether one was not.
    found_slow: bool,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shares {
    Never,
    /// As long as those are quick that have ended.
    WhileQuick,
    Always,
}

impl Shares {
    fn of(job: &Job) -> Self {
        match job.last_seconds {
            _ if !job.shares => Self::Never,
            None => Self::WhileQuick,
            Some(seconds) if seconds <= QUICK_BEFORE.as_secs_f64() => Self::Always,
            Some(_) => Self::Never,
        }
    }
}

impl Schedule {
    pub(super) fn new(jobs: &[Job], limits: Limits) -> Self {
        let dependents = direct_dependents(jobs);
        let waits_for: Vec<usize> = jobs.iter().map(|job| unique_needs(job).len()).collect();
        let chains = remaining_chains(jobs, &dependents);
        let mut by_rank: Vec<usize> = (0..jobs.len()).collect();
        by_rank.sort_by(|a, b| chains[*b].total_cmp(&chains[*a]).then(a.cmp(b)));
        let mut rank = vec![0; jobs.len()];
        for (position, index) in by_rank.iter().enumerate() {
            rank[*index] = position;
        }
        let ready = (0..jobs.len())
            .filter(|index| waits_for[*index] == 0)
            .map(|index| rank[index])
            .collect();
        Self {
            waits_for,
            dependents,
            rank,
            ready,
            by_rank,
            shares: jobs.iter().map(Shares::of).collect(),
            limits,
            running: 0,
            running_jobs: BTreeMap::new(),
            groups: Vec::new(),
            quick: 0,
            found_slow: false,
            stopped: false,
        }
    }

    /// The jobs that one process may start now, none or several. It counts as running until [`ended`](Self::ended).
    ///
    /// As many jobs that share as are ready are done together, by half of the processes that there may be: those that
    /// become ready in the meantime wait for one another, and the others are not held up. While nothing is known, no more
    /// run at once than if each had a process; every quick one that ends makes room for more.
    pub(super) fn start(&mut self) -> Vec<usize> {
        let parallel = self.parallel();
        let free = parallel.saturating_sub(self.running);
        let Some(first) = self.ready.first().copied().filter(|_| !self.stopped && free > 0) else {
            return Vec::new();
        };
        let mut ranks = vec![first];
        if self.limits.together > 1 && self.is_shared(first) {
            let (shared, others): (Vec<usize>, Vec<usize>) =
                self.ready.iter().partition(|rank| self.is_shared(**rank));
            let trusted = (parallel + MORE * self.quick).min(self.limits.together.max(parallel));
            let room = trusted.saturating_sub(self.running_jobs.len());
            if shared.len() > 1 && (room == 0 || self.groups.len() >= parallel.div_ceil(2)) {
                ranks = others.into_iter().take(1).collect();
            } else {
                ranks = shared.into_iter().take(room.clamp(1, self.limits.together)).collect();
            }
        }
        if ranks.is_empty() {
            return ranks;
        }
        for rank in &ranks {
            self.ready.remove(rank);
        }
        let jobs: Vec<usize> = ranks.into_iter().map(|rank| self.by_rank[rank]).collect();
        self.running += 1;
        if jobs.len() > 1 {
            self.groups.push(jobs.iter().copied().collect());
        }
        self.running_jobs.extend(jobs.iter().map(|job| (*job, 0)));
        let count = self.running_jobs.len();
        for most in self.running_jobs.values_mut() {
            *most = count.max(*most);
        }
        jobs
    }

    fn parallel(&self) -> usize {
        self.limits.parallel.max(1)
    }

    fn is_shared(&self, rank: usize) -> bool {
        match self.shares[self.by_rank[rank]] {
            Shares::Never => false,
            Shares::WhileQuick => self.quick > 0 && !self.found_slow,
            Shares::Always => true,
        }
    }

    /// What [`start`](Self::start) gave has ended.
    pub(super) fn ended(&mut self, jobs: &[usize]) {
        self.running -= 1;
        for job in jobs {
            self.leave(*job);
        }
    }

    /// The job runs no longer. A process with one job left is no group: it may do that for as long as any other.
    fn leave(&mut self, job: usize) -> Option<usize> {
        self.groups.retain_mut(|group| {
            group.remove(&job);
            group.len() > 1
        });
        self.running_jobs.remove(&job)
    }

    /// A job succeeded, `time` after it was started. Beside many others it takes longer than by itself, and how much, is
    /// taken from how many there are.
    pub(super) fn done(&mut self, index: usize, time: Duration) {
        let most = self.leave(index).unwrap_or_default();
        let crowd = u32::try_from(most.div_ceil(self.parallel())).unwrap_or(u32::MAX);
        match self.shares[index] {
            Shares::Never => {}
            _ if time <= QUICK.saturating_mul(crowd.max(1)) => self.quick += 1,
            _ => self.found_slow = true,
        }
        for dependent in self.dependents[index].clone() {
            self.waits_for[dependent] -= 1;
            if self.waits_for[dependent] == 0 {
                self.ready.insert(self.rank[dependent]);
            }
        }
    }

    /// A job failed: what needs it never becomes ready, and nothing is done together any more.
    pub(super) fn failed(&mut self, index: usize) {
        self.leave(index);
        self.shares.fill(Shares::Never);
        if !self.limits.keep_going {
            self.stop();
        }
    }

    /// Nothing more starts.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Nothing runs, and nothing will start.
    pub(super) fn is_over(&self) -> bool {
        self.running == 0 && (self.stopped || self.ready.is_empty())
    }
}

/// Everything that needs `index`, directly or through others, in the order of the jobs.
pub(super) fn dependents(jobs: &[Job], index: usize) -> BTreeSet<usize> {
    let direct = direct_dependents(jobs);
    let mut found = BTreeSet::new();
    let mut open = vec![index];
    while let Some(next) = open.pop() {
        open.extend(direct[next].iter().filter(|dependent| found.insert(**dependent)));
    }
    found
}

fn direct_dependents(jobs: &[Job]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); jobs.len()];
    for (index, job) in jobs.iter().enumerate() {
        for need in unique_needs(job) {
            dependents[need].push(index);
        }
    }
    dependents
}

fn unique_needs(job: &Job) -> BTreeSet<usize> {
    job.needs.iter().copied().collect()
}

/// For each job, the time from its start to the end of everything that waits for it, were there room for all.
/// A job whose time is not known counts as an average one.
fn remaining_chains(jobs: &[Job], dependents: &[Vec<usize>]) -> Vec<f64> {
    let known = || jobs.iter().filter_map(|job| job.last_seconds);
    let count = known().map(|_| 1.0).sum::<f64>();
    let average = if count > 0.0 { known().sum::<f64>() / count } else { 1.0 };
    let mut chains = vec![0.0_f64; jobs.len()];
    for index in parents_first(jobs, dependents).into_iter().rev() {
        let longest =
            dependents[index].iter().map(|dependent| chains[*dependent]).fold(0.0, f64::max);
        chains[index] = jobs[index].last_seconds.unwrap_or(average) + longest;
    }
    chains
}

fn parents_first(jobs: &[Job], dependents: &[Vec<usize>]) -> Vec<usize> {
    let mut waits_for: Vec<usize> = jobs.iter().map(|job| unique_needs(job).len()).collect();
    let mut order: Vec<usize> = (0..jobs.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        next += 1;
        for dependent in &dependents[index] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                order.push(*dependent);
            }
        }
    }
    assert_eq!(order.len(), jobs.len(), "jobs need each other in a circle");
    order
}
