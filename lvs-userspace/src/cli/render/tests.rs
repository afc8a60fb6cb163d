use std::net::IpAddr;

use expect_test::expect;

use super::*;
use crate::{control::api::Forwarding, model::Scheduler};

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

fn numeric() -> List {
    List { numeric: true, ..List::default() }
}

#[test]
fn ipvsadm_list() {
    expect![[r#"
        IP Virtual Server version 1.2.1 (size=1048576)
        Prot LocalAddress:Port Scheduler Flags
          -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
        TCP  10.77.0.100:80 wrr
          -> 10.77.0.11:80                Route   3      12         40        
          -> 10.77.0.12:80                Route   0      0          3         
        UDP  [2001:db8::100]:80 wrr
          -> [2001:db8::11]:80            Route   1      0          1         
    "#]]
    .assert_eq(&ipvsadm(&services(), 1_048_576, &numeric()));
}

#[test]
fn ipvsadm_stats() {
    expect![[r#"
        IP Virtual Server version 1.2.1 (size=1048576)
        Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     96    1099M        0    1100M        0
          -> 10.77.0.11:80                      66  999999K        0    1000M        0
          -> 10.77.0.12:80                      30 99999999        0  100000K        0
        UDP  [2001:db8::100]:80                  2   99999M        0     150T        0
          -> [2001:db8::11]:80                   2   99999M        0     150T        0
    "#]]
    .assert_eq(&ipvsadm(&services(), 1_048_576, &List { stats: true, ..numeric() }));
}

#[test]
fn ipvsadm_stats_exact() {
    expect![[r#"
        IP Virtual Server version 1.2.1 (size=1048576)
        Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     96 1099999998        0 1100000000        0
          -> 10.77.0.11:80                      66 999999999        0 1000000000        0
          -> 10.77.0.12:80                      30 99999999        0 100000000        0
        UDP  [2001:db8::100]:80                  2 99999999999        0 150000000000000        0
          -> [2001:db8::11]:80                   2 99999999999        0 150000000000000        0
    "#]]
    .assert_eq(&ipvsadm(&services(), 1_048_576, &List { stats: true, exact: true, ..numeric() }));
}

#[test]
fn rates_in_both_ways() {
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
        IP Virtual Server version 1.2.1 (size=4096)
        Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     12      345        0  123456K        0
          -> 10.77.0.11:80                      12      345        0     6789        0
    "#]]
    .assert_eq(&ipvsadm_rates(&answer, 4096, &numeric()));
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
    assert_eq!(ipvsadm(&empty, 4096, &numeric()).lines().count(), 3);
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

#[test]
fn status_for_people() {
    let answer = Status {
        version: "0.1.0".to_owned(),
        director: "midas".to_owned(),
        connection_table_size: 4096,
        interfaces: vec![api::Interface {
            name: "eth0".to_owned(),
            mac: "02:00:0a:4d:00:03".to_owned(),
            xdp_mode: "native".to_owned(),
        }],
        file: File { path: "/etc/lvs/lvs.toml".to_owned(), differs: Some(true) },
        out_of_sync: None,
        fates: vec![api::FateCount {
            name: "passed_arp".to_owned(),
            meaning: "Passed to the kernel: ARP that asks for no VIP.".to_owned(),
            packets: 12,
        }],
    };
    expect![[r#"
        director midas (lvsd 0.1.0)
        interface eth0 02:00:0a:4d:00:03, native XDP
        what is running is not what /etc/lvs/lvs.toml says: see `lvsctl diff`

        PACKETS NOT FORWARDED  COUNT  MEANING
        passed_arp                12  Passed to the kernel: ARP that asks for no VIP.
    "#]]
    .assert_eq(&status(&answer));
}
