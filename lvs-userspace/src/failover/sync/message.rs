//! The messages of a synchronisation. Pure.
//!
//! ```text
//!  kind, 1 byte | when it was put together, 8 bytes | what the kind says, up to the end
//! ```
//!
//! The kind says what follows: [`Status`] as JSON, records ([`super::record`]), or nothing: all that the
//! server knew has been told. The time is in milliseconds, by the speaker's own clock, in network order.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failover::machine::State;

const STATUS: u8 = 1;
const RECORDS: u8 = 2;
const ALL_TOLD: u8 = 3;
/// Bytes before what the kind says.
const HEAD: usize = 1 + size_of::<u64>();

/// The longest status, in bytes: names are short.
const LONGEST_STATUS: usize = 4096;

/// The longest message, in bytes.
pub(super) const LONGEST: usize = 1 << 18;

/// What a director says of itself to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its version of this program.
    pub version: String,
    /// Its state.
    pub role: State,
    /// Its virtual services.
    pub services: u32,
    /// Their real servers.
    pub real_servers: u32,
    /// Connections that it remembers.
    pub connections: u64,
    /// A hash of its services as they are configured: who has another has other tables.
    pub tables: String,
    /// To a follower: whether it was told everything, and missed nothing since.
    pub all_told: bool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Status(Status),
    Records(&'a [u8]),
    AllTold,
}

impl Message<'_> {
    /// Its bytes, put together at a time of the speaker's own clock.
    pub(super) fn encode(&self, said: Duration) -> Vec<u8> {
        let (kind, body) = match self {
            // What it has can be written as JSON; if not, it says nothing of itself.
            Self::Status(status) => {
                (STATUS, &*serde_json::to_vec(status).unwrap_or_else(|_| b"{}".to_vec()))
            }
            Self::Records(records) => (RECORDS, *records),
            Self::AllTold => (ALL_TOLD, &[][..]),
        };
        // A clock that has gone for longer than that is none.
        let milliseconds = u64::try_from(said.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.push(kind);
        bytes.extend(milliseconds.to_be_bytes());
        bytes.extend(body);
        bytes
    }
}

impl<'a> Message<'a> {
    /// What some bytes say, and when that was; `None` if nothing that is known.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<(Duration, Self)> {
        let (&kind, rest) = bytes.split_first()?;
        let (milliseconds, body) = rest.split_first_chunk()?;
        let said = Duration::from_millis(u64::from_be_bytes(*milliseconds));
        let message = match (kind, body) {
            (STATUS, json) if json.len() <= LONGEST_STATUS => {
                Self::Status(serde_json::from_slice(json).ok()?)
            }
            (RECORDS, records) => Self::Records(records),
            (ALL_TOLD, []) => Self::AllTold,
            _ => return None,
        };
        Some((said, message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let said = Duration::from_millis(1 << 40);
        let status = Status { name: "midas".into(), connections: 7, ..Status::default() };
        for message in [Message::Status(status), Message::Records(b"abc"), Message::AllTold] {
            assert_eq!(Message::decode(&message.encode(said)), Some((said, message)));
        }
        // A later version may say more of itself, or less.
        let more = b"\x01\0\0\0\0\0\0\0\x07{\"name\":\"x\",\"more\":[]}";
        let Some((_, Message::Status(other))) = Message::decode(more) else { panic!("no status") };
        assert_eq!(other.name, "x");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..6) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            Message::decode(&bytes);
        }
    }
}
