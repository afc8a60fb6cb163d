//! The whole forwarding policy: what becomes of a frame.
//!
//! [`decide`] looks and says; [`act`] does it. The XDP program is [`run`], which is both.

use crate::{
    abi::{
        Connection, FlowKey, Interface, RealServer, Service, ServiceKey, Traffic, Vip,
        connection_state, real_server_state,
    },
    fate::Fate,
    frame::Frame,
    packet::{
        self, FlowPacket, Packet, arp,
        ethernet::{self, Mac},
        transport::Segment,
    },
    schedule,
};

/// The tables that a packet is looked up in, and what it leaves there.
///
/// In the XDP program they are the BPF maps; in tests, ordinary collections.
pub trait Tables {
    /// The virtual service that `key` names.
    fn service(&self, key: &ServiceKey) -> Option<Service>;
    /// The connection that `flow` names.
    fn connection(&self, flow: &FlowKey) -> Option<Connection>;
    /// The real server at `index`.
    fn real_server(&self, index: u32) -> Option<&RealServer>;
    /// The real server whose turn the slot at `index` is.
    fn slot(&self, index: u32) -> Option<u32>;
    /// A turn of the service that nobody else gets; turns follow one another.
    fn take_turn(&self, service: u32) -> Option<u64>;
    /// What is known of `address`, if it is a VIP.
    fn vip(&self, address: [u8; 4]) -> Option<Vip>;
    /// The interface that the frame came in by.
    fn ingress(&self) -> Option<Interface>;

    /// Remembers a connection.
    fn record(&mut self, flow: &FlowKey, connection: Connection);
    /// Adds to the traffic of a service and of one of its real servers.
    fn account(&mut self, service: u32, real_server: u32, traffic: Traffic);
    /// Counts a packet that is not forwarded.
    fn count(&mut self, fate: Fate);
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
}

/// What is to become of a frame, before anything was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To a real server.
    Forward(Forward),
    /// Answer an ARP request with this MAC.
    AnswerArp(arp::Request, Mac),
    /// Nothing of the two.
    End(Fate),
}

/// A packet on its way to a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    packet: FlowPacket,
    /// Index of the real server.
    pub real_server: u32,
    service: u32,
    mac: Mac,
    source_mac: Mac,
    /// What the packet is to the connection table.
    pub kind: Kind,
}

/// What a forwarded packet is to the connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a connection that is known, in this state before.
    Known(u32),
    /// The first of a connection.
    New,
    /// TCP of a connection that nobody knows: its real server will reset it at once, where a
    /// dropped packet would leave the client waiting. Not recorded, so that it costs no entry.
    Stray,
}

/// Decides and acts.
#[inline(always)]
pub fn run<F: Frame + ?Sized, T: Tables>(frame: &mut F, tables: &mut T) -> Verdict {
    let decision = decide(frame, tables);
    act(decision, frame, tables)
}

/// What is to become of `frame`. Nothing is changed but the turn of a new connection's service.
#[inline(always)]
pub fn decide<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &T) -> Decision {
    let decision = match packet::parse(frame) {
        Ok(Packet::Flow(packet)) => forward(packet, tables).map(Decision::Forward),
        Ok(Packet::ArpRequest(request)) => answer_arp(request, tables),
        Err(fate) => Err(fate),
    };
    decision.unwrap_or_else(Decision::End)
}

#[inline(always)]
fn answer_arp<T: Tables>(request: arp::Request, tables: &T) -> Result<Decision, Fate> {
    tables.vip(request.target).ok_or(Fate::PassedArp)?;
    let interface = tables.ingress().ok_or(Fate::PassedArp)?;
    Ok(Decision::AnswerArp(request, interface.mac))
}

#[inline(always)]
fn forward<T: Tables>(packet: FlowPacket, tables: &T) -> Result<Forward, Fate> {
    let (index, kind) = match tables.connection(&packet.flow) {
        Some(connection) => (connection.real_server, Kind::Known(connection.state)),
        None => choose(&packet, tables)?,
    };
    let real_server = tables.real_server(index).ok_or(Fate::DroppedNoRealServer)?;
    if real_server.state != real_server_state::READY {
        return Err(Fate::DroppedNeighbourUnknown);
    }
    Ok(Forward {
        packet,
        real_server: index,
        service: real_server.service,
        mac: real_server.mac,
        source_mac: real_server.source_mac,
        kind,
    })
}

/// A real server for a packet of no known connection.
#[inline(always)]
fn choose<T: Tables>(packet: &FlowPacket, tables: &T) -> Result<(u32, Kind), Fate> {
    let service = tables.service(&packet.flow.service()).ok_or(Fate::PassedNoService)?;
    let (index, kind) = match packet.segment {
        Segment::Syn | Segment::Datagram => (schedule::next(&service, tables), Kind::New),
        Segment::Established | Segment::Closing => {
            (schedule::by_flow(&service, tables, &packet.flow), Kind::Stray)
        }
    };
    Ok((index.ok_or(Fate::DroppedNoRealServer)?, kind))
}

/// Does what was decided.
#[inline(always)]
pub fn act<F: Frame + ?Sized, T: Tables>(
    decision: Decision,
    frame: &mut F,
    tables: &mut T,
) -> Verdict {
    match decision {
        Decision::Forward(forward) => send(&forward, frame, tables),
        Decision::AnswerArp(request, mac) => match arp::reply(frame, &request, mac) {
            Some(()) => end(Fate::AnsweredArp, tables),
            None => end(Fate::PassedMalformed, tables),
        },
        Decision::End(fate) => end(fate, tables),
    }
}

#[inline(always)]
fn send<F: Frame + ?Sized, T: Tables>(forward: &Forward, frame: &mut F, tables: &mut T) -> Verdict {
    if ethernet::readdress(frame, forward.mac, forward.source_mac).is_none() {
        return end(Fate::PassedMalformed, tables);
    }
    if let Some(state) = state_to_record(forward) {
        let connection = Connection { real_server: forward.real_server, state };
        tables.record(&forward.packet.flow, connection);
    }
    let traffic = Traffic {
        connections: u64::from(forward.kind == Kind::New),
        packets: 1,
        bytes: u64::from(forward.packet.bytes),
    };
    tables.account(forward.service, forward.real_server, traffic);
    Verdict::Transmit
}

/// The state that the packet leaves its connection in, if it isn't recorded already.
#[inline(always)]
fn state_to_record(forward: &Forward) -> Option<u32> {
    let old = match forward.kind {
        Kind::Known(state) => state,
        Kind::New => 0,
        Kind::Stray => return None,
    };
    let new = match forward.packet.segment {
        Segment::Syn => connection_state::OPEN,
        Segment::Closing => connection_state::CLOSING,
        Segment::Established => return None,
        Segment::Datagram => connection_state::DATAGRAMS,
    };
    (new != old).then_some(new)
}

#[inline(always)]
fn end<T: Tables>(fate: Fate, tables: &mut T) -> Verdict {
    tables.count(fate);
    match fate {
        Fate::PassedOtherEthertype
        | Fate::PassedMalformed
        | Fate::PassedOtherProtocol
        | Fate::PassedFragment
        | Fate::PassedNoService
        | Fate::PassedArp => Verdict::Pass,
        Fate::AnsweredArp => Verdict::Transmit,
        Fate::DroppedNoRealServer | Fate::DroppedNeighbourUnknown => Verdict::Drop,
    }
}
