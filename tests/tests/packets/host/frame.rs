//! A frame in ordinary memory.

use lvs_common::frame::{Frame, Head};

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

    fn head<const N: usize>(&mut self) -> Option<impl Head> {
        let (bytes, rest) = self.0.split_first_chunk_mut()?;
        Some(HostHead::<N> { bytes, rest: rest.len() })
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

struct HostHead<'a, const N: usize> {
    bytes: &'a mut [u8; N],
    /// So many bytes come after these.
    rest: usize,
}

impl<const N: usize> Head for HostHead<'_, N> {
    fn word<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= N) };
        u32::from_ne_bytes(std::array::from_fn(|at| self.bytes[AT + at]))
    }

    fn set_word<const AT: usize>(&mut self, word: u32) {
        const { assert!(AT + 4 <= N) };
        self.bytes[AT..AT + 4].copy_from_slice(&word.to_ne_bytes());
    }

    fn frame_holds(&self, bytes: usize) -> bool {
        bytes <= N + self.rest
    }
}
