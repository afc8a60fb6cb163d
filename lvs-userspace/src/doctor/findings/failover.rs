//! Failover: whether another director could take over now, and would know all that this one does.

use super::{Finding, Look, Name};
use crate::{
    control::api::{self, FailoverPeer, FailoverWay, Followed, Follower, Refused, Synchronisation},
    doctor::{Evidence, Failover},
    failover::{Refusal, machine::State},
};

/// A director that has just come needs so long to know everything, in seconds.
const MEETS: u64 = 10;
/// One late advertisement in so many is nothing to speak of.
const FEW: u64 = 1000;

pub(super) fn looks(evidence: &Evidence) -> Vec<Look> {
    let Some(Failover { status, not_real_time }) = &evidence.known.failover else {
        return Vec::new();
    };
    let mut looks = vec![
        itself(status),
        others(status),
        followed(status),
        signed(status),
        splits(status),
        late(status),
        not_real_time.as_deref().map(slow),
    ];
    looks.extend(status.sync.iter().flat_map(|it| &it.followers).map(follower));
    looks.extend(status.peers.iter().map(|it| peer(it, status)));
    looks.extend(directors(status).map(services));
    looks.extend(status.ways.iter().map(way));
    looks.extend(status.refused.iter().map(refused));
    looks
}

/// What is wrong with this director.
fn itself(status: &api::Failover) -> Look {
    let wrong = status.wrong.join("; ");
    let advice = "see [[failover.track]]; by itself it is right again when that is".to_owned();
    let is_at_fault = status.role == State::Fault;
    (is_at_fault || !wrong.is_empty()).then(|| match is_at_fault {
        true => {
            let what = "this director can't be master".to_owned();
            Finding::problem(Name::DirectorUnfit, what, wrong, advice)
        }
        false => {
            let what = format!("the priority of this director is only {}", status.priority);
            Finding::warning(Name::DirectorUnfit, what, wrong, advice)
        }
    })
}

/// Whether there is anybody who would take over. Without synchronisation a backup is not known: it is
/// silent.
fn others(status: &api::Failover) -> Look {
    let sync = status.sync.as_ref()?;
    let is_backup = |it: &Follower| it.director.role == State::Backup;
    let is_alone = status.role == State::Master
        && status.since_s >= MEETS
        && !sync.followers.iter().any(is_backup);
    is_alone.then(|| {
        let others = sync.followers.iter().map(|it| {
            format!("{} ({}): {}", it.director.name, it.director.address, it.director.role)
        });
        let others: Vec<_> = others.collect();
        let evidence = if others.is_empty() {
            "no director follows the connections of this one".to_owned()
        } else {
            others.join(", ")
        };
        Finding::warning(
            Name::NoOtherDirector,
            "there is nobody to take over from this director".into(),
            evidence,
            "`lvsctl status` and lvsd's log there; IP protocol 112 and the TCP port of sync_port \
             must pass between directors"
                .into(),
        )
    })
}

/// Whether this director, as a backup, knows what the master does.
fn followed(status: &api::Failover) -> Look {
    let sync = status.sync.as_ref()?;
    let is_late = status.role == State::Backup && status.since_s >= MEETS;
    let (address, why) = match &sync.follows {
        Some(Followed { is_in_sync: true, .. }) => return None,
        Some(Followed { address, error, .. }) => {
            (address.as_str(), error.as_deref().unwrap_or("not everything was heard yet"))
        }
        None => ("nobody", "no master was heard"),
    };
    is_late.then(|| {
        out_of_date(
            "this director does not know the master's connections".to_owned(),
            format!("it follows {address}: {why}"),
        )
    })
}

/// Whether a backup knows what this director does.
fn follower(follower: &Follower) -> Look {
    let Follower { since_s, director } = follower;
    (!director.is_in_sync && *since_s >= MEETS).then(|| {
        out_of_date(
            format!("{} does not know the connections of this director", director.name),
            format!("{} has followed for {since_s} s, and was not told all", director.address),
        )
    })
}

fn out_of_date(what: String, evidence: String) -> Finding {
    let advice = "if it stays so: the TCP port of sync_port must pass between directors, and all \
                  need the same key_file; lvsd's log has the reason";
    Finding::warning(Name::StandbyOutOfDate, what, evidence, advice.to_owned())
}

/// Those that have said something of themselves.
fn directors(status: &api::Failover) -> impl Iterator<Item = &api::OtherDirector> {
    let sync = status.sync.iter();
    sync.flat_map(|Synchronisation { follows, followers, .. }| {
        let follows = follows.iter().filter_map(|it| it.director.as_ref());
        followers.iter().map(|it| &it.director).chain(follows)
    })
}

/// Whether another director has the same services.
fn services(director: &api::OtherDirector) -> Look {
    // Who has just come has not said it yet.
    (director.has_other_tables && !director.name.is_empty()).then(|| {
        let api::OtherDirector { name, address, services, real_servers, .. } = director;
        Finding::warning(
            Name::ServicesDiffer,
            format!("{name} has other virtual services than this director"),
            format!("{address} has {services} services with {real_servers} real servers"),
            "give both the same file; `lvsctl diff` shows what was changed and not saved".into(),
        )
    })
}

/// Whether it answers for the same addresses.
fn peer(peer: &FailoverPeer, status: &api::Failover) -> Look {
    // That is one of them then, and has been said.
    let is_said = directors(status).any(|it| it.has_other_tables);
    (peer.has_other_vips && !is_said).then(|| {
        Finding::warning(
            Name::ServicesDiffer,
            format!("{} answers for other addresses than this director", peer.address),
            "its advertisements name others than the VIPs of the services here".into(),
            "compare the services of both (keepalived: virtual_ipaddress)".into(),
        )
    })
}

fn signed(status: &api::Failover) -> Look {
    (!status.signed).then(|| {
        Finding::warning(
            Name::AdvertisementsNotSigned,
            "whoever can send to this network can take the VIPs away".into(),
            "there is no key_file in [failover]".into(),
            "the same key_file at all directors (keepalived can't have one)".into(),
        )
    })
}

fn splits(status: &api::Failover) -> Look {
    (status.splits > 0).then(|| {
        Finding::warning(
            Name::SplitBrain,
            "another director was master at the same time".into(),
            format!("{} times since lvsd has started", status.splits),
            "against one dead cable: a second way to the others, over another network; against a \
             network that loses packets: a longer advert_interval"
                .into(),
        )
    })
}

fn late(status: &api::Failover) -> Look {
    let api::Failover { late, received, .. } = *status;
    (late > 0 && late.saturating_mul(FEW) >= received).then(|| {
        Finding::warning(
            Name::LateAdvertisements,
            "advertisements come late: a little more, and it is a failover".into(),
            format!("{late} of {received} came more than two intervals after the one before"),
            "look for what keeps the master or the network busy, or take a longer advert_interval"
                .into(),
        )
    })
}

fn slow(why: &str) -> Finding {
    Finding::warning(
        Name::NotRealTime,
        "the failover thread may be late when there is much to do".into(),
        format!("it has no real-time priority: {why}"),
        "give lvsd CAP_SYS_NICE, or a limit of real-time priority (LimitRTPRIO=1 in its unit)"
            .into(),
    )
}

fn way(way: &FailoverWay) -> Look {
    let FailoverWay { name, error, .. } = way;
    error.as_ref().map(|error| {
        Finding::warning(
            Name::FailoverWay,
            format!("advertisements don't go out by {name}"),
            error.clone(),
            "mend the way, or take it out of peers (or interfaces) in [failover]".into(),
        )
    })
}

fn refused(refused: &Refused) -> Look {
    let Refused { name, meaning, packets } = refused;
    let refusal = *Refusal::ALL.iter().find(|it| it.name() == name)?;
    let advice = match refusal {
        // Others may have routers of their own.
        Refusal::OtherRouter => return None,
        Refusal::NotSigned | Refusal::UnknownKey | Refusal::BadSignature => {
            "if that is a director of yours: the same key_file there"
        }
        Refusal::Stale | Refusal::Replayed => {
            "if that is a director of yours: have both clocks kept right (NTP)"
        }
        Refusal::UnknownPeer => "if that is a director of yours: its address among the peers here",
        Refusal::Version => "if that is a director of yours: VRRP version 3 there",
        Refusal::HopLimit => "directors of one virtual router are on one network",
        Refusal::TooShort
        | Refusal::Type
        | Refusal::Checksum
        | Refusal::NoAddress
        | Refusal::NoInterval => "something else, or something broken, sends IP protocol 112",
    };
    Some(Finding::warning(
        Name::AdvertisementsRefused,
        format!("what came as an advertisement was refused: {name}"),
        format!("{packets} packets since lvsd has started: {meaning}"),
        format!("lvsd has logged from where; {advice}"),
    ))
}
