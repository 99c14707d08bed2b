//! The table after a build: image, status, time, size, digest.

use std::time::Duration;

use super::Status;
use super::{Align, Table, human};
use crate::engine::Cause;
use crate::execute::Outcome;
use crate::execute::target::{Made, NotMade};
use crate::plan::Plan;

/// One row a target, and a sum.
pub fn summary(plan: &Plan, outcomes: &[Outcome<Made, NotMade>], time: Duration) -> String {
    let mut table = Table::new([
        ("image", Align::Left),
        ("status", Align::Left),
        ("time", Align::Right),
        ("size", Align::Right),
        ("digest", Align::Left),
    ]);
    for (step, outcome) in plan.steps.iter().zip(outcomes) {
        let made = match outcome {
            Outcome::Done(made) => Some(made),
            _ => None,
        };
        let seconds = match outcome {
            Outcome::Done(made) => made.seconds.map(Duration::from_secs_f64),
            Outcome::Failed(NotMade::Build(failure)) => Some(failure.time),
            _ => None,
        };
        table.row([
            step.name().to_string(),
            status(outcome).to_string(),
            seconds.map_or_else(String::new, human::seconds),
            made.map_or_else(String::new, |made| human::bytes(made.bytes)),
            made.map_or_else(String::new, |made| made.digest.hex()[..12].to_owned()),
        ]);
    }
    let count =
        |wanted: Status| outcomes.iter().filter(|outcome| status(outcome) == wanted).count();
    let counts: Vec<String> = Status::ALL
        .into_iter()
        .filter(|&wanted| count(wanted) > 0)
        .map(|wanted| format!("{} {wanted}", count(wanted)))
        .collect();
    let counts = if counts.is_empty() { "nothing to build".to_owned() } else { counts.join(", ") };
    format!("{table}{counts} in {}\n", human::seconds(time))
}

/// The word for an outcome.
pub fn status(outcome: &Outcome<Made, NotMade>) -> Status {
    match outcome {
        Outcome::Done(made) if made.built => Status::Built,
        Outcome::Done(_) => Status::Skipped,
        Outcome::Failed(NotMade::Build(failure)) if failure.cause == Cause::Interrupted => {
            Status::NotBuilt
        }
        Outcome::Failed(_) => Status::Failed,
        Outcome::Blocked { .. } => Status::Blocked,
        Outcome::NotStarted => Status::NotBuilt,
    }
}
