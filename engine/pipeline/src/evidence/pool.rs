//! Measured trainings as a table of mixtures: rows of any manifest, joined by what shards are, not by what they
//! were called.
//!
//! Trainings are comparable where everything but the mixture, its amount and the seed is the same: the model,
//! the recipe, the tokenizer, and the held-out sets they were scored on. Others are refused, with what differs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::measured::Training;
use crate::artifact::End;
use crate::error::{Error, Result};
use crate::table::names::DomainNames;
use crate::table::wide::{Run, WideTable};

/// Fields of a training's configuration that do not make it another experiment.
const FREE: [&str; 6] =
    ["seed", "evaluations", "evaluate-at-steps", "evaluate-at-tokens", "branches", "threads"];

/// The final losses of comparable trainings as a table.
///
/// # Errors
/// No training, or trainings that differ in more than mixture, amount and seed.
pub fn table(trainings: &[Training], names: &DomainNames) -> Result<WideTable> {
    if trainings.is_empty() {
        return Err(Error::usage("no training with losses is meant")
            .hint("`mixmake losses --all` lists those of the store; `mixmake run` makes those of the manifest"));
    }
    comparable(trainings)?;
    let shards = |of: &dyn Fn(&Training) -> Vec<String>| -> Vec<String> {
        let mut shards: Vec<String> = trainings.iter().flat_map(of).collect();
        shards.sort_by_key(|shard| (names.place(shard), names.name(shard), shard.clone()));
        shards.dedup();
        shards
    };
    let domains = shards(&|training| parts(training).map(|(shard, _)| shard).collect());
    let targets =
        shards(&|training| training.losses.last().map(|row| row.held_out.clone()).collect());
    let runs = |training| ends(training, &domains, &targets);
    let runs = trainings.iter().flat_map(runs).collect();
    Ok(WideTable {
        title: "the store".into(),
        paths: Vec::new(),
        domains: labels(names, &domains),
        targets: labels(names, &targets),
        runs,
        has_tokens: true,
        has_size: false,
        notes: stale(trainings, names),
    })
}

/// Shards with tokens.
fn parts(training: &Training) -> impl Iterator<Item = (String, u64)> {
    let parts = training.losses.parts.iter().filter(|part| part.tokens > 0);
    parts.map(|part| (part.shard.clone(), part.tokens))
}

/// Names of shards; where a domain's bytes changed both shards have its name, so the digest is added.
fn labels(names: &DomainNames, shards: &[String]) -> Vec<String> {
    let label = |shard: &String| {
        let name = names.name(shard);
        let twice = shards.iter().any(|other| other != shard && names.name(other) == name);
        if twice { format!("{name}@{}", &shard[..shard.len().min(8)]) } else { name }
    };
    shards.iter().map(label).collect()
}

/// A run for each end of a training: its own, and those of the shorter ones that it holds.
fn ends(training: &Training, domains: &[String], targets: &[String]) -> Vec<Run> {
    training.losses.ends().map(|end| run(training, end, domains, targets)).collect()
}

fn run(training: &Training, end: End<'_>, domains: &[String], targets: &[String]) -> Run {
    let parts = training.losses.parts.iter().filter(|part| part.tokens > 0);
    let tokens: BTreeMap<&String, u64> =
        parts.map(|part| (&part.shard, end.tokens_of(part))).collect();
    let total: u64 = tokens.values().sum();
    let decayed = if end.decayed { format!(" at step {}", end.step) } else { String::new() };
    let weight = |shard: &String| tokens.get(shard).map_or(0.0, |n| *n as f64 / total as f64);
    Run {
        name: format!("{}{decayed}", training.target),
        weights: domains.iter().map(weight).collect(),
        tokens: Some(total as f64),
        size: None,
        seed: Some(training.losses.configuration.seed.to_string()),
        losses: targets.iter().map(|shard| end.loss(shard)).collect(),
        repeats: 1.0,
    }
}

/// What makes a training another experiment, as text by field.
fn experiment(training: &Training) -> BTreeMap<String, String> {
    let losses = &training.losses;
    let configuration = serde_json::to_value(&losses.configuration).unwrap_or_default();
    let mut fields: BTreeMap<String, String> = configuration
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !FREE.contains(&name.as_str()))
        .map(|(name, value): (&String, &Value)| (name.clone(), value.to_string()))
        .collect();
    fields.insert("tokenizer".into(), losses.tokenizer.chars().take(12).collect());
    fields
}

fn comparable(trainings: &[Training]) -> Result<()> {
    let first = experiment(&trainings[0]);
    for training in &trainings[1..] {
        let other = experiment(training);
        let differs = first.iter().find(|(field, value)| other.get(*field) != Some(value));
        let Some((field, value)) = differs else { continue };
        let found = other.get(field).map_or("nothing", String::as_str);
        return Err(Error::usage(format!(
            "`{}` and `{}` are not comparable: `{field}` is {value} in one and {found} in the other",
            trainings[0].target, training.target
        ))
        .hint(format!("choose with `--where`, such as `--where '{field}={value}'` or `--where 'target=ddo/small/*'`")));
    }
    Ok(())
}

/// Domains whose bytes changed between trainings: said, since their rows are of other text.
fn stale(trainings: &[Training], names: &DomainNames) -> Vec<String> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (shard, _) in trainings.iter().flat_map(parts) {
        let known = by_name.entry(names.name(&shard)).or_default();
        if !known.contains(&shard) {
            known.push(shard);
        }
    }
    let changed = by_name.iter().filter(|(_, shards)| shards.len() > 1);
    changed
        .map(|(name, shards)| {
            format!("`{name}` had {} different contents, which count as domains of their own; `--where` chooses", shards.len())
        })
        .collect()
}

/// Two tables as one: domains and validation domains by name, what one lacks blank or 0.
#[must_use]
pub fn union(one: WideTable, other: WideTable) -> WideTable {
    let merged = |mut names: Vec<String>, more: &[String]| {
        let new: Vec<String> = more.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
        names
    };
    let domains = merged(one.domains.clone(), &other.domains);
    let targets = merged(one.targets.clone(), &other.targets);
    let place = |names: &[String], name: &String| names.iter().position(|known| known == name);
    let (has_tokens, has_size) =
        (one.has_tokens && other.has_tokens, one.has_size && other.has_size);
    let widened = |table: &WideTable| -> Vec<Run> {
        let of = |run: &Run| Run {
            weights: domains
                .iter()
                .map(|name| place(&table.domains, name).map_or(0.0, |place| run.weights[place]))
                .collect(),
            losses: targets
                .iter()
                .map(|name| place(&table.targets, name).and_then(|place| run.losses[place]))
                .collect(),
            tokens: run.tokens.filter(|_| has_tokens),
            size: run.size.filter(|_| has_size),
            ..run.clone()
        };
        table.runs.iter().map(of).collect()
    };
    let mut notes = vec![format!(
        "pools {} rows of {} with {} of {}, as asked: what differs between the two besides mixture and scale (model, tokenizer, held-out text) counts as noise or as the mixture's doing",
        one.runs.len(),
        one.title,
        other.runs.len(),
        other.title
    )];
    if has_tokens != (one.has_tokens || other.has_tokens) {
        notes.push(
            "only some of these rows say their tokens, so those of the others are left out".into(),
        );
    }
    let runs = widened(&one).into_iter().chain(widened(&other)).collect();
    notes.extend(one.notes);
    notes.extend(other.notes);
    WideTable {
        title: format!("{} and {}", one.title, other.title),
        paths: [one.paths, other.paths].concat(),
        has_tokens,
        has_size,
        domains,
        targets,
        runs,
        notes,
    }
}
