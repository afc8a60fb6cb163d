//! From the bytes of a frame to what the forwarding decision needs.

pub mod arp;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod plain;
pub mod transport;

use core::marker::PhantomData;

use crate::{
    abi,
    fate::Fate,
    flow::{Address, Flow},
    frame::Frame,
};
use transport::Segment;

/// An address family: how its packets are read, and pings answered.
pub trait Family: Address {
    /// The protocol number of its ICMP.
    const ICMP: u8;
    /// Where the receiver's address is in its IP header.
    const RECEIVER: usize;

    /// Reads the IP header at `offset`.
    ///
    /// # Errors
    /// The [`Fate`] of a packet that can't be for a virtual service.
    fn header<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<IpHeader<Self>, Fate>;

    /// Reads the ICMP behind the IP header at `offset`.
    ///
    /// # Errors
    /// The [`Fate`] of a packet that is of no interest.
    fn icmp<F: Frame + ?Sized>(
        frame: &F,
        offset: usize,
        ip: &IpHeader<Self>,
    ) -> Result<Control<Self>, Fate>;

    /// Reads the address at `offset`.
    fn read<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<Self>;

    /// Reads a connection's key: both addresses at one offset, and both ports at another.
    fn read_key<F: Frame + ?Sized>(frame: &F, addresses: usize, ports: usize) -> Option<Self::Key>;

    /// Turns an echo request into the reply, but for the Ethernet header.
    fn answer_echo<F: Frame + ?Sized>(frame: &mut F, echo: &icmp::Echo<Self>) -> Option<()>;
}

/// What an IP packet is to the director, if it is neither TCP nor UDP that names its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<A: Address> {
    /// A fragment without the header that names its flow.
    LaterFragment(LaterFragment<A>),
    /// An ICMP error about a packet that a real server sent to a client.
    Error(ErrorAbout<A>),
    /// An echo request.
    Echo(icmp::Echo<A>),
    /// A neighbour solicitation (of IPv6).
    Solicitation(ndp::Solicitation),
}

/// A packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPacket<A: Address> {
    /// Names the flow.
    pub flow: Flow<A>,
    /// What the transport header says.
    pub segment: Segment,
    /// Length of the IP packet in bytes, as its header says.
    pub bytes: u32,
    /// Whether it is the first fragment of a datagram.
    pub is_fragment: bool,
    /// Identification of the datagram, if it is.
    pub id: u32,
}

/// A fragment that is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaterFragment<A> {
    /// Sender.
    pub source: A,
    /// Receiver.
    pub destination: A,
    /// IP protocol number.
    pub protocol: u8,
    /// Identification of the datagram.
    pub id: u32,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
}

/// An ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorAbout<A: Address> {
    /// The flow that it is about, as its client's packets name it.
    pub flow: Flow<A>,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
}

/// What an IP header says, of either version.
#[derive(Clone, Copy, Debug)]
pub struct IpHeader<A> {
    /// Where the addresses are in the frame: the sender's, and right behind it the receiver's.
    pub addresses: usize,
    family: PhantomData<A>,
    /// IP protocol number of the payload.
    pub protocol: u8,
    /// Length of the whole packet in bytes.
    pub bytes: u32,
    /// Where the payload starts in the frame.
    pub payload: usize,
    /// Which part of a datagram it is.
    pub fragment: Fragment,
}

/// Which part of a datagram a packet is; fragments with its identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// Its beginning.
    First(u32),
    /// Another part.
    Later(u32),
}

impl<A: Family> IpHeader<A> {
    #[inline(always)]
    fn source<F: Frame + ?Sized>(&self, frame: &F) -> Result<A, Fate> {
        A::read(frame, self.addresses).ok_or(Fate::PassedMalformed)
    }

    #[inline(always)]
    fn destination<F: Frame + ?Sized>(&self, frame: &F) -> Result<A, Fate> {
        A::read(frame, self.addresses + size_of::<A>()).ok_or(Fate::PassedMalformed)
    }

    /// Whether [`parse_control`] knows more of it, and not [`parse_flow`].
    #[inline(always)]
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.protocol == A::ICMP || matches!(self.fragment, Fragment::Later(_))
    }
}

/// Reads what is behind the IP header of TCP or UDP.
///
/// # Errors
/// The [`Fate`] of a packet that can't be for a virtual service.
#[inline(always)]
pub fn parse_flow<F: Frame + ?Sized, A: Family>(
    frame: &F,
    ip: &IpHeader<A>,
) -> Result<FlowPacket<A>, Fate> {
    let segment = transport::parse(frame, ip.payload, ip.protocol)?;
    let key = A::read_key(frame, ip.addresses, ip.payload).ok_or(Fate::PassedMalformed)?;
    let (is_fragment, id) = match ip.fragment {
        Fragment::First(id) => (true, id),
        Fragment::Whole | Fragment::Later(_) => (false, 0),
    };
    let flow = Flow { key, protocol: u32::from(ip.protocol) };
    Ok(FlowPacket { flow, segment, bytes: ip.bytes, is_fragment, id })
}

/// Reads a packet that is not of a flow by itself; its IP header is at `offset`.
///
/// # Errors
/// The [`Fate`] of a packet that is of no interest.
#[inline(always)]
pub fn parse_control<F: Frame + ?Sized, A: Family>(
    frame: &F,
    offset: usize,
    ip: &IpHeader<A>,
) -> Result<Control<A>, Fate> {
    match ip.fragment {
        // Of a ping in fragments only the first could be answered, which helps nobody.
        Fragment::First(_) | Fragment::Later(_) if ip.protocol == A::ICMP => {
            Err(Fate::PassedFragment)
        }
        Fragment::Later(id) => Ok(Control::LaterFragment(LaterFragment {
            source: ip.source(frame)?,
            destination: ip.destination(frame)?,
            protocol: ip.protocol,
            id,
            bytes: ip.bytes,
        })),
        Fragment::Whole | Fragment::First(_) => A::icmp(frame, offset, ip),
    }
}

macro_rules! family {
    ($bytes:literal, [$($word:ident),+], $receiver:literal, $icmp:expr, $header:path, $parse_icmp:path, $answer_echo:path) => {
        impl Family for [u8; $bytes] {
            const ICMP: u8 = $icmp;
            const RECEIVER: usize = $receiver;

            #[inline(always)]
            fn header<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<IpHeader<Self>, Fate> {
                $header(frame, offset)
            }

            #[inline(always)]
            fn icmp<F: Frame + ?Sized>(
                frame: &F,
                offset: usize,
                ip: &IpHeader<Self>,
            ) -> Result<Control<Self>, Fate> {
                $parse_icmp(frame, offset, ip)
            }

            #[inline(always)]
            fn read<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<Self> {
                frame.read(offset)
            }

            #[inline(always)]
            fn read_key<F: Frame + ?Sized>(
                frame: &F,
                addresses: usize,
                ports: usize,
            ) -> Option<Self::Key> {
                // In words, as they will be looked at.
                let [$($word),+] = frame.read_words(addresses)?;
                let [ports] = frame.read_words(ports)?;
                Some(bytemuck::must_cast([$($word,)+ ports]))
            }

            #[inline(always)]
            fn answer_echo<F: Frame + ?Sized>(
                frame: &mut F,
                echo: &icmp::Echo<Self>,
            ) -> Option<()> {
                $answer_echo(frame, echo)
            }
        }
    };
}

family!(4, [a, b], 16, icmp::V4, ipv4::parse, icmp::parse_v4, icmp::answer_echo_v4);
family!(
    16,
    [a, b, c, d, e, f, g, h],
    24,
    icmp::V6,
    ipv6::parse,
    icmp::parse_v6,
    icmp::answer_echo_v6
);

/// The flow that an ICMP error is about: the quoted packet went the other way, from the VIP.
#[inline(always)]
fn quoted_flow<F: Frame + ?Sized, A: Family>(
    frame: &F,
    quoted: &IpHeader<A>,
) -> Result<Flow<A>, Fate> {
    if quoted.protocol != abi::TCP && quoted.protocol != abi::UDP {
        return Err(Fate::PassedIcmp);
    }
    let (source, destination) = (quoted.source(frame)?, quoted.destination(frame)?);
    let [s0, s1, d0, d1] = frame.read(quoted.payload).ok_or(Fate::PassedIcmp)?;
    Ok(Flow {
        key: A::key(destination, source, [d0, d1], [s0, s1]),
        protocol: u32::from(quoted.protocol),
    })
}
