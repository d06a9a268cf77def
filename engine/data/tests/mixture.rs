//! Counts, permutations and orders.

use std::collections::BTreeSet;

use mixmake_data::mixture::{
    Mixture, MixtureError, MixtureRequest, Order, Part, Permutation, ShardFacts, Total, TotalRule,
    Unit, apportion, compose,
};
use proptest::prelude::*;

fn check_apportion(weights: &[f64], total: u64, expected: &[u64]) {
    assert_eq!(apportion(weights, total).as_deref(), Ok(expected), "{weights:?} of {total}");
}

#[test]
fn counts_by_largest_remainder() {
    check_apportion(&[0.5, 0.25, 0.25], 8, &[4, 2, 2]);
    check_apportion(&[1.0, 1.0, 1.0], 8, &[3, 3, 2]);
    check_apportion(&[0.6, 0.3, 0.1], 5, &[3, 1, 1]);
    check_apportion(&[2.0, 0.0, 6.0], 4, &[1, 0, 3]);
    check_apportion(&[1e-12, 1.0], 10, &[1, 9]);
    check_apportion(&[1e-300, 1.0, 1e-300], 3, &[1, 1, 1]);
    check_apportion(&[0.0, 1.0], 1, &[0, 1]);
    check_apportion(
        &[1.0; 7],
        u64::MAX,
        &[
            u64::MAX / 7 + 1,
            u64::MAX / 7,
            u64::MAX / 7,
            u64::MAX / 7,
            u64::MAX / 7,
            u64::MAX / 7,
            u64::MAX / 7,
        ],
    );
    let llama = [0.67, 0.045, 0.045, 0.045, 0.15, 0.02, 0.025];
    check_apportion(&llama, 1000, &[670, 45, 45, 45, 150, 20, 25]);
}

#[test]
fn what_cannot_be_apportioned() {
    assert!(matches!(apportion(&[], 3), Err(MixtureError::NoWeight)));
    assert!(matches!(apportion(&[0.0, 0.0], 3), Err(MixtureError::NoWeight)));
    assert!(matches!(
        apportion(&[1.0, 1.0, 0.0], 1),
        Err(MixtureError::TooSmall { total: 1, parts: 2 })
    ));
    assert!(matches!(apportion(&[1.0, -0.5], 3), Err(MixtureError::Value { index: 1, .. })));
    assert!(matches!(apportion(&[f64::NAN], 3), Err(MixtureError::Value { index: 0, .. })));
    assert!(matches!(
        apportion(&[f64::INFINITY, 1.0], 3),
        Err(MixtureError::Value { index: 0, .. })
    ));
}

proptest! {
    #[test]
    fn counts_sum_and_stay_near_their_quota(weights in prop::collection::vec(prop_oneof![Just(0.0), 1e-9f64..1.0], 1..12), total in 12u64..1 << 50) {
        prop_assume!(weights.iter().any(|&w| w > 0.0));
        let counts = apportion(&weights, total).expect("apportioned");
        prop_assert_eq!(counts.iter().sum::<u64>(), total);
        let sum: f64 = weights.iter().sum();
        for (&count, &weight) in counts.iter().zip(&weights) {
            prop_assert_eq!(count > 0, weight > 0.0);
            let quota = weight / sum * total as f64;
            prop_assert!((count as f64 - quota).abs() <= 12.0 + quota * 1e-9, "{} for {}", count, quota);
        }
    }

    #[test]
    fn a_permutation_is_a_bijection_and_inverts(n in 1u64..2000, key in any::<[u8; 32]>()) {
        let permutation = Permutation::new(n, &key);
        let images: BTreeSet<u64> = (0..n).map(|i| permutation.get(i)).collect();
        prop_assert_eq!(images.len() as u64, n);
        prop_assert_eq!(images.last(), Some(&(n - 1)));
        prop_assert!((0..n).all(|i| permutation.invert(permutation.get(i)) == i));
    }

    #[test]
    fn large_permutations_invert(n in 1u64.., i in any::<u64>(), key in any::<[u8; 32]>()) {
        let permutation = Permutation::new(n, &key);
        let image = permutation.get(i % n);
        prop_assert!(image < n);
        prop_assert_eq!(permutation.invert(image), i % n);
    }
}

#[test]
fn a_permutation_spreads() {
    // Each number goes to each place about equally often: 3,000 keys, 6 numbers, 500 expected in each cell (sd 20).
    let mut counts = [[0u32; 6]; 6];
    for seed in 0..3000u32 {
        let permutation = Permutation::new(6, blake3::hash(&seed.to_le_bytes()).as_bytes());
        for i in 0..6 {
            counts[i as usize][permutation.get(i) as usize] += 1;
        }
    }
    assert!(counts.iter().flatten().all(|count| (400..600).contains(count)), "{counts:?}");
    // Neighbours do not stay neighbours.
    let permutation = Permutation::new(100_000, &[7; 32]);
    let near =
        (0..99_999).filter(|&i| permutation.get(i).abs_diff(permutation.get(i + 1)) < 1000).count();
    assert!((1600..2400).contains(&near), "{near} of 99,999 pairs, about 1,990 expected");
}

fn shard(digest: &str, tokens: u64, sequences: u64) -> ShardFacts {
    ShardFacts { digest: digest.into(), tokens, sequences }
}

fn request(weights: &[f64], units: u64) -> MixtureRequest {
    MixtureRequest {
        weights: weights.to_vec(),
        total: Total::Units(units),
        unit: Unit::Block { tokens: 10 },
        factors: vec![],
        total_rule: TotalRule::Free,
        max_repeats: 1,
        seed: 1,
    }
}

fn units(mixture: &Mixture) -> Vec<u64> {
    mixture.parts.iter().map(|part| part.units).collect()
}

#[test]
fn a_mixture_records_what_was_asked_and_what_came_out() {
    let shards = [shard("a", 1005, 9), shard("b", 500, 4), shard("c", 70, 1)];
    let mixture = compose(
        &MixtureRequest { total: Total::Tokens(1009), ..request(&[2.0, 1.0, 0.0], 0) },
        &shards,
    )
    .expect("composed");
    assert_eq!(units(&mixture), [67, 33, 0]);
    assert_eq!((mixture.units_total(), mixture.tokens_total()), (100, 1000));
    let part = &mixture.parts[0];
    assert_eq!((part.units_available, part.tokens, part.weight_achieved), (100, 670, 0.67));
    assert!((part.weight_requested - 2.0 / 3.0).abs() < 1e-15);
    let json = serde_json::to_string(&mixture).expect("JSON");
    assert_eq!(serde_json::from_str::<Mixture>(&json).expect("read"), mixture);
    let samples = MixtureRequest { unit: Unit::Sample, ..request(&[1.0, 1.0, 0.0], 6) };
    let mixture = compose(&samples, &shards).expect("composed");
    assert_eq!((units(&mixture), mixture.parts[0].tokens), (vec![3, 3, 0], 335));
}

#[test]
fn factors_perturb_one_part_and_leave_the_others() {
    let shards = [shard("a", 100_000, 1), shard("b", 100_000, 1), shard("c", 100_000, 1)];
    let with = |factors: &[f64], total_rule| {
        let request = MixtureRequest {
            factors: factors.to_vec(),
            total_rule,
            ..request(&[1.0, 1.0, 1.0], 100)
        };
        units(&compose(&request, &shards).expect("composed"))
    };
    assert_eq!(with(&[1.0, 1.0, 1.0], TotalRule::Free), [34, 33, 33]);
    assert_eq!(with(&[1.0, 3.0, 1.0], TotalRule::Free), [34, 99, 33]);
    assert_eq!(with(&[1.0, 1.0, 1.0 / 3.0], TotalRule::Free), [34, 33, 11]);
    assert_eq!(with(&[0.001, 1.0, 0.0], TotalRule::Free), [1, 33, 0]);
    assert_eq!(with(&[1.0, 3.0, 1.0], TotalRule::Fixed), [20, 60, 20]);
}

#[test]
fn more_than_exists_is_refused_with_what_is_there() {
    let shards = [shard("aaaa", 1000, 9), shard("bbbb", 205, 4), shard("cccc", 9, 1)];
    let refusal =
        compose(&request(&[1.0, 1.0, 0.0], 120), &shards).expect_err("too much").to_string();
    let expected =
        "part 1 (shard `bbbb`) asks for 60 units, 20 exist, which needs `max-repeats = 3`";
    assert!(refusal.contains(expected) && !refusal.contains("part 0"), "{refusal}");
    let allowed = MixtureRequest { max_repeats: 3, ..request(&[1.0, 1.0, 0.0], 120) };
    assert_eq!(units(&compose(&allowed, &shards).expect("composed")), [60, 60, 0]);
    let refusal =
        compose(&request(&[0.0, 0.0, 1.0], 1), &shards).expect_err("too short").to_string();
    assert!(refusal.contains("too short for even one"), "{refusal}");
}

#[test]
fn senseless_requests_are_refused() {
    let shards = [shard("a", 1000, 9)];
    let check = |request: MixtureRequest, expected: &str| {
        let refusal = compose(&request, &shards).expect_err(expected).to_string();
        assert!(refusal.contains(expected), "{refusal}");
    };
    check(request(&[1.0, 1.0], 9), "2 weights for 1 shards");
    check(
        MixtureRequest { factors: vec![1.0, 2.0], ..request(&[1.0], 9) },
        "2 factors for 1 shards",
    );
    check(MixtureRequest { factors: vec![-1.0], ..request(&[1.0], 9) }, "factor 0 is -1");
    check(MixtureRequest { factors: vec![0.0], ..request(&[1.0], 9) }, "no weight is above 0");
    check(MixtureRequest { factors: vec![1e300], ..request(&[1.0], 9) }, "more data is asked for");
    check(
        MixtureRequest { max_repeats: 0, ..request(&[1.0], 9) },
        "`max-repeats` must be at least 1",
    );
    check(MixtureRequest { unit: Unit::Block { tokens: 0 }, ..request(&[1.0], 9) }, "`block` must");
    check(
        MixtureRequest { unit: Unit::Sample, total: Total::Tokens(9), ..request(&[1.0], 9) },
        "`total` must",
    );
}

fn part(shard: &str, units: u64, units_available: u64) -> Part {
    Part {
        shard: shard.into(),
        weight_requested: 0.0,
        weight_achieved: 0.0,
        units,
        units_available,
        tokens: 0,
    }
}

fn mixture(seed: u64, parts: Vec<Part>) -> Mixture {
    Mixture { seed, unit: Unit::Sample, parts }
}

/// What an epoch draws from each part, in order of shard.
fn drawn(mixture: &Mixture, epoch: u64) -> Vec<Vec<u64>> {
    let order = Order::new(mixture).expect("an order");
    let mut drawn = vec![Vec::new(); mixture.parts.len()];
    for i in 0..order.len() {
        let (part, unit) = order.locate(epoch, i);
        drawn[part].push(unit);
    }
    drawn.iter_mut().for_each(|units| units.sort_unstable());
    drawn
}

proptest! {
    #[test]
    fn a_larger_count_extends_a_smaller_one(seed in any::<u64>(), small in 0u64..40, more in 0u64..40, other in 0u64..9, spare in 0u64..10) {
        let available = small + more + spare + 1;
        let of = |units, other| drawn(&mixture(seed, vec![part("a", units, available), part("b", other, 9)]), 3)[0].clone();
        let (few, many) = (of(small, other), of(small + more, 0));
        prop_assert_eq!(few.len() as u64, small);
        prop_assert!(many.windows(2).all(|pair| pair[0] != pair[1]), "no unit twice while there are others");
        prop_assert!(few.iter().all(|unit| many.contains(unit)));
    }

    #[test]
    fn repeats_are_even_and_epochs_hold_the_same_units(seed in any::<u64>(), units in 1u64..60, available in 1u64..20) {
        let mixture = mixture(seed, vec![part("z", 0, 0), part("a", units, available), part("b", 2, 7)]);
        let first = drawn(&mixture, 0);
        prop_assert_eq!(&first, &drawn(&mixture, 1));
        for unit in 0..available {
            let times = first[1].iter().filter(|&&u| u == unit).count() as u64;
            prop_assert!(times == units / available || times == units.div_ceil(available));
        }
    }
}

#[test]
fn epochs_and_seeds_differ_in_order() {
    let list = |seed, epoch| {
        let mixture = mixture(seed, vec![part("a", 50, 80), part("b", 50, 60)]);
        let order = Order::new(&mixture).expect("an order");
        (0..order.len()).map(|i| order.locate(epoch, i)).collect::<Vec<_>>()
    };
    assert_eq!(list(1, 0), list(1, 0));
    assert_ne!(list(1, 0), list(1, 1));
    assert_ne!(list(1, 0), list(2, 0));
}

#[test]
fn an_impossible_mixture_has_no_order() {
    let refused = |parts| Order::new(&mixture(1, parts)).map(|order| order.len()).is_err();
    assert!(refused(vec![part("a", 1, 0)]));
    assert!(refused(vec![part("a", u64::MAX, 1), part("b", 1, 1)]));
    assert!(!refused(vec![]));
}
