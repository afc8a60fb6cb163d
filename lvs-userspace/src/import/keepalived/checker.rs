//! The checkers of a `real_server`, each as a check of ours.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    time::Duration,
};

use super::{report::Report, syntax::Statement};
use crate::{
    config::{RECORDS, VirtualService},
    health::{Check, Dns, DnsRecord, Http, Kind, Tls, Udp},
    import::refusal,
    model::{Protocol, ServiceId},
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// When checks are made; of what is not said, what is around it says it.
#[derive(Clone, Copy, Default)]
pub(super) struct Timing {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    retry: Option<u32>,
    before_retry: Option<Duration>,
}

impl Timing {
    /// Takes in a statement, if it is about that.
    pub(super) fn take(&mut self, statement: &Statement, report: &mut Report) -> bool {
        match statement.keyword.as_str() {
            "delay_loop" => self.interval = statement.time(INTERVALS, report),
            "connect_timeout" => self.timeout = statement.time(TIMEOUTS, report),
            "retry" | "nb_get_retry" => self.retry = statement.number(0..=99, report),
            "delay_before_retry" => self.before_retry = statement.time(INTERVALS, report),
            _ => return false,
        }
        true
    }

    pub(super) fn or(self, around: Self) -> Self {
        Self {
            interval: self.interval.or(around.interval),
            timeout: self.timeout.or(around.timeout),
            retry: self.retry.or(around.retry),
            before_retry: self.before_retry.or(around.before_retry),
        }
    }
}

pub(super) fn is_checker(keyword: &str) -> bool {
    matches!(keyword, "HTTP_GET" | "SSL_GET") || keyword.ends_with("_CHECK")
}

/// Whether a real server is down until it has passed a check.
pub(super) fn alpha(statement: &Statement, report: &mut Report) {
    if !statement.yes(report) {
        report.leave_out(statement, "a new real server is out of service until it passes a check");
    }
}

/// The check of a real server.
pub(super) fn read(
    statement: &Statement,
    server: IpAddr,
    timing: Timing,
    virtualhost: Option<&str>,
    report: &mut Report,
) -> Result<Check, String> {
    let mut own = Timing::default();
    let mut port = None;
    let mut special = Vec::new();
    for it in &statement.block {
        match it.keyword.as_str() {
            _ if own.take(it, report) => {}
            "connect_port" => port = it.number(1..=u16::MAX, report),
            "connect_ip" => {
                let address = it.one(report).map(super::address);
                let address = address.and_then(|address| it.or_error(address, report));
                if address.is_some_and(|it| it != server) {
                    return Err("connect_ip: the real server's own address is asked".to_owned());
                }
            }
            "alpha" => alpha(it, report),
            _ => special.push(it),
        }
    }
    let timing = own.or(timing);
    let interval = timing.interval.unwrap_or(60 * SECOND);
    let mut timeout = timing.timeout.unwrap_or(5 * SECOND);
    // How often, and how much later, a check that fails is made again unless something is said of it.
    let (mut retry, mut before_retry) = (1, SECOND);
    let kind = match statement.keyword.as_str() {
        "TCP_CHECK" => plain(Kind::Tcp, &special, report),
        "PING_CHECK" => plain(Kind::Ping, &special, report),
        "HTTP_GET" | "SSL_GET" => {
            before_retry = 3 * SECOND;
            let tls = (statement.keyword == "SSL_GET").then_some(Tls { verify: false });
            http(&special, tls, virtualhost, report)?
        }
        "SMTP_CHECK" => smtp(&special, report),
        "DNS_CHECK" => {
            (retry, before_retry) = (3, interval);
            dns(&special, report)?
        }
        "MISC_CHECK" => {
            retry = 0;
            timeout = interval.min(*TIMEOUTS.end());
            exec(&special, &mut timeout, report)?
        }
        "UDP_CHECK" => udp(&special, report)?,
        _ => return Err("there is nothing like it".to_owned()),
    };
    let check = Check {
        port,
        interval,
        fast_interval: timing.before_retry.unwrap_or(before_retry),
        timeout,
        rise: 1,
        fall: timing.retry.unwrap_or(retry) + 1,
        ..Check::new(kind)
    };
    // Whether a file might say it.
    let address = Ipv4Addr::new(192, 0, 2, 1).into();
    let service = ServiceId { protocol: Protocol::Tcp, address, port: 1 };
    let service = VirtualService { check: Some(check.clone()), ..VirtualService::new(service) };
    refusal(&service).map_or(Ok(check), Err)
}

/// A checker that has nothing of its own.
fn plain(kind: Kind, special: &[&Statement], report: &mut Report) -> Kind {
    for it in special {
        report.nothing_like(it);
    }
    kind
}

fn http(
    special: &[&Statement],
    tls: Option<Tls>,
    virtualhost: Option<&str>,
    report: &mut Report,
) -> Result<Kind, String> {
    let mut host = virtualhost;
    let mut url = None;
    for it in special {
        match it.keyword.as_str() {
            "url" if url.is_none() => url = Some(it),
            "url" => report.leave_out(it, "a check asks for one, the first"),
            "virtualhost" => host = it.one(report),
            "http_protocol" if it.arguments == ["1.1"] => {}
            // The name that is asked for is the host's.
            "enable_sni" => {}
            _ => report.nothing_like(it),
        }
    }
    let url = url.ok_or("it has no url")?;
    let mut http = Http { path: "/".to_owned(), host: None, status: None, body: None, tls };
    let is_changed = url.block.iter().any(|it| it.keyword.starts_with("regex_"));
    for it in &url.block {
        match it.keyword.as_str() {
            "path" => http.path = it.one(report).unwrap_or_default().to_owned(),
            "virtualhost" => host = it.one(report),
            "status_code" => http.status = status(&it.arguments)?,
            "regex" if !is_changed && it.arguments.iter().all(|it| is_text(it)) => {
                http.body = it.one(report).map(str::to_owned);
            }
            "regex" => report.leave_out(it, "a body is looked through for a text alone"),
            _ => report.nothing_like(it),
        }
    }
    http.host = host.map(str::to_owned);
    Ok(Kind::Http(http))
}

/// The status that is a success; `None` for any of 200 to 299.
fn status(arguments: &[String]) -> Result<Option<u16>, String> {
    let refused = || {
        let arguments = arguments.join(" ");
        format!("status_code {arguments}: a check expects one, or 200-299")
    };
    match arguments {
        [all] if all == "200-299" => Ok(None),
        [status] => status.parse().map(Some).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

/// Whether a regular expression matches what it says.
fn is_text(regex: &str) -> bool {
    !regex.contains(|it| "\\^$.|?*+()[]{}".contains(it))
}

fn smtp(special: &[&Statement], report: &mut Report) -> Kind {
    let mut helo = "lvs".to_owned();
    for it in special {
        match it.keyword.as_str() {
            "helo_name" => helo = it.one(report).unwrap_or_default().to_owned(),
            _ => report.nothing_like(it),
        }
    }
    Kind::Smtp(helo)
}

fn dns(special: &[&Statement], report: &mut Report) -> Result<Kind, String> {
    let mut name = ".".to_owned();
    let mut record = DnsRecord::Soa;
    for it in special {
        match it.keyword.as_str() {
            "name" => name = it.one(report).unwrap_or_default().to_owned(),
            "type" => {
                let wanted = it.one(report).unwrap_or_default();
                let known = RECORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                record = known.ok_or_else(|| format!("type {wanted}: it can't be asked for"))?.1;
            }
            _ => report.nothing_like(it),
        }
    }
    Ok(Kind::Dns(Dns { name, record, rcode: Some(0), expect: None }))
}

fn exec(
    special: &[&Statement],
    timeout: &mut Duration,
    report: &mut Report,
) -> Result<Kind, String> {
    let mut command = Vec::new();
    for it in special {
        match it.keyword.as_str() {
            "misc_path" => {
                command = it.arguments.iter().flat_map(|it| words(it)).collect();
                report.leave_out(it, "it gets the real server's address as one more argument");
            }
            "misc_timeout" => *timeout = it.time(TIMEOUTS, report).unwrap_or(*timeout),
            _ => report.nothing_like(it),
        }
    }
    if command.is_empty() {
        return Err("it has no misc_path".to_owned());
    }
    Ok(Kind::Exec(command))
}

/// The words of a command, in which spaces stand between single quotes.
pub(super) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for letter in command.chars() {
        match letter {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn udp(special: &[&Statement], report: &mut Report) -> Result<Kind, String> {
    let mut udp = Udp { send: String::new(), expect: None };
    for it in special {
        match it.keyword.as_str() {
            "payload" => {
                udp.send = bytes(&it.arguments).ok_or("payload: a check sends text alone")?;
            }
            "require_reply" => {
                udp.expect = bytes(&it.arguments).filter(|text| !text.is_empty());
                if udp.expect.is_none() {
                    report.leave_out(
                        it,
                        "an answer is required if it is a text, and always the same",
                    );
                }
            }
            _ => report.nothing_like(it),
        }
    }
    Ok(Kind::Udp(udp))
}

/// The text of bytes in hexadecimal: a word, or each two of its digits, are one.
fn bytes(arguments: &[String]) -> Option<String> {
    let digits = arguments.iter().flat_map(|it| it.split_whitespace());
    let bytes = digits.flat_map(|word| word.as_bytes().chunks(2)).map(|digits| {
        let digits = str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
        u8::from_str_radix(digits, 16).ok()
    });
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}
