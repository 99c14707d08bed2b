//! What a person is told of a build that failed: readable at two in the night.

use std::fmt::Write;

use camino::Utf8Path;

use super::human;
use super::width::shortened;
use crate::engine::{BuildFailure, Cause};

/// How much of a step's name stands in the first line: the Dockerfile's lines follow.
const TITLE_WIDTH: usize = 120;

/// What the block needs beside the failure.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The target's id.
    pub name: &'a str,
    /// Relative to the workspace root.
    pub dockerfile: &'a Utf8Path,
    /// The folder that the log's path is shown relative to, where it lies below it.
    pub root: &'a Utf8Path,
    pub color: bool,
}

/// Step, last lines, Dockerfile line, buildx's word, the log, and what to do next; several lines, each ended.
///
/// Of an interrupted build there is one line: who interrupts knows why.
pub fn block(failure: &BuildFailure, context: &Context<'_>) -> String {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let (on, off) = if context.color {
        (red.render().to_string(), red.render_reset().to_string())
    } else {
        Default::default()
    };
    let name = context.name;
    let mut text = String::new();
    let mut line = |line: &str| text.extend([line, "\n"]);

    let title = match &failure.cause {
        Cause::Interrupted => {
            return format!("{name}: interrupted after {}\n", human::seconds(failure.time));
        }
        Cause::NotStarted(why) => why.clone(),
        Cause::Killed => "the docker client was killed, or crashed".to_owned(),
        Cause::DiskFull => "no space left on device".to_owned(),
        Cause::Step | Cause::Refused => match &failure.step {
            Some(step) => shortened(step, TITLE_WIDTH),
            None => first_line(&failure.summary).to_owned(),
        },
    };
    line(&format!("{on}failed: {name}{off}: {title}"));
    if failure.cause == Cause::DiskFull
        && let Some(step) = &failure.step
    {
        line(&format!("  in {step}"));
    }
    if failure.step.is_some() && !failure.last_lines.is_empty() {
        line("  its last lines:");
        for last in &failure.last_lines {
            line(&format!("    {last}"));
        }
    }
    if let Some(excerpt) = &failure.excerpt {
        // The builder knows the Dockerfile by its file name only.
        let is_ours = context.dockerfile.file_name() == Some(excerpt.file.as_str());
        let file = if is_ours { context.dockerfile.as_str() } else { &excerpt.file };
        line(&format!("  {file}:{}", excerpt.line));
        for excerpt_line in &excerpt.lines {
            line(&format!("  {}", excerpt_line.trim_end()));
        }
    }
    if !failure.summary.is_empty()
        && title != failure.summary
        && !matches!(failure.cause, Cause::NotStarted(_))
    {
        for (index, summary) in failure.summary.lines().enumerate() {
            line(&format!("  {}{summary}", if index == 0 { "error: " } else { "       " }));
        }
    }
    if let Some(mend) = mend(failure) {
        line(&format!("  mend: {mend}"));
    }
    if !matches!(failure.cause, Cause::NotStarted(_)) {
        let log = failure.log.strip_prefix(context.root).unwrap_or(&failure.log);
        let _infallible = writeln!(text, "  the whole log: {log}");
    }
    text
}

fn mend(failure: &BuildFailure) -> Option<&'static str> {
    let summary = failure.summary.as_str();
    match failure.cause {
        Cause::DiskFull => Some(
            "`docker system df` shows what takes the room, `docker builder prune` gives back the build cache's",
        ),
        Cause::Refused if summary.contains("Cannot connect to the Docker daemon") => {
            Some("start the engine, or let `cargo xtask doctor` say what is missing")
        }
        Cause::Refused if summary.contains("failed to resolve source metadata") => Some(
            "is the reference spelled as the registry has it, is the registry reachable, are you logged in to it?",
        ),
        _ => None,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("the build ended without a word of why")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::build::Excerpt;

    fn failure(cause: Cause) -> BuildFailure {
        BuildFailure {
            cause,
            time: Duration::from_millis(3100),
            step: None,
            last_lines: Vec::new(),
            summary: String::new(),
            excerpt: None,
            log: "/w/target/dockyard/log/app.log".into(),
        }
    }

    fn shown(failure: &BuildFailure, color: bool) -> String {
        let dockerfile = Utf8Path::new("services/app/Dockerfile");
        block(failure, &Context { name: "app", dockerfile, root: Utf8Path::new("/w"), color })
    }

    #[test]
    fn a_step() {
        let excerpt = Excerpt {
            file: "Dockerfile".to_owned(),
            line: 12,
            lines: vec![
                "  11 |     FROM x".to_owned(),
                "  12 | >>> RUN make".to_owned(),
                "  13 |     ".to_owned(),
            ],
        };
        let failure = BuildFailure {
            step: Some("[2/3] RUN make".to_owned()),
            last_lines: vec!["cc -o x".to_owned(), "make: *** [x] Error 1".to_owned()],
            summary: "process \"/bin/sh -c make\" did not complete successfully: exit code: 2"
                .to_owned(),
            excerpt: Some(excerpt),
            ..failure(Cause::Step)
        };
        assert_eq!(
            shown(&failure, false),
            "\
failed: app: [2/3] RUN make
  its last lines:
    cc -o x
    make: *** [x] Error 1
  services/app/Dockerfile:12
    11 |     FROM x
    12 | >>> RUN make
    13 |
  error: process \"/bin/sh -c make\" did not complete successfully: exit code: 2
  the whole log: target/dockyard/log/app.log
"
        );
        assert!(
            shown(&failure, true).starts_with("\u{1b}[1m\u{1b}[31mfailed: app\u{1b}[0m: [2/3]")
        );
    }

    #[test]
    fn other_causes() {
        let with =
            |cause, summary: &str| BuildFailure { summary: summary.to_owned(), ..failure(cause) };
        for (failure, expected) in [
            (failure(Cause::Interrupted), "app: interrupted after 3.1 s\n"),
            (
                failure(Cause::NotStarted("failed to start docker: no such file".to_owned())),
                "failed: app: failed to start docker: no such file\n",
            ),
            (
                failure(Cause::Killed),
                "failed: app: the docker client was killed, or crashed\n  the whole log: target/dockyard/log/app.log\n",
            ),
            (
                with(Cause::Refused, "a: not found"),
                "failed: app: a: not found\n  the whole log: target/dockyard/log/app.log\n",
            ),
            (
                failure(Cause::Refused),
                "failed: app: the build ended without a word of why\n  the whole log: target/dockyard/log/app.log\n",
            ),
            (
                with(Cause::DiskFull, "write /x: no space left on device"),
                "failed: app: no space left on device\n  error: write /x: no space left on device\n  \
                 mend: `docker system df` shows what takes the room, `docker builder prune` gives back the build cache's\n  \
                 the whole log: target/dockyard/log/app.log\n",
            ),
        ] {
            assert_eq!(shown(&failure, false), expected);
        }
    }
}
