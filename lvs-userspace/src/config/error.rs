//! What is wrong with a configuration, and where.

use std::{fmt, io, ops::Range};

/// All that is wrong with a file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// Line and column, from 1; `None` if it is the whole file.
    pub place: Option<(usize, usize)>,
    /// The key, as `virtual_service[2].port` (counted from 1); empty if it is no key's fault.
    pub key: String,
    /// What was found, and what is expected.
    pub message: String,
}

impl ConfigErrors {
    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        let message = format!("can't read it: {error}");
        Self(vec![ConfigError { file: file.to_owned(), place: None, key: String::new(), message }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, key, message } = self;
        f.write_str(file)?;
        if let Some((line, column)) = place {
            write!(f, ":{line}:{column}")?;
        }
        if !key.is_empty() {
            write!(f, ": {key}")?;
        }
        write!(f, ": {message}")
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects what is wrong while a text is read.
#[derive(Debug, Default)]
pub(super) struct Problems(std::cell::RefCell<Vec<Problem>>);

#[derive(Debug)]
struct Problem {
    offset: usize,
    key: String,
    message: String,
}

impl Problems {
    pub(super) fn add(&self, span: &Range<usize>, key: &str, message: impl Into<String>) {
        let problem = Problem { offset: span.start, key: key.to_owned(), message: message.into() };
        self.0.borrow_mut().push(problem);
    }

    /// All of them, if there are any.
    pub(super) fn into_errors(self, text: &str, file: &str) -> Result<(), ConfigErrors> {
        let mut problems = self.0.into_inner();
        problems.sort_by_key(|problem| problem.offset);
        if problems.is_empty() {
            return Ok(());
        }
        let errors = problems.into_iter().map(|Problem { offset, key, message }| ConfigError {
            file: file.to_owned(),
            place: Some(line_and_column(text, offset)),
            key,
            message,
        });
        Err(ConfigErrors(errors.collect()))
    }
}

/// Line and column of an offset in bytes, from 1, in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
