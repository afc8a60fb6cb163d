//! What the synchronisation tells of itself, at any time, to who asks.

use std::{net::SocketAddr, time::Instant};

use super::Status;

/// What it does, and has counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Who follows this director.
    pub subscribers: Vec<Subscriber>,
    /// Whom this director follows; `None` for a master, or who hears none.
    pub following: Option<Following>,
    /// Records that were told to others.
    pub told: u64,
    /// Records that were taken in.
    pub taken: u64,
    /// Those that were not: what was known is newer.
    pub older: u64,
    /// Those that were not: there is no such real server here.
    pub unknown: u64,
    /// Those that were not: there was no room.
    pub no_room: u64,
    /// How often a follower was told everything again, because it was too slow.
    pub resyncs: u64,
    /// Whether the thread has ended: nobody is told, and nothing heard, any more.
    pub has_ended: bool,
    /// How often beginnings were so many that they were not told for a while.
    pub floods: u64,
}

/// A director that follows this one.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// From where.
    pub address: SocketAddr,
    /// Since when.
    pub since: Instant,
    /// Whether it was told everything.
    pub is_in_sync: bool,
    /// What it says of itself.
    pub status: Status,
}

/// A director that this one follows.
#[derive(Clone, Debug)]
pub struct Following {
    /// Where.
    pub address: SocketAddr,
    /// Whether everything was heard.
    pub is_in_sync: bool,
    /// Why it is not followed just now.
    pub error: Option<String>,
    /// What it says of itself.
    pub status: Option<Status>,
}

impl Report {
    /// Whether this director knows all that the master does.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.following.as_ref().is_some_and(|it| it.is_in_sync)
    }

    /// What others say of themselves.
    pub fn others(&self) -> impl Iterator<Item = (SocketAddr, &Status)> {
        let subscribers = self.subscribers.iter().map(|it| (it.address, &it.status));
        let following = self.following.iter();
        subscribers.chain(following.filter_map(|it| Some((it.address, it.status.as_ref()?))))
    }
}
