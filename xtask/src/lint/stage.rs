//! The reached stages of a Dockerfile in their order, each instruction with what holds where it runs: user, shell and
//! variables, inherited from the stages below.

use std::collections::{BTreeMap, BTreeSet};

use super::Image;
use super::shell::{self, Word};
use crate::dockerfile::{Base, Command, Instruction};

/// What holds before an instruction.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// Nothing where the base says it, which mostly is root.
    pub user: Option<String>,
    /// The words of `SHELL`.
    pub shell: Vec<String>,
    pub variables: BTreeMap<String, String>,
    /// Packages that apt, apk or dnf installed so far.
    pub packages: BTreeSet<String>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            user: None,
            shell: vec!["/bin/sh".to_owned(), "-c".to_owned()],
            variables: BTreeMap::new(),
            packages: BTreeSet::new(),
        }
    }
}

/// A reached stage: its instructions with their scenes.
pub(super) struct Stage<'a> {
    pub index: usize,
    pub steps: Vec<(&'a Instruction, Scene)>,
    /// Whether it is the one that is built, or the one below it.
    pub is_final: bool,
}

/// The reached stages of `image`, by index.
pub(super) fn stages<'a>(image: &Image<'a>) -> Vec<Stage<'a>> {
    let mut bases: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    for stage in image.resolved.iter().flat_map(|resolved| &resolved.stages) {
        let parent = match stage.base {
            Base::Stage(parent) => Some(parent),
            _ => None,
        };
        bases.insert(stage.index, parent);
    }
    let finals: BTreeSet<usize> =
        image.resolved.iter().filter_map(|one| final_stage(image, one)).collect();
    let mut ends: BTreeMap<usize, Scene> = BTreeMap::new();
    let mut stages = Vec::new();
    for (&index, parent) in &bases {
        let mut scene = parent.and_then(|parent| ends.get(&parent).cloned()).unwrap_or_default();
        let mut steps = Vec::new();
        for instruction in image.dockerfile.instructions() {
            if instruction.stage != Some(index) {
                continue;
            }
            let before = scene.clone();
            after(instruction, &mut scene);
            steps.push((instruction, before));
        }
        ends.insert(index, scene);
        stages.push(Stage { index, steps, is_final: finals.contains(&index) });
    }
    stages
}

/// The stage that is built: the one that `target` names, else the last.
fn final_stage(image: &Image<'_>, resolved: &crate::dockerfile::Resolved) -> Option<usize> {
    let wanted = image.target.stage.as_ref().map(|stage| stage.value.to_lowercase());
    let found = resolved.stages.iter().filter(|stage| wanted.is_none() || stage.name == wanted);
    found.map(|stage| stage.index).max()
}

fn after(instruction: &Instruction, scene: &mut Scene) {
    match &instruction.command {
        Command::Env(pairs) => scene.variables.extend(pairs.iter().cloned()),
        Command::Expanded(words) if instruction.keyword == "USER" => {
            scene.user = words.first().cloned();
        }
        Command::Plain if instruction.keyword == "SHELL" => {
            scene.shell.clone_from(&instruction.argv);
        }
        Command::Run { .. } => {
            for words in script(instruction, scene).commands {
                if let [program, rest @ ..] = words.as_slice()
                    && matches!(
                        program.text.as_str(),
                        "apt-get" | "apt" | "apk" | "dnf" | "yum" | "microdnf"
                    )
                {
                    scene.packages.extend(rest.iter().map(|word| word.text.clone()));
                }
            }
        }
        _ => {}
    }
}

/// What a `RUN` runs.
pub(super) struct Script {
    /// The name of the program that reads it: `sh`, `bash`, `python3`; empty where there is none (the JSON form).
    pub interpreter: String,
    pub commands: Vec<Vec<Word>>,
}

/// The script of a `RUN`, its heredoc where it is one.
pub(super) fn script(instruction: &Instruction, scene: &Scene) -> Script {
    if instruction.json {
        let words: Vec<&str> = instruction.argv.iter().map(String::as_str).collect();
        if let [program, .., "-c" | "-ec" | "-exc" | "-lc", text] = words.as_slice()
            && is_shell(&name(program))
        {
            return Script { interpreter: name(program), commands: shell::commands(text) };
        }
        let commands = vec![words.iter().map(|word| Word::quoted(word)).collect()];
        return Script { interpreter: String::new(), commands };
    }
    let interpreter = scene.shell.first().map_or_else(|| "sh".to_owned(), |program| name(program));
    let commands =
        if is_shell(&interpreter) { shell::commands(&instruction.rest) } else { Vec::new() };
    let Some(heredoc) = instruction.heredocs.first() else {
        return Script { interpreter, commands };
    };
    let reader = commands.first().and_then(|words| words.first()).map(|word| name(&word.text));
    let asked = heredoc.body.strip_prefix("#!").map(|line| {
        let line = line.lines().next().unwrap_or_default();
        let mut words = line
            .split_whitespace()
            .map(name)
            .filter(|word| word != "env" && !word.starts_with('-'));
        words.next().unwrap_or_default()
    });
    match (reader, asked) {
        // The heredoc is the script.
        (None, asked) => {
            let interpreter = asked.unwrap_or(interpreter);
            let commands =
                if is_shell(&interpreter) { shell::commands(&heredoc.body) } else { Vec::new() };
            Script { interpreter, commands }
        }
        (Some(reader), _) if is_shell(&reader) => {
            Script { interpreter: reader, commands: shell::commands(&heredoc.body) }
        }
        (Some(_), _) => Script { interpreter, commands },
    }
}

pub(super) fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh")
}

/// The last part of a program's path.
pub(super) fn name(program: &str) -> String {
    program.rsplit('/').next().unwrap_or(program).to_owned()
}
