//! What `${name…}` stands for.

use super::super::text::Text;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    One(Text),
    List(Vec<Text>),
    /// Keys and values, in the order of the script.
    Map(Vec<(String, Text)>),
}

impl Value {
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::One(text) => !text.has_unknown(),
            Self::List(items) => items.iter().all(|item| !item.has_unknown()),
            Self::Map(items) => items.iter().all(|(_, item)| !item.has_unknown()),
        }
    }

    /// All the values.
    pub(super) fn all(&self) -> Vec<Text> {
        match self {
            Self::One(text) => vec![text.clone()],
            Self::List(items) => items.clone(),
            Self::Map(items) => items.iter().map(|(_, item)| item.clone()).collect(),
        }
    }

    /// The value under `index`; without one, the first.
    pub(super) fn at(&self, index: Option<&str>) -> Option<Text> {
        match (self, index) {
            (Self::One(text), None | Some("0")) => Some(text.clone()),
            (Self::One(_), Some(_)) => None,
            (Self::List(items), index) => {
                items.get(index.unwrap_or("0").parse::<usize>().ok()?).cloned()
            }
            (Self::Map(items), index) => items
                .iter()
                .find(|(key, _)| Some(key.as_str()) == index)
                .map(|(_, item)| item.clone()),
        }
    }
}

/// `${value operation argument}`; nothing where that is not known.
pub(super) fn operate(value: Option<Text>, operation: &str, argument: Text) -> Option<Text> {
    let unset = value.as_ref().is_none_or(|text| text.is_empty() || text.has_unknown());
    match operation {
        ":-" | ":=" | "-" | "=" => return if unset { Some(argument) } else { value },
        ":+" | "+" => return if unset { None } else { Some(argument) },
        _ => {}
    }
    let value = value?;
    let pattern = argument.as_known()?;
    match operation {
        ":?" | "?" => Some(value),
        "^^" => Some(value.edited(str::to_uppercase)),
        ",," => Some(value.edited(str::to_lowercase)),
        "//" | "/" => {
            let (from, to) = pattern.split_once('/').unwrap_or((pattern, ""));
            let times = if operation == "//" { usize::MAX } else { 1 };
            let plain = !from.is_empty() && !from.contains(['*', '?', '[']);
            plain.then(|| value.edited(|text| text.replacen(from, to, times)))
        }
        "#" | "##" | "%" | "%%" => cut(&value, operation, pattern),
        _ => None,
    }
}

/// `${value##*/}`, `${value%.*}`, and texts without `*`.
fn cut(value: &Text, operation: &str, pattern: &str) -> Option<Text> {
    let text = value.as_known()?;
    let cut = match (operation, pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        ("##", Some(end), _) => text.rsplit_once(end).map(|(_, rest)| rest),
        ("#", Some(end), _) => text.split_once(end).map(|(_, rest)| rest),
        ("%", _, Some(start)) => text.rsplit_once(start).map(|(rest, _)| rest),
        ("%%", _, Some(start)) => text.split_once(start).map(|(rest, _)| rest),
        ("#" | "##", ..) => text.strip_prefix(pattern),
        _ => text.strip_suffix(pattern),
    };
    let plain = pattern.trim_matches('*');
    let readable = !plain.is_empty() && !plain.contains(['*', '?', '[']);
    readable.then(|| Text::known(cut.unwrap_or(text)))
}
