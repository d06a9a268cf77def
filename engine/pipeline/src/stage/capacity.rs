//! Whether the mixtures that a manifest fixes can be had at all: asked while planning, as soon as
//! the shards are known, so that no training starts before it is clear that all of them can.

use mixmake_core::graph::ActionId;
use mixmake_core::resolve::Results;
use mixmake_core::{Source, Store};
use mixmake_data::mixture::MixtureError;
use mixmake_manifest::diagnostic::Diagnostic;
use mixmake_manifest::schema::Manifest;
use serde_json::Value;

use super::mixture::{self, MixtureParams};
use super::{FixedMixture, Staged};
use crate::artifact::{self, ShardFacts};

/// One diagnostic for every field that asks for more than exists, of the mixtures that are `needed`
/// (by action).
#[must_use]
pub fn check(
    manifest: &Manifest,
    staged: &Staged,
    store: &Store,
    results: &Results,
    needed: &[bool],
) -> Vec<Diagnostic> {
    let mut items: Vec<(String, Diagnostic)> = Vec::new();
    for fixed in staged.fixed_mixtures.iter().filter(|fixed| needed[fixed.action.0]) {
        let Some(error) = error_of(staged, store, results, fixed.action) else { continue };
        // The runs of one DDO ask through one field; its first impossible run says it all.
        if items.iter().all(|(field, _)| *field != fixed.field) {
            items.push((fixed.field.clone(), diagnose(manifest, staged, fixed, &error)));
        }
    }
    items.into_iter().map(|(_, item)| item).collect()
}

struct Asked {
    facts: ShardFacts,
    weight: f64,
    factor: f64,
}

fn error_of(
    staged: &Staged,
    store: &Store,
    results: &Results,
    action: ActionId,
) -> Option<MixtureError> {
    let asked = asked(staged, store, results, action)?;
    let params = Value::Object(staged.graph.action(action).params.clone());
    let params: MixtureParams = serde_json::from_value(params).ok()?;
    let weights = asked.iter().map(|each| each.weight).collect();
    let factors = asked.iter().map(|each| each.factor).collect();
    let shards = asked.into_iter().map(|each| each.facts).collect();
    mixture::compose(&params, weights, factors, shards).err()
}

/// The domains of a mixture with what is known of them; none while a shard is not.
fn asked(
    staged: &Staged,
    store: &Store,
    results: &Results,
    action: ActionId,
) -> Option<Vec<Asked>> {
    let inputs = staged.graph.action(action).inputs.iter().filter(|input| input.role == "domain");
    inputs
        .map(|input| {
            let Source::Output(shard, output) = &input.source else { return None };
            let record = results[shard.0].as_ref()?.output(output)?;
            let facts = artifact::read_object(store, record.digest).ok()?;
            let number = |name: &str| input.attributes.get(name).and_then(Value::as_f64);
            let (weight, factor) = (number("weight")?, number("factor").unwrap_or(1.0));
            Some(Asked { facts, weight, factor })
        })
        .collect()
}

fn diagnose(
    manifest: &Manifest,
    staged: &Staged,
    fixed: &FixedMixture,
    error: &MixtureError,
) -> Diagnostic {
    let target = &staged.graph.action(fixed.action).target;
    let training = target.strip_prefix("mixture/").unwrap_or(target);
    let MixtureError::NotEnough { max_repeats, shortages } = error else {
        return Diagnostic::at(manifest, &[&fixed.field], format!("`{training}`: {error}"));
    };
    let domains: Vec<_> = staged
        .graph
        .action(fixed.action)
        .inputs
        .iter()
        .filter_map(|input| match &input.source {
            Source::Output(shard, _) => staged.shards.iter().position(|known| known == shard),
            Source::File(_) => None,
        })
        .collect();
    let name = |part: usize| {
        domains.get(part).map_or("?", |&domain| manifest.domains[domain].name.as_str())
    };
    let short = |shortage: &mixmake_data::mixture::Shortage| {
        let (part, asked, available) = (name(shortage.part), shortage.asked, shortage.available);
        format!("`{part}` {asked} of {available} sequences")
    };
    let list: Vec<_> = shortages.iter().map(short).collect();
    let message = format!(
        "`{training}` asks for more than there is with `max-repeats = {max_repeats}`: {}",
        list.join(", ")
    );
    let needed =
        shortages.iter().map(|shortage| shortage.repeats_needed).collect::<Option<Vec<_>>>();
    let help = match needed.and_then(|needed| needed.into_iter().max()) {
        Some(repeats) => format!("ask for less, add text, or allow `max-repeats = {repeats}`"),
        None => "a domain has not one whole sequence: add text to it".to_owned(),
    };
    Diagnostic::at(manifest, &[&fixed.field], message).help(help)
}
