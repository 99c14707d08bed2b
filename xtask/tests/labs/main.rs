//! The five labs' images of this repository: what `list`, `graph`, `plan` and `tags` say of each row of the README's
//! table, and images that are really built where only Debian, PyPI and a loopback registry are reached.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "../support/crossed.rs"]
mod crossed;
#[path = "../support/engines.rs"]
mod engines;
#[path = "../support/frontend.rs"]
mod frontend;
#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/registries.rs"]
mod registries;

mod closed;
mod emulated;
mod pixi;
mod rows;
