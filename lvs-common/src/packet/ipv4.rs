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

use crate::{fate::Fate, frame::Frame};

/// Length of a header without options, in bytes.
pub const HEADER: usize = 20;

const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

/// What the header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) protocol: u8,
    /// Length of header and payload in bytes.
    pub(crate) total_length: u16,
    /// Where the payload starts in the frame.
    pub(crate) payload: usize,
}

/// Reads the header at `offset`.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Header, Fate> {
    let [first, _, l0, l1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        frame.read::<HEADER>(offset).ok_or(Fate::PassedMalformed)?;

    let header_length = usize::from(first & 0xf) * 4;
    let total_length = u16::from_be_bytes([l0, l1]);
    if first >> 4 != 4
        || header_length < HEADER
        || usize::from(total_length) < header_length
        || frame.length() < offset + usize::from(total_length)
    {
        return Err(Fate::PassedMalformed);
    }
    if u16::from_be_bytes([f0, f1]) & MORE_FRAGMENTS_AND_OFFSET != 0 {
        return Err(Fate::PassedFragment);
    }
    Ok(Header {
        source: [s0, s1, s2, s3],
        destination: [d0, d1, d2, d3],
        protocol,
        total_length,
        payload: offset + header_length,
    })
}
