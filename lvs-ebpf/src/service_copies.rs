//! The copies of virtual services, which are found without a call.

use core::ptr;

use aya_ebpf::{bindings::BPF_F_MMAPABLE, btf_maps::Array, macros::btf_map};
use lvs_common::{
    abi::{Service, ServiceCopy, ServiceKey, service_place},
    limits, service_copy,
};

#[btf_map]
static SERVICE_COPIES: Array<ServiceCopy, { limits::SERVICE_COPIES }, { BPF_F_MMAPABLE as usize }> =
    Array::new();

/// What the copies say of a service.
pub(crate) enum Found {
    /// Here it is.
    Is(&'static Service),
    /// There is no such service.
    IsNone,
    /// It is to be looked for in `SERVICES`.
    Unknown,
}

/// Looks at the one place where it could be.
#[inline(always)]
pub(crate) fn find(key: &ServiceKey) -> Found {
    let Some(copy) = SERVICE_COPIES.get_ptr(service_copy::place(key)) else {
        return Found::Unknown;
    };
    // SAFETY: a word of a value of the map. It is read before all else, and once, so that it is of one moment.
    let place = unsafe { ptr::read_volatile(&raw const (*copy).place) };
    // SAFETY: a field of the value, which begins at a multiple of four.
    let is_of = |key| unsafe { is_of((&raw const (*copy).key).cast(), key) };
    if place & service_place::IS_COPY != 0 && is_of(key) {
        // SAFETY: as above. But for `place`, lvsd changes nothing of a copy as long as it is one, nor while a
        // packet may still be looking at it.
        Found::Is(unsafe { &(*copy).service })
    } else if place & service_place::NO_OTHER != 0 {
        Found::IsNone
    } else {
        Found::Unknown
    }
}

/// Whether two names are the same; word by word, because the compiler makes a call of a longer comparison, and
/// that a loop over bytes (50 ns).
///
/// # Safety
/// At `words` are the five of a name, aligned.
#[inline(always)]
unsafe fn is_of(words: *const u32, other: &ServiceKey) -> bool {
    let [a, b, c, d, e] = other.words();
    // SAFETY: one of the five.
    let differs = |at: usize, word| word ^ unsafe { ptr::read_volatile(words.add(at)) };
    differs(0, a) | differs(1, b) | differs(2, c) | differs(3, d) | differs(4, e) == 0
}
