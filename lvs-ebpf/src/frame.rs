//! The bytes of the packet: the only place that touches them.

use core::arch::asm;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use lvs_common::frame::{Frame, Head};

/// Where all of a frame is.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Length {
    /// All of it is between `data` and `data_end`.
    Linear,
    /// More of it may be in other buffers; the kernel knows.
    Fragments,
}

impl Length {
    #[inline(always)]
    pub(crate) fn from_number(number: u32) -> Self {
        if number == 0 { Self::Linear } else { Self::Fragments }
    }
}

/// The memory between `data` and `data_end`.
pub(crate) struct XdpFrame<'a> {
    context: &'a XdpContext,
    length: Length,
    data: usize,
    data_end: usize,
}

impl<'a> XdpFrame<'a> {
    #[inline(always)]
    pub(crate) fn new(context: &'a XdpContext, length: Length) -> Self {
        Self { context, length, data: context.data(), data_end: context.data_end() }
    }

    /// The address of so many bytes at `offset`, if they are inside the frame.
    #[inline(always)]
    fn at(&self, offset: usize, bytes: usize) -> Option<*mut u8> {
        // What was checked is what is used: left to itself, the compiler leaves out a check that
        // follows from another, and the verifier can't follow.
        let start = opaque(self.data + offset);
        (start + bytes <= self.data_end).then_some(start as *mut u8)
    }

    #[inline(always)]
    fn move_head(&mut self, delta: i32) -> Option<()> {
        // SAFETY: the context is the one that the program was called with.
        let failed = unsafe { bpf_xdp_adjust_head(self.context.as_ptr().cast(), delta) };
        self.data = self.context.data();
        self.data_end = self.context.data_end();
        (failed == 0).then_some(())
    }
}

/// The same value, of which the compiler knows nothing.
#[inline(always)]
pub(crate) fn opaque(mut value: usize) -> usize {
    // SAFETY: it does nothing. (No instruction at all would leave its line two entries in the line
    // information, which the kernel refuses.)
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}

/// Goes through `N` words; `$at` is where each begins: a constant, which can be a part of its instruction. (An address
/// that is computed for each takes a packet 25 instructions more.)
macro_rules! each_word {
    ($n:expr, $at:ident, $word:expr) => {
        each_word!(@ $n, $at, $word, 0, 1, 2, 3, 4, 5, 6, 7)
    };
    (@ $n:expr, $at:ident, $word:expr, $($number:literal),+) => {{
        $(if $number < $n {
            const $at: usize = 4 * $number;
            $word;
        })+
    }};
}

/// So many words each_word! goes through at most.
const WORDS: usize = 8;

/// Goes through `N` bytes in words as long as may be, alike.
macro_rules! in_words {
    ($n:ident, $at:ident, $four:expr, $two:expr, $one:expr) => {
        each_word!($n / 4, $at, $four);
        if $n % 4 >= 2 {
            in_words!(@at $n / 4 * 4, $at, $two, 0, 4, 8, 12, 16, 20);
        }
        if $n % 2 == 1 {
            in_words!(@at $n - 1, $at, $one, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22);
        }
    };
    (@at $place:expr, $at:ident, $word:expr, $($offset:literal),+) => {
        $(if $place == $offset {
            const $at: usize = $offset;
            $word;
        })+
    };
}

impl Frame for XdpFrame<'_> {
    // Words are read and written as such. Byte by byte, as the compiler does where it knows of no
    // alignment, a packet costs twice as much.

    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        const { assert!(N < 24, "longer than in_words! goes") };
        let from = self.at(offset, N)?;
        let mut bytes = [0; N];
        let to = bytes.as_mut_ptr();
        // SAFETY: `at` has found `N` bytes at `from`, and there are as many at `to`.
        unsafe {
            in_words!(
                N,
                AT,
                to.add(AT).cast::<[u8; 4]>().write(load_u32::<AT>(from).to_ne_bytes()),
                to.add(AT).cast::<[u8; 2]>().write(load_u16::<AT>(from).to_ne_bytes()),
                to.add(AT).write(from.add(AT).read())
            );
        }
        Some(bytes)
    }

    #[inline(always)]
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let from = self.at(offset, 4 * N)?;
        // SAFETY: `at` has found as many bytes at `from`.
        Some(unsafe { load_words(from) })
    }

    #[inline(always)]
    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        const { assert!(N < 24, "longer than in_words! goes") };
        let to = self.at(offset, N)?;
        let from = bytes.as_ptr();
        // SAFETY: as in `read`; the frame is ours alone until the program returns.
        unsafe {
            in_words!(
                N,
                AT,
                store_u32::<AT>(to, u32::from_ne_bytes(from.add(AT).cast::<[u8; 4]>().read())),
                store_u16::<AT>(to, u16::from_ne_bytes(from.add(AT).cast::<[u8; 2]>().read())),
                to.add(AT).write(from.add(AT).read())
            );
        }
        Some(())
    }

    #[inline(always)]
    fn head<const N: usize>(&mut self) -> Option<impl Head> {
        let start = self.at(0, N)?;
        Some(XdpHead::<N> { frame: self, start })
    }

    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        bytes <= self.data_end - self.data
            || match self.length {
                Length::Linear => false,
                // SAFETY: the context is the one that the program was called with.
                Length::Fragments => unsafe {
                    bytes <= bpf_xdp_get_buff_len(self.context.as_ptr().cast()) as usize
                },
            }
    }

    #[inline(always)]
    fn opaque(&self, offset: usize) -> usize {
        opaque(offset)
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<()> {
        self.move_head(-(bytes as i32))
    }

    #[inline(always)]
    fn shrink(&mut self, bytes: usize) -> Option<()> {
        self.move_head(bytes as i32)
    }
}

/// So many bytes that a frame begins with, as `at` has found.
struct XdpHead<'a, const N: usize> {
    frame: &'a XdpFrame<'a>,
    start: *mut u8,
}

impl<const N: usize> Head for XdpHead<'_, N> {
    #[inline(always)]
    fn word<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= N) };
        // SAFETY: among the bytes that there are.
        unsafe { load_u32::<AT>(self.start) }
    }

    #[inline(always)]
    fn set_word<const AT: usize>(&mut self, word: u32) {
        const { assert!(AT + 4 <= N) };
        // SAFETY: alike; the frame is ours alone until the program returns.
        unsafe { store_u32::<AT>(self.start, word) };
    }

    #[inline(always)]
    fn frame_holds(&self, bytes: usize) -> bool {
        self.frame.holds(bytes)
    }
}

// The kernel lets a program load and store words of a packet at any address, on machines that can
// (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS). Rust has no name for that, so the instructions are
// written out.

/// # Safety
/// There are so many words of the packet at `from`.
#[inline(always)]
unsafe fn load_words<const N: usize>(from: *const u8) -> [u32; N] {
    const { assert!(N <= WORDS, "longer than each_word! goes") };
    let mut words = [0; N];
    // SAFETY: as the caller says.
    unsafe { each_word!(N, AT, words[AT / 4] = load_u32::<AT>(from)) };
    words
}

/// # Safety
/// There are four bytes of the packet at `from + AT`.
#[inline(always)]
unsafe fn load_u32<const AT: usize>(from: *const u8) -> u32 {
    let word: u64;
    // SAFETY: as the caller says.
    unsafe {
        asm!(
            "{} = *(u32 *)({} + {})",
            out(reg) word, in(reg) from, const AT, options(pure, readonly, nostack)
        );
    }
    word as u32
}

/// # Safety
/// There are two bytes of the packet at `from + AT`.
#[inline(always)]
unsafe fn load_u16<const AT: usize>(from: *const u8) -> u16 {
    let word: u64;
    // SAFETY: as the caller says.
    unsafe {
        asm!(
            "{} = *(u16 *)({} + {})",
            out(reg) word, in(reg) from, const AT, options(pure, readonly, nostack)
        );
    }
    word as u16
}

/// # Safety
/// There are four bytes of the packet at `to + AT`.
#[inline(always)]
unsafe fn store_u32<const AT: usize>(to: *mut u8, word: u32) {
    // SAFETY: as the caller says.
    unsafe {
        asm!(
            "*(u32 *)({} + {}) = {}",
            in(reg) to, const AT, in(reg) u64::from(word), options(nostack)
        );
    }
}

/// # Safety
/// There are two bytes of the packet at `to + AT`.
#[inline(always)]
unsafe fn store_u16<const AT: usize>(to: *mut u8, word: u16) {
    // SAFETY: as the caller says.
    unsafe {
        asm!(
            "*(u16 *)({} + {}) = {}",
            in(reg) to, const AT, in(reg) u64::from(word), options(nostack)
        );
    }
}
