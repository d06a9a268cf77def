//! Actions: one step with declared inputs, parameters and outputs.
//!
//! An action says what decides its output; it does not know how the work is done.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::graph::{ActionId, FileId};

/// What an action does, and the version of what that means. A change of the code that changes
/// outputs must raise the version; it is part of every key of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub version: u32,
}

/// How an action is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Milliseconds: inside the calling process.
    Light,
    /// A command that its runner starts from the calling process: it is a process already.
    Command,
    /// Anything more: in a process that serves such actions one after the other, so that a crash costs one of them.
    Heavy,
    /// In a process of its own, `mixmake exec KEY`: it takes a device, or a library that others do without.
    Alone,
}

/// One step of the build.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name for people and for `out/`; never part of the key.
    pub target: String,
    pub kind: Kind,
    /// Everything but the inputs that decides the output: a JSON object without nulls.
    pub params: Map<String, Value>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<OutputSpec>,
    pub cost: Cost,
    /// Processor threads it keeps busy, or that a heavy one is worth where there are as many; `usize::MAX` of one that is to run
    /// alone. A scheduling hint, never part of the key.
    pub threads: usize,
    /// A pool of exclusive devices it takes one of (`"gpu"`); never part of the key.
    pub pool: Option<&'static str>,
    /// Where parameters come from, by their path (`min-chars` to `domain.c4.min-chars`, line 7);
    /// for explanations only, never part of the key.
    pub origins: BTreeMap<String, String>,
}

/// Something an action reads.
#[derive(Debug, Clone)]
pub struct Input {
    /// What it is to the action. Inputs of one role form a set: their order is that of their
    /// digests, not of the manifest.
    pub role: &'static str,
    pub source: Source,
    /// Facts that belong to this input alone (a weight, say); part of the key.
    pub attributes: Map<String, Value>,
}

/// Where an input's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file outside the store.
    File(FileId),
    /// A named output of another action.
    Output(ActionId, Cow<'static, str>),
}

impl Source {
    /// The output `name` of `action`.
    pub fn output(action: ActionId, name: impl Into<Cow<'static, str>>) -> Self {
        Self::Output(action, name.into())
    }
}

/// Something an action makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// File name under `out/<target>/`.
    pub name: Cow<'static, str>,
    /// Never collected as garbage: measurements that cost real time.
    pub keep: bool,
}

impl OutputSpec {
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), keep: false }
    }

    #[must_use]
    pub const fn kept(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), keep: true }
    }
}

/// Parameters that cannot enter a key.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    #[error("parameters must serialise to an object, got {0}")]
    NotAnObject(Value),
    #[error("parameters cannot be serialised: {0}")]
    Serialize(#[from] serde_json::Error),
}

/// Parameters of an action from a typed, serialisable struct, the one that its runner reads back.
pub fn params<T: Serialize>(params: &T) -> Result<Map<String, Value>, ParamsError> {
    match serde_json::to_value(params)? {
        Value::Object(map) => Ok(map),
        other => Err(ParamsError::NotAnObject(other)),
    }
}
