//! Scales from tables: optima as they stand, or found by DDO in tables of losses, with the bootstrap's draws.

use mixmake_fit::autoscale::{self, Intervals, Options, Prediction, Scale};
use mixmake_fit::ddo::{self, Bootstrap};

use super::refused;
use crate::cli::Predict;
use crate::command::fit::objective;
use crate::error::{Error, Exit, Result};
use crate::stage::autoscale::scale_of;
use crate::table::experiment::measure;
use crate::table::losses::{self, Reading};
use crate::table::optima::{self, Kind};
use crate::table::text::tokens;
use crate::table::wide::WideTable;
use crate::table::{Table, values};

/// Optima at two or more scales, in increasing total.
pub(super) struct Basis {
    /// Files they come from.
    pub paths: Vec<String>,
    /// What the values of the tables are.
    pub kind: String,
    pub domains: Vec<String>,
    pub labels: Vec<String>,
    pub scales: Vec<Scale>,
    /// The bootstrap's optima of every scale, empty where nothing shows its noise: what one scale does not show, the others
    /// cannot stand in for.
    draws: Vec<Vec<Scale>>,
    pub notes: Vec<String>,
}

/// Reads optima from one table, or finds them in tables of losses.
pub(super) fn read(args: &Predict) -> Result<Basis> {
    let tables = args
        .table
        .iter()
        .map(|path| Table::read(path))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let of_losses = tables.iter().filter(|table| WideTable::is_experiment(table)).count();
    match (of_losses, &tables[..]) {
        (0, [table]) => of_optima(table, args),
        (count, _) if count == tables.len() => of_experiments(args, &tables),
        _ => Err(Error::usage("these tables are of different kinds").hint(
            "give one table of optima (a column a domain, a row a scale), or tables of losses alone (`domain`, `factor`, values)",
        )),
    }
}

fn of_optima(table: &Table, args: &Predict) -> Result<Basis> {
    if args.floor == Some(0.0) {
        return Err(Error::usage("`--floor 0`: the floor of a table of optima must be above 0"));
    }
    let optima = optima::read(table, args.floor)?;
    let kind: Kind = optima.kind;
    Ok(Basis {
        paths: vec![table.path.clone()],
        kind: kind.in_words().into(),
        domains: optima.domains,
        labels: optima.labels,
        draws: vec![Vec::new(); optima.scales.len()],
        scales: optima.scales,
        notes: Vec::new(),
    })
}

/// One experiment a scale: a table each, or one whose column `tokens` says the scale of every run.
fn of_experiments(args: &Predict, tables: &[Table]) -> Result<Basis> {
    if args.at.len() > tables.len() {
        return Err(Error::usage("`--at` says the tokens of more tables than there are"));
    }
    let mut parts: Vec<(f64, Table)> = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        parts.extend(scales_of(table, args.at.get(place).map(String::as_str))?);
    }
    parts.sort_by(|one, other| one.0.total_cmp(&other.0));
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::usage(format!("two scales have {} tokens", tokens(pair[0].0)))
            .hint("give every table its own tokens: `--at 300M,1.2B`"));
    }
    // Scales are measured apart, so their noise is drawn apart: each has a seed of its own.
    let seeds = (0..).map(|rank| args.seed.wrapping_add(rank));
    let solved = parts
        .iter()
        .zip(seeds)
        .map(|((total, part), seed)| Ok((*total, solve(part, *total, seed, args)?)));
    let found = solved.collect::<Result<Vec<(f64, Found)>>>()?;
    let domains = common_domains(&found)?;
    let mut basis = Basis {
        paths: tables.iter().map(|table| table.path.clone()).collect(),
        kind: "optima of DDO".into(),
        labels: found.iter().map(|(total, _)| tokens(*total)).collect(),
        scales: Vec::new(),
        draws: Vec::new(),
        notes: Vec::new(),
        domains,
    };
    for (total, each) in &found {
        let order = each.order(&basis.domains);
        basis.scales.push(permuted(&each.scale, &order));
        basis.draws.push(each.draws.iter().map(|draw| permuted(draw, &order)).collect());
        let at = tokens(*total);
        basis.notes.extend(each.notes.iter().map(|note| format!("at {at}: {note}")));
    }
    Ok(basis)
}

/// A table's parts by scale, with their tokens.
fn scales_of(table: &Table, at: Option<&str>) -> Result<Vec<(f64, Table)>> {
    if let Some(text) = at {
        return Ok(vec![(values::flag("--at", text, values::tokens)?, table.clone())]);
    }
    let parts = table.split_by_tokens()?;
    if parts.is_empty() {
        return Err(Error::usage(format!("`{}` does not say its scale", table.path)).hint(
            "add a column `tokens` with the base run's tokens, or `--at 300M,1.2B`, one a table",
        ));
    }
    Ok(parts)
}

/// One scale's optimum.
struct Found {
    domains: Vec<String>,
    scale: Scale,
    draws: Vec<Scale>,
    notes: Vec<String>,
}

impl Found {
    /// For every domain of `names`, its place here.
    fn order(&self, names: &[String]) -> Vec<usize> {
        names.iter().filter_map(|name| self.domains.iter().position(|own| own == name)).collect()
    }
}

fn solve(table: &Table, total: f64, seed: u64, args: &Predict) -> Result<Found> {
    let weights = args.weights.as_deref();
    let weights =
        weights.map(|text| values::flag("--weights", text, values::weights)).transpose()?;
    let objective = objective(args.objective)?;
    let read = losses::read(
        table,
        &Reading {
            columns: &args.columns,
            measure: measure(args.measure),
            objective,
            tokens: Some(total),
            weights: weights.as_deref(),
        },
    )?;
    let factors = args.factors.iter().map(|text| values::flag("--factors", text, values::factor));
    let factors = factors.collect::<std::result::Result<Vec<_>, _>>()?;
    losses::check_factors(&read, &factors)?;
    let options = ddo::Options {
        objective,
        floor: args.floor.unwrap_or(ddo::Options::default().floor),
        factors: (!factors.is_empty()).then_some(factors),
        noise: args.noise,
        bootstrap: Bootstrap { draws: args.bootstrap, level: args.level, seed },
        ..ddo::Options::default()
    };
    let (fit, draws) = ddo::solve_with_draws(&read.evidence, &options).map_err(|error| {
        let words = error.with_names(&read.domains);
        Error::new(Exit::ActionFailed, format!("`{}`: the losses give no fit: {words}", table.path))
    })?;
    let notes = read.notes.iter().cloned().chain(fit.in_words(&read.domains)).collect();
    Ok(Found { scale: scale_of(&fit), draws, notes, domains: read.domains })
}

/// The domains of all scales, in the order of the smallest.
fn common_domains(found: &[(f64, Found)]) -> Result<Vec<String>> {
    let Some((_, first)) = found.first() else { return Ok(Vec::new()) };
    for (total, each) in found {
        let lacks = first.domains.iter().find(|name| !each.domains.contains(name));
        let extra = each.domains.iter().find(|name| !first.domains.contains(name));
        if let Some(name) = lacks.or(extra) {
            return Err(Error::usage(format!(
                "`{name}` is at one scale and not at another ({} tokens)",
                tokens(*total)
            ))
            .hint("every scale needs the same domains, by the same names"));
        }
    }
    Ok(first.domains.clone())
}

fn permuted(scale: &Scale, order: &[usize]) -> Scale {
    let flags =
        |flags: &[bool]| order.iter().filter_map(|&place| flags.get(place).copied()).collect();
    let values = |values: &[f64]| order.iter().map(|&place| values[place]).collect();
    Scale {
        amounts: values(&scale.amounts),
        at_floor: flags(&scale.at_floor),
        held: flags(&scale.held),
        shifts: scale.shifts.as_deref().map(values),
    }
}

/// A prediction with what the noise of the runs makes of it.
pub(super) struct Predicted {
    pub prediction: Prediction,
    pub intervals: Option<Intervals>,
}

/// One prediction a target, in increasing order of targets.
pub(super) fn predict(
    basis: &Basis,
    targets: &[f64],
    options: &Options,
    level: f64,
) -> Result<Vec<Predicted>> {
    let one = |target: &f64| {
        let found =
            autoscale::predict_with_intervals(&basis.scales, &basis.draws, *target, options, level);
        let (prediction, intervals) = found.map_err(|error| refused(&error, &basis.domains))?;
        Ok(Predicted { prediction, intervals })
    };
    targets.iter().map(one).collect()
}
