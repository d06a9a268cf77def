//! From an action and the digests of its inputs to its key, and to the facts that explain it.
//!
//! One walk feeds the hasher and the explanation, so `why` cannot drift from the truth.
//!
//! | in the key | never in the key |
//! |---|---|
//! | the kind's name and semantic version | the target's name, other names of the manifest |
//! | every parameter: path, type and value | comments, layout and order of the manifest |
//! | per input: its role, content digest and attributes | paths of files, the store's place, `out/` |
//! | the names of the outputs | order of the inputs within a role |
//! | | host, devices, `-j`, executor, log level, time, origins of parameters |
//!
//! Encoding of a fact: `u64 length of path, path, tag byte, u64 length of value, value`, all
//! little-endian; integers as 16-byte two's complement, floats as the bits of the `f64` with -0
//! as 0. A null, a NaN or an infinity has no encoding and is an error, never a text.

use serde_json::{Map, Value};

use crate::action::{Kind, OutputSpec};
use crate::digest::{Digest, Key};

/// The first bytes of every key's preimage; raised when the encoding itself changes.
const DOMAIN: &str = "mixmake action key v1";

/// One thing that decides an output, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Fact {
    /// `params.min-chars`, `input.source.3`.
    pub path: String,
    /// The value's text form.
    pub value: String,
}

/// A value without a canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` has no canonical encoding: {what}")]
pub struct NoEncoding {
    pub path: String,
    pub what: &'static str,
}

/// An input whose content is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedInput {
    pub role: String,
    pub digest: Digest,
    pub attributes: Map<String, Value>,
}

/// What a key is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Preimage<'a> {
    pub kind: &'a str,
    pub version: u32,
    pub params: &'a Map<String, Value>,
    /// In canonical order, see [`canonical_order`].
    pub inputs: &'a [&'a ResolvedInput],
    pub outputs: &'a [&'a str],
}

impl<'a> Preimage<'a> {
    /// The key, and the facts it was computed from.
    pub fn key(&self) -> Result<(Key, Vec<Fact>), NoEncoding> {
        let mut walk = Walk::new();
        walk.leaf("kind", Leaf::Text(self.kind));
        walk.leaf("version", Leaf::Integer(i128::from(self.version)));
        walk.map("params", self.params)?;
        for (index, input) in self.inputs.iter().enumerate() {
            let path = format!("input.{index}");
            walk.leaf(&format!("{path}.role"), Leaf::Text(&input.role));
            walk.leaf(&format!("{path}.digest"), Leaf::Digest(input.digest));
            walk.map(&format!("{path}.attributes"), &input.attributes)?;
        }
        for (index, output) in self.outputs.iter().enumerate() {
            walk.leaf(&format!("output.{index}"), Leaf::Text(output));
        }
        Ok(walk.finish())
    }
}

/// The names of `outputs`, as they enter the key.
#[must_use]
pub fn output_names(outputs: &[OutputSpec]) -> Vec<&str> {
    outputs.iter().map(|output| &*output.name).collect()
}

/// The facts of one JSON object, for explanations of parameters and attributes.
pub fn facts_of(map: &Map<String, Value>) -> Result<Vec<Fact>, NoEncoding> {
    let mut walk = Walk::new();
    for (name, value) in sorted(map) {
        walk.value(&escape(name), value)?;
    }
    Ok(walk.finish().1)
}

/// The order in which inputs enter a key and reach a runner: by role, digest, then attributes.
/// Gives indices into `inputs`.
pub fn canonical_order(inputs: &[ResolvedInput]) -> Result<Vec<usize>, NoEncoding> {
    let mut decorated = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let attributes = facts_of(&input.attributes)?;
        decorated.push((&input.role, input.digest, attributes, index));
    }
    decorated.sort();
    Ok(decorated.into_iter().map(|(.., index)| index).collect())
}

/// Kind as the key sees it.
impl Kind {
    /// `samples v1`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }
}

enum Leaf<'a> {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
    Digest(Digest),
    EmptyList,
    EmptyMap,
}

struct Walk {
    hasher: blake3::Hasher,
    facts: Vec<Fact>,
}

impl Walk {
    fn new() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(DOMAIN), facts: Vec::new() }
    }

    fn finish(self) -> (Key, Vec<Fact>) {
        (Key::from_bytes(*self.hasher.finalize().as_bytes()), self.facts)
    }

    fn leaf(&mut self, path: &str, leaf: Leaf<'_>) {
        let (tag, bytes, text): (u8, Vec<u8>, String) = match leaf {
            Leaf::Bool(value) => (1, vec![u8::from(value)], value.to_string()),
            Leaf::Integer(value) => (2, value.to_le_bytes().to_vec(), value.to_string()),
            Leaf::Float(value) => {
                (3, (value + 0.0).to_bits().to_le_bytes().to_vec(), value.to_string())
            }
            Leaf::Text(value) => (4, value.as_bytes().to_vec(), value.to_owned()),
            Leaf::Digest(value) => (5, value.as_bytes().to_vec(), value.to_hex()),
            Leaf::EmptyList => (6, Vec::new(), "[]".to_owned()),
            Leaf::EmptyMap => (7, Vec::new(), "{}".to_owned()),
        };
        self.length_prefixed(path.as_bytes());
        self.hasher.update(&[tag]);
        self.length_prefixed(&bytes);
        self.facts.push(Fact { path: path.to_owned(), value: text });
    }

    fn length_prefixed(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    fn map(&mut self, path: &str, map: &Map<String, Value>) -> Result<(), NoEncoding> {
        if map.is_empty() {
            self.leaf(path, Leaf::EmptyMap);
        }
        for (name, value) in sorted(map) {
            self.value(&format!("{path}.{}", escape(name)), value)?;
        }
        Ok(())
    }

    fn value(&mut self, path: &str, value: &Value) -> Result<(), NoEncoding> {
        let no = |what| NoEncoding { path: path.to_owned(), what };
        match value {
            Value::Null => return Err(no("a null (perhaps a number that is not finite)")),
            Value::Bool(value) => self.leaf(path, Leaf::Bool(*value)),
            Value::Number(number) => {
                if let Some(integer) = number.as_i128() {
                    self.leaf(path, Leaf::Integer(integer));
                } else {
                    let float = number.as_f64().filter(|float| float.is_finite());
                    self.leaf(path, Leaf::Float(float.ok_or_else(|| no("not a finite number"))?));
                }
            }
            Value::String(text) => self.leaf(path, Leaf::Text(text)),
            Value::Array(list) if list.is_empty() => self.leaf(path, Leaf::EmptyList),
            Value::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), item)?;
                }
            }
            Value::Object(map) => self.map(path, map)?,
        }
        Ok(())
    }
}

/// Entries by name: the order in which a struct declares its fields must not matter.
fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
}

/// Dots and brackets separate a path's parts, so those inside a name are escaped: no two values
/// share facts.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.").replace('[', "\\[")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    fn key_of(params: Value) -> Key {
        let params = object(params);
        let outputs = ["out"];
        Preimage { kind: "test", version: 1, params: &params, inputs: &[], outputs: &outputs }
            .key()
            .expect("encodable")
            .0
    }

    #[test]
    fn different_values_have_different_keys() {
        let variants = [
            json!({}),
            json!({"a": 1}),
            json!({"a": 1.0}),
            json!({"a": "1"}),
            json!({"a": true}),
            json!({"a": [1]}),
            json!({"a": {"0": 1}}),
            json!({"a": []}),
            json!({"a": {}}),
            json!({"a[0]": 1}),
            json!({"a.b": 1}),
            json!({"a": {"b": 1}}),
            json!({"a\\.b": 1}),
            json!({"b": 1}),
            json!({"a": [1, 2]}),
            json!({"a": [2, 1]}),
        ];
        for (i, left) in variants.iter().enumerate() {
            for right in &variants[i + 1..] {
                assert_ne!(key_of(left.clone()), key_of(right.clone()), "{left} and {right}");
            }
        }
    }

    #[test]
    fn declaration_order_does_not_matter() {
        assert_eq!(key_of(json!({"a": 1, "b": 2})), key_of(json!({"b": 2, "a": 1})));
        assert_eq!(key_of(json!({"a": -0.0})), key_of(json!({"a": 0.0})));
    }

    #[test]
    fn what_has_no_encoding_is_refused() {
        for value in [json!({"a": null}), json!({"a": [1, null]}), json!({"a": {"b": f64::NAN}})] {
            let params = object(value);
            let preimage =
                Preimage { kind: "t", version: 1, params: &params, inputs: &[], outputs: &[] };
            assert!(preimage.key().is_err(), "{params:?}");
        }
    }

    #[test]
    fn the_key_of_a_known_action_is_fixed() {
        // Published format: a change of this value makes every store of every user stale.
        let input = ResolvedInput {
            role: "source".into(),
            digest: Digest::of(b"text"),
            attributes: object(json!({"weight": 0.25})),
        };
        let params = object(json!({"min-chars": 1000, "block": "first"}));
        let outputs = ["train.arrow"];
        let inputs = [&input];
        let preimage = Preimage {
            kind: "samples",
            version: 1,
            params: &params,
            inputs: &inputs,
            outputs: &outputs,
        };
        let (key, facts) = preimage.key().expect("encodable");
        assert_eq!(facts.len(), 8);
        assert_eq!(key.to_hex(), PUBLISHED);
    }

    const PUBLISHED: &str = "a5748b688d5f1f118d87b162098a1a7c358fc59be8cf12908f4eb1a199442865";

    proptest! {
        #[test]
        fn order_of_inputs_does_not_matter(bytes in prop::collection::vec(any::<u8>(), 1..8), turn in 0usize..8) {
            let mut inputs: Vec<_> = bytes.iter().map(|byte| ResolvedInput {
                role: if byte % 2 == 0 { "even" } else { "odd" }.into(),
                digest: Digest::of(&[byte / 2]),
                attributes: object(json!({"byte": byte})),
            }).collect();
            let key = |inputs: &[ResolvedInput]| {
                let order = canonical_order(inputs).expect("encodable");
                let sorted: Vec<_> = order.iter().map(|&i| &inputs[i]).collect();
                Preimage { kind: "k", version: 1, params: &Map::new(), inputs: &sorted, outputs: &[] }
                    .key().expect("encodable").0
            };
            let before = key(&inputs);
            let middle = turn % inputs.len();
            inputs.rotate_left(middle);
            prop_assert_eq!(before, key(&inputs));
        }
    }
}
