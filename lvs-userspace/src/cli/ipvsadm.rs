//! ipvsadm's way of speaking, as ipvsadm 1.31 understands it: what its options mean (`options`, `rules`,
//! `values`, `edits`), what it shows (`show`, `save`), and how that is had from lvsd (`answer`).
//!
//! What ipvsadm has and direct routing has no use for is refused in one line.

mod answer;
mod edits;
mod options;
mod rules;
mod save;
mod show;
mod values;

use std::path::Path;

pub(super) use answer::answer;

use crate::{config::Edit, model::ServiceId};
use edits::Keys;
use options::{Given, Malformed, Options};
use rules::Command;

/// What was asked for in ipvsadm's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// `-L`.
    List(List),
    /// `-v`.
    Version,
    /// `-h`.
    Help,
    /// `-A`, `-E`, `-D`, `-a`, `-e`, `-d`, `-C` and `--set`.
    Edit(Edit),
    /// `-Z`: of one service, or of all.
    Zero(Option<ServiceId>),
    /// `-S`.
    Save {
        /// `-n`.
        numeric: bool,
    },
    /// `-R`.
    Restore,
}

/// The options of `-L`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// Only this service.
    pub(super) service: Option<ServiceId>,
    /// `-n`: addresses and ports as numbers.
    pub(super) numeric: bool,
    /// `-c`: the connections in place of the services.
    pub(super) connections: bool,
    /// `--timeout`: how long connections may be silent.
    pub(super) timeout: bool,
    /// `--daemon`: the daemons that tell another director of connections.
    pub(super) daemon: bool,
    /// `--stats`: counters in place of weights and connections.
    pub(super) stats: bool,
    /// `--rate`: the same in a second.
    pub(super) rate: bool,
    /// `--thresholds`.
    pub(super) thresholds: bool,
    /// `--persistent-conn`.
    pub(super) persistent: bool,
    /// `--nosort`: in the order of the configuration.
    pub(super) unsorted: bool,
    /// `--exact`: counters without K, M and G.
    pub(super) exact: bool,
}

/// What is said on stderr, and the exit status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) status: u8,
}

impl Failure {
    /// The command makes no sense.
    fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 2 }
    }

    /// It can't be done: what ipvsadm ends with when the kernel says no.
    fn refused(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 255 }
    }

    /// What direct routing has no use for.
    fn without(what: &str) -> Self {
        Self::usage(format!(
            "there is no {what} here: packets are forwarded by direct routing alone"
        ))
    }
}

/// Whether these arguments are ipvsadm's and not nouns and verbs.
pub(super) fn is_meant(arguments: &[String]) -> bool {
    match arguments.first().map(String::as_str) {
        None => true, // ipvsadm without arguments lists.
        Some("--help" | "-h" | "--version" | "-V") => false,
        Some(first) => first.starts_with('-'),
    }
}

/// Reads ipvsadm's arguments; `name` is what it was called by.
pub(super) fn parse(name: &Path, arguments: &[String]) -> Result<Ask, Failure> {
    if arguments.is_empty() {
        return Ok(Ask::List(List::default()));
    }
    let hint = || {
        let name = name.display();
        Failure::refused(format!("Try `{name} -h' or '{name} --help' for more information."))
    };
    let mut options = Options::new(arguments);
    // The command comes first.
    let first = options.next().ok().flatten().ok_or_else(hint)?;
    let command = match first.name {
        "help" => return Ok(Ask::Help),
        "version" => return Ok(Ask::Version),
        "start-daemon" | "stop-daemon" => {
            return Err(Failure::usage(
                "there is no sync daemon to start or stop: lvsd does what the [failover] section \
                 of its configuration says",
            ));
        }
        name => Command::of(name).ok_or_else(hint)?,
    };
    let mut list = List::default();
    let mut keys = Keys::default();
    let mut given = Vec::new();
    let malformed = |Malformed { written, why }| Failure::refused(format!("{written}: {why}"));
    while let Some(option) = options.next().map_err(malformed)? {
        let name = take(&option, &mut list, &mut keys)?;
        if given.contains(&name) {
            return Err(Failure::usage(format!("multiple '{name}' options specified")));
        }
        given.extend(Some(name).filter(|it| !it.is_empty()));
    }
    if command == Command::Set {
        return Ok(Ask::Edit(edits::set(&options.words)?));
    }
    if let Some(word) = options.words.first() {
        return Err(Failure::usage(format!("unexpected argument {word}")));
    }
    rules::check(command, &given)?;
    match command {
        Command::List if lists_too_much(&list) => {
            Err(Failure::usage("options conflicts in the list command"))
        }
        Command::List => Ok(Ask::List(List { service: keys.service, ..list })),
        Command::Save => Ok(Ask::Save { numeric: list.numeric }),
        Command::Restore => Ok(Ask::Restore),
        Command::Zero => Ok(Ask::Zero(keys.service)),
        Command::AddService
        | Command::EditService
        | Command::DeleteService
        | Command::Clear
        | Command::AddServer
        | Command::EditServer
        | Command::DeleteServer
        | Command::Set => keys.edit(command).map(Ask::Edit),
    }
}

/// Notes an option, and gives the name by which messages call it; none if it may come again.
fn take(option: &Given, list: &mut List, keys: &mut Keys) -> Result<&'static str, Failure> {
    let flag = match option.name {
        "numeric" => &mut list.numeric,
        "connection" => &mut list.connections,
        "timeout" => &mut list.timeout,
        "daemon" => &mut list.daemon,
        "stats" => &mut list.stats,
        "rate" => &mut list.rate,
        "thresholds" => &mut list.thresholds,
        "persistent-conn" => &mut list.persistent,
        "nosort" => &mut list.unsorted,
        "exact" => &mut list.exact,
        // It does nothing: the list is sorted.
        "sort" => return Ok(""),
        _ => return keys.take(option),
    };
    *flag = true;
    Ok(option.name)
}

/// Counters of what has none.
fn lists_too_much(list: &List) -> bool {
    let List { connections, timeout, daemon, stats, rate, thresholds, persistent, .. } = *list;
    let counters = stats || rate || thresholds;
    (connections && counters) || ((timeout || daemon) && (counters || persistent))
}

/// Reads what `-S` has printed: a command in each line.
///
/// # Errors
/// What is wrong with the first line that changes nothing, or makes no sense.
fn parse_saved(text: &str) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        edits.extend(parse_saved_line(line).map_err(|error| format!("line {number}: {error}"))?);
    }
    Ok(edits)
}

/// Reads a line of what `-S` has printed; `None` if nothing stands there.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_saved_line(line: &str) -> Result<Option<Edit>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("ipvsadm ").unwrap_or(line);
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    match parse(Path::new("ipvsadm"), &words) {
        Ok(Ask::Edit(edit)) => Ok(Some(edit)),
        Ok(_) => Err(format!("{line:?} changes nothing")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
