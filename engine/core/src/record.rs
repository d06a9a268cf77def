//! The small files of the store that are not objects: results and requests.
//!
//! Each is one header line with the BLAKE3 of the JSON below it, so that a flipped bit is found
//! on read and never believed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::{Digest, Key};

/// A record that cannot be believed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("damaged record: {0}")]
pub struct Damaged(pub String);

/// What running an action gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    pub key: Key,
    pub kind: String,
    pub version: u32,
    pub outputs: Vec<OutputRecord>,
    pub receipt: Receipt,
}

impl ActionResult {
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&OutputRecord> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

/// One artifact of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    pub name: String,
    pub digest: Digest,
    pub bytes: u64,
    /// Never collected as garbage.
    #[serde(default)]
    pub keep: bool,
}

/// That an object is a measurement, beside the results: it stays even if its result is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub digest: Digest,
    pub bytes: u64,
    /// What first gave it.
    pub key: Key,
    pub output: String,
}

/// What was observed while running: never part of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub started_unix_seconds: u64,
    pub wall_seconds: f64,
    pub host: String,
    pub program: String,
    /// What the runner adds: device, library versions, numerics, counts.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

/// All that a process needs to run one action, stored beside its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub key: Key,
    pub kind: String,
    pub version: u32,
    pub params: Map<String, Value>,
    /// In canonical order.
    pub inputs: Vec<RequestInput>,
    pub outputs: Vec<RequestOutput>,
    /// For messages only.
    pub target: String,
    /// What the graph advises; not part of the key.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub advice: Map<String, Value>,
}

/// An input of a [`Request`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestInput {
    pub role: String,
    pub digest: Digest,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// What people call it, where that is neither a target nor a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the bytes are, when they are outside the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<RequestFile>,
}

/// An external file as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFile {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified_nanos: i128,
}

/// An output that a [`Request`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestOutput {
    pub name: String,
    pub keep: bool,
}

/// A type with a magic word of its own.
pub trait Record: Serialize + DeserializeOwned {
    const MAGIC: &'static str;
}

impl Record for ActionResult {
    const MAGIC: &'static str = "mixmake-result 1";
}

impl Record for Kept {
    const MAGIC: &'static str = "mixmake-kept 1";
}

impl Record for Request {
    const MAGIC: &'static str = "mixmake-request 1";
}

/// The bytes of a record's file.
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, serde_json::Error> {
    Ok(seal(R::MAGIC, &serde_json::to_vec(record)?))
}

/// A file of one header line, with the magic word and the digest of `body`, above `body`.
#[must_use]
pub fn seal(magic: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{magic} {}\n", Digest::of(body)).into_bytes();
    bytes.extend_from_slice(body);
    bytes.push(b'\n');
    bytes
}

/// The record in a file's bytes, if every bit is as it was written.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, Damaged> {
    serde_json::from_slice(unseal(R::MAGIC, bytes)?).map_err(|error| Damaged(error.to_string()))
}

/// What [`seal`] was given, if every bit is as it was written.
pub fn unseal<'a>(magic: &str, bytes: &'a [u8]) -> Result<&'a [u8], Damaged> {
    let damaged = |what: &str| Damaged(what.to_owned());
    if !bytes.starts_with(magic.as_bytes()) {
        return Err(Damaged(format!("expected `{magic}`")));
    }
    let newline = bytes.iter().position(|&byte| byte == b'\n').ok_or(damaged("no header line"))?;
    let body = bytes[newline + 1..].strip_suffix(b"\n").ok_or(damaged("cut short"))?;
    if bytes[..newline] != *format!("{magic} {}", Digest::of(body)).as_bytes() {
        return Err(damaged("its digest does not match its content"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result() -> ActionResult {
        ActionResult {
            key: Key::from_bytes([7; 32]),
            kind: "shards".into(),
            version: 1,
            outputs: vec![OutputRecord {
                name: "train.bin".into(),
                digest: Digest::of(b"x"),
                bytes: 1,
                keep: true,
            }],
            receipt: Receipt::default(),
        }
    }

    #[test]
    fn round_trip() {
        let bytes = encode(&result()).expect("encoded");
        assert_eq!(decode::<ActionResult>(&bytes), Ok(result()));
        assert!(decode::<Request>(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_found(position in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = encode(&result()).expect("encoded");
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            prop_assert!(decode::<ActionResult>(&bytes).is_err());
        }

        /// A request whose numbers came back one bit off would not give its own key.
        #[test]
        fn numbers_survive(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let params = serde_json::json!({ "weight": value });
            let request = Request {
                key: Key::from_bytes([1; 32]),
                kind: "mixture".into(),
                version: 1,
                params: params.as_object().cloned().unwrap_or_default(),
                inputs: vec![],
                outputs: vec![],
                target: "mixture/a".into(),
                advice: serde_json::Map::new(),
            };
            let read = decode::<Request>(&encode(&request).expect("encoded")).expect("decoded");
            let bits = |request: &Request| request.params["weight"].as_f64().map(f64::to_bits);
            prop_assert_eq!(bits(&read), bits(&request));
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode::<ActionResult>(&bytes).is_err());
        }
    }
}
