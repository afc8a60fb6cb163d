//! What one director tells another of a connection, or of where a client stays. Pure.
//!
//! ```text
//!  tag 4   | state | age     | client 4  | port    | VIP 4  | port    | real server 4
//!  tag 6   | state | age     | client 16 | port    | VIP 16 | port    | real server 16
//!  tag 'T' | proto | age     | client 16 | age     | VIP 16 | port    | real server 16
//!  1 byte    1       2         4, 16       2         4, 16    2         4, 16
//! ```
//!
//! Numbers are in network order, the age in seconds, of a template in 32 bits, the lower half first; the state says whether it is TCP or UDP
//! ([`lvs_common::connections::state`]). IPv4 addresses among those of 16 bytes are `::ffff:a.b.c.d`.

use std::{net::IpAddr, time::Duration};

use lvs_common::{
    abi::{ConnectionKey, ConnectionKeyV6, TCP, UDP},
    connections::state,
    flow::Flow,
};

use crate::{
    dataplane::store::FlowName,
    model::{Protocol, ServiceId},
};

const V4: u8 = 4;
const V6: u8 = 6;
const TEMPLATE: u8 = b'T';
const HEAD: usize = 4;
/// The longest, in bytes.
pub(super) const LONGEST: usize = HEAD + 2 * 18 + 16;

/// Something that another director is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A connection is at a real server, in one of [`state`].
    Connection { flow: FlowName, state: u8, age: Duration, real_server: IpAddr },
    /// A client stays with a real server. The address is cut to what the service's granularity says.
    Template { client: [u8; 16], service: ServiceId, age: Duration, real_server: IpAddr },
}

impl Record {
    /// Its bytes; nothing for what can't be: ends of different families.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let seconds =
            |age: Duration| u16::try_from(age.as_secs()).unwrap_or(u16::MAX).to_be_bytes();
        match *self {
            Self::Connection { flow, state, age, real_server } => match (flow, real_server) {
                (FlowName::V4(Flow { key, .. }), IpAddr::V4(real_server)) => {
                    into.extend([V4, state]);
                    into.extend(seconds(age));
                    into.extend(key.client.iter().chain(&key.client_port));
                    into.extend(key.vip.iter().chain(&key.port));
                    into.extend(real_server.octets());
                }
                (FlowName::V6(Flow { key, .. }), IpAddr::V6(real_server)) => {
                    into.extend([V6, state]);
                    into.extend(seconds(age));
                    into.extend(key.client.iter().chain(&key.client_port));
                    into.extend(key.vip.iter().chain(&key.port));
                    into.extend(real_server.octets());
                }
                (FlowName::V4(_) | FlowName::V6(_), _) => {}
            },
            Self::Template { client, service, age, real_server } => {
                let seconds = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
                let [a, b, c, d] = seconds.to_be_bytes();
                into.extend([TEMPLATE, service.protocol.number(), c, d]);
                into.extend(client);
                into.extend([a, b]);
                into.extend(long(service.address));
                into.extend(service.port.to_be_bytes());
                into.extend(long(real_server));
            }
        }
    }

    /// The same, heard so much later than it was said.
    pub(super) fn later(mut self, late: Duration) -> Self {
        let (Self::Connection { age, .. } | Self::Template { age, .. }) = &mut self;
        *age = age.saturating_add(late);
        self
    }

    /// The first of some bytes, and what follows it; `None` if there is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[tag, kind, high, low], rest) = bytes.split_first_chunk::<HEAD>()?;
        let age = Duration::from_secs(u16::from_be_bytes([high, low]).into());
        match tag {
            V4 => {
                let (client, rest) = rest.split_first_chunk::<4>()?;
                let (client_port, rest) = rest.split_first_chunk::<2>()?;
                let (vip, rest) = rest.split_first_chunk::<4>()?;
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (real_server, rest) = rest.split_first_chunk::<4>()?;
                let (client, vip, client_port, port) = (*client, *vip, *client_port, *port);
                let key = ConnectionKey { client, vip, client_port, port };
                let flow = FlowName::V4(Flow { key, protocol: protocol(kind)? });
                let real_server = IpAddr::from(*real_server);
                Some((Self::Connection { flow, state: kind, age, real_server }, rest))
            }
            V6 | TEMPLATE => {
                let (client, rest) = rest.split_first_chunk::<16>()?;
                let (client_port, rest) = rest.split_first_chunk::<2>()?;
                let (vip, rest) = rest.split_first_chunk::<16>()?;
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (real_server, rest) = rest.split_first_chunk::<16>()?;
                let real_server = IpAddr::from(*real_server);
                if tag == TEMPLATE {
                    let [a, b] = *client_port;
                    let age = u32::from_be_bytes([a, b, high, low]);
                    let age = Duration::from_secs(age.into());
                    let protocol = Protocol::ALL.into_iter().find(|it| it.number() == kind)?;
                    let address = IpAddr::from(*vip).to_canonical();
                    let service = ServiceId { protocol, address, port: u16::from_be_bytes(*port) };
                    let real_server = real_server.to_canonical();
                    return Some((
                        Self::Template { client: *client, service, age, real_server },
                        rest,
                    ));
                }
                let (client, vip, client_port, port) = (*client, *vip, *client_port, *port);
                let key = ConnectionKeyV6 { client, vip, client_port, port };
                let flow = FlowName::V6(Flow { key, protocol: protocol(kind)? });
                Some((Self::Connection { flow, state: kind, age, real_server }, rest))
            }
            _ => None,
        }
    }
}

fn long(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The protocol of a state; `None` if no connection has that.
fn protocol(state: u8) -> Option<u32> {
    let is_one = (1..=state::COUNT).contains(&usize::from(state));
    is_one.then(|| u32::from(if state::is_udp(state) { UDP } else { TCP }))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any that there can be.
    pub(crate) fn any_record() -> impl Strategy<Value = Record> {
        let ends4 = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<[u8; 2]>(), any::<[u8; 2]>());
        let ends6 = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 2]>(), any::<[u8; 2]>());
        let (state, age) = (1u8..=7, any::<u16>().prop_map(|it| Duration::from_secs(it.into())));
        prop_oneof![
            (ends4, state.clone(), age.clone(), any::<[u8; 4]>()).prop_map(
                |((client, vip, client_port, port), state, age, real_server)| {
                    let key = ConnectionKey { client, vip, client_port, port };
                    let flow = FlowName::V4(Flow { key, protocol: protocol(state).unwrap() });
                    Record::Connection { flow, state, age, real_server: real_server.into() }
                }
            ),
            (ends6, state, age, any::<[u8; 16]>()).prop_map(
                |((client, vip, client_port, port), state, age, real_server)| {
                    let key = ConnectionKeyV6 { client, vip, client_port, port };
                    let flow = FlowName::V6(Flow { key, protocol: protocol(state).unwrap() });
                    Record::Connection { flow, state, age, real_server: real_server.into() }
                }
            ),
            (any::<[u8; 16]>(), any::<[u8; 4]>(), any::<u16>(), any::<u32>(), any::<[u8; 4]>())
                .prop_map(|(client, vip, port, age, real_server)| {
                    let age = Duration::from_secs(age.into());
                    let (protocol, address) = (Protocol::Tcp, vip.into());
                    let service = ServiceId { protocol, address, port };
                    Record::Template { client, service, age, real_server: real_server.into() }
                }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard(records in prop::collection::vec(any_record(), 0..20)) {
            let mut bytes = Vec::new();
            for record in &records {
                let before = bytes.len();
                record.encode(&mut bytes);
                prop_assert!((1..=LONGEST).contains(&(bytes.len() - before)));
            }
            let mut rest = &bytes[..];
            for record in records {
                let (heard, after) = Record::decode(rest).unwrap();
                prop_assert_eq!(heard, record);
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some((record, rest)) = Record::decode(&bytes) {
                let mut again = Vec::new();
                record.encode(&mut again);
                // But for what has no meaning.
                prop_assert_eq!(again.len(), bytes.len() - rest.len());
            }
        }
    }

    #[test]
    fn bytes_of_a_connection() {
        let key = ConnectionKey {
            client: [10, 77, 0, 2],
            vip: [10, 77, 0, 100],
            client_port: [0x30, 0x39],
            port: [0, 80],
        };
        let record = Record::Connection {
            flow: FlowName::V4(Flow { key, protocol: 6 }),
            state: state::ESTABLISHED,
            age: Duration::from_secs(258),
            real_server: "10.77.0.11".parse().unwrap(),
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(
            bytes,
            [4, 2, 1, 2, 10, 77, 0, 2, 0x30, 0x39, 10, 77, 0, 100, 0, 80, 10, 77, 0, 11]
        );
    }
}
