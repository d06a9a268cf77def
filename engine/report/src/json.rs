//! The study as JSON, with what the tables derive from it.

use serde_json::{Map, Value, json};

use crate::data::{Study, Training};
use crate::outcome;
use crate::verdict::{self, Standing};

/// The study's own fields, and beside them: `end` in every training (`perplexities` by domain,
/// `mean-perplexity`, `worst-perplexity`, `worst-domain`), `mean-perplexity` in every evaluation,
/// and `verdicts`. Whatever is not finite is `null`.
pub fn json(study: &Study) -> Value {
    // A struct of numbers, strings and lists always serialises; `null` is unreachable.
    let mut value = serde_json::to_value(study).unwrap_or_default();
    if let Some(trainings) = value.get_mut("trainings").and_then(Value::as_array_mut) {
        for (training, value) in study.trainings.iter().zip(trainings) {
            value["end"] = end(study, training);
            add_means(study, training, value);
        }
    }
    if value.is_object() {
        value["verdicts"] = verdicts(study);
    }
    value
}

fn end(study: &Study, training: &Training) -> Value {
    let end = outcome::end(study, training);
    let names = study.domains.iter().map(|d| d.name.clone());
    let perplexities: Map<String, Value> =
        names.zip(end.perplexities.iter().map(|p| json!(p))).collect();
    json!({
        "perplexities": perplexities,
        "mean-perplexity": end.mean,
        "worst-perplexity": end.worst.map(|w| w.1),
        "worst-domain": end.worst.map(|w| study.domains[w.0].name.as_str()),
    })
}

fn add_means(study: &Study, training: &Training, value: &mut Value) {
    let Some(list) = value.get_mut("evaluations").and_then(Value::as_array_mut) else { return };
    for (evaluation, value) in training.evaluations.iter().zip(list) {
        value["mean-perplexity"] = json!(outcome::at(study, evaluation).mean);
    }
}

fn verdicts(study: &Study) -> Value {
    let list = verdict::verdicts(study).into_iter().map(|v| {
        json!({
            "training": study.trainings[v.training].name,
            "predicted": outcome::is_predicted(study, &study.trainings[v.training]),
            "better": match v.standing {
                Standing::Better => Some(true),
                Standing::NotBetter => Some(false),
                Standing::Unknown => None,
            },
            "sentence": v.sentence,
        })
    });
    list.collect()
}
