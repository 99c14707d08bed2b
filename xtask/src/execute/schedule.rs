//! Which jobs start next, and which of them together. Pure: no threads, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Job, Limits, QUICK};

/// As many jobs as are done together before a further process is begun.
const WORTH_A_PROCESS: usize = 6;
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
    running_jobs: usize,
    /// Processes that do more than one job.
    groups: usize,
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
            Some(seconds) if seconds <= QUICK.as_secs_f64() => Self::Always,
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
            running_jobs: 0,
            groups: 0,
            quick: 0,
            found_slow: false,
            stopped: false,
        }
    }

    /// The jobs that one process may start now, none or several. It counts as running until [`ended`](Self::ended).
    ///
    /// Jobs that share are spread evenly over half of the processes that there may be, which is room enough: the others
    /// would only start up while these wait. Fewer are not spread at all. While nothing is known, no more run at once than
    /// if each had a process; every quick one that ends makes room for more.
    pub(super) fn start(&mut self) -> Vec<usize> {
        let parallel = self.limits.parallel.max(1);
        let free = parallel.saturating_sub(self.running);
        let Some(first) = self.ready.first().copied().filter(|_| !self.stopped && free > 0) else {
            return Vec::new();
        };
        let mut ranks = vec![first];
        if self.limits.together > 1 && self.is_shared(first) {
            let (shared, others): (Vec<usize>, Vec<usize>) =
                self.ready.iter().partition(|rank| self.is_shared(**rank));
            let room = parallel.div_ceil(2).saturating_sub(self.groups).min(free);
            let trust = (parallel + MORE * self.quick).saturating_sub(self.running_jobs);
            if shared.len() > 1 && (room == 0 || trust == 0) {
                ranks = others.into_iter().take(1).collect();
            } else {
                let even = shared.len().div_ceil(room.max(1)).max(WORTH_A_PROCESS);
                let share = even.min(self.limits.together).min(trust.max(1));
                ranks = shared.into_iter().take(share).collect();
            }
        }
        if ranks.is_empty() {
            return ranks;
        }
        for rank in &ranks {
            self.ready.remove(rank);
        }
        self.running += 1;
        self.running_jobs += ranks.len();
        self.groups += usize::from(ranks.len() > 1);
        ranks.into_iter().map(|rank| self.by_rank[rank]).collect()
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
        self.running_jobs -= jobs.len();
        self.groups -= usize::from(jobs.len() > 1);
    }

    /// A job succeeded, `time` after it was started.
    pub(super) fn done(&mut self, index: usize, time: Duration) {
        match self.shares[index] {
            Shares::Never => {}
            _ if time <= QUICK => self.quick += 1,
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
    pub(super) fn failed(&mut self) {
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
