//! An image of the engine into the staging repository, under its key.

use std::time::Duration;

use anyhow::Context as _;

use crate::engine::{Engine, interrupt};
use crate::reference::{Digest, Repository, Tag};

/// How often it is tried. What arrived is not sent again.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// What an upload may take beside the time for its bytes.
const LEAST: Duration = Duration::from_mins(5);
/// The slowest line, in bytes a second, that is waited for.
const SLOWEST: u64 = 128 << 10;

/// Sends the image `digest` of `bytes` bytes to `repository:tag`, by the engine: it knows which layers are there, and
/// sends several at once. `tell` hears of each further attempt.
///
/// # Errors
/// When the registry refuses, or does not take it in several attempts.
pub fn upload(
    engine: &Engine,
    digest: &Digest,
    bytes: u64,
    repository: &Repository,
    tag: &Tag,
    tell: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let name = format!("{}:{tag}", repository.familiar());
    engine.tag(digest.as_str(), &name)?;
    let command = engine.command().args(["image", "push", "--quiet", "--", &name]);
    let limit = LEAST + Duration::from_secs(bytes / SLOWEST);
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    let result = loop {
        match command.read_within(limit) {
            Ok(_) => break Ok(()),
            Err(failure)
                if attempt < ATTEMPTS
                    && !interrupt::interrupted()
                    && !is_final(&failure.stderr) =>
            {
                let why = failure.stderr.lines().last().unwrap_or_default().to_owned();
                tell(&format!("sending {name} failed ({why}); again in {} s", pause.as_secs()));
                std::thread::sleep(pause);
                pause *= 2;
                attempt += 1;
            }
            Err(failure) => {
                let login = repository.registry();
                let login = if login == "docker.io" { String::new() } else { format!(" {login}") };
                let error = anyhow::Error::from(failure);
                break Err(error).with_context(|| {
                    format!(
                        "failed to send {name}; the login for it comes from `docker login{login}`"
                    )
                });
            }
        }
    };
    // The engine's images are called by their own names; this one was for the way.
    let _stays = engine.untag(&name);
    result
}

/// Whether another attempt would fail too.
fn is_final(stderr: &str) -> bool {
    let text = stderr.to_ascii_lowercase();
    ["denied", "unauthorized", "no basic auth", "authentication required", "tag is immutable"]
        .iter()
        .any(|word| text.contains(word))
}
