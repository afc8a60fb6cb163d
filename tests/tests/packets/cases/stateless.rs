//! Packets to services that remember nothing.

use lvs_common::fate::Fate;

use super::{Case, Expected, to};
use crate::{
    frames::{self as f, ACK, FIN_ACK, RST, SYN, v6},
    world::{
        SINGLE, SINGLE_PORT, STATELESS, STATELESS_IN_VLAN, STATELESS_PORT, STATELESS_SORRY,
        STATELESS_SORRY_PORT, STATELESS_UDP, STATELESS_V6, STATELESS_VLAN_PORT, VLAN,
    },
};

/// All of them, for a [`world`](crate::world::stateless_tables) that has such services.
pub fn all() -> Vec<Case> {
    let tcp = |port, flags| f::tcp(port, STATELESS_PORT, flags);
    // By the hash of the client's address.
    let [other, here, _] = STATELESS;
    let [_, here_v6] = STATELESS_V6;
    let from = |client: [u8; 4], frame| f::patched(frame, 26, &client);
    vec![
        to("stateless: a SYN", vec![], tcp(9001, SYN), here, 1),
        to("stateless: the SYN again", vec![tcp(9002, SYN)], tcp(9002, SYN), here, 1),
        to("stateless: an ACK that no SYN came before", vec![], tcp(9003, ACK), here, 0),
        to("stateless: FIN", vec![], tcp(9003, FIN_ACK), here, 0),
        to("stateless: RST", vec![], tcp(9003, RST), here, 0),
        to("stateless: another port of the client", vec![], tcp(9004, SYN), here, 1),
        to("stateless: another client", vec![], from([10, 77, 0, 7], tcp(9001, SYN)), other, 1),
        to("stateless: in a VLAN", vec![], f::tagged(tcp(9005, ACK), 10), here, 0),
        to("stateless: a datagram", vec![], f::udp(9006, STATELESS_PORT, b"a"), STATELESS_UDP, 0),
        to(
            "stateless: an ICMP error",
            vec![],
            f::icmp_error(3, 4, 6, 9007, STATELESS_PORT),
            here,
            0,
        ),
        to("stateless: a SYN over IPv6", vec![], v6::tcp(9008, STATELESS_PORT, SYN), here_v6, 1),
        to("stateless: an ACK over IPv6", vec![], v6::tcp(9009, STATELESS_PORT, ACK), here_v6, 0),
        to(
            "stateless: the sorry server",
            vec![],
            f::tcp(9010, STATELESS_SORRY_PORT, SYN),
            STATELESS_SORRY,
            1,
        ),
        to(
            "stateless: an ACK to the sorry server",
            vec![],
            f::tcp(9010, STATELESS_SORRY_PORT, ACK),
            STATELESS_SORRY,
            0,
        ),
        Case {
            name: "stateless: the tag of the real server's VLAN",
            before: vec![],
            frame: f::tcp(9011, STATELESS_VLAN_PORT, ACK),
            expected: Expected::Forwarded {
                to: STATELESS_IN_VLAN,
                frame: f::forwarded(
                    &f::tagged(f::tcp(9011, STATELESS_VLAN_PORT, ACK), VLAN),
                    STATELESS_IN_VLAN,
                ),
                connections: 0,
            },
        },
        Case {
            name: "stateless: a packet that comes back from its real server",
            before: vec![],
            frame: f::patched(tcp(9012, ACK), 6, &here.mac()),
            expected: Expected::Dropped(Fate::DroppedLoop),
        },
        to(
            "beside stateless: a connection is known",
            vec![f::tcp(9013, SINGLE_PORT, SYN), f::tcp(9013, SINGLE_PORT, ACK)],
            f::tcp(9013, SINGLE_PORT, ACK),
            SINGLE,
            0,
        ),
    ]
}
