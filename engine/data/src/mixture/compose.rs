//! From a request and what exists to exact counts. Refuses what cannot be had; draws nothing.

use super::apportion::{apportion, check_values};
use super::spec::{
    Mixture, MixtureError, MixtureRequest, Part, ShardFacts, Shortage, Total, TotalRule, Unit,
};

/// Composes a mixture of `available`, whose order is the request's.
///
/// Without factors the counts are [`apportion`]'s. With them and [`TotalRule::Free`] the base counts are apportioned first and
/// count_j = round(factor_j base_j), at least 1 where both are above 0, so parts of factor 1 keep their counts exactly; with
/// [`TotalRule::Fixed`] weights times factors are apportioned. Errors: see [`MixtureError`].
pub fn compose(
    request: &MixtureRequest,
    available: &[ShardFacts],
) -> Result<Mixture, MixtureError> {
    check(request, available.len())?;
    let counts = counts(request)?;
    let exist: Vec<u64> = available.iter().map(|shard| units_of(shard, request.unit)).collect();
    check_supply(request.max_repeats, &counts, &exist, available)?;
    let requested = requested_shares(request);
    let total: u64 = counts.iter().sum();
    let parts = available.iter().enumerate().map(|(j, shard)| Part {
        shard: shard.digest.clone(),
        weight_requested: requested[j],
        weight_achieved: counts[j] as f64 / total as f64,
        units: counts[j],
        units_available: exist[j],
        tokens: tokens_of(shard, request.unit, counts[j]),
    });
    Ok(Mixture { seed: request.seed, unit: request.unit, parts: parts.collect() })
}

fn check(request: &MixtureRequest, shards: usize) -> Result<(), MixtureError> {
    for (what, found) in [("weights", request.weights.len()), ("factors", request.factors.len())] {
        let absent = what == "factors" && found == 0;
        if found != shards && !absent {
            return Err(MixtureError::Length { what, found, expected: shards });
        }
    }
    check_values("weight", &request.weights)?;
    check_values("factor", &request.factors)?;
    if request.max_repeats == 0 {
        return Err(MixtureError::Field { field: "max-repeats", problem: "must be at least 1" });
    }
    match (request.unit, request.total) {
        (Unit::Block { tokens: 0 }, _) => {
            Err(MixtureError::Field { field: "block", problem: "must have at least 1 token" })
        }
        (Unit::Sample, Total::Tokens(_)) => Err(MixtureError::Field {
            field: "total",
            problem: "must be given in samples where samples are counted",
        }),
        _ => Ok(()),
    }
}

fn counts(request: &MixtureRequest) -> Result<Vec<u64>, MixtureError> {
    let total = match (request.total, request.unit) {
        (Total::Units(units), _) => units,
        (Total::Tokens(all), Unit::Block { tokens }) => all / tokens,
        // Refused by `check`.
        (Total::Tokens(all), Unit::Sample) => all,
    };
    if request.factors.is_empty() {
        return apportion(&request.weights, total);
    }
    match request.total_rule {
        TotalRule::Fixed => apportion(&scaled_weights(request), total),
        TotalRule::Free => {
            let base = apportion(&request.weights, total)?;
            let counts: Vec<u64> =
                base.iter().zip(&request.factors).map(|(&n, &factor)| scale(n, factor)).collect();
            match counts.iter().try_fold(0u64, |sum, &n| sum.checked_add(n)) {
                None => Err(MixtureError::Field {
                    field: "factors",
                    problem: "make the total overflow",
                }),
                Some(0) => Err(MixtureError::NoWeight),
                Some(_) => Ok(counts),
            }
        }
    }
}

fn scale(count: u64, factor: f64) -> u64 {
    if factor == 1.0 || count == 0 {
        return count;
    }
    let scaled = (count as f64 * factor).round() as u64;
    if factor > 0.0 { scaled.max(1) } else { 0 }
}

fn scaled_weights(request: &MixtureRequest) -> Vec<f64> {
    if request.factors.is_empty() {
        return request.weights.clone();
    }
    request.weights.iter().zip(&request.factors).map(|(weight, factor)| weight * factor).collect()
}

fn requested_shares(request: &MixtureRequest) -> Vec<f64> {
    let weights = scaled_weights(request);
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

fn units_of(shard: &ShardFacts, unit: Unit) -> u64 {
    match unit {
        Unit::Block { tokens } => shard.tokens / tokens,
        Unit::Sample => shard.sequences,
    }
}

fn tokens_of(shard: &ShardFacts, unit: Unit, units: u64) -> u64 {
    match unit {
        Unit::Block { tokens } => units.saturating_mul(tokens),
        Unit::Sample => {
            let tokens =
                u128::from(shard.tokens) * u128::from(units) / u128::from(shard.sequences.max(1));
            u64::try_from(tokens).unwrap_or(u64::MAX)
        }
    }
}

fn check_supply(
    max_repeats: u32,
    counts: &[u64],
    exist: &[u64],
    shards: &[ShardFacts],
) -> Result<(), MixtureError> {
    let short = |j: usize| u128::from(counts[j]) > u128::from(exist[j]) * u128::from(max_repeats);
    let shortages: Vec<Shortage> = (0..counts.len())
        .filter(|&j| short(j))
        .map(|j| Shortage {
            part: j,
            shard: shards[j].digest.clone(),
            asked: counts[j],
            available: exist[j],
            repeats_needed: (exist[j] > 0).then(|| counts[j].div_ceil(exist[j])),
        })
        .collect();
    if shortages.is_empty() {
        Ok(())
    } else {
        Err(MixtureError::NotEnough { max_repeats, shortages })
    }
}
