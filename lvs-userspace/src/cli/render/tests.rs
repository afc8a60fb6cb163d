use std::net::IpAddr;

use expect_test::expect;

use super::*;
use crate::{
    control::api::Forwarding,
    model::{Protocol, Scheduler},
};

fn real_server(address: &str, weight: u32, counters: [u64; 5]) -> api::RealServer {
    let [active_connections, inactive_connections, connections, packets_in, bytes_in] = counters;
    api::RealServer {
        address: address.parse().unwrap(),
        port: 80,
        weight,
        effective_weight: weight,
        forwarding: Forwarding::Dr,
        health: Health::Up,
        state: None,
        why: None,
        upper_threshold: 0,
        lower_threshold: 0,
        persistent_connections: 0,
        active_connections,
        inactive_connections,
        connections,
        packets_in,
        bytes_in,
    }
}

fn services() -> Services {
    let service = |protocol, address: &str, real_servers: Vec<api::RealServer>| api::Service {
        protocol,
        address: address.parse::<IpAddr>().unwrap(),
        port: 80,
        scheduler: Scheduler::Wrr,
        persistence_timeout_s: None,
        persistence_granularity: None,
        one_packet: false,
        stateless: false,
        connections: real_servers.iter().map(|rs| rs.connections).sum(),
        packets_in: real_servers.iter().map(|rs| rs.packets_in).sum(),
        bytes_in: real_servers.iter().map(|rs| rs.bytes_in).sum(),
        real_servers,
    };
    let lost = api::RealServer {
        health: Health::Down,
        why: Some("it fails its checks".to_owned()),
        effective_weight: 0,
        ..real_server("10.77.0.12", 2, [0, 3, 30, 99_999_999, 100_000_000])
    };
    Services {
        services: vec![
            service(
                Protocol::Tcp,
                "10.77.0.100",
                vec![real_server("10.77.0.11", 3, [12, 40, 66, 999_999_999, 1_000_000_000]), lost],
            ),
            service(
                Protocol::Udp,
                "2001:db8::100",
                vec![real_server(
                    "2001:db8::11",
                    1,
                    [0, 1, 2, 99_999_999_999, 150_000_000_000_000],
                )],
            ),
        ],
    }
}

#[test]
fn rates_for_people() {
    let rate = |connections_per_s, packets_in_per_s, bytes_in_per_s| Rate {
        connections_per_s,
        packets_in_per_s,
        bytes_in_per_s,
    };
    let answer = Rates {
        services: vec![api::ServiceRates {
            protocol: Protocol::Tcp,
            address: "10.77.0.100".parse().unwrap(),
            port: 80,
            rate: rate(12, 345, 123_456_789),
            real_servers: vec![api::RealServerRates {
                address: "10.77.0.11".parse().unwrap(),
                port: 80,
                rate: rate(12, 345, 6_789),
            }],
        }],
    };
    expect![[r#"
        SERVICE             REAL SERVER  CONNS/S  PACKETS/S    BYTES/S
        tcp 10.77.0.100:80                    12        345  123456789
                            10.77.0.11        12        345       6789
    "#]]
    .assert_eq(&rates(&answer));
}

#[test]
fn an_empty_table_is_its_header() {
    let empty = Services { services: vec![] };
    assert_eq!(list(&empty, false).lines().count(), 1);
}

#[test]
fn list_for_people() {
    expect![[r#"
        SERVICE                     REAL SERVER   WEIGHT  STATE  ACTIVE  INACTIVE  CONNS      PACKETS            BYTES  WHY
        tcp 10.77.0.100:80 wrr                                       12        43     96   1099999998       1100000000
                                    10.77.0.11         3  up         12        40     66    999999999       1000000000
                                    10.77.0.12    0 of 2  down        0         3     30     99999999        100000000  it fails its checks
        udp [2001:db8::100]:80 wrr                                    0         1      2  99999999999  150000000000000
                                    2001:db8::11       1  up          0         1      2  99999999999  150000000000000
    "#]].assert_eq(&list(&services(), false));
}

#[test]
fn colour_is_only_for_who_wants_it() {
    assert!(!list(&services(), false).contains('\u{1b}'));
}
