//! Whole numbers from shares. Knows numbers only.

use super::MixtureError;

/// Divides `total` by `weights` (any positive sum) into whole counts by largest remainder, ties to the smaller index.
///
/// The counts sum to `total` exactly; a weight of 0 gives 0; a weight above 0 gives at least 1, taken where
/// needed from the largest count. Computed in integers (weights as multiples of 2^-53 of the largest), so that
/// it is the same on every machine.
///
/// Errors: a negative or non-finite weight, none above 0, or fewer units than weights above 0.
pub fn apportion(weights: &[f64], total: u64) -> Result<Vec<u64>, MixtureError> {
    let shares = integer_shares(weights)?;
    let positive = shares.iter().filter(|&&share| share > 0).count() as u64;
    if total < positive {
        return Err(MixtureError::TooSmall { total, parts: positive });
    }
    let mut counts = largest_remainder(&shares, total);
    lift_zeros(&shares, &mut counts);
    Ok(counts)
}

pub(super) fn check_values(what: &'static str, values: &[f64]) -> Result<(), MixtureError> {
    match values.iter().position(|value| !value.is_finite() || *value < 0.0) {
        Some(index) => Err(MixtureError::Value { what, index, value: values[index] }),
        None => Ok(()),
    }
}

fn integer_shares(weights: &[f64]) -> Result<Vec<u128>, MixtureError> {
    check_values("weight", weights)?;
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Err(MixtureError::NoWeight);
    }
    let share = |weight: f64| ((weight / largest * (1u64 << 53) as f64).round() as u128).max(1);
    Ok(weights.iter().map(|&weight| if weight > 0.0 { share(weight) } else { 0 }).collect())
}

fn largest_remainder(shares: &[u128], total: u64) -> Vec<u64> {
    // A share is at most 2^53 and the total below 2^64: no overflow below 2^11 parts, nor for the sum far beyond.
    let sum: u128 = shares.iter().sum();
    let parts = shares
        .iter()
        .map(|share| (share * u128::from(total) / sum, share * u128::from(total) % sum));
    let (floors, remainders): (Vec<u128>, Vec<u128>) = parts.unzip();
    let mut counts: Vec<u64> = floors.iter().map(|&floor| floor as u64).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by_key(|&i| (std::cmp::Reverse(remainders[i]), i));
    // The remainders sum to a whole number below the number of parts: what the floors lack.
    let lacking = total - counts.iter().sum::<u64>();
    for &i in by_remainder.iter().take(lacking as usize) {
        counts[i] += 1;
    }
    counts
}

fn lift_zeros(shares: &[u128], counts: &mut [u64]) {
    for i in 0..counts.len() {
        if shares[i] == 0 || counts[i] > 0 {
            continue;
        }
        let largest = (0..counts.len()).max_by_key(|&j| (counts[j], std::cmp::Reverse(j)));
        if let Some(largest) = largest {
            counts[largest] -= 1;
            counts[i] = 1;
        }
    }
}
