//! Packets at the rate of the wire: one program that makes them, and one that counts them where they end.
//!
//! The kernel runs [`generate`] by `BPF_PROG_TEST_RUN` on frames that it then sends out
//! (`BPF_F_TEST_XDP_LIVE_FRAMES`), and takes the same memory for the next ones without setting it back.
//! So each frame is written anew, from its first byte to its last.

use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, DevMap, PerCpuArray},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use lvs_common::frame::Frame as _;

use crate::{
    frame::{Length, XdpFrame},
    prepare::bytes,
};

// Offsets in Ethernet, IPv4 without options, TCP.
const IP_CHECKSUM: usize = 14 + 10;
const SOURCE: usize = 14 + 12;
const SOURCE_PORT: usize = 14 + 20;
const TCP_CHECKSUM: usize = 14 + 20 + 16;

/// Clients are in 100.64.0.0/12, and then at ports from the first upwards.
const FIRST_CLIENT: u32 = 0x6440_0000;
const CLIENT_BITS: u32 = 20;
const FIRST_PORT: u32 = 1024;

/// A frame that is the same for all clients but for who they are. The benchmark has its like.
#[repr(C)]
pub(crate) struct Template {
    /// Its bytes, as they lie in memory.
    words: [[u32; 4]; 4],
    /// The sum of the IPv4 header's halves, in host order, without the checksum and the client.
    ip_sum: u32,
    /// The same of TCP with its pseudo header.
    tcp_sum: u32,
}

#[btf_map]
static LIVE_FRAME: Array<Template, 1> = Array::new();
/// How many clients there are: a power of two, less one.
#[btf_map]
static LIVE_MASK: Array<u32, 1> = Array::new();
/// The next client; one CPU alone generates.
#[btf_map]
static LIVE_NEXT: Array<u32, 1> = Array::new();
/// Where the frames go out.
#[btf_map]
static LIVE_PORT: DevMap<1> = DevMap::new();
/// Frames that have come to their end.
#[btf_map]
static LIVE_SUNK: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Writes the frame of the next client and sends it.
#[xdp]
pub(crate) fn generate(context: XdpContext) -> u32 {
    match write(&mut XdpFrame::new(&context, Length::Linear)) {
        Some(()) => LIVE_PORT.redirect(0, 0).unwrap_or(xdp_action::XDP_ABORTED),
        None => xdp_action::XDP_ABORTED,
    }
}

/// Counts the frame, and that is its end.
#[xdp]
pub(crate) fn sink(_context: XdpContext) -> u32 {
    if let Some(sunk) = LIVE_SUNK.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own, and XDP programs do not interrupt each other on one CPU.
        unsafe { *sunk = (*sunk).wrapping_add(1) };
    }
    xdp_action::XDP_DROP
}

#[inline(always)]
fn write(frame: &mut XdpFrame<'_>) -> Option<()> {
    let template = LIVE_FRAME.get(0)?;
    let mask = *LIVE_MASK.get(0)?;
    let next = LIVE_NEXT.get_ptr_mut(0)?;
    // SAFETY: an aligned word of the map, and nobody writes it while this runs.
    let client = unsafe {
        let number = *next;
        *next = number.wrapping_add(1);
        number & mask
    };
    let address = FIRST_CLIENT | (client & ((1 << CLIENT_BITS) - 1));
    let port = FIRST_PORT + (client >> CLIENT_BITS);
    let of_address = (address >> 16) + (address & 0xffff);

    for (at, words) in template.words.iter().enumerate() {
        frame.write::<16>(16 * at, bytes(*words))?;
    }
    frame.write(SOURCE, address.to_be_bytes())?;
    frame.write(SOURCE_PORT, (port as u16).to_be_bytes())?;
    frame.write(IP_CHECKSUM, checksum(template.ip_sum + of_address))?;
    frame.write(TCP_CHECKSUM, checksum(template.tcp_sum + of_address + port))
}

/// The checksum of what has this sum, as it lies in the frame (RFC 1071).
#[inline(always)]
fn checksum(sum: u32) -> [u8; 2] {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
}
