//! A fitted law as a function of the mixture: losses, the goal, and the goal's derivatives by the weights.

use super::error::LawError;
use super::law::{Input, Model};
use super::options::{Goal, GoalKind, Over, Point};
use super::result::LawFit;
use super::targets::{importance, in_units};
use super::trees::Forest;

/// One target's law, ready to be evaluated.
pub(super) enum Predictor<'a> {
    Smooth { model: Model, inner: &'a [f64] },
    Forest(&'a Forest),
}

impl Predictor<'_> {
    pub(super) fn value(&self, x: &Input<'_>) -> f64 {
        match self {
            Self::Smooth { model, inner } => model.value(inner, x),
            Self::Forest(forest) => forest.predict(x),
        }
    }
}

/// The laws of all targets.
pub(super) struct Surrogate<'a> {
    pub(super) fit: &'a LawFit,
    pub(super) targets: Vec<Predictor<'a>>,
}

/// How targets become the goal.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) kind: GoalKind,
    /// Weight of each target; they sum to 1.
    pub(super) weights: Vec<f64>,
}

/// A mixture with its logarithms, so that inputs can be lent.
pub(super) struct Mixture {
    h: Vec<f64>,
    ln_h: Vec<f64>,
    tokens: f64,
    size: f64,
}

impl Mixture {
    pub(super) fn input(&self) -> Input<'_> {
        Input {
            h: &self.h,
            ln_h: &self.ln_h,
            tokens: self.tokens,
            ln_tokens: self.tokens.ln(),
            ln_size: self.size.ln(),
        }
    }
}

impl<'a> Surrogate<'a> {
    pub(super) fn new(fit: &'a LawFit) -> Self {
        let predictor = |target: &'a super::TargetFit| match &target.forest {
            Some(forest) => Predictor::Forest(forest),
            None => Predictor::Smooth {
                model: Model::new(&target.form, f64::INFINITY),
                inner: &target.inner,
            },
        };
        Self { fit, targets: fit.targets.iter().map(predictor).collect() }
    }

    pub(super) fn mixture(&self, h: &[f64], tokens: Option<f64>, size: Option<f64>) -> Mixture {
        let (tokens, size) = in_units(&self.fit.units, tokens, size);
        Mixture { h: h.to_vec(), ln_h: h.iter().map(|h| h.ln()).collect(), tokens, size }
    }

    pub(super) fn losses(&self, x: &Input<'_>) -> Vec<f64> {
        self.targets.iter().map(|target| target.value(x)).collect()
    }

    pub(super) fn value(&self, aim: &Aim, x: &Input<'_>) -> f64 {
        aim.value(&self.losses(x))
    }
}

impl Aim {
    /// The goal over a fit's targets.
    ///
    /// # Errors
    /// [`LawError::Option`] for a goal that names no target, or another goal than the law was fitted over.
    pub(super) fn new(fit: &LawFit, goal: &Goal) -> Result<Self, LawError> {
        if fit.over == Over::Goal {
            if fit.goal.as_ref() != Some(goal) {
                return Err(LawError::option(
                    "the law was fitted over another goal; fit it over this one or over each validation domain",
                ));
            }
            return Ok(Self { kind: GoalKind::MeanLoss, weights: vec![1.0] });
        }
        let names: Vec<String> = fit.targets.iter().map(|target| target.target.clone()).collect();
        let weights = importance(goal, &names)?;
        let total: f64 = weights.iter().sum();
        Ok(Self { kind: goal.kind, weights: weights.iter().map(|w| w / total).collect() })
    }

    pub(super) fn value(&self, losses: &[f64]) -> f64 {
        let counting = self.weights.iter().zip(losses).filter(|(w, _)| **w > 0.0);
        match self.kind {
            GoalKind::MeanLoss => counting.map(|(w, loss)| w * loss).sum(),
            GoalKind::MeanPerplexity => counting.map(|(w, loss)| w * loss.exp()).sum(),
            GoalKind::WorstLoss => {
                counting.map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }
}

impl LawFit {
    /// Loss of every target at a point, seen or not: forecasts at other tokens and sizes are the law's.
    ///
    /// # Errors
    /// [`LawError::Option`] for weights that are not one per domain and sum to 1, or a scale that the law needs and the
    /// point lacks.
    pub fn predict(&self, point: &Point) -> Result<Vec<f64>, LawError> {
        self.check_point(point)?;
        let surrogate = Surrogate::new(self);
        Ok(surrogate.losses(&surrogate.mixture(&point.weights, point.tokens, point.size).input()))
    }

    /// The goal at a point.
    ///
    /// # Errors
    /// Those of [`Self::predict`], and a goal that names other domains.
    pub fn goal_value(&self, goal: &Goal, point: &Point) -> Result<f64, LawError> {
        let aim = Aim::new(self, goal)?;
        Ok(aim.value(&self.predict(point)?))
    }

    pub(super) fn check_point(&self, point: &Point) -> Result<(), LawError> {
        let sum: f64 = point.weights.iter().sum();
        let usable = point.weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if point.weights.len() != self.domains.len() || !usable || (sum - 1.0).abs() > 1e-6 {
            return Err(LawError::option(
                "a point needs one weight of at least 0 per training domain, of sum 1; give all of them",
            ));
        }
        self.check_scale(point.tokens, point.size)
    }

    pub(super) fn check_scale(
        &self,
        tokens: Option<f64>,
        size: Option<f64>,
    ) -> Result<(), LawError> {
        use super::LawName::{Additive, Ddo};
        let amounts = matches!(self.law, Ddo | Additive) && self.units.tokens.is_some();
        for (what, needed, value) in [
            ("tokens", self.scale.tokens() || amounts, tokens),
            ("a size", self.scale.size(), size),
        ] {
            if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                return Err(LawError::option(format!(
                    "{what} of a point must be finite and above 0; correct it"
                )));
            }
            if needed && value.is_none() {
                return Err(LawError::option(format!(
                    "the `{}` law depends on {what}, which the point does not say; give it",
                    self.law
                )));
            }
        }
        Ok(())
    }
}
