//! A director's part in failover, as `lvsctl status` shows it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::Role;
use crate::{
    config::Config,
    control::api::{self, Failover as Status},
    doctor,
    failover::{
        self,
        sync::{self, Following, Subscriber},
    },
};

impl Role {
    /// What it says of itself.
    pub(in crate::daemon) fn status(&self, config: &Config, now: Instant) -> Option<Status> {
        let configured = config.failover.as_ref()?;
        let report = self.failover.report();
        let report = report.borrow();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let peers = report.peers.iter().map(|(&address, peer)| api::FailoverPeer {
            address,
            priority: peer.last.map(|(heard, _)| heard.priority),
            last_advertisement_ms: peer.age(now).map(ms),
            advertisements: peer.adverts,
            has_other_vips: peer.has_other_vips,
        });
        let ways = report.ways.iter().map(|way| api::FailoverWay {
            name: way.name.clone(),
            sent: way.sent,
            error: way.error.clone(),
        });
        let refused = report.refused.iter().map(|(refusal, &packets)| api::Refused {
            name: refusal.name().to_owned(),
            meaning: refusal.meaning().to_owned(),
            packets,
        });
        Some(Status {
            role: report.state,
            since_s: now.duration_since(report.since).as_secs(),
            vrid: configured.vrid,
            priority: report.priority,
            by_hand: report.priority == failover::BY_HAND,
            has_resigned: report.has_resigned,
            signed: configured.key_file.is_some(),
            wrong: report.wrong.clone(),
            peers: peers.collect(),
            ways: ways.collect(),
            sent: report.sent,
            received: report.received,
            late: report.late,
            refused: refused.collect(),
            splits: report.splits,
            takeovers: report.takeovers,
            announcements: report.announcements,
            sync: self.sync.as_ref().map(|it| self.synchronisation(&it.report().borrow(), now)),
        })
    }

    /// What the doctor goes by.
    pub(in crate::daemon) fn evidence(
        &self,
        config: &Config,
        now: Instant,
    ) -> Option<doctor::Failover> {
        let status = self.status(config, now)?;
        Some(doctor::Failover { status, not_real_time: self.not_real_time.clone() })
    }

    fn synchronisation(&self, report: &sync::Report, now: Instant) -> api::Synchronisation {
        let director = |address: SocketAddr, is_in_sync, status: &sync::Status| {
            let sync::Status {
                name,
                version,
                role,
                services,
                real_servers,
                connections,
                tables,
                all_told: _,
            } = status.clone();
            let has_other_tables = !tables.is_empty() && tables != self.own.tables;
            api::OtherDirector {
                address: address.to_string(),
                name,
                version,
                role,
                services,
                real_servers,
                connections,
                is_in_sync,
                has_other_tables,
            }
        };
        let follower = |it: &Subscriber| api::Follower {
            since_s: now.duration_since(it.since).as_secs(),
            director: director(it.address, it.is_in_sync, &it.status),
        };
        let followed = |it: &Following| api::Followed {
            address: it.address.to_string(),
            is_in_sync: it.is_in_sync,
            error: it.error.clone(),
            director: it.status.as_ref().map(|status| director(it.address, true, status)),
        };
        api::Synchronisation {
            follows: report.following.as_ref().map(followed),
            followers: report.subscribers.iter().map(follower).collect(),
            told: report.told,
            taken: report.taken,
            older: report.older,
            unknown: report.unknown,
            no_room: report.no_room,
            resyncs: report.resyncs,
            floods: report.floods,
        }
    }
}
