//! A configuration as the text of a file: read again, it is the same. What is as it would be without
//! the key, is not written.

use std::{fmt, time::Duration};

use sha2::{Digest as _, Sha256};
use toml::Value;

use super::{
    Config, Connections, Director, LostConnections, OnRestart, RealServer, Timeouts,
    VirtualService, XdpMode, check,
};
use crate::{
    alert::{self, Encryption, Mail},
    failover::{
        Interval, announce,
        settings::{self as failover, Part, Program, Track, Tracked},
    },
    health::{Check, Dns, DnsRecord, Http, Kind, Quarantine, Tls, Udp, Via},
    load,
    model::ServiceId,
};

impl Config {
    /// The text of a file that says this. Comments of the file that it came from are lost.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self { director, failover, connections, load, alerts, virtual_services } = self;
        let mut text = Text::default();
        write_director(director, &mut text);
        if let Some(failover) = failover {
            write_failover(failover, &mut text);
        }
        write_connections(connections, &mut text);
        write_load(load, &mut text);
        write_alerts(alerts, &mut text);
        for service in virtual_services {
            write_service(service, &mut text);
        }
        text.0
    }
}

impl Config {
    /// A hash of the virtual services, in whatever order they are: directors with the same have the same
    /// services.
    #[must_use]
    pub fn hash_of_services(&self) -> String {
        let mut services: Vec<_> = self.virtual_services.iter().collect();
        services.sort_by_key(|it| it.id);
        let mut hash = Sha256::new();
        for service in services {
            hash.update(service.to_toml());
        }
        // Half of it tells any two apart.
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Connections {
    /// The section of a file that says this.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = Text::default();
        write_connections(self, &mut text);
        text.0
    }
}

impl VirtualService {
    /// The section of a file that says this.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = Text::default();
        write_service(self, &mut text);
        text.0
    }
}

/// What keys are written to, one after the other.
trait Keys {
    /// Writes a key with its value as TOML has it.
    fn write(&mut self, name: &str, value: impl fmt::Display);

    fn key(&mut self, name: &str, value: impl Into<Value>) {
        self.write(name, value.into());
    }

    fn key_if<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.key(name, value);
        }
    }
}

/// A text that grows by keys and sections.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0 += header;
        self.0.push('\n');
    }
}

impl Keys for Text {
    fn write(&mut self, name: &str, value: impl fmt::Display) {
        self.0 += &format!("{name} = {value}\n");
    }
}

/// A table in one line; unlike a [`Value`] it keeps its keys in order.
#[derive(Default)]
struct Inline(Vec<String>);

impl Keys for Inline {
    fn write(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push(format!("{name} = {value}"));
    }
}

impl fmt::Display for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ {} }}", self.0.join(", "))
    }
}

/// The value, if it is not the usual one.
fn unless<T: Copy + PartialEq>(usual: T, value: T) -> Option<T> {
    (value != usual).then_some(value)
}

fn time(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let whole = units.iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(&("ms", 1));
    format!("{}{name}", ms / unit)
}

fn strings(list: &[String]) -> Value {
    Value::Array(list.iter().map(|it| Value::from(it.as_str())).collect())
}

fn write_director(director: &Director, text: &mut Text) {
    let Director { name, interfaces, xdp_mode, max_real_servers, on_restart } = director;
    text.section("[director]");
    // So that directors can have the same file.
    text.key_if("name", Some(name.as_str()).filter(|it| *it != check::host_name()));
    text.key("interfaces", strings(interfaces));
    let usual = Director::new(String::new(), Vec::new());
    let mode = unless(usual.xdp_mode, *xdp_mode).map(|it| match it {
        XdpMode::Auto => "auto",
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
    });
    text.key_if("xdp_mode", mode);
    text.key_if("max_real_servers", unless(usual.max_real_servers, *max_real_servers));
    let on_restart = unless(usual.on_restart, *on_restart).map(|it| match it {
        OnRestart::Keep => "keep",
        OnRestart::Check => "check",
    });
    text.key_if("on_restart", on_restart);
}

fn write_failover(failover: &failover::Settings, text: &mut Text) {
    let failover::Settings {
        vrid,
        advert_interval,
        preempt,
        preempt_delay,
        start_delay,
        key_file,
        sync_port,
        announce,
        track,
        common,
        nodes,
    } = failover;
    text.section("[failover]");
    text.key("vrid", i64::from(*vrid));
    write_part(common, text);
    text.key_if(
        "advert_interval",
        unless(Interval::USUAL, *advert_interval).map(|it| time(it.duration())),
    );
    text.key_if("preempt", unless(true, *preempt));
    for (key, value) in [("preempt_delay", preempt_delay), ("start_delay", start_delay)] {
        text.key_if(key, unless(Duration::ZERO, *value).map(time));
    }
    text.key_if("key_file", key_file.as_ref().map(|it| it.display().to_string()));
    match sync_port {
        None => text.key("sync", false),
        Some(port) => {
            let usual = failover::Settings::SYNC_PORT;
            text.key_if("sync_port", unless(usual, *port).map(i64::from));
        }
    }
    if track.as_ref().is_some_and(Vec::is_empty) {
        text.key("track", Value::Array(Vec::new()));
    }
    let usual = announce::Settings::default();
    if *announce != usual {
        let announce::Settings { burst, repeat_after, refresh } = announce;
        text.section("[failover.announce]");
        text.key_if("burst", unless(usual.burst, *burst));
        text.key_if("repeat_after", unless(usual.repeat_after, *repeat_after).map(time));
        text.key_if("refresh", unless(usual.refresh, *refresh).map(time));
    }
    for Track { what, priority_step } in track.iter().flatten() {
        text.section("[[failover.track]]");
        write_tracked(what, text);
        text.key_if("priority_step", priority_step.map(i64::from));
    }
    for (name, part) in nodes {
        text.section(&format!("[failover.node.{}]", Value::from(name.as_str())));
        write_part(part, text);
    }
}

fn write_part(part: &Part, text: &mut Text) {
    let Part { priority, peers, interfaces } = part;
    text.key_if("priority", priority.map(i64::from));
    let peers = peers.as_ref().map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>());
    text.key_if("peers", peers.map(|it| strings(&it)));
    text.key_if("interfaces", interfaces.as_ref().map(|it| strings(it)));
}

fn write_tracked(what: &Tracked, text: &mut Text) {
    match what {
        Tracked::Interface(name) => {
            text.key("type", "interface");
            text.key("interface", name.as_str());
        }
        Tracked::Program(Program { command, interval, timeout, rise, fall }) => {
            text.key("type", "program");
            text.key("command", strings(command));
            text.key("interval", time(*interval));
            text.key("timeout", time(*timeout));
            text.key("rise", *rise);
            text.key("fall", *fall);
        }
        Tracked::Quorum(ServiceId { protocol, address, port }) => {
            text.key("type", "quorum");
            text.key("address", address.to_string());
            text.key("port", i64::from(*port));
            text.key("protocol", protocol.name());
        }
    }
}

fn write_connections(connections: &Connections, text: &mut Text) {
    let Connections { size, half_open, ipv6_size, ipv6_half_open, timeouts } = connections;
    let usual = Connections::default();
    if *connections == usual {
        return;
    }
    text.section("[connections]");
    for (key, value, usual) in [
        ("size", size, usual.size),
        ("half_open", half_open, usual.half_open),
        ("ipv6_size", ipv6_size, *size),
        ("ipv6_half_open", ipv6_half_open, *half_open),
    ] {
        text.key_if(key, unless(usual, *value));
    }
    let Timeouts { established, syn_received, fin_wait, time_wait, closed, udp } = timeouts;
    for (key, value, usual) in [
        ("tcp_established", established, usual.timeouts.established),
        ("tcp_syn_received", syn_received, usual.timeouts.syn_received),
        ("tcp_fin_wait", fin_wait, usual.timeouts.fin_wait),
        ("tcp_time_wait", time_wait, usual.timeouts.time_wait),
        ("tcp_closed", closed, usual.timeouts.closed),
        ("udp", udp, usual.timeouts.udp),
    ] {
        text.key_if(key, unless(usual, *value).map(time));
    }
}

fn write_load(load: &load::Settings, text: &mut Text) {
    let load::Settings {
        port,
        interval,
        timeout,
        smoothing,
        floor,
        ceiling,
        step,
        hysteresis,
        stale,
    } = load;
    let usual = load::Settings::default();
    if *load == usual {
        return;
    }
    text.section("[load]");
    for (key, value, usual) in [
        ("port", port, usual.port),
        ("smoothing", smoothing, usual.smoothing),
        ("floor", floor, usual.floor),
        ("ceiling", ceiling, usual.ceiling),
        ("step", step, usual.step),
        ("hysteresis", hysteresis, usual.hysteresis),
    ] {
        text.key_if(key, unless(usual, *value).map(i64::from));
    }
    for (key, value, usual) in [
        ("interval", interval, usual.interval),
        ("timeout", timeout, usual.timeout),
        ("stale", stale, usual.stale),
    ] {
        text.key_if(key, unless(usual, *value).map(time));
    }
}

fn write_alerts(alerts: &alert::Settings, text: &mut Text) {
    let alert::Settings { file, hooks, hook_timeout, webhook, mail } = alerts;
    let usual = alert::Settings::default();
    if *alerts == usual {
        return;
    }
    text.section("[alerts]");
    text.key_if("file", file.as_ref().map(|it| it.display().to_string()));
    let hooks: Vec<_> = hooks.iter().map(|it| strings(it)).collect();
    text.key_if("hooks", (!hooks.is_empty()).then_some(Value::Array(hooks)));
    text.key_if("hook_timeout", unless(usual.hook_timeout, *hook_timeout).map(time));
    text.key_if("webhook", webhook.as_deref());
    let Some(mail) = mail else { return };
    let Mail { server, port, encryption, ca_file, login, from, to, gather, retry } = mail;
    text.section("[alerts.mail]");
    text.key("server", server.as_str());
    text.key("port", i64::from(*port));
    let encryption = match encryption {
        Encryption::StartTls => "starttls",
        Encryption::Tls => "tls",
        Encryption::None => "none",
    };
    text.key("encryption", encryption);
    text.key("from", from.as_str());
    text.key("to", strings(to));
    text.key_if("ca_file", ca_file.as_ref().map(|it| it.display().to_string()));
    if let Some((user, password_file)) = login {
        text.key("user", user.as_str());
        text.key("password_file", password_file.display().to_string());
    }
    text.key("gather", time(*gather));
    text.key("retry", time(*retry));
}

fn write_service(service: &VirtualService, text: &mut Text) {
    let VirtualService {
        id,
        scheduler,
        persistence,
        one_packet,
        stateless,
        lost_connections,
        sorry_server,
        inhibit_on_failure,
        follow_load,
        slow_start,
        quorum,
        quorum_hysteresis,
        check,
        real_servers,
    } = service;
    text.section("[[virtual_service]]");
    text.key("address", id.address.to_string());
    text.key("port", i64::from(id.port));
    text.key("protocol", id.protocol.name());
    text.key("scheduler", scheduler.name());
    if let Some(persistence) = persistence {
        text.key("persistence_timeout", time(persistence.timeout));
        text.key("persistence_granularity", i64::from(persistence.granularity));
    }
    for (key, value) in [
        ("one_packet", one_packet),
        ("stateless", stateless),
        ("inhibit_on_failure", inhibit_on_failure),
        ("follow_load", follow_load),
    ] {
        text.key_if(key, value.then_some(true));
    }
    if *lost_connections == LostConnections::Keep {
        text.key("lost_connections", "keep");
    }
    text.key_if("sorry_server", sorry_server.map(|it| it.to_string()));
    text.key_if("slow_start", (!slow_start.is_zero()).then(|| time(*slow_start)));
    text.key_if("quorum", (*quorum > 0).then_some(*quorum));
    text.key_if("quorum_hysteresis", (*quorum_hysteresis > 0).then_some(*quorum_hysteresis));
    if let Some(check) = check {
        text.write("check", inline(check));
    }
    for real_server in real_servers {
        write_real_server(real_server, check.as_ref(), text);
    }
}

fn write_real_server(real_server: &RealServer, usual: Option<&Check>, text: &mut Text) {
    let RealServer { address, weight, upper_threshold, lower_threshold, check, drain } =
        real_server;
    text.section("[[virtual_service.real_server]]");
    text.key("address", address.to_string());
    text.key("weight", i64::from(weight.0));
    if *upper_threshold > 0 || *lower_threshold > 0 {
        text.key("upper_threshold", *upper_threshold);
        text.key("lower_threshold", *lower_threshold);
    }
    text.key_if("drain", drain.then_some(true));
    match check {
        _ if check.as_ref() == usual => {}
        None => text.write("check", "{ type = \"none\" }"),
        Some(check) => text.write("check", inline(check)),
    }
}

fn inline(check: &Check) -> Inline {
    let Check { kind, port, via, interval, fast_interval, timeout, rise, fall, quarantine } = check;
    let usual = Check::new(kind.clone());
    let mut table = Inline::default();
    table.key("type", kind.name());
    table.key_if("port", port.map(i64::from));
    table.key_if("via", (*via == Via::Vip).then_some("vip"));
    for (name, value, usual) in [
        ("interval", interval, usual.interval),
        ("fast_interval", fast_interval, *interval / 2),
        ("timeout", timeout, usual.timeout),
    ] {
        table.key_if(name, unless(usual, *value).map(time));
    }
    table.key_if("rise", unless(usual.rise, *rise));
    table.key_if("fall", unless(usual.fall, *fall));
    if let Some(Quarantine { failures, within, hold }) = quarantine {
        let mut quarantine = Inline::default();
        quarantine.key("failures", *failures);
        quarantine.key("within", time(*within));
        quarantine.key("hold", time(*hold));
        table.write("quarantine", quarantine);
    }
    match kind {
        Kind::Tcp | Kind::Ping => {}
        Kind::Http(Http { path, host, status, body, tls }) => {
            table.key("path", path.as_str());
            table.key_if("host", host.as_deref());
            table.key_if("status", status.map(i64::from));
            table.key_if("body", body.as_deref());
            table.key_if("verify", tls.and_then(|Tls { verify }| unless(true, verify)));
        }
        Kind::Udp(Udp { send, expect }) => {
            table.key_if("send", (!send.is_empty()).then_some(send.as_str()));
            table.key_if("expect", expect.as_deref());
        }
        Kind::Dns(Dns { name, record, rcode, expect }) => {
            table.key("name", name.as_str());
            table.key("record", record_name(*record));
            table.key_if("rcode", unless(Some(0), *rcode).map(rcode_name));
            table.key_if("expect", expect.as_deref());
        }
        Kind::Smtp(helo) => table.key("helo", helo.as_str()),
        Kind::Exec(command) => table.key("command", strings(command)),
    }
    table
}

fn record_name(record: DnsRecord) -> &'static str {
    super::checks::RECORDS.iter().find(|(_, it)| *it == record).map_or("A", |(name, _)| name)
}

fn rcode_name(rcode: Option<u16>) -> &'static str {
    super::checks::RCODES.iter().find(|(_, it)| *it == rcode).map_or("any", |(name, _)| name)
}
