//! Reads TOML tables key by key, so that every mistake of a file is reported in one run, with its place.
//!
//! A [`Table`] remembers which keys were asked for; [`Table::finish`] reports the others with the nearest known one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::{Mistake, Mistakes, Place};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    pub value: T,
    pub place: Place,
}

impl<T> Placed<T> {
    pub fn as_ref(&self) -> Placed<&T> {
        Placed { value: &self.value, place: self.place.clone() }
    }
}

/// A TOML file of the workspace. `file` is relative to the workspace root.
pub(crate) struct Source {
    pub(crate) file: Utf8PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn place(&self, offset: usize) -> Place {
        Place::of_offset(&self.file, &self.text, offset)
    }

    /// Parses the text and hands the root table to `reader`.
    ///
    /// # Errors
    /// Every syntax error of the file, or every mistake that `reader` noted.
    pub(crate) fn read<T>(&self, reader: impl FnOnce(Table<'_>) -> T) -> Result<T, Mistakes> {
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        let mistakes = RefCell::new(Mistakes::default());
        for error in errors {
            let place = self.place(error.span().map_or(0, |span| span.start));
            mistakes
                .borrow_mut()
                .push(Mistake::new(format!("TOML: {}", error.message())).at(place));
        }
        mistakes.into_inner().none()?;
        let mistakes = RefCell::new(Mistakes::default());
        let value = reader(Table {
            source: self,
            table: root.get_ref(),
            start: root.span().start,
            path: String::new(),
            known: RefCell::default(),
            mistakes: &mistakes,
        });
        mistakes.into_inner().none()?;
        Ok(value)
    }
}

/// One table of a [`Source`].
pub(crate) struct Table<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    start: usize,
    path: String,
    known: RefCell<Vec<&'static str>>,
    mistakes: &'a RefCell<Mistakes>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    pub(crate) fn place(&self) -> Place {
        self.source.place(self.start)
    }

    pub(crate) fn mistake(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// Keeps the value, or notes why there is none, at `place`.
    pub(crate) fn check<T, E: std::fmt::Display>(
        &self,
        place: &Place,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(Mistake::new(error.to_string()).at(place.clone()));
                None
            }
        }
    }

    fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn place_of(&self, key: &'static str) -> Place {
        self.get(key).map_or_else(|| self.place(), |value| self.source.place(value.span().start))
    }

    fn wrong_type(&self, key: &str, value: Value<'_>, wanted: &str) {
        self.mistake(
            Mistake::new(format!(
                "`{}` is {}",
                self.name_of(key),
                article(value.get_ref().type_str())
            ))
            .at(self.source.place(value.span().start))
            .mend(format!("write {wanted}")),
        );
    }

    pub(crate) fn string(&self, key: &'static str) -> Option<Placed<String>> {
        self.get(key).and_then(|value| self.string_of(key, value))
    }

    fn string_of(&self, key: &str, value: Value<'_>) -> Option<Placed<String>> {
        let Some(text) = value.get_ref().as_str() else {
            let written = value.get_ref();
            let scalar = !written.is_table() && !written.is_array();
            let wanted = match self.source.text.get(value.span()) {
                Some(written) if scalar => format!("it in quotes: \"{written}\""),
                _ => "a text in quotes".to_owned(),
            };
            self.wrong_type(key, value, &wanted);
            return None;
        };
        let place = self.source.place(value.span().start);
        if text.contains('\0') {
            self.mistake(
                Mistake::new(format!("`{}` holds a NUL character", self.name_of(key))).at(place),
            );
            return None;
        }
        Some(Placed { value: text.to_owned(), place })
    }

    /// A string that `FromStr` turns into a `T`.
    pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        key: &'static str,
    ) -> Option<Placed<T>> {
        self.string(key).and_then(|text| self.parse(text))
    }

    pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        text: Placed<String>,
    ) -> Option<Placed<T>> {
        let value = self.check(&text.place, text.value.parse::<T>())?;
        Some(Placed { value, place: text.place })
    }

    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        boolean
    }

    pub(crate) fn integer(&self, key: &'static str) -> Option<Placed<i64>> {
        let value = self.get(key)?;
        let integer = value
            .get_ref()
            .as_integer()
            .and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok());
        match integer {
            Some(value_) => {
                Some(Placed { value: value_, place: self.source.place(value.span().start) })
            }
            None => {
                self.wrong_type(key, value, "a whole number");
                None
            }
        }
    }

    pub(crate) fn strings(&self, key: &'static str) -> Option<Vec<Placed<String>>> {
        self.get(key).and_then(|value| self.strings_of(key, value))
    }

    fn strings_of(&self, key: &str, value: Value<'a>) -> Option<Vec<Placed<String>>> {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of texts, e.g. [\"a\", \"b\"]");
            return None;
        };
        Some(array.iter().filter_map(|item| self.string_of(key, item)).collect())
    }

    pub(crate) fn parsed_list<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        key: &'static str,
    ) -> Option<Vec<Placed<T>>> {
        let texts = self.strings(key)?;
        Some(texts.into_iter().filter_map(|text| self.parse(text)).collect())
    }

    /// Whether `key` holds a list without items.
    pub(crate) fn is_empty_list(&self, key: &'static str) -> bool {
        self.get(key)
            .is_some_and(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    }

    /// Whether `key` holds a table.
    pub(crate) fn is_table(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    pub(crate) fn is_boolean(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|value| value.get_ref().is_bool())
    }

    pub(crate) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.get(key).and_then(|value| self.table_of(key, value))
    }

    fn table_of(&self, key: &str, value: Value<'a>) -> Option<Table<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            let name = self.name_of(key);
            self.wrong_type(key, value, &format!("a table: the line [{name}], its keys below it"));
            return None;
        };
        Some(Table {
            source: self.source,
            table,
            start: value.span().start,
            path: self.name_of(key),
            known: RefCell::default(),
            mistakes: self.mistakes,
        })
    }

    /// The keys of this table that a person is free to choose, each with its place.
    pub(crate) fn names(&self) -> Vec<Placed<String>> {
        let mut names: Vec<(usize, Placed<String>)> = self
            .table
            .keys()
            .map(|key| {
                let place = self.source.place(key.span().start);
                (key.span().start, Placed { value: key.get_ref().to_string(), place })
            })
            .collect();
        names.sort_by_key(|(offset, _)| *offset);
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The entry `name` of a table whose keys a person chooses.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry<'_, 'a>> {
        let (key, value) = self.table.get_key_value(name)?;
        Some(Entry { table: self, name: key.get_ref().to_string(), value })
    }

    /// A table of texts, as `[args]` and `labels` are.
    pub(crate) fn string_map(&self, key: &'static str) -> Option<BTreeMap<String, Placed<String>>> {
        let table = self.table(key)?;
        let names = table.names();
        Some(
            names
                .into_iter()
                .filter_map(|name| Some((name.value.clone(), table.entry(&name.value)?.string()?)))
                .collect(),
        )
    }

    /// The items of a list of tables or texts.
    pub(crate) fn items(&self, key: &'static str) -> Option<Vec<Entry<'_, 'a>>> {
        let value = self.get(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list");
            return None;
        };
        Some(array.iter().map(|value| Entry { table: self, name: key.to_owned(), value }).collect())
    }

    /// Reports the keys that nobody asked for. The last thing to do with a table.
    pub(crate) fn finish(&self) {
        self.finish_but(&[]);
    }

    /// As [`Table::finish`], with a mend of its own for some keys that stand here by mistake.
    pub(crate) fn finish_but(&self, mends: &[(&str, &str)]) {
        let known = self.known.borrow();
        for name in self.names() {
            if known.contains(&name.value.as_str()) {
                continue;
            }
            let mut mistake = Mistake::new(format!("unknown key `{}`", self.name_of(&name.value)));
            let own = mends.iter().find(|(key, _)| *key == name.value).map(|(_, mend)| *mend);
            mistake = match nearest(&name.value, known.iter().copied()) {
                _ if own.is_some() => mistake.mend(own.unwrap_or_default()),
                Some(near) => mistake.mend(format!("did you mean `{near}`?")),
                None => mistake.mend(format!("known here: {}", sorted(&known).join(", "))),
            };
            self.mistake(mistake.at(name.place));
        }
    }
}

/// A value under a name that a person chose, or an item of a list.
pub(crate) struct Entry<'t, 'a> {
    table: &'t Table<'a>,
    name: String,
    value: Value<'a>,
}

impl<'a> Entry<'_, 'a> {
    pub(crate) fn place(&self) -> Place {
        self.table.source.place(self.value.span().start)
    }

    pub(crate) fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(crate) fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(crate) fn string(&self) -> Option<Placed<String>> {
        self.table.string_of(&self.name, self.value)
    }

    /// A text, or a number or truth value as it is written.
    pub(crate) fn scalar(&self) -> Option<Placed<String>> {
        let text = match self.value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            _ => return self.string(),
        };
        Some(Placed { value: text, place: self.place() })
    }

    pub(crate) fn strings(&self) -> Option<Vec<Placed<String>>> {
        self.table.strings_of(&self.name, self.value)
    }

    pub(crate) fn table(&self) -> Option<Table<'a>> {
        self.table.table_of(&self.name, self.value)
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names
}

/// The one of `known` that `name` was probably meant to be.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, candidate)| {
            *likeness > 0.84 || strsim::damerau_levenshtein(name, candidate) <= 1 + name.len() / 6
        })
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
