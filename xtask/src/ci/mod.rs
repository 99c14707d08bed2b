//! Which workflow does what a person would do by hand, on GitHub's runners?
//!
//! Pure: the graph becomes jobs, and jobs become the text of a workflow. Nothing here asks GitHub. Called by
//! `command/ci`, of which `generate` writes the workflow, and the others are what its jobs run:
//!
//! | job | runs | gives |
//! | --- | --- | --- |
//! | [`job::PLAN`] | `ci plan -- IMAGE…` | to `$GITHUB_OUTPUT`: `jobs` and `components`, JSON lists of stale [`job::JobId`]s, and `publish`, `true` or `false` |
//! | [`job::JobId::build`] | `ci build TARGET --platform PLATFORM` | `digest`; `DOCKYARD_PARENTS` holds a line `TARGET PLATFORM DIGEST` for each parent, without a digest where the parent's job was skipped |
//! | [`job::JobId::check`] | `ci check TARGET` | nothing: the whole [`component`] around the target is built and tested in place |
//! | [`job::PUBLISH`] | `ci publish --yes` | nothing |

pub mod component;
pub mod job;
mod standing;

pub use standing::{Standing, Todo, Work, is_on_parents, jobs, judge, needs};
