//! ipvsadm's way of speaking: its options, combined as getopt combines them.

mod edits;

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr as _,
};

pub(super) use edits::save;

use crate::{
    config::Edit,
    model::{Protocol, ServiceId},
};
use edits::{Given, Verb};

/// What was asked for in ipvsadm's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `-L`.
    List(List),
    /// `-v`.
    Version,
    /// `-A`, `-E`, `-D`, `-a`, `-e`, `-d` and `-C`.
    Edit(Edit),
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
    pub(super) fn id(&self) -> ServiceId {
        let Self { protocol, address } = *self;
        ServiceId { protocol, address: address.ip(), port: address.port() }
    }

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
    #[error("You need to supply a command with option \"{0}\"")]
    NoCommand(String),
    #[error("You need to supply the '{0}' option for the '{1}' command")]
    Needs(String, String),
    #[error("Illegal '{0}' option with the '{1}' command")]
    Illegal(String, String),
    #[error("option \"{0}\" needs a value")]
    NeedsValue(String),
    #[error("\"{1}\" is no value of option \"{0}\"")]
    BadValue(String, String),
    #[error("\"{0}\" is no scheduler; there are rr, wrr, lc, wlc, sed, nq, sh, dh, mh, fastest")]
    NoScheduler(String),
    #[error("\"{0}\" is no real server: expected its address, like 192.0.2.11")]
    BadServer(String),
    #[error("there is direct routing alone (-g), and no \"{0}\"")]
    Forwarding(String),
}

/// Whether these arguments are ipvsadm's and not nouns and verbs.
pub(super) fn is_meant(arguments: &[String]) -> bool {
    match arguments.first().map(String::as_str) {
        None => true, // ipvsadm without arguments lists.
        Some("--help" | "-h" | "--version" | "-V") => false,
        Some(first) => first.starts_with('-'),
    }
}

/// What an argument says is to be done.
#[derive(Clone, Copy, Debug)]
enum Kind {
    List,
    Version,
    Edit(Verb),
    Save,
    Restore,
}

/// Reads ipvsadm's options.
pub(super) fn parse(arguments: &[String]) -> Result<Command, UsageError> {
    let mut kind = None;
    let mut list = List::default();
    let mut given = Given::default();
    let mut first_option = None;
    let mut options = Options::new(arguments);
    while let Some(option) = options.next()? {
        let name = option.as_str();
        match name {
            "-L" | "-l" | "--list" => set(&mut kind, Kind::List)?,
            "-v" | "--version" => set(&mut kind, Kind::Version)?,
            "-S" | "--save" => set(&mut kind, Kind::Save)?,
            "-R" | "--restore" => set(&mut kind, Kind::Restore)?,
            "-n" | "--numeric" => list.numeric = true,
            "--stats" => list.stats = true,
            "--rate" => list.rate = true,
            "-c" | "--connection" => list.connections = true,
            "--exact" => list.exact = true,
            "-t" | "--tcp-service" => {
                given.service = Some(service(Protocol::Tcp, name, options.value())?);
            }
            "-u" | "--udp-service" => {
                given.service = Some(service(Protocol::Udp, name, options.value())?);
            }
            _ => {
                if let Some(verb) = Verb::of(name) {
                    set(&mut kind, Kind::Edit(verb))?;
                } else if !given.take(name, |needed| match needed {
                    true => options.value(),
                    false => options.optional_value(),
                })? {
                    return Err(UsageError::UnknownOption(option));
                }
            }
        }
        first_option.get_or_insert(option);
    }
    match (kind, first_option) {
        (Some(Kind::Version), _) => Ok(Command::Version),
        (Some(Kind::Edit(verb)), _) => given.edit(verb).map(Command::Edit),
        (Some(Kind::Save), _) => Ok(Command::Save { numeric: list.numeric }),
        (Some(Kind::Restore), _) => Ok(Command::Restore),
        (Some(Kind::List), _) | (None, None) if given.is_empty() => {
            list.service = given.service;
            Ok(Command::List(list))
        }
        (Some(Kind::List) | None, Some(option)) => Err(UsageError::NoCommand(option)),
        (Some(Kind::List) | None, None) => Ok(Command::List(list)),
    }
}

/// Reads what `-S` has printed: a command in each line.
pub(super) fn parse_saved(text: &str) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        match parse(&words) {
            Ok(Command::Edit(edit)) => edits.push(edit),
            Ok(_) => return Err(format!("line {number}: {line:?} changes nothing")),
            Err(error) => return Err(format!("line {number}: {error}")),
        }
    }
    Ok(edits)
}

fn set(kind: &mut Option<Kind>, new: Kind) -> Result<(), UsageError> {
    match kind.replace(new) {
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

impl Options<'_> {
    /// The value of the option that was just read, if what follows may be one.
    fn optional_value(&mut self) -> Option<String> {
        let is_next = self.arguments.as_slice().first().is_some_and(|it| !it.starts_with('-'));
        (self.value.is_some() || !self.group.is_empty() || is_next).then(|| self.value())?
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

    /// What `-S` prints, `-R` reads: the same services again.
    #[test]
    fn what_is_saved_is_restored() {
        let saved = "\
-A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.0.2.10:80 -r 192.0.2.11:80 -g -w 3
-a -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 0 -x 100 -y 75
-A -u [2001:db8::10]:53 -s rr -p 360 -M 64
-a -u [2001:db8::10]:53 -r [2001:db8::11]:53 -g -w 1
-A -u 192.0.2.10:53 -s sh -o
";
        let empty = "director = { name = \"x\", interfaces = [\"x\"] }";
        let mut config = crate::config::Config::parse(empty, "").unwrap();
        let text = format!("# a comment\n\n{}", saved.replace(" -p 360", " -p"));
        config = config.edited(&parse_saved(&text).unwrap()).unwrap();
        assert_eq!(save(&config, true), saved);
        for (text, error) in [
            ("-A -t 192.0.2.10:80\n-L", "line 2: \"-L\" changes nothing"),
            (
                "-A",
                "line 1: You need to supply the 'service-address' option for the 'add-service' command",
            ),
        ] {
            assert_eq!(parse_saved(text).unwrap_err(), error);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, error) in [
            ("-L -q", "unknown option \"-q\"; `lvsctl --help` shows what there is"),
            ("-L --stat", "unknown option \"--stat\"; `lvsctl --help` shows what there is"),
            ("-L foo", "unexpected argument \"foo\"; `lvsctl --help` shows what there is"),
            ("-L --stats=1", "unexpected argument \"1\"; `lvsctl --help` shows what there is"),
            ("-L -L", "multiple commands specified"),
            ("-n", "You need to supply a command with option \"-n\""),
            ("-L -w 3", "You need to supply a command with option \"-L\""),
            (
                "-A -s rr",
                "You need to supply the 'service-address' option for the 'add-service' command",
            ),
            (
                "-a -t 192.0.2.10:80",
                "You need to supply the 'server-address' option for the 'add-server' command",
            ),
            ("-A -t 192.0.2.10:80 -w 3", "Illegal 'weight' option with the 'add-service' command"),
            (
                "-D -t 192.0.2.10:80 -s rr",
                "Illegal 'scheduler' option with the 'delete-service' command",
            ),
            ("-C -t 192.0.2.10:80", "Illegal 'service' option with the 'clear' command"),
            ("-a -t 192.0.2.10:80 -r 192.0.2.11 -w -1", "\"-1\" is no value of option \"-w\""),
            (
                "-a -t 192.0.2.10:80 -r 192.0.2.11 -m",
                "there is direct routing alone (-g), and no \"-m\"",
            ),
            (
                "-a -t 192.0.2.10:80 -r web",
                "\"web\" is no real server: expected its address, like 192.0.2.11",
            ),
            ("-A -t 192.0.2.10:80 -M 255.0.255.0", "\"255.0.255.0\" is no value of option \"-M\""),
            ("-A -D", "multiple commands specified"),
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
