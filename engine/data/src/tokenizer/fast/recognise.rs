//! Which `tokenizer.json` files the fast encoders serve: those whose every field that decides ids is understood.
//! Anything else, also a broken file, is the library's to take or to refuse.

use serde_json::Value;
use tokenizers::NormalizerWrapper;

use super::bpe::Bpe;
use super::json::{Added, TokenizerJson, Vocabulary};
use super::wordpiece::WordPiece;
use super::{FastTokenizer, Model};
use crate::tokenizer::encode::END_OF_TEXT_NAMES;

/// The fast tokenizer of the bytes of a `tokenizer.json`, where it is one of the two known pipelines.
pub(crate) fn recognise(json: &[u8]) -> Option<FastTokenizer> {
    // Looked at as a whole: string by string takes longer.
    let json = simdutf8::basic::from_utf8(json).ok()?;
    let parsed: TokenizerJson = serde_json::from_str(json).ok()?;
    if !plain_added_tokens(&parsed.added_tokens, &parsed.model.vocab) {
        return None;
    }
    let (before, after) = added_by(parsed.post_processor.as_ref())?;
    let model = match parsed.model.r#type.as_deref()? {
        "BPE" => Model::Bpe(bpe(&parsed)?),
        "WordPiece" => Model::WordPiece(word_piece(&parsed)?),
        _ => return None,
    };
    let vocabulary = &parsed.model.vocab;
    let end_of_text = END_OF_TEXT_NAMES.iter().find_map(|name| vocabulary.id(name));
    Some(FastTokenizer { model, before, after, end_of_text, largest_id: vocabulary.largest() })
}

/// Special tokens in texts are ordinary text, so they split nothing; others would. Each must be in the model's
/// vocabulary under its id, or the library would number it anew.
fn plain_added_tokens(added: &[Added], vocabulary: &Vocabulary) -> bool {
    added.iter().all(|token| token.special && vocabulary.id(&token.content) == Some(token.id))
}

fn bpe(json: &TokenizerJson) -> Option<Bpe> {
    let model = &json.model;
    let nothing = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let plain = json.normalizer.is_none()
        && model.dropout.is_none_or(|dropout| dropout == 0.0)
        && nothing(&model.continuing_subword_prefix)
        && nothing(&model.end_of_word_suffix)
        && !model.ignore_merges.unwrap_or(false)
        && model.max_input_chars_per_word.is_none();
    let pre = json.pre_tokenizer.as_ref()?;
    let byte_level = has_only(pre, "ByteLevel", &["add_prefix_space", "trim_offsets", "use_regex"])
        && pre["add_prefix_space"] == false
        && pre.get("use_regex").is_none_or(|regex| regex == true);
    if plain && byte_level { Bpe::new(&model.vocab, &model.merges.as_ref()?.0) } else { None }
}

fn word_piece(json: &TokenizerJson) -> Option<WordPiece> {
    let model = &json.model;
    let plain = model.merges.is_none()
        && model.dropout.is_none()
        && model.end_of_word_suffix.is_none()
        && model.ignore_merges.is_none()
        && model._fuse_unk.is_none()
        && model._byte_fallback.is_none();
    let normalizer = json.normalizer.as_ref()?;
    let fields = ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"];
    let bert = has_only(normalizer, "BertNormalizer", &fields)
        && has_only(json.pre_tokenizer.as_ref()?, "BertPreTokenizer", &[]);
    let normalizer: NormalizerWrapper = serde_json::from_value(normalizer.clone()).ok()?;
    let NormalizerWrapper::BertNormalizer(normalizer) = normalizer else { return None };
    if !plain || !bert {
        return None;
    }
    let unknown = model.vocab.id(model.unk_token.as_deref()?)?;
    let prefix = model.continuing_subword_prefix.as_deref()?;
    WordPiece::new(&model.vocab, unknown, prefix, model.max_input_chars_per_word?, normalizer)
}

/// Whether an object is of this type and has no field but these.
fn has_only(value: &Value, r#type: &str, fields: &[&str]) -> bool {
    value["type"] == r#type
        && value.as_object().is_some_and(|object| {
            object.keys().all(|key| key == "type" || fields.contains(&key.as_str()))
        })
}

/// The ids that a post-processor puts around a single text, or `None` for one that is not known.
fn added_by(processor: Option<&Value>) -> Option<(Vec<u32>, Vec<u32>)> {
    let Some(processor) = processor else { return Some(Default::default()) };
    match processor["type"].as_str()? {
        "ByteLevel" => Some(Default::default()),
        "BertProcessing" | "RobertaProcessing" => {
            let id = |field: &str| u32::try_from(processor[field].get(1)?.as_u64()?).ok();
            Some((vec![id("cls")?], vec![id("sep")?]))
        }
        "TemplateProcessing" => around_a(&processor["single"], &processor["special_tokens"]),
        _ => None,
    }
}

fn around_a(single: &Value, specials: &Value) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut sides = (Vec::new(), Vec::new());
    let mut seen = false;
    for piece in single.as_array()? {
        if let Some(special) = piece.get("SpecialToken") {
            let ids = specials[special["id"].as_str()?]["ids"].as_array()?;
            let side = if seen { &mut sides.1 } else { &mut sides.0 };
            for id in ids {
                side.push(u32::try_from(id.as_u64()?).ok()?);
            }
        } else if piece["Sequence"]["id"] == "A" && !seen {
            seen = true;
        } else {
            return None;
        }
    }
    seen.then_some(sides)
}
