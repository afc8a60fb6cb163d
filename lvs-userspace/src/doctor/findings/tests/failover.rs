//! Failover.

use super::*;
use crate::{
    control::api::{
        self, FailoverPeer, FailoverWay, Followed, Follower, OtherDirector, Refused,
        Synchronisation,
    },
    doctor::Failover,
    failover::{Refusal, machine},
};

fn standby() -> OtherDirector {
    OtherDirector {
        address: "192.0.2.4:8848".into(),
        name: "standby".into(),
        version: "0.1.0".into(),
        role: machine::State::Backup,
        services: 3,
        real_servers: 4,
        connections: 1000,
        is_in_sync: true,
        has_other_tables: false,
    }
}

/// A master with a backup that knows everything.
fn master() -> Failover {
    let status = api::Failover {
        role: machine::State::Master,
        since_s: 3600,
        vrid: 26,
        priority: 200,
        by_hand: false,
        has_resigned: false,
        signed: true,
        wrong: Vec::new(),
        peers: vec![FailoverPeer {
            address: ip("192.0.2.4"),
            priority: None,
            last_advertisement_ms: None,
            advertisements: 0,
            has_other_vips: false,
        }],
        ways: vec![FailoverWay { name: "192.0.2.4".into(), sent: 36_000, error: None }],
        sent: 36_000,
        received: 0,
        late: 0,
        refused: vec![refusal(Refusal::OtherRouter)],
        splits: 0,
        takeovers: 1,
        announcements: 10,
        sync: Some(Synchronisation {
            follows: None,
            followers: vec![Follower { since_s: 3600, director: standby() }],
            told: 0,
            taken: 0,
            older: 0,
            unknown: 0,
            no_room: 0,
            resyncs: 0,
            floods: 0,
        }),
    };
    Failover { status, not_real_time: None }
}

/// The backup of such a one.
fn backup() -> Failover {
    let mut failover = master();
    let status = &mut failover.status;
    (status.role, status.received) = (machine::State::Backup, 36_000);
    let director = OtherDirector { role: machine::State::Master, ..standby() };
    let follows = Followed {
        address: "192.0.2.3:8848".into(),
        is_in_sync: true,
        error: None,
        director: Some(OtherDirector { name: "director".into(), ..director }),
    };
    let sync = status.sync.as_mut().unwrap();
    (sync.follows, sync.followers) = (Some(follows), Vec::new());
    failover
}

fn refusal(refusal: Refusal) -> Refused {
    Refused { name: refusal.name().into(), meaning: refusal.meaning().into(), packets: 7 }
}

fn sync(status: &mut api::Failover) -> &mut Synchronisation {
    status.sync.as_mut().unwrap()
}

/// What is found of a director with this part in failover.
fn of(mut failover: Failover, change: impl FnOnce(&mut api::Failover), expected: Expect) {
    change(&mut failover.status);
    check(|known, _| known.failover = Some(failover), expected);
}

#[test]
fn nothing_is_wrong_with_two_directors() {
    of(master(), |_| {}, expect![[""]]);
    of(backup(), |_| {}, expect![[""]]);
    // Without synchronisation a backup is not seen.
    of(master(), |it| it.sync = None, expect![[""]]);
    // Who has just become master waits for the others.
    of(
        master(),
        |it| {
            it.since_s = 1;
            sync(it).followers.clear();
        },
        expect![[""]],
    );
}

#[test]
fn itself() {
    let wrong = |it: &mut api::Failover| it.wrong = vec!["eth0 has no link".into()];
    of(
        master(),
        |it| {
            wrong(it);
            it.priority = 150;
        },
        expect![[r#"
            Warning director-unfit: the priority of this director is only 150
              eth0 has no link
              see [[failover.track]]; by itself it is right again when that is
        "#]],
    );
    of(
        backup(),
        |it| {
            wrong(it);
            it.role = machine::State::Fault;
        },
        expect![[r#"
            Problem director-unfit: this director can't be master
              eth0 has no link
              see [[failover.track]]; by itself it is right again when that is
        "#]],
    );
    let mut slow = master();
    slow.not_real_time = Some("Operation not permitted (os error 1)".into());
    of(
        slow,
        |_| {},
        expect![[r#"
        Warning not-real-time: the failover thread may be late when there is much to do
          it has no real-time priority: Operation not permitted (os error 1)
          give lvsd CAP_SYS_NICE, or a limit of real-time priority (LimitRTPRIO=1 in its unit)
    "#]],
    );
    of(
        master(),
        |it| it.signed = false,
        expect![[r#"
        Warning advertisements-not-signed: whoever can send to this network can take the VIPs away
          there is no key_file in [failover]
          the same key_file at all directors (keepalived can't have one)
    "#]],
    );
}

#[test]
fn whether_another_could_take_over() {
    of(
        master(),
        |it| sync(it).followers.clear(),
        expect![[r#"
        Warning no-other-director: there is nobody to take over from this director
          no director follows the connections of this one
          `lvsctl status` and lvsd's log there; IP protocol 112 and the TCP port of sync_port must pass between directors
    "#]],
    );
    of(
        master(),
        |it| sync(it).followers[0].director.role = machine::State::Fault,
        expect![[r#"
            Warning no-other-director: there is nobody to take over from this director
              standby (192.0.2.4:8848): fault
              `lvsctl status` and lvsd's log there; IP protocol 112 and the TCP port of sync_port must pass between directors
        "#]],
    );
    of(
        master(),
        |it| sync(it).followers[0].director.is_in_sync = false,
        expect![[r#"
        Warning standby-out-of-date: standby does not know the connections of this director
          192.0.2.4:8848 has followed for 3600 s, and was not told all
          if it stays so: the TCP port of sync_port must pass between directors, and all need the same key_file; lvsd's log has the reason
    "#]],
    );
    of(
        master(),
        |it| {
            let follower = &mut sync(it).followers[0];
            (follower.director.is_in_sync, follower.since_s) = (false, 1);
        },
        expect![[""]],
    );
    of(
        backup(),
        |it| {
            let follows = sync(it).follows.as_mut().unwrap();
            follows.is_in_sync = false;
            follows.error = Some("Connection refused (os error 111)".into());
        },
        expect![[r#"
            Warning standby-out-of-date: this director does not know the master's connections
              it follows 192.0.2.3:8848: Connection refused (os error 111)
              if it stays so: the TCP port of sync_port must pass between directors, and all need the same key_file; lvsd's log has the reason
        "#]],
    );
    of(
        backup(),
        |it| sync(it).follows = None,
        expect![[r#"
        Warning standby-out-of-date: this director does not know the master's connections
          it follows nobody: no master was heard
          if it stays so: the TCP port of sync_port must pass between directors, and all need the same key_file; lvsd's log has the reason
    "#]],
    );
}

#[test]
fn other_services() {
    let other = |it: &mut api::Failover| {
        sync(it).followers[0].director.has_other_tables = true;
        it.peers[0].has_other_vips = true;
    };
    of(
        master(),
        other,
        expect![[r#"
        Warning services-differ: standby has other virtual services than this director
          192.0.2.4:8848 has 3 services with 4 real servers
          give both the same file; `lvsctl diff` shows what was changed and not saved
    "#]],
    );
    of(
        backup(),
        |it| {
            it.sync = None;
            it.peers[0].has_other_vips = true;
        },
        expect![[r#"
            Warning services-differ: 192.0.2.4 answers for other addresses than this director
              its advertisements name others than the VIPs of the services here
              compare the services of both (keepalived: virtual_ipaddress)
        "#]],
    );
}

#[test]
fn what_comes_and_goes() {
    of(
        master(),
        |it| it.splits = 2,
        expect![[r#"
        Warning split-brain: another director was master at the same time
          2 times since lvsd has started
          against one dead cable: a second way to the others, over another network; against a network that loses packets: a longer advert_interval
    "#]],
    );
    of(backup(), |it| it.late = 35, expect![[""]]);
    of(
        backup(),
        |it| it.late = 36,
        expect![[r#"
        Warning late-advertisements: advertisements come late: a little more, and it is a failover
          36 of 36000 came more than two intervals after the one before
          look for what keeps the master or the network busy, or take a longer advert_interval
    "#]],
    );
    of(
        master(),
        |it| it.ways[0].error = Some("Network is unreachable (os error 101)".into()),
        expect![[r#"
            Warning failover-way: advertisements don't go out by 192.0.2.4
              Network is unreachable (os error 101)
              mend the way, or take it out of peers (or interfaces) in [failover]
        "#]],
    );
    of(
        backup(),
        |it| it.refused = Refusal::ALL.iter().copied().map(refusal).collect(),
        expect![[r#"
            Warning advertisements-refused: what came as an advertisement was refused: hop_limit
              7 packets since lvsd has started: It came through a router (its hop limit is not 255), so it is from no director of this network.
              lvsd has logged from where; directors of one virtual router are on one network
            Warning advertisements-refused: what came as an advertisement was refused: too_short
              7 packets since lvsd has started: It is shorter than it says, or than any advertisement.
              lvsd has logged from where; something else, or something broken, sends IP protocol 112
            Warning advertisements-refused: what came as an advertisement was refused: version
              7 packets since lvsd has started: It is of another version of VRRP than 3.
              lvsd has logged from where; if that is a director of yours: VRRP version 3 there
            Warning advertisements-refused: what came as an advertisement was refused: type
              7 packets since lvsd has started: It is of version 3, but no advertisement.
              lvsd has logged from where; something else, or something broken, sends IP protocol 112
            Warning advertisements-refused: what came as an advertisement was refused: checksum
              7 packets since lvsd has started: Its checksum is wrong.
              lvsd has logged from where; something else, or something broken, sends IP protocol 112
            Warning advertisements-refused: what came as an advertisement was refused: no_address
              7 packets since lvsd has started: It names no address.
              lvsd has logged from where; something else, or something broken, sends IP protocol 112
            Warning advertisements-refused: what came as an advertisement was refused: no_interval
              7 packets since lvsd has started: It says that the next comes after no time at all.
              lvsd has logged from where; something else, or something broken, sends IP protocol 112
            Warning advertisements-refused: what came as an advertisement was refused: unknown_peer
              7 packets since lvsd has started: It comes from an address that is not among the peers.
              lvsd has logged from where; if that is a director of yours: its address among the peers here
            Warning advertisements-refused: what came as an advertisement was refused: not_signed
              7 packets since lvsd has started: Nothing proves who sent it: the peer has no key_file.
              lvsd has logged from where; if that is a director of yours: the same key_file there
            Warning advertisements-refused: what came as an advertisement was refused: unknown_key
              7 packets since lvsd has started: It was signed with a key that is not in our key_file.
              lvsd has logged from where; if that is a director of yours: the same key_file there
            Warning advertisements-refused: what came as an advertisement was refused: bad_signature
              7 packets since lvsd has started: Its signature is wrong: the key of this number is another here, or somebody has forged it.
              lvsd has logged from where; if that is a director of yours: the same key_file there
            Warning advertisements-refused: what came as an advertisement was refused: stale
              7 packets since lvsd has started: It was signed too long ago, or in the future: a recording, or the clocks differ.
              lvsd has logged from where; if that is a director of yours: have both clocks kept right (NTP)
            Warning advertisements-refused: what came as an advertisement was refused: replayed
              7 packets since lvsd has started: It is not newer than the one before: a recording, or the peer's clock was set back.
              lvsd has logged from where; if that is a director of yours: have both clocks kept right (NTP)
        "#]],
    );
}
