//! The smallest BPF programs there are, as object files.
//!
//! - **pass**, for XDP, passes every frame to the kernel. A veth wakes its peer for frames of XDP_TX
//!   only when the peer has a program too, whatever that does (`veth_xdp_flush` in
//!   drivers/net/veth.c); else they lie there until something else comes.
//! - **push** and **pop**, for tc, put a host's frames into a VLAN and take them out: what a VLAN
//!   interface does, for kernels that have none.
//! - **deaf**, for tc, lets no advertisement of VRRP through.

use anyhow::Result;
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

/// An instruction: code, registers, offset, immediate.
type Instruction = (u8, u8, i16, i32);

const EXIT: Instruction = (0x95, 0, 0, 0);

const fn set(register: u8, value: i32) -> Instruction {
    (0xb7, register, 0, value)
}

const fn call(helper: i32) -> Instruction {
    (0x85, 0, 0, helper)
}

/// Passes every frame; section `xdp`.
pub(super) fn pass() -> Result<Vec<u8>> {
    const XDP_PASS: i32 = 2;
    object("xdp", &[set(0, XDP_PASS), EXIT])
}

/// Gives every frame the tag of a VLAN; section `tc`.
pub(super) fn push(vlan: u16) -> Result<Vec<u8>> {
    // bpf_skb_vlan_push(skb, protocol, tag); the frame goes on however that ends.
    let protocol = i32::from(0x8100_u16.to_be());
    object("tc", &[set(2, protocol), set(3, vlan.into()), call(18), set(0, 0), EXIT])
}

/// Takes the tag off every frame that has one; section `tc`.
pub(super) fn pop() -> Result<Vec<u8>> {
    // bpf_skb_vlan_pop(skb)
    object("tc", &[call(19), set(0, 0), EXIT])
}

/// Lets everything through but VRRP; section `tc`.
pub(super) fn deaf() -> Result<Vec<u8>> {
    const VRRP: i32 = 112;
    const SHOT: i32 = 2;
    // Of a packet only these loads know where it is, in R6; what is too short is let through.
    let half = |at| (0x28, 0, 0, at);
    let byte = |at| (0x30, 0, 0, at);
    let skip = |count| (0x05, 0, count, 0);
    let skip_if = |value, count| (0x15, 0, count, value);
    let code = [
        (0xbf, 0x16, 0, 0), // 0: R6 = R1
        half(12),           // 1
        skip_if(0x0800, 2), // 2: to 5
        skip_if(0x86dd, 3), // 3: to 7
        skip(4),            // 4: to 9
        byte(14 + 9),       // 5: the protocol of IPv4
        skip(1),            // 6: to 8
        byte(14 + 6),       // 7: the next header of IPv6
        skip_if(VRRP, 2),   // 8: to 11
        set(0, 0),          // 9
        EXIT,               // 10
        set(0, SHOT),       // 11
        EXIT,               // 12
    ];
    object("tc", &code)
}

fn object(section: &str, code: &[Instruction]) -> Result<Vec<u8>> {
    let bytes: Vec<u8> = code
        .iter()
        .flat_map(|(code, registers, offset, immediate)| {
            let ([a, b], [c, d, e, f]) = (offset.to_ne_bytes(), immediate.to_ne_bytes());
            [*code, *registers, a, b, c, d, e, f]
        })
        .collect();
    let endianness = if cfg!(target_endian = "big") { Endianness::Big } else { Endianness::Little };
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, endianness);
    let id = object.add_section(Vec::new(), section.as_bytes().to_vec(), SectionKind::Text);
    let symbol = object.add_symbol(Symbol {
        name: b"program".to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    });
    object.add_symbol_data(symbol, id, &bytes, 8);
    Ok(object.write()?)
}
