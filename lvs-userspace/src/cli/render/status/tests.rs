//! A director as people read it.

use expect_test::expect;

use super::*;
use crate::failover::machine::State;

fn other_director(name: &str, role: State, is_in_sync: bool) -> api::OtherDirector {
    api::OtherDirector {
        address: "10.77.0.4:8848".to_owned(),
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        role,
        services: 2,
        real_servers: 6,
        connections: 1_000,
        is_in_sync,
        has_other_tables: !is_in_sync,
    }
}

fn synchronisation() -> api::Synchronisation {
    api::Synchronisation {
        follows: None,
        followers: Vec::new(),
        told: 5_000,
        taken: 40,
        older: 3,
        unknown: 2,
        no_room: 1,
        resyncs: 0,
        floods: 0,
    }
}

#[test]
fn failover_for_people() {
    let master = api::Failover {
        role: State::Master,
        since_s: 3725,
        vrid: 26,
        priority: 255,
        by_hand: true,
        has_resigned: false,
        signed: true,
        wrong: Vec::new(),
        peers: vec![api::FailoverPeer {
            address: [10, 77, 0, 4].into(),
            priority: None,
            last_advertisement_ms: None,
            advertisements: 0,
            has_other_vips: false,
        }],
        ways: vec![api::FailoverWay { name: "10.77.0.4".to_owned(), sent: 37_250, error: None }],
        sent: 37_250,
        received: 12,
        late: 0,
        refused: Vec::new(),
        splits: 0,
        takeovers: 1,
        announcements: 10,
        sync: Some(api::Synchronisation {
            followers: vec![api::Follower {
                since_s: 61,
                director: other_director("estepe", State::Backup, true),
            }],
            ..synchronisation()
        }),
    };
    let at_fault = api::Failover {
        role: State::Fault,
        since_s: 2,
        priority: 50,
        by_hand: false,
        has_resigned: true,
        signed: false,
        wrong: vec!["eth0 has no link".to_owned()],
        peers: vec![api::FailoverPeer {
            address: [10, 77, 0, 4].into(),
            priority: Some(100),
            last_advertisement_ms: Some(85),
            advertisements: 20,
            has_other_vips: true,
        }],
        ways: vec![api::FailoverWay {
            name: "eth0 (IPv4)".to_owned(),
            sent: 7,
            error: Some("Network is down".to_owned()),
        }],
        refused: vec![api::Refused {
            name: "checksum".to_owned(),
            meaning: "Its checksum is wrong.".to_owned(),
            packets: 3,
        }],
        sync: Some(api::Synchronisation {
            follows: Some(api::Followed {
                address: "10.77.0.4:8848".to_owned(),
                is_in_sync: false,
                error: Some("Connection refused (os error 111)".to_owned()),
                director: Some(other_director("midas", State::Master, false)),
            }),
            ..synchronisation()
        }),
        ..master.clone()
    };
    let told_nothing = api::Failover { sync: None, ..master.clone() };
    expect![[r#"
        failover: master for 1h 2m 5s, vrid 26, priority 255, by its operator's wish
          peer 10.77.0.4: never heard (a backup is silent)
          way 10.77.0.4: 37250 sent
          advertisements: 37250 sent, 12 received, 0 late; 1 takeovers, 0 splits, 10 announcements
          followed by 10.77.0.4:8848 for 1m 1s: in sync
            estepe (lvsd 0.1.0): backup, 2 services, 6 real servers, 1000 connections
          connections: 5000 told, 40 taken in, 3 known better, 2 of unknown real servers, 1 without room; 0 resyncs, 0 floods
        failover: fault for 2s, vrid 26, priority 50, has handed over by its operator's wish, ADVERTISEMENTS ARE NOT SIGNED
          WRONG: eth0 has no link
          peer 10.77.0.4: heard 85ms ago with priority 100, 20 in all; IT ANSWERS FOR OTHER ADDRESSES
          way eth0 (IPv4): 7 sent; FAILS: Network is down
          advertisements: 37250 sent, 12 received, 0 late; 1 takeovers, 0 splits, 10 announcements
          refused checksum: 3 (Its checksum is wrong.)
          follows 10.77.0.4:8848: NOT IN SYNC: Connection refused (os error 111)
            midas (lvsd 0.1.0): master, 2 services, 6 real servers, 1000 connections; ITS SERVICES ARE NOT THOSE OF THIS DIRECTOR
          connections: 5000 told, 40 taken in, 3 known better, 2 of unknown real servers, 1 without room; 0 resyncs, 0 floods
        failover: master for 1h 2m 5s, vrid 26, priority 255, by its operator's wish
          peer 10.77.0.4: never heard (a backup is silent)
          way 10.77.0.4: 37250 sent
          advertisements: 37250 sent, 12 received, 0 late; 1 takeovers, 0 splits, 10 announcements
          connections are not told to other directors (sync = false)
    "#]].assert_eq(&[&master, &at_fault, &told_nothing].map(failover).concat());
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
        timeouts: api::Timeouts::default(),
        file: File { path: "/etc/lvs/lvs.toml".to_owned(), differs: Some(true) },
        out_of_sync: None,
        failover: None,
        checks: api::Checks { made: 12_345, late: 6, not_asked: 0, latest_ms: 120 },
        unrecorded: 5,
        fates: vec![api::FateCount {
            name: "passed_arp".to_owned(),
            meaning: "Passed to the kernel: ARP that asks for no VIP.".to_owned(),
            packets: 12,
        }],
    };
    expect![[r#"
        director midas (lvsd 0.1.0)
        interface eth0 02:00:0a:4d:00:03, native XDP
        checks 12345: 6 late, the latest of the last minute by 120 ms; 0 could not be made
        what is running is not what /etc/lvs/lvs.toml says: see `lvsctl diff`

        PACKETS NOT FORWARDED  COUNT  MEANING
        passed_arp                12  Passed to the kernel: ARP that asks for no VIP.

        5 SYNs were forwarded and not recorded: more began than half_open has room for
    "#]]
    .assert_eq(&status(&answer));
}
