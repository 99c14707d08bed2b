//! What one target of a bake file, merged with what it inherits, builds.

use camino::Utf8Path;
use hcl::Value;
use hcl::eval::{Context, Evaluate as _};
use hcl::expr::Expression;

use super::{Functions, Target};
use crate::adopt::found::{Build, Kind, Name};
use crate::adopt::text::Text;
use crate::mistake::Place;

/// Evaluates what a target says.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Utf8Path,
    pub(super) context: Context<'static>,
    pub(super) functions: &'a Functions,
    pub(super) target: &'a Target,
}

impl Reader<'_> {
    pub(super) fn build(&self, name: &str) -> Build {
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
