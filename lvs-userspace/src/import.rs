//! Configurations of other programs, turned into ours. Pure: text in, text or errors out; but for the names
//! of ports, which are looked up in /etc/services.

mod ipvsadm;
mod keepalived;
mod lvs_conf;

use std::fmt;

use crate::{
    config::{Config, ConfigError, Director, VirtualService},
    model::Scheduler,
};

/// A configuration that was turned into ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Our TOML.
    pub toml: String,
    /// What could not be carried over, or not as it was.
    pub left_out: Vec<Line>,
}

/// Something to say of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What ipvsadm -S -n writes
    Ipvsadm,
    /// A keepalived.conf
    Keepalived,
}

/// What an importer has found.
struct Draft {
    config: Config,
    /// What to say to who goes on from there.
    notes: Vec<&'static str>,
    left_out: Vec<Line>,
}

impl Draft {
    /// Nothing yet, for a director that is called so; its interface is a guess.
    fn new(director: &str) -> Self {
        let director = Director::new(director.to_owned(), vec!["eth0".to_owned()]);
        Self { config: Config::new(director), notes: Vec::new(), left_out: Vec::new() }
    }
}

const REFUSED: &str = "what it means is refused";
/// That the interface is a guess.
const ADJUST_INTERFACES: &str = "Adjust interfaces: where clients and real servers are.";

/// Schedulers of IPVS that ours has not, and what comes nearest.
const OTHER_SCHEDULERS: [(&str, Scheduler); 5] = [
    ("lblc", Scheduler::Dh),
    ("lblcr", Scheduler::Dh),
    ("fo", Scheduler::Wlc),
    ("ovf", Scheduler::Wlc),
    ("twos", Scheduler::Wlc),
];

/// Turns a file into our TOML; `director` is what this machine is called.
///
/// # Errors
/// All that is wrong with it.
pub fn import(format: Format, text: &str, director: &str) -> Result<Imported, Vec<Line>> {
    let draft = match format {
        Format::LvsConf => lvs_conf::import(text, director),
        Format::Ipvsadm => ipvsadm::import(text, director),
        Format::Keepalived => keepalived::import(text, director),
    };
    let Draft { config, notes, left_out } = draft.map_err(in_print)?;
    let left_out = in_print(left_out);
    let mut toml = String::new();
    if !left_out.is_empty() {
        toml += "# Not carried over, or not as it was:\n";
        for line in &left_out {
            toml += &format!("#   line {line}\n");
        }
        toml.push('\n');
    }
    for note in &notes {
        toml += &format!("# {note}\n");
    }
    if !notes.is_empty() {
        toml.push('\n');
    }
    toml += &config.to_toml();
    // What an importer should have found, and has not.
    let problem = |error: ConfigError| Line {
        number: 1,
        message: format!("{REFUSED}: {}: {}", error.key, error.message),
    };
    match Config::parse(&toml, "") {
        Ok(_) => Ok(Imported { toml, left_out }),
        Err(errors) => Err(errors.0.into_iter().map(problem).collect()),
    }
}

/// In their order, each once, and without control characters: neither a comment in TOML nor a terminal
/// wants them.
fn in_print(mut lines: Vec<Line>) -> Vec<Line> {
    for line in &mut lines {
        line.message = line.message.replace(char::is_control, "?");
    }
    lines.sort();
    lines.dedup();
    lines
}

/// Why a file can't say this of a service; `None` if it can.
fn refusal(service: &VirtualService) -> Option<String> {
    let director = "director = { name = \"x\", interfaces = [\"x\"] }";
    let errors = Config::parse(&format!("{director}\n{}", service.to_toml()), "").err()?;
    let problem = |error: ConfigError| {
        let key = error.key.rsplit('.').next().unwrap_or_default().to_owned();
        format!("{key}: {}", error.message)
    };
    Some(errors.0.into_iter().map(problem).collect::<Vec<_>>().join("; "))
}

/// The scheduler of that name, or what comes nearest, and that it does.
fn scheduler(name: &str) -> Result<(Scheduler, Option<String>), String> {
    if let Some(known) = Scheduler::ALL.into_iter().find(|it| it.name() == name) {
        return Ok((known, None));
    }
    match OTHER_SCHEDULERS.iter().find(|(other, _)| *other == name) {
        Some((_, nearest)) => {
            Ok((*nearest, Some(format!("there is no {name}; {nearest} is nearest"))))
        }
        None => {
            let names = Scheduler::ALL.map(Scheduler::name).join(", ");
            Err(format!("{name:?} is none of the schedulers {names}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(lines: &[Line]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// What comes of a file, or what is wrong with it.
    pub(super) fn show(format: Format, text: &str) -> String {
        import(format, text, "midas").map_or_else(|errors| lines(&errors), |it| it.toml)
    }

    /// What is not carried over of a file, or what is wrong with it.
    pub(super) fn said(format: Format, text: &str) -> String {
        import(format, text, "midas").map_or_else(|errors| lines(&errors), |it| lines(&it.left_out))
    }

    /// What comes of any text is ours, or its importer has refused it with a line.
    pub(super) fn is_ours_or_refused(format: Format, text: &str) {
        match import(format, text, "a \"name\"") {
            Ok(Imported { toml, .. }) => assert!(Config::parse(&toml, "").is_ok(), "{toml}"),
            Err(errors) => {
                assert!(!errors.is_empty());
                let late = errors.iter().find(|it| it.message.starts_with(REFUSED));
                assert_eq!(late, None, "{text}");
            }
        }
    }

    /// The text with words of it in the places of others.
    pub(super) fn damaged(text: &'static str) -> impl Strategy<Value = String> {
        let words = text.split_inclusive([' ', '\n']).filter(|it| *it != " ");
        let words: Vec<&str> = words.collect();
        let word = 0..words.len();
        prop::collection::vec((word.clone(), word), 1..6).prop_map(move |damage| {
            let mut damaged = words.clone();
            for (at, from) in damage {
                damaged[at] = words[from];
            }
            damaged.concat()
        })
    }
}
