//! Dockyard.
pub mod dockerfile;
pub mod engine;
pub mod graph;
pub mod key;
pub mod mistake;
pub mod plan;
pub mod reference;
pub mod tags;
pub mod workspace;

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
