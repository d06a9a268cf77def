//! Predictions as text and as JSON. Knows nothing of where they came from.

use mixmake_fit::autoscale::{Amounts, Intervals, Mode, Prediction, Scale};
use serde_json::{Value, json};

use super::tables::{Basis, Predicted};
use crate::table::text::{Grid, tokens};

/// Predictions of one table for several targets, in increasing order.
pub(super) fn table_text(basis: &Basis, predictions: &[Predicted]) -> String {
    let Some(last) = predictions.last() else { return String::new() };
    let mut text = format!(
        "{}: {} scales of {} domains, {}\n",
        basis.paths.join(" and "),
        basis.scales.len(),
        basis.domains.len(),
        basis.kind
    );
    text.push_str(&match last.prediction.mode {
        Mode::Continuous => weights(basis, predictions),
        Mode::Stepping => chain(basis, predictions, &last.prediction),
    });
    text.push_str(&ranges(basis, predictions));
    let mut notes = basis.notes.clone();
    notes.extend(predictions.iter().flat_map(|each| each.prediction.in_words(&basis.domains)));
    notes.dedup();
    for note in notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// Domains by scale and target.
fn weights(optima: &Basis, predictions: &[Predicted]) -> String {
    let measured = optima.labels.iter().cloned();
    let targets = predictions.iter().map(|each| format!("-> {}", tokens(each.prediction.target)));
    let header = ["weight of".to_owned()].into_iter().chain(measured).chain(targets);
    let mut grid = Grid::new(1, header.chain(["growth".to_owned()]));
    for (place, name) in optima.domains.iter().enumerate() {
        let measured = optima.scales.iter().map(|scale| scale.amounts[place] / scale.total());
        let predicted = predictions.iter().map(|each| each.prediction.predicted.weights[place]);
        let growth = predictions.first().map_or(f64::NAN, |each| each.prediction.growth[place]);
        let weights = measured.chain(predicted).map(|weight| format!("{weight:.8}"));
        grid.row([name.clone()].into_iter().chain(weights).chain([format!("{growth:.4}")]));
    }
    format!("\n{}\ngrowth: d ln(amount) / d ln(total); above 1, the share grows\n", grid.render())
}

/// The steps of Algorithm 2 after the scales they start from.
fn chain(optima: &Basis, predictions: &[Predicted], last: &Prediction) -> String {
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
    for Predicted { prediction: each, .. } in predictions {
        let (steps, total) = (each.chain.len(), tokens(each.predicted.total));
        text.push_str(&format!("target {}: step {steps}, {total} tokens\n", tokens(each.target)));
    }
    text
}

/// Intervals of the predicted weights, by domain and target; nothing where nothing shows the noise.
fn ranges(basis: &Basis, predictions: &[Predicted]) -> String {
    let known: Vec<(&Prediction, &Intervals)> = predictions
        .iter()
        .filter_map(|each| Some((&each.prediction, each.intervals.as_ref()?)))
        .collect();
    let Some((_, first)) = known.first() else { return String::new() };
    let percent = 100.0 * first.level;
    let header = known.iter().map(|(each, _)| format!("-> {}", tokens(each.predicted.total)));
    let mut grid = Grid::new(1, std::iter::once(format!("{percent:.0} % interval")).chain(header));
    for (place, name) in basis.domains.iter().enumerate() {
        let cells = known.iter().map(|(_, intervals)| {
            let interval = &intervals.weights[place];
            format!("{:.4} to {:.4}", interval.low, interval.high)
        });
        grid.row(std::iter::once(name.clone()).chain(cells));
    }
    let failed = if first.failed > 0 {
        format!(", {} more gave no prediction", first.failed)
    } else {
        String::new()
    };
    format!("\n{}from {} redrawn fits at every scale{failed}\n", grid.render(), first.draws)
}

pub(super) fn table_json(basis: &Basis, predictions: &[Predicted]) -> Value {
    let scale = |(label, scale): (&String, &Scale)| {
        let amounts = Amounts {
            total: scale.total(),
            weights: scale.amounts.iter().map(|amount| amount / scale.total()).collect(),
            amounts: scale.amounts.clone(),
        };
        json!({ "label": label, "at-floor": scale.at_floor, "optimum": amounts })
    };
    let scales: Vec<_> = basis.labels.iter().zip(&basis.scales).map(scale).collect();
    let one = |each: &Predicted| {
        let name = tokens(each.prediction.target);
        json(&name, &basis.domains, &each.prediction, each.intervals.as_ref())
    };
    let predictions: Vec<_> = predictions.iter().map(one).collect();
    json!({
        "table": basis.paths.first(),
        "tables": basis.paths,
        "domains": basis.domains,
        "values": basis.kind,
        "notes": basis.notes,
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
    /// Where the fits have any.
    pub intervals: Option<Intervals>,
}

impl Named {
    pub fn to_json(&self) -> Value {
        json(&self.name, &self.domains, &self.prediction, self.intervals.as_ref())
    }

    pub fn text(&self) -> String {
        let Prediction { predicted, growth, .. } = &self.prediction;
        let level =
            self.intervals.as_ref().map(|found| format!("{:.0} % interval", 100.0 * found.level));
        let header = ["domain".to_owned(), "weight".into()].into_iter().chain(level);
        let mut grid = Grid::new(1, header.chain(["tokens".into(), "growth".into()]));
        for &place in &self.order {
            let interval = self.intervals.as_ref().map(|found| {
                format!("{:.4} to {:.4}", found.weights[place].low, found.weights[place].high)
            });
            let weight = [self.domains[place].clone(), format!("{:.8}", predicted.weights[place])];
            let rest = [tokens(predicted.amounts[place].round()), format!("{:.4}", growth[place])];
            grid.row(weight.into_iter().chain(interval).chain(rest));
        }
        let total = tokens(predicted.total);
        let mut text = format!("{}: predicted for {total} tokens\n\n{}", self.name, grid.render());
        for note in self.prediction.in_words(&self.domains) {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }
}

fn json(
    name: &str,
    domains: &[String],
    prediction: &Prediction,
    intervals: Option<&Intervals>,
) -> Value {
    json!({
        "name": name,
        "domains": domains,
        "weights": prediction.predicted.weights,
        "prediction": prediction,
        "intervals": intervals,
        "notes": prediction.in_words(domains),
    })
}
