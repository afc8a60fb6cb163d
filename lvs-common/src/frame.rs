//! The seam to the bytes of a packet.

/// One Ethernet frame, read and written within its bounds.
///
/// In the XDP program it is the memory between `data` and `data_end`; in tests it is a vector.
pub trait Frame {
    /// The `N` bytes at `offset`, or `None` if the frame (or the part of it that can be read at
    /// once) ends before.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The `N` 32-bit words at `offset`, each as it lies in memory, or `None` as above.
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]>;

    /// Writes `bytes` at `offset`, or nothing and `None` if the frame ends before.
    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()>;

    /// Replaces the words at `offset`, each as it lies in memory, by what `with` makes of them, if it makes anything,
    /// and says whether it did; `None` as above.
    fn replace_words<const N: usize>(
        &mut self,
        offset: usize,
        with: impl FnOnce([u32; N]) -> Option<[u32; N]>,
    ) -> Option<bool>;

    /// Whether the whole frame has so many bytes.
    fn holds(&self, bytes: usize) -> bool;

    /// The same offset, as a value that the compiler knows nothing of. Where it knows that there
    /// are only three, it makes the whole program three times.
    fn opaque(&self, offset: usize) -> usize {
        offset
    }

    /// The same offset, if it is a small one. The verifier forgets how large an offset is that was
    /// put by, and allows none that it does not know to be small.
    #[inline(always)]
    fn small(&self, offset: usize) -> Option<usize> {
        let offset = self.opaque(offset);
        (offset < 1024).then_some(offset)
    }

    /// Puts `bytes` of anything before the frame.
    fn grow(&mut self, bytes: usize) -> Option<()>;

    /// Takes `bytes` away from its start.
    fn shrink(&mut self, bytes: usize) -> Option<()>;
}
