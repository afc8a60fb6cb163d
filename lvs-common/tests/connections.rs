//! The connection table, as a model on the host: against a plain map, and with threads that race.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::SeqCst},
    thread,
};

use lvs_common::{
    connections::{
        Bucket, Entry, Found, Hash, Inserted, Place, Room, Secrets, find_either, insert, make_room,
        state, update,
    },
    packet::transport::Segment,
};
use proptest::prelude::*;

const LOCKED: u32 = 1;
const OVERFLOWED: u32 = 2;

/// A bucket of atomics, as it is in a map.
#[derive(Default)]
struct AtomicBucket {
    entries: [AtomicU64; 3],
    keys: [[AtomicU32; 3]; 3],
    guard: AtomicU32,
}

impl Bucket for AtomicBucket {
    type Key = [u32; 3];

    fn entry(&self, way: usize) -> Entry {
        Entry::from_word(self.entries[way].load(SeqCst))
    }

    fn swap(&self, way: usize, old: Entry, new: Entry) -> bool {
        let (old, new) = (old.to_word(), new.to_word());
        self.entries[way].compare_exchange(old, new, SeqCst, SeqCst).is_ok()
    }

    fn has_key(&self, way: usize, key: &Self::Key) -> bool {
        self.keys[way].iter().zip(key).all(|(ours, theirs)| ours.load(SeqCst) == *theirs)
    }

    fn key(&self, way: usize) -> Self::Key {
        std::array::from_fn(|at| self.keys[way][at].load(SeqCst))
    }

    fn set_key(&self, way: usize, key: &Self::Key) {
        for (ours, theirs) in self.keys[way].iter().zip(key) {
            ours.store(*theirs, SeqCst);
        }
    }

    fn lock(&self) -> bool {
        for _ in 0..1_000_000 {
            if self.guard.fetch_or(LOCKED, SeqCst) & LOCKED == 0 {
                return true;
            }
            thread::yield_now();
        }
        false
    }

    fn unlock(&self) {
        self.guard.fetch_and(!LOCKED, SeqCst);
    }

    fn has_overflowed(&self) -> bool {
        self.guard.load(SeqCst) & OVERFLOWED != 0
    }

    fn set_overflowed(&self) {
        self.guard.fetch_or(OVERFLOWED, SeqCst);
    }
}

/// A whole table. Flows are numbers; the real server of a flow is told from its number.
struct Table {
    buckets: Vec<AtomicBucket>,
    /// By how much counts of connections were put right.
    recounted: AtomicI64,
}

fn secrets() -> Secrets {
    std::array::from_fn(|at| (at as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1)
}

fn real_server(flow: u32) -> u32 {
    flow + 1
}

impl Table {
    fn new(buckets: usize) -> Self {
        let buckets = (0..buckets).map(|_| AtomicBucket::default()).collect();
        Self { buckets, recounted: AtomicI64::new(0) }
    }

    fn key(flow: u32) -> [u32; 3] {
        [flow.wrapping_mul(0x0101_0101), 7, !flow]
    }

    fn entry(flow: u32, state: u8, seen: u16) -> Entry {
        let tag = Hash::of(&Self::key(flow), &secrets()).tag();
        Entry { real_server: real_server(flow), seen, state, tag }
    }

    fn buckets(&self, flow: u32) -> (&AtomicBucket, &AtomicBucket) {
        self.buckets_of(&Self::key(flow))
    }

    fn buckets_of(&self, key: &[u32; 3]) -> (&AtomicBucket, &AtomicBucket) {
        let hash = Hash::of(key, &secrets());
        let n = self.buckets.len() as u32;
        (&self.buckets[hash.first(n) as usize], &self.buckets[hash.second(n) as usize])
    }

    fn find(&self, flow: u32) -> Option<(&AtomicBucket, usize, Entry)> {
        let (first, second) = self.buckets(flow);
        let template = Self::entry(flow, state::ESTABLISHED, 0);
        let found = find_either(first, || Some(second), &Self::key(flow), template)?;
        Some((if found.in_second { second } else { first }, found.way, found.entry))
    }

    fn insert(&self, flow: u32, state: u8, seen: u16) -> Inserted {
        let (first, second) = self.buckets(flow);
        let insert =
            |room| insert(first, second, &Self::key(flow), Self::entry(flow, state, seen), room);
        let inserted = insert(Room::Unknown);
        if inserted == Inserted::Full { insert(self.make_room(first, second)) } else { inserted }
    }

    fn make_room(&self, first: &AtomicBucket, second: &AtomicBucket) -> Room {
        for (bucket, in_second) in [(first, false), (second, true)] {
            let recount = |old: Entry, new: Entry| {
                let more = i64::from(new.is_live()) - i64::from(old.is_live());
                self.recounted.fetch_add(more, SeqCst);
            };
            if let Some(way) = make_room(bucket, |key| self.moves_to(bucket, key), recount) {
                return Room::At(Place { way, in_second });
            }
        }
        Room::None
    }

    /// The second bucket of a flow whose first is this.
    fn moves_to(&self, bucket: &AtomicBucket, key: &[u32; 3]) -> Option<&AtomicBucket> {
        let (first, second) = self.buckets_of(key);
        (std::ptr::eq(first, bucket) && !std::ptr::eq(first, second)).then_some(second)
    }

    fn live(&self) -> Vec<Entry> {
        let entries = self.buckets.iter().flat_map(|bucket| (0..3).map(|way| bucket.entry(way)));
        entries.filter(|entry| entry.is_live()).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u8),
    Touch(u32),
    Expire(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let flow = 0..40u32;
    prop_oneof![
        4 => (flow.clone(), state::SYN_RECEIVED..=state::CLOSED).prop_map(|(f, s)| Step::Insert(f, s)),
        2 => flow.clone().prop_map(Step::Touch),
        1 => flow.prop_map(Step::Expire),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map_that_forgets_the_least_worthy(
        buckets in 1usize..12,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let table = Table::new(buckets);
        let mut model: BTreeMap<u32, Entry> = BTreeMap::new();
        for (now, step) in (0u16..).zip(steps) {
            match step {
                Step::Insert(flow, state) => {
                    let (first, second) = table.buckets(flow);
                    let before: Vec<Entry> = [first, second]
                        .iter()
                        .flat_map(|bucket| (0..3).map(|way| bucket.entry(way)))
                        .collect();
                    match table.insert(flow, state, now) {
                        Inserted::Present(entry) => prop_assert_eq!(model.get(&flow), Some(&entry)),
                        Inserted::Recorded { evicted } => {
                            prop_assert!(!model.contains_key(&flow));
                            if evicted.is_live() {
                                prop_assert!(before.iter().all(|entry| entry.is_live()));
                                let least = before.iter().map(|entry| entry.worth(now)).min();
                                prop_assert_eq!(Some(evicted.worth(now)), least);
                                prop_assert_eq!(model.remove(&(evicted.real_server - 1)), Some(evicted));
                            }
                            model.insert(flow, Table::entry(flow, state, now));
                        }
                        Inserted::Full | Inserted::Busy => prop_assert!(false, "nobody else is there"),
                    }
                }
                Step::Touch(flow) => {
                    if let Some((bucket, way, found)) = table.find(flow) {
                        let change = |old: Entry| Entry { seen: now, ..old };
                        let (_, new) = update(bucket, way, found, change).unwrap();
                        model.insert(flow, new);
                    }
                }
                Step::Expire(flow) => {
                    if let Some((bucket, way, found)) = table.find(flow) {
                        prop_assert!(bucket.swap(way, found, Entry::FREE));
                        model.remove(&flow);
                    }
                }
            }
            for flow in 0..40 {
                let found = table.find(flow).map(|(_, _, entry)| entry);
                prop_assert_eq!(found.as_ref(), model.get(&flow), "flow {}", flow);
            }
            prop_assert_eq!(table.live().len(), model.len(), "each is there once");
        }
    }

    #[test]
    fn a_word_says_what_was_found(
        real_server in any::<u32>(), seen in any::<u16>(), state in 1u8..8, tag in any::<u8>(),
        way in 0usize..3, in_second in any::<bool>(),
    ) {
        let entry = Entry { real_server, seen, state, tag };
        for found in [Some(Found { way, in_second, entry }), None] {
            prop_assert_eq!(Found::from_word(Found::to_word(found)), found);
        }
        for room in [Room::Unknown, Room::None, Room::At(Place { way, in_second })] {
            prop_assert_eq!(Room::from_number(room.to_number()), room);
        }
    }
}

/// How full a table can be: at half of its places hardly a connection must be forgotten.
#[test]
fn half_a_table_is_kept() {
    const BUCKETS: usize = 20_000;
    let table = Table::new(BUCKETS);
    let connections = BUCKETS as u32 * 3 / 2;
    let is_lost = |flow: &u32| match table.insert(*flow, state::ESTABLISHED, 1) {
        Inserted::Recorded { evicted } => evicted.is_live(),
        Inserted::Present(_) | Inserted::Full | Inserted::Busy => true,
    };
    assert!((0..connections).filter(is_lost).count() <= 2);
    assert!(table.live().len() as u32 >= connections - 2);
}

/// What one thread has seen.
#[derive(Default)]
struct Seen {
    recorded: usize,
    evicted: usize,
    expired: usize,
}

#[test]
fn threads_race_for_two_buckets() {
    const FLOWS: u32 = 16;
    let table = Table::new(2);
    let race = |seed: u32| {
        let mut seen = Seen::default();
        let mut random = seed;
        for now in 0..60_000u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let flow = (random >> 16) % FLOWS;
            match random >> 24 & 3 {
                0 | 1 => match table.insert(flow, state::ESTABLISHED, now as u16) {
                    Inserted::Recorded { evicted } => {
                        seen.recorded += 1;
                        seen.evicted += usize::from(evicted.is_live());
                    }
                    Inserted::Present(entry) => {
                        assert_eq!(entry.real_server, real_server(flow));
                    }
                    Inserted::Full | Inserted::Busy => {}
                },
                2 => {
                    if let Some((bucket, way, found)) = table.find(flow) {
                        assert_eq!(found.real_server, real_server(flow), "another's real server");
                        seen.expired += usize::from(bucket.swap(way, found, Entry::FREE));
                    }
                }
                _ => {
                    if let Some((bucket, way, found)) = table.find(flow) {
                        let change = |old: Entry| Entry { seen: now as u16, ..old };
                        if let Some((_, new)) = update(bucket, way, found, change) {
                            assert_eq!(new.real_server, real_server(flow), "another's entry");
                        }
                    }
                }
            }
        }
        seen
    };
    let seen: Vec<Seen> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4).map(|seed| scope.spawn(move || race(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    let sum = |count: fn(&Seen) -> usize| seen.iter().map(count).sum::<usize>();
    let live = table.live();
    let gone = sum(|it| it.evicted) + sum(|it| it.expired);
    let counted = sum(|it| it.recorded) as i64 - gone as i64 + table.recounted.load(SeqCst);
    assert_eq!(live.len() as i64, counted);
    let mut servers: Vec<_> = live.iter().map(|entry| entry.real_server).collect();
    servers.sort_unstable();
    servers.dedup();
    assert_eq!(servers.len(), live.len(), "a flow is there twice");
}

/// One CPU moves a flow to make room for another, while another CPU has packets of it.
#[test]
fn a_flow_that_moves_is_found_all_the_while() {
    let flows = [1, 2, 3];
    for round in 0..5_000 {
        let [first, second, full] = [(); 3].map(|()| AtomicBucket::default());
        for (way, flow) in flows.into_iter().enumerate() {
            for bucket in [&first, &full] {
                bucket.set_key(way, &Table::key(flow));
                bucket.swap(way, Entry::FREE, Table::entry(flow, state::ESTABLISHED, 0));
            }
        }
        let moved = AtomicBool::new(false);
        let find = |flow| {
            let template = Table::entry(flow, state::ESTABLISHED, 0);
            find_either(&first, || Some(&second), &Table::key(flow), template)
        };
        thread::scope(|scope| {
            let mover = scope.spawn(|| {
                let way = make_room(&first, |_| Some(&second), |_, _| ());
                let room = Room::At(Place { way: way.unwrap(), in_second: false });
                let entry = Table::entry(7, state::ESTABLISHED, 0);
                let inserted = insert(&first, &full, &Table::key(7), entry, room);
                assert_eq!(inserted, Inserted::Recorded { evicted: Entry::FREE });
                moved.store(true, SeqCst);
            });
            while !moved.load(SeqCst) && !mover.is_finished() {
                assert!(flows.iter().all(|&flow| find(flow).is_some()), "round {round}");
            }
        });
        assert!(flows.iter().all(|&flow| find(flow).is_some()), "round {round}");
    }
}

#[test]
fn one_of_many_records_a_connection() {
    for flow in 0..500 {
        let table = Table::new(3);
        let recorded = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| table.insert(flow, state::SYN_RECEIVED, 1)))
                .collect();
            let inserted = threads.into_iter().map(|thread| thread.join().unwrap());
            inserted.filter(|it| matches!(it, Inserted::Recorded { .. })).count()
        });
        assert_eq!(recorded, 1, "flow {flow}");
    }
}

/// The table for "input only" of net/netfilter/ipvs/ip_vs_proto_tcp.c, for the states that a
/// director in direct routing can see.
#[test]
fn states_are_those_of_ipvs() {
    use state::{CLOSED, ESTABLISHED, FIN_WAIT, FREE, SYN_RECEIVED, TIME_WAIT};
    let states = [FREE, SYN_RECEIVED, ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSED];
    let table = [
        (
            Segment::Syn,
            [SYN_RECEIVED, SYN_RECEIVED, ESTABLISHED, SYN_RECEIVED, SYN_RECEIVED, SYN_RECEIVED],
        ),
        (Segment::Finish, [CLOSED, TIME_WAIT, FIN_WAIT, FIN_WAIT, TIME_WAIT, CLOSED]),
        (
            Segment::Acknowledge,
            [ESTABLISHED, ESTABLISHED, ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSED],
        ),
        (Segment::Reset, [CLOSED, SYN_RECEIVED, CLOSED, CLOSED, CLOSED, CLOSED]),
    ];
    for (segment, after) in table {
        for (before, after) in states.into_iter().zip(after) {
            assert_eq!(
                state::after(before, segment),
                after,
                "{segment:?} in {}",
                state::name(before)
            );
        }
    }
}

/// Flows of one client's neighbouring ports fall evenly into the buckets, first and second.
#[test]
fn buckets_are_used_evenly() {
    const BUCKETS: usize = 1024;
    const FLOWS: u32 = 200_000;
    let mut first = vec![0u32; BUCKETS];
    let mut second = vec![0u32; BUCKETS];
    let mut both = 0;
    for flow in 0..FLOWS {
        let key = [0x0a4d_0002 + (flow >> 16), 0x0a4d_0064, flow & 0xffff | 80 << 16];
        let hash = Hash::of(&key, &secrets());
        let (a, b) = (hash.first(BUCKETS as u32), hash.second(BUCKETS as u32));
        first[a as usize] += 1;
        second[b as usize] += 1;
        both += u32::from(a == b);
    }
    let mean = f64::from(FLOWS) / BUCKETS as f64;
    for counts in [first, second] {
        let chi_square: f64 = counts.iter().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
        // 1,023 degrees of freedom: the mean is 1,023, the standard deviation 45. Sequential keys
        // are spread more evenly than chance would, so only the upper side is a fault.
        assert!(chi_square < 1023.0 + 6.0 * 45.0, "chi-square {chi_square}");
    }
    assert!(both < FLOWS / 100, "{both} flows have one bucket for both");
}
