//! A DDO fit as text and as JSON. Knows nothing of where it came from.

use mixmake_fit::ddo::{DdoFit, DomainFit, Interval, NoiseSource, Uncertainty};
use serde_json::{Value, json};

use crate::table::text::{Grid, MISSING, tokens};

/// A fit with names.
pub(super) struct Shown {
    pub name: String,
    pub objective: String,
    /// Of the fit's domains, in its order.
    pub names: Vec<String>,
    /// Places of the domains in the order in which they are shown.
    pub order: Vec<usize>,
    /// Whether amounts are tokens, or only multiples of the base amounts.
    pub in_tokens: bool,
    pub fit: DdoFit,
    pub notes: Vec<String>,
    /// What it was read from, for programs.
    pub table: Option<Value>,
}

impl Shown {
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n{}\n\n", self.name, self.runs(), self.objective_line());
        text.push_str(&self.laws().render());
        text.push_str(&format!("\n{}\n", self.predicted()));
        if let Some(intervals) = self.intervals() {
            text.push_str(&format!("\n{intervals}"));
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    fn runs(&self) -> String {
        let fit = &self.fit;
        let base = fit.base_runs;
        let points =
            fit.domains.iter().flat_map(|domain| &domain.points).filter(|point| point.x != 1.0);
        let perturbed: usize = points.map(|point| point.runs).sum();
        let total =
            if self.in_tokens { format!(", {} tokens", tokens(fit.total)) } else { String::new() };
        let plural = if base == 1 { "" } else { "s" };
        format!(
            "DDO over {} domains, {base} base run{plural} and {perturbed} others{total}",
            self.names.len()
        )
    }

    fn objective_line(&self) -> String {
        format!("objective: {}; law y(x) = (x + a)^-b + c", self.objective)
    }

    fn laws(&self) -> Grid {
        let mut grid = Grid::new(1, ["domain", "weight", "multiple", "a", "b", "c", ""]);
        for &place in &self.order {
            let (domain, name) = (&self.fit.domains[place], &self.names[place]);
            let optimum = &self.fit.optimum;
            let parameters = match &domain.law {
                Some(law) => [law.a, law.b, law.c].map(|value| format!("{value:.10}")),
                None => [MISSING; 3].map(String::from),
            };
            let weights = [optimum.weights[place], optimum.multiples[place]];
            let cells = std::iter::once(name.clone())
                .chain(weights.map(|value| format!("{value:.8}")))
                .chain(parameters)
                .chain([self.mark(domain).to_owned()]);
            grid.row(cells);
        }
        grid
    }

    fn mark(&self, domain: &DomainFit) -> &'static str {
        let optimum = &self.fit.optimum;
        let is = |flags: &[bool]| flags.get(domain.domain.0) == Some(&true);
        match () {
            () if is(&optimum.held) => "held",
            () if is(&optimum.at_floor) => "floor",
            () if is(&optimum.at_cap) => "cap",
            () => "",
        }
    }

    fn predicted(&self) -> String {
        let predicted = &self.fit.predicted;
        format!(
            "predicted objective: {:.8} at the reference, {:.8} at the optimum\npredicted gain: {:.8} ({:.2} %)",
            predicted.reference,
            predicted.optimum,
            predicted.gain,
            100.0 * predicted.gain_relative
        )
    }

    fn intervals(&self) -> Option<String> {
        let Uncertainty::Intervals {
            source,
            relative_sd,
            draws,
            level,
            weights,
            gain,
            identified,
            ..
        } = &self.fit.uncertainty
        else {
            return None;
        };
        let source = match source {
            NoiseSource::Given => "given",
            NoiseSource::Repeats => "from repeated runs",
            NoiseSource::Residuals => "from the laws' residuals",
        };
        let range = |interval: &Interval, digits: usize| {
            format!("{:.digits$} to {:.digits$}", interval.low, interval.high)
        };
        let percent = 100.0 * level;
        let mut grid =
            Grid::new(1, ["domain", "weight", &format!("{percent:.0} % interval"), "law found"]);
        for &place in &self.order {
            grid.row([
                self.names[place].clone(),
                format!("{:.4}", self.fit.optimum.weights[place]),
                range(&weights[place], 4),
                format!("{:.0} %", 100.0 * identified[place]),
            ]);
        }
        let gain = range(gain, 4);
        Some(format!(
            "noise of one run: {:.3} % of the objective, {source}; {draws} draws\n{}gain: {gain} with probability {percent:.0} %\n",
            100.0 * relative_sd,
            grid.render()
        ))
    }

    /// Weights of the base runs.
    pub fn reference(&self) -> Vec<f64> {
        let total: f64 = self.fit.base_amounts.iter().sum();
        self.fit.base_amounts.iter().map(|amount| amount / total).collect()
    }

    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "name": self.name,
            "objective": self.objective,
            "domains": self.names,
            "reference-weights": self.reference(),
            "weights": self.fit.optimum.weights,
            "in-tokens": self.in_tokens,
            "fit": self.fit,
            "notes": self.notes,
        });
        if let Some(table) = &self.table {
            object["table"] = table.clone();
        }
        object
    }
}
