//! What a value of each kind looks like. Each function gives the value, or what was found and what
//! is expected.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use hyper::http::uri::{Authority, PathAndQuery};
use toml::de::DeValue;

/// What stands there, for a message.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", text.as_ref()),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn expected(value: &DeValue<'_>, what: &str) -> String {
    format!("found {}; expected {what}", found(value))
}

/// A number in a range; `what` names it.
pub(super) fn number<N: TryFrom<i64> + PartialOrd + std::fmt::Display>(
    what: &str,
    range: RangeInclusive<N>,
) -> impl Fn(&DeValue<'_>) -> Result<N, String> {
    move |value| {
        value
            .as_integer()
            .and_then(|it| i64::from_str_radix(it.as_str(), it.radix()).ok())
            .and_then(|it| N::try_from(it).ok())
            .filter(|it| range.contains(it))
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                expected(value, &format!("{what} from {low} to {high}"))
            })
    }
}

/// A time, as a number and its unit; `range` in seconds.
pub(super) fn duration(
    range: RangeInclusive<u64>,
) -> impl FnOnce(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let seconds = Duration::from_secs;
        value
            .as_str()
            .and_then(parse_duration)
            .filter(|it| (seconds(*range.start())..=seconds(*range.end())).contains(it))
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                let what = format!("a time from \"{low}s\" to \"{high}s\", like \"5m\" or \"90s\"");
                expected(value, &what)
            })
    }
}

/// A time, as a number and its unit, down to milliseconds.
pub(super) fn milliseconds(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let time = value.as_str().and_then(parse_duration).filter(|it| range.contains(it));
        time.ok_or_else(|| {
            let what = format!(
                "a time from \"{}ms\" to \"{}s\", like \"500ms\" or \"2s\"",
                range.start().as_millis(),
                range.end().as_secs()
            );
            expected(value, &what)
        })
    }
}

/// A program with its arguments.
pub(super) fn command(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let what = "a program with its full path and its arguments, like [\"/usr/bin/check\", \"-v\"]";
    let words = value.as_array().map(|array| {
        array
            .iter()
            .map(|word| word.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    words
        .flatten()
        .filter(|words| words.first().is_some_and(|program| program.starts_with('/')))
        .ok_or_else(|| expected(value, what))
}

/// Programs, each with its arguments.
pub(super) fn commands(value: &DeValue<'_>) -> Result<Vec<Vec<String>>, String> {
    let what = "programs with their full paths and arguments, like [[\"/usr/bin/tell\", \"-v\"]]";
    let list = value.as_array().ok_or_else(|| expected(value, what))?;
    list.iter().map(|it| command(it.get_ref())).collect()
}

/// A file.
pub(super) fn path(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().filter(|text| text.starts_with('/'));
    text.map(str::to_owned).ok_or_else(|| expected(value, "the full path of a file"))
}

/// A URL of HTTP.
pub(super) fn url(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().filter(|text| {
        reqwest::Url::parse(text)
            .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
    });
    text.map(str::to_owned)
        .ok_or_else(|| expected(value, "a URL, like \"https://example.net/alerts\""))
}

/// A mail address.
pub(super) fn mailbox(value: &DeValue<'_>) -> Result<String, String> {
    let is_mailbox = |text: &&str| text.parse::<lettre::message::Mailbox>().is_ok();
    let text = value.as_str().filter(is_mailbox).map(str::to_owned);
    text.ok_or_else(|| expected(value, "a mail address, like \"ops@example.net\""))
}

/// Mail addresses, at least one.
pub(super) fn mailboxes(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let what = "mail addresses, like [\"ops@example.net\"]";
    let list = value.as_array().filter(|list| !list.is_empty());
    list.ok_or_else(|| expected(value, what))?.iter().map(|it| mailbox(it.get_ref())).collect()
}

/// A name of the domain name system, as it is asked for.
pub(super) fn dns_name(value: &DeValue<'_>) -> Result<String, String> {
    let is_name = |text: &&str| {
        let labels = text.strip_suffix('.').unwrap_or(text);
        let good = |label: &str| {
            (1..64).contains(&label.len())
                && label.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
        };
        *text == "." || (labels.len() < 254 && labels.split('.').all(good))
    };
    let text = value.as_str().filter(is_name).map(str::to_owned);
    text.ok_or_else(|| expected(value, "a domain name, like \"www.example.org\""))
}

/// A name of a host.
pub(super) fn host_name(value: &DeValue<'_>) -> Result<String, String> {
    let what = "the name of a host, like \"director.example.org\"";
    let name = dns_name(value).ok().filter(|name| name != ".");
    name.ok_or_else(|| expected(value, what))
}

/// The name or address of a host.
pub(super) fn host(value: &DeValue<'_>) -> Result<String, String> {
    let is_address = |text: &&str| text.parse::<IpAddr>().is_ok();
    match value.as_str().filter(is_address) {
        Some(address) => Ok(address.to_owned()),
        None => host_name(value),
    }
}

/// What stands in the Host of a request: a host, perhaps with a port.
pub(super) fn http_host(value: &DeValue<'_>) -> Result<String, String> {
    let is_host = |text: &&str| {
        text.parse::<Authority>().is_ok_and(|it| !it.host().is_empty() && !text.contains('@'))
    };
    let text = value.as_str().filter(is_host).map(str::to_owned);
    text.ok_or_else(|| expected(value, "the name of a host, like \"www.example.org\""))
}

/// What follows the host in a URL, without a fragment, which no server is ever asked for.
pub(super) fn http_path(value: &DeValue<'_>) -> Result<String, String> {
    let is_path = |text: &&str| {
        text.starts_with('/') && !text.contains('#') && text.parse::<PathAndQuery>().is_ok()
    };
    let text = value.as_str().filter(is_path).map(str::to_owned);
    text.ok_or_else(|| expected(value, "a path, like \"/health\""))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text.get(..unit)?.parse().ok()?;
    match text.get(unit..)? {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

/// Yes or no.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected(value, "true or false"))
}

/// One word of several.
pub(super) fn one_of<T: Copy>(
    choices: &[(&'static str, T)],
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let text = value.as_str();
        choices.iter().find(|(name, _)| Some(*name) == text).map(|&(_, choice)| choice).ok_or_else(
            || {
                let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
                expected(value, &format!("one of {}", names.join(", ")))
            },
        )
    }
}

/// Text that is not empty and stays on its line, as in a log; `what` names it.
pub(super) fn line(what: &str) -> impl FnOnce(&DeValue<'_>) -> Result<String, String> {
    move |value| {
        text(what)(value).and_then(|text| {
            let is_line = !text.contains(char::is_control);
            if is_line { Ok(text) } else { Err(expected(value, what)) }
        })
    }
}

/// Text that is not empty; `what` names it.
pub(super) fn text(what: &str) -> impl FnOnce(&DeValue<'_>) -> Result<String, String> {
    move |value| {
        let text = value.as_str().filter(|text| !text.trim().is_empty());
        text.map(str::to_owned).ok_or_else(|| expected(value, what))
    }
}

/// An IP address that a host can have.
pub(super) fn host_address(value: &DeValue<'_>) -> Result<IpAddr, String> {
    let address: IpAddr = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| expected(value, "an IP address, like \"192.0.2.10\""))?;
    can_be_a_host(address)
}

/// Gives back an address that a host can have, or says why it can't.
pub(crate) fn can_be_a_host(address: IpAddr) -> Result<IpAddr, String> {
    let refused = |why| Err(format!("{address} {why}; expected the address of a host"));
    match address {
        _ if address.is_unspecified() => refused("means any address"),
        _ if address.is_loopback() => refused("is a loopback address"),
        _ if address.is_multicast() => refused("is a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => refused("is the broadcast address"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            refused("is an IPv4 address in IPv6's clothes, which never is on a wire")
        }
        // Without a scope it is on no network in particular (RFC 4007).
        IpAddr::V6(v6) if v6.is_unicast_link_local() => refused("is a link-local address"),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(address),
    }
}

/// Where to listen; `None` is nowhere.
pub(super) fn listen(value: &DeValue<'_>) -> Result<Option<SocketAddr>, String> {
    let what = "an address and a port, like \"[::]:2357\", or \"none\"";
    match value.as_str() {
        Some("none") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| expected(value, what)),
        None => Err(expected(value, what)),
    }
}

/// The name of a network interface.
pub(super) fn interface(value: &DeValue<'_>) -> Result<String, String> {
    let what = "the name of a network interface, like \"eth0\"";
    let name = value.as_str().ok_or_else(|| expected(value, what))?;
    // dev_valid_name in net/core/dev.c
    let valid = (1..16).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0');
    if !valid {
        return Err(format!("{name:?} can't be the name of a network interface"));
    }
    Ok(name.to_owned())
}

/// Names of network interfaces, at least one and each once.
pub(super) fn interfaces(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let what = "names of network interfaces, like [\"eth0\"]";
    let array = value.as_array().filter(|array| !array.is_empty());
    let mut names: Vec<String> = Vec::new();
    for element in array.ok_or_else(|| expected(value, what))?.iter() {
        let name = interface(element.get_ref())?;
        if names.contains(&name) {
            return Err(format!("{name:?} is there twice"));
        }
        names.push(name);
    }
    Ok(names)
}
