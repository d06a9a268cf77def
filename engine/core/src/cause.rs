//! Why an action would run: the difference between what its key was made of and what it is made
//! of now.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::key::Fact;
use crate::memory::{FileStamp, Snapshot, SnapshotInput};

/// Why an action is not up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// This workspace has never had the target.
    New,
    /// Its key changed.
    Changed { changes: Vec<Change> },
    /// Its key is the same, but the store no longer has its result.
    ResultLost,
    /// Its result is known, but bytes it needs are gone or damaged.
    ObjectLost { output: String },
    /// Its key is not known until these targets are made.
    Waits { on: Vec<String> },
}

/// One difference between two keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "what")]
pub enum Change {
    Kind {
        old: String,
        new: String,
    },
    Parameter {
        path: String,
        old: Option<String>,
        new: Option<String>,
        origin: Option<String>,
    },
    Input {
        role: String,
        label: String,
        old: Option<Digest>,
        new: Option<Digest>,
        /// Of a file outside the store.
        #[serde(skip_serializing_if = "Option::is_none")]
        old_file: Option<FileStamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        new_file: Option<FileStamp>,
    },
    Attribute {
        label: String,
        path: String,
        old: Option<String>,
        new: Option<String>,
        origin: Option<String>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(unset)".to_owned());
        match self {
            Self::Kind { old, new } => write!(f, "what the action does changed: {old} -> {new}"),
            Self::Parameter { path, old, new, origin } => {
                write!(f, "{path}: {} -> {}", text(old), text(new))?;
                origin.as_ref().map_or(Ok(()), |origin| write!(f, " ({origin})"))
            }
            Self::Attribute { label, path, old, new, origin } => {
                write!(f, "{path} of {label}: {} -> {}", text(old), text(new))?;
                origin.as_ref().map_or(Ok(()), |origin| write!(f, " ({origin})"))
            }
            Self::Input { role, label, old: None, .. } => write!(f, "{role} added: {label}"),
            Self::Input { role, label, new: None, .. } => write!(f, "{role} removed: {label}"),
            Self::Input { role, label, .. } => write!(f, "{role} changed: {label}"),
        }
    }
}

/// What differs from `old` to `new`; `origins` locates parameters of the new one.
#[must_use]
pub fn differences(
    old: &Snapshot,
    new: &Snapshot,
    origins: &BTreeMap<String, String>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.kind != new.kind {
        changes.push(Change::Kind { old: old.kind.clone(), new: new.kind.clone() });
    }
    for (path, before, after) in fact_differences(&old.params, &new.params) {
        let origin = origin_of(&path, origins);
        changes.push(Change::Parameter { path, old: before, new: after, origin });
    }
    changes.extend(input_differences(&old.inputs, &new.inputs, origins));
    changes
}

/// The origin of a path or of the value it is part of.
fn origin_of(path: &str, origins: &BTreeMap<String, String>) -> Option<String> {
    let mut prefix = path;
    loop {
        if let Some(origin) = origins.get(prefix) {
            return Some(origin.clone());
        }
        prefix = &prefix[..prefix.rfind(['.', '['])?];
    }
}

type Difference = (String, Option<String>, Option<String>);

fn fact_differences(old: &[Fact], new: &[Fact]) -> Vec<Difference> {
    let map = |facts: &[Fact]| -> BTreeMap<String, String> {
        facts.iter().map(|fact| (fact.path.clone(), fact.value.clone())).collect()
    };
    let (old, new) = (map(old), map(new));
    union(old.keys(), new.keys())
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| (path.clone(), old.get(path).cloned(), new.get(path).cloned()))
        .collect()
}

fn input_differences(
    old: &[SnapshotInput],
    new: &[SnapshotInput],
    origins: &BTreeMap<String, String>,
) -> Vec<Change> {
    type Name = (String, String);
    let map = |inputs: &[SnapshotInput]| -> BTreeMap<Name, SnapshotInput> {
        let name = |input: &SnapshotInput| (input.role.clone(), input.label.clone());
        inputs.iter().map(|input| (name(input), input.clone())).collect()
    };
    let (old, new) = (map(old), map(new));
    let mut changes = Vec::new();
    for name in union(old.keys(), new.keys()) {
        let (before, after) = (old.get(name), new.get(name));
        let (role, label) = name.clone();
        let digests = (before.map(|input| input.digest), after.map(|input| input.digest));
        if digests.0 != digests.1 {
            let (old, new) = digests;
            let stamp = |input: Option<&SnapshotInput>| input.and_then(|input| input.file);
            let (old_file, new_file) = (stamp(before), stamp(after));
            let label = label.clone();
            changes.push(Change::Input { role, label, old, new, old_file, new_file });
        }
        if let (Some(before), Some(after)) = (before, after) {
            for (path, old, new) in fact_differences(&before.attributes, &after.attributes) {
                let origin = origin_of(&format!("{label}:{path}"), origins)
                    .or_else(|| origin_of(&path, origins));
                changes.push(Change::Attribute { label: label.clone(), path, old, new, origin });
            }
        }
    }
    changes
}

/// Both key sets, each name once, in order.
fn union<'a, T: Ord + 'a>(
    left: impl Iterator<Item = &'a T>,
    right: impl Iterator<Item = &'a T>,
) -> impl Iterator<Item = &'a T> {
    left.chain(right).collect::<std::collections::BTreeSet<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Key;

    fn snapshot(min_chars: &str, text: &[u8]) -> Snapshot {
        Snapshot {
            key: Key::from_bytes([0; 32]),
            kind: "samples v1".into(),
            params: vec![Fact { path: "min-chars".into(), value: min_chars.into() }],
            inputs: vec![SnapshotInput {
                role: "source".into(),
                label: "a.jsonl".into(),
                digest: Digest::of(text),
                attributes: vec![],
                file: None,
            }],
        }
    }

    #[test]
    fn a_changed_field_is_named_with_its_place() {
        let origins = [("min-chars".to_owned(), "domain.c4.min-chars, m.toml:7".to_owned())].into();
        let changes = differences(&snapshot("100", b"a"), &snapshot("200", b"a"), &origins);
        let text: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["min-chars: 100 -> 200 (domain.c4.min-chars, m.toml:7)"]);
    }

    #[test]
    fn a_changed_file_is_named() {
        let changes = differences(&snapshot("1", b"a"), &snapshot("1", b"b"), &BTreeMap::new());
        let text: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["source changed: a.jsonl"]);
        assert_eq!(differences(&snapshot("1", b"a"), &snapshot("1", b"a"), &BTreeMap::new()), []);
    }
}
