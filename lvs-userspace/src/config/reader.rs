//! Takes typed values out of TOML tables, and notes what is wrong with them.

use std::{cell::RefCell, collections::BTreeSet, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::Problems;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Reads one table. Every key that it was asked for is known; [`Reader::unknown_keys`] complains about the
/// others.
pub(super) struct Reader<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// Name of the table, with a dot behind it; empty for the whole document.
    prefix: String,
    asked: RefCell<BTreeSet<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Spanned<DeTable<'a>>, problems: &'a Problems) -> Self {
        Self::of(document.get_ref(), document.span(), String::new(), problems)
    }

    fn of(
        table: &'a DeTable<'a>,
        span: Range<usize>,
        prefix: String,
        problems: &'a Problems,
    ) -> Self {
        Self { table, span, prefix, asked: RefCell::default(), problems }
    }

    /// The value of a key that must be there. `None` if it is not, or is no good: then that has been
    /// noted.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<At<T>> {
        if self.value(key).is_none() {
            self.missing(key);
        }
        self.optional(key, read)
    }

    /// The value of a key that may be there.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(At { value: read, span: value.span() }),
            Err(message) => {
                self.problem(&value.span(), key, &message);
                None
            }
        }
    }

    /// The elements of a key that may be there, or one value in place of a list of one. What is no
    /// good is noted, each element for itself, and left out.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<At<T>>> {
        let value = self.value(key)?;
        let elements = match value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => vec![value],
        };
        let mut values = Vec::new();
        for element in elements {
            match read(element.get_ref()) {
                Ok(read) => values.push(At { value: read, span: element.span() }),
                Err(message) => self.problem(&element.span(), key, &message),
            }
        }
        Some(values)
    }

    /// Whether the key is there.
    pub(super) fn is_there(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Whether the key is there and has a table.
    pub(super) fn is_table(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().as_table().is_some())
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, key: &'static str) {
        self.problem(&self.span, "", &format!("the key {key} is missing"));
    }

    /// The table of a key that must be there.
    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let section = self.section(key);
        if section.is_none() {
            self.problem(&self.span, "", &format!("the section [{}{key}] is missing", self.prefix));
        }
        section?
    }

    /// The table of a key, if it is there; the inner `None` is one that is no good.
    pub(super) fn section(&self, key: &'static str) -> Option<Option<Reader<'a>>> {
        self.value(key).map(|value| self.table_of(key, value))
    }

    fn table_of(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Reader<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            let found = value.get_ref().type_str();
            self.problem(&value.span(), key, &format!("found {found}; expected a section"));
            return None;
        };
        let prefix = format!("{}{key}.", self.prefix);
        Some(Self::of(table, value.span(), prefix, self.problems))
    }

    /// The tables of this one, whatever they are called.
    pub(super) fn named(&self) -> Vec<(String, Reader<'a>)> {
        let entries = self.table.iter();
        entries
            .filter_map(|(key, value)| {
                let name: &str = key.get_ref();
                Some((name.to_owned(), self.table_of(name, value)?))
            })
            .collect()
    }

    /// The tables of a key, if it is there.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Reader<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wrong = |span: &Range<usize>, found: &DeValue<'_>| {
            let expected = format!("expected [[{}{key}]] sections", self.unnumbered());
            self.problem(span, key, &format!("found {}; {expected}", found.type_str()));
        };
        let DeValue::Array(array) = value.get_ref() else {
            wrong(&value.span(), value.get_ref());
            return Vec::new();
        };
        let mut readers = Vec::new();
        for (number, element) in (1..).zip(array.iter()) {
            let Some(table) = element.get_ref().as_table() else {
                wrong(&element.span(), element.get_ref());
                continue;
            };
            let prefix = format!("{}{key}[{number}].", self.prefix);
            readers.push(Self::of(table, element.span(), prefix, self.problems));
        }
        readers
    }

    /// Notes that something is wrong with the value of `key`, wherever that stands.
    pub(super) fn complain(&self, key: &'static str, message: &str) {
        let span = self.value(key).map_or(self.span.clone(), Spanned::span);
        self.problem(&span, key, message);
    }

    /// Notes that something is wrong with the value of `key`.
    pub(super) fn problem(&self, span: &Range<usize>, key: &str, message: &str) {
        let name = format!("{}{key}", self.prefix);
        self.problems.add(span, name.trim_end_matches('.'), message);
    }

    /// Notes the keys that nobody has asked for.
    pub(super) fn unknown_keys(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let advice = match closest(name, &asked) {
                Some(close) => format!("did you mean {close}?"),
                None => {
                    let known: Vec<_> = asked.iter().copied().collect();
                    format!("expected one of {}", known.join(", "))
                }
            };
            self.problem(&key.span(), name, &format!("there is no such key; {advice}"));
        }
    }

    /// Notes the keys that are there, but mean nothing to what has only `its` of `all`.
    pub(super) fn refuse_others<'k>(
        &self,
        what: &str,
        its: &[&str],
        all: impl Iterator<Item = &'k str>,
    ) {
        for key in all.collect::<BTreeSet<_>>() {
            if let Some(value) = self.table.get(key).filter(|_| !its.contains(&key)) {
                let message = format!("means nothing to {what}");
                self.problem(&value.span(), key, &message);
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// The prefix as it stands in section headers.
    fn unnumbered(&self) -> String {
        self.prefix.split('[').map(|part| part.split(']').next_back().unwrap_or(part)).collect()
    }
}

/// The known key that `name` was most likely to be.
fn closest(name: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let distance = |key: &&&str| edits(name, key);
    known.iter().min_by_key(distance).filter(|key| edits(name, key) <= 2).copied()
}

/// How many letters must be put in, taken out or changed (Levenshtein's distance).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[to.len()]
}
