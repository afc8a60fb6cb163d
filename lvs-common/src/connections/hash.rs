//! Where a flow's buckets are.

/// The random numbers of the hash, drawn when the tables are made. One for each 32-bit word of the
/// longest key, and one to add.
pub type Secrets = [u64; 11];

/// The hash of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// Hashes the words of a key.
    ///
    /// Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast", 2014):
    /// the sum of secret times word, of which the high half is used. For who does not know the
    /// secrets, any two flows share a bucket with a probability of one in the number of buckets.
    #[inline(always)]
    #[must_use]
    pub fn of<const N: usize>(key: &[u32; N], secrets: &Secrets) -> Self {
        let mut sum = secrets[10];
        for at in 0..N {
            sum = sum.wrapping_add(secrets[at].wrapping_mul(u64::from(key[at])));
        }
        Self(sum)
    }

    /// The flow's first bucket of `n_buckets`.
    #[inline(always)]
    #[must_use]
    pub fn first(self, n_buckets: u32) -> u32 {
        scale((self.0 >> 32) as u32, n_buckets)
    }

    /// Its second: independent enough of the first that flows that share one seldom share both.
    #[inline(always)]
    #[must_use]
    pub fn second(self, n_buckets: u32) -> u32 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        scale((mixed >> 32) as u32, n_buckets)
    }

    /// Eight bits that say little about the buckets.
    #[inline(always)]
    #[must_use]
    pub fn tag(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

/// A number below `n` in proportion: a multiplication, where the remainder would be a division.
#[inline(always)]
pub(crate) fn scale(hash: u32, n: u32) -> u32 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u32
}
