//! `ddo/NAME`: the runs of a Direct Data Optimization, and the fit over their losses.

use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_fit::ddo::{self, Bootstrap, Evidence, Measure};
use mixmake_manifest::schema::{Ddo, Objective};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::mixture::{WEIGHTS, Wanted};
use super::{StageError, Stager, Training, shards, train};
use crate::artifact::{self, FitArtifact, Losses, ShardFacts, ShardWeight, Weights};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "ddo", version: 2 };
pub const FIT: &str = "fit.json";

/// What decides a fit besides its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DdoParams {
    pub objective: ddo::Objective,
    /// Multiple of the base amount.
    pub floor: f64,
    /// Multiple of the base amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// Relative standard deviation of one run, where it is not to be estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Redrawn fits, and the probability that their intervals cover.
    pub draws: u64,
    pub level: f64,
    pub max_repeats: u32,
}

pub(super) fn add(stager: &mut Stager<'_>, ddo: &Ddo) -> Result<super::Ddo, StageError> {
    let mut base = Vec::new();
    let mut perturbed = Vec::new();
    for &seed in &ddo.base_seeds {
        base.push(run_of(stager, ddo, seed, None)?);
    }
    for &seed in &ddo.seeds {
        for domain in stager.training_domains() {
            for &factor in &ddo.factors {
                perturbed.push(run_of(stager, ddo, seed, Some((domain, factor)))?);
            }
        }
    }
    let fit = add_fit(stager, ddo, &base, &perturbed)?;
    let runs = base.into_iter().chain(perturbed).collect();
    Ok(super::Ddo { fit, runs })
}

/// One training: the base, or one domain scaled.
fn run_of(
    stager: &mut Stager<'_>,
    ddo: &Ddo,
    seed: u64,
    perturbation: Option<(usize, f64)>,
) -> Result<Training, StageError> {
    let manifest = stager.manifest;
    let run = match perturbation {
        None => "base".to_owned(),
        Some((domain, factor)) => format!("{}.x{}", manifest.domains[domain].name, short(factor)),
    };
    let seeds = if perturbation.is_none() { &ddo.base_seeds } else { &ddo.seeds };
    let seed_suffix = if seeds.len() > 1 { format!(".s{seed}") } else { String::new() };
    let recipe = train::recipe(manifest, &ddo.recipe)?;
    let wanted = Wanted {
        training: &format!("ddo/{}/{run}{seed_suffix}", ddo.name),
        mixture: &ddo.reference,
        recipe,
        tokens: ddo.tokens,
        max_repeats: ddo.max_repeats,
        seed,
        total: ddo.total,
        perturbation,
        table: &format!("ddo.{}", ddo.name),
    };
    train::add(stager, &wanted)
}

/// `3`, `0.333`: a factor as part of a name.
fn short(factor: f64) -> String {
    let text = format!("{factor:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn add_fit(
    stager: &mut Stager<'_>,
    ddo: &Ddo,
    base: &[Training],
    perturbed: &[Training],
) -> Result<ActionId, StageError> {
    let input = |role, action, output| Input {
        role,
        source: Source::output(action, output),
        attributes: Map::new(),
    };
    let mut inputs = Vec::new();
    inputs.extend(base.iter().map(|run| input("base", run.train, train::LOSSES)));
    inputs.extend(perturbed.iter().map(|run| input("perturbed", run.train, train::LOSSES)));
    for domain in stager.training_domains() {
        let shard = stager.staged.shards[domain];
        inputs.push(input("domain", shard, shards::TRAIN.facts));
        inputs.push(input("validation", shard, shards::HELD_OUT.facts));
    }
    let params = DdoParams {
        objective: match ddo.objective {
            Objective::Perplexity => ddo::Objective::MeanPerplexity,
            Objective::CrossEntropy => ddo::Objective::MeanCrossEntropy,
        },
        floor: ddo.floor,
        cap: ddo.cap,
        noise: ddo.noise,
        draws: ddo.draws,
        level: ddo.level,
        max_repeats: ddo.max_repeats,
    };
    let field = |field: &str| vec![format!("ddo.{}.{field}", ddo.name)];
    let origins = stager.origins(&[
        ("objective", field("objective")),
        ("floor", field("floor")),
        ("cap", field("cap")),
        ("noise", field("noise")),
        ("draws", field("draws")),
        ("level", field("level")),
        ("max-repeats", field("max-repeats")),
    ]);
    stager.add(Action {
        target: format!("ddo/{}", ddo.name),
        kind: KIND,
        params: mixmake_core::action::params(&params)?,
        inputs,
        outputs: vec![OutputSpec::new(FIT), OutputSpec::new(WEIGHTS)],
        cost: Cost::Light,
        threads: 1,
        pool: None,
        origins,
    })
}

/// Fits the laws and finds the optimum.
pub fn run(job: &Job) -> Result<Facts, Failure> {
    let params: DdoParams = job.params()?;
    let read = |role: &str| -> Result<Vec<ShardFacts>, Failure> {
        job.inputs(role).map(|input| artifact::read(&input.path)).collect()
    };
    let (domains, validation) = (read("domain")?, read("validation")?);
    let runs = |role: &str| -> Result<Vec<ddo::Run>, Failure> {
        job.inputs(role)
            .map(|input| evidence_of(&artifact::read(&input.path)?, &domains, &validation))
            .collect()
    };
    let evidence = Evidence {
        measure: Measure::CrossEntropy,
        base: runs("base")?,
        perturbed: runs("perturbed")?,
    };
    let available: Vec<f64> =
        domains.iter().map(|facts| facts.tokens as f64 * f64::from(params.max_repeats)).collect();
    let options = ddo::Options {
        objective: params.objective,
        floor: params.floor,
        caps: Some(caps(&params, &evidence, &available)),
        noise: params.noise,
        bootstrap: Bootstrap {
            draws: usize::try_from(params.draws).unwrap_or(usize::MAX),
            level: params.level,
            ..Bootstrap::default()
        },
        ..ddo::Options::default()
    };
    let fit = ddo::solve(&evidence, &options).map_err(|error| {
        Failure::new(format!("the losses give no fit: {error}"))
            .hint("look at them with `mixmake losses`; more seeds, or factors further from 1, help against noise")
    })?;
    let shards = domains.iter().map(|facts| facts.bin.clone()).collect();
    write(
        job,
        &domains,
        &FitArtifact { shards, fit, available_tokens: available, evidence, options },
    )
}

/// What exists, and no more than the cap's multiple of the base amount.
fn caps(params: &DdoParams, evidence: &Evidence, available: &[f64]) -> Vec<Option<f64>> {
    let base = evidence.base.first().map(|run| run.amounts.as_slice()).unwrap_or_default();
    let cap = |(available, base): (&f64, &f64)| {
        Some(params.cap.map_or(*available, |cap| available.min(cap * base)))
    };
    available.iter().zip(base).map(cap).collect()
}

fn write(job: &Job, domains: &[ShardFacts], artifact: &FitArtifact) -> Result<Facts, Failure> {
    let fit = &artifact.fit;
    let weight = |(facts, weight): (&ShardFacts, &f64)| ShardWeight {
        shard: facts.bin.clone(),
        weight: *weight,
    };
    let weights = Weights {
        total_tokens: fit.total,
        weights: domains.iter().zip(&fit.optimum.weights).map(weight).collect(),
    };
    artifact::write(&job.output(WEIGHTS), &weights)?;
    artifact::write(&job.output(FIT), artifact)?;
    Ok(Facts::from([(
        "identified domains".into(),
        format!("{} of {}", fit.identified(), domains.len()),
    )]))
}

/// A training's amounts and final losses, in the order of the domains.
fn evidence_of(
    losses: &Losses,
    domains: &[ShardFacts],
    validation: &[ShardFacts],
) -> Result<ddo::Run, Failure> {
    let amount = |facts: &ShardFacts| {
        losses
            .parts
            .iter()
            .find(|part| part.shard == facts.bin)
            .map_or(0.0, |part| part.tokens as f64)
    };
    let value = |facts: &ShardFacts| {
        losses.final_loss(&facts.bin).ok_or_else(|| {
            Failure::new(format!("a training has no loss on the held-out set {}", &facts.bin[..12]))
        })
    };
    Ok(ddo::Run {
        amounts: domains.iter().map(amount).collect(),
        values: validation.iter().map(value).collect::<Result<_, _>>()?,
        perturbed: None,
    })
}
