//! Requests on their way from the socket to the daemon's loop.

use tokio::sync::oneshot;

use super::{
    api::{
        ApiError, Configuration, Connections, Edited, Edits, Filter, HandOver, HandedOver,
        Persistence, Question, Rates, Reload, Reloaded, Restore, Save, Saved, Services, Status,
        Unsaved, Why, Zero, Zeroed,
    },
    peer::Peer,
};
use crate::doctor::Diagnosis;

/// The way back.
pub type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

/// A request, with the way back; one that changes something says who asks for it.
#[derive(Debug)]
pub enum Request {
    /// [`SERVICES`](super::api::SERVICES).
    Services(Reply<Services>),
    /// [`RATES`](super::api::RATES).
    Rates(Reply<Rates>),
    /// [`CONNECTIONS`](super::api::CONNECTIONS).
    Connections(Filter, Reply<Connections>),
    /// [`PERSISTENCE`](super::api::PERSISTENCE).
    Persistence(Reply<Persistence>),
    /// [`WHY`](super::api::WHY).
    Why(Question, Reply<Why>),
    /// [`STATUS`](super::api::STATUS).
    Status(Reply<Status>),
    /// [`DOCTOR`](super::api::DOCTOR).
    Doctor(Reply<Diagnosis>),
    /// `GET` of [`CONFIGURATION`](super::api::CONFIGURATION).
    Configuration(Reply<Configuration>),
    /// [`DIFFERENCE`](super::api::DIFFERENCE).
    Difference(Reply<Unsaved>),
    /// [`RELOAD`](super::api::RELOAD).
    Reload(Reload, Peer, Reply<Reloaded>),
    /// [`EDITS`](super::api::EDITS).
    Edit(Edits, Peer, Reply<Edited>),
    /// `PUT` of [`CONFIGURATION`](super::api::CONFIGURATION).
    Restore(Restore, Peer, Reply<Edited>),
    /// [`ZERO`](super::api::ZERO).
    Zero(Zero, Peer, Reply<Zeroed>),
    /// [`FAILOVER`](super::api::FAILOVER).
    HandOver(HandOver, Peer, Reply<HandedOver>),
    /// [`SAVE`](super::api::SAVE).
    Save(Save, Peer, Reply<Saved>),
}
