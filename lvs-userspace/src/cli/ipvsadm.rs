//! ipvsadm's way of speaking: its options, combined as getopt combines them.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr as _,
};

use crate::model::Protocol;

/// What was asked for in ipvsadm's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `-L`.
    List(List),
    /// `-v`.
    Version,
}

/// The options of `-L`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// Only this service.
    pub(super) service: Option<Service>,
    /// `-n`: addresses and ports as numbers.
    pub(super) numeric: bool,
    /// `--stats`: counters in place of weights and connections.
    pub(super) stats: bool,
    /// `--rate`: the same in a second.
    pub(super) rate: bool,
    /// `-c`: the connections in place of the services.
    pub(super) connections: bool,
    /// `--exact`: counters without K, M and G.
    pub(super) exact: bool,
}

/// A service, as `-t` and `-u` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    protocol: Protocol,
    address: SocketAddr,
}

impl Service {
    pub(super) fn is(&self, protocol: Protocol, address: IpAddr, port: u16) -> bool {
        self.protocol == protocol && self.address == SocketAddr::new(address, port)
    }
}

/// What is wrong with the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsageError {
    #[error("unknown option \"{0}\"; `lvsctl --help` shows what there is")]
    UnknownOption(String),
    #[error("unexpected argument \"{0}\"; `lvsctl --help` shows what there is")]
    UnexpectedArgument(String),
    #[error("option \"{0}\" needs a service: ADDRESS:PORT")]
    NoValue(String),
    #[error(
        "\"{0}\" is no service: expected ADDRESS:PORT, like 192.0.2.10:80 or [2001:db8::10]:80"
    )]
    BadService(String),
    #[error("multiple commands specified")]
    ManyCommands,
    #[error("You need to supply the 'list' command with option \"{0}\"")]
    NoCommand(String),
}

/// Whether these arguments are ipvsadm's and not nouns and verbs.
pub(super) fn is_meant(arguments: &[String]) -> bool {
    match arguments.first().map(String::as_str) {
        None => true, // ipvsadm without arguments lists.
        Some("--help" | "-h" | "--version" | "-V") => false,
        Some(first) => first.starts_with('-'),
    }
}

/// Reads ipvsadm's options.
pub(super) fn parse(arguments: &[String]) -> Result<Command, UsageError> {
    let mut command = None;
    let mut list = List::default();
    let mut first_option = None;
    let mut options = Options::new(arguments);
    while let Some(option) = options.next()? {
        let name = option.as_str();
        match name {
            "-L" | "-l" | "--list" => set(&mut command, Command::List(List::default()))?,
            "-v" | "--version" => set(&mut command, Command::Version)?,
            "-n" | "--numeric" => list.numeric = true,
            "--stats" => list.stats = true,
            "--rate" => list.rate = true,
            "-c" | "--connection" => list.connections = true,
            "--exact" => list.exact = true,
            "-t" | "--tcp-service" => {
                list.service = Some(service(Protocol::Tcp, name, options.value())?);
            }
            "-u" | "--udp-service" => {
                list.service = Some(service(Protocol::Udp, name, options.value())?);
            }
            _ => return Err(UsageError::UnknownOption(option)),
        }
        first_option.get_or_insert(option);
    }
    match (command, first_option) {
        (Some(Command::Version), _) => Ok(Command::Version),
        (Some(Command::List(_)), _) | (None, None) => Ok(Command::List(list)),
        (None, Some(option)) => Err(UsageError::NoCommand(option)),
    }
}

fn set(command: &mut Option<Command>, new: Command) -> Result<(), UsageError> {
    match command.replace(new) {
        None => Ok(()),
        Some(_) => Err(UsageError::ManyCommands),
    }
}

fn service(protocol: Protocol, option: &str, value: Option<String>) -> Result<Service, UsageError> {
    let text = value.ok_or_else(|| UsageError::NoValue(option.to_owned()))?;
    let address = SocketAddr::from_str(&text).ok().or_else(|| {
        let (address, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(IpAddr::from_str(address).ok()?, port.parse().ok()?))
    });
    match address {
        Some(address) => Ok(Service { protocol, address }),
        None => Err(UsageError::BadService(text)),
    }
}

/// The arguments one option at a time: `-Ln` is `-L` and `-n`, `-tX` and `--name=X` have a value.
struct Options<'a> {
    arguments: std::slice::Iter<'a, String>,
    /// What is left of a group of short options.
    group: &'a str,
    /// What stands behind `=`.
    value: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn new(arguments: &'a [String]) -> Self {
        Self { arguments: arguments.iter(), group: "", value: None }
    }

    fn next(&mut self) -> Result<Option<String>, UsageError> {
        if let Some(value) = self.value.take() {
            return Err(UsageError::UnexpectedArgument(value.to_owned()));
        }
        if self.group.is_empty() {
            let Some(argument) = self.arguments.next() else { return Ok(None) };
            if let Some(long) = argument.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                self.value = value;
                return Ok(Some(format!("--{name}")));
            }
            match argument.strip_prefix('-').filter(|group| !group.is_empty()) {
                Some(group) => self.group = group,
                None => return Err(UsageError::UnexpectedArgument(argument.clone())),
            }
        }
        let mut letters = self.group.chars();
        let letter = letters.next();
        self.group = letters.as_str();
        Ok(letter.map(|letter| format!("-{letter}")))
    }

    /// The value of the option that was just read.
    fn value(&mut self) -> Option<String> {
        if let Some(value) = self.value.take() {
            return Some(value.to_owned());
        }
        if !self.group.is_empty() {
            return Some(std::mem::take(&mut self.group).to_owned());
        }
        self.arguments.next().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, UsageError> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_combine_as_with_getopt() {
        let numeric = Command::List(List { numeric: true, ..List::default() });
        for line in ["-L -n", "-Ln", "-l -n", "-nL", "--list --numeric"] {
            assert_eq!(parsed(line), Ok(numeric.clone()), "{line}");
        }
        assert_eq!(parsed(""), Ok(Command::List(List::default())));
        let stats = List { numeric: true, stats: true, exact: true, ..List::default() };
        assert_eq!(parsed("-Ln --stats --exact"), Ok(Command::List(stats)));
        for line in ["-L -t 192.0.2.10:80", "-Lt192.0.2.10:80", "-L --tcp-service=192.0.2.10:80"] {
            let Ok(Command::List(List { service: Some(service), .. })) = parsed(line) else {
                panic!("{line}: no service");
            };
            assert_eq!(service.address, "192.0.2.10:80".parse().unwrap(), "{line}");
        }
        assert!(parsed("-L -t [2001:db8::1]:80").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, error) in [
            ("-L -q", "unknown option \"-q\"; `lvsctl --help` shows what there is"),
            ("-L --stat", "unknown option \"--stat\"; `lvsctl --help` shows what there is"),
            ("-L foo", "unexpected argument \"foo\"; `lvsctl --help` shows what there is"),
            ("-L --stats=1", "unexpected argument \"1\"; `lvsctl --help` shows what there is"),
            ("-L -L", "multiple commands specified"),
            ("-n", "You need to supply the 'list' command with option \"-n\""),
            ("-L -t", "option \"-t\" needs a service: ADDRESS:PORT"),
            (
                "-L -t 192.0.2.10",
                "\"192.0.2.10\" is no service: expected ADDRESS:PORT, like 192.0.2.10:80 or \
                 [2001:db8::10]:80",
            ),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), error, "{line}");
        }
    }
}
