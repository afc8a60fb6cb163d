//! The IPv6 header and its extension headers (RFC 8200, sections 3 and 4).
//!
//! ```text
//!  0       1       2       3
//! |ver| class | flow label        |
//! | payload length| next  | hops  |
//! | source address (16 bytes)     |
//! | destination address (16)      |
//! | extension headers, each naming the next |
//! ```

use core::marker::PhantomData;

use super::{Fragment, IpHeader};
use crate::{fate::Fate, frame::Frame};

/// Length of the header without extensions, in bytes.
pub(crate) const HEADER: usize = 40;

/// So many extension headers are walked.
const MOST_EXTENSIONS: usize = 6;
/// So long may they be together, in bytes: the verifier wants a bound, and nobody sends more.
const LONGEST_EXTENSIONS: usize = 512;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Reads the header at `offset`, and walks the extension headers.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
) -> Result<IpHeader<[u8; 16]>, Fate> {
    let [first, _, _, _, l0, l1, next, _] = frame.read(offset).ok_or(Fate::PassedMalformed)?;
    let bytes = HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    if first >> 4 != 6 || !frame.holds(offset + bytes) {
        return Err(Fate::PassedMalformed);
    }
    let extensions = walk(frame, offset + HEADER, next)?;
    Ok(IpHeader {
        addresses: offset + 8,
        family: PhantomData,
        protocol: extensions.next,
        bytes: bytes as u32,
        payload: offset + HEADER + extensions.length,
        fragment: extensions.fragment,
    })
}

/// What an ICMPv6 error quotes of the packet that it is about: the header, however much of the
/// packet follows. Real servers send none with extensions but fragments, whose later ones name no
/// flow.
#[inline(always)]
pub(crate) fn parse_quoted<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
) -> Result<IpHeader<[u8; 16]>, Fate> {
    let [first, _, _, _, _, _, next, _] = frame.read(offset).ok_or(Fate::PassedMalformed)?;
    if first >> 4 != 6 {
        return Err(Fate::PassedIcmp);
    }
    let (protocol, extensions) = if next == FRAGMENT {
        let [after, _, o0, o1] = frame.read(offset + HEADER).ok_or(Fate::PassedMalformed)?;
        if u16::from_be_bytes([o0, o1]) & FRAGMENT_OFFSET != 0 {
            return Err(Fate::PassedIcmp);
        }
        (after, 8)
    } else {
        (next, 0)
    };
    Ok(IpHeader {
        addresses: offset + 8,
        family: PhantomData,
        protocol,
        bytes: 0,
        payload: frame.opaque(offset + HEADER + extensions),
        fragment: Fragment::Whole,
    })
}

/// What stands between the header and the transport.
#[derive(Clone, Copy)]
struct Extensions {
    /// Length of all of them.
    length: usize,
    /// What follows.
    next: u8,
    fragment: Fragment,
}

const FRAGMENT_OFFSET: u16 = 0xfff8;
const MORE_FRAGMENTS: u16 = 1;

#[inline(always)]
fn walk<F: Frame + ?Sized>(frame: &F, start: usize, next: u8) -> Result<Extensions, Fate> {
    let mut walked = Extensions { length: 0, next, fragment: Fragment::Whole };
    for _ in 0..MOST_EXTENSIONS {
        let at = start + walked.length;
        let length = match walked.next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION => {
                let [next, units] = frame.read(at).ok_or(Fate::PassedMalformed)?;
                let authentication = walked.next == AUTHENTICATION;
                walked.next = next;
                // RFC 8200, section 4.3, in units of eight bytes; RFC 4302, section 2.2, of four.
                let units = usize::from(units);
                if authentication { (units + 2) * 4 } else { (units + 1) * 8 }
            }
            FRAGMENT => {
                let [next, _, o0, o1, id @ ..] =
                    frame.read::<8>(at).ok_or(Fate::PassedMalformed)?;
                walked.next = next;
                walked.fragment = fragment(u16::from_be_bytes([o0, o1]), u32::from_be_bytes(id));
                8
            }
            _ => break,
        };
        walked.length = frame.opaque(walked.length + length);
        if walked.length > LONGEST_EXTENSIONS {
            return Err(Fate::PassedMalformed);
        }
        if let Fragment::Later(_) = walked.fragment {
            break;
        }
    }
    Ok(walked)
}

#[inline(always)]
fn fragment(offset_and_flags: u16, id: u32) -> Fragment {
    match (offset_and_flags & FRAGMENT_OFFSET, offset_and_flags & MORE_FRAGMENTS) {
        // With neither it is an atomic fragment, which is a whole packet (RFC 6946).
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First(id),
        _ => Fragment::Later(id),
    }
}
