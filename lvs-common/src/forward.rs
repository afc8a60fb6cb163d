//! The whole forwarding policy: what becomes of a frame. The XDP program is [`run`].

mod answer;
mod choose;
mod decided;
mod explain;
mod flow;
mod long_way;
mod lookup;
mod peek;
mod send;
mod shortcut;
mod unrecorded;

pub use choose::choose;
pub use explain::{Explanation, Reason, explain, explain_flow};
pub use long_way::{long_way, settle};
pub use lookup::{find, make_room};
pub use peek::{Peek, Peekable};
pub use shortcut::shortcut;
pub use unrecorded::unrecorded;

use crate::{
    abi::{
        Begun, FragmentKey, Interface, Load, RealServer, Service, ServiceKey, Settings, Template,
        TemplateKey, Traffic,
    },
    connections::{self, Bucket, Entry, Found, Inserted, Room},
    fate::Fate,
    flow::{Address, Flow},
    frame::Frame,
    packet::{self, Control, Family, FlowPacket, arp, ethernet, transport::Segment},
    schedule::{Best, Slots},
    vip_filter::Marks,
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
    /// The time in units of the connection tables' clock, of about a second.
    #[inline(always)]
    fn now(&self, settings: &Settings) -> u16 {
        settings.time(self.jiffies())
    }
    /// Index of the interface that the frame came in by.
    fn ingress(&self) -> u32;
    /// What is known of that interface.
    fn interface(&self) -> Option<Interface>;

    /// The virtual service with exactly this name.
    fn service(&self, key: &ServiceKey) -> Option<&Service>;
    /// What the [filter](crate::vip_filter) says of an address, by its fold.
    fn marks(&self, fold: u32) -> Marks;
    /// Whether the program answers for this address; IPv4 as `::ffff:a.b.c.d`.
    fn is_vip(&self, address: &[u8; 16]) -> bool;
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
    /// Tells lvsd that this has changed.
    fn tell_template(&self, key: &TemplateKey);
    /// The real server that the first fragment of a datagram went to.
    fn fragment(&self, key: &FragmentKey) -> Option<u32>;
    /// Notes where the first fragment of a datagram goes.
    fn set_fragment(&self, key: &FragmentKey, real_server: u32);

    /// Adds to the traffic of a real server, and so to that of its service.
    fn account(&self, real_server: u32, traffic: Traffic);
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
    /// [`schedule::compare`](crate::schedule::compare), in the same way.
    fn compare(&self, slots: Slots, best: &mut Best) -> bool;
    /// Notes that it has reached its upper threshold, or passed its lower one.
    fn set_overloaded(&self, real_server: u32, overloaded: bool);
}

/// The connections of one address family, and what is to be done with them that most packets don't
/// need. In the program each of the latter is a function of its own, which the verifier checks once,
/// instead of anew for each way that leads there, and which has a stack of its own.
pub trait FamilyTables<A: Address> {
    /// Some connections.
    type Bucket: Bucket<Key = A::Key>;

    /// A bucket of the connection table.
    fn bucket(&self, table: Table, index: u32) -> Option<&Self::Bucket>;
    /// How many buckets a connection table has.
    fn n_buckets(&self, table: Table, settings: &Settings) -> u32;
    /// Changes an entry of these tables, as [`connections::update`] does.
    #[inline(always)]
    fn update(
        &self,
        bucket: &Self::Bucket,
        found: Found,
        change: impl Fn(Entry) -> Entry,
    ) -> Option<(Entry, Entry)> {
        connections::update(bucket, found.way, found.entry, change)
    }

    /// Records a connection in these tables, as [`connections::insert`] does.
    #[inline(always)]
    fn insert(
        &self,
        [first, second]: [&Self::Bucket; 2],
        key: &A::Key,
        entry: Entry,
        room: Room,
    ) -> Inserted {
        connections::insert(first, second, key, entry, room)
    }

    /// What has begun on this CPU.
    fn begun(&self) -> Begun;
    /// Notes what has begun on this CPU.
    fn set_begun(&self, begun: Begun);

    /// Tells lvsd that there is something new about a connection.
    fn tell(&self, flow: &Flow<A>, table: Table);

    /// [`find`] of these tables.
    fn find(&self, flow: &Flow<A>, segment: Segment, table: Table) -> u64;
    /// [`unrecorded()`] of these tables.
    fn unrecorded(&self, flow: &Flow<A>) -> u32;
    /// [`make_room`] of these tables.
    fn make_room(&self, flow: &Flow<A>) -> u32;
    /// [`long_way()`] of these tables.
    fn long_way(&self, flow: &Flow<A>, segment: Segment) -> u64;
    /// [`choose()`] of these tables.
    fn choose(&self, flow: &Flow<A>) -> u64;
    /// [`settle`] of these tables.
    fn settle(&self, flow: &Flow<A>, segment: Segment, decided: u64) -> u64;
}

/// The two connection tables of an address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Table {
    /// Connections that more than one packet was seen of.
    Established,
    /// Those that only began.
    HalfOpen,
}

impl Table {
    /// The table with this number.
    #[inline(always)]
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        if number == 0 { Self::Established } else { Self::HalfOpen }
    }
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
    /// Why it goes there: a [`Reason`], as its number.
    reason: u8,
    traffic: Traffic,
}

/// Decides what becomes of a frame, and does it but for the sending.
///
/// The program itself goes by these cases, too, but each in a function with a stack of its own.
pub fn run<F, T>(frame: &mut F, tables: &T) -> Verdict
where
    F: Frame + ?Sized,
    T: Tables + FamilyTables<[u8; 4]> + FamilyTables<[u8; 16]>,
{
    let short = match ethernet::type_of_untagged(frame) {
        Some(ethernet::IPV4) => shortcut::<_, _, [u8; 4]>(frame, tables),
        Some(ethernet::IPV6) => shortcut::<_, _, [u8; 16]>(frame, tables),
        Some(ethernet::ARP) => Some(not_ip(frame, tables)),
        Some(_) | None => None,
    };
    short.unwrap_or_else(|| whole_way(frame, tables))
}

/// [`run`] without its short ways: any headers.
pub fn whole_way<F, T>(frame: &mut F, tables: &T) -> Verdict
where
    F: Frame + ?Sized,
    T: Tables + FamilyTables<[u8; 4]> + FamilyTables<[u8; 16]>,
{
    match ethernet::parse(frame) {
        Ok(header) if header.ethertype == ethernet::IPV4 => {
            flow::<_, _, [u8; 4]>(frame, header, tables)
                .unwrap_or_else(|| control::<_, _, [u8; 4]>(frame, header, tables))
        }
        Ok(header) if header.ethertype == ethernet::IPV6 => {
            flow::<_, _, [u8; 16]>(frame, header, tables)
                .unwrap_or_else(|| control::<_, _, [u8; 16]>(frame, header, tables))
        }
        Ok(_) | Err(_) => not_ip(frame, tables),
    }
}

/// [`run`] for TCP and UDP of an address family, and for what is for no VIP; `None` if it is a matter for
/// [`control`].
#[inline(always)]
pub fn flow<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Family>(
    frame: &mut F,
    header: ethernet::Header,
    tables: &T,
) -> Option<Verdict> {
    let target = flow_packet(frame, header, tables)?.and_then(|packet: FlowPacket<A>| {
        let settings = tables.settings().ok_or(Fate::PassedInactive)?;
        flow::forward(&packet, tables, settings)
    });
    Some(send(frame, header, target, tables))
}

/// Reads a packet of a flow; `None` if it is a matter for [`control`]. What is for no VIP is not read, whatever it
/// is.
#[inline(always)]
fn flow_packet<F: Frame + ?Sized, T: Tables, A: Family>(
    frame: &F,
    header: ethernet::Header,
    tables: &T,
) -> Option<Result<FlowPacket<A>, Fate>> {
    if let Some(marks) = receiver_marks::<_, _, A>(frame, header.payload, tables)
        && !marks.may_be_vip()
    {
        return Some(Err(Fate::PassedNoVip));
    }
    match A::header(frame, header.payload) {
        Ok(ip) if ip.is_control() => None,
        Ok(ip) => Some(packet::parse_flow(frame, &ip)),
        Err(fate) => Some(Err(fate)),
    }
}

/// What the filter says of the receiver of a packet whose IP header is at `offset`; `None` if the packet has to be read
/// in any case, because it may ask for another, or ends before its receiver.
#[inline(always)]
fn receiver_marks<F: Frame + ?Sized, T: Tables, A: Family>(
    frame: &F,
    offset: usize,
    tables: &T,
) -> Option<Marks> {
    marks_of(A::read(frame, offset + A::RECEIVER)?, tables)
}

/// The same of a receiver that was read.
#[inline(always)]
fn marks_of<T: Tables, A: Address>(receiver: A, tables: &T) -> Option<Marks> {
    (!receiver.may_ask_for_another()).then(|| tables.marks(receiver.fold()))
}

/// [`run`] for what else there is of an address family: ICMP, and fragments without ports.
#[inline(always)]
pub fn control<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Family>(
    frame: &mut F,
    header: ethernet::Header,
    tables: &T,
) -> Verdict {
    let target = control_target::<_, _, A>(frame, header, tables);
    send(frame, header, target, tables)
}

#[inline(always)]
fn control_target<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Family>(
    frame: &mut F,
    header: ethernet::Header,
    tables: &T,
) -> Result<Target, Fate> {
    let ip = A::header(frame, header.payload)?;
    let packet = packet::parse_control(frame, header.payload, &ip)?;
    let settings = tables.settings().ok_or(Fate::PassedInactive)?;
    match packet {
        Control::LaterFragment(fragment) => flow::follow(&fragment, tables, settings),
        Control::Error(error) => flow::relay(&error, tables, settings),
        Control::Echo(echo) => Err(answer::echo(frame, &echo, tables, settings)),
        Control::Solicitation(solicitation) => {
            Err(answer::solicitation(frame, &solicitation, tables, settings))
        }
    }
}

/// [`run`] for a frame without IP in it.
#[inline(always)]
pub fn not_ip<F: Frame + ?Sized, T: Tables>(frame: &mut F, tables: &T) -> Verdict {
    let fate = match ethernet::parse(frame) {
        Ok(header) if header.ethertype == ethernet::ARP => {
            arp(frame, header, tables).unwrap_or_else(|fate| fate)
        }
        Ok(_) => Fate::PassedOtherEthertype,
        Err(fate) => fate,
    };
    met(fate, tables)
}

#[inline(always)]
fn send<F: Frame + ?Sized, T: Tables>(
    frame: &mut F,
    header: ethernet::Header,
    target: Result<Target, Fate>,
    tables: &T,
) -> Verdict {
    match target.and_then(|target| send::to_real_server(frame, &header, target, tables)) {
        Ok(verdict) => verdict,
        Err(fate) => met(fate, tables),
    }
}

#[inline(always)]
fn met<T: Tables>(fate: Fate, tables: &T) -> Verdict {
    tables.count(fate);
    verdict(fate)
}

#[inline(always)]
fn arp<F: Frame + ?Sized, T: Tables>(
    frame: &mut F,
    header: ethernet::Header,
    tables: &T,
) -> Result<Fate, Fate> {
    let request = arp::parse(frame, header.payload)?;
    if !tables.marks(request.target.fold()).may_be_vip() {
        return Err(Fate::PassedArp);
    }
    let settings = tables.settings().ok_or(Fate::PassedInactive)?;
    Ok(answer::arp(frame, &request, tables, settings))
}

/// Whether this director may forward for its VIPs.
#[inline(always)]
fn check_active<T: Tables>(tables: &T, settings: &Settings) -> Result<(), Fate> {
    if tables.jiffies() <= settings.active_until { Ok(()) } else { Err(Fate::PassedInactive) }
}

/// Whether it may say that they are here. Of two directors one at most may, at any time; when the
/// role changes, the one before goes on to forward what clients still send to it.
#[inline(always)]
fn check_answers<T: Tables>(tables: &T, settings: &Settings) -> Result<(), Fate> {
    if tables.jiffies() <= settings.answers_until { Ok(()) } else { Err(Fate::PassedInactive) }
}

/// What a fate means for the frame.
#[must_use]
pub fn verdict(fate: Fate) -> Verdict {
    match fate {
        Fate::PassedOtherEthertype
        | Fate::PassedMalformed
        | Fate::PassedOtherProtocol
        | Fate::PassedNoVip
        | Fate::PassedNoService
        | Fate::PassedFragment
        | Fate::PassedIcmp
        | Fate::PassedArp
        | Fate::PassedInactive => Verdict::Pass,
        Fate::AnsweredArp | Fate::AnsweredSolicitation | Fate::AnsweredEcho => Verdict::Transmit,
        Fate::DroppedNoRealServer
        | Fate::DroppedNeighbourUnknown
        | Fate::DroppedFragment
        | Fate::DroppedLoop
        | Fate::DroppedStray
        | Fate::DroppedNoRoom => Verdict::Drop,
    }
}
