//! The messages of a synchronisation. Pure.
//!
//! The first byte says what follows: [`Status`] as JSON, records ([`super::record`]) up to the end, or
//! nothing: all that the server knew has been told.

use serde::{Deserialize, Serialize};

use crate::failover::machine::State;

const STATUS: u8 = 1;
const RECORDS: u8 = 2;
const ALL_TOLD: u8 = 3;

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

impl Status {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![STATUS];
        // What it has can be written as JSON; if not, it says nothing of itself.
        bytes.extend(serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec()));
        bytes
    }
}

/// The message with these records.
pub(super) fn records(records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.len() + 1);
    bytes.push(RECORDS);
    bytes.extend(records);
    bytes
}

/// The message that all has been told.
pub(super) const fn all_told() -> [u8; 1] {
    [ALL_TOLD]
}

impl<'a> Message<'a> {
    /// What some bytes say; `None` if nothing that is known.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&STATUS, json) if json.len() <= LONGEST_STATUS => {
                serde_json::from_slice(json).ok().map(Self::Status)
            }
            (&RECORDS, records) => Some(Self::Records(records)),
            (&ALL_TOLD, []) => Some(Self::AllTold),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let status = Status { name: "midas".into(), connections: 7, ..Status::default() };
        assert_eq!(Message::decode(&status.encode()), Some(Message::Status(status)));
        assert_eq!(Message::decode(&records(b"abc")), Some(Message::Records(b"abc")));
        assert_eq!(Message::decode(&all_told()), Some(Message::AllTold));
        // A later version may say more of itself, or less.
        let Some(Message::Status(other)) = Message::decode(b"\x01{\"name\":\"x\",\"more\":[]}")
        else {
            panic!("no status")
        };
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
