//! What is remembered of a connection besides its key.

use bytemuck::{Pod, Zeroable};

use super::state;

/// One aligned 64-bit word, read and swapped as a whole.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct Entry {
    /// Index of the real server that holds the connection.
    pub real_server: u32,
    /// When a packet was last seen, in units of about a second (see [`Entry::age`]).
    pub seen: u16,
    /// One of [`state`].
    pub state: u8,
    /// Eight bits of the flow's hash, which tell a look-up that the place has changed hands.
    pub tag: u8,
}

const _: () = assert!(size_of::<Entry>() == 8 && align_of::<Entry>() == 8);

impl Entry {
    /// A place without a connection.
    pub const FREE: Self = Self { real_server: 0, seen: 0, state: state::FREE, tag: 0 };
    /// A place that is being given to a connection.
    pub(super) const BUSY: Self = Self { real_server: 0, seen: 0, state: state::BUSY, tag: 0 };

    /// The word.
    #[inline(always)]
    #[must_use]
    pub fn to_word(self) -> u64 {
        bytemuck::cast(self)
    }

    /// What a word says.
    #[inline(always)]
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        bytemuck::cast(word)
    }

    /// Whether there is a connection here.
    #[inline(always)]
    #[must_use]
    pub fn is_live(self) -> bool {
        self.state != state::FREE && self.state != state::BUSY
    }

    /// Whether it is in one of these states; a bit each.
    #[inline(always)]
    #[must_use]
    pub fn is_in(self, states: u32) -> bool {
        // A place that is free or busy is in none of them: 0 and 255, which is 31 here.
        states >> (self.state & 31) & 1 != 0
    }

    /// How long ago a packet was seen. The clock wraps after 65,536 units, about 18 hours; lvsd
    /// expires what is older than its state may get long before.
    #[inline(always)]
    #[must_use]
    pub fn age(self, now: u16) -> u16 {
        now.wrapping_sub(self.seen)
    }

    /// Whether it is in use, so that it is moved rather than forgotten. Those that only began are not:
    /// in a flood there would be no end of moving.
    #[inline(always)]
    #[must_use]
    pub fn is_in_use(self) -> bool {
        matches!(self.state, state::ESTABLISHED | state::DATAGRAMS)
    }

    /// How much worth keeping: the place of the lowest is given away first. What has ended is worth
    /// least, TCP in use most; among equals, what was seen last.
    #[inline(always)]
    #[must_use]
    pub fn worth(self, now: u16) -> u32 {
        let class = match self.state {
            state::FREE => return 0,
            state::BUSY => return u32::MAX,
            state::CLOSED | state::TIME_WAIT => 1,
            state::FIN_WAIT => 2,
            state::SYN_RECEIVED | state::DATAGRAM => 3,
            state::DATAGRAMS => 4,
            _ => 5,
        };
        class << 16 | u32::from(u16::MAX - self.age(now))
    }
}
