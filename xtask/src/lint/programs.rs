//! Programs that a `RUN` does not find, and shells that do not know what it says.

use std::collections::BTreeSet;

use super::install::is_versioned;
use super::stage::{self, Scene, Stage};
use super::{Found, Image};
use crate::dockerfile::{Command, Instruction};

pub(super) fn brace_expansion(image: &Image<'_>, found: &mut Found<'_>) {
    // There `sh` is bash.
    let of_bash = [
        "fedora",
        "centos",
        "rockylinux",
        "almalinux",
        "ubi",
        "opensuse",
        "archlinux",
        "amazonlinux",
        "bash",
        "oraclelinux",
    ];
    let is_bash = |name: &str| {
        of_bash
            .iter()
            .any(|system| name.split(['/', '-', ':']).any(|part| part.starts_with(system)))
    };
    if image.external.iter().any(|base| base.is_base && is_bash(base.reference.repository.path())) {
        return;
    }
    for stage in stage::stages(image) {
        for (instruction, scene) in &stage.steps {
            if !matches!(instruction.command, Command::Run { .. }) {
                continue;
            }
            let script = stage::script(instruction, scene);
            if !matches!(script.interpreter.as_str(), "sh" | "dash" | "ash") {
                continue;
            }
            if let Some(word) =
                script.commands.iter().flatten().find(|word| word.is_brace_expansion())
            {
                let what = format!("`{}` is one word to {}", word.text, script.interpreter);
                found.at(image, instruction, Some(&word.text), what);
            }
        }
    }
}

/// Programs that people take from an environment, beside what its manifest names.
const OF_ENVIRONMENTS: [&str; 12] = [
    "conda",
    "mamba",
    "jupyter",
    "jupyter-lab",
    "ipython",
    "Rscript",
    "R",
    "julia",
    "nvcc",
    "torchrun",
    "accelerate",
    "curl",
];

pub(super) fn pixi_entrypoint(image: &Image<'_>, found: &mut Found<'_>) {
    for stage in stage::stages(image).iter().filter(|stage| stage.is_final) {
        let Some((from, programs)) = environment(image, stage) else { continue };
        for (instruction, scene) in &stage.steps {
            if !matches!(instruction.command, Command::Run { .. })
                || instruction.line < from
                || is_entered(instruction, scene)
            {
                continue;
            }
            for words in stage::script(instruction, scene).commands {
                let Some(program) = words.first().map(|word| word.text.as_str()) else { continue };
                let of_environment = programs.contains(program)
                    || (programs.contains("python")
                        && (is_versioned(program, "python") || is_versioned(program, "pip")))
                    || OF_ENVIRONMENTS.contains(&program);
                if of_environment
                    && !scene.packages.iter().any(|package| package.starts_with(program))
                {
                    let what = format!("{program} is called outside of pixi's environment");
                    found.at(image, instruction, Some(program), what);
                    break;
                }
            }
        }
    }
}

/// The line from which on the stage has an environment of pixi's, and the packages that its manifest names.
fn environment(image: &Image<'_>, stage: &Stage<'_>) -> Option<(u32, BTreeSet<String>)> {
    let begins = stage.steps.iter().find_map(|(instruction, _)| match &instruction.command {
        Command::Copy(copy) => {
            let of_pixi = |path: &String| path.contains(".pixi");
            (of_pixi(&copy.destination) || copy.sources.iter().any(of_pixi))
                .then_some(instruction.last_line)
        }
        Command::Run { .. } if instruction.rest.contains("pixi install") => {
            Some(instruction.last_line + 1)
        }
        _ => None,
    })?;
    let manifest =
        image.surroundings.pixi.as_ref().and_then(|(_, text)| text.parse::<toml::Table>().ok());
    let mut programs = BTreeSet::new();
    for table in manifest.iter().flat_map(dependencies) {
        programs.extend(table.keys().cloned());
    }
    if programs.is_empty() {
        programs.insert("python".to_owned());
    }
    Some((begins, programs))
}

/// The tables of dependencies in pixi's manifest, of features too.
fn dependencies(manifest: &toml::Table) -> Vec<&toml::Table> {
    let features = manifest.get("feature").and_then(toml::Value::as_table);
    let features = features
        .into_iter()
        .flat_map(|features| features.values())
        .filter_map(toml::Value::as_table);
    let tables = std::iter::once(manifest).chain(features);
    tables.filter_map(|table| table.get("dependencies")?.as_table()).collect()
}

/// Whether the step runs in the environment: by the shell, by the words themselves, or because `PATH` leads there.
fn is_entered(instruction: &Instruction, scene: &Scene) -> bool {
    let shell = scene.shell.join(" ");
    let enters = |text: &str| {
        ["pixi", "entrypoint", "entry-point", "shell-hook", "shell_hook", "activate"]
            .iter()
            .any(|word| text.contains(word))
    };
    let text = std::iter::once(&instruction.rest)
        .chain(instruction.heredocs.iter().map(|heredoc| &heredoc.body));
    let on_path = scene.variables.get("PATH").is_some_and(|path| path.contains(".pixi"));
    enters(&shell) || on_path || text.into_iter().any(|text| enters(text))
}
