//! A frame in ordinary memory.

use lvs_common::frame::Frame;

/// A frame that may grow.
pub struct HostFrame<'a>(pub &'a mut Vec<u8>);

impl Frame for HostFrame<'_> {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }

    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let words = self.0.get(offset..)?.as_chunks().0.first_chunk::<N>()?;
        Some(words.map(u32::from_ne_bytes))
    }

    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> Option<()> {
        *self.0.get_mut(offset..)?.first_chunk_mut()? = bytes;
        Some(())
    }

    fn replace_words<const N: usize>(
        &mut self,
        offset: usize,
        with: impl FnOnce([u32; N]) -> Option<[u32; N]>,
    ) -> Option<bool> {
        let words = with(self.read_words(offset)?);
        let place = self.0.get_mut(offset..)?.as_chunks_mut().0.first_chunk_mut::<N>()?;
        Some(words.map(|words| *place = words.map(u32::to_ne_bytes)).is_some())
    }

    fn holds(&self, bytes: usize) -> bool {
        bytes <= self.0.len()
    }

    fn grow(&mut self, bytes: usize) -> Option<()> {
        self.0.splice(0..0, std::iter::repeat_n(0xee, bytes));
        Some(())
    }

    fn shrink(&mut self, bytes: usize) -> Option<()> {
        self.0.drain(..bytes);
        Some(())
    }
}
