//! The IPv4 header (RFC 791, section 3.1).
//!
//! ```text
//!  0       1       2       3
//! |ver|ihl| tos   | total length  |
//! | identification|flg| fragment  |
//! | ttl   | proto | checksum      |
//! | source address                |
//! | destination address           |
//! | options (ihl - 5 words)       |
//! ```

use core::marker::PhantomData;

use super::{Fragment, IpHeader};
use crate::{fate::Fate, frame::Frame};

/// Length of a header without options, in bytes.
pub(crate) const HEADER: usize = 20;

const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Reads the header at `offset`.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
) -> Result<IpHeader<[u8; 4]>, Fate> {
    let [first, _, l0, l1, i0, i1, f0, f1] = frame.read(offset).ok_or(Fate::PassedMalformed)?;
    let header_length = usize::from(first & 0xf) * 4;
    let total_length = u16::from_be_bytes([l0, l1]);
    if first >> 4 != 4
        || header_length < HEADER
        || usize::from(total_length) < header_length
        || !frame.holds(offset + usize::from(total_length))
    {
        return Err(Fate::PassedMalformed);
    }
    let flags = u16::from_be_bytes([f0, f1]);
    let id = u32::from(u16::from_be_bytes([i0, i1]));
    Ok(IpHeader {
        addresses: offset + 12,
        family: PhantomData,
        protocol: protocol(frame, offset)?,
        bytes: u32::from(total_length),
        payload: offset + header_length,
        fragment: match (flags & FRAGMENT_OFFSET, flags & MORE_FRAGMENTS) {
            (0, 0) => Fragment::Whole,
            (0, _) => Fragment::First(id),
            _ => Fragment::Later(id),
        },
    })
}

/// What an ICMP error quotes of the packet that it is about: the header, however much of the
/// packet follows.
#[inline(always)]
pub(crate) fn parse_quoted<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
) -> Result<IpHeader<[u8; 4]>, Fate> {
    let [first, _, _, _, _, _, f0, f1] = frame.read(offset).ok_or(Fate::PassedMalformed)?;
    let later = u16::from_be_bytes([f0, f1]) & FRAGMENT_OFFSET != 0;
    if first >> 4 != 4 || first & 0xf < 5 || later {
        return Err(Fate::PassedIcmp);
    }
    Ok(IpHeader {
        addresses: offset + 12,
        family: PhantomData,
        protocol: protocol(frame, offset)?,
        bytes: 0,
        payload: offset + usize::from(first & 0xf) * 4,
        fragment: Fragment::Whole,
    })
}

#[inline(always)]
fn protocol<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<u8, Fate> {
    let [protocol] = frame.read(offset + 9).ok_or(Fate::PassedMalformed)?;
    Ok(protocol)
}
