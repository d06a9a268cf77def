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

use std::borrow::Cow;
use std::fmt::Write as _;

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResolvedInput<'a> {
    pub role: &'a str,
    pub digest: Digest,
    pub attributes: &'a Map<String, Value>,
}

/// What a key is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Preimage<'a> {
    pub kind: &'a str,
    pub version: u32,
    pub params: &'a Map<String, Value>,
    /// In canonical order, see [`canonical_order`].
    pub inputs: &'a [ResolvedInput<'a>],
    pub outputs: &'a [&'a str],
}

impl Preimage<'_> {
    /// The key.
    pub fn key(&self) -> Result<Key, NoEncoding> {
        let mut hashing = Hashing::new();
        self.walk(&mut hashing)?;
        Ok(hashing.finish())
    }

    /// The facts that the key is computed from: the same walk, for people.
    pub fn facts(&self) -> Result<Vec<Fact>, NoEncoding> {
        let mut facts = Vec::new();
        self.walk(&mut facts)?;
        Ok(facts)
    }

    fn walk(&self, sink: &mut dyn Sink) -> Result<(), NoEncoding> {
        let mut walk = Walk { sink, path: String::new() };
        walk.at("kind", |walk| walk.leaf(Leaf::Text(self.kind)));
        walk.at("version", |walk| walk.leaf(Leaf::Integer(i128::from(self.version))));
        walk.at("params", |walk| walk.map(self.params))?;
        for (index, input) in self.inputs.iter().enumerate() {
            walk.numbered("input.", index, |walk| {
                walk.at(".role", |walk| walk.leaf(Leaf::Text(input.role)));
                walk.at(".digest", |walk| walk.leaf(Leaf::Digest(input.digest)));
                walk.at(".attributes", |walk| walk.map(input.attributes))
            })?;
        }
        for (index, output) in self.outputs.iter().enumerate() {
            walk.numbered("output.", index, |walk| walk.leaf(Leaf::Text(output)));
        }
        Ok(())
    }
}

/// The names of `outputs`, as they enter the key.
#[must_use]
pub fn output_names(outputs: &[OutputSpec]) -> Vec<&str> {
    outputs.iter().map(|output| &*output.name).collect()
}

/// The facts of one JSON object, for explanations of parameters and attributes.
pub fn facts_of(map: &Map<String, Value>) -> Result<Vec<Fact>, NoEncoding> {
    let mut facts = Vec::new();
    let mut walk = Walk { sink: &mut facts, path: String::new() };
    for (name, value) in sorted(map) {
        walk.at(&escape(name), |walk| walk.value(value))?;
    }
    Ok(facts)
}

/// The order in which inputs enter a key and reach a runner: by role, digest, then attributes.
/// Gives indices into `inputs`.
pub fn canonical_order(inputs: &[ResolvedInput<'_>]) -> Result<Vec<usize>, NoEncoding> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    let content = |index: &usize| (inputs[*index].role, inputs[*index].digest);
    order.sort_by_key(content);
    // Attributes are asked only of inputs with the same content, which are few.
    for same in order.chunk_by_mut(|one, other| content(one) == content(other)) {
        if same.len() > 1 {
            let mut facts = Vec::with_capacity(same.len());
            for &index in same.iter() {
                facts.push((facts_of(inputs[index].attributes)?, index));
            }
            facts.sort();
            same.iter_mut().zip(facts).for_each(|(place, (_, index))| *place = index);
        }
    }
    Ok(order)
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

/// What becomes of the leaves of a walk.
trait Sink {
    fn leaf(&mut self, path: &str, leaf: &Leaf<'_>);
}

/// The explanation.
impl Sink for Vec<Fact> {
    fn leaf(&mut self, path: &str, leaf: &Leaf<'_>) {
        let value = match leaf {
            Leaf::Bool(value) => value.to_string(),
            Leaf::Integer(value) => value.to_string(),
            Leaf::Float(value) => value.to_string(),
            Leaf::Text(value) => (*value).to_owned(),
            Leaf::Digest(value) => value.to_hex(),
            Leaf::EmptyList => "[]".to_owned(),
            Leaf::EmptyMap => "{}".to_owned(),
        };
        self.push(Fact { path: path.to_owned(), value });
    }
}

/// The key. Bytes are gathered first: many small updates would cost more than the hash.
struct Hashing {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

/// How much is gathered at a time.
const GATHERED: usize = 1 << 16;

impl Hashing {
    fn new() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(DOMAIN), gathered: Vec::new() }
    }

    fn finish(mut self) -> Key {
        self.hasher.update(&self.gathered);
        Key::from_bytes(*self.hasher.finalize().as_bytes())
    }

    fn length_prefixed(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.gathered.extend_from_slice(bytes);
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.gathered.push(tag);
        self.length_prefixed(bytes);
    }
}

impl Sink for Hashing {
    fn leaf(&mut self, path: &str, leaf: &Leaf<'_>) {
        self.length_prefixed(path.as_bytes());
        match leaf {
            Leaf::Bool(value) => self.tagged(1, &[u8::from(*value)]),
            Leaf::Integer(value) => self.tagged(2, &value.to_le_bytes()),
            Leaf::Float(value) => self.tagged(3, &(value + 0.0).to_bits().to_le_bytes()),
            Leaf::Text(value) => self.tagged(4, value.as_bytes()),
            Leaf::Digest(value) => self.tagged(5, value.as_bytes()),
            Leaf::EmptyList => self.tagged(6, &[]),
            Leaf::EmptyMap => self.tagged(7, &[]),
        }
        if self.gathered.len() >= GATHERED {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }
}

/// The one walk over what decides an output; it knows where it is, and its sink takes the leaves.
struct Walk<'s> {
    sink: &'s mut dyn Sink,
    path: String,
}

impl Walk<'_> {
    /// Goes one part further down.
    fn at<T>(&mut self, part: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        self.path.push_str(part);
        let result = inside(self);
        self.path.truncate(before);
        result
    }

    fn numbered<T>(&mut self, part: &str, index: usize, inside: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        // Writing to a string cannot fail.
        let _ = write!(self.path, "{part}{index}");
        let result = inside(self);
        self.path.truncate(before);
        result
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.sink.leaf(&self.path, &leaf);
    }

    fn map(&mut self, map: &Map<String, Value>) -> Result<(), NoEncoding> {
        if map.is_empty() {
            self.leaf(Leaf::EmptyMap);
        }
        for (name, value) in sorted(map) {
            self.at(".", |walk| walk.at(&escape(name), |walk| walk.value(value)))?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), NoEncoding> {
        match value {
            Value::Null => return Err(self.no("a null (perhaps a number that is not finite)")),
            Value::Bool(value) => self.leaf(Leaf::Bool(*value)),
            Value::Number(number) => {
                if let Some(integer) = number.as_i128() {
                    self.leaf(Leaf::Integer(integer));
                } else {
                    let float = number.as_f64().filter(|float| float.is_finite());
                    let float = float.ok_or_else(|| self.no("not a finite number"))?;
                    self.leaf(Leaf::Float(float));
                }
            }
            Value::String(text) => self.leaf(Leaf::Text(text)),
            Value::Array(list) if list.is_empty() => self.leaf(Leaf::EmptyList),
            Value::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.numbered("[", index, |walk| walk.at("]", |walk| walk.value(item)))?;
                }
            }
            Value::Object(map) => self.map(map)?,
        }
        Ok(())
    }

    fn no(&self, what: &'static str) -> NoEncoding {
        NoEncoding { path: self.path.clone(), what }
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
fn escape(name: &str) -> Cow<'_, str> {
    if !name.contains(['\\', '.', '[']) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(escaped(name))
}

fn escaped(name: &str) -> String {
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
        let attributes = object(json!({"weight": 0.25}));
        let input =
            ResolvedInput { role: "source", digest: Digest::of(b"text"), attributes: &attributes };
        let params = object(json!({"min-chars": 1000, "block": "first"}));
        let outputs = ["train.arrow"];
        let inputs = [input];
        let preimage = Preimage {
            kind: "samples",
            version: 1,
            params: &params,
            inputs: &inputs,
            outputs: &outputs,
        };
        assert_eq!(preimage.facts().expect("encodable").len(), 8);
        assert_eq!(preimage.key().expect("encodable").to_hex(), PUBLISHED);
    }

    const PUBLISHED: &str = "a5748b688d5f1f118d87b162098a1a7c358fc59be8cf12908f4eb1a199442865";

    proptest! {
        #[test]
        fn order_of_inputs_does_not_matter(bytes in prop::collection::vec(any::<u8>(), 1..8), turn in 0usize..8) {
            let attributes: Vec<_> = bytes.iter().map(|byte| object(json!({"byte": byte}))).collect();
            let mut inputs: Vec<_> = bytes.iter().zip(&attributes).map(|(byte, attributes)| ResolvedInput {
                role: if byte % 2 == 0 { "even" } else { "odd" },
                digest: Digest::of(&[byte / 2]),
                attributes,
            }).collect();
            let key = |inputs: &[ResolvedInput]| {
                let order = canonical_order(inputs).expect("encodable");
                let sorted: Vec<_> = order.iter().map(|&i| inputs[i]).collect();
                Preimage { kind: "k", version: 1, params: &Map::new(), inputs: &sorted, outputs: &[] }
                    .key().expect("encodable")
            };
            let before = key(&inputs);
            let middle = turn % inputs.len();
            inputs.rotate_left(middle);
            prop_assert_eq!(before, key(&inputs));
        }
    }
}
