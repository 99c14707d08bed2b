//! Dockyard.

pub mod engine;
pub mod mistake;
pub mod reference;
pub mod tags;
pub mod workspace;

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
