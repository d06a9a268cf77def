//! ASCII letters, eight bytes at a time.

/// How many of eight bytes, the lowest first, are ASCII letters before something else comes.
#[inline]
pub(super) fn letters(bytes: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // Each byte's top bit says "not below `a`" and "above `z`" of its lower case; no carry leaves a byte.
    let low = (bytes | (0x20 * ONES)) & !HIGH;
    let from_a = low + (0x80 - b'a' as u64) * ONES;
    let above_z = low + (0x80 - b'z' as u64 - 1) * ONES;
    let others = !(from_a & !above_z & !bytes) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// `bit` set in each of eight bytes.
#[inline]
pub(super) fn set(bytes: u64, bit: u8) -> u64 {
    bytes | u64::from_le_bytes([bit; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut bytes = *b"azAZmMqQ";
                bytes[place] = byte;
                let expected = bytes.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                assert_eq!(letters(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
            }
        }
    }
}
