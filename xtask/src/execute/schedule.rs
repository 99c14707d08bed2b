//! Which job starts next. Pure: no threads, no clock.

use std::collections::BTreeSet;

use super::Job;

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
    running: usize,
    stopped: bool,
}

impl Schedule {
    pub(super) fn new(jobs: &[Job]) -> Self {
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
        Self { waits_for, dependents, rank, ready, by_rank, running: 0, stopped: false }
    }

    /// The next job that may start now; it counts as running.
    pub(super) fn start(&mut self) -> Option<usize> {
        if self.stopped {
            return None;
        }
        let rank = self.ready.pop_first()?;
        self.running += 1;
        Some(self.by_rank[rank])
    }

    /// A running job succeeded.
    pub(super) fn done(&mut self, index: usize) {
        self.running -= 1;
        for dependent in self.dependents[index].clone() {
            self.waits_for[dependent] -= 1;
            if self.waits_for[dependent] == 0 {
                self.ready.insert(self.rank[dependent]);
            }
        }
    }

    /// A running job failed: what needs it never becomes ready.
    pub(super) fn failed(&mut self, keep_going: bool) {
        self.running -= 1;
        if !keep_going {
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
