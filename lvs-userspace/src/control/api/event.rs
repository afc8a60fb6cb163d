//! What happens, as it is told to who listens.

use std::{net::IpAddr, time::SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Reloaded;
use crate::model::Protocol;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// It happens now.
    #[must_use]
    pub fn now(what: What) -> Self {
        Self { time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(), what }
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The state of a real server, or of a service, is another.
    State {
        /// Protocol of the virtual service.
        protocol: Protocol,
        /// Its address.
        address: IpAddr,
        /// Its port.
        port: u16,
        /// The real server; `null` if it is about the service itself.
        real_server: Option<IpAddr>,
        /// What the state was.
        from: String,
        /// What it is.
        to: String,
        /// Why.
        reason: String,
    },
    /// The running configuration is another.
    Configuration {
        /// Who has changed it.
        by: String,
        /// A line as in [`Reloaded`].
        change: String,
    },
    /// The director is something else to the others.
    Role {
        /// What it was.
        from: String,
        /// What it is, or `split brain`.
        to: String,
        /// Why.
        reason: String,
    },
    /// The maps are not what they should be, or are again.
    Maps {
        /// Why they are not; `null` if they are.
        out_of_sync: Option<String>,
    },
    /// Who listens was too slow for some events.
    Missed {
        /// So many.
        events: u64,
    },
}
