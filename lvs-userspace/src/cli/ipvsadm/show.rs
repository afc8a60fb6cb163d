//! What ipvsadm shows, to the letter, trailing spaces and all. Pure.

use std::net::{IpAddr, SocketAddr};

use super::List;
use crate::{
    cli::names,
    control::api::{
        Connection, Connections, Persistence, Rate, Rates, RealServer, Service, Services, Stay,
        Timeouts,
    },
    model::Protocol,
};

/// The services and their real servers in the order in which ipvsadm lists them.
pub(super) fn sorted(mut services: Services, list: &List) -> Services {
    if !list.unsorted {
        services.services.sort_by_key(|it| order(it.protocol, it.address, it.port));
        for service in &mut services.services {
            service.real_servers.sort_by_key(|it| it.address);
        }
    }
    services
}

/// The same of rates.
pub(super) fn sorted_rates(mut rates: Rates, list: &List) -> Rates {
    if !list.unsorted {
        rates.services.sort_by_key(|it| order(it.protocol, it.address, it.port));
        for service in &mut rates.services {
            service.real_servers.sort_by_key(|it| it.address);
        }
    }
    rates
}

/// IPv4 first, whatever the protocol.
fn order(protocol: Protocol, address: IpAddr, port: u16) -> (bool, u8, IpAddr, u16) {
    (address.is_ipv6(), protocol.number(), address, port)
}

/// What stands above everything, if everything is shown.
pub(super) fn version(size: u32) -> String {
    format!("IP Virtual Server version 1.2.1 (size={size})\n")
}

/// The services. Of several things that could be shown, the first in the order of the columns is.
pub(super) fn services(services: &Services, list: &List) -> String {
    const SECOND: &str = "  -> RemoteAddress:Port";
    const FIRST: &str = "Prot LocalAddress:Port";
    let mut text = if list.stats {
        title(FIRST, ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"])
    } else if list.thresholds {
        format!(
            "{FIRST:<33} {:<10} {:<10} {:<10} {:<10}\n{SECOND}\n",
            "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        )
    } else if list.persistent {
        format!(
            "{FIRST:<33} {:<9} {:<11} {:<10} {:<10}\n{SECOND}\n",
            "Weight", "PersistConn", "ActiveConn", "InActConn"
        )
    } else {
        format!("{FIRST} Scheduler Flags\n{SECOND}           Forward Weight ActiveConn InActConn\n")
    };
    for it in &services.services {
        text += &service(it, list);
        for real_server in &it.real_servers {
            text += &self::real_server(real_server, it.protocol, list);
        }
    }
    text
}

fn title(first: &str, columns: [&str; 5]) -> String {
    let columns = columns.map(|it| format!(" {it:>8}")).concat();
    format!("{first:<33}{columns}\n  -> RemoteAddress:Port\n")
}

fn service(service: &Service, list: &List) -> String {
    let name = name(service.protocol, service.address, service.port, list);
    if list.stats {
        let Service { connections, packets_in, bytes_in, .. } = *service;
        return format!("{name:<33}{}\n", five([connections, packets_in, 0, bytes_in, 0], list));
    }
    let mut text = format!("{name} {}", service.scheduler);
    if let Some(timeout) = service.persistence_timeout_s {
        text += &format!(" persistent {timeout}");
        match service.persistence_granularity {
            Some(length) if service.address.is_ipv4() && length < 32 => {
                text += &format!(" mask {}", super::values::mask(length));
            }
            Some(length) if service.address.is_ipv6() && length < 128 => {
                text += &format!(" mask {length}");
            }
            Some(_) | None => {}
        }
    }
    text + if service.one_packet { " ops\n" } else { "\n" }
}

fn real_server(it: &RealServer, protocol: Protocol, list: &List) -> String {
    let address = show(SocketAddr::new(it.address, it.port), protocol, list);
    let RealServer { active_connections: active, inactive_connections: inactive, .. } = *it;
    // Of one that nobody has met yet, the kernel would not know either whether it is there.
    let is_new = it.state.as_deref() == Some("checking");
    let weight = if is_new { it.weight } else { it.effective_weight };
    let address = format!("  -> {address:<28}");
    if list.stats {
        let counters = [it.connections, it.packets_in, 0, it.bytes_in, 0];
        format!("{address}{}\n", five(counters, list))
    } else if list.thresholds {
        let (upper, lower) = (it.upper_threshold, it.lower_threshold);
        format!("{address} {upper:<10} {lower:<10} {active:<10} {inactive:<10}\n")
    } else if list.persistent {
        let persistent = it.persistent_connections;
        format!("{address} {weight:<9} {persistent:<11} {active:<10} {inactive:<10}\n")
    } else {
        format!("{address} {:<7} {weight:<6} {active:<10} {inactive:<10}\n", "Route")
    }
}

/// `--rate`.
pub(super) fn rates(rates: &Rates, list: &List) -> String {
    let columns = |rate: &Rate| {
        let Rate { connections_per_s, packets_in_per_s, bytes_in_per_s } = *rate;
        five([connections_per_s, packets_in_per_s, 0, bytes_in_per_s, 0], list)
    };
    let columns_of = ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"];
    let mut text = title("Prot LocalAddress:Port", columns_of);
    for it in &rates.services {
        let name = name(it.protocol, it.address, it.port, list);
        text += &format!("{name:<33}{}\n", columns(&it.rate));
        for real_server in &it.real_servers {
            let address = SocketAddr::new(real_server.address, real_server.port);
            let address = show(address, it.protocol, list);
            text += &format!("  -> {address:<28}{}\n", columns(&real_server.rate));
        }
    }
    text
}

/// `-c`: the connections, and where clients stay.
pub(super) fn connections(
    connections: &Connections,
    persistence: &Persistence,
    list: &List,
) -> String {
    let mut text = "IPVS connection entries\n\
                    pro expire state       source             virtual            destination"
        .to_owned();
    text += if list.persistent { "        pe name          pe_data\n" } else { "\n" };
    for it in &connections.connections {
        let Connection { protocol, client, virtual_address, real_server, .. } = *it;
        let addresses = [client, virtual_address];
        text += &entry(protocol, it.expires_in_s, &it.state, addresses, real_server, list);
    }
    for it in &persistence.clients {
        let Stay { protocol, client, address, port, real_server, expires_in_s } = *it;
        let addresses = [SocketAddr::new(client, 0), SocketAddr::new(address, port)];
        // As the kernel calls a template that connections have been made by.
        text += &entry(protocol, expires_in_s, "ASSURED", addresses, real_server, list);
    }
    text
}

fn entry(
    protocol: Protocol,
    expires_in_s: u64,
    state: &str,
    [client, vip]: [SocketAddr; 2],
    real_server: IpAddr,
    list: &List,
) -> String {
    let destination = SocketAddr::new(real_server, vip.port());
    let [client, vip, destination] =
        [client, vip, destination].map(|address| show(address, protocol, list));
    let protocol = protocol.name().to_uppercase();
    let expire = format!("{:02}:{:02}", expires_in_s / 60, expires_in_s % 60);
    let entry = format!("{protocol:<3} {expire:<6} {state:<11} {client:<18} {vip:<18} ");
    // There are no persistence engines.
    entry
        + &if list.persistent {
            format!("{destination:<18} {:<16} \n", "")
        } else {
            format!("{destination}\n")
        }
}

/// `--timeout`.
pub(super) fn timeouts(timeouts: &Timeouts) -> String {
    let Timeouts { tcp_established_s, tcp_fin_wait_s, udp_s } = timeouts;
    format!("Timeout (tcp tcpfin udp): {tcp_established_s} {tcp_fin_wait_s} {udp_s}\n")
}

fn name(protocol: Protocol, address: IpAddr, port: u16, list: &List) -> String {
    let address = show(SocketAddr::new(address, port), protocol, list);
    format!("{}  {address}", protocol.name().to_uppercase())
}

fn show(address: SocketAddr, protocol: Protocol, list: &List) -> String {
    if list.numeric { address.to_string() } else { names::named(address, protocol) }
}

fn five(counters: [u64; 5], list: &List) -> String {
    counters.map(|counter| if list.exact { as_is(counter) } else { scaled(counter) }).concat()
}

/// Nine columns, or one more than there are digits.
fn as_is(counter: u64) -> String {
    format!(" {counter:>8}")
}

/// Nine columns, in thousands of a kind that fits.
fn scaled(counter: u64) -> String {
    match counter {
        0..100_000_000 => format!("{counter:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", counter / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", counter / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", counter / 1_000_000_000),
        _ => format!("{:>8}T", counter / 1_000_000_000_000),
    }
}
