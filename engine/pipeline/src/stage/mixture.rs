//! `mixture/…`: weights and an amount to exact counts of units of every shard.

use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::mixture::{self, MixtureError, MixtureRequest, Total, TotalRule, Unit};
use mixmake_manifest::schema::{self, Architecture, MixtureRef, Recipe};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{FixedMixture, StageError, Stager, attributes, shards};
use crate::artifact::{self, MixtureArtifact, ShardFacts, Weights};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "mixture", version: 1 };
pub const OUTPUT: &str = "mixture.json";
pub const WEIGHTS: &str = "weights.json";

/// The parameters of a mixture that are not a domain's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MixtureParams {
    /// Tokens of one epoch; counts are whole units below it.
    pub tokens: u64,
    /// Tokens of a sequence: a block's, or the most of a padded sample.
    pub context: u32,
    pub packing: Packing,
    pub total: TotalRule,
    pub max_repeats: u32,
    pub seed: u64,
}

/// How samples become sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// Blocks of the concatenated samples (GPT-2).
    Blocks,
    /// One sample a row (BERT).
    Samples,
}

impl Packing {
    pub fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Gpt2 => Self::Blocks,
            Architecture::Bert => Self::Samples,
        }
    }
}

impl MixtureParams {
    fn request(&self, weights: Vec<f64>, factors: Vec<f64>) -> MixtureRequest {
        let (unit, total) = match self.packing {
            Packing::Blocks => {
                (Unit::Block { tokens: u64::from(self.context) }, Total::Tokens(self.tokens))
            }
            Packing::Samples => {
                (Unit::Sample, Total::Units(self.tokens / u64::from(self.context.max(1))))
            }
        };
        let unperturbed = factors.iter().all(|factor| *factor == 1.0);
        MixtureRequest {
            weights,
            total,
            unit,
            factors: if unperturbed { Vec::new() } else { factors },
            total_rule: self.total,
            max_repeats: self.max_repeats,
            seed: self.seed,
        }
    }
}

/// What a training asks of its mixture.
pub struct Wanted<'a> {
    /// `train/uniform`: the mixture is `mixture/train/uniform`.
    pub training: &'a str,
    pub mixture: &'a MixtureRef,
    pub recipe: &'a Recipe,
    pub tokens: u64,
    pub max_repeats: u32,
    pub seed: u64,
    pub total: schema::Total,
    /// DDO: which domain is scaled, and by what.
    pub perturbation: Option<(usize, f64)>,
    /// Dotted path of the table that asks, for explanations.
    pub table: &'a str,
}

pub(super) fn add(stager: &mut Stager<'_>, wanted: &Wanted<'_>) -> Result<ActionId, StageError> {
    let weights_from = stager.weights_of(wanted.mixture)?;
    let model = stager.manifest.model(&wanted.recipe.model);
    let (context, architecture) =
        model.map_or((1, Architecture::Gpt2), |model| (model.context, model.architecture));
    let params = MixtureParams {
        tokens: wanted.tokens,
        context,
        packing: Packing::of(architecture),
        total: match wanted.total {
            schema::Total::Free => TotalRule::Free,
            schema::Total::Fixed => TotalRule::Fixed,
        },
        max_repeats: wanted.max_repeats,
        seed: wanted.seed,
    };
    let mut inputs = domain_inputs(stager, wanted);
    inputs.extend(weights_from.map(|action| Input {
        role: "weights",
        source: Source::output(action, WEIGHTS),
        attributes: Map::new(),
    }));
    let origins = origins(stager, wanted);
    let action = stager.add(Action {
        target: format!("mixture/{}", wanted.training),
        kind: KIND,
        params: mixmake_core::action::params(&params)?,
        inputs,
        outputs: vec![OutputSpec::new(OUTPUT)],
        cost: Cost::Light,
        threads: 1,
        pool: None,
        origins,
    })?;
    if weights_from.is_none() {
        let field = format!("{}.tokens", wanted.table);
        stager.staged.fixed_mixtures.push(FixedMixture { action, field });
    }
    Ok(action)
}

/// The domains that a training can draw from. One that the manifest gives a weight of 0 is none of them: what changes in
/// it is nothing to the mixture, nor to the training.
pub(super) fn drawn(stager: &Stager<'_>, mixture: &MixtureRef) -> Vec<usize> {
    let mut domains = stager.training_domains();
    let count = domains.len();
    domains.retain(|&domain| fixed_weight(stager, mixture, domain, count) != Some(0.0));
    domains
}

/// One input a domain, with its weight (where the manifest fixes it) and DDO factor.
fn domain_inputs(stager: &Stager<'_>, wanted: &Wanted<'_>) -> Vec<Input> {
    let count = stager.training_domains().len();
    let domains = drawn(stager, wanted.mixture);
    let mut inputs = Vec::with_capacity(domains.len());
    for domain in domains {
        let mut own = Map::new();
        if let Some(weight) = fixed_weight(stager, wanted.mixture, domain, count) {
            own.extend(attributes([("weight", weight.into())]));
        }
        if let Some((perturbed, factor)) = wanted.perturbation
            && perturbed == domain
        {
            own.extend(attributes([("factor", factor.into())]));
        }
        let source = Source::output(stager.staged.shards[domain], shards::TRAIN.facts);
        inputs.push(Input { role: "domain", source, attributes: own });
    }
    inputs
}

fn fixed_weight(
    stager: &Stager<'_>,
    mixture: &MixtureRef,
    domain: usize,
    count: usize,
) -> Option<f64> {
    match mixture {
        MixtureRef::Uniform => Some(1.0 / count as f64),
        MixtureRef::Named(name) => {
            let mixture = stager.manifest.mixtures.iter().find(|mixture| mixture.name == *name)?;
            let name = &stager.manifest.domains[domain].name;
            mixture.weights.iter().find(|(domain, _)| domain == name).map(|(_, weight)| *weight)
        }
        MixtureRef::Ddo(_) | MixtureRef::AutoScale(_) => None,
    }
}

fn origins(stager: &Stager<'_>, wanted: &Wanted<'_>) -> std::collections::BTreeMap<String, String> {
    let table = wanted.table;
    let recipe = &wanted.recipe.name;
    let model = &wanted.recipe.model;
    let mut origins = stager.origins(&[
        ("tokens", vec![format!("{table}.tokens")]),
        ("max-repeats", vec![format!("{table}.max-repeats")]),
        ("total", vec![format!("{table}.total")]),
        ("context", vec![format!("model.{model}.context")]),
        ("packing", vec![format!("model.{model}.architecture")]),
        (
            "seed",
            vec![
                format!("{table}.seed"),
                format!("{table}.seeds"),
                format!("recipe.{recipe}.seed"),
            ],
        ),
        ("factor", vec![format!("{table}.factors")]),
    ]);
    if let MixtureRef::Named(name) = wanted.mixture {
        for domain in &stager.manifest.domains {
            let path = format!("shards/{}/{}:weight", domain.name, shards::TRAIN.facts);
            let field = format!("mixture.{name}.weights.{}", domain.name);
            origins.extend(stager.origins(&[(path.as_str(), vec![field])]));
        }
    }
    origins
}

/// Composes the mixture.
pub fn run(job: &Job) -> Result<Facts, Failure> {
    let params: MixtureParams = job.params()?;
    let weights: Option<Weights> =
        job.inputs("weights").next().map(|input| artifact::read(&input.path)).transpose()?;
    let mut shards = Vec::new();
    let (mut shares, mut factors) = (Vec::new(), Vec::new());
    for input in job.inputs("domain") {
        let facts: ShardFacts = artifact::read(&input.path)?;
        let number = |name: &str| input.attributes.get(name).and_then(serde_json::Value::as_f64);
        shares.push(share(&facts, number("weight"), weights.as_ref())?);
        factors.push(number("factor").unwrap_or(1.0));
        shards.push(facts);
    }
    let artifact = compose(&params, shares, factors, shards).map_err(|error| {
        let hint = "lower the amount, raise `max-repeats`, or add text to the domain";
        Failure::new(error.to_string()).hint(hint)
    })?;
    artifact::write(&job.output(OUTPUT), &artifact)?;
    Ok(Facts::new())
}

fn share(facts: &ShardFacts, fixed: Option<f64>, found: Option<&Weights>) -> Result<f64, Failure> {
    let found =
        || found?.weights.iter().find(|weight| weight.shard == facts.bin).map(|found| found.weight);
    fixed.or_else(found).ok_or_else(|| {
        Failure::new(format!("the weights say nothing of the shard {}", &facts.bin[..12])).hint(
            "two manifests' domains were mixed up; build the fit that the weights come from again",
        )
    })
}

/// The mixture of `shards`, or why it cannot be had.
pub fn compose(
    params: &MixtureParams,
    weights: Vec<f64>,
    factors: Vec<f64>,
    shards: Vec<ShardFacts>,
) -> Result<MixtureArtifact, MixtureError> {
    let available: Vec<_> = shards
        .iter()
        .map(|facts| mixture::ShardFacts {
            digest: facts.bin.clone(),
            tokens: facts.tokens,
            sequences: facts.sequences,
        })
        .collect();
    let mixture = mixture::compose(&params.request(weights, factors), &available)?;
    Ok(MixtureArtifact { mixture, shards })
}
