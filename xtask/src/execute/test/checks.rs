//! The checks of one platform: the size, each command, the health.

use std::time::{Duration, Instant};

use anyhow::bail;
use camino::Utf8Path;

use super::transcript::last_lines;
use super::{Check, Gpu, Outcome, Subject, Tester, Transcript, http};
use crate::engine::{Container, Ended, Size, Spec, interrupt};
use crate::human;
use crate::workspace::{Gpus, HttpTest, TestRun};

/// How long the engine has to start a container that only asks for a GPU.
const GPU_LIMIT: Duration = Duration::from_mins(1);
/// Between two questions to a service.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest that one question may take.
const ANSWER: Duration = Duration::from_secs(5);
/// A program that no image has: the engine looks for it only after it has found the GPUs.
const NOWHERE: &str = "/.dockyard-no-program";

impl Tester<'_> {
    pub(super) fn checks(
        &self,
        subject: &Subject<'_>,
        transcript: &Transcript,
        tell: &dyn Fn(&Check),
    ) -> anyhow::Result<Vec<Check>> {
        let mut checks = Vec::new();
        let mut done = |name: String, outcome: Outcome| {
            let check = Check { name, outcome };
            transcript.say(&format!("# {}: {}", check.name, verdict(&check.outcome)));
            tell(&check);
            checks.push(check);
        };
        if let Some(limit) = subject.target.size_limit {
            let size = match subject.size {
                Some(size) => Some(size),
                None => {
                    let engine = self.containers.engine;
                    engine.size(subject.reference, subject.platform, subject.alone)?
                }
            };
            done("size".to_owned(), judge_size(size, limit));
        }
        let test = &subject.target.test;
        let hindrance = self.hindrance(subject, transcript)?;
        if test.gpus == Gpus::Required && test.run.is_empty() && test.http.is_none() {
            done("gpus".to_owned(), hindrance.clone().unwrap_or(Outcome::Passed));
        }
        for run in &test.run {
            let outcome = match &hindrance {
                Some(outcome) => outcome.clone(),
                None => self.command(subject, run, transcript)?,
            };
            done(human::command(&run.cmd), outcome);
        }
        if let Some(health) = &test.http {
            let outcome = match &hindrance {
                Some(outcome) => outcome.clone(),
                None => self.health(subject, health, transcript)?,
            };
            done(format!("http :{}{}", health.port, health.path), outcome);
        }
        Ok(checks)
    }

    /// What keeps every container of the tests from being started.
    fn hindrance(
        &self,
        subject: &Subject<'_>,
        transcript: &Transcript,
    ) -> anyhow::Result<Option<Outcome>> {
        let test = &subject.target.test;
        if test.run.is_empty() && test.http.is_none() && test.gpus == Gpus::None {
            return Ok(None);
        }
        if let Some(why) = self.cannot_run(subject.platform)? {
            return Ok(Some(Outcome::NotRun(why)));
        }
        if test.gpus == Gpus::None {
            return Ok(None);
        }
        Ok(self.lacks_gpu(subject, transcript)?.map(|why| match test.gpus {
            Gpus::Required => {
                let why = format!("the test requires a GPU, and the engine has none: {why}");
                Outcome::Failed { why, said: Vec::new() }
            }
            _ => Outcome::NotRun(format!("the engine has no GPU: {why}")),
        }))
    }

    /// Why a container gets no GPU, in the engine's words. Tried once a run, with the image at hand.
    fn lacks_gpu(
        &self,
        subject: &Subject<'_>,
        transcript: &Transcript,
    ) -> anyhow::Result<Option<String>> {
        let mut known = self.gpus.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.lack.clone());
        }
        let spec = Spec { gpus: true, entrypoint: Some(NOWHERE), ..subject.spec() };
        let mark = transcript.mark();
        let file = &transcript.file;
        self.containers.run(&spec, file, file, GPU_LIMIT)?;
        let (lack, sure) = no_gpu(&transcript.since(mark));
        // What may be the image's fault says nothing of the next one.
        if sure {
            *known = Some(Gpu { lack: lack.clone() });
        }
        Ok(lack)
    }

    fn command(
        &self,
        subject: &Subject<'_>,
        run: &TestRun,
        transcript: &Transcript,
    ) -> anyhow::Result<Outcome> {
        transcript.say(&format!("$ {}", human::command(&run.cmd)));
        let mount = subject.target.test.mount.as_ref().map(|folder| self.root.join(folder));
        let mut spec = Spec {
            env: Some(&run.env),
            user: run.user.as_deref(),
            mount: mount.as_deref().map(Utf8Path::as_str),
            words: &run.cmd,
            ..subject.spec()
        };
        if let (false, [program, words @ ..]) = (run.entrypoint, run.cmd.as_slice()) {
            (spec.entrypoint, spec.words) = (Some(program.as_str()), words);
        }
        let mark = transcript.mark();
        let ended = self.containers.run(&spec, &transcript.file, &transcript.file, run.timeout)?;
        Ok(judge(run, ended, &transcript.since(mark)))
    }

    fn health(
        &self,
        subject: &Subject<'_>,
        health: &HttpTest,
        transcript: &Transcript,
    ) -> anyhow::Result<Outcome> {
        let endpoint = &self.containers.engine.endpoint;
        if !is_this_machine(endpoint) {
            return Ok(Outcome::NotRun(format!(
                "the engine at {endpoint} is another machine, whose ports are not reached from here"
            )));
        }
        transcript.say(&format!(
            "$ (the image's own command; GET {} on port {})",
            health.path, health.port
        ));
        let spec = Spec { port: Some(health.port), ..subject.spec() };
        let container = match self.containers.start(&spec) {
            Ok(container) => container,
            Err(error) if interrupt::interrupted() => return Err(error),
            Err(error) => {
                let text = format!("{error:#}");
                transcript.say(&text);
                let why = "the container could not be started".to_owned();
                return Ok(Outcome::Failed { why, said: last_lines(&text) });
            }
        };
        let why = poll(&container, health)?;
        let mark = transcript.mark();
        container.logs(&transcript.file)?;
        Ok(match why {
            None => Outcome::Passed,
            Some(why) => Outcome::Failed { why, said: last_lines(&transcript.since(mark)) },
        })
    }
}

impl Subject<'_> {
    /// A container of its image for a check.
    fn spec(&self) -> Spec<'_> {
        Spec {
            gpus: self.target.test.gpus != Gpus::None,
            ..Spec::new(self.reference, self.platform)
        }
    }
}

/// Asks until the service is healthy; else why it is not.
fn poll(container: &Container<'_>, health: &HttpTest) -> anyhow::Result<Option<String>> {
    let start = Instant::now();
    let mut last = "nothing was asked".to_owned();
    loop {
        if interrupt::interrupted() {
            bail!("interrupted");
        }
        let Some(state) = container.state()? else {
            return Ok(Some("somebody removed the container".to_owned()));
        };
        if !state.running {
            return Ok(Some(format!("the container {state} before it was healthy")));
        }
        let left = health.timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(Some(format!(
                "not healthy within {}: GET {} on port {}: {last}",
                human::seconds(health.timeout),
                health.path,
                health.port
            )));
        }
        last = match state.ports.first() {
            None => "the engine has not published the port".to_owned(),
            Some(&port) => match http::ask(port, &health.path, left.min(ANSWER)) {
                Ok(status) if http::is_healthy(status) => return Ok(None),
                Ok(status) => format!("status {status}"),
                Err(why) => why,
            },
        };
        std::thread::sleep(PAUSE.min(left));
    }
}

/// Whether 127.0.0.1 of the engine is ours: a socket is (Docker Desktop leads ports to it, too).
fn is_this_machine(endpoint: &str) -> bool {
    let local = ["unix://", "npipe://", "tcp://127.0.0.1", "tcp://localhost", "tcp://[::1]"];
    local.iter().any(|beginning| endpoint.starts_with(beginning))
}

fn judge(run: &TestRun, ended: Ended, said: &str) -> Outcome {
    let failed = |why: String| Outcome::Failed { why, said: last_lines(said) };
    match (ended, &run.expect) {
        (Ended::NotStarted, _) => failed("the engine could not start it".to_owned()),
        (Ended::OutOfMemory, _) => failed("it was out of memory".to_owned()),
        (Ended::TimedOut, _) => {
            failed(format!("it did not end within {}", human::seconds(run.timeout)))
        }
        (Ended::Exited(status), _) if status != i64::from(run.status) => {
            failed(format!("it ended with status {status}, not {}", run.status))
        }
        (Ended::Exited(_), Some(text)) if !said.contains(text.as_str()) => {
            failed(format!("it did not say {text:?}"))
        }
        (Ended::Exited(_), _) => Outcome::Passed,
    }
}

fn judge_size(size: Option<Size>, limit: u64) -> Outcome {
    let shown = human::bytes;
    match size {
        Some(Size::Measured(bytes)) if bytes > limit => {
            let why =
                format!("{} of compressed layers are more than {}", shown(bytes), shown(limit));
            Outcome::Failed { why, said: Vec::new() }
        }
        Some(Size::AtMost(bytes)) if bytes > limit => Outcome::NotRun(format!(
            "the engine's image store does not tell the size of the compressed layers, only that it is at most {}; \
             `push` measures it",
            shown(bytes)
        )),
        Some(_) => Outcome::Passed,
        None => {
            Outcome::NotRun("the engine does not hold the image; `push` measures it".to_owned())
        }
    }
}

/// Why there is no GPU, from what docker says of a program that no image has; nothing where only that is missing. And
/// whether docker speaks of GPUs at all.
fn no_gpu(said: &str) -> (Option<String>, bool) {
    let lower = said.to_ascii_lowercase();
    let of_gpus = ["device driver", "nvidia", "nvml", "cdi", "gpu"];
    let speaks_of_gpus = of_gpus.iter().any(|word| lower.contains(word));
    if lower.contains(NOWHERE) && !speaks_of_gpus {
        return (None, true);
    }
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or("docker says nothing");
    let beginning = "docker: Error response from daemon: ";
    let why = line.strip_prefix(beginning).unwrap_or(line).trim_end_matches('.');
    (Some(why.to_owned()), speaks_of_gpus)
}

fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed { why, .. } => format!("failed: {why}"),
        Outcome::NotRun(why) => format!("not run: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::targets_of;

    #[test]
    fn a_command_passes_by_its_status_and_its_words() {
        let toml = "[test]\nrun = [[\"a\"], { cmd = [\"a\"], expect = \"1.2\" }, { cmd = [\"a\"], status = 3, expect = \"no\" }]";
        let target = targets_of("", &[("app/image.toml".to_owned(), toml.to_owned())]).remove(0);
        let passes = |index: usize, ended: Ended, said: &str| {
            judge(&target.test.run[index], ended, said) == Outcome::Passed
        };
        for (index, ended, said, expected) in [
            (0, Ended::Exited(0), "", true),
            (0, Ended::Exited(1), "", false),
            (0, Ended::Exited(125), "", false),
            (0, Ended::NotStarted, "", false),
            (0, Ended::OutOfMemory, "", false),
            (0, Ended::TimedOut, "", false),
            (1, Ended::Exited(0), "version 1.2.3\n", true),
            (1, Ended::Exited(0), "version 1.3\n", false),
            (1, Ended::Exited(2), "version 1.2\n", false),
            (2, Ended::Exited(3), "no such file", true),
            (2, Ended::Exited(0), "no such file", false),
            (2, Ended::Exited(3), "", false),
        ] {
            assert_eq!(passes(index, ended, said), expected, "{index} {ended:?} {said:?}");
        }
    }

    #[test]
    fn a_size_that_is_not_known_is_neither_good_nor_bad() {
        let is = |size, word: &str| verdict(&judge_size(size, 100)).starts_with(word);
        assert!(is(Some(Size::Measured(100)), "passed"));
        assert!(is(Some(Size::Measured(101)), "failed"));
        assert!(is(Some(Size::AtMost(100)), "passed"));
        assert!(is(Some(Size::AtMost(101)), "not run"));
        assert!(is(None, "not run"));
    }

    #[test]
    fn what_the_engine_says_of_gpus() {
        let none = "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]].\n";
        assert_eq!(
            no_gpu(none),
            (
                Some("could not select device driver \"\" with capabilities: [[gpu]]".to_owned()),
                true
            )
        );
        let no_driver = format!(
            "docker: Error response from daemon: failed to create task: error running prestart hook #0: \
             nvidia-container-cli: initialization error: nvml error: driver not loaded: {NOWHERE}"
        );
        assert!(matches!(no_gpu(&no_driver), (Some(_), true)));
        let there = format!(
            "docker: Error response from daemon: failed to create task for container: unable to start container \
             process: exec: \"{NOWHERE}\": stat {NOWHERE}: no such file or directory: unknown."
        );
        assert_eq!(no_gpu(&there), (None, true));
        assert!(matches!(no_gpu("docker: no such image"), (Some(_), false)));
        assert!(matches!(no_gpu(""), (Some(_), false)));
    }

    #[test]
    fn an_engine_elsewhere_has_other_ports() {
        for (endpoint, here) in [
            ("unix:///run/docker.sock", true),
            ("npipe:////./pipe/docker_engine", true),
            ("tcp://127.0.0.1:2375", true),
            ("tcp://10.0.0.5:2376", false),
            ("ssh://me@build", false),
        ] {
            assert_eq!(is_this_machine(endpoint), here, "{endpoint}");
        }
    }
}
