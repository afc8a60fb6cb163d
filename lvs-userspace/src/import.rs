//! Configurations of other programs, turned into ours. Pure: text in, text or errors out.

mod lvs_conf;
mod toml_text;

use std::fmt;

use crate::config::{Config, ConfigError};

/// A configuration that was turned into ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Our TOML.
    pub toml: String,
    /// What could not be carried over.
    pub left_out: Vec<Line>,
}

/// Something to say of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// What is to be said.
    pub message: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.message)
    }
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The lvs.conf of the monograph that this project follows
    #[value(name = "lvs.conf")]
    LvsConf,
}

/// Turns a file into our TOML; `director` is what this machine is called.
///
/// # Errors
/// All that is wrong with it.
pub fn import(format: Format, text: &str, director: &str) -> Result<Imported, Vec<Line>> {
    let imported = match format {
        Format::LvsConf => lvs_conf::import(text, director)?,
    };
    // What only the whole shows, such as a real server with the address of its service.
    let problem = |error: ConfigError| Line {
        number: 1,
        message: format!("what it means is refused: {}: {}", error.key, error.message),
    };
    match Config::parse(&imported.toml, "") {
        Ok(_) => Ok(imported),
        Err(errors) => Err(errors.0.into_iter().map(problem).collect()),
    }
}
