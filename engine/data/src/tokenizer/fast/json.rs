//! The parts of `tokenizer.json` that decide ids, as types that refuse any field they do not know.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenizerJson<'a> {
    #[serde(rename = "version")]
    pub _version: Option<String>,
    // Both are set anew for every shard.
    #[serde(rename = "truncation")]
    pub _truncation: Option<IgnoredAny>,
    #[serde(rename = "padding")]
    pub _padding: Option<IgnoredAny>,
    #[serde(default)]
    pub added_tokens: Vec<Added>,
    pub normalizer: Option<Value>,
    pub pre_tokenizer: Option<Value>,
    pub post_processor: Option<Value>,
    #[serde(rename = "decoder")]
    pub _decoder: Option<IgnoredAny>,
    #[serde(borrow)]
    pub model: Model<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    pub id: u32,
    pub content: String,
    pub special: bool,
    // A special token never matches in a text, however it would.
    #[serde(rename = "single_word")]
    pub _single_word: bool,
    #[serde(rename = "lstrip")]
    pub _lstrip: bool,
    #[serde(rename = "rstrip")]
    pub _rstrip: bool,
    #[serde(rename = "normalized")]
    pub _normalized: bool,
}

/// Either model; `type` says which fields count.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model<'a> {
    pub r#type: Option<String>,
    #[serde(borrow)]
    pub vocab: Vocabulary<'a>,
    #[serde(borrow)]
    pub merges: Option<MergeList<'a>>,
    pub dropout: Option<f32>,
    pub unk_token: Option<String>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub ignore_merges: Option<bool>,
    // Of characters without a token; a byte-level vocabulary with all bytes has none.
    #[serde(rename = "fuse_unk")]
    pub _fuse_unk: Option<bool>,
    #[serde(rename = "byte_fallback")]
    pub _byte_fallback: Option<bool>,
    pub max_input_chars_per_word: Option<usize>,
}

/// Tokens and their ids. Tokens stay in the file's bytes where they can. Small: a process that encodes a domain first makes
/// this, and asks it for both sides of every merge.
#[derive(Default)]
pub(crate) struct Vocabulary<'a> {
    /// In the order of the file, which mostly is that of ids.
    tokens: Vec<(Cow<'a, str>, u32)>,
    /// By hash: its upper half, and below that the place of a token plus 1; 0 where none is. A power of two of them.
    slots: Vec<u64>,
}

impl<'a> Vocabulary<'a> {
    pub fn id(&self, token: &str) -> Option<u32> {
        let slot = self.slot(token).ok()?;
        Some(self.tokens[self.slots[slot] as u32 as usize - 1].1)
    }

    pub fn largest(&self) -> Option<u32> {
        self.iter().map(|(_, id)| id).max()
    }

    /// All tokens, in no order that counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> + Clone {
        self.tokens.iter().map(|(token, id)| (&**token, *id))
    }

    /// The token with that id, where tokens stand in the order of their ids.
    pub fn guess(&self, id: u32) -> Option<&str> {
        let (token, found) = self.tokens.get(id as usize)?;
        (*found == id).then_some(token)
    }

    /// Of a token that comes twice the last id counts.
    fn insert(&mut self, token: Cow<'a, str>, id: u32) {
        if 2 * self.tokens.len() >= self.slots.len() {
            self.slots = vec![0; (2 * self.slots.len()).max(1 << 17)];
            for place in 0..self.tokens.len() {
                if let Err(slot) = self.slot(&self.tokens[place].0) {
                    self.slots[slot] = upper(&self.tokens[place].0) | (place as u64 + 1);
                }
            }
        }
        match self.slot(&token) {
            Ok(slot) => self.tokens[self.slots[slot] as u32 as usize - 1].1 = id,
            Err(slot) => {
                self.slots[slot] = upper(&token) | (self.tokens.len() as u64 + 1);
                self.tokens.push((token, id));
            }
        }
    }

    /// Where a token is, or else would be; there is a free place.
    fn slot(&self, token: &str) -> Result<usize, usize> {
        let (upper, mask) = (upper(token), self.slots.len().wrapping_sub(1));
        let mut slot = (upper >> 32) as usize & mask;
        while let Some(&found) = self.slots.get(slot) {
            let place = found as u32 as usize;
            if place == 0 {
                return Err(slot);
            }
            if found >> 32 == upper >> 32 && self.tokens[place - 1].0 == token {
                return Ok(slot);
            }
            slot = (slot + 1) & mask;
        }
        Err(0)
    }
}

/// The upper half of a token's hash, in place.
fn upper(token: &str) -> u64 {
    FxBuildHasher.hash_one(token) & !u64::from(u32::MAX)
}

impl<'de: 'a, 'a> Deserialize<'de> for Vocabulary<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vocabulary<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tokens and ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary<'de>, A::Error> {
                let mut vocabulary = Vocabulary::default();
                // Room for the common sizes, touched as it is filled.
                vocabulary.tokens.reserve(1 << 16);
                while let Some((Token(token), id)) = map.next_entry::<Token<'de>, u32>()? {
                    vocabulary.insert(token, id);
                }
                Ok(vocabulary)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn two_tokens<E: Error>(text: &str) -> Result<(&str, &str), E> {
    // The library skips such lines.
    if text.starts_with("#version") {
        return Err(E::custom("a comment"));
    }
    // Byte by byte: tokens are short.
    match text.as_bytes().iter().position(|&byte| byte == b' ') {
        Some(at) if !text.as_bytes()[at + 1..].contains(&b' ') => {
            Ok((&text[..at], &text[at + 1..]))
        }
        _ => Err(E::custom("not two tokens")),
    }
}

/// Two tokens that merge, in either of the library's spellings: `["a", "b"]` or `"a b"`.
/// They stay in the file's bytes where they can: there are very many.
pub(crate) struct Merge<'a>(pub Cow<'a, str>, pub Cow<'a, str>);

/// All merges, in the order of their ranks.
pub(crate) struct MergeList<'a>(pub Vec<Merge<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for MergeList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = MergeList<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<MergeList<'de>, A::Error> {
                // Room for the common sizes, touched as it is filled.
                let mut merges = Vec::with_capacity(1 << 16);
                while let Some(merge) = seq.next_element()? {
                    merges.push(merge);
                }
                Ok(MergeList(merges))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A token that need not be copied.
#[derive(Deserialize)]
struct Token<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Merge<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("two tokens")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Merge<'de>, E> {
                let (left, right) = two_tokens(text)?;
                Ok(Merge(left.into(), right.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Merge<'de>, E> {
                let (left, right) = two_tokens(text)?;
                Ok(Merge(left.to_owned().into(), right.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge<'de>, A::Error> {
                let two = (seq.next_element()?, seq.next_element()?, seq.next_element::<Token>()?);
                match two {
                    (Some(Token(left)), Some(Token(right)), None) => Ok(Merge(left, right)),
                    _ => Err(A::Error::custom("not two tokens")),
                }
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_under_their_last_id() {
        let many: Vec<String> = (0..100_000).map(|i| format!("{:x}", i * 7)).collect();
        let mut entries: Vec<String> =
            many.iter().enumerate().map(|(id, token)| format!("\"{token}\":{id}")).collect();
        entries.extend(["\"0\":200000".into(), "\"a\\u00e9\":200001".into(), "\"\":200002".into()]);
        let json = format!("{{{}}}", entries.join(","));
        let vocabulary: Vocabulary = serde_json::from_str(&json).expect("a vocabulary");
        for (id, token) in many.iter().enumerate().skip(1) {
            assert_eq!(vocabulary.id(token), Some(id as u32));
            assert_eq!(vocabulary.guess(id as u32), Some(&**token));
        }
        assert_eq!(vocabulary.id("0"), Some(200_000));
        assert_eq!(vocabulary.guess(0), None);
        assert_eq!((vocabulary.id("aé"), vocabulary.id("")), (Some(200_001), Some(200_002)));
        assert_eq!((vocabulary.id("1"), vocabulary.id("g")), (None, None));
        assert_eq!(vocabulary.largest(), Some(200_002));
        assert_eq!(vocabulary.iter().count(), 100_002);
        assert_eq!(Vocabulary::default().id("a"), None);
    }
}
