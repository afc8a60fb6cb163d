//! From TOML to a [`Config`], with everything that is wrong noted on the way.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive, time::Duration};

use toml::de::DeTable;

use super::{
    Config, ConfigErrors, Connections, Director, LostConnections, OnRestart, Persistence,
    RealServer, Timeouts, VirtualService, XdpMode,
    alerts::alerts,
    checks::{check, check_port},
    error::{Problems, line_and_column},
    failover::failover,
    reader::{At, Reader},
    room::room,
    values::{boolean, duration, host_address, interfaces, line, milliseconds, number, one_of},
};
use crate::{
    health::Check,
    load,
    model::{Protocol, Scheduler, ServiceId, Weight},
};

const XDP_MODES: [(&str, XdpMode); 3] =
    [("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)];

const ON_RESTART: [(&str, OnRestart); 2] = [("keep", OnRestart::Keep), ("check", OnRestart::Check)];

const LOST_CONNECTIONS: [(&str, LostConnections); 2] =
    [("reschedule", LostConnections::Reschedule), ("keep", LostConnections::Keep)];

/// Reads a whole configuration.
pub(super) fn config(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    document(text, file, |document| read(document, text))
}

/// Reads a whole document; `read` gives `None` only if it has noted a problem.
pub(super) fn document<T>(
    text: &str,
    file: &str,
    read: impl FnOnce(&Reader<'_>) -> Option<T>,
) -> Result<T, ConfigErrors> {
    let problems = Problems::default();
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        let message = error.message().replace('\n', ", ");
        problems.add(&error.span().unwrap_or_default(), "", message);
    }
    // Where the syntax is broken, keys seem to be missing that are there.
    let config = if syntax.is_empty() { read(&Reader::new(&document, &problems)) } else { None };
    problems.into_errors(text, file)?;
    // Without problems there is a value for everything.
    config.ok_or(ConfigErrors(Vec::new()))
}

fn read(document: &Reader<'_>, text: &str) -> Option<Config> {
    let director = document.table("director").and_then(|section| director(section));
    let connections = connections(document.section("connections"));
    let load = load_reports(document.section("load"));
    let alerts = alerts(document.section("alerts"));
    let sections = document.tables("virtual_service");
    let mut services = Vec::new();
    let mut seen = BTreeMap::new();
    for section in &sections {
        services.push(virtual_service(section, &mut seen, text));
    }
    let failover = failover(document.section("failover"), director.as_ref(), &services);
    document.unknown_keys();
    let director = director?;
    let good = sections.iter().zip(&services).filter_map(|(at, it)| Some((at, it.as_ref()?)));
    room(good, director.max_real_servers);
    Some(Config {
        director,
        failover: failover?,
        connections: connections?,
        load: load?,
        alerts: alerts?,
        virtual_services: services.into_iter().collect::<Option<_>>()?,
    })
}

/// What this machine is called, for want of another name.
pub(super) fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.into_string().ok().filter(|it| !it.is_empty()).unwrap_or_else(|| "director".to_owned())
}

fn director(section: Reader<'_>) -> Option<Director> {
    let name = if section.is_there("name") {
        section.required("name", line("a name, like \"midas\"")).map(|at| at.value)
    } else {
        Some(host_name())
    };
    let interfaces = section.required("interfaces", interfaces);
    let xdp_mode = section.optional("xdp_mode", one_of(&XDP_MODES));
    let max_real_servers =
        section.optional("max_real_servers", number("a number of real servers", 1..=1_000_000));
    let on_restart = section.optional("on_restart", one_of(&ON_RESTART));
    section.unknown_keys();
    let usual = Director::new(name?, interfaces?.value);
    Some(Director {
        xdp_mode: xdp_mode.map_or(usual.xdp_mode, |at| at.value),
        max_real_servers: max_real_servers.map_or(usual.max_real_servers, |at| at.value),
        on_restart: on_restart.map_or(usual.on_restart, |at| at.value),
        ..usual
    })
}

/// Without the section, or a key of it, the defaults.
fn connections(section: Option<Option<Reader<'_>>>) -> Option<Connections> {
    let defaults = Connections::default();
    let Some(section) = section else { return Some(defaults) };
    let section = section?;
    let room = |key, range: RangeInclusive<u32>| {
        section.optional(key, number("a number of connections", range)).map(|at| at.value)
    };
    // An array map is smaller than 4 GiB, and a connection has 43 bytes of it, or 128 with IPv6.
    const MOST_V6: u32 = 32_000_000;
    let size = room("size", 1024..=96_000_000).unwrap_or(defaults.size);
    let half_open = room("half_open", 1024..=16_000_000).unwrap_or(defaults.half_open);
    let ipv6_size = room("ipv6_size", 1024..=MOST_V6).unwrap_or(size.min(MOST_V6));
    let ipv6_half_open = room("ipv6_half_open", 1024..=16_000_000).unwrap_or(half_open);
    // The program's clock has 16 bits of about a second, half of which tell the past from the future.
    let time = |key| section.optional(key, duration(1..=6 * 3600)).map(|at: At<Duration>| at.value);
    let timeouts = Timeouts {
        established: time("tcp_established").unwrap_or(defaults.timeouts.established),
        syn_received: time("tcp_syn_received").unwrap_or(defaults.timeouts.syn_received),
        fin_wait: time("tcp_fin_wait").unwrap_or(defaults.timeouts.fin_wait),
        time_wait: time("tcp_time_wait").unwrap_or(defaults.timeouts.time_wait),
        closed: time("tcp_closed").unwrap_or(defaults.timeouts.closed),
        udp: time("udp").unwrap_or(defaults.timeouts.udp),
    };
    section.unknown_keys();
    Some(Connections { size, half_open, ipv6_size, ipv6_half_open, timeouts })
}

/// Without the section, or a key of it, the defaults.
fn load_reports(section: Option<Option<Reader<'_>>>) -> Option<load::Settings> {
    let defaults = load::Settings::default();
    let Some(section) = section else { return Some(defaults) };
    let section = section?;
    let time = |key, most: u64| {
        let range = Duration::from_millis(100)..=Duration::from_secs(most);
        section.optional(key, milliseconds(range)).map(|at| at.value)
    };
    let percent =
        |key, range: RangeInclusive<u16>| section.optional(key, number("a percentage", range));
    let port = section.optional("port", number("a port", 1..=u16::MAX));
    let interval = time("interval", 3600).unwrap_or(defaults.interval);
    let timeout = time("timeout", 60).unwrap_or(defaults.timeout);
    let stale = time("stale", 86_400).unwrap_or(defaults.stale);
    if stale < interval {
        section.complain("stale", "expected no less than interval: reports come no faster");
    }
    let smoothing = percent("smoothing", 1..=100).map_or(defaults.smoothing, |at| at.value);
    let floor = percent("floor", 0..=100);
    let ceiling = percent("ceiling", 5..=100).map_or(defaults.ceiling, |at| at.value);
    let step = percent("step", 5..=100).map_or(defaults.step, |at| at.value);
    let hysteresis = percent("hysteresis", 0..=50).map_or(defaults.hysteresis, |at| at.value);
    section.unknown_keys();
    if let Some(floor) = floor.as_ref().filter(|at| at.value > ceiling) {
        let message = format!("found {}; expected no more than ceiling ({ceiling})", floor.value);
        section.problem(&floor.span, "floor", &message);
    }
    Some(load::Settings {
        port: port.map_or(defaults.port, |at| at.value),
        interval,
        timeout,
        smoothing,
        floor: floor.map_or(defaults.floor, |at| at.value),
        ceiling,
        step,
        hysteresis,
        stale,
    })
}

fn virtual_service(
    section: &Reader<'_>,
    seen: &mut BTreeMap<ServiceId, usize>,
    text: &str,
) -> Option<VirtualService> {
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let schedulers = Scheduler::ALL.map(|scheduler| (scheduler.name(), scheduler));
    let address = section.required("address", host_address);
    let port = section.required("port", number("a port", 0..=u16::MAX));
    let protocol = section.required("protocol", one_of(&protocols));
    let scheduler = section.optional("scheduler", one_of(&schedulers));

    let timeout = section.optional("persistence_timeout", duration(1..=31 * 86_400));
    let granularity =
        section.optional("persistence_granularity", number("a prefix length", 0..=128));
    let one_packet = section.optional("one_packet", boolean);
    let stateless = section.optional("stateless", boolean).filter(|at| at.value);
    let lost = section.optional("lost_connections", one_of(&LOST_CONNECTIONS));
    let sorry_server = section.optional("sorry_server", host_address);

    let inhibit = section.optional("inhibit_on_failure", boolean);
    let check = check(section.section("check")).flatten();
    let port_number = port.as_ref().map(|at| at.value);
    check_port(section, check.as_ref(), port_number);
    let follow_load = section.optional("follow_load", boolean);
    let slow_start = section.optional("slow_start", duration(0..=3600));
    let quorum = section.optional("quorum", number("a sum of weights", 0..=u32::MAX / 2));
    let hysteresis =
        section.optional("quorum_hysteresis", number("a sum of weights", 0..=u32::MAX / 2));

    let mut servers = Vec::new();
    let mut seen_servers = BTreeMap::new();
    for section in section.tables("real_server") {
        let own = real_server(&section, address.as_ref(), check.as_ref(), &mut seen_servers, text);
        if section.is_table("check") {
            check_port(&section, own.as_ref().and_then(|it| it.check.as_ref()), port_number);
        }
        servers.push(own);
    }
    section.unknown_keys();

    let address = address?;
    let longest = if address.value.is_ipv4() { 32 } else { 128 };
    if let Some(granularity) = granularity.as_ref().filter(|at| at.value > longest) {
        let message =
            format!("found {}; expected a prefix length up to {longest}", granularity.value);
        section.problem(&granularity.span, "persistence_granularity", &message);
    }
    if let (Some(granularity), None) = (&granularity, &timeout) {
        let message = "without persistence_timeout this means nothing";
        section.problem(&granularity.span, "persistence_granularity", message);
    }
    if let (Some(port), None, None) =
        (port.as_ref().filter(|at| at.value == 0), &timeout, &stateless)
    {
        let message = "all ports (0) need a persistence_timeout (or stateless), so that a client's \
                       connections to different ports go to one real server";
        section.problem(&port.span, "port", message);
    }
    if let Some(one_packet) = one_packet.as_ref().filter(|at| at.value)
        && protocol.as_ref().is_some_and(|at| at.value == Protocol::Tcp)
    {
        section.problem(&one_packet.span, "one_packet", "only for UDP");
    }
    if let Some(stateless) = &stateless {
        let is_on = |at: &Option<At<bool>>| at.as_ref().is_some_and(|at| at.value);
        let keeps = lost.as_ref().is_some_and(|at| at.value == LostConnections::Keep);
        let others = Others {
            persists: timeout.is_some(),
            one_packet: is_on(&one_packet),
            moves_weights: is_on(&follow_load) || slow_start.is_some(),
            keeps: keeps || is_on(&inhibit),
        };
        check_stateless(section, stateless, scheduler.as_ref(), others, &servers);
    }
    let quorum_value = quorum.map_or(0, |at| at.value);
    if let Some(hysteresis) = hysteresis.as_ref().filter(|at| at.value >= quorum_value.max(1)) {
        let message = format!("found {}; expected less than quorum", hysteresis.value);
        section.problem(&hysteresis.span, "quorum_hysteresis", &message);
    }
    if let Some(sorry) = &sorry_server {
        check_family(section, "sorry_server", sorry, &address);
        if sorry.value == address.value {
            let message = "this is the virtual address; expected the sorry server's own";
            section.problem(&sorry.span, "sorry_server", message);
        } else if seen_servers.contains_key(&sorry.value) {
            let message = "this is a real server of the service; expected another machine";
            section.problem(&sorry.span, "sorry_server", message);
        }
    }
    let id = ServiceId { protocol: protocol?.value, address: address.value, port: port?.value };
    if let Some(first) = seen.insert(id, address.span.start) {
        let (first, _) = line_and_column(text, first);
        let message = format!("{id} is there twice; the first is in line {first}");
        section.problem(&address.span, "", &message);
    }
    Some(VirtualService {
        id,
        scheduler: scheduler.map_or(Scheduler::Wrr, |at| at.value),
        persistence: timeout.map(|timeout| Persistence {
            timeout: timeout.value,
            granularity: granularity.map_or(longest, |at| at.value),
        }),
        one_packet: one_packet.is_some_and(|at| at.value),
        stateless: stateless.is_some(),
        lost_connections: lost.map(|at| at.value).unwrap_or_default(),
        sorry_server: sorry_server.map(|at| at.value),
        inhibit_on_failure: inhibit.is_some_and(|at| at.value),
        follow_load: follow_load.is_some_and(|at| at.value),
        slow_start: slow_start.map(|at| at.value).unwrap_or_default(),
        quorum: quorum_value,
        quorum_hysteresis: hysteresis.map_or(0, |at| at.value),
        check,
        real_servers: servers.into_iter().collect::<Option<_>>()?,
    })
}

fn real_server(
    section: &Reader<'_>,
    vip: Option<&At<IpAddr>>,
    service_check: Option<&Check>,
    seen: &mut BTreeMap<IpAddr, usize>,
    text: &str,
) -> Option<RealServer> {
    let address = section.required("address", host_address);
    let weight = section.optional("weight", number("a weight", 0..=u16::MAX));
    let thresholds = "a number of connections";
    let upper = section.optional("upper_threshold", number(thresholds, 0..=u32::MAX));
    let lower = section.optional("lower_threshold", number(thresholds, 0..=u32::MAX));
    let own_check = check(section.section("check"));
    let drain = section.optional("drain", boolean);
    section.unknown_keys();

    let address = address?;
    if let Some(vip) = vip {
        check_family(section, "address", &address, vip);
    }
    let upper_threshold = upper.map_or(0, |at| at.value);
    if let Some(lower) = lower.as_ref().filter(|at| at.value > upper_threshold) {
        let message = format!("found {}; expected no more than upper_threshold", lower.value);
        section.problem(&lower.span, "lower_threshold", &message);
    }
    if vip.is_some_and(|vip| vip.value == address.value) {
        let message = "this is the virtual address; expected the real server's own";
        section.problem(&address.span, "address", message);
    }
    if let Some(first) = seen.insert(address.value, address.span.start) {
        let (first, _) = line_and_column(text, first);
        let message = format!("{} is there twice; the first is in line {first}", address.value);
        section.problem(&address.span, "address", &message);
    }
    Some(RealServer {
        address: address.value,
        weight: weight.map_or(Weight(1), |at| Weight(at.value)),
        upper_threshold,
        check: own_check.unwrap_or_else(|| service_check.cloned()),
        drain: drain.is_some_and(|at| at.value),
        // As IPVS: three quarters of the upper one.
        lower_threshold: match lower.map_or(0, |at| at.value) {
            0 => upper_threshold - upper_threshold / 4,
            lower => lower,
        },
    })
}

/// What else is said of a service that remembers nothing.
struct Others {
    /// Persistence.
    persists: bool,
    one_packet: bool,
    /// `follow_load` or `slow_start`.
    moves_weights: bool,
    /// `lost_connections = "keep"` or `inhibit_on_failure`.
    keeps: bool,
}

/// Nothing can be asked of a service that remembers nothing which only memory can do.
fn check_stateless(
    section: &Reader<'_>,
    stateless: &At<bool>,
    scheduler: Option<&At<Scheduler>>,
    Others { persists, one_packet, moves_weights, keeps }: Others,
    servers: &[Option<RealServer>],
) {
    let goes_by_hash =
        |it: &At<Scheduler>| matches!(it.value, Scheduler::Sh | Scheduler::Mh | Scheduler::Dh);
    let has_threshold = |it: &RealServer| it.upper_threshold > 0;
    let message = if !scheduler.is_some_and(goes_by_hash) {
        "needs a scheduler that goes by a hash (mh, sh, dh): the others decide only once for a connection"
    } else if persists {
        "remembers no client either: expected no persistence_timeout (sh and mh keep a client at one real \
         server anyway)"
    } else if one_packet {
        "can't be together with one_packet: no datagram is remembered in any case"
    } else if moves_weights {
        "breaks connections with each change of a weight: expected neither follow_load nor slow_start"
    } else if keeps {
        "can keep no connection at a real server that is down: expected neither inhibit_on_failure nor \
         lost_connections = \"keep\""
    } else if servers.iter().flatten().any(has_threshold) {
        "counts no connections: expected real servers without upper_threshold"
    } else {
        return;
    };
    section.problem(&stateless.span, "stateless", message);
}

/// A real server is on the same network as the virtual service, so of the same address family.
fn check_family(section: &Reader<'_>, key: &'static str, address: &At<IpAddr>, vip: &At<IpAddr>) {
    if address.value.is_ipv4() != vip.value.is_ipv4() {
        let family = if vip.value.is_ipv4() { "IPv4" } else { "IPv6" };
        let message =
            format!("found {}; expected an {family} address, as the service has", address.value);
        section.problem(&address.span, key, &message);
    }
}
