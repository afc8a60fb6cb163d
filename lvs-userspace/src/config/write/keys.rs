//! Keys with their values, sections and tables in one line, as TOML has them.

use std::{fmt, time::Duration};

use toml::Value;

/// What keys are written to, one after the other.
pub(super) trait Keys {
    /// Writes a key with its value as TOML has it.
    fn write(&mut self, name: &str, value: impl fmt::Display);

    fn key(&mut self, name: &str, value: impl Into<Value>) {
        self.write(name, value.into());
    }

    fn key_if<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.key(name, value);
        }
    }
}

/// A text that grows by keys and sections.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Text {
    pub(super) fn section(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0 += header;
        self.0.push('\n');
    }
}

impl Keys for Text {
    fn write(&mut self, name: &str, value: impl fmt::Display) {
        self.0 += &format!("{name} = {value}\n");
    }
}

/// A table in one line; unlike a [`Value`] it keeps its keys in order.
#[derive(Default)]
pub(super) struct Inline(Vec<String>);

impl Keys for Inline {
    fn write(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push(format!("{name} = {value}"));
    }
}

impl fmt::Display for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ {} }}", self.0.join(", "))
    }
}

/// The value, if it is not the usual one.
pub(super) fn unless<T: Copy + PartialEq>(usual: T, value: T) -> Option<T> {
    (value != usual).then_some(value)
}

pub(super) fn time(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let whole = units.iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(&("ms", 1));
    format!("{}{name}", ms / unit)
}

pub(super) fn strings(list: &[String]) -> Value {
    Value::Array(list.iter().map(|it| Value::from(it.as_str())).collect())
}
