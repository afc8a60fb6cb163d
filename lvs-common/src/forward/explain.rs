//! Where a packet would go now, and why: [`run`](super::run) without anything done.

use bytemuck::{Pod, Zeroable};

use super::{
    FamilyTables, Peek, Peekable, Target, flow, flow_packet,
    lookup::{Lookup, Place},
    send,
};
use crate::{
    connections::Entry,
    fate::Fate,
    frame::Frame,
    packet::{Family, ethernet},
};

/// Why a packet goes to its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Its connection is there.
    Connection,
    /// It is TCP of no connection, and opens none: the real server resets it, unless it knows it.
    Stray,
    /// Its client stays there (persistence).
    Persistence,
    /// The scheduler picks it.
    Scheduler,
    /// No other real server takes connections.
    SorryServer,
    /// Nothing is remembered of it: a hash picks it.
    Unrecorded,
}

impl Reason {
    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [
            Self::Connection,
            Self::Stray,
            Self::Persistence,
            Self::Scheduler,
            Self::SorryServer,
            Self::Unrecorded,
        ]
        .into_iter()
        .find(|&reason| reason as u8 == number)
    }
}

/// What the program answers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Explanation {
    /// What is remembered of the packet's connection, if anything is. If the reason is another than
    /// [`Reason::Connection`], the packet begins a new one in its place.
    pub connection: Entry,
    /// Index of the real server; 0 if it comes to none.
    pub real_server: u32,
    /// A [`Fate`], as its number and one more; 0 if the packet is forwarded.
    fate: u16,
    /// A [`Reason`], as its number.
    reason: u16,
}

impl Explanation {
    #[inline(always)]
    fn of(fate: Fate) -> Self {
        Self { fate: fate.index() as u16 + 1, ..Self::zeroed() }
    }

    /// Its bytes, as it is handed over.
    #[inline(always)]
    #[must_use]
    pub fn to_bytes(self) -> [u8; size_of::<Self>()] {
        bytemuck::cast(self)
    }

    /// What bytes say.
    #[must_use]
    pub fn from_bytes(bytes: [u8; size_of::<Self>()]) -> Self {
        bytemuck::cast(bytes)
    }

    /// Why the packet is not forwarded; `None` if it is.
    #[must_use]
    pub fn fate(&self) -> Option<Fate> {
        let index = self.fate.checked_sub(1)?;
        Fate::ALL.get(usize::from(index)).copied()
    }

    /// Why it goes to this real server, and to no other.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        if self.real_server == 0 {
            return None;
        }
        Reason::from_number(self.reason as u8)
    }
}

/// What would become of a frame; `None` if it is for a VIP, or may be, and not of a flow. All is decided as ever; only that a
/// VLAN tag has no room in the frame shows when it is written.
///
/// As with [`run`](super::run), the program itself has a function for each case.
pub fn explain<F, T>(frame: &F, tables: &T) -> Option<Explanation>
where
    F: Frame + ?Sized,
    T: Peekable + FamilyTables<[u8; 4]> + FamilyTables<[u8; 16]>,
{
    let header = ethernet::parse(frame).ok()?;
    match header.ethertype {
        ethernet::IPV4 => explain_flow::<_, _, [u8; 4]>(frame, header, tables),
        ethernet::IPV6 => explain_flow::<_, _, [u8; 16]>(frame, header, tables),
        _ => None,
    }
}

/// [`explain`] for TCP and UDP of an address family, and for what is for no VIP; `None` if it is a matter for
/// [`control`](super::control).
#[inline(always)]
pub fn explain_flow<F: Frame + ?Sized, T: Peekable + FamilyTables<A>, A: Family>(
    frame: &F,
    header: ethernet::Header,
    tables: &T,
) -> Option<Explanation> {
    let packet = match flow_packet::<_, _, A>(frame, header, tables)? {
        Ok(packet) => packet,
        Err(fate) => return Some(Explanation::of(fate)),
    };
    let peek = Peek::new(tables);
    let Some(settings) = tables.settings() else {
        return Some(Explanation::of(Fate::PassedInactive));
    };
    let lookup = Lookup::new(&packet.flow, packet.segment, &peek, settings);
    let place = lookup.find_anywhere();
    let target = flow::forward(&packet, &peek, settings);
    let mut explanation = match target {
        Ok(target) => {
            let receiver = send::receiver(target, &peek);
            let fate = receiver.and_then(|it| send::check_loop(frame, it)).err();
            let explanation = fate.map_or(Explanation::zeroed(), Explanation::of);
            let Target { real_server, reason, .. } = target;
            Explanation { real_server, reason: reason.into(), ..explanation }
        }
        Err(fate) => Explanation::of(fate),
    };
    if let Some(Place { found, .. }) = place {
        explanation.connection = found.entry;
    }
    Some(explanation)
}
