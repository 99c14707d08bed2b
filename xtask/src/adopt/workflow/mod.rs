//! GitHub workflows: steps of `docker/build-push-action`, `docker/metadata-action` and `docker/bake-action`, and the
//! docker commands in `run`, for each combination of their matrices.

mod expression;
mod matrix;
mod metadata;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::found::{Build, Found, Kind, Name, Repository, Secret, joined};
use super::powershell;
use super::shell::{self, Runner};
use super::text::Text;
use super::yaml::{self, Node};
use crate::mistake::Place;
use expression::Scope;

/// What the workflow `file` builds.
pub(super) fn read(file: &Utf8Path, text: &str, repository: &Repository) -> Found {
    let mut found = Found::default();
    let workflow = match yaml::parse(text) {
        Ok(workflow) => workflow,
        Err(why) => {
            found.note(Place::new(file, 1, 1), format!("this is no YAML that can be read: {why}"));
            return found;
        }
    };
    let mut scope = Scope::new(repository);
    scope.add_inputs(&workflow);
    scope.add_env(&workflow);
    for (_, job) in workflow.get("jobs").map(Node::entries).unwrap_or_default() {
        for values in matrix::combinations(job, &scope) {
            let mut scope = scope.clone();
            scope.matrix = values;
            scope.add_env(job);
            let reader = Job { file, repository, around: [job, &workflow], steps: BTreeMap::new() };
            found.extend(reader.read(job, &scope));
        }
    }
    found
}

struct Job<'a> {
    file: &'a Utf8Path,
    repository: &'a Repository,
    /// The job and the workflow, whose `defaults` hold.
    around: [&'a Node; 2],
    /// What earlier steps gave: the names of `metadata-action`, by the step's id.
    steps: BTreeMap<String, Vec<Name>>,
}

impl Job<'_> {
    fn read(mut self, job: &Node, scope: &Scope<'_>) -> Found {
        let mut found = Found::default();
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            let mut scope = scope.clone();
            scope.add_env(step);
            let place = Place::new(self.file, step.line, 1);
            let action = step.text_of("uses").unwrap_or_default();
            let action = action.split('@').next().unwrap_or_default();
            match action.rsplit_once('/').map_or(action, |(_, name)| name) {
                "metadata-action" => {
                    let id = step.text_of("id").unwrap_or("meta").to_owned();
                    let names = metadata::names(step.get("with"), &scope);
                    self.steps.insert(id, names);
                }
                "build-push-action" => {
                    found.builds.push(self.build(step, place, &scope));
                }
                "bake-action" => {
                    let push = step.get("with").and_then(|with| with.text_of("push"));
                    if push.is_some_and(|push| push != "false") {
                        found.pushed_files.insert(self.folder(step, &scope));
                    }
                }
                _ => {}
            }
            if let Some(run) = step.get("run") {
                found.extend(self.run(step, run, &scope));
            }
        }
        found
    }

    fn folder(&self, step: &Node, scope: &Scope<'_>) -> Utf8PathBuf {
        let own = step.get("working-directory");
        let of_defaults =
            |node: &&Node| node.get("defaults")?.get("run")?.get("working-directory").cloned();
        let folder = own.cloned().or_else(|| self.around.iter().find_map(of_defaults));
        let text = folder.and_then(|node| Some(scope.expand(node.text()?)));
        text.and_then(|text| joined("".into(), text.as_known()?)).unwrap_or_default()
    }

    fn run(&self, step: &Node, run: &Node, scope: &Scope<'_>) -> Found {
        let script = scope.for_shell(run.text().unwrap_or_default());
        let mut runner =
            Runner::new(self.repository, self.file, Kind::Workflow, vec![self.folder(step, scope)]);
        for (name, value) in scope.variables() {
            runner.set(&name, value);
        }
        // A block's text begins on the line after `run: |`.
        let is_block = script.contains('\n');
        let line = run.line + u32::from(is_block);
        let is_powershell = step
            .text_of("shell")
            .is_some_and(|shell| shell.contains("pwsh") || shell.contains("powershell"));
        let nodes = if is_powershell {
            powershell::parse(&script, line)
        } else {
            shell::parse(&script, line)
        };
        runner.run(&nodes);
        runner.found
    }

    fn build(&self, step: &Node, place: Place, scope: &Scope<'_>) -> Build {
        let mut build = Build::new(place, Kind::Workflow);
        let nothing = Node { line: step.line, value: yaml::Value::Null };
        let with = step.get("with").unwrap_or(&nothing);
        let value = |key: &str| {
            with.text_of(key).map(|text| scope.expand(text)).filter(|text| !text.is_empty())
        };
        let lines =
            |key: &str| value(key).map(|text| text.parts(|c| c == '\n')).unwrap_or_default();
        if let Some(context) = value("context") {
            // The checkout, or a folder of it, also where the action fetches it from git itself.
            build.context = match context
                .as_known()
                .and_then(|known| known.strip_prefix("{{defaultContext}}"))
            {
                Some(rest) => {
                    Text::known(if rest.is_empty() { "." } else { rest.trim_start_matches(':') })
                }
                None => context,
            };
        }
        build.dockerfile = value("file");
        build.stage = value("target");
        if let Some(platforms) = value("platforms") {
            build.add_platforms(&platforms);
        }
        for line in lines("build-args") {
            build.add_arg(&line);
        }
        for line in lines("build-contexts") {
            if let Some((name, source)) = line.split_once('=')
                && let Some(name) = name.as_known()
            {
                build.contexts.insert(name.to_owned(), source);
            }
        }
        for line in lines("cache-to") {
            build.add_cache(&line);
        }
        for key in ["secrets", "secret-envs", "secret-files"] {
            for line in lines(key) {
                let Some((id, source)) = line.split_once('=') else { continue };
                let Some(id) = id.as_known().map(str::to_owned) else { continue };
                let secret = match (key, source.as_known()) {
                    ("secret-files", _) => Secret::File(source),
                    ("secret-envs", Some(name)) => Secret::Env(name.to_owned()),
                    _ => {
                        let name = id.to_uppercase().replace('-', "_");
                        build.notes.push(format!(
                            "the secret {id} is read from the variable {name}: set it"
                        ));
                        Secret::Env(name)
                    }
                };
                build.secrets.insert(id, secret);
            }
        }
        build.ssh = value("ssh").is_some();
        let outputs = value("outputs").map(|text| text.to_string()).unwrap_or_default();
        let push = value("push").and_then(|push| push.as_known().map(str::to_owned));
        build.pushed = match push.as_deref() {
            Some(push) => push == "true",
            None => {
                value("push").is_some()
                    || outputs.contains("push=true")
                    || outputs.contains("type=registry")
            }
        };
        build.label = scope.matrix_label();
        if let Some(tags) = with.text_of("tags") {
            build.names = self.names(tags, scope);
        }
        build
    }

    /// The tags of a build: those of an earlier step, and those that are written.
    fn names(&self, tags: &str, scope: &Scope<'_>) -> Vec<Name> {
        let mut names = Vec::new();
        let cut = |c: char| c == '\n' || c == ',';
        for line in tags.split(cut).map(str::trim).filter(|line| !line.is_empty()) {
            let of_step = self.steps.iter().find(|(id, _)| {
                line.contains(&format!("steps.{id}.outputs.tags"))
                    || line.contains(&format!("steps.{id}.outputs.json"))
            });
            match of_step {
                Some((_, step)) => names.extend(step.iter().cloned()),
                None => names.extend(scope.expand(line).parts(cut).into_iter().map(Name::always)),
            }
        }
        names
    }
}
