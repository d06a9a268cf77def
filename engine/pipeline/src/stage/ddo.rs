//! `ddo/NAME`: the runs of a Direct Data Optimization, and the fit over their losses.

use mixmake_core::exec::{Failure, Job, JobInput};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_fit::ddo::{self, Bootstrap, Evidence, Measure};
use mixmake_manifest::schema::{Ddo, Limit, Objective};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::mixture::{WEIGHTS, Wanted};
use super::{StageError, Stager, Training, shards, train};
use crate::artifact::{self, FitArtifact, Losses, ShardFacts, ShardWeight, Weights};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "ddo", version: 3 };
pub const FIT: &str = "fit.json";

/// What decides a fit besides its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DdoParams {
    pub objective: ddo::Objective,
    /// Least of every domain; where domains differ, an attribute of each domain's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Bound>,
    /// Most of every domain, alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Bound>,
    /// Relative standard deviation of one run, where it is not to be estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Redrawn fits, and the probability that their intervals cover.
    pub draws: u64,
    pub level: f64,
    pub max_repeats: u32,
}

/// A bound on the amount of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Of its base amount.
    Multiple(f64),
    /// Of all tokens.
    Share(f64),
}

impl From<Limit> for Bound {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Multiple(multiple) => Self::Multiple(multiple),
            Limit::Share(share) => Self::Share(share),
        }
    }
}

impl Bound {
    /// In tokens, of a domain of `base` tokens among `total`.
    fn tokens(self, base: f64, total: f64) -> f64 {
        match self {
            Self::Multiple(multiple) => multiple * base,
            Self::Share(share) => share * total,
        }
    }
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
    let floors: Vec<Option<Bound>> = ddo.floors.iter().map(|floor| Some((*floor).into())).collect();
    let caps: Vec<Option<Bound>> = ddo.caps.iter().map(|cap| cap.map(Bound::from)).collect();
    for (place, domain) in stager.training_domains().into_iter().enumerate() {
        let shard = stager.staged.shards[domain];
        let mut own = input("domain", shard, shards::TRAIN.facts);
        for (name, bounds) in [("floor", &floors), ("cap", &caps)] {
            if alike(bounds).is_none()
                && let Some(bound) = bounds.get(place).copied().flatten()
            {
                own.attributes.insert(name.to_owned(), json!(bound));
            }
        }
        inputs.push(own);
        inputs.push(input("validation", shard, shards::HELD_OUT.facts));
    }
    let params = DdoParams {
        objective: match ddo.objective {
            Objective::Perplexity => ddo::Objective::MeanPerplexity,
            Objective::CrossEntropy => ddo::Objective::MeanCrossEntropy,
        },
        floor: alike(&floors).flatten(),
        cap: alike(&caps).flatten(),
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

/// The bound that all domains share.
fn alike(bounds: &[Option<Bound>]) -> Option<Option<Bound>> {
    let first = *bounds.first()?;
    bounds.iter().all(|bound| *bound == first).then_some(first)
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
        floors: Some(own_bounds(job, "floor", params.floor, &evidence)?),
        caps: Some(caps(own_bounds(job, "cap", params.cap, &evidence)?, &available)),
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

/// The bound of every domain in tokens: its own, an attribute of its input, else that of all.
fn own_bounds(
    job: &Job,
    name: &str,
    all: Option<Bound>,
    evidence: &Evidence,
) -> Result<Vec<Option<f64>>, Failure> {
    let base = evidence.base.first().map(|run| run.amounts.as_slice()).unwrap_or_default();
    let total: f64 = base.iter().sum();
    let bound = |(input, base): (&JobInput, &f64)| {
        let own = input.attributes.get(name).cloned().map(serde_json::from_value::<Bound>);
        let own = own.transpose().map_err(|error| {
            Failure::new(format!("the request's `{name}` of a domain is unreadable: {error}"))
        })?;
        Ok(own.or(all).map(|bound| bound.tokens(*base, total)))
    };
    job.inputs("domain").zip(base).map(bound).collect()
}

/// What exists, and no more than the caps.
fn caps(caps: Vec<Option<f64>>, available: &[f64]) -> Vec<Option<f64>> {
    let cap = |(cap, available): (Option<f64>, &f64)| {
        Some(cap.map_or(*available, |cap| cap.min(*available)))
    };
    caps.into_iter().zip(available).map(cap).collect()
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
