//! Why a build did not succeed.

use std::fmt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::super::Invocation;

/// A build that did not succeed. `Display` is one line; [`crate::report::failure`] tells the whole.
#[derive(Debug)]
pub struct BuildFailure {
    pub cause: Cause,
    pub time: Duration,
    /// The step that failed, as BuildKit names it.
    pub step: Option<String>,
    /// The last lines of that step's output; without a step, of what buildx itself said.
    pub last_lines: Vec<String>,
    /// buildx's own word for it, without `ERROR: failed to build: failed to solve: `.
    pub summary: String,
    /// The place in the Dockerfile, where buildx shows it.
    pub excerpt: Option<Excerpt>,
    pub log: Utf8PathBuf,
}

impl BuildFailure {
    /// Whether everything was built, and a name was taken by another build meanwhile: containerd's store makes a name or
    /// moves it, and neither BuildKit (`exporter/containerimage`) nor the engine's import looks again between the two.
    pub fn lost_a_name(&self) -> bool {
        matches!(self.step.as_deref(), Some("exporting to image" | "importing to docker"))
            && self.summary.contains("already exists")
    }

    /// Whether BuildKit asked the client of another build, which had ended, for a layer: builds that run side by side and
    /// have a step in common share its result, and that result knows only the session of the build that came first
    /// (moby/buildkit#6422, docker/buildx#456). Parents that travel as OCI layouts make it likely.
    pub fn lost_a_session(&self) -> bool {
        self.summary.contains("no active session for ")
    }

    /// Whether no step failed, and BuildKit gave up a wait of its own, as it does where many builds run side by side: for
    /// its note of a build that has ended, which before 0.14 may take 20 s, also where everything is exported
    /// (moby/buildkit#3966); or for a build that it does not know yet, which may take 3 s (docker/buildx#3810).
    pub fn lost_patience(&self) -> bool {
        let busy = self.summary == "DeadlineExceeded: context deadline exceeded"
            || self.summary.contains("no such job ");
        self.cause == Cause::Refused && self.step.is_none() && busy
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The program or its log could not be started; why, completing nothing.
    NotStarted(String),
    /// We were asked to stop.
    Interrupted,
    /// The docker CLI was ended from outside, or crashed.
    Killed,
    /// «no space left on device», here or in the engine.
    DiskFull,
    /// An instruction failed.
    Step,
    /// Anything else that buildx refuses: a Dockerfile that cannot be read, a base that is not there, no engine.
    Refused,
}

/// The lines that buildx shows of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The file name as the builder knows it, without its folder.
    pub file: String,
    /// The first of the lines at fault, from 1.
    pub line: u32,
    /// With line numbers, `>>>` before those at fault.
    pub lines: Vec<String>,
}

impl Cause {
    pub(super) fn no_log(log: &Utf8Path, error: &std::io::Error) -> Self {
        Self::NotStarted(format!("failed to write the log {log}: {error}"))
    }

    pub(super) fn no_program(invocation: &Invocation, error: &std::io::Error) -> Self {
        let program = invocation.argv().next().unwrap_or_default();
        Self::NotStarted(format!("failed to start {program}: {error}"))
    }
}

impl BuildFailure {
    pub(super) fn before_start(cause: Cause, log: Utf8PathBuf) -> Self {
        let summary = cause.to_string();
        Self {
            cause,
            time: Duration::ZERO,
            step: None,
            last_lines: Vec::new(),
            summary,
            excerpt: None,
            log,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted(why) => why,
            Self::Interrupted => "interrupted",
            Self::Killed => "the docker client was killed",
            Self::DiskFull => "no space left on device",
            Self::Step => "a step failed",
            Self::Refused => "the build could not be done",
        })
    }
}

impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Step | Cause::Refused | Cause::DiskFull if !self.summary.is_empty() => {
                f.write_str(&self.summary)
            }
            cause => cause.fmt(f),
        }
    }
}

impl std::error::Error for BuildFailure {}

/// buildx's own error among its lines of text: from the last `ERROR: ` on.
pub(super) fn summary(text: &[String]) -> String {
    let Some(start) = text.iter().rposition(|line| line.starts_with("ERROR: ")) else {
        return String::new();
    };
    let mut summary = text[start..].join("\n");
    for beginning in ["ERROR: ", "failed to build: ", "failed to solve: "] {
        if let Some(rest) = summary.strip_prefix(beginning) {
            summary = rest.to_owned();
        }
    }
    summary
}

/// The first excerpt among buildx's lines of text: `Dockerfile:12`, a rule, lines, a rule.
pub(super) fn excerpt(text: &[String]) -> Option<Excerpt> {
    let is_rule = |line: &String| line.len() >= 8 && line.bytes().all(|byte| byte == b'-');
    text.iter().enumerate().find_map(|(index, title)| {
        let (file, line) = title.rsplit_once(':')?;
        let line = line.parse().ok()?;
        let mut rest = text[index + 1..].iter();
        rest.next().filter(|line| is_rule(line))?;
        let lines: Vec<String> = rest.take_while(|line| !is_rule(line)).cloned().collect();
        Some(Excerpt { file: file.to_owned(), line, lines })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn reads_what_buildx_says_at_the_end() {
        let said = text(
            "WARNING: No output specified\nsub/Dockerfile.base:4\n--------------------\n   3 |     FROM x\n   \
             4 | >>> RUN a \\\n   5 | >>>   b\n   6 |     \n--------------------\n\
             ERROR: failed to build: failed to solve: process \"/bin/sh -c a   b\" did not complete\nsecond line",
        );
        assert_eq!(summary(&said), "process \"/bin/sh -c a   b\" did not complete\nsecond line");
        let excerpt = excerpt(&said).unwrap();
        assert_eq!(
            (excerpt.file.as_str(), excerpt.line, excerpt.lines.len()),
            ("sub/Dockerfile.base", 4, 4)
        );
    }

    /// Words of Docker 26 and 28, and of BuildKit 0.13 and 0.32.
    #[test]
    fn what_other_builds_did() {
        let failed = |step: Option<&str>, said: &str| {
            let mut failure = BuildFailure::before_start(Cause::Refused, "log".into());
            failure.step = step.map(str::to_owned);
            failure.summary = summary(&text(said));
            (failure.lost_a_name(), failure.lost_a_session(), failure.lost_patience())
        };
        let session = "ERROR: failed to build: failed to solve: DeadlineExceeded: no active session for \
                       sirbf6hgfpj6a3l8wn5cbnvgb: context deadline exceeded";
        assert_eq!(failed(Some("exporting to docker image format"), session), (false, true, false));
        let name = "ERROR: failed to solve: image \"x:dev\": already exists";
        assert_eq!(failed(Some("exporting to image"), name), (true, false, false));
        let import = "ERROR: failed to solve: rpc error: code = Unknown desc = image \"x:dev\": already exists";
        assert_eq!(failed(Some("importing to docker"), import), (true, false, false));
        assert_eq!(failed(Some("RUN mkdir x"), name), (false, false, false));
        let history = "ERROR: failed to solve: DeadlineExceeded: context deadline exceeded";
        assert_eq!(failed(None, history), (false, false, true));
        assert_eq!(failed(Some("load metadata for x"), history), (false, false, false));
        let job = "ERROR: failed to build: failed to solve: NotFound: no such job vxd3kmpq8rgfgh3lctrdlc9ye";
        assert_eq!(failed(None, job), (false, false, true));
        let own = "ERROR: failed to solve: x: failed to do request: context deadline exceeded";
        assert_eq!(failed(None, own), (false, false, false));
    }

    #[test]
    fn other_ends() {
        for (said, expected) in [
            ("ERROR: failed to solve: x", "x"),
            (
                "ERROR: unable to prepare context: path \"n\" not found",
                "unable to prepare context: path \"n\" not found",
            ),
            ("ERROR: one\nERROR: two", "two"),
            ("no error", ""),
            ("", ""),
        ] {
            assert_eq!(summary(&text(said)), expected);
        }
        for said in [
            "",
            "Dockerfile:x\n--------",
            "Dockerfile:1",
            "Dockerfile:1\nno rule",
            "12:30\nx\n--------",
        ] {
            assert_eq!(excerpt(&text(said)), None, "{said}");
        }
    }
}
