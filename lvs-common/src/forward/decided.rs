//! What was decided about a packet, as one word: that is what a BPF function returns.

use super::explain::Reason;
use crate::{connections::Room, fate::Fate};

/// A real server, or why there is none, or what must be done first.
///
/// ```text
///  56      48     40      32                              0
/// | reason | room | state | flags | real server, or fate    |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided(u64);

/// A real server, and whether the packet begins a connection there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) real_server: u32,
    pub(super) begins: bool,
    /// A [`Reason`], as its number.
    pub(super) reason: u8,
}

/// The packet begins a connection.
const BEGINS: u64 = 1 << 32;
/// There is no real server, but a fate.
const FATE: u64 = 1 << 33;
/// A real server is to be chosen.
const CHOOSE: u64 = 1 << 34;
/// A connection is to be recorded, in the state that is given.
const RECORD: u64 = 1 << 35;
/// A connection that is remembered is to be given to the real server.
const MOVE: u64 = 1 << 36;
/// There must be room for that first.
const MAKE_ROOM: u64 = 1 << 37;
/// It is not recorded because too many others are just now.
const IN_FLOOD: u64 = 1 << 38;
const STATE_SHIFT: u32 = 40;
const ROOM_SHIFT: u32 = 48;
const REASON_SHIFT: u32 = 56;

impl Decided {
    /// It goes to the real server of its connection, and that is all.
    #[inline(always)]
    pub(super) fn known(real_server: u32) -> Self {
        Self::because(Reason::Connection, real_server)
    }

    /// It goes to a real server, and that is all.
    #[inline(always)]
    pub(super) fn because(reason: Reason, real_server: u32) -> Self {
        Self(u64::from(real_server) | (reason as u64) << REASON_SHIFT)
    }

    /// It begins a connection with a real server.
    #[inline(always)]
    pub(super) fn begins(real_server: u32) -> Self {
        Self(u64::from(real_server) | BEGINS)
    }

    /// It goes to a real server, and nothing is remembered of it.
    #[inline(always)]
    pub(super) fn unrecorded(real_server: u32, begins: bool, in_flood: bool) -> Self {
        let Self(word) = Self::because(Reason::Unrecorded, real_server);
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        Self(word | bit(begins, BEGINS) | bit(in_flood, IN_FLOOD))
    }

    #[inline(always)]
    pub(super) fn fate(fate: Fate) -> Self {
        Self(u64::from(fate.index()) | FATE)
    }

    /// It goes to a real server that is to be chosen, and nothing is remembered of it.
    #[inline(always)]
    pub(super) fn choose() -> Self {
        Self(CHOOSE | BEGINS)
    }

    /// It begins a connection with a real server that is to be chosen.
    #[inline(always)]
    pub(super) fn choose_and_record(state: u8) -> Self {
        Self(CHOOSE | BEGINS | RECORD | u64::from(state) << STATE_SHIFT)
    }

    /// Its connection goes to another real server, which is to be chosen.
    #[inline(always)]
    pub(super) fn choose_and_move() -> Self {
        Self(CHOOSE | BEGINS | MOVE)
    }

    /// Its connection is to be recorded as one that is established.
    #[inline(always)]
    pub(super) fn promote(real_server: u32, state: u8) -> Self {
        Self(u64::from(real_server) | RECORD | u64::from(state) << STATE_SHIFT)
    }

    #[inline(always)]
    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub(super) fn to_word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(super) fn needs_choice(self) -> bool {
        self.0 & CHOOSE != 0
    }

    /// The same, with the real server that was chosen, and the reason.
    #[inline(always)]
    pub(super) fn with(self, chosen: Self) -> Self {
        Self(self.0 & !CHOOSE | chosen.0)
    }

    #[inline(always)]
    pub(super) fn needs_settling(self) -> bool {
        self.0 & (RECORD | MOVE) != 0
    }

    /// The same, when it turned out that there is no room.
    #[inline(always)]
    pub(super) fn make_room(self) -> Self {
        Self(self.0 | MAKE_ROOM)
    }

    #[inline(always)]
    pub(super) fn needs_room(self) -> bool {
        self.0 & MAKE_ROOM != 0
    }

    /// The same, with what was found about room (a [`Room`] as a number).
    #[inline(always)]
    pub(super) fn with_room(self, room: u32) -> Self {
        Self(self.0 & !MAKE_ROOM | u64::from(room & 0xff) << ROOM_SHIFT)
    }

    #[inline(always)]
    pub(super) fn room(self) -> Room {
        Room::from_number((self.0 >> ROOM_SHIFT) as u8)
    }

    #[inline(always)]
    pub(super) fn moves(self) -> bool {
        self.0 & MOVE != 0
    }

    #[inline(always)]
    pub(super) fn real_server(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(super) fn reason(self) -> u8 {
        (self.0 >> REASON_SHIFT) as u8
    }

    #[inline(always)]
    pub(super) fn state(self) -> u8 {
        (self.0 >> STATE_SHIFT) as u8
    }

    #[inline(always)]
    pub(super) fn does_begin(self) -> bool {
        self.0 & BEGINS != 0
    }

    #[inline(always)]
    pub(super) fn is_in_flood(self) -> bool {
        self.0 & IN_FLOOD != 0
    }

    #[inline(always)]
    pub(super) fn into_result(self) -> Result<Choice, Fate> {
        if self.0 & FATE == 0 {
            return Ok(Choice {
                real_server: self.real_server(),
                begins: self.does_begin(),
                reason: self.reason(),
            });
        }
        // Only these four come from here; a table of all would be data that BPF has no place for.
        match self.0 as u32 {
            index if index == Fate::PassedNoService.index() => Err(Fate::PassedNoService),
            index if index == Fate::PassedInactive.index() => Err(Fate::PassedInactive),
            index if index == Fate::DroppedStray.index() => Err(Fate::DroppedStray),
            _ => Err(Fate::DroppedNoRealServer),
        }
    }
}
