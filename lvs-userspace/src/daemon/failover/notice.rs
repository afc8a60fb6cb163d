//! What has happened to the role: what is logged of it, and what operators are told.

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::Role;
use crate::failover::{
    Refusal,
    driver::Notice,
    machine::{Change, Edge, State},
};

/// What the operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Told {
    pub(in crate::daemon) from: String,
    pub(in crate::daemon) to: String,
    pub(in crate::daemon) reason: String,
}

impl Role {
    /// Logs what has happened; says what operators are to be told of it.
    pub(in crate::daemon) fn noticed(&mut self, notice: &Notice) -> Option<Told> {
        match notice {
            Notice::Changed(change, wrong) => return self.changed(*change, wrong),
            Notice::Split(heard) => {
                error!(
                    priority = heard.priority,
                    "split brain: another director was master at the same time; it is told to stop"
                );
                let reason = format!("another was master, too, with priority {}", heard.priority);
                return Some(Told { from: "master".into(), to: "split brain".into(), reason });
            }
            Notice::Late(time) => warn!(
                after = ?time,
                "late advertisement: the master, or the network, has too much to do"
            ),
            Notice::Slow(late) => warn!(
                ?late,
                "this director is late to act: it has too much to do to be sure of its role"
            ),
            Notice::Worth(priority, wrong) => {
                let wrong = wrong.join("; ");
                warn!(priority, wrong, "the priority of this director has changed");
            }
            Notice::Refused(from, refusal) => {
                let (reason, meaning) = (refusal.name(), refusal.meaning());
                warn!(%from, reason, meaning, "not taken for an advertisement");
                if *refusal == Refusal::NotSigned {
                    warn!(%from, "with a key_file here, every director needs one");
                }
            }
            Notice::OtherVips(peer) => {
                warn!(%peer, "it answers for other addresses than this director: compare their services");
            }
            Notice::NotRealTime(error) => {
                info!(
                    error,
                    "the failover thread has no real-time priority: it may be late when there is \
                     much to do"
                );
                self.not_real_time = Some(error.clone());
            }
            Notice::Ended => error!("the failover thread has ended"),
        }
        None
    }

    fn changed(&mut self, Change { from, to, edge }: Change, wrong: &[String]) -> Option<Told> {
        let mut reason = match (edge, wrong) {
            (Edge::Unfit, [_, ..]) => wrong.join("; "),
            _ => edge.to_string(),
        };
        info!(%from, %to, reason, "failover");
        let mut before = from;
        match (from, to) {
            // A claim is over in a moment, and then it is told how it went.
            (_, State::Claim) => {
                self.claimed = Some(edge);
                return None;
            }
            (State::Claim, State::Master) => {
                before = State::Backup;
                if let Some(claimed) = self.claimed {
                    reason = format!("{claimed}; {reason}");
                }
            }
            (State::Claim, State::Backup) => return None,
            _ => {}
        }
        Some(Told { from: before.to_string(), to: to.to_string(), reason })
    }
}

/// What happens next; nothing ever, if this director is alone.
pub(in crate::daemon) async fn next(notices: &mut Option<mpsc::Receiver<Notice>>) -> Notice {
    match notices {
        Some(notices) => notices.recv().await.unwrap_or(Notice::Ended),
        None => std::future::pending().await,
    }
}
