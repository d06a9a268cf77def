//! Words as the rules that compare texts see them: runs of letters and digits, in lower case, as 64-bit hashes.
//! `shards/FORMAT.md` section 5 specifies them.

/// FNV-1a over the lower-case characters of every word.
pub(crate) fn hashes(text: &str) -> Vec<u64> {
    let mut hashes = Vec::with_capacity(text.len() / 5);
    let mut word = None;
    for c in text.chars() {
        if c.is_alphanumeric() {
            let start = word.unwrap_or(0xcbf2_9ce4_8422_2325);
            word = Some(if c.is_ascii() {
                add(start, c.to_ascii_lowercase())
            } else {
                c.to_lowercase().fold(start, add)
            });
        } else {
            hashes.extend(word.take());
        }
    }
    hashes.extend(word);
    hashes
}

fn add(hash: u64, c: char) -> u64 {
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One hash of a run of words.
pub(crate) fn run(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| mix(hash ^ word))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), after one step of its sequence.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_space_do_not_count() {
        assert_eq!(hashes("Hello, WORLD!\n"), hashes("hello world"));
        assert_eq!(hashes("ÄRGER über"), hashes("ärger ÜBER"));
        assert_ne!(hashes("hello world"), hashes("helloworld"));
        assert!(hashes("— …!").is_empty());
        // The published value of FNV-1a for "a".
        assert_eq!(hashes("a"), [0xaf63_dc4c_8601_ec8c]);
    }

    #[test]
    fn runs_depend_on_the_order() {
        assert_ne!(run(&[1, 2]), run(&[2, 1]));
        assert_ne!(run(&[1]), run(&[1, 1]));
    }
}
