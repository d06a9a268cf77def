//! Means, quantiles and rank correlation.

/// The mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sorted copy.
pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The quantile of sorted values, linear between neighbours: the k-th of n draws stands for the probability `k / (n + 1)`, so that another
/// draw lies between two quantiles as often as they say (Weibull's; number 6 of Hyndman and Fan 1996).
pub(crate) fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let last = (sorted.len() - 1) as f64;
    let place = (probability * (sorted.len() + 1) as f64 - 1.0).clamp(0.0, last);
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

/// Spearman's rank correlation with mean ranks for ties; none where one side is constant.
pub(crate) fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    correlation(&ranks(one), &ranks(other))
}

fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let (p, q) = (mean(one), mean(other));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        xy += (x - p) * (y - q);
        xx += (x - p) * (x - p);
        yy += (y - q) * (y - q);
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let same = |k: &&usize| values[**k] == values[order[start]];
        let end = start + order[start..].iter().take_while(same).count();
        for &k in &order[start..end] {
            ranks[k] = (start + end - 1) as f64 / 2.0;
        }
        start = end;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlation_knows_order_and_ties() {
        let near = |one: &[f64], other: &[f64], expected: f64| {
            let found = spearman(one, other).expect("a correlation");
            assert!((found - expected).abs() < 1e-12, "{found}");
        };
        near(&[1.0, 2.0, 3.0], &[10.0, 20.0, 90.0], 1.0);
        near(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], -1.0);
        // scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 2, 4])
        near(&[1.0, 2.0, 2.0, 4.0], &[1.0, 3.0, 2.0, 4.0], 0.948_683_298_050_513_8);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn quantiles_are_linear_between_values() {
        let three = sorted(vec![3.0, 1.0, 2.0]);
        let found = [0.1, 0.25, 0.375, 0.5, 0.9].map(|p| quantile(&three, p));
        assert_eq!(found, [1.0, 1.0, 1.5, 2.0, 3.0]);
    }
}
