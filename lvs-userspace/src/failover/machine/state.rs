//! States, and the ways from one to another.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What this director is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It takes no part: it has not started, or is stopping.
    #[default]
    Init,
    /// It listens, and is there when the master is not.
    Backup,
    /// It says that it is master, and waits for the one that is to give way.
    Claim,
    /// It answers for the VIPs.
    Master,
    /// It can't be master.
    Fault,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Init, Self::Backup, Self::Claim, Self::Master, Self::Fault];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Backup => "backup",
            Self::Claim => "claim",
            Self::Master => "master",
            Self::Fault => "fault",
        })
    }
}

/// Why a state changes. No two ways between the same states have the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// Init to backup.
    Started,
    /// Any to init.
    Stopped,
    /// Backup to claim: nothing was heard for too long.
    MasterSilent,
    /// Backup to claim: the master has said that it stops.
    MasterStopped,
    /// Backup to claim: the master has a lower priority.
    Preempts,
    /// Backup to claim: the operator wants it.
    Told,
    /// Claim to master: the one before has said that it gives way.
    GaveWay,
    /// Claim to master: nobody objects.
    Unopposed,
    /// Claim or master to backup: another has a better priority.
    Outranked,
    /// Claim or master to backup: it did nothing for so long that another has taken over.
    Overslept,
    /// Claim or master to backup: the operator wants it.
    Resigned,
    /// Any to fault: something that is tracked is wrong.
    Unfit,
    /// Fault to backup: it is right again.
    Fit,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "lvsd is ready",
            Self::Stopped => "lvsd stops",
            Self::MasterSilent => "no advertisement from a master",
            Self::MasterStopped => "the master has stopped",
            Self::Preempts => "the master has a lower priority",
            Self::Told => "its operator wants it",
            Self::GaveWay => "the master before has given way",
            Self::Unopposed => "nobody objects",
            Self::Outranked => "another has a higher priority",
            Self::Overslept => "it could not advertise for so long that another has taken over",
            Self::Resigned => "its operator wants another",
            Self::Unfit => "something that it needs is wrong",
            Self::Fit => "nothing that it needs is wrong any more",
        })
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub edge: Edge,
}
