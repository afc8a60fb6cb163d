//! The two tables of one address family, by the rules of `lvs-common`.

use std::ops::Range;

use lvs_common::{
    connections::{self, Bucket, Entry, Hash, Inserted, Place, Room, Secrets, find_either, state},
    flow::{Address, Flow},
};

use super::{Put, age};
use crate::dataplane::shared::{Shared, SharedArray};

/// The tables, and what their hash goes by.
pub(super) struct Family<'a, B> {
    pub(super) established: &'a SharedArray<B>,
    pub(super) half_open: &'a SharedArray<B>,
    pub(super) secrets: &'a Secrets,
}

/// Units of age that two ways of rounding one moment may be apart.
const ROUNDING: u16 = 2;

/// The time, and whether what is known is better than what is as old.
type Rule = (u16, bool);

impl<B: Bucket + Shared> Family<'_, B> {
    /// What is remembered of a connection, in whichever table.
    pub(super) fn find<A: Address<Key = B::Key>>(&self, flow: &Flow<A>) -> Option<Entry> {
        let template = template(flow, self.secrets);
        let hash = A::hash(&flow.key, self.secrets);
        [self.established, self.half_open].into_iter().find_map(|table| {
            let found =
                find_either(first(table, hash)?, || second(table, hash), &flow.key, template);
            Some(found?.entry)
        })
    }

    /// Takes in an entry, whose tag does not matter; tells `recount` what was replaced by what.
    pub(super) fn put<A: Address<Key = B::Key>>(
        &self,
        flow: &Flow<A>,
        entry: Entry,
        rule: Rule,
        recount: impl Fn(Entry, Entry),
    ) -> Put {
        let hash = A::hash(&flow.key, self.secrets);
        let entry = Entry { tag: hash.tag(), ..entry };
        // An established one is changed where it is, whatever becomes of it, as the program does.
        if let Some(put) = update(self.established, hash, &flow.key, entry, rule, &recount) {
            return put;
        }
        if state::is_half_open(entry.state) {
            return update(self.half_open, hash, &flow.key, entry, rule, &recount).unwrap_or_else(
                || record::<A, _>(self.half_open, hash, flow, entry, self.secrets, recount),
            );
        }
        let put = record::<A, _>(self.established, hash, flow, entry, self.secrets, &recount);
        if put == Put::Recorded {
            forget(self.half_open, hash, &flow.key, entry, &recount);
        }
        put
    }
}

/// Shows each connection of some buckets; says how many buckets there are in all.
pub(super) fn each<B: Bucket + Shared>(
    table: &SharedArray<B>,
    range: Range<usize>,
    visit: &mut impl FnMut(B::Key, Entry),
) -> usize {
    let length = table.length();
    for bucket in range.take_while(|it| *it < length).filter_map(|it| table.get(it)) {
        for way in 0..connections::WAYS {
            let entry = bucket.entry(way);
            if entry.is_live() {
                let key = bucket.key(way);
                // If it is still the same, the key was its.
                let again = bucket.entry(way);
                if (again.tag, again.is_live()) == (entry.tag, true) {
                    visit(key, again);
                }
            }
        }
    }
    length
}

/// An entry with the flow's tag, and a state of its protocol.
fn template<A: Address>(flow: &Flow<A>, secrets: &Secrets) -> Entry {
    let is_udp = flow.protocol == u32::from(lvs_common::abi::UDP);
    let state = if is_udp { state::DATAGRAMS } else { state::ESTABLISHED };
    let tag = A::hash(&flow.key, secrets).tag();
    Entry { real_server: 0, seen: 0, state, tag }
}

fn n_buckets<B: Shared>(table: &SharedArray<B>) -> u32 {
    u32::try_from(table.length()).unwrap_or(u32::MAX)
}

fn first<B: Shared>(table: &SharedArray<B>, hash: Hash) -> Option<&B> {
    table.get(hash.first(n_buckets(table)) as usize)
}

fn second<B: Shared>(table: &SharedArray<B>, hash: Hash) -> Option<&B> {
    table.get(hash.second(n_buckets(table)) as usize)
}

/// Changes what is remembered, unless that is newer; `None` if nothing is.
fn update<B: Bucket + Shared>(
    table: &SharedArray<B>,
    hash: Hash,
    key: &B::Key,
    entry: Entry,
    (now, own_is_better): Rule,
    recount: &impl Fn(Entry, Entry),
) -> Option<Put> {
    let found = find_either(first(table, hash)?, || second(table, hash), key, entry)?;
    let bucket = if found.in_second { second(table, hash) } else { first(table, hash) }?;
    let is_newer = |old: Entry| {
        let (ours, theirs) = (age(old, now), age(entry, now));
        if own_is_better { ours <= theirs } else { ours.saturating_add(ROUNDING) < theirs }
    };
    let change = |old: Entry| if is_newer(old) { old } else { entry };
    match connections::update(bucket, found.way, found.entry, change)? {
        (old, new) if old == new && old != entry => Some(Put::Older),
        (old, new) => {
            if (old.real_server, old.state) != (new.real_server, new.state) {
                recount(old, new);
            }
            Some(Put::Updated)
        }
    }
}

fn record<A: Address, B: Bucket<Key = A::Key> + Shared>(
    table: &SharedArray<B>,
    hash: Hash,
    flow: &Flow<A>,
    entry: Entry,
    secrets: &Secrets,
    recount: impl Fn(Entry, Entry),
) -> Put {
    let (Some(first), Some(second)) = (first(table, hash), second(table, hash)) else {
        return Put::NoRoom;
    };
    let mut room = Room::Unknown;
    for _ in 0..2 {
        match connections::insert(first, second, &flow.key, entry, room) {
            Inserted::Recorded { evicted } => {
                recount(evicted, entry);
                return Put::Recorded;
            }
            Inserted::Present(_) => return Put::Updated,
            Inserted::Full => room = make_room::<A, B>(table, hash, secrets, &recount),
            Inserted::Busy => return Put::NoRoom,
        }
    }
    Put::NoRoom
}

/// As [`lvs_common::forward::make_room`].
fn make_room<A: Address, B: Bucket<Key = A::Key> + Shared>(
    table: &SharedArray<B>,
    hash: Hash,
    secrets: &Secrets,
    recount: &impl Fn(Entry, Entry),
) -> Room {
    let n = n_buckets(table);
    for (in_second, index) in [(false, hash.first(n)), (true, hash.second(n))] {
        let Some(bucket) = table.get(index as usize) else { continue };
        let second_of = |key: &A::Key| {
            let hash = A::hash(key, secrets);
            let other = hash.second(n);
            let moves = hash.first(n) == index && other != index;
            if moves { table.get(other as usize) } else { None }
        };
        if let Some(way) = connections::make_room(bucket, second_of, recount) {
            return Room::At(Place { way, in_second });
        }
    }
    Room::None
}

fn forget<B: Bucket + Shared>(
    table: &SharedArray<B>,
    hash: Hash,
    key: &B::Key,
    template: Entry,
    recount: &impl Fn(Entry, Entry),
) {
    let Some(bucket) = first(table, hash) else { return };
    let Some(found) = find_either(bucket, || second(table, hash), key, template) else { return };
    let bucket = if found.in_second { second(table, hash) } else { Some(bucket) };
    if let Some(bucket) = bucket
        && bucket.swap(found.way, found.entry, Entry::FREE)
    {
        recount(found.entry, Entry::FREE);
    }
}
