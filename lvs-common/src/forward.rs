//! The whole forwarding policy: what becomes of a frame. The XDP program is [`run`].

mod answer;
mod choose;
mod flow;
mod send;

pub use choose::choose;
pub use flow::{holder, long_way};

use crate::{
    abi::{
        FragmentKey, Interface, Load, RealServer, Service, Settings, Template, TemplateKey, Traffic,
    },
    connections::{Bucket, Entry, Inserted},
    fate::Fate,
    flow::{Address, Flow},
    frame::Frame,
    packet::{self, IpPacket, Packet, ethernet, transport::Segment},
    schedule::Slots,
};

/// What a packet is looked up in, whatever its address family, and what it leaves there.
///
/// In the XDP program they are the BPF maps; in tests, ordinary collections. What changes a table
/// takes `&self`, because other CPUs do the same at the same time.
pub trait Tables: Loads {
    /// What was set before the first packet.
    fn settings(&self) -> Option<&Settings>;
    /// The time, in jiffies.
    fn jiffies(&self) -> u64;
    /// Index of the interface that the frame came in by.
    fn ingress(&self) -> u32;
    /// What is known of that interface.
    fn interface(&self) -> Option<Interface>;

    /// The real server at `index`.
    fn real_server(&self, index: u32) -> Option<&RealServer>;
    /// A turn of the service that nobody else gets; turns follow one another.
    fn take_turn(&self, service: u32) -> Option<u64>;

    /// [`schedule::least`](crate::schedule::least) of these slots.
    fn least(&self, slots: Slots) -> u32;
    /// Adds to a real server's active and inactive connections.
    fn add_connections(&self, real_server: u32, active: i32, inactive: i32);

    /// Where a client stays.
    fn template(&self, key: &TemplateKey) -> Option<Template>;
    /// Notes where a client stays.
    fn set_template(&self, key: &TemplateKey, template: Template);
    /// The real server that the first fragment of a datagram went to.
    fn fragment(&self, key: &FragmentKey) -> Option<u32>;
    /// Notes where the first fragment of a datagram goes.
    fn set_fragment(&self, key: &FragmentKey, real_server: u32);

    /// Adds to the traffic of a service and of one of its real servers.
    fn account(&self, service: u32, real_server: u32, traffic: Traffic);
    /// Counts a packet that is not forwarded.
    fn count(&self, fate: Fate);
}

/// The slots of the schedulers, and how busy their real servers are.
pub trait Loads {
    /// The real server of the slot at `index`.
    fn slot(&self, index: u32) -> Option<u32>;
    /// How busy a real server is.
    fn load(&self, real_server: u32) -> Option<Load>;
    /// [`schedule::is_overloaded`](crate::schedule::is_overloaded). In the program a function of
    /// its own, like [`FamilyTables::long_way`].
    fn is_overloaded(&self, real_server: u32) -> bool;
    /// Notes that it has reached its upper threshold, or passed its lower one.
    fn set_overloaded(&self, real_server: u32, overloaded: bool);
}

/// The tables of one address family.
pub trait FamilyTables<A: Address> {
    /// Some connections.
    type Bucket: Bucket<Key = A::Words>;

    /// The virtual service with exactly this port.
    fn service(&self, vip: A, port: [u8; 2], protocol: u8) -> Option<Service>;
    /// Whether the program answers for this address.
    fn is_vip(&self, address: A) -> bool;
    /// A bucket of the connection table.
    fn bucket(&self, table: Table, index: u32) -> Option<&Self::Bucket>;
    /// How many buckets a connection table has.
    fn n_buckets(&self, table: Table, settings: &Settings) -> u32;
    /// [`long_way`] of these tables. In the program a function of its own, which the verifier checks
    /// once, instead of anew for each way that leads there.
    fn long_way(&self, flow: &Flow<A>, segment: Segment, chosen: u32) -> u64;
    /// [`holder`], in the same way.
    fn holder(&self, flow: &Flow<A>, segment: Segment) -> u32;
    /// [`choose()`], in the same way.
    fn choose(&self, flow: &Flow<A>) -> u32;
    /// [`connections::insert`](crate::connections::insert), in the same way.
    fn insert(
        &self,
        first: &Self::Bucket,
        second: &Self::Bucket,
        words: &A::Words,
        entry: Entry,
    ) -> Inserted;
}

/// The two connection tables of an address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Connections that more than one packet was seen of.
    Established,
    /// Those that only began.
    HalfOpen,
}

/// What to do with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Give it to the kernel, as it came.
    Pass,
    /// Throw it away.
    Drop,
    /// Send it out of the interface that it came in by.
    Transmit,
    /// Send it out of the interface with this index.
    Redirect(u32),
}

/// Where a packet goes, and what it counts there.
#[derive(Clone, Copy, Debug)]
struct Target {
    /// Index of the real server.
    real_server: u32,
    traffic: Traffic,
}

/// Decides what becomes of a frame, and does it but for the sending.
#[inline(always)]
pub fn run<F, T>(frame: &mut F, tables: &T) -> Verdict
where
    F: Frame + ?Sized,
    T: Tables + FamilyTables<[u8; 4]>,
{
    let sent = match target(frame, tables) {
        Ok((header, target)) => send::to_real_server(frame, &header, target, tables),
        Err(fate) => Err(fate),
    };
    match sent {
        Ok(verdict) => verdict,
        Err(fate) => {
            tables.count(fate);
            verdict(fate)
        }
    }
}

/// Finds the real server that a frame goes to, or answers it, or says what else becomes of it.
#[inline(always)]
fn target<F, T>(frame: &mut F, tables: &T) -> Result<(ethernet::Header, Target), Fate>
where
    F: Frame + ?Sized,
    T: Tables + FamilyTables<[u8; 4]>,
{
    let (header, packet) = packet::parse(frame)?;
    let settings = tables.settings().ok_or(Fate::PassedInactive)?;
    let target = match packet {
        Packet::V4(packet) => ip(frame, packet, tables, settings)?,
        Packet::ArpRequest(request) => {
            return Err(answer::arp(frame, &request, tables, settings));
        }
    };
    Ok((header, target))
}

#[inline(always)]
fn ip<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: answer::EchoAddress>(
    frame: &mut F,
    packet: IpPacket<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    match packet {
        IpPacket::Flow(packet) => flow::forward(&packet, tables, settings),
        IpPacket::LaterFragment(fragment) => flow::follow(&fragment, tables, settings),
        IpPacket::Error(error) => flow::relay(&error, tables, settings),
        IpPacket::Echo(echo) => Err(answer::echo(frame, &echo, tables, settings)),
    }
}

/// Whether this director may answer and forward for its VIPs.
#[inline(always)]
fn check_active<T: Tables>(tables: &T, settings: &Settings) -> Result<(), Fate> {
    if tables.jiffies() <= settings.active_until { Ok(()) } else { Err(Fate::PassedInactive) }
}

/// What a fate means for the frame.
#[must_use]
pub fn verdict(fate: Fate) -> Verdict {
    match fate {
        Fate::PassedOtherEthertype
        | Fate::PassedMalformed
        | Fate::PassedOtherProtocol
        | Fate::PassedNoService
        | Fate::PassedFragment
        | Fate::PassedIcmp
        | Fate::PassedArp
        | Fate::PassedInactive => Verdict::Pass,
        Fate::AnsweredArp | Fate::AnsweredEcho => Verdict::Transmit,
        Fate::DroppedNoRealServer
        | Fate::DroppedNeighbourUnknown
        | Fate::DroppedFragment
        | Fate::DroppedLoop
        | Fate::DroppedNoRoom => Verdict::Drop,
    }
}
