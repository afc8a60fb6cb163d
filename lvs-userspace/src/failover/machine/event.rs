//! What goes into the machine, and what comes out of it.

use std::{
    cmp::Ordering,
    time::{Duration, Instant},
};

use super::Change;
use crate::failover::Interval;

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 1 to 254; the highest is master.
    pub priority: u8,
    /// From one advertisement to the next.
    pub interval: Interval,
    /// Whether to take over from a living master of lower priority.
    pub preempt: bool,
    /// How long to wait before that.
    pub preempt_delay: Duration,
    /// How much longer to listen at the start before taking over from nobody.
    pub start_delay: Duration,
    /// Whether all others are directors of ours, who say it when they give way. Silence then means
    /// that the master is dead, and its lease is waited for; else, that it has gone without a word.
    pub peers_confirm: bool,
}

/// An advertisement of another, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its priority.
    pub priority: u8,
    /// When it says that its next will come.
    pub interval: Interval,
    /// Its address, compared with ours on the same way: it decides between equal priorities.
    pub sender: Ordering,
}

/// What the things that are tracked mean for this director.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// It can't be master.
    pub is_at_fault: bool,
    /// Its priority is lower by so much.
    pub penalty: u8,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// lvsd is ready to take part.
    Start,
    /// It ends, and says so.
    Stop,
    /// The [deadline](super::Machine::deadline) has passed.
    Deadline,
    /// Another has sent an advertisement.
    Heard(Heard),
    /// What [`Effect::Send`] asked for has been sent, by one way at least; this was the time before.
    Sent(Instant),
    /// Something that is tracked has changed.
    Tracked(Condition),
    /// Whether it would serve as well as the master does: only then is a living one preempted.
    Ready(bool),
    /// All others are directors of ours after all, who say it when they give way.
    PeersConfirm,
    /// The operator wants that another takes over.
    Resign,
    /// The operator wants that this one takes over.
    Take,
    /// There is another configuration.
    Reconfigured(Settings),
}

/// What is to be done about it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advertisement with this priority, by all ways, and tell when it is
    /// [sent](Event::Sent).
    Send(u8),
    /// The program may answer for the VIPs until then.
    Renew(Instant),
    /// The program answers for no VIP any more. It goes on to forward what comes until the lease ends:
    /// clients learn from the next master's announcements alone that it is another.
    Silence,
    /// Tell the network that the VIPs are here.
    Announce,
    /// Another was master at the same time; it is told, and the network too.
    Split(Heard),
    /// An advertisement came so long after the one before, later than was to be expected.
    Late(Duration),
    /// The state has changed.
    Changed(Change),
}
