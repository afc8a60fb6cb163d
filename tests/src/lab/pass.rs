//! The smallest XDP program there is, as an object file for bpftool: it passes every frame to
//! the kernel.
//!
//! A veth wakes its peer for frames of XDP_TX only when the peer has a program too, whatever that
//! does (`veth_xdp_flush` in drivers/net/veth.c); else they lie there until something else comes.

use anyhow::Result;
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

/// `r0 = XDP_PASS; exit`
const CODE: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// The object file; the program is in section `xdp`.
pub(super) fn object() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = object.add_section(Vec::new(), b"xdp".to_vec(), SectionKind::Text);
    let symbol = object.add_symbol(Symbol {
        name: b"pass".to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    });
    object.add_symbol_data(symbol, section, CODE.as_flattened(), 8);
    Ok(object.write()?)
}
