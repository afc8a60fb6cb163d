use expect_test::{Expect, expect};
use lvs_common::fate::Fate;

use super::*;
use crate::{
    control::api::{Flag, Question, Unavailable},
    model::{Protocol, Scheduler},
};

fn said() -> Why {
    Why {
        packet: Question {
            protocol: Protocol::Tcp,
            client: "10.77.0.2:40000".parse().unwrap(),
            virtual_address: "10.77.0.100:80".parse().unwrap(),
            flag: None,
        },
        forwarded: true,
        fate: None,
        real_server: Some(Receiver {
            address: "10.77.0.12".parse().unwrap(),
            mac: Some("02:00:0a:4d:00:0c".to_owned()),
            interface: Some("eth0".to_owned()),
        }),
        reason: Some(Reason::Scheduler),
        connection: None,
        service: None,
        scheduler: Some(Scheduler::Wrr),
        unavailable: vec![Unavailable {
            address: "10.77.0.13".parse().unwrap(),
            why: "it fails its checks".to_owned(),
        }],
    }
}

fn remembered(state: &str) -> Option<Remembered> {
    let real_server = Some("10.77.0.11".parse().unwrap());
    Some(Remembered { state: state.to_owned(), real_server, expires_in_s: 898 })
}

fn ended(fate: Fate) -> Option<Ended> {
    Some(Ended { name: fate.name().to_owned(), meaning: fate.meaning().to_owned() })
}

fn says(it: Why, expected: Expect) {
    expected.assert_eq(&why(&it));
}

#[test]
fn a_new_connection() {
    says(
        said(),
        expect![[r#"
        tcp 10.77.0.2:40000 -> 10.77.0.100:80
        would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): a new connection, for which wrr picks it
        not to 10.77.0.13: it fails its checks
    "#]],
    );
    says(
        Why { reason: Some(Reason::Persistence), unavailable: vec![], ..said() },
        expect![[r#"
            tcp 10.77.0.2:40000 -> 10.77.0.100:80
            would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): a new connection, and the client stays there (persistence)
        "#]],
    );
    says(
        Why { reason: Some(Reason::SorryServer), ..said() },
        expect![[r#"
        tcp 10.77.0.2:40000 -> 10.77.0.100:80
        would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): a new connection, and no real server takes any: this is the sorry server
        not to 10.77.0.13: it fails its checks
    "#]],
    );
    says(
        Why { reason: Some(Reason::Unrecorded), unavailable: vec![], ..said() },
        expect![[r#"
            tcp 10.77.0.2:40000 -> 10.77.0.100:80
            would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): nothing is remembered of it, and the hash of an address picks it
        "#]],
    );
    says(
        Why { connection: remembered("FIN_WAIT"), unavailable: vec![], ..said() },
        expect![[r#"
            tcp 10.77.0.2:40000 -> 10.77.0.100:80
            would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): a new connection in place of that with 10.77.0.11 (FIN_WAIT), for which wrr picks it
        "#]],
    );
}

#[test]
fn a_connection_that_is_there() {
    let connection = remembered("ESTABLISHED");
    says(
        Why { reason: Some(Reason::Connection), connection, ..said() },
        expect![[r#"
        tcp 10.77.0.2:40000 -> 10.77.0.100:80
        would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): its connection is known (ESTABLISHED, 14:58 left)
    "#]],
    );
}

#[test]
fn a_stray_packet() {
    let mut it = Why { reason: Some(Reason::Stray), unavailable: vec![], ..said() };
    it.packet.flag = Some(Flag::Ack);
    says(
        it,
        expect![[r#"
        tcp 10.77.0.2:40000 -> 10.77.0.100:80 (ack)
        would go to 10.77.0.12 (02:00:0a:4d:00:0c, eth0): it is TCP of no connection and opens none; the real server resets it, unless it knows it
    "#]],
    );
}

#[test]
fn a_packet_that_is_not_forwarded() {
    let nowhere = || Why { forwarded: false, real_server: None, reason: None, ..said() };
    says(
        Why { fate: ended(Fate::DroppedNoRealServer), ..nowhere() },
        expect![[r#"
        tcp 10.77.0.2:40000 -> 10.77.0.100:80
        would be dropped: the virtual service has no real server that takes connections (dropped_no_real_server)
        not to 10.77.0.13: it fails its checks
    "#]],
    );
    says(
        Why { fate: ended(Fate::PassedNoService), unavailable: vec![], ..nowhere() },
        expect![[r#"
            tcp 10.77.0.2:40000 -> 10.77.0.100:80
            would be passed to the kernel: TCP or UDP for no virtual service, but for a VIP or what looks like one (passed_no_service)
        "#]],
    );
    says(
        Why {
            forwarded: false,
            fate: ended(Fate::DroppedNeighbourUnknown),
            real_server: said().real_server.map(|it| Receiver { mac: None, interface: None, ..it }),
            ..said()
        },
        expect![[r#"
            tcp 10.77.0.2:40000 -> 10.77.0.100:80
            would go to 10.77.0.12: a new connection, for which wrr picks it
            but would be dropped: the MAC of the real server is not known (dropped_neighbour_unknown)
            not to 10.77.0.13: it fails its checks
        "#]],
    );
}
