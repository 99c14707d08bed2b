//! What in Dockerfiles and their images' settings works, and costs time, caching or trust all the same?
//!
//! Every rule is a function from an [`Image`] to findings; [`RULES`] lists them. Pure: what lies on the disk comes in
//! [`Surroundings`]. BuildKit's own checks are asked for in `engine::check`. Called by `command/lint.rs`.

mod caches;
mod context;
mod cuda;
mod frontend;
mod install;
mod order;
mod programs;
mod secrets;
mod shell;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{Dockerfile, Instruction, Resolved};
use crate::graph::External;
use crate::mistake::Place;
use crate::reference::Reference;
use crate::workspace::{LockedImage, Target};

/// One target, and everything that rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    pub target: &'a Target,
    pub dockerfile: &'a Dockerfile,
    /// Of each platform.
    pub resolved: &'a [&'a Resolved],
    /// Build arguments, rendered.
    pub args: &'a BTreeMap<String, String>,
    pub external: &'a [External],
    pub lock: &'a BTreeMap<Reference, LockedImage>,
    pub surroundings: &'a Surroundings,
}

/// What lies around a Dockerfile.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The `.dockerignore` that counts, and what it says.
    pub ignore: Option<(Utf8PathBuf, Ignore)>,
    /// Those of the paths that instructions take which are folders, relative to the context.
    pub folders: BTreeSet<String>,
    /// What is below such a folder and never belongs into an image ([`is_clutter`]), relative to the context.
    pub clutter: BTreeSet<String>,
    /// pixi's manifest in the image's folder.
    pub pixi: Option<(Utf8PathBuf, String)>,
}

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub file: Utf8PathBuf,
    /// From 1.
    pub line: u32,
    /// From 1, in characters; nothing where only the line is known.
    pub column: Option<u32>,
    pub rule: String,
    pub what: String,
    pub why: String,
    pub mend: String,
    /// The line on which the instruction begins.
    #[serde(skip)]
    pub(crate) first_line: u32,
}

/// A rule: its name, as `allow(NAME)` takes it, why it is one, and the usual mend.
pub struct Rule {
    pub name: &'static str,
    pub why: &'static str,
    pub mend: &'static str,
    check: fn(&Image<'_>, &mut Found<'_>),
}

/// Every rule of Dockyard's own.
pub const RULES: &[Rule] = &[
    Rule {
        name: "cache-mount",
        why: "every time the step runs, all packages are downloaded again",
        mend: "add a cache mount for what the package manager downloads",
        check: caches::missing,
    },
    Rule {
        name: "cache-mount-user",
        why: "a cache mount belongs to root unless it says otherwise, so that this user cannot write it and caches nothing",
        mend: "add `uid=` and `gid=` of the user to the mount",
        check: caches::of_another_user,
    },
    Rule {
        name: "no-cache-dir",
        why: "the cache mount is no part of the image; without its content every build downloads everything again",
        mend: "remove what empties or avoids the cache",
        check: caches::unused,
    },
    Rule {
        name: "requirements-first",
        why: "every change of the code installs all packages again",
        mend: "copy the list of packages alone, install, and copy the code after that",
        check: order::code_before_packages,
    },
    Rule {
        name: "stamp",
        why: "a value that differs at every commit makes the image stale at every commit",
        mend: "use it in nothing but LABEL, at the end",
        check: order::stamp,
    },
    Rule {
        name: "ignore-file",
        why: "what the context takes along by accident gets into the image, and makes it stale when it changes",
        mend: "write a .dockerignore, best one that begins with `*` and takes back what is needed with `!`",
        check: context::ignore_file,
    },
    Rule {
        name: "syntax",
        why: "the frontend inside older engines does not know this feature; `# syntax=` fetches one that does",
        mend: "begin the Dockerfile with `# syntax=docker/dockerfile:1`",
        check: frontend::syntax,
    },
    Rule {
        name: "unlocked-latest",
        why: "`latest` is another image tomorrow, and nothing here says which one was meant",
        mend: "name a version, or lock the base: `cargo xtask lock-update --only bases`",
        check: frontend::unlocked_latest,
    },
    Rule {
        name: "cuda-version",
        why: "libraries for one version of CUDA fail on another, mostly only where there is a GPU",
        mend: "name one version: write it as a fact, and use `{{ cuda }}` in [args] and [pixi]",
        check: cuda::versions,
    },
    Rule {
        name: "secret",
        why: "arguments and variables stay readable in the image's history, for everybody who can fetch it",
        mend: "hand it in as a build secret: [secrets] in image.toml, and `RUN --mount=type=secret,id=…`",
        check: secrets::in_values,
    },
    Rule {
        name: "pixi-entrypoint",
        why: "the environment's programs are found only behind its entry point, or with `pixi run`",
        mend: "set `SHELL` to the entry point, or begin the command with it or with `pixi run`",
        check: programs::pixi_entrypoint,
    },
    Rule {
        name: "brace-expansion",
        why: "sh of Debian, Ubuntu and Alpine takes the braces for text",
        mend: "write the words out, or set `SHELL [\"/bin/bash\", \"-c\"]`",
        check: programs::brace_expansion,
    },
];

/// Where a rule puts what it finds.
pub(crate) struct Found<'r> {
    rule: &'r Rule,
    findings: Vec<Finding>,
}

impl Found<'_> {
    /// `needle` is where in `instruction` the finding stands.
    fn at(
        &mut self,
        image: &Image<'_>,
        instruction: &Instruction,
        needle: Option<&str>,
        what: impl Into<String>,
    ) -> &mut Finding {
        let place = image.dockerfile.place_of(instruction, needle);
        let finding = self.placed(&place, what);
        finding.first_line = instruction.line;
        finding
    }

    fn placed(&mut self, place: &Place, what: impl Into<String>) -> &mut Finding {
        self.findings.push(Finding {
            file: place.file.clone(),
            line: place.line,
            column: Some(place.column),
            rule: self.rule.name.to_owned(),
            what: what.into(),
            why: self.rule.why.to_owned(),
            mend: self.rule.mend.to_owned(),
            first_line: place.line,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

/// What every rule finds in `images`, in the order of the places.
pub fn findings<'a>(images: impl IntoIterator<Item = Image<'a>>) -> Vec<Finding> {
    let mut all = Vec::new();
    for image in images {
        for rule in RULES {
            let mut found = Found { rule, findings: Vec::new() };
            (rule.check)(&image, &mut found);
            all.extend(found.findings);
        }
    }
    all
}

/// One warning of BuildKit's own checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub rule: String,
    pub line: u32,
    pub detail: String,
    pub description: String,
    pub url: String,
}

/// A warning of BuildKit's as a finding.
pub fn of_buildkit(dockerfile: &Dockerfile, warning: Warning) -> Finding {
    let holds = |one: &&Instruction| (one.line..=one.last_line).contains(&warning.line);
    let first = dockerfile.instructions().iter().find(holds);
    let mend = BUILDKIT_MENDS.iter().find(|(rule, _)| *rule == warning.rule);
    Finding {
        file: dockerfile.path().to_owned(),
        line: warning.line,
        column: None,
        first_line: first.map_or(warning.line, |one| one.line),
        what: if warning.detail.is_empty() { warning.description.clone() } else { warning.detail },
        why: warning.description,
        mend: match mend {
            Some((_, mend)) => (*mend).to_owned(),
            None => format!("see {}", warning.url),
        },
        rule: warning.rule,
    }
}

/// What to do about BuildKit's commonest warnings; for the others there is its own page.
const BUILDKIT_MENDS: &[(&str, &str)] = &[
    ("JSONArgsRecommended", "write it as a JSON array: `CMD [\"program\", \"argument\"]`"),
    ("StageNameCasing", "write the stage's name in small letters"),
    ("FromAsCasing", "write FROM and AS in the same case"),
    ("ConsistentInstructionCasing", "write every instruction in the same case"),
    (
        "MaintainerDeprecated",
        "write `LABEL org.opencontainers.image.authors=…`, or set it under `labels` in image.toml",
    ),
    ("LegacyKeyValueFormat", "write `NAME=value`"),
    ("UndefinedVar", "declare it with ARG or ENV above, or mend its name"),
    ("UndefinedArgInFrom", "declare it with ARG above the first FROM"),
    ("WorkdirRelativePath", "begin the path with `/`"),
    ("DuplicateStageName", "give each stage a name of its own"),
    ("CopyIgnoredFile", "take the path back with `!` in the .dockerignore"),
    ("SecretsUsedInArgOrEnv", "hand it in as a build secret"),
];

/// Sorts `findings`, each once, without those that a comment in `texts` (by file) allows.
pub fn settle(mut findings: Vec<Finding>, texts: &BTreeMap<Utf8PathBuf, String>) -> Vec<Finding> {
    // BuildKit looks at names alone; where we say the same of the line, ours says more.
    let ours: BTreeSet<(Utf8PathBuf, u32)> = (findings.iter())
        .filter(|finding| finding.rule == "secret")
        .map(|finding| (finding.file.clone(), finding.first_line))
        .collect();
    findings.retain(|finding| {
        let again = finding.rule == "SecretsUsedInArgOrEnv"
            && ours.contains(&(finding.file.clone(), finding.first_line));
        let text = texts.get(&finding.file);
        !again && !text.is_some_and(|text| is_allowed(text, finding))
    });
    findings.sort();
    findings.dedup_by(|a, b| {
        (&a.file, a.line, &a.rule, &a.what) == (&b.file, b.line, &b.rule, &b.what)
    });
    findings
}

/// Whether the comments right above the finding have `# dockyard: allow(RULE)`.
fn is_allowed(text: &str, finding: &Finding) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    [finding.line, finding.first_line].into_iter().any(|line| {
        let above = lines.iter().take((line as usize).saturating_sub(1)).rev();
        above
            .map(|line| line.trim_start())
            .take_while(|line| line.starts_with('#'))
            .any(|comment| allowed_by(comment).any(|rule| rule == finding.rule))
    })
}

fn allowed_by(comment: &str) -> impl Iterator<Item = &str> {
    let list = comment
        .split_once("dockyard:")
        .and_then(|(_, after)| after.trim_start().strip_prefix("allow(")?.split_once(')'));
    list.into_iter().flat_map(|(rules, _)| rules.split(',').map(str::trim))
}

/// Whether a file or folder of this name never belongs into an image.
pub fn is_clutter(name: &str) -> bool {
    const CLUTTER: [&str; 15] = [
        ".git",
        ".env",
        ".venv",
        ".pixi",
        ".tox",
        ".nox",
        ".idea",
        ".vscode",
        ".DS_Store",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".ipynb_checkpoints",
        "__pycache__",
        "node_modules",
    ];
    CLUTTER.contains(&name)
}

/// Whether `path` is `folder` or below it; `.` is above everything.
fn is_below(path: &str, folder: &str) -> bool {
    folder == "." || Utf8Path::new(path).starts_with(folder)
}
