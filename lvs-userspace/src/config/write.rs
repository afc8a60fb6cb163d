//! A configuration as the text of a file: read again, it is the same. What is as it would be without
//! the key, is not written.

mod failover;
mod keys;
mod service;

use sha2::{Digest as _, Sha256};
use toml::Value;

use super::{Config, Connections, Director, OnRestart, Timeouts, VirtualService, XdpMode, check};
use crate::{
    alert::{self, Encryption, Mail},
    load,
};
use failover::write_failover;
use keys::{Keys as _, Text, strings, time, unless};
use service::write_service;

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
