//! The generated workflow and the commands that its jobs call, with real images from a real engine, against a real
//! registry.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod commands;
#[path = "../support/engines.rs"]
mod engines;
mod expression;
#[path = "../support/faults.rs"]
mod faults;
mod forge;
#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/registries.rs"]
mod registries;
mod scenarios;
mod workflow;
