//! A virtual service, its real servers and their checks.

use super::keys::{Inline, Keys as _, Text, strings, time, unless};
use crate::{
    config::{
        LostConnections, RealServer, VirtualService,
        checks::{RCODES, RECORDS},
    },
    health::{Check, Dns, DnsRecord, Http, Kind, Quarantine, Tls, Udp, Via},
};

pub(super) fn write_service(service: &VirtualService, text: &mut Text) {
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
    RECORDS.iter().find(|(_, it)| *it == record).map_or("A", |(name, _)| name)
}

fn rcode_name(rcode: Option<u16>) -> &'static str {
    RCODES.iter().find(|(_, it)| *it == rcode).map_or("any", |(name, _)| name)
}
