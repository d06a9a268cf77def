//! A string of JSON decoded in one pass: 32 bytes are copied and looked at together. Knows escapes, not UTF-8.

/// Bytes looked at together.
const BLOCK: usize = 32;
/// Bytes of the first room for a text.
const ROOM: usize = 1 << 16;

/// Where a string was, and what it became.
pub(super) struct Decoded {
    /// Behind its opening quote.
    pub start: usize,
    /// Behind its closing quote.
    pub end: usize,
    /// Of `out`, from its start.
    pub bytes: usize,
    /// Every character is ASCII; where it is not set, they may be all the same.
    pub ascii: bool,
}

/// Decodes the string whose opening quote is before `start` into `out`, which only grows: what is behind the decoded
/// bytes has no meaning. `None` for what is no string of JSON. Bytes beyond ASCII are taken as they are.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the processor was asked"))]
pub(super) fn decode_string(line: &[u8], start: usize, out: &mut Vec<u8>) -> Option<Decoded> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: it has these instructions.
        return unsafe { decode_with_avx2(line, start, out) };
    }
    decode(line, start, out, marks)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decode_with_avx2(line: &[u8], start: usize, out: &mut Vec<u8>) -> Option<Decoded> {
    decode(line, start, out, |block| marks_of_thirty_two(block))
}

#[inline(always)]
fn decode(
    line: &[u8],
    start: usize,
    out: &mut Vec<u8>,
    marks: impl Fn(&[u8; BLOCK]) -> Marks,
) -> Option<Decoded> {
    let (mut at, mut to, mut ascii) = (start, 0, true);
    loop {
        // No escape is shorter than what it stands for, so that this is room for the rest of a line, too.
        if out.len() < to + 2 * BLOCK {
            out.resize((2 * out.len()).max(ROOM), 0);
        }
        let Some(block) = line[at..].first_chunk::<BLOCK>() else {
            return decode_rest(line, start, at, to, ascii, out);
        };
        out[to..to + BLOCK].copy_from_slice(block);
        let found = marks(block);
        ascii &= !found.beyond;
        if found.stops == 0 {
            // A branch, which is foreseen: the next block does not wait for what is in this one.
            (at, to) = (at + BLOCK, to + BLOCK);
            continue;
        }
        let plain = found.stops.trailing_zeros() as usize;
        (at, to) = (at + plain, to + plain);
        match line[at] {
            b'"' => return Some(Decoded { start, end: at + 1, bytes: to, ascii }),
            b'\\' => {
                let escape = decode_escape(line, at + 1, &mut out[to..])?;
                (at, to) = (escape.end, to + escape.bytes);
                ascii &= escape.ascii;
            }
            _ => return None,
        }
    }
}

/// The same byte by byte, near the line's end.
fn decode_rest(
    line: &[u8],
    start: usize,
    mut at: usize,
    mut to: usize,
    mut ascii: bool,
    out: &mut [u8],
) -> Option<Decoded> {
    loop {
        match *line.get(at)? {
            b'"' => return Some(Decoded { start, end: at + 1, bytes: to, ascii }),
            b'\\' => {
                let escape = decode_escape(line, at + 1, &mut out[to..])?;
                (at, to) = (escape.end, to + escape.bytes);
                ascii &= escape.ascii;
            }
            0..0x20 => return None,
            byte => {
                out[to] = byte;
                ascii &= byte.is_ascii();
                (at, to) = (at + 1, to + 1);
            }
        }
    }
}

/// An escape that was decoded.
struct Escape {
    /// The place after it.
    end: usize,
    /// Bytes of what it stands for.
    bytes: usize,
    ascii: bool,
}

/// What a backslash makes of the byte after it; 0 where nothing, or more than a byte.
const PLAIN: [u8; 256] = {
    let mut plain = [0; 256];
    let pairs = b"n\nt\tr\r\"\"\\\\//b\x08f\x0c";
    let mut i = 0;
    while i < pairs.len() {
        plain[pairs[i] as usize] = pairs[i + 1];
        i += 2;
    }
    plain
};

/// The character after a backslash at `at - 1`, put at the start of `out`.
#[inline]
fn decode_escape(line: &[u8], at: usize, out: &mut [u8]) -> Option<Escape> {
    let byte = *line.get(at)?;
    let plain = PLAIN[usize::from(byte)];
    if plain != 0 {
        *out.first_mut()? = plain;
        return Some(Escape { end: at + 1, bytes: 1, ascii: true });
    }
    if byte != b'u' {
        return None;
    }
    let (c, end) = decode_unicode(line, at + 1)?;
    Some(Escape { end, bytes: c.encode_utf8(out).len(), ascii: c.is_ascii() })
}

/// Four hexadecimal digits, or two times four of a surrogate pair. A lone surrogate is no character.
fn decode_unicode(line: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hex(line, at)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, at + 4));
    }
    if line.get(at + 4..at + 6)? != b"\\u" || first >= 0xdc00 {
        return None;
    }
    let second = hex(line, at + 6)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)?, at + 10))
}

fn hex(line: &[u8], at: usize) -> Option<u32> {
    let digits = line.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | (digit as char).to_digit(16)?))
}

/// What is in a block.
#[derive(PartialEq, Eq, Debug)]
struct Marks {
    /// A bit for each quote, backslash and control character.
    stops: u32,
    /// Whether a byte is beyond ASCII.
    beyond: bool,
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that every x86-64 has need it all the same")]
#[inline]
fn marks(block: &[u8; BLOCK]) -> Marks {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { marks_of_sixteens(block) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn marks_of_sixteens(block: &[u8; BLOCK]) -> Marks {
    use std::arch::x86_64::*;
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block[at..at + 8]);
        i64::from_le_bytes(bytes)
    };
    let part = |at: usize| _mm_set_epi64x(number(at + 8), number(at));
    let (low, high) = (part(0), part(16));
    let stops = |part: __m128i| {
        let equal = |byte: u8| _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(part, _mm_set1_epi8(0x1f)), part);
        let either = _mm_or_si128(equal(b'"'), equal(b'\\'));
        u32::from(_mm_movemask_epi8(_mm_or_si128(either, control)) as u16)
    };
    let beyond = _mm_movemask_epi8(_mm_or_si128(low, high)) != 0;
    Marks { stops: stops(low) | stops(high) << 16, beyond }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn marks_of_thirty_two(block: &[u8; BLOCK]) -> Marks {
    use std::arch::x86_64::*;
    let [a, b, c, d] = [0, 8, 16, 24].map(|at| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block[at..at + 8]);
        i64::from_le_bytes(bytes)
    });
    let block = _mm256_set_epi64x(d, c, b, a);
    let equal = |byte: u8| _mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte as i8));
    let control = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
    let either = _mm256_or_si256(equal(b'"'), equal(b'\\'));
    let stops = _mm256_movemask_epi8(_mm256_or_si256(either, control)) as u32;
    Marks { stops, beyond: _mm256_movemask_epi8(block) != 0 }
}

#[cfg(not(target_arch = "x86_64"))]
fn marks(block: &[u8; BLOCK]) -> Marks {
    byte_by_byte(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn byte_by_byte(block: &[u8; BLOCK]) -> Marks {
    let stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let bits = block.iter().enumerate().map(|(i, &byte)| u32::from(stop(byte)) << i);
    Marks { stops: bits.sum(), beyond: !block.is_ascii() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_marked_at_every_place() {
        for byte in 0..=255 {
            for place in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[place] = byte;
                assert_eq!(marks(&block), byte_by_byte(&block), "{byte} at {place}");
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has these instructions.
                    #[expect(unsafe_code, reason = "the processor was asked")]
                    let wide = unsafe { marks_of_thirty_two(&block) };
                    assert_eq!(wide, byte_by_byte(&block), "{byte} at {place}");
                }
            }
        }
    }

    /// Every piece at every place of a block and near the end, with and without more behind it.
    #[test]
    fn strings_decode_as_the_general_reader_has_them() {
        let pieces = [
            r"\n",
            r"\\",
            r#"\""#,
            r"\u00e9",
            r"\ud83e\udd80",
            "é",
            "🦀",
            r"\/",
            r"\b\f\r\t",
            "\t",
            r"\ud800",
            r"\x",
            r"\u12",
            r"\",
            "\u{7f}",
            "",
        ];
        let mut out = Vec::new();
        let mut decoded = 0;
        for piece in pieces {
            for (before, after, behind) in
                (0..70).flat_map(|n| [(n, 0, 0), (n, 3, 50), (2, n, 0), (n, n, n)])
            {
                let [before, after, behind] = [before, after, behind].map(|n| "x".repeat(n));
                let string = format!(r#""{before}{piece}{after}{piece}""#);
                let line = format!("{string}{behind}");
                let found = decode_string(line.as_bytes(), 1, &mut out);
                let narrow = decode(line.as_bytes(), 1, &mut Vec::new(), marks);
                let place = |found: &Option<Decoded>| {
                    found.as_ref().map(|d| (d.start, d.end, d.bytes, d.ascii))
                };
                assert_eq!(place(&found), place(&narrow), "{line}");
                let expected: Option<String> = serde_json::from_str(&string).ok();
                let text = found.as_ref().map(|found| &out[..found.bytes]);
                assert_eq!(text, expected.as_ref().map(String::as_bytes), "{line}");
                if let Some((found, expected)) = found.zip(expected) {
                    assert_eq!((found.start, found.end), (1, string.len()));
                    assert!(!found.ascii || expected.is_ascii(), "{line}");
                    assert!(found.ascii || !line.is_ascii() || !expected.is_ascii(), "{line}");
                    decoded += 1;
                }
            }
        }
        assert!(decoded > 2000, "{decoded}");
    }
}
