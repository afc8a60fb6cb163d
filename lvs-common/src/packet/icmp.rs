//! ICMP (RFC 792) and ICMPv6 (RFC 4443) as far as a director needs them: errors about the packets of
//! real servers, and echo.
//!
//! ```text
//!  0       1       2       3
//! | type  | code  | checksum      |
//! | of the type's own             |     echo: identifier, number
//! | the packet that it is about   |     errors
//! ```

use super::{Control, ErrorAbout, IpHeader, ipv4, ipv6, ndp, quoted_flow};
use crate::{checksum, fate::Fate, frame::Frame};

/// The protocol number of ICMP.
pub(crate) const V4: u8 = 1;
/// The protocol number of ICMPv6.
pub(crate) const V6: u8 = 58;

/// Length of the header in bytes.
const HEADER: usize = 8;

/// An echo request, for `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<A> {
    /// Who asks.
    pub sender: A,
    /// Who is asked.
    pub target: A,
    /// Where the IP header starts.
    ip: usize,
    /// Where the ICMP header starts.
    icmp: usize,
}

/// Reads an ICMP header.
#[inline(always)]
pub(crate) fn parse_v4<F: Frame + ?Sized>(
    frame: &F,
    ip_offset: usize,
    ip: &IpHeader<[u8; 4]>,
) -> Result<Control<[u8; 4]>, Fate> {
    let [kind] = frame.read(ip.payload).ok_or(Fate::PassedMalformed)?;
    match kind {
        // Unreachable (and with it: fragmentation needed), time exceeded, parameter problem.
        3 | 11 | 12 => {
            let quoted = ipv4::parse_quoted(frame, ip.payload + HEADER)?;
            let flow = quoted_flow(frame, &quoted)?;
            Ok(Control::Error(ErrorAbout { flow, bytes: ip.bytes }))
        }
        8 => Ok(Control::Echo(Echo {
            sender: ip.source(frame)?,
            target: ip.destination(frame)?,
            ip: ip_offset,
            icmp: ip.payload,
        })),
        _ => Err(Fate::PassedIcmp),
    }
}

/// Reads an ICMPv6 header.
#[inline(always)]
pub(crate) fn parse_v6<F: Frame + ?Sized>(
    frame: &F,
    ip_offset: usize,
    ip: &IpHeader<[u8; 16]>,
) -> Result<Control<[u8; 16]>, Fate> {
    let [kind] = frame.read(ip.payload).ok_or(Fate::PassedMalformed)?;
    match kind {
        // Unreachable, packet too big, time exceeded, parameter problem.
        1..=4 => {
            let quoted = ipv6::parse_quoted(frame, ip.payload + HEADER)?;
            let flow = quoted_flow(frame, &quoted)?;
            Ok(Control::Error(ErrorAbout { flow, bytes: ip.bytes }))
        }
        128 => Ok(Control::Echo(Echo {
            sender: ip.source(frame)?,
            target: ip.destination(frame)?,
            ip: ip_offset,
            icmp: ip.payload,
        })),
        ndp::SOLICITATION => ndp::parse(frame, ip_offset, ip).map(Control::Solicitation),
        _ => Err(Fate::PassedIcmp),
    }
}

/// Time to live of what the director answers itself.
const TTL: u8 = 64;

/// Turns the request into the reply.
#[inline(always)]
pub(crate) fn answer_echo_v4<F: Frame + ?Sized>(frame: &mut F, echo: &Echo<[u8; 4]>) -> Option<()> {
    let (ip, icmp) = (frame.small(echo.ip)?, frame.small(echo.icmp)?);
    let [ttl, protocol] = frame.read(ip + 8)?;
    let old = u16::from_be_bytes([ttl, protocol]);
    let new = u16::from_be_bytes([TTL, protocol]);
    patch(frame, ip + 10, old, new)?;
    frame.write(ip + 8, [TTL])?;
    frame.write(ip + 12, echo.target)?;
    frame.write(ip + 16, echo.sender)?;
    patch(frame, icmp + 2, 8 << 8, 0)?;
    frame.write(icmp, [0])
}

/// Turns the request into the reply.
#[inline(always)]
pub(crate) fn answer_echo_v6<F: Frame + ?Sized>(
    frame: &mut F,
    echo: &Echo<[u8; 16]>,
) -> Option<()> {
    let (ip, icmp) = (frame.small(echo.ip)?, frame.small(echo.icmp)?);
    frame.write(ip + 7, [TTL])?;
    // The checksum covers both addresses, in whichever order.
    frame.write(ip + 8, echo.target)?;
    frame.write(ip + 24, echo.sender)?;
    patch(frame, icmp + 2, 128 << 8, 129 << 8)?;
    frame.write(icmp, [129])
}

/// Corrects the checksum at `offset` for a word of its packet that changes.
#[inline(always)]
fn patch<F: Frame + ?Sized>(frame: &mut F, offset: usize, old: u16, new: u16) -> Option<()> {
    let sum = u16::from_be_bytes(frame.read(offset)?);
    frame.write(offset, checksum::update(sum, old, new).to_be_bytes())
}
