//! The values in two artifacts of one kind, and which of them differ.

use std::path::Path;

use mixmake_core::Digest;
use serde::Serialize;
use serde_json::Value;

use super::side::Side;
use crate::artifact::{self, Losses, MixtureArtifact, Weights};
use crate::stage::{mixture, samples, shards, train};
use crate::table::names::DomainNames;

/// A named value, on either side where it has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueChange {
    /// `perplexity` or `weight`, or the path in the artifact.
    pub measure: String,
    /// Empty for a value that is not of one domain.
    pub domain: String,
    pub old: Option<f64>,
    pub new: Option<f64>,
}

struct Measured {
    measure: String,
    domain: String,
    value: f64,
}

/// The values of an output that differ; none of outputs that are not made of values.
#[must_use]
pub fn changes(old: (&Side, Digest), new: (&Side, Digest), output: &str) -> Vec<ValueChange> {
    let (old, new) = (read(old, output), read(new, output));
    let mut changes: Vec<ValueChange> = Vec::new();
    for value in &old {
        let twin = new.iter().find(|other| is_same(value, other)).map(|other| other.value);
        changes.push(change(value, Some(value.value), twin));
    }
    for value in new.iter().filter(|value| !old.iter().any(|other| is_same(value, other))) {
        changes.push(change(value, None, Some(value.value)));
    }
    changes.retain(|change| change.old != change.new);
    changes
}

fn is_same(one: &Measured, other: &Measured) -> bool {
    one.measure == other.measure && one.domain == other.domain
}

fn change(value: &Measured, old: Option<f64>, new: Option<f64>) -> ValueChange {
    let (measure, domain) = (value.measure.clone(), value.domain.clone());
    ValueChange { measure, domain, old, new }
}

fn read((side, digest): (&Side, Digest), output: &str) -> Vec<Measured> {
    let path = side.workspace.store.object_path(digest);
    let names = &side.names;
    let values = match output {
        train::LOSSES => losses(&path, names),
        mixture::WEIGHTS => weights(&path, names),
        mixture::OUTPUT => amounts(&path, names),
        samples::STATS => leaves(&path),
        _ if [shards::TRAIN.facts, shards::HELD_OUT.facts].contains(&output) => leaves(&path),
        _ => None,
    };
    values.unwrap_or_default()
}

fn of_domain(measure: &str, domain: String, value: f64) -> Measured {
    Measured { measure: measure.to_owned(), domain, value }
}

/// Final perplexity of every domain, in the order of the manifest.
fn losses(path: &Path, names: &DomainNames) -> Option<Vec<Measured>> {
    let losses: Losses = artifact::read(path).ok()?;
    let mut rows: Vec<_> = losses.last().collect();
    rows.sort_by_key(|row| names.place(&row.held_out));
    let perplexity = |row: &&artifact::LossRow| {
        of_domain("perplexity", names.name(&row.held_out), row.loss.exp())
    };
    let mut values: Vec<_> = rows.iter().map(perplexity).collect();
    values.push(of_domain("tokens", String::new(), losses.tokens as f64));
    Some(values)
}

fn weights(path: &Path, names: &DomainNames) -> Option<Vec<Measured>> {
    let mut found: Weights = artifact::read(path).ok()?;
    found.weights.sort_by_key(|weight| names.place(&weight.shard));
    let weight =
        |each: &artifact::ShardWeight| of_domain("weight", names.name(&each.shard), each.weight);
    Some(found.weights.iter().map(weight).collect())
}

fn amounts(path: &Path, names: &DomainNames) -> Option<Vec<Measured>> {
    let mut found: MixtureArtifact = artifact::read(path).ok()?;
    found.mixture.parts.sort_by_key(|part| names.place(&part.shard));
    let tokens = |part: &mixmake_data::mixture::Part| {
        of_domain("tokens", names.name(&part.shard), part.tokens as f64)
    };
    Some(found.mixture.parts.iter().map(tokens).collect())
}

/// Every number of a JSON object, by its path.
fn leaves(path: &Path) -> Option<Vec<Measured>> {
    fn walk(path: &str, value: &Value, values: &mut Vec<Measured>) {
        match value {
            Value::Number(number) => values.push(Measured {
                measure: path.to_owned(),
                domain: String::new(),
                value: number.as_f64().unwrap_or(f64::NAN),
            }),
            Value::Object(map) => {
                for (name, value) in map {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, value, values);
                }
            }
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => {}
        }
    }
    let mut values = Vec::new();
    walk("", &artifact::read::<Value>(path).ok()?, &mut values);
    Some(values)
}
