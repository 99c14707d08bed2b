//! Bake files, HCL and JSON: targets, what they inherit, matrices, groups, variables and functions in common use.

mod functions;
mod target;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use hcl::eval::{Context, Evaluate as _};
use hcl::expr::Expression;
use hcl::{Body, Value};

use target::Reader;

use super::found::Found;
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
