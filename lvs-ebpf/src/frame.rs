//! The bytes of the packet: the only place that touches them.

use core::arch::asm;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use lvs_common::frame::Frame;

/// How long a frame is.
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

/// Goes through `N` bytes in words as long as may be, with constant offsets.
macro_rules! in_words {
    ($n:ident, $at:ident, $four:expr, $two:expr, $one:expr) => {
        in_words!(@fours $n, $at, $four, 0, 4, 8, 12, 16);
        if $n % 4 >= 2 {
            let $at = $n / 4 * 4;
            $two;
        }
        if $n % 2 == 1 {
            let $at = $n - 1;
            $one;
        }
    };
    (@fours $n:ident, $at:ident, $four:expr, $($offset:literal),+) => {
        $(if $n >= $offset + 4 {
            let $at = $offset;
            $four;
        })+
    };
}

impl Frame for XdpFrame<'_> {
    // Words are read and written as such. Byte by byte, as the compiler does where it knows of no
    // alignment, a packet costs twice as much.

    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        const { assert!(N <= 20, "longer than in_words! goes") };
        let from = self.at(offset, N)?;
        let mut bytes = [0; N];
        let to = bytes.as_mut_ptr();
        // SAFETY: `at` has found `N` bytes at `from`, and there are as many at `to`.
        unsafe {
            in_words!(
                N,
                at,
                to.add(at).cast::<[u8; 4]>().write(load_u32(from.add(at)).to_ne_bytes()),
                to.add(at).cast::<[u8; 2]>().write(load_u16(from.add(at)).to_ne_bytes()),
                to.add(at).write(from.add(at).read())
            );
        }
        Some(bytes)
    }

    #[inline(always)]
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let from = self.at(offset, 4 * N)?;
        // SAFETY: `at` has found as many bytes at `from`.
        Some(core::array::from_fn(|at| unsafe { load_u32(from.add(4 * at)) }))
    }

    #[inline(always)]
    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        const { assert!(N <= 20, "longer than in_words! goes") };
        let to = self.at(offset, N)?;
        let from = bytes.as_ptr();
        // SAFETY: as in `read`; the frame is ours alone until the program returns.
        unsafe {
            in_words!(
                N,
                at,
                store_u32(to.add(at), u32::from_ne_bytes(from.add(at).cast::<[u8; 4]>().read())),
                store_u16(to.add(at), u16::from_ne_bytes(from.add(at).cast::<[u8; 2]>().read())),
                to.add(at).write(from.add(at).read())
            );
        }
        Some(())
    }

    #[inline(always)]
    fn replace_words<const N: usize>(
        &mut self,
        offset: usize,
        with: impl FnOnce([u32; N]) -> Option<[u32; N]>,
    ) -> Option<bool> {
        let place = self.at(offset, 4 * N)?;
        // SAFETY: `at` has found as many bytes there.
        let old = core::array::from_fn(|at| unsafe { load_u32(place.add(4 * at)) });
        let Some(words) = with(old) else { return Some(false) };
        let mut at = 0;
        while at < N {
            // SAFETY: as above; the frame is ours alone.
            unsafe { store_u32(place.add(4 * at), words[at]) };
            at += 1;
        }
        Some(true)
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

// The kernel lets a program load and store words of a packet at any address, on machines that can
// (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS). Rust has no name for that, so the instructions are
// written out.

/// # Safety
/// There are four bytes of the packet at `from`.
#[inline(always)]
unsafe fn load_u32(from: *const u8) -> u32 {
    let word: u64;
    // SAFETY: as the caller says.
    unsafe {
        asm!("{} = *(u32 *)({} + 0)", out(reg) word, in(reg) from, options(pure, readonly, nostack));
    }
    word as u32
}

/// # Safety
/// There are two bytes of the packet at `from`.
#[inline(always)]
unsafe fn load_u16(from: *const u8) -> u16 {
    let word: u64;
    // SAFETY: as the caller says.
    unsafe {
        asm!("{} = *(u16 *)({} + 0)", out(reg) word, in(reg) from, options(pure, readonly, nostack));
    }
    word as u16
}

/// # Safety
/// There are four bytes of the packet at `to`.
#[inline(always)]
unsafe fn store_u32(to: *mut u8, word: u32) {
    // SAFETY: as the caller says.
    unsafe {
        asm!("*(u32 *)({} + 0) = {}", in(reg) to, in(reg) u64::from(word), options(nostack));
    }
}

/// # Safety
/// There are two bytes of the packet at `to`.
#[inline(always)]
unsafe fn store_u16(to: *mut u8, word: u16) {
    // SAFETY: as the caller says.
    unsafe {
        asm!("*(u16 *)({} + 0) = {}", in(reg) to, in(reg) u64::from(word), options(nostack));
    }
}
