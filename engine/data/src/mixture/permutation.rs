//! A seeded permutation of `0..n` in constant memory. Knows numbers and a key; does not know what is permuted.

/// Rounds of the Feistel network: the words of one 64-byte hash output.
const ROUNDS: usize = 8;
const CONTEXT: &str = "mixmake v1 permutation";

/// A bijection of `0..n`: a balanced Feistel network on the smallest even number of bits that holds `n`, applied again
/// until the value is below `n` (fewer than 4 times on average). Round keys are the BLAKE3 derived-key output of the
/// key and `n`. Specified in `shards/FORMAT.md`.
#[derive(Clone, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    round_keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` under a key.
    pub fn new(n: u64, key: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(key).update(&n.to_le_bytes());
        let mut output = [0; 8 * ROUNDS];
        hasher.finalize_xof().fill(&mut output);
        let mut round_keys = [0; ROUNDS];
        for (round_key, bytes) in round_keys.iter_mut().zip(output.chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            *round_key = u64::from_le_bytes(word);
        }
        let bits = 64 - n.saturating_sub(1).leading_zeros();
        Self { n, half_bits: bits.div_ceil(2).max(1), round_keys }
    }

    /// How many numbers are permuted.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Where `i` goes.
    ///
    /// # Panics
    /// As indexing does, if `i` is not below `n`.
    pub fn get(&self, i: u64) -> u64 {
        self.walk(i, Self::forward)
    }

    /// What goes to `i`: the inverse of [`Permutation::get`].
    ///
    /// # Panics
    /// As indexing does, if `i` is not below `n`.
    pub fn invert(&self, i: u64) -> u64 {
        self.walk(i, Self::backward)
    }

    fn walk(&self, i: u64, step: fn(&Self, u64) -> u64) -> u64 {
        assert!(i < self.n, "index {i} of a permutation of {}", self.n);
        // The cycle of the network through `i` contains `i` itself, so this ends.
        let mut value = step(self, i);
        while value >= self.n {
            value = step(self, value);
        }
        value
    }

    fn forward(&self, value: u64) -> u64 {
        let (mut left, mut right) = self.split(value);
        for round_key in self.round_keys {
            (left, right) = (right, left ^ self.mix(right, round_key));
        }
        left << self.half_bits | right
    }

    fn backward(&self, value: u64) -> u64 {
        let (mut left, mut right) = self.split(value);
        for &round_key in self.round_keys.iter().rev() {
            (left, right) = (right ^ self.mix(left, round_key), left);
        }
        left << self.half_bits | right
    }

    fn split(&self, value: u64) -> (u64, u64) {
        (value >> self.half_bits, value & self.mask())
    }

    fn mask(&self) -> u64 {
        (1 << self.half_bits) - 1
    }

    /// The finalizer of SplitMix64, whose every output bit depends on every input bit.
    fn mix(&self, half: u64, round_key: u64) -> u64 {
        let mut word = half.wrapping_add(round_key);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) & self.mask()
    }
}
