//! A program that tells lvsd what the other one would do with a frame.
//!
//! It is never attached. lvsd runs it on a frame, which comes back with an
//! [`Explanation`](forward::Explanation) in its first bytes. It goes by the same maps and the same
//! policy, and writes to no map.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{xdp_action, xdp_md},
    macros::xdp,
    programs::XdpContext,
};
use lvs_common::{forward, frame::Frame as _, packet::ethernet};

use crate::{
    frame::{Length, XdpFrame},
    header,
    maps::BpfMaps,
};

/// [`forward::explain`], with a function for each case. It writes the explanation at the start of the
/// frame; `XDP_ABORTED` for one of which there is none.
#[xdp]
pub(crate) fn lvs_explain(context: XdpContext) -> u32 {
    let frame = XdpFrame::new(&context, Length::Linear);
    let context = context.as_ptr().cast();
    match ethernet::parse(&frame) {
        Ok(header) if header.ethertype == ethernet::IPV4 => {
            lvs_explain_v4(context, header.payload as u32)
        }
        Ok(header) if header.ethertype == ethernet::IPV6 => {
            lvs_explain_v6(context, header.payload as u32)
        }
        Ok(_) | Err(_) => xdp_action::XDP_ABORTED,
    }
}

macro_rules! family {
    ($address:ty, $explain:ident) => {
        /// [`forward::explain_flow`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $explain(context: *mut xdp_md, payload: u32) -> u32 {
            let context = XdpContext::new(context);
            let mut frame = XdpFrame::new(&context, Length::Linear);
            let maps = BpfMaps::new(&context);
            forward::explain_flow::<_, _, $address>(&frame, header(payload), &maps)
                .and_then(|explanation| frame.write(0, explanation.to_bytes()))
                .map_or(xdp_action::XDP_ABORTED, |()| xdp_action::XDP_PASS)
        }
    };
}

family!([u8; 4], lvs_explain_v4);
family!([u8; 16], lvs_explain_v6);
