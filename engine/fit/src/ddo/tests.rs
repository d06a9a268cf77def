//! The published table, recognition of runs, held domains, bounds, intervals and refusals.

use std::path::Path;

use super::*;
use crate::power_law::{NotIdentified, PUBLISHED, PowerLaw};

const OPTIMUM: [f64; 7] =
    [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551];

/// A world whose loss is DDO's surrogate: the mean over validation domains moves as the laws say.
struct World {
    laws: Vec<PowerLaw>,
    base: Vec<f64>,
}

impl World {
    fn published() -> Self {
        Self {
            laws: PUBLISHED.map(|[a, b, c]| PowerLaw { a, b, c }).to_vec(),
            base: vec![1.2e9 / 7.0; 7],
        }
    }

    fn loss(&self, amounts: &[f64]) -> f64 {
        let of = |(law, (n, base)): (&PowerLaw, (&f64, &f64))| law.change(1.0, n / base);
        28.0 * (1.0 + self.laws.iter().zip(amounts.iter().zip(&self.base)).map(of).sum::<f64>())
    }

    fn run(&self, amounts: Vec<f64>, error: f64) -> Run {
        let loss = self.loss(&amounts) * (1.0 + error);
        // Two validation domains about the mean: only the mean counts.
        Run { values: vec![0.8 * loss, 1.2 * loss], amounts, perturbed: None }
    }

    fn scaled(&self, domain: usize, factor: f64) -> Vec<f64> {
        let mut amounts = self.base.clone();
        amounts[domain] *= factor;
        amounts
    }

    /// Runs at 0.2 and 3, each repeated, with errors drawn in turn.
    fn evidence(&self, repeats: usize, mut error: impl FnMut() -> f64) -> Evidence {
        let mut evidence = Evidence { measure: Measure::Perplexity, ..Evidence::default() };
        for _ in 0..repeats {
            evidence.base.push(self.run(self.base.clone(), error()));
            for (domain, factor) in (0..self.laws.len()).flat_map(|j| [(j, 0.2), (j, 3.0)]) {
                evidence.perturbed.push(self.run(self.scaled(domain, factor), error()));
            }
        }
        evidence
    }
}

fn quiet() -> Options {
    Options { bootstrap: Bootstrap { draws: 0, ..Bootstrap::default() }, ..Options::default() }
}

fn assert_optimum(fit: &DdoFit, tolerance: f64) {
    for (found, expected) in fit.optimum.multiples.iter().zip(OPTIMUM) {
        assert!((found - expected).abs() < tolerance, "{found} for {expected}");
    }
    assert!(fit.optimum.kkt_residual < 1e-12);
}

fn assert_laws(fit: &DdoFit, tolerance: f64) {
    for (domain, expected) in fit.domains.iter().zip(PUBLISHED) {
        let law = domain.law.unwrap();
        for (found, expected) in [law.a, law.b, law.c].iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} for {expected}");
        }
    }
}

/// Domain, factor, the seven perplexities and their mean.
type Row = (usize, f64, Vec<f64>, f64);

/// The published table: its rows' domain and factor, the seven perplexities and their mean.
fn published_table() -> Option<Vec<Row>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ddo_gpt2large_1p2B.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    };
    let names: Vec<&str> = text.lines().next()?.split(',').skip(2).collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let values: Vec<f64> = cells[1..].iter().map(|cell| cell.parse().unwrap()).collect();
        let domain = names.iter().position(|name| *name == cells[0]).unwrap_or(usize::MAX);
        (domain, values[0], values[1..8].to_vec(), values[8])
    };
    Some(text.lines().skip(1).map(row).collect())
}

fn table_evidence(rows: &[Row], mean_column: bool) -> Evidence {
    let values = |row: &Row| if mean_column { vec![row.3] } else { row.2.clone() };
    let perturbed: Vec<_> =
        rows[1..].iter().map(|row| (Domain(row.0), row.1, values(row))).collect();
    Evidence::from_factors(Measure::Perplexity, &[1.2e9 / 7.0; 7], &[values(&rows[0])], &perturbed)
}

#[test]
fn published_table_gives_published_fits() {
    let Some(rows) = published_table() else { return };
    let fit = solve(&table_evidence(&rows, true), &quiet()).unwrap();
    // Every published digit, of the mean as the table prints it.
    assert_laws(&fit, 0.51e-10);
    assert_optimum(&fit, 0.51e-8);
    assert!((fit.predicted.gain - 1.63).abs() < 0.005, "{}", fit.predicted.gain);
    assert_eq!(fit.optimum.at_floor, [false, true, false, false, false, false, false]);
    // Eight digits of the mean of the seven columns, which the table's rounding moves in the ninth.
    let fit = solve(&table_evidence(&rows, false), &quiet()).unwrap();
    assert_laws(&fit, 2e-8);
    assert_optimum(&fit, 1e-8);
}

#[test]
fn published_table_read_as_one_third_moves_arxiv() {
    let Some(mut rows) = published_table() else { return };
    for row in rows.iter_mut().filter(|row| row.1 == 0.2) {
        row.1 = 1.0 / 3.0;
    }
    let fit = solve(&table_evidence(&rows, true), &quiet()).unwrap();
    assert!((fit.optimum.weights[6] - 0.0646).abs() < 0.5e-4, "{:?}", fit.optimum.weights);
}

#[test]
fn other_factors_are_left_out_on_request() {
    let world = World::published();
    let mut evidence = world.evidence(1, || 0.0);
    for domain in 0..7 {
        // Far off the law: the fit shows whether it was used.
        evidence.perturbed.push(world.run(world.scaled(domain, 0.5), 0.01));
    }
    let options = Options { factors: Some(vec![0.2, 3.0]), ..quiet() };
    let fit = solve(&evidence, &options).unwrap();
    assert_laws(&fit, 1e-8);
    assert!(fit.notes.contains(&Note::LeftOut { runs: 7 }));
    assert!(solve(&evidence, &quiet()).unwrap().domains[1].points.len() == 4);
}

#[test]
fn amounts_tell_which_domain_was_perturbed() {
    let fit = solve(&World::published().evidence(1, || 0.0), &quiet()).unwrap();
    assert_laws(&fit, 1e-9);
    assert_optimum(&fit, 1e-8);
    for (point, factor) in fit.domains[4].points.iter().zip([0.2, 1.0, 3.0]) {
        assert!((point.x - factor).abs() < 1e-15, "{point:?}");
    }
    assert_eq!(fit.uncertainty, Uncertainty::NotAvailable);
    assert_eq!(fit.better_than_reference_beyond_noise, None);
    assert!(fit.in_words(&[]).iter().any(|note| note.contains("not available from single runs")));
}

/// With a fixed total the others shrink together; the odd one out is the perturbed domain.
#[test]
fn a_fixed_total_is_recognised() {
    let world = World::published();
    let fixed = |domain: usize, factor: f64| {
        let amounts = world.scaled(domain, factor);
        let rest = (7.0 - factor) / 6.0;
        let amounts: Vec<f64> =
            (0..7).map(|j| if j == domain { amounts[j] } else { amounts[j] * rest }).collect();
        world.run(amounts, 0.0)
    };
    let mut evidence = world.evidence(1, || 0.0);
    evidence.perturbed = (0..7).flat_map(|j| [fixed(j, 0.2), fixed(j, 3.0)]).collect();
    let fit = solve(&evidence, &quiet()).unwrap();
    for domain in &fit.domains {
        let x: Vec<f64> = domain.points.iter().map(|p| (p.x * 1e9).round() / 1e9).collect();
        assert_eq!(x, [0.2, 1.0, 3.0]);
    }
    assert!(fit.notes.contains(&Note::OthersChanged { runs: 14 }));
}

#[test]
fn repeats_are_averaged() {
    let world = World::published();
    let mut sign = -1.0;
    let mut evidence = world.evidence(1, || 0.0);
    let again = |error: f64| world.evidence(1, || error);
    for _ in 0..2 {
        sign = -sign;
        let more = again(sign * 1e-3);
        evidence.base.extend(more.base);
        evidence.perturbed.extend(more.perturbed);
    }
    let fit = solve(&evidence, &quiet()).unwrap();
    assert_laws(&fit, 1e-9);
    assert!(fit.domains.iter().flat_map(|d| &d.points).all(|p| p.runs == 3));
    assert_eq!(fit.uncertainty, Uncertainty::NotAsked);
}

#[test]
fn a_domain_without_a_law_is_held_and_explained() {
    let world = World::published();
    let mut evidence = world.evidence(1, || 0.0);
    // Domain 2: its larger run is worse than the base; domain 5: only one factor; domain 6: none.
    for value in &mut evidence.perturbed[5].values {
        *value *= 1.2;
    }
    evidence.perturbed.truncate(11);
    let fit = solve(&evidence, &quiet()).unwrap();
    let reasons: Vec<_> = fit.domains.iter().map(|d| d.not_identified).collect();
    assert!(matches!(reasons[2], Some(NotIdentified::NotDecreasing { .. })));
    assert_eq!(reasons[5], Some(NotIdentified::TooFewPoints { points: 2 }));
    assert_eq!(reasons[6], Some(NotIdentified::NotPerturbed));
    assert_eq!(fit.optimum.held, [false, false, true, false, false, true, true]);
    for held in [2, 5, 6] {
        assert_eq!(fit.optimum.multiples[held], 1.0);
        assert_eq!(fit.domains[held].law, None);
    }
    assert!((fit.optimum.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let names: Vec<String> = (0..7).map(|j| format!("d{j}")).collect();
    let words = fit.in_words(&names).join("\n");
    assert!(
        words.contains(
            "`d2` is not identified and held at its reference amount: more of it did not help"
        ),
        "{words}"
    );
}

#[test]
fn nothing_identified_keeps_the_reference() {
    let world = World::published();
    let mut evidence = world.evidence(1, || 0.0);
    evidence.perturbed.clear();
    let fit = solve(&evidence, &quiet()).unwrap();
    assert_eq!(fit.optimum.multiples, [1.0; 7]);
    assert_eq!((fit.identified(), fit.predicted.gain), (0, 0.0));
    assert_eq!(fit.notes[0], Note::NothingIdentified);
}

/// A base far from uniform: the optimum of the same world in tokens is the same mixture.
#[test]
fn non_uniform_bases_are_handled_in_multiples() {
    let world =
        World { laws: World::published().laws, base: vec![4e8, 1e8, 2e8, 5e7, 3e8, 1e8, 5e7] };
    let fit = solve(&world.evidence(1, || 0.0), &quiet()).unwrap();
    assert_laws(&fit, 1e-9);
    assert!((fit.optimum.amounts.iter().sum::<f64>() - 1.2e9).abs() < 1e-3);
    let best = world.loss(&fit.optimum.amounts);
    assert!((best - fit.predicted.optimum).abs() < 1e-9);
    let exchange = |from: usize, to: usize| {
        let mut amounts = fit.optimum.amounts.clone();
        amounts[from] -= 1e6;
        amounts[to] += 1e6;
        amounts[from] / world.base[from] < 0.2 || world.loss(&amounts) >= best
    };
    assert!((0..7).all(|from| (0..7).all(|to| exchange(from, to))));
}

#[test]
fn floors_caps_and_totals_bound_the_optimum() {
    let world = World::published();
    let evidence = world.evidence(1, || 0.0);
    let base = world.base[0];
    let mut caps = vec![None; 7];
    caps[4] = Some(1.5 * base);
    let options = Options { caps: Some(caps), floor: 0.5, total: Some(2.4e9), ..quiet() };
    let fit = solve(&evidence, &options).unwrap();
    assert_eq!(fit.optimum.at_cap, [false, false, false, false, true, false, false]);
    assert!((fit.optimum.amounts[4] - 1.5 * base).abs() < 1e-3);
    // A floor is a multiple of the reference at the total asked for, twice the base.
    assert!(fit.optimum.multiples.iter().all(|x| *x >= 1.0 - 1e-12));
    assert!((fit.optimum.amounts.iter().sum::<f64>() - 2.4e9).abs() < 1e-2);
    let twice: Vec<f64> = world.base.iter().map(|n| 2.0 * n).collect();
    assert!((fit.predicted.reference - world.loss(&twice)).abs() < 1e-9);
    assert!(fit.predicted.optimum < fit.predicted.reference);
}

#[test]
fn cross_entropy_and_perplexity_agree() {
    let mut evidence = World::published().evidence(1, || 0.0);
    let perplexity = solve(&evidence, &quiet()).unwrap();
    evidence.measure = Measure::CrossEntropy;
    for run in evidence.base.iter_mut().chain(&mut evidence.perturbed) {
        run.values.iter_mut().for_each(|value| *value = value.ln());
    }
    let entropy = solve(&evidence, &quiet()).unwrap();
    for (x, y) in perplexity.optimum.multiples.iter().zip(&entropy.optimum.multiples) {
        assert!((x - y).abs() < 1e-9);
    }
    let options = Options { objective: Objective::MeanCrossEntropy, ..quiet() };
    let base = solve(&evidence, &options).unwrap().base_objective;
    let expected = f64::midpoint((0.8 * 28.0_f64).ln(), (1.2 * 28.0_f64).ln());
    assert!((base - expected).abs() < 1e-12);
}

#[test]
fn evidence_that_is_no_ddo_is_refused() {
    let check = |change: &dyn Fn(&mut Evidence, &mut Options), expected: &str| {
        let (mut evidence, mut options) = (World::published().evidence(1, || 0.0), quiet());
        change(&mut evidence, &mut options);
        let error = solve(&evidence, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|e, _| e.base.clear(), "no base run");
    check(&|e, _| e.base[0].amounts.clear(), "no domains");
    check(&|e, _| e.base[0].values.clear(), "values of base run 0");
    check(&|e, _| e.perturbed[3].values.truncate(1), "the losses of perturbed run 3 has 1");
    check(&|e, _| e.perturbed[3].values[0] = f64::NAN, "perplexity of perturbed run 3 is NaN");
    check(&|e, _| e.perturbed[3].values[0] = 0.5, "above 1");
    check(&|e, _| e.perturbed[3].amounts[0] = -1.0, "at least 0");
    check(&|e, _| e.base[0].amounts[2] = 0.0, "no tokens of domain 2");
    check(&|e, _| e.base.push(Run { amounts: vec![1.0; 7], ..e.base[0].clone() }), "base run 1");
    check(
        &|e, _| e.perturbed[0].amounts[3] *= 2.0,
        "perturbed run 0 changes domain 0 and domain 3",
    );
    check(
        &|e, _| e.perturbed[0].perturbed = Some(Domain(4)),
        "perturbed run 0 is said to change domain 4",
    );
    check(&|_, o| o.caps = Some(vec![None]), "`caps` has 1");
    check(&|_, o| o.caps = Some(vec![Some(1.0); 7]), "at most 1 tokens");
    check(&|_, o| o.caps = Some(vec![Some(1.0e8); 7]), "no mixture of");
    check(&|_, o| o.floor = 1.5, "`floor`");
    check(&|_, o| o.noise = Some(-1.0), "`noise`");
    check(&|_, o| o.total = Some(0.0), "the total");
    check(&|_, o| o.bootstrap.level = 1.0, "`level`");
}

#[test]
fn given_noise_gives_intervals_and_a_verdict() {
    let evidence = World::published().evidence(1, || 0.0);
    let with = |noise: f64| {
        let options = Options { noise: Some(noise), ..Options::default() };
        solve(&evidence, &options).unwrap()
    };
    let small = with(1e-4);
    assert_eq!(small.better_than_reference_beyond_noise, Some(true));
    let Uncertainty::Intervals { weights, gain, source, .. } = &small.uncertainty else {
        panic!("no intervals: {:?}", small.uncertainty);
    };
    assert_eq!(*source, NoiseSource::Given);
    assert!(gain.low < small.predicted.gain && gain.high > 0.9 * small.predicted.gain);
    for (interval, weight) in weights.iter().zip(&small.optimum.weights) {
        assert!(interval.low <= weight + 1e-9 && weight - 1e-9 <= interval.high);
    }
    let large = with(0.02);
    assert_ne!(large.better_than_reference_beyond_noise, Some(true));
    assert_eq!(with(1e-4), small, "the same seed must give the same bits");
}

/// Over many noisy worlds the interval of the gain covers the gain that the proposed mixture really has.
#[test]
fn intervals_of_the_gain_cover_the_truth() {
    let world = World::published();
    let (worlds, level) = (200, 0.9);
    let mut covered = 0;
    for index in 0..worlds {
        let mut stream = crate::random::Stream::new(99, index);
        let evidence = world.evidence(3, || 0.002 * stream.normal());
        let options = Options {
            bootstrap: Bootstrap { draws: 200, level, seed: index },
            ..Options::default()
        };
        let fit = solve(&evidence, &options).unwrap();
        let truth = world.loss(&world.base) - world.loss(&fit.optimum.amounts);
        let Uncertainty::Intervals { gain, degrees_of_freedom, .. } = &fit.uncertainty else {
            panic!("no intervals: {:?}", fit.uncertainty);
        };
        assert_eq!(*degrees_of_freedom, Some(30));
        covered += usize::from(gain.low <= truth && truth <= gain.high);
    }
    let share = covered as f64 / worlds as f64;
    // Three standard errors of a share of 0.9 in 200 worlds are 0.064.
    assert!((share - level).abs() < 0.064, "covered {share}");
}

/// Domains that are all alike leave nothing to gain: the answer must not be "better".
#[test]
fn equal_domains_are_seldom_called_better() {
    let world = World { laws: vec![PowerLaw { a: 2.7, b: 1.4, c: 0.84 }; 4], base: vec![1e8; 4] };
    let worlds = 200;
    let mut better = 0;
    for index in 0..worlds {
        let mut stream = crate::random::Stream::new(7, index);
        let evidence = world.evidence(2, || 0.003 * stream.normal());
        let options = Options {
            bootstrap: Bootstrap { draws: 200, level: 0.9, seed: index },
            ..Options::default()
        };
        let fit = solve(&evidence, &options).unwrap();
        better += u32::from(fit.better_than_reference_beyond_noise == Some(true));
    }
    assert!(better <= 20, "{better} of {worlds} worlds");
}

/// Floors by domain replace the common one; a domain at its own is said to be at its floor.
#[test]
fn domains_may_have_floors_of_their_own() {
    let world = World::published();
    let evidence = world.evidence(1, || 0.0);
    let base = world.base[0];
    let mut floors = vec![None; 7];
    (floors[1], floors[5]) = (Some(0.5 * base), Some(0.9 * base));
    let fit = solve(&evidence, &Options { floors: Some(floors), ..quiet() }).unwrap();
    let multiples = &fit.optimum.multiples;
    assert!((multiples[1] - 0.5).abs() < 1e-9 && (multiples[5] - 0.9).abs() < 1e-9);
    assert!(fit.optimum.at_floor[1] && fit.optimum.at_floor[5] && !fit.optimum.at_floor[0]);
    assert!(multiples.iter().all(|x| *x >= 0.2 - 1e-9));
    let options = Options { floors: Some(vec![None; 3]), ..quiet() };
    let words = solve(&evidence, &options).unwrap_err().to_string();
    assert!(words.contains("`floors` has 3"), "{words}");
}

/// One domain is scarce and no other has a law: those that are held make room in proportion instead of leaving no mixture.
#[test]
fn held_domains_make_room_for_a_scarce_one() {
    let world = World::published();
    let mut evidence = world.evidence(1, || 0.0);
    evidence.perturbed.truncate(2);
    let mut caps = vec![None; 7];
    caps[0] = Some(0.4 * world.base[0]);
    let fit = solve(&evidence, &Options { caps: Some(caps), ..quiet() }).unwrap();
    assert!((fit.optimum.multiples[0] - 0.4).abs() < 1e-9);
    for multiple in &fit.optimum.multiples[1..] {
        assert!((multiple - 1.1).abs() < 1e-9, "{:?}", fit.optimum.multiples);
    }
    let sum: f64 = fit.optimum.weights.iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
}

/// A domain whose runs show no law is held, but its interval says what its optimum may be.
#[test]
fn a_held_domain_has_a_wide_interval() {
    let world = World::published();
    let mut evidence = world.evidence(3, || 0.0);
    let mut sign = 1.0;
    for run in &mut evidence.perturbed {
        // Half a percent of noise, and the runs of domain 4 are such that more of it seems to hurt.
        let moved = (run.amounts[4] / world.base[4] - 1.0).abs() > 0.1;
        let error =
            if moved { 0.12 * (run.amounts[4] / world.base[4] - 1.0) } else { 0.005 * sign };
        run.values.iter_mut().for_each(|value| *value *= 1.0 + error);
        sign = -sign;
    }
    let fit = solve(&evidence, &Options::default()).unwrap();
    assert!(fit.optimum.held[4] && (fit.optimum.multiples[4] - 1.0).abs() < 1e-9);
    let Uncertainty::Intervals { multiples, .. } = &fit.uncertainty else { panic!("none") };
    assert!(multiples[4].low < 0.5, "{:?}", multiples[4]);
}

/// Of two base runs the noise has one degree of freedom: some of many draws are larger than the objective itself.
#[test]
fn noise_of_two_runs_may_be_drawn_larger_than_the_objective() {
    let world = World::published();
    let mut evidence = world.evidence(1, || 0.0);
    evidence.base = [-0.02, 0.02].map(|error| world.run(world.base.clone(), error)).to_vec();
    let bootstrap = Bootstrap { draws: 3000, ..Bootstrap::default() };
    let fit = solve(&evidence, &Options { bootstrap, ..Options::default() }).expect("a fit");
    let Uncertainty::Intervals { weights, gain, .. } = &fit.uncertainty else { panic!("none") };
    assert!(gain.low.is_finite() && gain.high.is_finite() && gain.low < gain.high, "{gain:?}");
    assert!(weights.iter().all(|w| 0.0 <= w.low && w.high <= 1.0), "{weights:?}");
}
