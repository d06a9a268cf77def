//! Predictions as text and as JSON. Knows nothing of where they came from.

use mixmake_fit::autoscale::{Amounts, Mode, Prediction, Scale};
use serde_json::{Value, json};

use crate::table::optima::Optima;
use crate::table::text::{Grid, tokens};

/// Predictions of one table for several targets, in increasing order.
pub(super) fn table_text(path: &str, optima: &Optima, predictions: &[Prediction]) -> String {
    let Some(last) = predictions.last() else { return String::new() };
    let kind = optima.kind.in_words();
    let mut text = format!(
        "{path}: {} scales of {} domains, {kind}\n",
        optima.scales.len(),
        optima.domains.len()
    );
    text.push_str(&match last.mode {
        Mode::Continuous => weights(optima, predictions),
        Mode::Stepping => chain(optima, predictions, last),
    });
    let mut notes: Vec<String> =
        predictions.iter().flat_map(|each| each.in_words(&optima.domains)).collect();
    notes.dedup();
    for note in notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// Domains by scale and target.
fn weights(optima: &Optima, predictions: &[Prediction]) -> String {
    let measured = optima.labels.iter().cloned();
    let targets = predictions.iter().map(|each| format!("-> {}", tokens(each.target)));
    let header = ["weight of".to_owned()].into_iter().chain(measured).chain(targets);
    let mut grid = Grid::new(1, header.chain(["growth".to_owned()]));
    for (place, name) in optima.domains.iter().enumerate() {
        let measured = optima.scales.iter().map(|scale| scale.amounts[place] / scale.total());
        let predicted = predictions.iter().map(|each| each.predicted.weights[place]);
        let growth = predictions.first().map_or(f64::NAN, |each| each.growth[place]);
        let weights = measured.chain(predicted).map(|weight| format!("{weight:.8}"));
        grid.row([name.clone()].into_iter().chain(weights).chain([format!("{growth:.4}")]));
    }
    format!("\n{}\ngrowth: d ln(amount) / d ln(total); above 1, the share grows\n", grid.render())
}

/// The steps of Algorithm 2 after the scales they start from.
fn chain(optima: &Optima, predictions: &[Prediction], last: &Prediction) -> String {
    let header = |total: &str| {
        let names = optima.domains.iter().cloned();
        Grid::new(1, ["step".to_owned(), total.to_owned()].into_iter().chain(names))
    };
    let (mut amounts, mut percents) = (header("tokens"), header("tokens"));
    let mut add = |step: &str, total: f64, row: &[f64]| {
        let start = || [step.to_owned(), tokens(total)].into_iter();
        amounts.row(start().chain(row.iter().map(|amount| tokens(*amount))));
        percents
            .row(start().chain(row.iter().map(|amount| format!("{:.6}", 100.0 * amount / total))));
    };
    for (label, scale) in optima.labels.iter().zip(&optima.scales) {
        let named = *label != tokens(scale.total());
        add(if named { label } else { "given" }, scale.total(), &scale.amounts);
    }
    for (step, next) in last.chain.iter().enumerate() {
        add(&format!("{}", step + 1), next.total, &next.amounts);
    }
    let mut text = format!("\ntokens\n{}\npercent\n{}\n", amounts.render(), percents.render());
    for each in predictions {
        let (steps, total) = (each.chain.len(), tokens(each.predicted.total));
        text.push_str(&format!("target {}: step {steps}, {total} tokens\n", tokens(each.target)));
    }
    text
}

pub(super) fn table_json(path: &str, optima: &Optima, predictions: &[Prediction]) -> Value {
    let scale = |(label, scale): (&String, &Scale)| {
        let amounts = Amounts {
            total: scale.total(),
            weights: scale.amounts.iter().map(|amount| amount / scale.total()).collect(),
            amounts: scale.amounts.clone(),
        };
        json!({ "label": label, "at-floor": scale.at_floor, "optimum": amounts })
    };
    let scales: Vec<_> = optima.labels.iter().zip(&optima.scales).map(scale).collect();
    let predictions: Vec<_> =
        predictions.iter().map(|each| json(&tokens(each.target), &optima.domains, each)).collect();
    json!({
        "table": path,
        "domains": optima.domains,
        "values": optima.kind.in_words(),
        "scales": scales,
        "predictions": predictions,
    })
}

/// One prediction of a manifest.
pub(super) struct Named {
    pub name: String,
    /// Of the prediction's domains, in its order.
    pub domains: Vec<String>,
    /// Places of the domains in the order in which they are shown.
    pub order: Vec<usize>,
    pub prediction: Prediction,
}

impl Named {
    pub fn text(&self) -> String {
        let Prediction { predicted, growth, .. } = &self.prediction;
        let mut grid = Grid::new(1, ["domain", "weight", "tokens", "growth"]);
        for &place in &self.order {
            grid.row([
                self.domains[place].clone(),
                format!("{:.8}", predicted.weights[place]),
                tokens(predicted.amounts[place].round()),
                format!("{:.4}", growth[place]),
            ]);
        }
        let total = tokens(predicted.total);
        let mut text = format!("{}: predicted for {total} tokens\n\n{}", self.name, grid.render());
        for note in self.prediction.in_words(&self.domains) {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }
}

pub(super) fn json(name: &str, domains: &[String], prediction: &Prediction) -> Value {
    json!({
        "name": name,
        "domains": domains,
        "weights": prediction.predicted.weights,
        "prediction": prediction,
        "notes": prediction.in_words(domains),
    })
}
