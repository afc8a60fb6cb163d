//! The arguments, one option at a time, as popt reads them: `-Ln` is `-L` and `-n`; `-tX`, `-t X`,
//! `--name=X` and `--name X` have a value.

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// One, if what follows does not look like an option.
    Perhaps,
}

/// An option: its letter, its long name, and what it takes.
type Known = (Option<char>, &'static str, Takes);

/// Every option of ipvsadm 1.31 (ipvsadm(8)).
const OPTIONS: [Known; 58] = [
    (Some('A'), "add-service", Takes::Nothing),
    (Some('E'), "edit-service", Takes::Nothing),
    (Some('D'), "delete-service", Takes::Nothing),
    (Some('C'), "clear", Takes::Nothing),
    (Some('L'), "list", Takes::Nothing),
    (Some('l'), "list", Takes::Nothing),
    (Some('a'), "add-server", Takes::Nothing),
    (Some('e'), "edit-server", Takes::Nothing),
    (Some('d'), "delete-server", Takes::Nothing),
    (None, "set", Takes::Nothing),
    (None, "start-daemon", Takes::Value),
    (None, "stop-daemon", Takes::Value),
    (Some('R'), "restore", Takes::Nothing),
    (Some('S'), "save", Takes::Nothing),
    (Some('Z'), "zero", Takes::Nothing),
    (Some('h'), "help", Takes::Nothing),
    (Some('v'), "version", Takes::Nothing),
    (Some('t'), "tcp-service", Takes::Value),
    (Some('u'), "udp-service", Takes::Value),
    (None, "sctp-service", Takes::Value),
    (Some('f'), "fwmark-service", Takes::Value),
    (Some('s'), "scheduler", Takes::Value),
    (Some('p'), "persistent", Takes::Perhaps),
    (Some('M'), "netmask", Takes::Value),
    (Some('r'), "real-server", Takes::Value),
    (Some('g'), "gatewaying", Takes::Nothing),
    (Some('i'), "ipip", Takes::Nothing),
    (Some('m'), "masquerading", Takes::Nothing),
    (Some('w'), "weight", Takes::Value),
    (Some('x'), "u-threshold", Takes::Value),
    (Some('y'), "l-threshold", Takes::Value),
    (None, "mcast-interface", Takes::Value),
    (None, "timeout", Takes::Nothing),
    (None, "daemon", Takes::Nothing),
    (None, "stats", Takes::Nothing),
    (None, "rate", Takes::Nothing),
    (None, "thresholds", Takes::Nothing),
    (None, "persistent-conn", Takes::Nothing),
    (None, "nosort", Takes::Nothing),
    (None, "sort", Takes::Nothing),
    (None, "exact", Takes::Nothing),
    (Some('n'), "numeric", Takes::Nothing),
    (Some('c'), "connection", Takes::Nothing),
    (None, "syncid", Takes::Value),
    (Some('6'), "ipv6", Takes::Nothing),
    (Some('o'), "ops", Takes::Nothing),
    (None, "pe", Takes::Value),
    (Some('b'), "sched-flags", Takes::Value),
    (None, "mcast-group", Takes::Value),
    (None, "mcast-port", Takes::Value),
    (None, "mcast-ttl", Takes::Value),
    (None, "sync-maxlen", Takes::Value),
    (None, "tun-info", Takes::Nothing),
    (None, "tun-type", Takes::Value),
    (None, "tun-port", Takes::Value),
    (None, "tun-nocsum", Takes::Nothing),
    (None, "tun-csum", Takes::Nothing),
    (None, "tun-remcsum", Takes::Nothing),
];

/// An option that was given: its long name, how it was written, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: &'static str,
    pub(super) written: String,
    pub(super) value: Option<String>,
}

/// What is wrong with an argument, in popt's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) written: String,
    pub(super) why: &'static str,
}

/// The options that were given, and the words that are none.
pub(super) struct Options<'a> {
    arguments: std::slice::Iter<'a, String>,
    /// What is left of a group of short options.
    group: &'a str,
    pub(super) words: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(super) fn new(arguments: &'a [String]) -> Self {
        Self { arguments: arguments.iter(), group: "", words: Vec::new() }
    }

    /// The next option.
    pub(super) fn next(&mut self) -> Result<Option<Given>, Malformed> {
        while self.group.is_empty() {
            let Some(argument) = self.arguments.next() else { return Ok(None) };
            if argument == "--" {
                self.words.extend(self.arguments.by_ref().map(String::as_str));
                return Ok(None);
            }
            if let Some(long) = argument.strip_prefix("--") {
                return self.long(long).map(Some);
            }
            match argument.strip_prefix('-').filter(|group| !group.is_empty()) {
                Some(group) => self.group = group,
                None => self.words.push(argument),
            }
        }
        let mut letters = self.group.chars();
        let letter = letters.next().unwrap_or_default();
        self.group = letters.as_str();
        self.short(letter).map(Some)
    }

    fn long(&mut self, long: &'a str) -> Result<Given, Malformed> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let malformed = |why| Malformed { written: format!("--{long}"), why };
        let known = OPTIONS.iter().find(|(_, known, _)| *known == name);
        let &(_, name, takes) = known.ok_or_else(|| malformed("unknown option"))?;
        let value = match (takes, value) {
            (Takes::Nothing, Some(_)) => {
                return Err(malformed("option does not take an argument"));
            }
            (Takes::Nothing, None) => None,
            (Takes::Value | Takes::Perhaps, Some(value)) => Some(value),
            (Takes::Value, None) => {
                Some(self.arguments.next().ok_or_else(|| malformed("missing argument"))?.clone())
            }
            (Takes::Perhaps, None) => self.perhaps(),
        };
        Ok(Given { name, written: format!("--{name}"), value })
    }

    fn short(&mut self, letter: char) -> Result<Given, Malformed> {
        let written = format!("-{letter}");
        let malformed = |why| Malformed { written: written.clone(), why };
        let known = OPTIONS.iter().find(|(known, ..)| *known == Some(letter));
        let &(_, name, takes) = known.ok_or_else(|| malformed("unknown option"))?;
        let rest = std::mem::take(&mut self.group);
        let value = match takes {
            Takes::Nothing => {
                self.group = rest;
                None
            }
            Takes::Value | Takes::Perhaps if !rest.is_empty() => {
                Some(rest.strip_prefix('=').unwrap_or(rest).to_owned())
            }
            Takes::Value => {
                Some(self.arguments.next().ok_or_else(|| malformed("missing argument"))?.clone())
            }
            Takes::Perhaps => self.perhaps(),
        };
        Ok(Given { name, written, value })
    }

    /// What follows, unless it is an option.
    fn perhaps(&mut self) -> Option<String> {
        let next = self.arguments.as_slice().first().filter(|it| !it.starts_with('-'))?.clone();
        self.arguments.next();
        Some(next)
    }
}
