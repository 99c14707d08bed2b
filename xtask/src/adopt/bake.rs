//! Bake files, HCL and JSON: targets, what they inherit, matrices, groups, variables and functions in common use.

mod functions;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use hcl::eval::{Context, Evaluate as _};
use hcl::expr::Expression;
use hcl::{Body, Value};

use super::found::{Build, Found, Kind, Name};
use super::text::Text;
use crate::mistake::Place;

/// The most combinations of one matrix, and the deepest inheritance.
const MOST: usize = 256;
const DEEPEST: usize = 16;

/// Whether `name` is that of a bake file.
pub(super) fn is_bake(name: &str) -> bool {
    let kind = Utf8Path::new(name).extension();
    name.starts_with("docker-bake") && matches!(kind, Some("hcl" | "json"))
        || name.ends_with(".bake.hcl")
        || name == "bake.hcl"
}

/// A target's attributes, not evaluated, with the values of its matrix.
#[derive(Clone, Debug, Default)]
struct Target {
    attributes: BTreeMap<String, Expression>,
    matrix: Vec<(String, Value)>,
    line: u32,
}

/// What the bake file `file` builds.
pub(super) fn read(file: &Utf8Path, text: &str) -> Found {
    let mut found = Found::default();
    let parsed = if file.extension() == Some("json") { of_json(text) } else { of_hcl(text) };
    let body = match parsed {
        Ok(body) => body,
        Err(why) => {
            let why = why.lines().next().unwrap_or_default().to_owned();
            found.note(
                Place::new(file, 1, 1),
                format!("this is no bake file that can be read: {why}"),
            );
            return found;
        }
    };
    let context = variables(&body);
    let functions = own_functions(&body);
    let targets = targets(&body, text, &context);
    let folder = file.parent().unwrap_or(Utf8Path::new("")).to_owned();
    let mut folders: Vec<Utf8PathBuf> = vec![Utf8PathBuf::new()];
    if !folders.contains(&folder) {
        folders.insert(0, folder);
    }
    for name in targets.keys() {
        let mut merged = Target::default();
        inherit(name, &targets, &context, &mut merged, 0);
        // A target that says nothing of its own is there for others to inherit from.
        let is_base = ["dockerfile", "context", "tags", "target"]
            .iter()
            .all(|key| !merged.attributes.contains_key(*key))
            && (name.starts_with('_') || inherited(name, &targets, &context));
        if name.starts_with('_') || is_base || name == "docker-metadata-action" {
            continue;
        }
        let context = with(&context, &merged.matrix);
        let reader = Reader { file, context, functions: &functions, target: &merged };
        let mut build = reader.build(name);
        build.folders.clone_from(&folders);
        found.builds.push(build);
    }
    found
}

fn of_hcl(text: &str) -> Result<Body, String> {
    hcl::parse(text).map_err(|wrong| wrong.to_string())
}

/// JSON as the blocks that it stands for.
fn of_json(text: &str) -> Result<Body, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|wrong| wrong.to_string())?;
    let mut body = Body::builder();
    for kind in ["variable", "target"] {
        let Some(entries) = json.get(kind).and_then(serde_json::Value::as_object) else { continue };
        for (name, value) in entries {
            let mut block = hcl::Block::builder(kind).add_label(name.as_str());
            for (key, value) in value.as_object().into_iter().flatten() {
                block = block.add_attribute(hcl::Attribute::new(
                    hcl::Identifier::sanitized(key),
                    expression(value),
                ));
            }
            body = body.add_block(block.build());
        }
    }
    Ok(body.build())
}

/// A JSON value as an expression, in which texts are templates.
fn expression(value: &serde_json::Value) -> Expression {
    match value {
        serde_json::Value::String(text) if text.contains("${") => {
            Expression::from(hcl::expr::TemplateExpr::QuotedString(text.clone()))
        }
        serde_json::Value::String(text) => Expression::String(text.clone()),
        serde_json::Value::Bool(value) => Expression::Bool(*value),
        serde_json::Value::Number(number) => number
            .as_f64()
            .and_then(hcl::Number::from_f64)
            .map_or(Expression::Null, Expression::Number),
        serde_json::Value::Null => Expression::Null,
        serde_json::Value::Array(items) => {
            Expression::Array(items.iter().map(expression).collect())
        }
        serde_json::Value::Object(entries) => {
            let entries = entries.iter();
            Expression::Object(
                entries
                    .map(|(key, value)| {
                        (
                            hcl::expr::ObjectKey::Expression(Expression::String(key.clone())),
                            expression(value),
                        )
                    })
                    .collect(),
            )
        }
    }
}

/// The variables' defaults, one after another as they name each other.
fn variables(body: &Body) -> Context<'static> {
    let mut context = functions::context();
    let mut rest: Vec<(String, Expression)> = Vec::new();
    for attribute in body.attributes() {
        rest.push((attribute.key().to_owned(), attribute.expr().clone()));
    }
    for block in body.blocks().filter(|block| block.identifier() == "variable") {
        let Some(name) = block.labels().first() else { continue };
        let default = block.body().attributes().find(|attribute| attribute.key() == "default");
        rest.push((
            name.as_str().to_owned(),
            default.map_or(Expression::String(String::new()), |one| one.expr().clone()),
        ));
    }
    loop {
        let before = rest.len();
        rest.retain(|(name, expression)| match expression.evaluate(&context) {
            Ok(value) => {
                context.declare_var(name.as_str(), value);
                false
            }
            Err(_) => true,
        });
        if rest.is_empty() || rest.len() == before {
            return context;
        }
    }
}

/// The functions of the file's own: their parameters and result.
type Functions = BTreeMap<String, (Vec<String>, Expression)>;

fn own_functions(body: &Body) -> Functions {
    let blocks = body.blocks().filter(|block| block.identifier() == "function");
    let function = |block: &hcl::Block| {
        let attribute = |key: &str| {
            block.body().attributes().find(|one| one.key() == key).map(|one| one.expr().clone())
        };
        let parameters = match attribute("params") {
            Some(Expression::Array(names)) => names.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        Some((block.labels().first()?.as_str().to_owned(), (parameters, attribute("result")?)))
    };
    blocks.filter_map(function).collect()
}

fn with(context: &Context<'static>, values: &[(String, Value)]) -> Context<'static> {
    let mut context = context.clone();
    for (name, value) in values {
        context.declare_var(name.as_str(), value.clone());
    }
    context
}

/// Every target by its name; one with a matrix is several.
fn targets(body: &Body, text: &str, context: &Context<'static>) -> BTreeMap<String, Target> {
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    for block in body.blocks().filter(|block| block.identifier() == "target") {
        let Some(name) = block.labels().first().map(hcl::BlockLabel::as_str) else { continue };
        let mut target = Target { line: line_of(text, name), ..Target::default() };
        for attribute in block.body().attributes() {
            target.attributes.insert(attribute.key().to_owned(), attribute.expr().clone());
        }
        let matrix = target.attributes.remove("matrix");
        let combined = matrix
            .and_then(|matrix| matrix.evaluate(context).ok())
            .map(|value| combinations(&value));
        let Some(combined) = combined else {
            let known = targets
                .entry(name.to_owned())
                .or_insert_with(|| Target { line: target.line, ..Target::default() });
            known.attributes.extend(target.attributes);
            continue;
        };
        let pattern = target.attributes.remove("name");
        for (number, values) in combined.into_iter().enumerate() {
            let evaluated =
                pattern.as_ref().and_then(|pattern| pattern.evaluate(&with(context, &values)).ok());
            let own = evaluated.as_ref().and_then(Value::as_str).map(str::to_owned);
            let own = own.unwrap_or_else(|| format!("{name}-{number}"));
            targets.insert(own, Target { matrix: values, ..target.clone() });
        }
    }
    targets
}

fn combinations(matrix: &Value) -> Vec<Vec<(String, Value)>> {
    let mut made: Vec<Vec<(String, Value)>> = vec![Vec::new()];
    for (key, values) in matrix.as_object().into_iter().flatten() {
        let values = values.as_array().cloned().unwrap_or_default();
        made = made
            .iter()
            .flat_map(|one| {
                values.iter().map(move |value| {
                    let mut one = one.clone();
                    one.push((key.clone(), value.clone()));
                    one
                })
            })
            .take(MOST)
            .collect();
    }
    made
}

/// The line on which a target begins.
fn line_of(text: &str, name: &str) -> u32 {
    let quoted = format!("\"{name}\"");
    let begins = |line: &str| {
        line.trim_start()
            .strip_prefix("target")
            .is_some_and(|rest| rest.trim_start().starts_with(&quoted))
    };
    let found = text.lines().zip(1..).find(|(line, _)| begins(line));
    let json = || text.lines().zip(1..).find(|(line, _)| line.contains(&quoted));
    found.or_else(json).map_or(1, |(_, number)| number)
}

fn parents(target: &Target, context: &Context<'static>) -> Vec<String> {
    let value = target
        .attributes
        .get("inherits")
        .and_then(|list| list.evaluate(&with(context, &target.matrix)).ok());
    let items = value.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn inherited(name: &str, targets: &BTreeMap<String, Target>, context: &Context<'static>) -> bool {
    targets.values().any(|target| parents(target, context).iter().any(|parent| parent == name))
}

/// Adds what the target `name` says, after what it inherits.
fn inherit(
    name: &str,
    targets: &BTreeMap<String, Target>,
    context: &Context<'static>,
    merged: &mut Target,
    depth: usize,
) {
    let Some(target) = targets.get(name).filter(|_| depth < DEEPEST) else { return };
    for parent in parents(target, context) {
        inherit(&parent, targets, context, merged, depth + 1);
    }
    for (key, expression) in &target.attributes {
        // Maps are merged name by name.
        let merged_map = match (merged.attributes.get(key), expression) {
            (Some(Expression::Object(before)), Expression::Object(own)) => {
                let all = before.iter().chain(own).map(|(key, value)| (key.clone(), value.clone()));
                Some(Expression::Object(all.collect()))
            }
            _ => None,
        };
        merged.attributes.insert(key.clone(), merged_map.unwrap_or_else(|| expression.clone()));
    }
    merged.matrix.extend(target.matrix.iter().cloned());
    merged.line = target.line;
}

struct Reader<'a> {
    file: &'a Utf8Path,
    context: Context<'static>,
    functions: &'a Functions,
    target: &'a Target,
}

impl Reader<'_> {
    fn build(&self, name: &str) -> Build {
        let mut build = Build::new(Place::new(self.file, self.target.line, 1), Kind::Bake);
        build.label = Some(name.to_owned());
        build.beside_context = true;
        if let Some(context) = self.text("context") {
            build.context = context;
        }
        build.dockerfile = self.text("dockerfile");
        build.stage = self.text("target");
        if self.target.attributes.contains_key("dockerfile-inline") {
            build.notes.push("`dockerfile-inline` has no file: write it into one".to_owned());
        }
        for (name, value) in self.map("args") {
            build.args.insert(name, value);
        }
        build.contexts = self.map("contexts").into_iter().collect();
        for tag in self.list("tags") {
            build.names.push(Name::always(tag));
        }
        for platform in self.list("platforms") {
            build.add_platforms(&platform);
        }
        for cache in self.list("cache-to") {
            build.add_cache(&cache);
        }
        for secret in self.list("secret") {
            build.add_secret(&secret);
        }
        build.ssh = self.target.attributes.contains_key("ssh");
        build.pushed = self.list("output").iter().any(|output| {
            let output = output.to_string();
            output.contains("push=true") || output.contains("type=registry")
        });
        build
    }

    /// The value of an expression, which may be a call of a function of the file's own.
    fn evaluate(&self, expression: &Expression) -> Option<Value> {
        let Expression::FuncCall(call) = expression else {
            return expression.evaluate(&self.context).ok();
        };
        let Some((parameters, result)) = self.functions.get(call.name.name.as_str()) else {
            return expression.evaluate(&self.context).ok();
        };
        let mut context = self.context.clone();
        for (name, argument) in parameters.iter().zip(&call.args) {
            context.declare_var(name.as_str(), argument.evaluate(&self.context).ok()?);
        }
        result.evaluate(&context).ok()
    }

    fn value(&self, expression: &Expression) -> Text {
        match self.evaluate(expression) {
            Some(Value::String(text)) => Text::known(text),
            Some(Value::Number(number)) => Text::known(number.to_string()),
            Some(Value::Bool(value)) => Text::known(value.to_string()),
            Some(Value::Null) => Text::default(),
            _ => Text::unknown(expression.to_string()),
        }
    }

    fn text(&self, key: &str) -> Option<Text> {
        self.target
            .attributes
            .get(key)
            .map(|expression| self.value(expression))
            .filter(|text| !text.is_empty())
    }

    fn list(&self, key: &str) -> Vec<Text> {
        let Some(expression) = self.target.attributes.get(key) else { return Vec::new() };
        let texts: Vec<Text> = match expression {
            // Item by item: what is not known of one says nothing about the others.
            Expression::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            other => match self.evaluate(other) {
                Some(Value::Array(items)) => items
                    .into_iter()
                    .map(|item| {
                        Text::known(item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    })
                    .collect(),
                _ => vec![self.value(other)],
            },
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    fn map(&self, key: &str) -> Vec<(String, Text)> {
        match self.target.attributes.get(key) {
            Some(Expression::Object(entries)) => entries
                .iter()
                .filter_map(|(name, value)| {
                    let name = match name {
                        hcl::expr::ObjectKey::Identifier(name) => name.to_string(),
                        hcl::expr::ObjectKey::Expression(expression) => {
                            self.value(expression).as_known()?.to_owned()
                        }
                        _ => return None,
                    };
                    // A null takes an inherited entry away.
                    let is_null = matches!(self.evaluate(value), Some(Value::Null));
                    (!is_null).then(|| (name, self.value(value)))
                })
                .collect(),
            Some(other) => match self.evaluate(other) {
                Some(Value::Object(entries)) => entries
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, Text::known(value.as_str()?))))
                    .collect(),
                _ => Vec::new(),
            },
            None => Vec::new(),
        }
    }
}
