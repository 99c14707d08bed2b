//! Facts that are read from the built image: what its probes say, and its os-release.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8Path;

use super::{Subject, Tester, Transcript, definition, os_release, value};
use crate::engine::{Container, Ended, Spec, interrupt};
use crate::human;
use crate::mistake::Place;
use crate::workspace::{Fact, FactSource};

/// How long a probe may take.
const LIMIT: Duration = Duration::from_mins(2);
/// A program that waits while probes run beside it. It ends by itself should nobody end it.
const WAITS: &str = "sleep";
const WAITS_SECONDS: &str = "3600";
/// Where os-release(5) says that it lies.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// The most that an os-release may hold.
const MOST_BYTES: u64 = 1 << 20;

/// The observed facts of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    pub facts: BTreeMap<String, String>,
    /// Platforms whose probes were not run, and why.
    pub notes: Vec<String>,
}

/// Why an image's facts are not known: what is wrong with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotObserved(pub Vec<String>);

impl fmt::Display for NotObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for NotObserved {}

impl Tester<'_> {
    /// The facts of one image, from each of its platforms that can run here; these must agree. Answers are kept by
    /// digest and probes.
    ///
    /// # Errors
    /// [`NotObserved`] where a probe fails or says nothing, where platforms disagree, and where none can run here;
    /// others when the engine fails, or we are interrupted.
    pub fn observe(&self, subjects: &[Subject<'_>]) -> anyhow::Result<Observed> {
        let mut observed = Observed::default();
        let mut found = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut places: BTreeMap<&str, (&Fact, &Place)> = BTreeMap::new();
        for subject in subjects {
            let facts = subject.target.facts.iter().filter(|(_, fact)| fact.is_observed());
            places.extend(facts.map(|(name, fact)| (name.as_str(), (fact, &fact.place))));
            if places.is_empty() {
                continue;
            }
            match self.observe_platform(subject)? {
                Ok(facts) => drop(found.insert(subject.platform.clone(), facts)),
                Err(Hindered::NotRun(why)) => {
                    observed
                        .notes
                        .push(format!("the probes were not run for {}: {why}", subject.platform));
                }
                Err(Hindered::Wrong(why)) => wrong.extend(why),
            }
        }
        if wrong.is_empty() && found.is_empty() && !places.is_empty() {
            wrong.append(&mut observed.notes);
        }
        if wrong.is_empty() {
            match value::agreed(&found) {
                Ok(facts) => observed.facts = facts,
                Err(disagreements) => {
                    wrong.extend(disagreements.into_iter().map(|(name, why)| {
                        let asked = places.get(name.as_str()).map(|(fact, place)| {
                            format!("{place}: the fact `{name}` ({}) ", fact.source)
                        });
                        format!("{}{why}", asked.unwrap_or_default())
                    }));
                }
            }
        }
        if wrong.is_empty() { Ok(observed) } else { Err(NotObserved(wrong).into()) }
    }

    fn observe_platform(
        &self,
        subject: &Subject<'_>,
    ) -> anyhow::Result<Result<BTreeMap<String, String>, Hindered>> {
        let definition = definition::of_probes(subject.target);
        let question = subject.question(&definition);
        if let Some(facts) = self.facts.read(question) {
            return Ok(Ok(facts));
        }
        let observed = subject.target.facts.iter().filter(|(_, fact)| fact.is_observed());
        let probes: Vec<Probe<'_>> = observed
            .clone()
            .filter_map(|(name, fact)| match &fact.source {
                FactSource::Probe(words) => Some(Probe { name, fact, words }),
                _ => None,
            })
            .collect();
        if !probes.is_empty()
            && let Some(why) = self.cannot_run(subject.platform)?
        {
            return Ok(Err(Hindered::NotRun(why)));
        }
        self.fetch(subject)?;
        let transcript = self.transcript(subject, "facts")?;
        // It is never started: it shows the image's files and entry point. An image without a command needs a word.
        let nothing = ["none".to_owned()];
        let spec = Spec { words: &nothing, ..subject.plain() };
        let image = self.containers.create(&spec)?;
        let mut said: BTreeMap<&str, Result<String, String>> = BTreeMap::new();
        if probes.len() < observed.clone().count() {
            let text = self.os_release(&image)?;
            for (name, fact) in observed {
                if let FactSource::OsRelease(key) = &fact.source {
                    let text = text.as_deref().ok_or_else(|| "is not there".to_owned());
                    let value = text.and_then(|text| {
                        os_release::value(text, key).ok_or_else(|| format!("has no {key}"))
                    });
                    said.insert(name, value);
                }
            }
        }
        for (name, answer) in self.probe(subject, &image, &probes, &transcript)? {
            said.insert(name, answer);
        }
        let mut facts = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, answer) in said {
            let Some(fact) = subject.target.facts.get(name) else { continue };
            match answer.and_then(|answer| value::of(&answer, fact.pattern.as_deref())) {
                Ok(value) => drop(facts.insert(name.to_owned(), value)),
                Err(why) => wrong.push(format!(
                    "{}: the fact `{name}`: {} of {} {why}\n  log: {}",
                    fact.place, fact.source, subject.platform, transcript.path
                )),
            }
        }
        if !wrong.is_empty() {
            return Ok(Err(Hindered::Wrong(wrong)));
        }
        self.facts.write(question, &facts)?;
        Ok(Ok(facts))
    }

    /// What each probe says, in one container where that can be done: several probes run beside a program that waits,
    /// which an image without `sleep` lacks. A single probe is the container's own program.
    fn probe<'p>(
        &self,
        subject: &Subject<'_>,
        image: &Container<'_>,
        probes: &[Probe<'p>],
        transcript: &Transcript,
    ) -> anyhow::Result<Vec<(&'p str, Result<String, String>)>> {
        let entrypoint = image.state()?.unwrap_or_default().entrypoint;
        let seconds = [WAITS_SECONDS.to_owned()];
        let waiting = if probes.len() > 1 {
            let spec = Spec { entrypoint: Some(WAITS), words: &seconds, ..subject.plain() };
            match self.containers.start(&spec) {
                Ok(container) => Some(container),
                Err(error) if interrupt::interrupted() => return Err(error),
                Err(error) => {
                    transcript.say(&format!("{error:#}\n# one container a probe"));
                    None
                }
            }
        } else {
            None
        };
        let mut answers = Vec::new();
        for probe in probes {
            transcript.say(&format!("$ {}", human::command(probe.words)));
            let stdout = tempfile::tempfile().context("failed to make a temporary file")?;
            let ended = if let Some(container) = &waiting {
                let through = if probe.fact.entrypoint { entrypoint.as_slice() } else { &[] };
                let all = [through, probe.words].concat();
                container.exec(&all, &stdout, &transcript.file, LIMIT)?
            } else {
                let mut spec = Spec { words: probe.words, ..subject.plain() };
                if let (false, [program, words @ ..]) = (probe.fact.entrypoint, probe.words) {
                    (spec.entrypoint, spec.words) = (Some(program.as_str()), words);
                }
                self.containers.run(&spec, &stdout, &transcript.file, LIMIT)?
            };
            let said = read_again(stdout)?;
            transcript.say(said.trim_end());
            let answer = match ended {
                Ended::Exited(0) => Ok(said),
                Ended::Exited(status) => Err(format!("ended with status {status}")),
                Ended::OutOfMemory => Err("was out of memory".to_owned()),
                Ended::NotStarted => Err("could not be started".to_owned()),
                Ended::TimedOut => Err(format!("did not end within {} s", LIMIT.as_secs())),
            };
            answers.push((probe.name, answer));
        }
        Ok(answers)
    }

    /// The image's os-release, which is often a link.
    fn os_release(&self, image: &Container<'_>) -> anyhow::Result<Option<String>> {
        std::fs::create_dir_all(&self.scratch)
            .with_context(|| format!("failed to make {}", self.scratch))?;
        let folder = tempfile::Builder::new().prefix("facts-").tempdir_in(&self.scratch)?;
        let to = Utf8Path::from_path(folder.path()).context("the workspace's name is not text")?;
        let to = to.join("os-release");
        for path in OS_RELEASE {
            // A link that leads nowhere in the image must not be followed here.
            if image.copy(path, &to)? && to.symlink_metadata()?.is_file() {
                let mut text = Vec::new();
                File::open(&to)?.take(MOST_BYTES).read_to_end(&mut text)?;
                return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
            }
        }
        Ok(None)
    }
}

impl Subject<'_> {
    /// A container of its image for a probe.
    fn plain(&self) -> Spec<'_> {
        Spec::new(self.reference, self.platform)
    }
}

/// Why a platform has no facts.
enum Hindered {
    NotRun(String),
    Wrong(Vec<String>),
}

struct Probe<'p> {
    name: &'p str,
    fact: &'p Fact,
    words: &'p [String],
}

/// What another process wrote to `file`.
fn read_again(mut file: File) -> anyhow::Result<String> {
    use std::io::Seek as _;
    let mut bytes = Vec::new();
    file.seek(std::io::SeekFrom::Start(0))?;
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
