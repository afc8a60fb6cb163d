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

    /// The first `N` bytes, or `None` as above.
    fn head<const N: usize>(&mut self) -> Option<impl Head>;

    /// Whether the whole frame has so many bytes.
    fn holds(&self, bytes: usize) -> bool;

    /// The same offset, as a value that the compiler knows nothing of. Where it knows that there
    /// are only three of them (with no tag, one, two), it makes the whole program three times.
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

/// The first bytes of a frame, of which it was checked once that they are there. Offsets are constants, and one that is
/// not among them does not compile.
pub trait Head {
    /// The 32-bit word at byte `AT`, as it lies in memory.
    fn word<const AT: usize>(&self) -> u32;

    /// Puts another there.
    fn set_word<const AT: usize>(&mut self, word: u32);

    /// [`Frame::holds`].
    fn frame_holds(&self, bytes: usize) -> bool;
}
