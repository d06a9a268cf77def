//! `report`: all fits, predictions and compared trainings, as a page and a table.
//!
//! The one stage that knows names: they are what it shows, so they are its parameters.

use std::collections::BTreeMap;

use mixmake_core::exec::{Failure, Job, JobInput};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::corpus::SamplesStats;
use mixmake_fit::curves::{self, CurvePoint, StepsSaved};
use mixmake_fit::ddo::{DdoFit, NoiseSource, Objective, Uncertainty};
use mixmake_fit::mixing;
use mixmake_manifest::schema::MixtureRef;
use mixmake_report::data::{
    Comparison, Domain, Evaluation, Fit, FitCurve, Prediction, Study, Training,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::autoscale::PREDICTION;
use super::ddo::FIT;
use super::{StageError, Stager, attributes, samples, shards, train};
use crate::artifact::{self, FitArtifact, Losses, PredictionArtifact, ShardFacts};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "report", version: 2 };
pub const PAGE: &str = "report.html";
pub const TABLE: &str = "report.md";
pub const DATA: &str = "study.json";

/// What is shown under which name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportParams {
    pub title: String,
    pub domains: Vec<DomainLabel>,
    /// Names of the compared trainings, in order.
    pub trains: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// By training: the one it is compared with instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DomainLabel {
    pub name: String,
    pub trains: bool,
}

pub(super) fn add(stager: &mut Stager<'_>) -> Result<Option<ActionId>, StageError> {
    let Some(report) = &stager.manifest.report else { return Ok(None) };
    let domains = stager.manifest.domains.iter();
    let domains =
        domains.map(|domain| DomainLabel { name: domain.name.clone(), trains: domain.train });
    let trains = match report.trains.is_empty() {
        true => stager.manifest.trains.iter().map(|train| train.name.clone()).collect(),
        false => report.trains.clone(),
    };
    let params = ReportParams {
        title: report.title.clone(),
        domains: domains.collect(),
        baseline: report.baseline.clone(),
        baselines: report.baselines.clone(),
        trains,
    };
    let inputs = inputs(stager, &params.trains);
    let origins = stager.origins(&[
        ("title", vec!["report.title".into()]),
        ("trains", vec!["report.trains".into()]),
        ("baseline", vec!["report.baseline".into()]),
        ("baselines", vec!["report.baselines".into()]),
    ]);
    let action = Action {
        target: "report".into(),
        kind: KIND,
        params: mixmake_core::action::params(&params)?,
        inputs,
        outputs: vec![OutputSpec::new(PAGE), OutputSpec::new(TABLE), OutputSpec::new(DATA)],
        cost: Cost::Light,
        threads: 1,
        pool: None,
        origins,
    };
    stager.add(action).map(Some)
}

fn inputs(stager: &Stager<'_>, trains: &[String]) -> Vec<Input> {
    let input = |role, action, output, own| Input {
        role,
        source: Source::output(action, output),
        attributes: own,
    };
    let mut inputs = Vec::new();
    for (index, domain) in stager.manifest.domains.iter().enumerate() {
        let name = || attributes([("domain", domain.name.clone().into())]);
        let shard = stager.staged.shards[index];
        inputs.push(input("stats", stager.staged.samples[index], samples::STATS, name()));
        inputs.push(input("train-facts", shard, shards::TRAIN.facts, name()));
        inputs.push(input("held-out-facts", shard, shards::HELD_OUT.facts, name()));
    }
    for ddo in &stager.manifest.ddos {
        if let Some(staged) = stager.staged.ddos.get(&ddo.name) {
            inputs.push(input(
                "fit",
                staged.fit,
                FIT,
                attributes([("name", ddo.name.clone().into())]),
            ));
        }
    }
    for autoscale in &stager.manifest.autoscales {
        if let Some(&action) = stager.staged.autoscales.get(&autoscale.name) {
            let name = attributes([("name", autoscale.name.clone().into())]);
            inputs.push(input("prediction", action, PREDICTION, name));
        }
    }
    for train in stager.manifest.trains.iter().filter(|train| trains.contains(&train.name)) {
        if let Some(staged) = stager.staged.trains.get(&train.name) {
            let own = attributes([
                ("name", train.name.clone().into()),
                ("mixture", mixture_name(&train.mixture).into()),
            ]);
            inputs.push(input("losses", staged.train, train::LOSSES, own));
        }
    }
    inputs
}

fn mixture_name(mixture: &MixtureRef) -> String {
    match mixture {
        MixtureRef::Uniform => "uniform".into(),
        MixtureRef::Named(name) => name.clone(),
        MixtureRef::Ddo(name) => format!("ddo.{name}"),
        MixtureRef::AutoScale(name) => format!("autoscale.{name}"),
    }
}

/// Writes the page, the table and the numbers behind them.
pub fn run(job: &Job) -> Result<Facts, Failure> {
    let params: ReportParams = job.params()?;
    let study = Gather::new(job, &params)?.study()?;
    let text = |name: &str, text: String| {
        let path = job.output(name);
        std::fs::write(&path, text)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
    };
    text(PAGE, mixmake_report::html(&study))?;
    text(TABLE, mixmake_report::markdown(&study))?;
    artifact::write(&job.output(DATA), &study)?;
    Ok(Facts::new())
}

/// The inputs of a report, by the names they are shown under.
struct Gather<'j> {
    job: &'j Job<'j>,
    params: &'j ReportParams,
    train_facts: BTreeMap<String, ShardFacts>,
    held_out_facts: BTreeMap<String, ShardFacts>,
}

fn attribute<'i>(input: &'i JobInput, name: &str) -> &'i str {
    input.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl<'j> Gather<'j> {
    fn new(job: &'j Job, params: &'j ReportParams) -> Result<Self, Failure> {
        let facts = |role: &str| -> Result<BTreeMap<String, ShardFacts>, Failure> {
            job.inputs(role)
                .map(|input| {
                    Ok((attribute(input, "domain").to_owned(), artifact::read(&input.path)?))
                })
                .collect()
        };
        let (train_facts, held_out_facts) = (facts("train-facts")?, facts("held-out-facts")?);
        Ok(Self { job, params, train_facts, held_out_facts })
    }

    /// Artifacts of a role by name, in the order of the names given by `order`.
    fn named<T: serde::de::DeserializeOwned>(
        &self,
        role: &str,
    ) -> Result<Vec<(&'j JobInput, T)>, Failure> {
        self.job.inputs(role).map(|input| Ok((input, artifact::read(&input.path)?))).collect()
    }

    fn study(&self) -> Result<Study, Failure> {
        let mut fits = self.named::<FitArtifact>("fit")?;
        fits.sort_by(|left, right| left.1.fit.total.total_cmp(&right.1.fit.total));
        let mut trainings = self.trainings()?;
        let position = |name: &str| self.params.trains.iter().position(|train| train == name);
        trainings.sort_by_key(|training| position(&training.name));
        let place = |name: &str| trainings.iter().position(|training| training.name == name);
        let baseline = self.params.baseline.as_deref().and_then(place);
        let own = self.params.baselines.iter();
        let own = own.filter_map(|(ours, theirs)| Some((place(ours)?, place(theirs)?))).collect();
        let comparisons = compare(&trainings, baseline, &own);
        Ok(Study {
            title: self.params.title.clone(),
            domains: self.domains()?,
            fits: fits.iter().map(|(input, fit)| self.fit(attribute(input, "name"), fit)).collect(),
            predictions: self.predictions()?,
            trainings,
            baseline,
            comparisons,
        })
    }

    fn domains(&self) -> Result<Vec<Domain>, Failure> {
        let stats: BTreeMap<_, _> = self
            .named::<SamplesStats>("stats")?
            .into_iter()
            .map(|(input, stats)| (attribute(input, "domain").to_owned(), stats))
            .collect();
        let domain = |label: &DomainLabel| {
            let stats = stats.get(&label.name).cloned().unwrap_or_default();
            let tokens = |facts: &BTreeMap<String, ShardFacts>| {
                facts.get(&label.name).map_or(0, |facts| facts.tokens)
            };
            Domain {
                name: label.name.clone(),
                trains: label.trains,
                train_tokens: tokens(&self.train_facts),
                held_out_tokens: tokens(&self.held_out_facts),
                documents_read: stats.rows,
                dropped: dropped(&stats),
                train_samples: stats.samples_train,
                held_out_samples: stats.samples_held_out,
                chars: stats.chars_train + stats.chars_held_out,
                duplicates: stats.duplicates,
                lengths: stats.lengths.0,
            }
        };
        Ok(self.params.domains.iter().map(domain).collect())
    }

    /// The names of the domains that train, in order.
    fn training_names(&self) -> Vec<String> {
        let trains = self.params.domains.iter().filter(|label| label.trains);
        trains.map(|label| label.name.clone()).collect()
    }

    /// For every domain that trains, in the manifest's order, its place among `shards`.
    fn places(&self, shards: &[String]) -> Vec<Option<usize>> {
        let place = |name: &String| {
            let bin = &self.train_facts.get(name)?.bin;
            shards.iter().position(|shard| shard == bin)
        };
        self.training_names().iter().map(place).collect()
    }

    fn fit(&self, name: &str, artifact: &FitArtifact) -> Fit {
        let fit = &artifact.fit;
        let places = self.places(&artifact.shards);
        let pick = |values: &[f64]| pick(values, &places, f64::NAN);
        let names: Vec<_> = self.names_of(&artifact.shards);
        let base_total: f64 = fit.base_amounts.iter().sum();
        let reference: Vec<_> = fit.base_amounts.iter().map(|amount| amount / base_total).collect();
        let sd = relative_sd(fit);
        let curve = |place: &Option<usize>| match place.and_then(|place| fit.domains.get(place)) {
            Some(domain) => FitCurve {
                points: domain.points.iter().map(|point| (point.x, point.y)).collect(),
                spread: sd
                    .map(|sd| {
                        domain.points.iter().map(|p| sd * p.y / (p.runs as f64).sqrt()).collect()
                    })
                    .unwrap_or_default(),
                law: domain.law.as_ref().map(|law| [law.a, law.b, law.c]),
                rms: domain.rms,
                at_floor: fit.optimum.at_floor.get(domain.domain.0).copied().unwrap_or(false),
            },
            None => FitCurve::default(),
        };
        let (weight_intervals, objective_optimum_interval) = intervals(fit, &places);
        Fit {
            name: name.to_owned(),
            tokens: fit.total,
            objective: match fit.objective {
                Objective::MeanPerplexity => "mean perplexity",
                Objective::MeanCrossEntropy => "mean cross-entropy",
            }
            .into(),
            reference_weights: pick(&reference),
            weights: pick(&fit.optimum.weights),
            multiples: pick(&fit.optimum.multiples),
            weight_intervals,
            curves: places.iter().map(curve).collect(),
            objective_reference: fit.predicted.reference,
            objective_optimum: fit.predicted.optimum,
            objective_optimum_interval,
            notes: noise_in_words(fit).into_iter().chain(fit.in_words(&names)).collect(),
        }
    }

    /// The names of shards, for the words of fits.
    fn names_of(&self, shards: &[String]) -> Vec<String> {
        let name = |shard: &String| {
            let known = self.train_facts.iter().find(|(_, facts)| facts.bin == *shard);
            known.map_or_else(|| shard.chars().take(12).collect(), |(name, _)| name.clone())
        };
        shards.iter().map(name).collect()
    }

    fn predictions(&self) -> Result<Vec<Prediction>, Failure> {
        let mut predictions: Vec<_> = self
            .named::<PredictionArtifact>("prediction")?
            .into_iter()
            .map(|(input, artifact)| {
                let places = self.places(&artifact.shards);
                let names = self.names_of(&artifact.shards);
                let predicted = &artifact.prediction.predicted;
                let step =
                    |(total, weights): &(f64, Vec<f64>)| (*total, pick(weights, &places, f64::NAN));
                Prediction {
                    name: attribute(input, "name").to_owned(),
                    tokens: predicted.total,
                    weights: pick(&predicted.weights, &places, f64::NAN),
                    weight_intervals: artifact.intervals.as_ref().and_then(|found| {
                        places.iter().map(|place| range(found.weights.get((*place)?)?)).collect()
                    }),
                    path: artifact.path.iter().map(step).collect(),
                    notes: artifact.prediction.in_words(&names),
                }
            })
            .collect();
        predictions.sort_by(|left, right| left.tokens.total_cmp(&right.tokens));
        Ok(predictions)
    }

    fn trainings(&self) -> Result<Vec<Training>, Failure> {
        let losses = self.named::<Losses>("losses")?;
        Ok(losses.iter().map(|(input, losses)| self.training(input, losses)).collect())
    }

    fn training(&self, input: &JobInput, losses: &Losses) -> Training {
        let shards: Vec<_> = losses.parts.iter().map(|part| part.shard.clone()).collect();
        let achieved: Vec<_> = losses.parts.iter().map(|part| part.weight_achieved).collect();
        // A curve is that of the run itself.
        let rows = || losses.rows.iter().filter(|row| !row.decayed);
        let mut steps: Vec<_> = rows().map(|row| (row.step, row.tokens)).collect();
        steps.sort_unstable();
        steps.dedup();
        let evaluation = |&(step, tokens): &(u64, u64)| {
            let loss = |label: &DomainLabel| {
                let held_out = self.held_out_facts.get(&label.name).map(|facts| &facts.bin);
                let row = rows().find(|row| row.step == step && Some(&row.held_out) == held_out);
                row.map_or(f64::NAN, |row| row.loss)
            };
            Evaluation { step, tokens, losses: self.params.domains.iter().map(loss).collect() }
        };
        Training {
            name: attribute(input, "name").to_owned(),
            mixture: attribute(input, "mixture").to_owned(),
            tokens: losses.tokens,
            steps: losses.steps,
            weights: pick(&achieved, &self.places(&shards), 0.0),
            evaluations: steps.iter().map(evaluation).collect(),
        }
    }
}

/// Values in the order of `places`.
fn pick(values: &[f64], places: &[Option<usize>], absent: f64) -> Vec<f64> {
    let value = |place: &Option<usize>| place.and_then(|place| values.get(place)).copied();
    places.iter().map(|place| value(place).unwrap_or(absent)).collect()
}

type Range = (f64, f64);

fn intervals(fit: &DdoFit, places: &[Option<usize>]) -> (Option<Vec<Range>>, Option<Range>) {
    let Uncertainty::Intervals { weights, gain, .. } = &fit.uncertainty else {
        return (None, None);
    };
    let of = |place: &Option<usize>| {
        place.and_then(|place| weights.get(place)).map(|interval| (interval.low, interval.high))
    };
    let reference = fit.predicted.reference;
    (places.iter().map(of).collect(), Some((reference - gain.high, reference - gain.low)))
}

fn range(interval: &mixing::Interval) -> Option<Range> {
    Some((interval.low, interval.high))
}

/// Standard deviation of one run's objective, relative to it, where something shows it.
fn relative_sd(fit: &DdoFit) -> Option<f64> {
    match &fit.uncertainty {
        Uncertainty::Intervals { relative_sd, .. } => Some(*relative_sd),
        _ => None,
    }
}

fn noise_in_words(fit: &DdoFit) -> Option<String> {
    let Uncertainty::Intervals { source, relative_sd, degrees_of_freedom, .. } = &fit.uncertainty
    else {
        return None;
    };
    let source = match (source, degrees_of_freedom) {
        (NoiseSource::Repeats, Some(degrees)) => {
            format!("by the spread of seeds ({degrees} degrees of freedom)")
        }
        (NoiseSource::Residuals, Some(degrees)) => {
            format!("by the laws' residuals ({degrees} degrees of freedom)")
        }
        _ => "as given".into(),
    };
    Some(format!("one run's objective is uncertain by {:.2} %, {source}", 100.0 * relative_sd))
}

fn dropped(stats: &SamplesStats) -> Vec<(String, u64)> {
    let filters = stats.dropped.filters.len();
    let rules = stats.dropped.rules().into_iter().enumerate();
    let named = rules.map(|(place, (rule, count))| {
        (if place < filters { format!("where {rule}") } else { rule }, count)
    });
    let mut dropped: Vec<_> = named.collect();
    dropped.push(("malformed".into(), stats.problems));
    dropped.retain(|(_, count)| *count > 0);
    dropped
}

/// Every training against its own baseline, or else the common one. What is a baseline itself is
/// compared only where it was given one.
fn compare(
    trainings: &[Training],
    common: Option<usize>,
    own: &BTreeMap<usize, usize>,
) -> Vec<Comparison> {
    let is_baseline = |index: usize| common == Some(index) || own.values().any(|&b| b == index);
    let pair = |training: usize| match own.get(&training) {
        Some(&baseline) => Some((training, baseline)),
        None if is_baseline(training) => None,
        None => common.map(|baseline| (training, baseline)),
    };
    let pairs = (0..trainings.len()).filter_map(pair);
    pairs.map(|(training, baseline)| compare_one(trainings, training, baseline)).collect()
}

fn compare_one(trainings: &[Training], training: usize, baseline: usize) -> Comparison {
    let curve = |index: usize| -> Vec<CurvePoint> {
        let point = |evaluation: &Evaluation| CurvePoint {
            step: evaluation.step as f64,
            value: curves::mean_perplexity(&evaluation.losses).unwrap_or(f64::NAN),
        };
        trainings[index].evaluations.iter().map(point).collect()
    };
    let (ours, theirs) = (curve(training), curve(baseline));
    let last = |curve: &[CurvePoint]| curve.last().map_or(f64::NAN, |point| point.value);
    let name = &trainings[baseline].name;
    let (steps_saved, words) = match curves::steps_saved(&ours, &theirs) {
        Ok(saved) => (saved.saved, in_words(&saved, name)),
        Err(error) => (None, format!("not comparable: {error}")),
    };
    Comparison {
        training,
        mean_perplexity_difference: last(&ours) - last(&theirs),
        steps_saved,
        words,
    }
}

fn in_words(saved: &StepsSaved, baseline: &str) -> String {
    match (saved.saved, &saved.behind) {
        (Some(fraction), _) => {
            let at_first = if saved.at_first_point { "at least " } else { "" };
            let percent = 100.0 * fraction;
            format!(
                "reaches the final mean perplexity of `{baseline}` with {at_first}{percent:.1} % fewer steps"
            )
        }
        (None, Some(behind)) => {
            let percent = 100.0 * behind.saved_by_baseline;
            format!(
                "never reaches the final mean perplexity of `{baseline}`, which reaches the one of this training with {percent:.1} % fewer steps"
            )
        }
        (None, None) => format!("never reaches the final mean perplexity of `{baseline}`"),
    }
}
