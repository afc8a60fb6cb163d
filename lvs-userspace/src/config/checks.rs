//! The `check` of a service or of a real server.

use std::time::Duration;

use hyper::http::uri::Authority;

use super::{
    reader::{At, Reader},
    values::{
        boolean, command, dns_name, duration, host_name, http_host, http_path, milliseconds,
        number, one_of, text,
    },
};
use crate::health::{Check, Dns, DnsRecord, Http, Kind, Quarantine, Tls, Udp, Via};

const VIAS: [(&str, Via); 2] = [("rip", Via::Rip), ("vip", Via::Vip)];

pub(crate) const RECORDS: [(&str, DnsRecord); 9] = [
    ("A", DnsRecord::A),
    ("AAAA", DnsRecord::Aaaa),
    ("CNAME", DnsRecord::Cname),
    ("MX", DnsRecord::Mx),
    ("NS", DnsRecord::Ns),
    ("PTR", DnsRecord::Ptr),
    ("SOA", DnsRecord::Soa),
    ("SRV", DnsRecord::Srv),
    ("TXT", DnsRecord::Txt),
];

/// Codes of answers (RFC 1035, section 4.1.1); `None` for any.
pub(super) const RCODES: [(&str, Option<u16>); 5] = [
    ("noerror", Some(0)),
    ("servfail", Some(2)),
    ("nxdomain", Some(3)),
    ("refused", Some(5)),
    ("any", None),
];

/// The types, each with the keys that it has besides those of all.
const TYPES: [(&str, &[&str]); 9] = [
    ("none", &[]),
    ("tcp", &[]),
    ("ping", &[]),
    ("http", &["path", "host", "status", "body"]),
    ("https", &["path", "host", "status", "body", "verify"]),
    ("udp", &["send", "expect"]),
    ("dns", &["name", "record", "rcode", "expect"]),
    ("smtp", &["helo"]),
    ("exec", &["command"]),
];

/// Reads a check; the inner `None` is that there is to be none.
pub(super) fn check(section: Option<Option<Reader<'_>>>) -> Option<Option<Check>> {
    let section = section??;
    let kinds = TYPES.map(|(name, keys)| (name, (name, keys)));
    let kind = section.required("type", one_of(&kinds));
    let time = |key, most: u64| {
        let range = Duration::from_millis(10)..=Duration::from_secs(most);
        section.optional(key, milliseconds(range)).map(|at| at.value)
    };
    let interval = time("interval", 3600);
    let fast_interval = time("fast_interval", 3600);
    let timeout = time("timeout", 60);
    let count = |key| section.optional(key, number("a number of checks", 1..=100u32));
    let (rise, fall) = (count("rise"), count("fall"));
    let port = section.optional("port", number("a port", 1..=u16::MAX));
    let via = section.optional("via", one_of(&VIAS));

    let host = section.optional("host", http_host);
    let http = Http {
        path: section.optional("path", http_path).map_or("/".to_owned(), |at| at.value),
        host: host.as_ref().map(|at| at.value.clone()),
        status: section.optional("status", number("an HTTP status", 100..=599)).map(|at| at.value),
        body: section.optional("body", text("what the body must contain")).map(|at| at.value),
        tls: None,
    };
    let verify = section.optional("verify", boolean);
    let expect = section.optional("expect", text("what to expect")).map(|at| at.value);
    let udp = Udp {
        send: section.optional("send", text("what to send")).map(|at| at.value).unwrap_or_default(),
        expect: expect.clone(),
    };
    let name = section.optional("name", dns_name).map_or(".".to_owned(), |at| at.value);
    let usual = if name == "." { DnsRecord::Ns } else { DnsRecord::A };
    let dns = Dns {
        name,
        record: section.optional("record", one_of(&RECORDS)).map_or(usual, |at| at.value),
        rcode: section.optional("rcode", one_of(&RCODES)).map_or(Some(0), |at| at.value),
        expect,
    };
    let helo = section.optional("helo", host_name).map_or("lvs".to_owned(), |at| at.value);
    let is_exec = kind.as_ref().is_some_and(|at| at.value.0 == "exec");
    let command = if is_exec {
        section.required("command", command)
    } else {
        section.optional("command", command)
    };
    let quarantine = section.section("quarantine").flatten().and_then(|it| quarantine(&it));
    section.unknown_keys();

    let At { value: (name, keys), .. } = kind?;
    section.refuse_others(
        &format!("a check of type {name:?}"),
        keys,
        TYPES.iter().flat_map(|(_, keys)| keys.iter().copied()),
    );
    if let Some(via) =
        via.as_ref().filter(|at| at.value == Via::Vip && ["ping", "exec"].contains(&name))
    {
        let message = format!("a check of type {name:?} can't go through the VIP");
        section.problem(&via.span, "via", &message);
    }
    if let Some(port) = port.as_ref().filter(|_| name == "ping") {
        section.problem(&port.span, "port", "means nothing to a check of type \"ping\"");
    }
    // The certificate is one of a name, and the port has a key of its own.
    let has_port =
        |at: &&At<String>| at.value.parse::<Authority>().is_ok_and(|it| it.port().is_some());
    if let Some(host) = host.as_ref().filter(|_| name == "https").filter(has_port) {
        let message = format!("found {:?}; expected a host without a port: see port", host.value);
        section.problem(&host.span, "host", &message);
    }
    let port = port.map(|at| at.value);
    let via = via.map(|at| at.value).unwrap_or_default();
    let kind = match name {
        "none" => return Some(None),
        "tcp" => Kind::Tcp,
        "ping" => Kind::Ping,
        "http" => Kind::Http(http),
        "https" => {
            let verify = verify.is_none_or(|at| at.value);
            Kind::Http(Http { tls: Some(Tls { verify }), ..http })
        }
        "udp" => Kind::Udp(udp),
        "dns" => Kind::Dns(dns),
        "smtp" => Kind::Smtp(helo),
        _ => Kind::Exec(command?.value),
    };
    let usual = Check::new(kind);
    let interval = interval.unwrap_or(usual.interval);
    Some(Some(Check {
        port,
        via,
        interval,
        fast_interval: fast_interval.unwrap_or(interval / 2),
        timeout: timeout.unwrap_or(usual.timeout),
        rise: rise.map_or(usual.rise, |at| at.value),
        fall: fall.map_or(usual.fall, |at| at.value),
        quarantine,
        ..usual
    }))
}

/// Notes that a check in `section` asks the service's own port, if that is all of them.
pub(super) fn check_port(section: &Reader<'_>, check: Option<&Check>, service_port: Option<u16>) {
    if service_port == Some(0) && check.is_some_and(Check::asks_service_port) {
        let message = "the service is for all ports (0): give the check the port that it asks";
        section.complain("check", message);
    }
}

/// When a real server that comes and goes is held out.
fn quarantine(section: &Reader<'_>) -> Option<Quarantine> {
    let failures = section.required("failures", number("a number of failures", 2..=100u32));
    let within = section.required("within", duration(1..=86_400));
    let hold = section.required("hold", duration(1..=86_400));
    section.unknown_keys();
    Some(Quarantine { failures: failures?.value, within: within?.value, hold: hold?.value })
}
