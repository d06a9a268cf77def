//! Which domain a shard is: artifacts know shards by digest, people know domains by name.

use std::collections::HashMap;
use std::sync::Arc;

use mixmake_core::record::ActionResult;

use crate::artifact::{self, ShardFacts};
use crate::stage::shards::{HELD_OUT, Split, TRAIN};
use crate::workspace::Workspace;

/// Names of domains by the digests of their shards, as far as they are built.
#[derive(Debug, Default)]
pub struct DomainNames {
    /// Place in the manifest and name.
    by_digest: HashMap<String, (usize, String)>,
}

impl DomainNames {
    /// Looks both splits of every domain up in the store.
    #[must_use]
    pub fn of(workspace: &Workspace, results: &[Option<Arc<ActionResult>>]) -> Self {
        let mut by_digest = HashMap::new();
        let domains = workspace.manifest.domains.iter().zip(&workspace.staged.shards);
        for (place, (domain, shard)) in domains.enumerate() {
            let Some(result) = results.get(shard.0).and_then(Option::as_ref) else { continue };
            for split in [TRAIN, HELD_OUT] {
                if let Some(facts) = facts(workspace, result, split) {
                    by_digest.entry(facts.bin).or_insert_with(|| (place, domain.name.clone()));
                }
            }
        }
        Self { by_digest }
    }

    /// Takes the shards of a domain of another manifest in; what is known already stays.
    pub fn learn(&mut self, domain: &str, digests: Vec<String>) {
        let same =
            self.by_digest.values().find(|(_, name)| name == domain).map(|(place, _)| *place);
        let next = || self.by_digest.values().map(|(place, _)| place + 1).max().unwrap_or(0);
        let place = same.unwrap_or_else(next);
        for digest in digests {
            self.by_digest.entry(digest).or_insert_with(|| (place, domain.to_owned()));
        }
    }

    /// The domain's name, or the start of the digest where no domain has this shard any more.
    #[must_use]
    pub fn name(&self, shard: &str) -> String {
        let short = || shard.chars().take(12).collect();
        self.by_digest.get(shard).map_or_else(short, |(_, name)| name.clone())
    }

    /// Place of the shard's domain in the manifest; after all others where it has none.
    #[must_use]
    pub fn place(&self, shard: &str) -> usize {
        self.by_digest.get(shard).map_or(usize::MAX, |(place, _)| *place)
    }

    /// Places of `shards` in the order of the manifest: artifacts have them in the order of digests.
    #[must_use]
    pub fn order(&self, shards: &[String]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..shards.len()).collect();
        order.sort_by_key(|&index| self.place(&shards[index]));
        order
    }

    #[must_use]
    pub fn all(&self, shards: &[String]) -> Vec<String> {
        shards.iter().map(|shard| self.name(shard)).collect()
    }
}

/// What a built split says of itself.
#[must_use]
pub fn facts(workspace: &Workspace, result: &ActionResult, split: Split) -> Option<ShardFacts> {
    let record = result.output(split.facts)?;
    artifact::read_object(&workspace.store, record.digest).ok()
}
