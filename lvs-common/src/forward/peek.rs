//! Tables that are looked at, and stay as they are.

use core::cell::Cell;

use super::{FamilyTables, Loads, Table, Tables};
use crate::{
    abi::{
        Begun, FragmentKey, Interface, Load, RealServer, Service, ServiceKey, Settings, Template,
        TemplateKey, Traffic,
    },
    connections::{Entry, Found, Inserted, Room},
    fate::Fate,
    flow::{Address, Flow},
    packet::transport::Segment,
    schedule::{Best, Slots},
    vip_filter::Marks,
};

/// Tables that can be asked what they would do. What is to be a function of its own in the program
/// is one here, too: see [`FamilyTables`].
pub trait Peekable: Tables {
    /// The turn that a service takes next.
    fn next_turn(&self, service: u32) -> Option<u64>;
    /// [`is_overloaded`](crate::schedule::is_overloaded) of a [`Peek`] at these tables.
    fn peek_overloaded(&self, real_server: u32) -> bool;
    /// [`compare`](crate::schedule::compare) of a [`Peek`] at these tables.
    fn peek_compare(&self, slots: Slots, best: &mut Best) -> bool;
    /// [`least`](crate::schedule::least) of a [`Peek`] at these tables.
    fn peek_least(&self, slots: Slots) -> u32;
}

/// The same tables, where all is found as it is, and nothing done: the policy takes the same
/// decisions as ever, and nobody else sees anything of it.
#[derive(Debug)]
pub struct Peek<'a, T> {
    tables: &'a T,
    /// Turns that would have been taken.
    turns: Cell<u64>,
}

impl<'a, T> Peek<'a, T> {
    /// A look at these tables.
    #[inline(always)]
    pub fn new(tables: &'a T) -> Self {
        Self { tables, turns: Cell::new(0) }
    }
}

impl<T: Peekable> Loads for Peek<'_, T> {
    #[inline(always)]
    fn slot(&self, index: u32) -> Option<u32> {
        self.tables.slot(index)
    }

    #[inline(always)]
    fn load(&self, real_server: u32) -> Option<Load> {
        self.tables.load(real_server)
    }

    #[inline(always)]
    fn is_overloaded(&self, real_server: u32) -> bool {
        self.tables.peek_overloaded(real_server)
    }

    #[inline(always)]
    fn compare(&self, slots: Slots, best: &mut Best) -> bool {
        self.tables.peek_compare(slots, best)
    }

    #[inline(always)]
    fn set_overloaded(&self, _: u32, _: bool) {}
}

impl<T: Peekable> Tables for Peek<'_, T> {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        self.tables.settings()
    }

    #[inline(always)]
    fn jiffies(&self) -> u64 {
        self.tables.jiffies()
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        self.tables.ingress()
    }

    #[inline(always)]
    fn interface(&self) -> Option<Interface> {
        self.tables.interface()
    }

    #[inline(always)]
    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.tables.service(key)
    }

    #[inline(always)]
    fn marks(&self, fold: u32) -> Marks {
        self.tables.marks(fold)
    }

    #[inline(always)]
    fn is_vip(&self, address: &[u8; 16]) -> bool {
        self.tables.is_vip(address)
    }

    #[inline(always)]
    fn real_server(&self, index: u32) -> Option<&RealServer> {
        self.tables.real_server(index)
    }

    #[inline(always)]
    fn take_turn(&self, service: u32) -> Option<u64> {
        let taken = self.turns.get();
        self.turns.set(taken + 1);
        Some(self.tables.next_turn(service)?.wrapping_add(taken))
    }

    #[inline(always)]
    fn least(&self, slots: Slots) -> u32 {
        self.tables.peek_least(slots)
    }

    #[inline(always)]
    fn add_connections(&self, _: u32, _: i32, _: i32) {}

    #[inline(always)]
    fn template(&self, key: &TemplateKey) -> Option<Template> {
        self.tables.template(key)
    }

    #[inline(always)]
    fn set_template(&self, _: &TemplateKey, _: Template) {}

    #[inline(always)]
    fn tell_template(&self, _: &TemplateKey) {}

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<u32> {
        self.tables.fragment(key)
    }

    #[inline(always)]
    fn set_fragment(&self, _: &FragmentKey, _: u32) {}

    #[inline(always)]
    fn account(&self, _: u32, _: Traffic) {}

    #[inline(always)]
    fn count(&self, _: Fate) {}
}

impl<T: Peekable + FamilyTables<A>, A: Address> FamilyTables<A> for Peek<'_, T> {
    type Bucket = T::Bucket;

    #[inline(always)]
    fn bucket(&self, table: Table, index: u32) -> Option<&Self::Bucket> {
        self.tables.bucket(table, index)
    }

    #[inline(always)]
    fn n_buckets(&self, table: Table, settings: &Settings) -> u32 {
        self.tables.n_buckets(table, settings)
    }

    /// As if the connection had gone away meanwhile.
    #[inline(always)]
    fn update(
        &self,
        _: &Self::Bucket,
        _: Found,
        _: impl Fn(Entry) -> Entry,
    ) -> Option<(Entry, Entry)> {
        None
    }

    /// As if it could not be had just now.
    #[inline(always)]
    fn insert(&self, _: [&Self::Bucket; 2], _: &A::Key, _: Entry, _: Room) -> Inserted {
        Inserted::Busy
    }

    #[inline(always)]
    fn begun(&self) -> Begun {
        self.tables.begun()
    }

    #[inline(always)]
    fn set_begun(&self, _: Begun) {}

    #[inline(always)]
    fn tell(&self, _: &Flow<A>, _: Table) {}

    #[inline(always)]
    fn find(&self, flow: &Flow<A>, segment: Segment, table: Table) -> u64 {
        self.tables.find(flow, segment, table)
    }

    #[inline(always)]
    fn unrecorded(&self, flow: &Flow<A>) -> u32 {
        self.tables.unrecorded(flow)
    }

    /// Nothing is recorded, so that no room is needed.
    #[inline(always)]
    fn make_room(&self, _: &Flow<A>) -> u32 {
        u32::from(Room::None.to_number())
    }

    #[inline(always)]
    fn long_way(&self, flow: &Flow<A>, segment: Segment) -> u64 {
        super::long_way(flow, segment, self)
    }

    #[inline(always)]
    fn choose(&self, flow: &Flow<A>) -> u64 {
        super::choose(flow, self)
    }

    /// As if it were done: where the packet goes is decided.
    #[inline(always)]
    fn settle(&self, _: &Flow<A>, _: Segment, decided: u64) -> u64 {
        decided
    }
}
