//! The Internet checksum (RFC 1071).

/// The checksum after one word of what it covers has changed (RFC 1624, equation 3).
#[inline(always)]
#[must_use]
pub fn update(sum: u16, old: u16, new: u16) -> u16 {
    !fold(u32::from(!sum) + u32::from(!old) + u32::from(new))
}

/// A checksum in the making.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u32);

impl Sum {
    /// Adds bytes, of an even number.
    #[inline(always)]
    pub fn add<const N: usize>(&mut self, bytes: &[u8; N]) {
        let mut at = 0;
        while at + 1 < N {
            self.0 += u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            at += 2;
        }
    }

    /// The checksum of all that was added.
    #[inline(always)]
    #[must_use]
    pub fn finish(self) -> u16 {
        !fold(self.0)
    }
}

/// Adds the carries; three times is enough for any 32 bits.
#[inline(always)]
fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_updated_checksum_is_that_of_the_new_bytes(
            bytes in any::<[u8; 20]>(), at in 0usize..10, word in any::<[u8; 2]>(),
        ) {
            // All zero is the one sum that has two representations.
            prop_assume!(bytes != [0; 20]);
            let of = |bytes: &[u8; 20]| {
                let mut sum = Sum::default();
                sum.add(bytes);
                sum.finish()
            };
            let mut changed = bytes;
            changed[2 * at..2 * at + 2].copy_from_slice(&word);
            prop_assume!(changed != [0; 20]);
            let old = u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]]);
            prop_assert_eq!(update(of(&bytes), old, u16::from_be_bytes(word)), of(&changed));
        }
    }
}
