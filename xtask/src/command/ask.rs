//! A question to a person at a terminal.

use std::io::IsTerminal as _;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;

use crate::engine::interrupt;

/// How often a question looks whether we were interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Whether somebody can read a question and answer it.
pub(super) fn is_there_somebody() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether the answer is yes. Interrupted, it is no.
///
/// # Errors
/// When the answer cannot be read.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    anstream::eprint!("{question} [y/N] ");
    // The read goes on through Ctrl-C, so that it may not be waited for.
    let (sender, answers) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer).map(|_| answer);
        let _nobody_waits = sender.send(read);
    });
    let answer = loop {
        match answers.recv_timeout(LOOK) {
            Ok(answer) => break answer.context("failed to read the answer")?,
            Err(_) if interrupt::interrupted() => return Ok(false),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => anyhow::bail!("failed to read the answer"),
        }
    };
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
