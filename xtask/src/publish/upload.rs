//! An image of the engine into the staging repository, under its key.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::engine::{Engine, interrupt};
use crate::reference::{Digest, Repository, Tag};
use crate::registry::{Limits, rest};

/// An attempt that took so long has moved something: the attempts after it are counted anew. What arrived is not sent
/// again.
const LONG: Duration = Duration::from_secs(20);
/// The first pause and the longest one are those of questions, so many times: an attempt of the engine's is more work.
const SLOWER: u32 = 2;
/// What an upload may take beside the time for its bytes.
const LEAST: Duration = Duration::from_mins(5);
/// The slowest line, in bytes a second, that is waited for.
const SLOWEST: u64 = 128 << 10;

/// What goes with an upload.
pub struct Way<'a> {
    pub limits: &'a Limits,
    /// Whether the registry has it although the engine failed: where only an answer was lost.
    pub arrived: &'a dyn Fn() -> bool,
    /// Hears of each further attempt.
    pub tell: &'a dyn Fn(&str),
}

/// Sends the image `digest` of `bytes` bytes to `repository:tag`, by the engine: it knows which layers are there, and
/// sends several at once.
///
/// # Errors
/// When the registry refuses, or does not take it in several attempts.
pub fn upload(
    engine: &Engine,
    digest: &Digest,
    bytes: u64,
    repository: &Repository,
    tag: &Tag,
    way: &Way<'_>,
) -> anyhow::Result<()> {
    let Way { limits, arrived, tell } = way;
    let name = format!("{}:{tag}", repository.familiar());
    engine.tag(digest.as_str(), &name)?;
    let command = engine.command().args(["image", "push", "--quiet", "--", &name]);
    let limit = LEAST + Duration::from_secs(bytes / SLOWEST);
    let (first, longest) = (limits.first_pause * SLOWER, limits.longest_pause * SLOWER);
    let (begun, mut pause, mut attempt) = (Instant::now(), first, 1);
    let result = loop {
        let this = Instant::now();
        let Err(failure) = command.read_within(limit) else { break Ok(()) };
        if this.elapsed() > LONG {
            (pause, attempt) = (first, 1);
        }
        if !interrupt::interrupted() && arrived() {
            break Ok(());
        }
        let final_ = is_final(&failure.stderr);
        if attempt >= limits.attempts
            || begun.elapsed() > limit
            || interrupt::interrupted()
            || final_.is_some()
        {
            let login = repository.registry();
            let login = if login == "docker.io" { String::new() } else { format!(" {login}") };
            let hint = match final_ {
                Some(Final::Denied) => {
                    format!("; the login for it comes from `docker login{login}`")
                }
                Some(Final::Full) => "; free space in the registry, and push again".to_owned(),
                Some(Final::Immutable) | None => String::new(),
            };
            let error = anyhow::Error::from(failure);
            break Err(error).with_context(|| format!("failed to send {name}{hint}"));
        }
        let why = failure.stderr.lines().last().unwrap_or_default().to_owned();
        tell(&format!("sending {name} failed ({why}); again in {:.1} s", pause.as_secs_f64()));
        rest(pause);
        pause = (pause * 2).min(longest);
        attempt += 1;
    };
    // The engine's images are called by their own names; this one was for the way.
    let _stays = engine.untag(&name);
    result
}

/// Why another attempt would fail too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Final {
    Denied,
    Full,
    Immutable,
}

/// What the engine repeats of a registry's answer.
fn is_final(stderr: &str) -> Option<Final> {
    let text = stderr.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["denied", "unauthorized", "no basic auth", "authentication required"]) {
        Some(Final::Denied)
    } else if says(&["tag is immutable"]) {
        Some(Final::Immutable)
    } else if says(&["507 ", "insufficient storage"]) {
        Some(Final::Full)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Final, is_final};

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        for (stderr, expected) in [
            ("denied: requested access to the resource is denied", Some(Final::Denied)),
            (
                "failed to copy: unexpected status from PUT request to http://r.test/v2/x: 507 Insufficient Storage",
                Some(Final::Full),
            ),
            (
                "tag invalid: The image tag 'x' already exists and the tag is immutable",
                Some(Final::Immutable),
            ),
            ("unexpected status from HEAD request: 503 Service Unavailable", None),
            ("write: connection reset by peer", None),
        ] {
            assert_eq!(is_final(stderr), expected, "{stderr}");
        }
    }
}
