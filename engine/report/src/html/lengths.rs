//! Lengths of a domain's documents: one histogram a domain, by powers of two.

use crate::data::Domain;
use crate::number;

use super::scale::Scale;
use super::style::domain_class;
use super::svg::{Anchor, Svg};

const WIDTH: f64 = 228.0;
const HEIGHT: f64 = 120.0;

/// Powers of two that any domain of the study has documents of: the common axis.
pub(crate) fn buckets(domains: &[Domain]) -> Option<std::ops::Range<usize>> {
    let used = |domain: &Domain| {
        let first = domain.lengths.iter().position(|count| *count > 0)?;
        let last = domain.lengths.iter().rposition(|count| *count > 0)?;
        Some((first, last))
    };
    let used: Vec<_> = domains.iter().filter_map(used).collect();
    let first = used.iter().map(|(first, _)| *first).min()?;
    let last = used.iter().map(|(_, last)| *last).max()?;
    Some(first..last + 1)
}

/// Share of the domain's documents by length, in percent.
pub(crate) fn panel(
    place: usize,
    domain: &Domain,
    buckets: &std::ops::Range<usize>,
    id: &str,
) -> String {
    let total = domain.lengths.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
    let share = |bucket: usize| {
        let count = domain.lengths.get(bucket).copied().unwrap_or(0);
        if total == 0 { 0.0 } else { 100.0 * count as f64 / total as f64 }
    };
    let top = buckets.clone().map(share).fold(1.0, f64::max);
    let (left, right, upper, lower) = (30.0, WIDTH - 4.0, 8.0, HEIGHT - 22.0);
    let title = format!("Lengths of documents of {}", domain.name);
    let mut svg = Svg::new(WIDTH, HEIGHT, &title, &describe(buckets, share));
    let y = Scale::linear((0.0, top * 1.05), lower, upper);
    svg.y_axis(&y, left, right, &y.ticks(3));
    let step = (right - left) / buckets.len().max(1) as f64;
    for (index, bucket) in buckets.clone().enumerate() {
        let (x, height) = (left + step * index as f64, lower - y.at(share(bucket)));
        let tip = format!("{}: {} %", range(bucket), number::fixed(Some(share(bucket)), 1));
        let class = format!("fill {}", domain_class(place));
        svg.rect(&class, (x + 0.5, lower - height), (step - 1.0, height), &tip);
        // Every third edge has room for its name.
        if index % 3 == 0 {
            svg.text("tick", Anchor::Start, (x, lower + 15.0), &number::tokens(low(bucket) as f64));
        }
    }
    svg.line("axis", (left, lower), (right, lower));
    svg.finish(id)
}

fn describe(buckets: &std::ops::Range<usize>, share: impl Fn(usize) -> f64) -> String {
    let part =
        |bucket: usize| format!("{} {} %", range(bucket), number::fixed(Some(share(bucket)), 1));
    buckets.clone().filter(|bucket| share(*bucket) > 0.0).map(part).collect::<Vec<_>>().join("; ")
}

/// The least characters of a bucket.
pub(crate) fn low(bucket: usize) -> u64 {
    if bucket == 0 { 0 } else { 1u64.checked_shl(bucket as u32 - 1).unwrap_or(u64::MAX) }
}

/// `512 to 1023 characters`.
pub(crate) fn range(bucket: usize) -> String {
    match bucket {
        0 => "no character".to_owned(),
        1 => "1 character".to_owned(),
        _ => {
            let (from, to) = (low(bucket), low(bucket).saturating_mul(2) - 1);
            format!("{} to {} characters", number::count(from), number::count(to))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_their_ends() {
        assert_eq!([0, 1, 2, 10].map(low), [0, 1, 2, 512]);
        assert_eq!(range(1), "1 character");
        assert!(range(10).starts_with("512 to 1") && range(10).ends_with("023 characters"));
        assert!(!range(64).is_empty() && !range(500).is_empty());
    }
}
