use std::collections::HashMap;

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::ftruncate,
};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::dataplane::shared::Shared;

/// Memory like a map's.
fn map<T: Shared>(length: usize) -> SharedArray<T> {
    let fd = memfd_create(c"map", MFdFlags::MFD_CLOEXEC).unwrap();
    ftruncate(&fd, (length * size_of::<T>()) as i64).unwrap();
    SharedArray::map(&fd, length).unwrap()
}

fn store(buckets: usize) -> ConnectionStore {
    let maps = SharedMaps {
        loads: map(16),
        connections: map(buckets),
        half_open: map(buckets),
        connections_v6: map(buckets),
        half_open_v6: map(buckets),
    };
    let secrets = std::array::from_fn(|at| (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let clock = Clock::new(250, 1_000_000, Instant::now());
    ConnectionStore::new(Arc::new(maps), Arc::new(map(1)), secrets, clock)
}

fn v4(client: u16, protocol: u32) -> FlowName {
    let [high, low] = client.to_be_bytes();
    let client_port = [0x30, 0];
    let key = ConnectionKey {
        client: [10, 0, high, low],
        vip: [10, 9, 9, 9],
        client_port,
        port: [0, 80],
    };
    FlowName::V4(Flow { key, protocol })
}

fn v6(client: u16) -> FlowName {
    let mut address = [0xfd; 16];
    address[14..].copy_from_slice(&client.to_be_bytes());
    let (vip, client_port, port) = ([0xfe; 16], [0x30, 0], [0, 80]);
    FlowName::V6(Flow {
        key: ConnectionKeyV6 { client: address, vip, client_port, port },
        protocol: 6,
    })
}

fn known(flow: FlowName, real_server: u32, state: u8, age: u64) -> Known {
    Known { flow, real_server, state, age: Duration::from_secs(age) }
}

fn counts(store: &ConnectionStore, real_server: usize) -> [u32; 2] {
    let load = store.maps.loads.get(real_server).unwrap();
    [load.active.load(Ordering::Acquire), load.inactive.load(Ordering::Acquire)]
}

fn all(store: &ConnectionStore, within: Duration, now: Instant) -> Vec<Known> {
    let (mut all, mut cursor) = (Vec::new(), Cursor::default());
    while store.walk(&mut cursor, 7, within, now, &mut |known| all.push(known)) {}
    all
}

#[test]
fn what_was_put_is_found_in_the_table_that_it_belongs_to() {
    let (store, now) = (store(64), Instant::now());
    for flow in [v4(1, 6), v6(1)] {
        assert_eq!(store.find(flow, now), None);
        let half_open = known(flow, 3, state::SYN_RECEIVED, 0);
        assert_eq!(store.put(&half_open, false, now), Put::Recorded);
        assert_eq!(counts(&store, 3), [0, 1]);
        let established = known(flow, 3, state::ESTABLISHED, 0);
        assert_eq!(store.put(&established, false, now), Put::Recorded);
        assert_eq!(counts(&store, 3), [1, 0], "it is half-open no more");
        assert_eq!(store.find(flow, now).unwrap().state, state::ESTABLISHED);
        assert_eq!(store.put(&known(flow, 3, state::FIN_WAIT, 0), false, now), Put::Updated);
        assert_eq!(counts(&store, 3), [0, 1]);
        // A port that is used again, as the program does it: in place.
        assert_eq!(store.put(&known(flow, 4, state::SYN_RECEIVED, 0), false, now), Put::Updated);
        assert_eq!([counts(&store, 3), counts(&store, 4)], [[0, 0], [0, 1]]);
        assert_eq!(store.put(&known(flow, 5, state::CLOSED, 0), false, now), Put::Updated);
        assert_eq!([counts(&store, 4), counts(&store, 5)], [[0, 0], [0, 1]]);
        store.recount(Entry { real_server: 5, state: state::CLOSED, seen: 0, tag: 0 }, Entry::FREE);
    }
    // TCP and UDP of the same ends are two.
    assert_eq!(store.put(&known(v4(1, 17), 6, state::DATAGRAMS, 0), false, now), Put::Recorded);
    assert_eq!(all(&store, Duration::MAX, now).len(), 3);
}

#[test]
fn what_is_older_changes_nothing() {
    let (store, now) = (store(64), Instant::now());
    store.put(&known(v4(1, 6), 3, state::ESTABLISHED, 10), false, now);
    assert_eq!(store.put(&known(v4(1, 6), 4, state::ESTABLISHED, 60), false, now), Put::Older);
    assert_eq!(store.find(v4(1, 6), now).unwrap().real_server, 3);
    assert_eq!(store.put(&known(v4(1, 6), 4, state::ESTABLISHED, 2), false, now), Put::Updated);
    assert_eq!(store.find(v4(1, 6), now).unwrap().real_server, 4);
    // As old, or older by what rounding makes: who tells of it has seen it last.
    let rounded = known(v4(1, 6), 3, state::FIN_WAIT, 3);
    assert_eq!(store.put(&rounded, false, now), Put::Updated);
    assert_eq!(store.put(&known(v4(1, 6), 4, state::ESTABLISHED, 2), false, now), Put::Updated);
    // As old: the own program knows better, if it is at work.
    let known = known(v4(1, 6), 5, state::ESTABLISHED, 2);
    assert_eq!(store.put(&known, true, now), Put::Older);
    assert_eq!(store.put(&known, false, now), Put::Updated);
}

#[test]
fn what_is_ahead_of_the_clock_is_new() {
    let (store, now) = (store(8), Instant::now());
    let stamp = store.clock.long_stamp(now);
    assert_eq!(store.age_of_template(stamp.wrapping_add(1), now), Duration::ZERO);
    assert_eq!(store.age_of_template(stamp.wrapping_sub(2), now), store.clock.time(2));
}

#[test]
fn a_walk_finds_what_was_seen_of_late() {
    let (store, now) = (store(64), Instant::now());
    for client in 0..60 {
        store.put(&known(v4(client, 6), 1, state::ESTABLISHED, u64::from(client) * 10), false, now);
    }
    assert_eq!(all(&store, Duration::MAX, now).len(), 60);
    let of_late = all(&store, Duration::from_secs(100), now);
    assert!((10..=12).contains(&of_late.len()), "{}", of_late.len());
    assert!(of_late.iter().all(|it| it.age <= Duration::from_secs(103)));
}

#[test]
fn what_the_program_tells_is_said_in_one_word() {
    let store = store(8);
    let settings = || store.settings.get(0).unwrap();
    store.tell(true, false);
    assert_eq!(settings().tells.load(Ordering::Acquire), tells::CHANGES);
    store.tell(false, true);
    assert_eq!(settings().tells.load(Ordering::Acquire), tells::BEGINNINGS);
    store.schedule_until(None);
    assert_eq!(settings().scheduled_until.load(Ordering::Acquire), u64::MAX);
    store.schedule_until(Some(Instant::now() + Duration::from_secs(1)));
    let until = settings().scheduled_until.load(Ordering::Acquire);
    assert!((1_000_250..1_001_000).contains(&until), "{until}");
}

proptest! {
    /// As a map of names to what was put last, as long as there is room; and the counts are right.
    #[test]
    fn it_is_a_map(
        puts in vec((0u16..300, 1u32..8, prop::sample::select(vec![1u8, 2, 3, 4, 5])), 1..600),
    ) {
        let (store, now) = (store(512), Instant::now());
        let mut model = HashMap::new();
        for (client, real_server, state) in puts {
            let known = known(v4(client, 6), real_server, state, 0);
            prop_assert!(matches!(store.put(&known, false, now), Put::Recorded | Put::Updated));
            model.insert(client, known);
        }
        let mut all = all(&store, Duration::MAX, now);
        prop_assert_eq!(all.len(), model.len());
        let mut wanted: HashMap<u32, [u32; 2]> = HashMap::new();
        for (client, known) in model {
            prop_assert_eq!(store.find(v4(client, 6), now), Some(known));
            let at = all.iter().position(|it| *it == known);
            prop_assert!(at.is_some());
            all.swap_remove(at.unwrap());
            let count = wanted.entry(known.real_server).or_default();
            count[usize::from(!state::is_active(known.state))] += 1;
        }
        for real_server in 1..8 {
            let wanted = wanted.get(&real_server).copied().unwrap_or_default();
            prop_assert_eq!(counts(&store, real_server as usize), wanted);
        }
    }
}
