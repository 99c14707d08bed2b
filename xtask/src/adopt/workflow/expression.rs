//! `${{ … }}` in a workflow: what is written in the workflow itself, and what facts stand for.

use std::collections::BTreeMap;

use super::super::found::{ROOT, Repository};
use super::super::text::Text;
use super::super::yaml::Node;

/// What expressions may name.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    repository: &'a Repository,
    env: BTreeMap<String, Text>,
    inputs: BTreeMap<String, Text>,
    /// The values of this combination; an entry of a list of tables has its keys below it: `image.name`.
    pub(super) matrix: BTreeMap<String, Text>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(repository: &'a Repository) -> Self {
        Self { repository, env: BTreeMap::new(), inputs: BTreeMap::new(), matrix: BTreeMap::new() }
    }

    /// The `env` of a workflow, job or step.
    pub(super) fn add_env(&mut self, node: &Node) {
        for (name, value) in node.get("env").map(Node::entries).unwrap_or_default() {
            if let Some(text) = value.text() {
                let text = self.expand(text);
                self.env.insert(name.clone(), text);
            }
        }
    }

    /// Defaults of inputs.
    pub(super) fn add_inputs(&mut self, workflow: &Node) {
        // `on` is a truth value to some readers of YAML.
        let Some(on) = workflow.get("on").or_else(|| workflow.get("true")) else { return };
        for (_, event) in on.entries() {
            for (name, input) in event.get("inputs").map(Node::entries).unwrap_or_default() {
                if let Some(default) = input.text_of("default") {
                    self.inputs.insert(name.clone(), Text::known(default));
                }
            }
        }
    }

    /// What tells this combination from the others.
    pub(super) fn matrix_label(&self) -> Option<String> {
        let wanted = ["name", "image", "service", "target", "variant"];
        let key = wanted.iter().find_map(|wanted| {
            self.matrix.iter().find(|(key, _)| key.rsplit('.').next() == Some(wanted))
        });
        let any = || self.matrix.iter().next().filter(|_| self.matrix.len() == 1);
        key.or_else(any).and_then(|(_, value)| value.as_known().map(str::to_owned))
    }

    /// The variables of a `run` script.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, Text)> {
        self.env.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// `text` with its expressions replaced.
    pub(super) fn expand(&self, text: &str) -> Text {
        let mut expanded = Text::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            expanded.push_str(before);
            let Some((inner, after)) = after.split_once("}}") else {
                expanded.push_str("${{");
                rest = after;
                continue;
            };
            expanded.push(self.value(inner.trim()));
            rest = after;
        }
        expanded.push_str(rest);
        expanded
    }

    /// A script with its expressions replaced, those that are not known by variables that nothing sets.
    pub(super) fn for_shell(&self, script: &str) -> String {
        let mut text = String::new();
        for piece in self.expand(script).pieces() {
            use super::super::text::Piece;
            match piece {
                Piece::Known(known) => text.push_str(known),
                Piece::Fact("commit") => text.push_str("${GITHUB_SHA}"),
                Piece::Fact("branch") => text.push_str("${GITHUB_REF_NAME}"),
                Piece::Fact(name) => text.extend(["${", name, "}"]),
                Piece::Unknown(written) => {
                    let plain: String = written
                        .chars()
                        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                        .collect();
                    text.extend(["${", plain.trim_matches('_'), "}"]);
                }
            }
        }
        text
    }

    /// The value of an expression; the first known side of `a || b`.
    pub(super) fn value(&self, expression: &str) -> Text {
        if expression.contains("||") && !expression.contains('(') {
            let known = expression.split("||").map(|side| self.value(side.trim()));
            return known
                .into_iter()
                .find(|text| !text.has_unknown())
                .unwrap_or_else(|| written(expression));
        }
        if let Some(text) = expression.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
            && !text.contains('\'')
        {
            return Text::known(text);
        }
        if let Some(arguments) =
            expression.strip_prefix("format(").and_then(|rest| rest.strip_suffix(')'))
        {
            return self.format(arguments).unwrap_or_else(|| written(expression));
        }
        let Some((context, name)) = expression.split_once('.') else { return written(expression) };
        match context {
            "env" => self.env.get(name).cloned(),
            "matrix" => self.matrix.get(name).cloned(),
            "inputs" => self.inputs.get(name).cloned(),
            "github" => self.github(name),
            _ => None,
        }
        .unwrap_or_else(|| written(expression))
    }

    fn format(&self, arguments: &str) -> Option<Text> {
        let mut arguments = arguments.split(',').map(str::trim);
        let pattern = arguments.next()?.strip_prefix('\'')?.strip_suffix('\'')?;
        let values: Vec<Text> = arguments.map(|argument| self.value(argument)).collect();
        let mut text = Text::default();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (number, after) = after.split_once('}')?;
            text.push_str(before);
            text.push(values.get(number.parse::<usize>().ok()?)?.clone());
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    fn github(&self, name: &str) -> Option<Text> {
        let repository = self.repository.github.as_ref();
        match name {
            "sha" => Some(Text::fact("commit")),
            "ref_name" | "head_ref" => Some(Text::fact("branch")),
            "workspace" => Some(Text::known(ROOT)),
            "repository" => repository.map(|name| Text::known(name.clone())),
            "repository_owner" => {
                repository.and_then(|name| Some(Text::known(name.split('/').next()?)))
            }
            "event.repository.name" => {
                repository.and_then(|name| Some(Text::known(name.split('/').nth(1)?)))
            }
            _ => None,
        }
    }
}

fn written(expression: &str) -> Text {
    Text::unknown(format!("${{{{ {expression} }}}}"))
}
