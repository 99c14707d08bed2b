//! The combinations of a job's matrix, as GitHub makes them.

use std::collections::BTreeMap;

use super::super::text::Text;
use super::super::yaml::{Node, Value};
use super::expression::Scope;

/// GitHub's own limit.
const MOST: usize = 256;

type Values = BTreeMap<String, Text>;

/// The values of each combination; one without values where there is no matrix.
pub(super) fn combinations(job: &Node, scope: &Scope<'_>) -> Vec<Values> {
    let Some(matrix) = job.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
        return vec![Values::new()];
    };
    let special = ["include", "exclude"];
    let mut keys = Vec::new();
    let mut made = vec![Values::new()];
    for (key, list) in matrix.entries().iter().filter(|(key, _)| !special.contains(&key.as_str())) {
        keys.push(key.as_str());
        let items = list.items();
        if items.is_empty() {
            // `fromJSON(…)`: what an earlier job prints.
            continue;
        }
        made = made
            .iter()
            .flat_map(|values| {
                items.iter().map(move |item| {
                    let mut values = values.clone();
                    flatten(key, item, scope, &mut values);
                    values
                })
            })
            .take(MOST)
            .collect();
    }
    let tables = |key: &str| {
        let items = matrix.get(key).map(Node::items).unwrap_or_default();
        items.iter().map(|item| table(item, scope)).collect::<Vec<Values>>()
    };
    for excluded in tables("exclude") {
        made.retain(|values| !excluded.iter().all(|(key, value)| values.get(key) == Some(value)));
    }
    let mut more = Vec::new();
    let own = |key: &str| keys.iter().any(|own| key == *own || key.starts_with(&format!("{own}.")));
    for included in tables("include") {
        let mut used = false;
        for values in made.iter_mut().filter(|_| !keys.is_empty()) {
            let agrees = included
                .iter()
                .filter(|(key, _)| own(key))
                .all(|(key, value)| values.get(key) == Some(value));
            if agrees {
                values.extend(included.clone());
                used = true;
            }
        }
        if !used {
            more.push(included);
        }
    }
    if keys.is_empty() && !more.is_empty() {
        made.clear();
    }
    made.extend(more);
    made.truncate(MOST);
    made
}

fn table(item: &Node, scope: &Scope<'_>) -> Values {
    let mut values = Values::new();
    for (key, value) in item.entries() {
        flatten(key, value, scope, &mut values);
    }
    values
}

fn flatten(key: &str, node: &Node, scope: &Scope<'_>, values: &mut Values) {
    match &node.value {
        Value::Text(text) => {
            values.insert(key.to_owned(), scope.expand(text));
        }
        Value::Null => {
            values.insert(key.to_owned(), Text::default());
        }
        Value::Map(entries) => {
            for (name, value) in entries {
                flatten(&format!("{key}.{name}"), value, scope, values);
            }
        }
        Value::List(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Node::text).collect();
            values.insert(key.to_owned(), scope.expand(&texts.join("\n")));
        }
    }
}
