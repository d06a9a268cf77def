//! Vocabularies that come with the program, as `tokenizer.json`.

use gpt_tokenizer::{ENCODER_JSON, VOCAB_BPE};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::bpe::END_OF_TEXT;
use super::fast::Vocabulary;
use crate::DataError;

/// A tokenizer that needs no file.
#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Builtin {
    /// GPT-2's byte-level BPE of 50,257 tokens, as OpenAI published it (MIT), from the crate `gpt_tokenizer`.
    Gpt2,
}

/// The bytes of its `tokenizer.json`: the same for every build of this version.
pub fn builtin(name: Builtin) -> Result<Vec<u8>, DataError> {
    match name {
        Builtin::Gpt2 => gpt2(),
    }
}

fn gpt2() -> Result<Vec<u8>, DataError> {
    let broken = |problem: String| DataError::Tokenizer(format!("the built-in GPT-2: {problem}"));
    let vocabulary: Vocabulary =
        serde_json::from_str(ENCODER_JSON).map_err(|e| broken(e.to_string()))?;
    let mut tokens: Vec<(&str, u32)> = vocabulary.iter().collect();
    tokens.sort_unstable_by_key(|(_, id)| *id);
    let end = tokens.last().filter(|(token, _)| *token == END_OF_TEXT).map(|(_, id)| *id);
    let end = end.ok_or_else(|| broken(format!("its last token is not `{END_OF_TEXT}`")))?;
    let byte_level = |prefix: bool, trim: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": true});
    let json = TokenizerJson {
        version: "1.0",
        truncation: Value::Null,
        padding: Value::Null,
        added_tokens: json!([{"id": end, "content": END_OF_TEXT, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}]),
        normalizer: Value::Null,
        pre_tokenizer: byte_level(false, true),
        post_processor: byte_level(true, false),
        decoder: byte_level(true, true),
        model: Model {
            r#type: "BPE",
            dropout: None,
            unk_token: None,
            continuing_subword_prefix: "",
            end_of_word_suffix: "",
            fuse_unk: false,
            byte_fallback: false,
            vocab: Tokens(tokens),
            // The first line says which version of the format it is.
            merges: VOCAB_BPE.lines().skip(1).filter(|line| !line.is_empty()).collect(),
        },
    };
    serde_json::to_vec(&json).map_err(|e| broken(e.to_string()))
}

/// Written as it is: values of 50,000 tokens and as many merges would take five times as long.
#[derive(Serialize)]
struct TokenizerJson<'a> {
    version: &'static str,
    truncation: Value,
    padding: Value,
    added_tokens: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Model<'a>,
}

#[derive(Serialize)]
struct Model<'a> {
    r#type: &'static str,
    dropout: Option<f32>,
    unk_token: Option<&'static str>,
    continuing_subword_prefix: &'static str,
    end_of_word_suffix: &'static str,
    fuse_unk: bool,
    byte_fallback: bool,
    vocab: Tokens<'a>,
    merges: Vec<&'a str>,
}

/// Tokens and their ids, in order.
struct Tokens<'a>(Vec<(&'a str, u32)>);

impl Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores of users hold shards under this digest.
    #[test]
    fn gpt2_is_the_same_bytes_in_every_version() {
        let digest = blake3::hash(&gpt2().expect("built in"));
        assert_eq!(
            digest.to_hex().as_str(),
            "29d8da6235fce64fedb6fc0101560acd37cdaf91d134e8e27f89b78fce96f66b"
        );
    }
}
