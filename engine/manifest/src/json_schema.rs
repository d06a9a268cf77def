//! The JSON Schema (draft 2020-12) that editors complete from, made from the table of keys.

use serde_json::{Map, Value, json};

use crate::keys::{Bounds, Choice, Key, Kind, Preset, TABLES, Table};
use crate::tree::{Node, NodeKind};
use crate::values::MOST_SEEDS;

const NAME_PATTERN: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$";
const COUNT_PATTERN: &str = r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*[kKMBGT]?\s*$";
const SHARE_PATTERN: &str = r"^\s*[0-9][0-9_.eE-]*\s*%\s*$";
const RATIO_PATTERN: &str = r"^\s*[0-9][0-9_.eE-]*\s*(/\s*[0-9][0-9_.eE-]*)?\s*$";
const MIXTURE_PATTERN: &str = r"^(uniform|((ddo|autoscale)\.)?[A-Za-z0-9_][A-Za-z0-9_-]*)$";

/// The schema of a whole manifest.
#[must_use]
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    let mut definitions = Map::new();
    for table in TABLES {
        let reference = json!({ "$ref": format!("#/$defs/{}", table.name) });
        let property = if table.named {
            json!({
                "type": "object",
                "description": table.about,
                "propertyNames": { "pattern": NAME_PATTERN },
                "additionalProperties": reference,
            })
        } else {
            reference
        };
        properties.insert(table.name.to_owned(), property);
        definitions.insert(table.name.to_owned(), definition(table));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mixmake manifest",
        "description": "Corpora, models and methods from which mixmake builds a data mixture.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn definition(table: &Table) -> Value {
    let keys = table.keys.iter().map(|key| (key.name.to_owned(), property(key)));
    let required = table.keys.iter().filter(|key| key.default == Preset::Required);
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": table.about,
        "additionalProperties": false,
        "properties": keys.collect::<Map<_, _>>(),
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if table.name == "tokenizer" {
        schema["oneOf"] =
            json!(["file", "builtin", "train"].map(|key| json!({ "required": [key] })));
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    schema["description"] = match &key.kind {
        Kind::Choice(choices) => json!(format!("{} {}", key.about, choice_list(choices))),
        _ => json!(key.about),
    };
    if let Preset::Value(text) = key.default
        && let Some(node) = crate::tree::value(text)
    {
        schema["default"] = json_value(&node);
    }
    schema
}

/// "`first`: the first …; `random`: …"
fn choice_list(choices: &[Choice]) -> String {
    let lines: Vec<String> =
        choices.iter().map(|choice| format!("`{}`: {}", choice.name, choice.about)).collect();
    format!("{}.", lines.join("; "))
}

fn kind(kind: &Kind) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    match kind {
        Kind::Text => text,
        Kind::Separator => json!({ "type": "string" }),
        Kind::Texts => json!({ "anyOf": [text, { "type": "array", "items": text }] }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(choices) => {
            json!({ "type": "string", "enum": choices.iter().map(|choice| choice.name).collect::<Vec<_>>() })
        }
        Kind::Count { min, max, .. } => any_of(integer(*min, *max), COUNT_PATTERN),
        Kind::Number(bounds) => number(bounds),
        Kind::Share => {
            any_of(json!({ "type": "number", "minimum": 0, "maximum": 1 }), SHARE_PATTERN)
        }
        Kind::CountOrShare { .. } => json!({ "anyOf": [
            integer(0, u64::from(u32::MAX)),
            { "type": "string", "pattern": COUNT_PATTERN },
            { "type": "string", "pattern": SHARE_PATTERN },
        ] }),
        Kind::CountOrAuto { .. } => json!({ "anyOf": [
            integer(1, u64::from(u32::MAX)),
            { "const": "auto" },
            { "type": "string", "pattern": COUNT_PATTERN },
        ] }),
        Kind::Counts { .. } => {
            json!({ "type": "array", "items": any_of(integer(1, u64::MAX), COUNT_PATTERN) })
        }
        Kind::NamePairs { .. } => json!({
            "type": "object",
            "additionalProperties": { "type": "string", "pattern": NAME_PATTERN },
        }),
        Kind::Factors => json!({
            "type": "array",
            "minItems": 2,
            "items": any_of(json!({ "type": "number", "exclusiveMinimum": 0 }), RATIO_PATTERN),
        }),
        Kind::Seeds => {
            let list =
                json!({ "type": "array", "uniqueItems": true, "items": integer(0, u64::MAX) });
            json!({ "anyOf": [integer(1, MOST_SEEDS), list] })
        }
        Kind::Weights => json!({ "type": "object", "additionalProperties": { "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": SHARE_PATTERN },
            { "type": "string", "pattern": RATIO_PATTERN },
        ] } }),
        Kind::Limits(bounds) => {
            let limit = |bounds: &Bounds| {
                json!({ "anyOf": [
                    number(bounds),
                    { "type": "string", "pattern": SHARE_PATTERN },
                    { "type": "string", "pattern": RATIO_PATTERN },
                ] })
            };
            let own = Bounds { max: f64::INFINITY, below_max: false, ..*bounds };
            json!({ "anyOf": [
                limit(bounds),
                { "type": "object", "additionalProperties": limit(&own) },
            ] })
        }
        Kind::Filters => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "integer", "boolean", "object"] },
        }),
        Kind::Variables => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": "string" },
        }),
        Kind::Name { .. } => json!({ "type": "string", "pattern": NAME_PATTERN }),
        Kind::Names { .. } => {
            let name = json!({ "type": "string", "pattern": NAME_PATTERN });
            json!({ "anyOf": [name, { "type": "array", "uniqueItems": true, "items": name }] })
        }
        Kind::Mixture => json!({ "type": "string", "pattern": MIXTURE_PATTERN }),
    }
}

fn any_of(plain: Value, pattern: &str) -> Value {
    json!({ "anyOf": [plain, { "type": "string", "pattern": pattern }] })
}

fn integer(min: u64, max: u64) -> Value {
    if max == u64::MAX {
        return json!({ "type": "integer", "minimum": min });
    }
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn number(bounds: &Bounds) -> Value {
    let mut schema = json!({ "type": "number" });
    schema[if bounds.above_min { "exclusiveMinimum" } else { "minimum" }] = json!(bounds.min);
    if bounds.max.is_finite() {
        schema[if bounds.below_max { "exclusiveMaximum" } else { "maximum" }] = json!(bounds.max);
    }
    schema
}

fn json_value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Text(text) => json!(text),
        NodeKind::Integer(value) => i64::try_from(*value).map_or(Value::Null, |value| json!(value)),
        NodeKind::Float(value) => json!(value),
        NodeKind::Flag(flag) => json!(flag),
        NodeKind::Datetime => Value::Null,
        NodeKind::Array(items) => items.iter().map(json_value).collect(),
        NodeKind::Table(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), json_value(&entry.node))).collect()
        }
    }
}
