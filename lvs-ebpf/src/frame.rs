//! The bytes of the packet: the only place that touches them.

use aya_ebpf::programs::XdpContext;
use lvs_common::frame::Frame;

/// The memory between `data` and `data_end`.
pub(crate) struct XdpFrame {
    data: usize,
    data_end: usize,
}

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self { data: context.data(), data_end: context.data_end() }
    }

    /// The address of `N` bytes at `offset`, if they are inside the frame.
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<*mut [u8; N]> {
        let start = self.data + offset;
        (start + N <= self.data_end).then_some(start as *mut [u8; N])
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        // SAFETY: `at` gave an address inside the frame; a byte array has alignment 1.
        self.at(offset).map(|bytes| unsafe { *bytes })
    }

    #[inline(always)]
    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        // SAFETY: as in `read`; the frame is ours alone until the program returns.
        self.at(offset).map(|place| unsafe { *place = bytes })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.data_end - self.data
    }
}
