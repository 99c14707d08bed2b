//! Words as the texts that they become.

use camino::{Utf8Path, Utf8PathBuf};

use super::super::super::found::ROOT;
use super::super::super::text::Text;
use super::super::variable::{Value, operate};
use super::super::{Part, Variable, Word, glob, substitute};
use super::{DEEPEST, Runner};

impl Runner<'_> {
    /// The word as one text.
    pub(in super::super::super) fn one(&mut self, word: &Word) -> Text {
        let mut text = Text::default();
        for (part, _) in &word.parts {
            let values = self.part(part);
            for (number, value) in values.into_iter().enumerate() {
                if number > 0 {
                    text.push_str(" ");
                }
                text.push(value);
            }
        }
        text
    }

    /// The word as the words that it becomes.
    pub(in super::super) fn expand(&mut self, word: &Word) -> Vec<Text> {
        let mut words: Vec<Text> = Vec::new();
        let mut current: Option<Text> = None;
        let mut has_pattern = false;
        for (part, quoted) in &word.parts {
            let is_text = matches!(part, Part::Text(_));
            has_pattern |= !quoted && matches!(part, Part::Text(text) if text.contains('*'));
            let values = self.part(part);
            let values = if is_text || *quoted {
                values
            } else {
                values.iter().flat_map(Text::words).collect()
            };
            for (number, value) in values.into_iter().enumerate() {
                if number > 0 {
                    words.extend(current.take());
                }
                current.get_or_insert_default().push(value);
            }
        }
        words.extend(current);
        if !has_pattern {
            return words
                .iter()
                .flat_map(
                    |word| if word_is_bare(&words) { braces(word) } else { vec![word.clone()] },
                )
                .collect();
        }
        words.into_iter().flat_map(|word| self.globbed(word)).collect()
    }

    pub(super) fn globbed(&self, word: Text) -> Vec<Text> {
        let Some(pattern) = word.as_known() else { return vec![word] };
        let (pattern, start) = match pattern.strip_prefix(ROOT) {
            Some(rest) => (rest.trim_start_matches('/'), format!("{ROOT}/")),
            None => (pattern, String::new()),
        };
        let root = Utf8PathBuf::new();
        let folders =
            if start.is_empty() { self.folders.as_slice() } else { std::slice::from_ref(&root) };
        for folder in folders {
            let found = glob::matches(pattern, folder, &self.repository.tracked);
            if !found.is_empty() {
                return found
                    .into_iter()
                    .map(|path| Text::known(format!("{start}{path}")))
                    .collect();
            }
        }
        vec![Text::unknown(word.to_string())]
    }

    pub(super) fn part(&mut self, part: &Part) -> Vec<Text> {
        match part {
            Part::Text(text) => vec![Text::known(text.clone())],
            Part::Unknown(written) => vec![Text::unknown(written.clone())],
            Part::Command(script) => {
                if self.depth > DEEPEST {
                    return vec![Text::unknown(format!("$({script})"))];
                }
                self.depth += 1;
                let text = substitute::output(script, self);
                self.depth -= 1;
                vec![text]
            }
            Part::Variable(variable) => self.variable(variable),
        }
    }

    pub(super) fn variable(&mut self, variable: &Variable) -> Vec<Text> {
        let unknown = || vec![Text::unknown(variable.written.clone())];
        let index = variable.index.as_ref().map(|word| self.one(word).to_string());
        let every = matches!(index.as_deref(), Some("@" | "*"));
        let value = self.value(&variable.name);
        if variable.keys {
            return match value {
                Some(Value::Map(items)) => {
                    items.into_iter().map(|(key, _)| Text::known(key)).collect()
                }
                Some(Value::List(items)) => {
                    (0..items.len()).map(|n| Text::known(n.to_string())).collect()
                }
                _ => unknown(),
            };
        }
        if every || matches!(variable.name.as_str(), "@" | "*") {
            return value.map_or_else(unknown, |value| value.all());
        }
        let value = value.and_then(|value| value.at(index.as_deref()));
        match &variable.operation {
            None => value.map_or_else(unknown, |text| vec![text]),
            Some((operation, argument)) => {
                let argument = self.one(argument);
                let is_plus = operation.ends_with('+');
                match operate(value, operation, argument) {
                    Some(text) => vec![text],
                    None if is_plus => vec![Text::default()],
                    None => unknown(),
                }
            }
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match name {
            "0" | "BASH_SOURCE" => Some(Value::One(Text::known(format!("{ROOT}/{}", self.file)))),
            "PSScriptRoot" => {
                let folder = self.file.parent().map(Utf8Path::as_str).unwrap_or_default();
                Some(Value::One(Text::known(format!("{ROOT}/{folder}").trim_end_matches('/'))))
            }
            "PWD" => {
                let folder = self.folders.first()?;
                Some(Value::One(Text::known(format!("{ROOT}/{folder}").trim_end_matches('/'))))
            }
            "@" | "*" => self.arguments.clone().map(Value::List),
            _ => match name.parse::<usize>() {
                Ok(number) => {
                    let arguments = self.arguments.as_ref()?;
                    Some(Value::One(
                        arguments.get(number.checked_sub(1)?).cloned().unwrap_or_default(),
                    ))
                }
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }
}

/// Whether brace expansion may be meant: one word, all of it known.
pub(super) fn word_is_bare(words: &[Text]) -> bool {
    matches!(words, [word] if word.as_known().is_some_and(|known| known.contains('{') && known.contains(',')))
}

/// `a{b,c}` as `ab ac`; once.
pub(super) fn braces(word: &Text) -> Vec<Text> {
    let expanded = word.as_known().and_then(|known| {
        let (before, rest) = known.split_once('{')?;
        let (inner, after) = rest.split_once('}')?;
        let one = |item: &str| Text::known(format!("{before}{item}{after}"));
        (inner.contains(',') && !before.contains('$')).then(|| inner.split(',').map(one).collect())
    });
    expanded.unwrap_or_else(|| vec![word.clone()])
}
