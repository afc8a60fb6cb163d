//! What the XDP program and userspace must agree on, and all pure packet logic.
//!
//! Everything here is `no_std`, does no I/O and has no `unsafe`: the XDP program (`lvs-ebpf`) is a
//! thin shell around it, and the same code runs on the host under ordinary tests.
//!
//! - **Byte order**: `[u8; N]` is network order, exactly as on the wire; integers are host order.
//! - **ABI**: a type that lives in a map is `repr(C)`, [`bytemuck::Pod`] (so it has no padding),
//!   and its size is asserted next to it.
#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
pub mod checksum;
pub mod connections;
pub mod fate;
pub mod flow;
pub mod forward;
pub mod frame;
pub mod limits;
pub mod names;
pub mod packet;
pub mod schedule;
pub mod service_copy;
pub mod vip_filter;
