//! How are progress and results shown to a person?
//!
//! Nothing is decided here: it gets events and values, and gives text. Called by `command`.

mod adopt;
mod affected;
pub mod board;
mod cache;
mod ci;
mod clean;
mod error;
pub mod failure;
mod graph;
mod inspect;
mod json;
mod lint;
pub mod locks;
pub mod markdown;
pub mod outdated;
mod plan;
mod publication;
pub mod status;
mod summary;
pub mod table;
mod test;
mod why;
mod width;

pub use crate::human;
pub use adopt::{AdoptJson, adoption};
pub use affected::{AffectedJson, AffectedList, affected};
pub use board::{Board, Detail, Style};
pub use cache::cache;
pub use ci::{CiJob, CiMade, CiPlanJson, ci_made, ci_plan, ci_plan_summary, ci_published};
pub use clean::{CleanJson, ImageState, RemovedFile, removals};
pub use error::error;
pub use graph::{dot, mermaid, tree};
pub use inspect::{InspectJson, Inspected, InspectedName, inspect};
pub use json::{GraphJson, ListJson, PlanJson, ResultJson, TagsJson, json};
pub use lint::{LintJson, counted, findings};
pub use plan::plan;
pub use publication::{PublicationJson, PublishedImage, counts, publication};
pub use status::Status;
pub use summary::{status, summary};
pub use table::{Align, Table};
pub use test::{TestJson, TestRow, check, tested, tests};
pub use why::{WhyJson, WhyList, why};
