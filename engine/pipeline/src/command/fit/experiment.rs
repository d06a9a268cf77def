//! A DDO table: the law of every domain on the aggregate objective, as the paper fits it.

use mixmake_fit::ddo::{self, Bootstrap, DdoFit, Objective};
use serde_json::json;

use super::show::Shown;
use crate::cli::{Fit, ObjectiveArg};
use crate::error::{Error, Exit, Result};
use crate::table::bounds::{Bound, BoundList, by_name};
use crate::table::experiment::{Base, base};
use crate::table::losses::{self, LossTable, Reading};
use crate::table::{Table, values};

/// Fits the table.
pub(super) fn solve(table: &Table, args: &Fit) -> Result<Shown> {
    let objective = objective(args.laws.objective)?;
    refuse_other_laws(args)?;
    let base = base(&args.experiment)?;
    let read = losses::read(
        table,
        &Reading {
            columns: &args.options.columns,
            measure: base.measure,
            objective,
            tokens: base.tokens,
            weights: base.weights.as_deref(),
        },
    )?;
    let fit = fit(&read, objective, args)?;
    Ok(shown(table, read, fit, &base))
}

fn shown(table: &Table, read: LossTable, fit: DdoFit, base: &Base) -> Shown {
    Shown {
        name: table.path.clone(),
        objective: losses::objective_in_words(fit.objective, &read.columns),
        notes: read.notes.iter().cloned().chain(fit.in_words(&read.domains)).collect(),
        order: (0..read.domains.len()).collect(),
        in_tokens: base.tokens.is_some(),
        table: Some(json!({
            "path": table.path,
            "rows": table.rows(),
            "columns": read.columns,
            "factors": read.factors,
        })),
        names: read.domains,
        fit,
    }
}

/// DDO's surrogate is a mean; perplexities are what the paper averages.
pub(crate) fn objective(objective: Option<ObjectiveArg>) -> Result<Objective> {
    match objective {
        None | Some(ObjectiveArg::MeanPerplexity) => Ok(Objective::MeanPerplexity),
        Some(ObjectiveArg::MeanLoss) => Ok(Objective::MeanCrossEntropy),
        Some(ObjectiveArg::Worst) => {
            Err(Error::usage("DDO's law is of a mean and knows no worst domain")
                .hint("fit a law per validation domain: `--law auto --objective worst`"))
        }
    }
}

/// What only laws per validation domain can do.
fn refuse_other_laws(args: &Fit) -> Result<()> {
    let laws = &args.laws;
    let given = [
        ("--importance", laws.importance.is_some()),
        ("--reference", laws.reference.is_some()),
        ("--at", laws.at.is_some()),
        ("--at-size", laws.at_size.is_some()),
        ("--suggest", laws.suggest > 0),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::usage(format!(
            "`{flag}` needs a law per validation domain, and DDO's is of their mean at one scale"
        ))
        .hint("add `--law auto`, or name another law")),
    }
}

fn fit(table: &LossTable, objective: Objective, args: &Fit) -> Result<DdoFit> {
    let factors = args.options.factors.iter();
    let factors = factors.map(|text| values::flag("--factors", text, values::factor));
    let factors = factors.collect::<std::result::Result<Vec<_>, _>>()?;
    losses::check_factors(table, &factors)?;
    let noise = args.options.noise;
    if let Some(noise) = noise {
        check_range("--noise", noise, noise >= 0.0 && noise.is_finite(), "finite and at least 0")?;
    }
    let default = Bootstrap::default();
    let options = ddo::Options {
        objective,
        floors: floors(table, args.laws.floor.as_deref())?,
        caps: caps(table, args)?,
        factors: (!factors.is_empty()).then_some(factors),
        noise,
        bootstrap: Bootstrap {
            draws: args.laws.bootstrap.unwrap_or(default.draws),
            level: args.laws.level,
            seed: args.laws.seed,
        },
        ..ddo::Options::default()
    };
    ddo::solve(&table.evidence, &options).map_err(|error| {
        let message = format!("the losses give no fit: {}", error.with_names(&table.domains));
        Error::new(Exit::ActionFailed, message)
    })
}

/// The base run's total and weights.
fn base_run(table: &LossTable) -> (f64, Vec<f64>) {
    let amounts = table.evidence.base.first().map(|run| run.amounts.clone()).unwrap_or_default();
    let total: f64 = amounts.iter().sum();
    (total, amounts.iter().map(|amount| amount / total).collect())
}

/// Least amounts of the domains; those without a bound of their own have DDO's floor.
fn floors(table: &LossTable, text: Option<&str>) -> Result<Option<Vec<Option<f64>>>> {
    let Some(text) = text else { return Ok(None) };
    let (total, reference) = base_run(table);
    let list = values::flag("--floor", text, BoundList::new)?;
    if let Some(Bound::Multiple(floor)) = list.all {
        check_range("--floor", floor, (0.0..=1.0).contains(&floor), "from 0 to 1")?;
    }
    let weights =
        values::flag("--floor", text, |_: &str| list.weights(&table.domains, &reference))?;
    Ok(Some(weights.into_iter().map(|weight| weight.map(|weight| weight * total)).collect()))
}

/// Most amounts of each domain: caps, and tokens that exist times the repeats permitted.
fn caps(table: &LossTable, args: &Fit) -> Result<Option<Vec<Option<f64>>>> {
    let (total, reference) = base_run(table);
    let mut caps = vec![None; reference.len()];
    let mut lower = |bounds: Vec<Option<f64>>| {
        for (cap, bound) in caps.iter_mut().zip(bounds) {
            *cap = match (*cap, bound) {
                (Some(one), Some(other)) => Some(f64::min(one, other)),
                (one, other) => one.or(other),
            };
        }
    };
    if let Some(text) = &args.laws.cap {
        let read = |text: &str| BoundList::new(text)?.weights(&table.domains, &reference);
        let weights = values::flag("--cap", text, read)?;
        lower(weights.into_iter().map(|weight| weight.map(|weight| weight * total)).collect());
    }
    if let Some(text) = &args.laws.available {
        if args.experiment.tokens.is_none() {
            return Err(Error::usage(
                "`--available` is in tokens, and those of the base run are not known",
            )
            .hint("add `--tokens 1.2B`"));
        }
        let read = |text: &str| by_name(text, &table.domains, None, values::tokens);
        let tokens = values::flag("--available", text, read)?;
        lower(tokens.into_iter().map(|tokens| tokens.map(|n| n * args.laws.max_repeats)).collect());
    }
    Ok(caps.iter().any(Option::is_some).then_some(caps))
}

pub(super) fn check_range(flag: &str, value: f64, inside: bool, requirement: &str) -> Result<()> {
    if inside {
        Ok(())
    } else {
        Err(Error::usage(format!("`{flag} {value}`: it must be {requirement}")))
    }
}
