//! `adopt` on repositories in the manner of five labs: what it writes plans what their scripts, workflows and files of
//! targets did, nothing that existed is edited, and a second run writes nothing.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]
#![expect(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod labs;
mod repository;
mod rules;
mod shims;
