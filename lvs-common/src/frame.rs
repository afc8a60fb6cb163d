//! The seam to the bytes of a packet.

/// One Ethernet frame, read and written within its bounds.
///
/// In the XDP program it is the memory between `data` and `data_end`; in tests it is a slice.
pub trait Frame {
    /// The `N` bytes at `offset`, or `None` if the frame ends before.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Writes `bytes` at `offset`, or nothing and `None` if the frame ends before.
    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()>;

    /// Length of the whole frame in bytes.
    fn length(&self) -> usize;
}

impl Frame for [u8] {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }

    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        *self.get_mut(offset..)?.first_chunk_mut()? = bytes;
        Some(())
    }

    fn length(&self) -> usize {
        self.len()
    }
}
