//! Loss rows as flat rows of named values: what is filtered, listed and exported.

use serde_json::{Value, json};

use crate::artifact::{End, LossRow, TrainedPart};
use crate::evidence::imported::Entry;
use crate::evidence::measured::Training;
use crate::table::names::DomainNames;
use crate::table::wide::Run;

/// Values by column, in the order in which they are shown; `null` where a row has none.
#[derive(Debug, Clone)]
pub(super) struct Row(pub Vec<(String, Value)>);

impl Row {
    pub fn get(&self, column: &str) -> &Value {
        let found = self.0.iter().find(|(name, _)| name == column);
        found.map_or(&Value::Null, |(_, value)| value)
    }

    /// The value as a condition sees it.
    pub fn text(&self, column: &str) -> Option<String> {
        match self.get(column) {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// Names that a filter may use besides `tokens:DOMAIN`, and `weight:DOMAIN` and `size` of imported rows.
pub(super) const COLUMNS: [&str; 25] = [
    "kind",
    "target",
    "key",
    "step",
    "tokens",
    "domain",
    "held-out",
    "loss",
    "perplexity",
    "held-out-tokens",
    "decayed",
    "mixture",
    "recipe",
    "tokenizer",
    "mixture-seed",
    "seed",
    "architecture",
    "layers",
    "hidden",
    "heads",
    "context",
    "learning-rate",
    "batch-tokens",
    "epochs",
    "precision",
];

/// The measurements of one training.
pub(super) fn of_training(training: &Training, names: &DomainNames, only_last: bool) -> Vec<Row> {
    let losses = &training.losses;
    let mut rows: Vec<&LossRow> =
        if only_last { losses.last().collect() } else { losses.rows.iter().collect() };
    rows.sort_by_key(|row| (row.step, names.place(&row.held_out), names.name(&row.held_out)));
    rows.iter().map(|row| measured(training, names, row)).collect()
}

fn measured(training: &Training, names: &DomainNames, row: &LossRow) -> Row {
    let configuration = &training.losses.configuration;
    let values = [
        json!("measured"),
        json!(training.target),
        json!(training.key.to_hex()),
        json!(row.step),
        json!(row.tokens),
        json!(names.name(&row.held_out)),
        json!(row.held_out),
        json!(row.loss),
        json!(row.loss.exp()),
        json!(row.held_out_tokens),
        json!(row.decayed),
        json!(training.mixture),
        json!(training.recipe),
        json!(training.losses.tokenizer),
        json!(training.losses.mixture_seed),
        json!(configuration.seed),
        json!(configuration.architecture),
        json!(configuration.layers),
        json!(configuration.hidden),
        json!(configuration.heads),
        json!(configuration.context),
        json!(configuration.learning_rate),
        json!(configuration.batch_tokens),
        json!(configuration.epochs),
        json!(configuration.precision),
    ];
    let amounts = amounts(training, names, |part| part.tokens);
    let amounts =
        amounts.into_iter().map(|(name, tokens)| (format!("tokens:{name}"), json!(tokens)));
    Row(COLUMNS.map(String::from).into_iter().zip(values).chain(amounts).collect())
}

/// Tokens of an epoch by domain, in the manifest's order.
pub(super) fn amounts(
    training: &Training,
    names: &DomainNames,
    tokens: impl Fn(&TrainedPart) -> u64,
) -> Vec<(String, u64)> {
    let mut parts: Vec<_> = training.losses.parts.iter().collect();
    parts.sort_by_key(|part| (names.place(&part.shard), names.name(&part.shard)));
    parts.into_iter().map(|part| (names.name(&part.shard), tokens(part))).collect()
}

/// The rows of an imported table: one a run and validation domain.
pub(super) fn of_import(entry: &Entry) -> Vec<Row> {
    let table = &entry.table;
    let mut rows = Vec::new();
    for run in &table.runs {
        let known = table.targets.iter().zip(&run.losses);
        rows.extend(
            known.filter_map(|(target, loss)| Some(imported(entry, run, target, (*loss)?))),
        );
    }
    rows
}

fn imported(entry: &Entry, run: &Run, target: &str, loss: f64) -> Row {
    let table = &entry.table;
    let value = |column: &str| match column {
        "kind" => json!("imported"),
        "target" => json!(format!("{}/{}", table.name, run.name)),
        "key" => json!(entry.key.to_hex()),
        "tokens" => json!(run.tokens),
        "domain" => json!(target),
        "loss" => json!(loss),
        "perplexity" => json!(loss.exp()),
        "seed" => json!(run.seed),
        _ => Value::Null,
    };
    let columns = COLUMNS.iter().map(|column| ((*column).to_owned(), value(column)));
    let weights = table.domains.iter().zip(&run.weights);
    let weights = weights.map(|(name, weight)| match run.tokens {
        Some(tokens) => (format!("tokens:{name}"), json!(weight * tokens)),
        None => (format!("weight:{name}"), json!(weight)),
    });
    let size = run.size.map(|size| ("size".to_owned(), json!(size)));
    Row(columns.chain(size).chain(weights).collect())
}

/// One row a run of imported rows, as [`wide`] has them of trainings.
pub(super) fn wide_imported(rows: &[Row]) -> Vec<Row> {
    let of = |run: &[Row]| {
        let own = ["target", "key", "tokens", "size", "seed"];
        let own = own.map(|name| (name.to_owned(), run[0].get(name).clone()));
        let is_amount = |name: &str| name.starts_with("tokens:") || name.starts_with("weight:");
        let amounts = run[0].0.iter().filter(|(name, _)| is_amount(name)).cloned();
        let losses = run.iter().filter_map(|row| {
            Some((format!("{}_loss", row.text("domain")?), row.get("loss").clone()))
        });
        Row(own
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .chain(amounts)
            .chain(losses)
            .collect())
    };
    let same = |one: &Row, other: &Row| {
        one.get("target") == other.get("target") && one.get("key") == other.get("key")
    };
    rows.chunk_by(same).map(of).collect()
}

/// One row an end of a training: what it was trained on, and its loss there on every validation domain.
/// `fit --table` reads it.
pub(super) fn wide(training: &Training, names: &DomainNames) -> Vec<Row> {
    training.losses.ends().map(|end| wide_row(training, names, end)).collect()
}

fn wide_row(training: &Training, names: &DomainNames, end: End<'_>) -> Row {
    let losses = &training.losses;
    let amounts = amounts(training, names, |part| end.tokens_of(part));
    let total: u64 = amounts.iter().map(|(_, tokens)| tokens).sum();
    let own = [
        ("target", json!(training.target)),
        ("key", json!(training.key.to_hex())),
        ("mixture", json!(training.mixture)),
        ("recipe", json!(training.recipe)),
        ("tokens", json!(total)),
        ("seed", json!(losses.configuration.seed)),
    ];
    let amounts =
        amounts.into_iter().map(|(name, tokens)| (format!("tokens:{name}"), json!(tokens)));
    let mut last: Vec<&LossRow> = end.rows().collect();
    last.sort_by_key(|row| (names.place(&row.held_out), names.name(&row.held_out)));
    let values = last
        .into_iter()
        .map(|row| (format!("{}_loss", names.name(&row.held_out)), json!(row.loss)));
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    Row(own.chain(amounts).chain(values).collect())
}
