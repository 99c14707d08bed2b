//! Does an image do what its `[test]` says, and what do its probes find? In containers of the engine, one platform at a
//! time.
//!
//! Nothing is built or pushed here: whoever calls says which content the engine is to start, and under which digest the
//! result is kept. Called by `command`, and by publishing before any public tag moves.

mod checks;
mod definition;
mod http;
mod kept;
mod observe;
mod os_release;
mod transcript;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::target::file_name;
use crate::engine::{Builder, Containers, Engine, Size};
use crate::reference::{Digest, Platform};
use crate::workspace::{Gpus, Target};
use kept::{Kept, Question};
use transcript::Transcript;

pub use observe::{NotObserved, Observed};

/// Tests and observes images of a workspace. Lives as long as a run; its containers do not outlive it.
#[derive(Debug)]
pub struct Tester<'a> {
    containers: Containers<'a>,
    root: &'a Utf8Path,
    logs: Utf8PathBuf,
    scratch: Utf8PathBuf,
    tests: Kept,
    facts: Kept,
    /// What the engine is known to run, and why it does not run the others.
    runs: Mutex<BTreeMap<Platform, Option<String>>>,
    /// References and platforms that this run has fetched.
    fetched: Mutex<BTreeSet<(String, Platform)>>,
    /// Nothing until that was tried.
    gpus: Mutex<Option<Gpu>>,
}

/// Whether a container gets a GPU.
#[derive(Debug)]
struct Gpu {
    /// Why it gets none, if so.
    lack: Option<String>,
}

/// One platform of an image, as the engine is to start it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub target: &'a Target,
    pub platform: &'a Platform,
    /// A name of the engine's, or `repository@sha256:…`.
    pub reference: &'a str,
    /// Of exactly this content: what the result is kept under.
    pub identity: &'a Digest,
    /// Whether the engine is to fetch it from its registry first.
    pub fetch: bool,
    /// The compressed layers as the engine counts them, or as a registry's manifest says; nothing asks the engine.
    pub size: Option<Size>,
    /// Whether the image is of no other platform.
    pub alone: bool,
}

/// What became of the tests of one platform.
#[derive(Clone, Debug)]
pub struct Tested {
    pub checks: Vec<Check>,
    /// Whether it is an earlier result of the same digest and tests.
    pub kept: bool,
    pub time: Duration,
    /// The whole log, where something was run.
    pub log: Option<Utf8PathBuf>,
}

/// One command, the health, or the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed {
        why: String,
        /// The last lines of what was said.
        said: Vec<String>,
    },
    /// This machine cannot tell, and why.
    NotRun(String),
}

/// All checks of a platform together, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The image has no tests.
    Untested,
    Passed,
    /// None failed, and at least one could not be run.
    NotRun,
    Failed,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untested => "no tests",
            Self::Passed => "passed",
            Self::NotRun => "not run",
            Self::Failed => "failed",
        }
    }
}

impl Tested {
    pub fn verdict(&self) -> Verdict {
        let any = |is: fn(&Outcome) -> bool| self.checks.iter().any(|check| is(&check.outcome));
        if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
            Verdict::Failed
        } else if any(|outcome| matches!(outcome, Outcome::NotRun(_))) {
            Verdict::NotRun
        } else if self.checks.is_empty() && !self.kept {
            Verdict::Untested
        } else {
            Verdict::Passed
        }
    }
}

impl<'a> Tester<'a> {
    /// Begins a run: removes the containers that killed runs of this workspace left.
    ///
    /// # Errors
    /// When the state folder cannot be written, or the engine does not answer.
    pub fn new(engine: &'a Engine, root: &'a Utf8Path) -> anyhow::Result<Self> {
        let state = crate::key::state_folder(root);
        Ok(Self {
            containers: Containers::begin(engine, root, &state)?,
            root,
            logs: state.join("logs"),
            scratch: state.join("tmp"),
            tests: Kept::new(state.join("tests")),
            facts: Kept::new(state.join("facts")),
            runs: Mutex::default(),
            fetched: Mutex::default(),
            gpus: Mutex::default(),
        })
    }

    /// Tests `subject`; `again` also where the same tests of the same digest have passed before. `tell` hears of each
    /// check once it is done.
    ///
    /// A result is kept only where every check was run and passed, and where nothing but the image decides it: tests
    /// on a mounted checkout are run each time.
    ///
    /// # Errors
    /// When the engine fails, or we are interrupted. A failed test is no error.
    pub fn test(
        &self,
        subject: &Subject<'_>,
        again: bool,
        tell: &dyn Fn(&Check),
    ) -> anyhow::Result<Tested> {
        let start = Instant::now();
        let target = subject.target;
        let definition = definition::of_tests(target);
        let question = subject.question(&definition);
        let untested = Tested { checks: Vec::new(), kept: false, time: Duration::ZERO, log: None };
        if !has_tests(target) {
            return Ok(untested);
        }
        if !again && let Some(names) = self.tests.read::<Vec<String>>(question) {
            let passed = |name| Check { name, outcome: Outcome::Passed };
            return Ok(Tested {
                checks: names.into_iter().map(passed).collect(),
                kept: true,
                ..untested
            });
        }
        self.fetch(subject)?;
        let transcript = self.transcript(subject, "test")?;
        let checks = self.checks(subject, &transcript, tell)?;
        let tested =
            Tested { checks, kept: false, time: start.elapsed(), log: Some(transcript.path) };
        if tested.verdict() == Verdict::Passed && target.test.mount.is_none() {
            let names: Vec<&str> = tested.checks.iter().map(|check| check.name.as_str()).collect();
            self.tests.write(question, names)?;
        }
        Ok(tested)
    }

    fn transcript(&self, subject: &Subject<'_>, kind: &str) -> anyhow::Result<Transcript> {
        let (name, platform) = (file_name(&subject.target.target_name()), subject.platform.slug());
        let transcript =
            Transcript::create(&self.logs.join(format!("{name}.{kind}.{platform}.log")))?;
        transcript.say(&format!("{} = {}", subject.reference, subject.identity));
        Ok(transcript)
    }

    /// Fetches the image where that is asked for. No test's time limit counts while it comes, however large it is.
    fn fetch(&self, subject: &Subject<'_>) -> anyhow::Result<()> {
        let asked = (subject.reference.to_owned(), subject.platform.clone());
        let fetched = || self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if !subject.fetch || fetched().contains(&asked) {
            return Ok(());
        }
        let platform = format!("--platform={}", subject.platform);
        let command =
            self.containers.engine.command().args(["image", "pull", "--quiet", &platform]);
        command.args(["--", subject.reference]).run().with_context(|| {
            format!("failed to fetch {} to test it", subject.target.target_name())
        })?;
        fetched().insert(asked);
        Ok(())
    }

    /// Why programs for `platform` cannot be run here, if they cannot.
    fn cannot_run(&self, platform: &Platform) -> anyhow::Result<Option<String>> {
        let engine = self.containers.engine;
        if *platform == engine.platform {
            return Ok(None);
        }
        // Held while docker is asked, so that it is asked once.
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = runs.get(platform) {
            return Ok(known.clone());
        }
        let why = (!Builder::of_engine(engine)?.builds_for(platform)).then(|| {
            format!("the engine runs {}, and has no emulator for {platform}", engine.platform)
        });
        runs.insert(platform.clone(), why.clone());
        Ok(why)
    }
}

impl Subject<'_> {
    fn question<'q>(&'q self, definition: &'q str) -> Question<'q> {
        Question { identity: self.identity, platform: self.platform, definition }
    }
}

/// Everything that the tests of `target` depend on besides the image, `commit` being what is checked out; nothing where
/// there is nothing to test. Where it is equal, so is what the tests say of an image.
pub fn definition(target: &Target, commit: Option<&str>) -> Option<String> {
    let tests = has_tests(target).then(|| definition::of_tests(target))?;
    match (&target.test.mount, commit) {
        (Some(_), Some(commit)) => Some(format!("{tests} at {commit}")),
        _ => Some(tests),
    }
}

/// Whether there is anything to test.
pub fn has_tests(target: &Target) -> bool {
    let test = &target.test;
    !test.run.is_empty()
        || test.http.is_some()
        || test.gpus == Gpus::Required
        || target.size_limit.is_some()
}
