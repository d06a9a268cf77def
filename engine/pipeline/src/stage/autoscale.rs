//! `autoscale/NAME`: from the optima of two or more scales to weights at a larger one.

use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_fit::autoscale::{self, Law, Mode, Scale};
use mixmake_fit::ddo::{self, Bootstrap, DdoFit};
use mixmake_manifest::schema::{self, AutoScale};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::ddo::FIT;
use super::mixture::WEIGHTS;
use super::{StageError, Stager};
use crate::artifact::{self, FitArtifact, PredictionArtifact, ShardWeight, Weights};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "autoscale", version: 3 };
pub const PREDICTION: &str = "prediction.json";
/// Points of the figure's line between the smallest scale and the target.
const PATH_POINTS: u32 = 24;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AutoScaleParams {
    pub tokens: u64,
    pub law: Law,
    pub mode: Mode,
}

pub(super) fn add(stager: &mut Stager<'_>, autoscale: &AutoScale) -> Result<ActionId, StageError> {
    let mut inputs = Vec::with_capacity(autoscale.from.len());
    for name in &autoscale.from {
        let fit = stager.ddo(name)?;
        inputs.push(Input {
            role: "fit",
            source: Source::output(fit, FIT),
            attributes: Map::new(),
        });
    }
    let params = AutoScaleParams {
        tokens: autoscale.tokens,
        law: match autoscale.law {
            schema::ScaleLaw::Power => Law::Power,
            schema::ScaleLaw::Shifted => Law::Shifted,
        },
        mode: match autoscale.mode {
            schema::Mode::Continuous => Mode::Continuous,
            schema::Mode::Stepping => Mode::Stepping,
        },
    };
    let field = |field: &str| vec![format!("autoscale.{}.{field}", autoscale.name)];
    let origins = stager.origins(&[
        ("tokens", field("tokens")),
        ("law", field("law")),
        ("mode", field("mode")),
    ]);
    stager.add(Action {
        target: format!("autoscale/{}", autoscale.name),
        kind: KIND,
        params: mixmake_core::action::params(&params)?,
        inputs,
        outputs: vec![OutputSpec::new(PREDICTION), OutputSpec::new(WEIGHTS)],
        cost: Cost::Light,
        threads: 1,
        pool: None,
        origins,
    })
}

/// Predicts the weights.
pub fn run(job: &Job) -> Result<Facts, Failure> {
    let params: AutoScaleParams = job.params()?;
    let mut fits: Vec<FitArtifact> =
        job.inputs("fit").map(|input| artifact::read(&input.path)).collect::<Result<_, _>>()?;
    fits.sort_by(|left, right| left.fit.total.total_cmp(&right.fit.total));
    let shards = fits.first().map(|fit| fit.shards.clone()).unwrap_or_default();
    if fits.iter().any(|fit| fit.shards != shards) {
        return Err(Failure::new("the fits are over different domains"));
    }
    let scales: Vec<_> = fits.iter().map(|artifact| scale_of(&artifact.fit)).collect();
    let options = autoscale::Options { law: params.law, mode: params.mode, ..Default::default() };
    let target = params.tokens as f64;
    let level = fits.first().map_or(Bootstrap::default().level, |fit| fit.options.bootstrap.level);
    let draws = draws(&fits)?;
    let (prediction, intervals) =
        autoscale::predict_with_intervals(&scales, &draws, target, &options, level)
            .map_err(|error| Failure::new(format!("no prediction: {error}")))?;
    let path = path(&scales, prediction.predicted.total, &options);
    write(job, PredictionArtifact { shards, prediction, intervals, path })
}

/// The bootstrap's optima of every scale, smallest first. Scales are measured apart, so each draws by a seed of its own.
fn draws(fits: &[FitArtifact]) -> Result<Vec<Vec<Scale>>, Failure> {
    let redrawn = |(seed, artifact): (u64, &FitArtifact)| {
        let bootstrap = Bootstrap { seed, ..artifact.options.bootstrap };
        let options = ddo::Options { bootstrap, ..artifact.options.clone() };
        ddo::solve_with_draws(&artifact.evidence, &options)
            .map(|(_, draws)| draws)
            .map_err(|error| Failure::new(format!("a fit cannot be redrawn: {error}")))
    };
    (0..).zip(fits).map(redrawn).collect()
}

/// A fit's optimum as one scale; a domain's shift is its law's `a` in tokens.
#[must_use]
pub fn scale_of(fit: &DdoFit) -> Scale {
    let shift = |domain: &mixmake_fit::ddo::DomainFit| {
        domain.law.as_ref().map(|law| law.a * fit.base_amounts[domain.domain.0])
    };
    Scale {
        amounts: fit.optimum.amounts.clone(),
        at_floor: fit.optimum.at_floor.clone(),
        held: fit.optimum.held.clone(),
        shifts: fit.domains.iter().map(shift).collect(),
    }
}

/// Weights along the way, for the figure; totals that give no prediction are left out.
fn path(scales: &[Scale], target: f64, options: &autoscale::Options) -> Vec<(f64, Vec<f64>)> {
    let Some(first) = scales.first().map(Scale::total) else { return Vec::new() };
    let options = autoscale::Options { mode: Mode::Continuous, ..*options };
    let total =
        |point: u32| first * (target / first).powf(f64::from(point) / f64::from(PATH_POINTS));
    (0..=PATH_POINTS)
        .filter_map(|point| autoscale::predict(scales, total(point), &options).ok())
        .map(|prediction| (prediction.predicted.total, prediction.predicted.weights))
        .collect()
}

fn write(job: &Job, artifact: PredictionArtifact) -> Result<Facts, Failure> {
    let predicted = &artifact.prediction.predicted;
    let weight =
        |(shard, weight): (&String, &f64)| ShardWeight { shard: shard.clone(), weight: *weight };
    let weights = Weights {
        total_tokens: predicted.total,
        weights: artifact.shards.iter().zip(&predicted.weights).map(weight).collect(),
    };
    artifact::write(&job.output(WEIGHTS), &weights)?;
    artifact::write(&job.output(PREDICTION), &artifact)?;
    Ok(Facts::from([("predicted total".into(), predicted.total.to_string())]))
}
