//! What a search minimises: the goal as functions of the weights, with slopes and curvatures.

use super::super::law::Model;
use super::super::options::GoalKind;
use super::super::surrogate::{Mixture, Predictor};
use super::Search;

/// The goal's functions of the weights: every counting target's law.
pub(super) struct Functions<'a> {
    pub(super) search: &'a Search<'a>,
    /// A law per target that replaces the fitted one, for lower bounds.
    pub(super) instead: Option<Vec<Option<Model>>>,
    /// Keep only the positive part of the curvature.
    pub(super) convexify: bool,
}

/// A function's value, slope and curvature by all weights.
pub(super) struct Local {
    pub(super) value: f64,
    pub(super) slope: Vec<f64>,
    pub(super) curvature: Vec<f64>,
}

impl Functions<'_> {
    fn model(&self, target: usize) -> Option<(&Model, &[f64])> {
        match &self.search.surrogate.targets[target] {
            Predictor::Smooth { model, inner } => {
                let other = self.instead.as_ref().and_then(|models| models[target].as_ref());
                Some((other.unwrap_or(model), inner))
            }
            Predictor::Forest(_) => None,
        }
    }

    fn counting(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let weights = self.search.aim.weights.iter().copied().enumerate();
        weights.filter(|(_, weight)| *weight > 0.0)
    }

    fn mixture(&self, h: &[f64]) -> Mixture {
        self.search.surrogate.mixture(h, self.search.tokens, self.search.size)
    }

    fn of_target(&self, target: usize, h: &[f64]) -> Local {
        let m = h.len();
        let mut local = Local { value: 0.0, slope: vec![0.0; m], curvature: vec![0.0; m * m] };
        if let Some((model, inner)) = self.model(target) {
            let mixture = self.mixture(h);
            let x = mixture.input();
            local.value = model.value(inner, &x);
            model.slope(inner, &x, &mut local.slope);
            model.curvature(inner, &x, &mut local.curvature);
        }
        local
    }

    /// The functions to be minimised together: one mean, or every counting target where the worst is wanted.
    pub(super) fn locals(&self, h: &[f64]) -> Vec<Local> {
        let all = self.counting().map(|(target, weight)| (weight, self.of_target(target, h)));
        if self.search.aim.kind == GoalKind::WorstLoss {
            return all.map(|(_, local)| local).collect();
        }
        let m = h.len();
        let mut sum = Local { value: 0.0, slope: vec![0.0; m], curvature: vec![0.0; m * m] };
        for (weight, mut local) in all {
            if self.search.aim.kind == GoalKind::MeanPerplexity {
                local = exponential(local);
            }
            sum.value += weight * local.value;
            sum.slope.iter_mut().zip(&local.slope).for_each(|(s, l)| *s += weight * l);
            sum.curvature.iter_mut().zip(&local.curvature).for_each(|(s, l)| *s += weight * l);
        }
        vec![sum]
    }

    pub(super) fn value(&self, h: &[f64]) -> f64 {
        let mixture = self.mixture(h);
        let x = mixture.input();
        let mut losses = vec![0.0; self.search.aim.weights.len()];
        for (target, _) in self.counting() {
            losses[target] =
                self.model(target).map_or(0.0, |(model, inner)| model.value(inner, &x));
        }
        self.search.aim.value(&losses)
    }
}

/// `exp(L)` with its derivatives.
fn exponential(local: Local) -> Local {
    let (value, m) = (local.value.exp(), local.slope.len());
    let bend = |k: usize| value * (local.curvature[k] + local.slope[k / m] * local.slope[k % m]);
    Local {
        value,
        curvature: (0..m * m).map(bend).collect(),
        slope: local.slope.iter().map(|s| value * s).collect(),
    }
}
