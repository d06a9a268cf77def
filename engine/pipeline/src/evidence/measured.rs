//! Loss rows that trainings of any manifest left in a store, with the names by which people know them.

use std::collections::{BTreeMap, HashMap};

use mixmake_core::Store;
use mixmake_core::digest::Key;
use mixmake_core::record::{self, ActionResult, Receipt, Request};

use crate::artifact::{self, Losses};
use crate::error::Result;
use crate::stage::{shards, train};
use crate::table::names::DomainNames;

/// One training with its losses.
#[derive(Debug, Clone)]
pub struct Training {
    /// `train/uniform`; the start of the key where nobody remembers its name.
    pub target: String,
    pub key: Key,
    pub losses: Losses,
    pub receipt: Receipt,
    /// Names that only a manifest knows; absent for trainings of others.
    pub recipe: Option<String>,
    pub mixture: Option<String>,
}

/// Every training of the store whose losses are there, by target and key; and how many have lost them.
///
/// # Errors
/// A store that cannot be listed.
pub fn all(store: &Store) -> Result<(Vec<Training>, usize)> {
    let (mut found, mut lost) = (Vec::new(), 0);
    for result in results(store, train::KIND.name)? {
        match read(store, &result) {
            Some(losses) => found.push(Training {
                target: request(store, result.key)
                    .map_or_else(|| result.key.short(), |request| request.target),
                key: result.key,
                losses,
                receipt: result.receipt,
                recipe: None,
                mixture: None,
            }),
            None => lost += 1,
        }
    }
    found.sort_by(|one, other| {
        (&one.target, one.key.to_hex()).cmp(&(&other.target, other.key.to_hex()))
    });
    Ok((found, lost))
}

/// The results of one kind.
fn results(store: &Store, kind: &str) -> Result<Vec<ActionResult>> {
    let mut results = Vec::new();
    for (name, _) in store.list("results")? {
        let Ok(key) = name.parse::<Key>() else { continue };
        results.extend(store.result(key)?.filter(|result| result.kind == kind));
    }
    Ok(results)
}

/// The losses of a training's result, where they are.
#[must_use]
pub fn read(store: &Store, result: &ActionResult) -> Option<Losses> {
    let output = result.output(train::LOSSES)?;
    artifact::read_object(store, output.digest).ok()
}

/// What a key was asked for, where it is still remembered.
fn request(store: &Store, key: Key) -> Option<Request> {
    let bytes = std::fs::read(store.request_path(key)).ok()?;
    record::decode(&bytes).ok()
}

/// Names of all shards that any manifest made in this store; the names in `known` count first.
///
/// # Errors
/// A store that cannot be listed.
pub fn names(store: &Store, mut known: DomainNames) -> Result<DomainNames> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for result in results(store, shards::KIND.name)? {
        let Some(request) = request(store, result.key) else { continue };
        let Some(domain) = request.target.strip_prefix("shards/") else { continue };
        let digests = named.entry(domain.to_owned()).or_default();
        for split in [shards::TRAIN, shards::HELD_OUT] {
            let output = result.output(split.facts);
            let facts = output.and_then(|output| {
                artifact::read_object::<artifact::ShardFacts>(store, output.digest).ok()
            });
            digests.extend(facts.map(|facts| facts.bin));
        }
    }
    for (domain, digests) in named {
        known.learn(&domain, digests);
    }
    Ok(known)
}

/// Gives trainings that the manifest has the names it has for them.
pub fn rename(
    trainings: &mut [Training],
    current: &HashMap<Key, (String, Option<String>, Option<String>)>,
) {
    for training in trainings {
        if let Some((target, mixture, recipe)) = current.get(&training.key) {
            training.target.clone_from(target);
            training.mixture.clone_from(mixture);
            training.recipe.clone_from(recipe);
        }
    }
}
