//! Vocabularies that come with the program, as `tokenizer.json`.

use gpt_tokenizer::{ENCODER_JSON, VOCAB_BPE};
use serde_json::{Map, Value, json};

use super::bpe::END_OF_TEXT;
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
    let encoder: Map<String, Value> =
        serde_json::from_str(ENCODER_JSON).map_err(|e| broken(e.to_string()))?;
    let mut tokens: Vec<(String, Value)> = encoder.into_iter().collect();
    tokens.sort_by_key(|(_, id)| id.as_u64());
    // The first line says which version of the format it is.
    let merges: Vec<&str> = VOCAB_BPE.lines().skip(1).filter(|line| !line.is_empty()).collect();
    let end = tokens.last().filter(|(token, _)| token == END_OF_TEXT).map(|(_, id)| id.clone());
    let end = end.ok_or_else(|| broken(format!("its last token is not `{END_OF_TEXT}`")))?;
    let byte_level = |prefix: bool, trim: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": true});
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{"id": end, "content": END_OF_TEXT, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": byte_level(false, true),
        "post_processor": byte_level(true, false),
        "decoder": byte_level(true, true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
            "vocab": tokens.into_iter().collect::<Map<_, _>>(), "merges": merges},
    });
    serde_json::to_vec(&json).map_err(|e| broken(e.to_string()))
}
