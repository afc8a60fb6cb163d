//! A configuration as the text of a file: read again, it is the same.

use std::time::Duration;

use toml::Value;

use super::{
    Config, Connections, Director, LostConnections, OnRestart, RealServer, Timeouts,
    VirtualService, XdpMode,
};
use crate::{
    alert::{self, Encryption, Mail},
    health::{Check, Dns, DnsRecord, Http, Kind, Quarantine, Tls, Udp, Via},
    load,
};

impl Config {
    /// The text of a file that says this. Comments of the file that it came from are lost.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self { director, connections, load, alerts, virtual_services } = self;
        let mut text = Text::default();
        write_director(director, &mut text);
        write_connections(connections, &mut text);
        write_load(load, &mut text);
        write_alerts(alerts, &mut text);
        for service in virtual_services {
            write_service(service, &mut text);
        }
        text.0
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

    fn key(&mut self, name: &str, value: impl Into<Value>) {
        self.0 += &format!("{name} = {}\n", value.into());
    }

    fn key_if<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.key(name, value);
        }
    }
}

fn time(time: Duration) -> String {
    let (seconds, ms) = (time.as_secs(), time.subsec_millis());
    if ms == 0 { format!("{seconds}s") } else { format!("{}ms", time.as_millis()) }
}

fn strings(list: &[String]) -> Value {
    Value::Array(list.iter().map(|it| Value::from(it.as_str())).collect())
}

fn write_director(director: &Director, text: &mut Text) {
    let Director { name, interfaces, xdp_mode, max_real_servers, on_restart } = director;
    text.section("[director]");
    text.key("name", name.as_str());
    text.key("interfaces", strings(interfaces));
    let mode = match xdp_mode {
        XdpMode::Auto => "auto",
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
    };
    text.key("xdp_mode", mode);
    text.key("max_real_servers", *max_real_servers);
    let on_restart = match on_restart {
        OnRestart::Keep => "keep",
        OnRestart::Check => "check",
    };
    text.key("on_restart", on_restart);
}

fn write_connections(connections: &Connections, text: &mut Text) {
    let Connections { size, half_open, ipv6_size, ipv6_half_open, timeouts } = connections;
    text.section("[connections]");
    for (key, value) in [
        ("size", size),
        ("half_open", half_open),
        ("ipv6_size", ipv6_size),
        ("ipv6_half_open", ipv6_half_open),
    ] {
        text.key(key, *value);
    }
    let Timeouts { established, syn_received, fin_wait, time_wait, closed, udp } = timeouts;
    for (key, value) in [
        ("tcp_established", established),
        ("tcp_syn_received", syn_received),
        ("tcp_fin_wait", fin_wait),
        ("tcp_time_wait", time_wait),
        ("tcp_closed", closed),
        ("udp", udp),
    ] {
        text.key(key, time(*value));
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
    text.section("[load]");
    for (key, value) in [
        ("port", port),
        ("smoothing", smoothing),
        ("floor", floor),
        ("ceiling", ceiling),
        ("step", step),
        ("hysteresis", hysteresis),
    ] {
        text.key(key, i64::from(*value));
    }
    for (key, value) in [("interval", interval), ("timeout", timeout), ("stale", stale)] {
        text.key(key, time(*value));
    }
}

fn write_alerts(alerts: &alert::Settings, text: &mut Text) {
    let alert::Settings { file, hooks, hook_timeout, webhook, mail } = alerts;
    // Nobody is told.
    if *alerts == alert::Settings::default() {
        return;
    }
    text.section("[alerts]");
    text.key_if("file", file.as_ref().map(|it| it.display().to_string()));
    text.key("hooks", Value::Array(hooks.iter().map(|it| strings(it)).collect()));
    text.key("hook_timeout", time(*hook_timeout));
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
    // What most services have not, need not be said.
    for (key, value) in [
        ("one_packet", one_packet),
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
    text.key_if("check", check.as_ref().map(check_value));
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
    if check.as_ref() != usual {
        let mut none = toml::Table::new();
        none.insert("type".to_owned(), "none".into());
        text.key("check", check.as_ref().map_or(none.into(), check_value));
    }
}

/// An inline table.
fn check_value(check: &Check) -> Value {
    let Check { kind, port, via, interval, fast_interval, timeout, rise, fall, quarantine } = check;
    let mut table = toml::Table::new();
    let mut key = |name: &str, value: Value| drop(table.insert(name.to_owned(), value));
    key("type", kind.name().into());
    if let Some(port) = port {
        key("port", i64::from(*port).into());
    }
    if *via == Via::Vip {
        key("via", "vip".into());
    }
    for (name, value) in
        [("interval", interval), ("fast_interval", fast_interval), ("timeout", timeout)]
    {
        key(name, time(*value).into());
    }
    key("rise", (*rise).into());
    key("fall", (*fall).into());
    if let Some(Quarantine { failures, within, hold }) = quarantine {
        let mut quarantine = toml::Table::new();
        quarantine.insert("failures".to_owned(), (*failures).into());
        quarantine.insert("within".to_owned(), time(*within).into());
        quarantine.insert("hold".to_owned(), time(*hold).into());
        key("quarantine", quarantine.into());
    }
    let mut text = |name, value: &Option<String>| {
        if let Some(value) = value {
            key(name, value.as_str().into());
        }
    };
    match kind {
        Kind::Tcp | Kind::Ping => {}
        Kind::Http(Http { path, host, status, body, tls }) => {
            text("path", &Some(path.clone()));
            text("host", host);
            text("body", body);
            if let Some(status) = status {
                key("status", i64::from(*status).into());
            }
            if let Some(Tls { verify }) = tls {
                key("verify", (*verify).into());
            }
        }
        Kind::Udp(Udp { send, expect }) => {
            text("send", &Some(send.clone()).filter(|it| !it.is_empty()));
            text("expect", expect);
        }
        Kind::Dns(Dns { name, record, rcode, expect }) => {
            text("name", &Some(name.clone()));
            text("expect", expect);
            key("record", record_name(*record).into());
            key("rcode", rcode_name(*rcode).into());
        }
        Kind::Smtp(helo) => key("helo", helo.as_str().into()),
        Kind::Exec(command) => key("command", strings(command)),
    }
    table.into()
}

fn record_name(record: DnsRecord) -> &'static str {
    super::checks::RECORDS.iter().find(|(_, it)| *it == record).map_or("A", |(name, _)| name)
}

fn rcode_name(rcode: Option<u16>) -> &'static str {
    super::checks::RCODES.iter().find(|(_, it)| *it == rcode).map_or("any", |(name, _)| name)
}
