//! How are progress and results shown to a person?
//!
//! Nothing is decided here: it gets events and values, and gives text. Called by `command`.

pub mod board;
pub mod failure;
pub mod human;
pub mod status;
pub mod table;
mod width;

pub use board::{Board, Detail, Style};
pub use status::Status;
pub use table::{Align, Table};
