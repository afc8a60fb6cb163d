//! What is sent, and how a director comes to know of it beforehand.

use std::fmt;

use anyhow::Result;
use serde::{Serialize, Serializer};

use super::{
    frames::{Kind, frame},
    generator::Generator,
    window::on,
};

/// So many connections are opened before they are used: what is half open has to be remembered till then.
const AT_ONCE: u32 = 1024;
/// So few are under way at once that none gets lost, whatever else the machine is doing.
const BATCH: u32 = 32;
/// Clients of a flood.
const CROWD: u32 = 1 << 24;

/// A row of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Of so many connections that are known.
    Known(u32),
    /// Each opens another connection.
    Syns,
}

impl Traffic {
    /// Has the generator send it.
    pub(crate) fn choose(self, generator: &mut Generator) -> Result<()> {
        match self {
            Self::Known(connections) => generator.set(frame(Kind::Ack), connections),
            Self::Syns => generator.set(frame(Kind::Syn), CROWD),
        }
    }

    /// Opens its connections at whoever forwards now.
    pub(crate) fn open(self, generator: &mut Generator, cpu: usize) -> Result<()> {
        let Self::Known(connections) = self else { return Ok(()) };
        for first in (0..connections).step_by(AT_ONCE as usize) {
            let number = AT_ONCE.min(connections - first);
            for kind in [Kind::Syn, Kind::Ack] {
                generator.set(frame(kind), connections)?;
                generator.go_to(first)?;
                on(cpu, || generator.send(number, BATCH))??;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(1) => f.write_str("1 known TCP connection"),
            Self::Known(connections) => write!(f, "{connections} known TCP connections"),
            Self::Syns => f.write_str("SYNs, each of a new client"),
        }
    }
}

impl Serialize for Traffic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
