//! The parts of `tokenizer.json` that decide ids, as types that refuse any field they do not know.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashMap;
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
    pub merges: Option<Vec<Merge<'a>>>,
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

/// Tokens and their ids. Tokens stay in the file's bytes where they can.
pub(crate) struct Vocabulary<'a>(pub FxHashMap<Cow<'a, str>, u32>);

impl Vocabulary<'_> {
    pub fn id(&self, token: &str) -> Option<u32> {
        self.0.get(token).copied()
    }

    pub fn largest(&self) -> Option<u32> {
        self.0.values().copied().max()
    }

    /// Tokens at the places of their ids; an empty one where there is none, or an id is far above their number.
    pub fn by_id(&self) -> Vec<&str> {
        let mut tokens = vec![""; 2 * self.0.len()];
        for (token, &id) in &self.0 {
            if let Some(place) = tokens.get_mut(id as usize) {
                *place = token;
            }
        }
        tokens
    }
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
                // Room for the common sizes, so that filling it does not rehash.
                let mut tokens = FxHashMap::with_capacity_and_hasher(1 << 16, Default::default());
                while let Some((Token(token), id)) = map.next_entry::<Token<'de>, u32>()? {
                    tokens.insert(token, id);
                }
                Ok(Vocabulary(tokens))
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
    let mut parts = text.split(' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(left), Some(right), None) => Ok((left, right)),
        _ => Err(E::custom("not two tokens")),
    }
}

/// Two tokens that merge, in either of the library's spellings: `["a", "b"]` or `"a b"`.
/// They stay in the file's bytes where they can: there are very many.
pub(crate) struct Merge<'a>(pub Cow<'a, str>, pub Cow<'a, str>);

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
