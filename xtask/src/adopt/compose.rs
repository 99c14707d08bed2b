//! Compose files: services with a `build`.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::found::{Build, Found, Kind, Name, Repository, Secret, joined};
use super::shell::{self, Runner};
use super::text::Text;
use super::yaml::{self, Node, Value};
use crate::mistake::Place;

/// Whether `name` is that of a compose file.
pub(super) fn is_compose(name: &str) -> bool {
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"));
    stem.is_some_and(|stem| {
        ["compose", "docker-compose"].iter().any(|start| {
            stem.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        })
    })
}

/// What the compose file `file` builds.
pub(super) fn read(file: &Utf8Path, text: &str, repository: &Repository) -> Found {
    let mut found = Found::default();
    let compose = match yaml::parse(text) {
        Ok(compose) => compose,
        Err(why) => {
            found.note(Place::new(file, 1, 1), format!("this is no YAML that can be read: {why}"));
            return found;
        }
    };
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    let variables = variables(folder, repository);
    let reader = Reader { file, folder, repository, variables };
    for (name, service) in compose.get("services").map(Node::entries).unwrap_or_default() {
        if let Some(build) = service.get("build") {
            found.builds.push(reader.build(name, service, build, &compose));
        }
    }
    found
}

/// The variables of the `.env` beside the file.
fn variables(folder: &Utf8Path, repository: &Repository) -> BTreeMap<String, String> {
    let text = repository.texts.get(&folder.join(".env")).map(String::as_str).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            (name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned())
        })
        .collect()
}

struct Reader<'a> {
    file: &'a Utf8Path,
    folder: &'a Utf8Path,
    repository: &'a Repository,
    variables: BTreeMap<String, String>,
}

impl Reader<'_> {
    /// `text` with its variables: those of the shell, and `$$`.
    fn expand(&self, text: &str) -> Text {
        if !text.contains('$') {
            return Text::known(text);
        }
        let mut runner =
            Runner::new(self.repository, self.file, Kind::Compose, vec![self.folder.to_owned()]);
        for (name, value) in &self.variables {
            runner.set(name, Text::known(value.clone()));
        }
        let quoted = text
            .replace("$$", "\\$")
            .replace('"', "\\\"")
            .replace('`', "\\`")
            .replace("$(", "\\$(");
        let Some(shell::Node::Simple { words, .. }) =
            shell::parse(&format!("x \"{quoted}\""), 1).into_iter().next()
        else {
            return Text::unknown(text);
        };
        words.get(1).map_or_else(|| Text::unknown(text), |word| runner.one(word))
    }

    fn build(&self, name: &str, service: &Node, node: &Node, compose: &Node) -> Build {
        let mut build = Build::new(Place::new(self.file, node.line, 1), Kind::Compose);
        build.label = Some(name.to_owned());
        build.folders = vec![self.folder.to_owned()];
        build.beside_context = true;
        let text = |node: &Node, key: &str| node.text_of(key).map(|text| self.expand(text));
        if let Some(context) = node.text() {
            build.context = self.expand(context);
        }
        if let Some(context) = text(node, "context") {
            build.context = context;
        }
        build.dockerfile = text(node, "dockerfile");
        build.stage = text(node, "target");
        if node.get("dockerfile_inline").is_some() {
            build.notes.push("`dockerfile_inline` has no file: write it into one".to_owned());
        }
        for arg in self.pairs(node.get("args"), "=") {
            build.add_arg(&arg);
        }
        for source in self.pairs(node.get("additional_contexts"), "=") {
            if let Some((context, source)) = source.split_once('=')
                && let Some(context) = context.as_known()
            {
                let source = match source.strip_prefix("service:") {
                    Some(service) => {
                        let mut text = Text::known("target:");
                        text.push(service);
                        text
                    }
                    None => source,
                };
                build.contexts.insert(context.to_owned(), source);
            }
        }
        let platforms = node.get("platforms").map(Node::items).unwrap_or_default();
        for platform in platforms.iter().filter_map(Node::text) {
            build.add_platforms(&self.expand(platform));
        }
        if platforms.is_empty()
            && let Some(platform) = text(service, "platform")
        {
            build.add_platforms(&platform);
        }
        let tags = node.get("tags").map(Node::items).unwrap_or_default();
        let image = service.text_of("image");
        for tag in image.into_iter().chain(tags.iter().filter_map(Node::text)) {
            build.names.push(Name::always(self.expand(tag)));
        }
        for secret in node.get("secrets").map(Node::items).unwrap_or_default() {
            self.secret(secret, compose, &mut build);
        }
        build.ssh = node.get("ssh").is_some();
        build
    }

    /// A map, or a list of `NAME=VALUE`, as the latter.
    fn pairs(&self, node: Option<&Node>, between: &str) -> Vec<Text> {
        let Some(node) = node else { return Vec::new() };
        let listed = node.items().iter().filter_map(Node::text).map(|text| self.expand(text));
        let mapped = node.entries().iter().map(|(name, value)| {
            let mut text = Text::known(name.clone());
            if let Value::Text(value) = &value.value {
                text.push_str(between);
                text.push(self.expand(value));
            }
            text
        });
        listed.chain(mapped).collect()
    }

    fn secret(&self, node: &Node, compose: &Node, build: &mut Build) {
        let Some(name) = node.text().or_else(|| node.text_of("source")) else { return };
        let Some(source) = compose.get("secrets").and_then(|secrets| secrets.get(name)) else {
            return;
        };
        let secret = match (source.text_of("environment"), source.text_of("file")) {
            (Some(variable), _) => Secret::Env(variable.to_owned()),
            (None, Some(file)) => match joined(self.folder, file) {
                Some(file) => Secret::File(Text::known(format!("{}/{file}", super::found::ROOT))),
                None => return,
            },
            (None, None) => return,
        };
        build.secrets.insert(name.to_owned(), secret);
    }
}
