//! What the compiler has made of the program.

use lvs_userspace::dataplane::bpf::OBJECT;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};

/// The compiler makes calls of what is copied, cleared or compared by more than a few bytes at a time. Here
/// those are loops over bytes: one for a key of 20 bytes takes as long as a look-up in a hash map.
#[test]
fn nothing_is_copied_or_compared_byte_by_byte() {
    const LOOPS: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];
    let file = object::File::parse(OBJECT).expect("the program's object");
    let mut calls = 0;
    for section in file.sections() {
        for (at, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
            let symbol = file.symbol_by_index(symbol).expect("a symbol");
            let name = symbol.name().expect("a name");
            assert!(!LOOPS.contains(&name), "{:?}+{at:#x} calls {name}", section.name());
            calls += usize::from(name.starts_with("lvs_"));
        }
    }
    assert!(calls > 20, "calls are found by their names: {calls}");
}
