//! The XDP program: a thin shell around [`lvs_common`].
//!
//! What becomes of a packet is decided in `lvs_common::forward`; here are only the kernel's sides
//! of its seams: the frame ([`frame`]), the tables ([`maps`]) and the buckets of the connection
//! tables ([`buckets`]).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "atomic instructions of BPF are reached by intrinsics alone")]

mod buckets;
mod clock;
mod explain;
mod frame;
mod loads;
mod log;
mod long_way;
mod maps;
mod object;
mod service_copies;
mod vip_filter;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{xdp_action, xdp_md},
    macros::xdp,
    programs::XdpContext,
};
use lvs_common::{
    forward::{self, Verdict},
    packet::ethernet,
};

use crate::{
    frame::{Length, XdpFrame, opaque},
    maps::BpfMaps,
};

/// Entry point: every frame that an interface receives.
#[xdp]
pub(crate) fn lvs_xdp(context: XdpContext) -> u32 {
    run(&context, Length::Linear)
}

/// The same, for drivers that hand over a frame in several buffers; the headers are in the first.
#[xdp(frags)]
pub(crate) fn lvs_xdp_frags(context: XdpContext) -> u32 {
    run(&context, Length::Fragments)
}

/// [`forward::run`], with a function for each case.
#[inline(always)]
fn run(context: &XdpContext, length: Length) -> u32 {
    let untagged = ethernet::type_of_untagged(&XdpFrame::new(context, length));
    let context: *mut xdp_md = context.as_ptr().cast();
    let action = match untagged {
        Some(ethernet::IPV4) => lvs_shortcut(context, length as u32),
        Some(ethernet::IPV6) => lvs_shortcut_v6(context, length as u32),
        Some(ethernet::ARP) => lvs_not_ip(context),
        Some(_) | None => WHOLE_WAY,
    };
    if action == WHOLE_WAY { whole_way(context, length) } else { action }
}

/// [`forward::whole_way`], alike.
#[inline(always)]
fn whole_way(context: *mut xdp_md, length: Length) -> u32 {
    // What the verifier knew of the packet went with the call before; what the compiler knows has to go, too.
    let context = opaque(context as usize) as *mut xdp_md;
    let header = ethernet::parse(&XdpFrame::new(&XdpContext::new(context), length));
    let length = length as u32;
    match header {
        Ok(header) if header.ethertype == ethernet::IPV4 => {
            let payload = header.payload as u32;
            match lvs_flow(context, length, payload) {
                CONTROL => lvs_control(context, length, payload),
                action => action,
            }
        }
        Ok(header) if header.ethertype == ethernet::IPV6 => {
            let payload = header.payload as u32;
            match lvs_flow_v6(context, length, payload) {
                CONTROL => lvs_control_v6(context, length, payload),
                action => action,
            }
        }
        Ok(_) | Err(_) => lvs_not_ip(context),
    }
}

/// Says of a packet that it is a matter for [`forward::control`].
const CONTROL: u32 = u32::MAX;

/// Says of a packet that it must go the whole way.
const WHOLE_WAY: u32 = u32::MAX;

/// The cases of an address family. See [`long_way`] for why they are functions.
macro_rules! family {
    ($address:ty, $shortcut:ident, $flow:ident, $control:ident) => {
        /// [`forward::shortcut`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $shortcut(context: *mut xdp_md, length: u32) -> u32 {
            let context = XdpContext::new(context);
            let mut frame = XdpFrame::new(&context, Length::from_number(length));
            match forward::shortcut::<_, _, $address>(&mut frame, &BpfMaps::new(&context)) {
                Some(verdict) => action(verdict),
                None => WHOLE_WAY,
            }
        }

        /// [`forward::flow`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $flow(context: *mut xdp_md, length: u32, payload: u32) -> u32 {
            let context = XdpContext::new(context);
            let mut frame = XdpFrame::new(&context, Length::from_number(length));
            let header = header(payload);
            match forward::flow::<_, _, $address>(&mut frame, header, &BpfMaps::new(&context)) {
                Some(verdict) => action(verdict),
                None => CONTROL,
            }
        }

        /// [`forward::control`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $control(context: *mut xdp_md, length: u32, payload: u32) -> u32 {
            let context = XdpContext::new(context);
            let mut frame = XdpFrame::new(&context, Length::from_number(length));
            let (header, maps) = (header(payload), BpfMaps::new(&context));
            action(forward::control::<_, _, $address>(&mut frame, header, &maps))
        }
    };
}

family!([u8; 4], lvs_shortcut, lvs_flow, lvs_control);
family!([u8; 16], lvs_shortcut_v6, lvs_flow_v6, lvs_control_v6);

/// [`forward::not_ip`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvs_not_ip(context: *mut xdp_md) -> u32 {
    let context = XdpContext::new(context);
    // ARP is never so long that there is more of it elsewhere.
    let mut frame = XdpFrame::new(&context, Length::Linear);
    action(forward::not_ip(&mut frame, &BpfMaps::new(&context)))
}

/// The Ethernet header of a frame whose payload starts there, as the callers know.
#[inline(always)]
pub(crate) fn header(payload: u32) -> ethernet::Header {
    // The verifier does not know what they do; masked, it is a small offset in any case.
    ethernet::Header { ethertype: 0, payload: (payload & 31) as usize }
}

#[inline(always)]
fn action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
        Verdict::Redirect(interface) => maps::redirect(interface),
    }
}
