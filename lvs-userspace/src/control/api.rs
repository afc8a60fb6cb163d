//! What goes over the control socket, version 1. Names and meanings stay; fields may be added.

mod configuration;
mod connections;
mod event;
mod failover;
mod services;
mod status;
mod why;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use configuration::{
    Configuration, Edited, Edits, Reload, Reloaded, Restore, Save, Saved, Unsaved,
};
pub use connections::{Connection, Connections, Filter, Persistence, Stay};
pub use event::{Event, What};
pub use failover::{
    Failover, FailoverPeer, FailoverWay, Followed, Follower, HandOver, HandedOver, OtherDirector,
    Refused, Synchronisation,
};
pub use services::{
    Forwarding, Health, Rate, Rates, RealServer, RealServerRates, Service, ServiceRates, Services,
    Zero, Zeroed,
};
pub use status::{Checks, FateCount, File, Interface, Status, Timeouts};
pub use why::{Ended, Reason, Receiver, Remembered, Unavailable, Why};

pub use crate::dataplane::{Flag, Question};

/// Path of `GET`: [`Services`].
pub const SERVICES: &str = "/v1/services";
/// Path of `GET`: [`Status`].
pub const STATUS: &str = "/v1/status";
/// Path of `GET`, with [`Filter`] as the query: [`Connections`].
pub const CONNECTIONS: &str = "/v1/connections";
/// Path of `GET`, with a [`Question`] as the query: [`Why`].
pub const WHY: &str = "/v1/why";
/// Path of `GET`: [`Rates`].
pub const RATES: &str = "/v1/rates";
/// Path of `GET`: where clients stay, as [`Persistence`].
pub const PERSISTENCE: &str = "/v1/persistence";
/// Path of `POST`: a [`Zero`], answered with [`Zeroed`].
pub const ZERO: &str = "/v1/zero";
/// Path of `GET`: a [`Diagnosis`](crate::doctor::Diagnosis), which takes a second or two.
pub const DOCTOR: &str = "/v1/doctor";
/// Path of `GET`: an [`Event`] a line, as they come.
pub const EVENTS: &str = "/v1/events";
/// Path of `GET`: the running configuration, as a [`Configuration`]; of `PUT`: a [`Restore`], answered
/// with [`Edited`].
pub const CONFIGURATION: &str = "/v1/configuration";
/// Path of `GET`: the [`Unsaved`] changes.
pub const DIFFERENCE: &str = "/v1/difference";
/// Path of `POST`: a [`Reload`], answered with a [`Reloaded`].
pub const RELOAD: &str = "/v1/reload";
/// Path of `POST`: [`Edits`], answered with [`Edited`].
pub const EDITS: &str = "/v1/edits";
/// Path of `POST`: a [`Save`], answered with [`Saved`].
pub const SAVE: &str = "/v1/save";
/// Path of `POST`: a [`HandOver`], answered with a [`HandedOver`].
pub const FAILOVER: &str = "/v1/failover";
/// Path of `GET`: all of this as an OpenAPI document.
pub const OPENAPI: &str = "/v1/openapi.json";

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    /// What was wrong, with which input, and what to do.
    pub error: String,
}
