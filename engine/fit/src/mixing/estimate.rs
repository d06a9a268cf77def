//! Fitting a law: many seeded starts per target, bounded least squares, and a refusal where rows can't identify it.

use rayon::prelude::*;

use super::error::{LawError, Reason};
use super::identify;
use super::law::{Design, Form, Model};
use super::observations::Observations;
use super::options::{FitOptions, LawName, Over};
use super::result::{FittedPoint, LawFit, Note, Parameter, TargetFit};
use super::targets::{Setup, Target};
use super::trees;
use crate::numeric::levenberg::{self, Effort, End, LeastSquares, Limits};
use crate::random::Stream;

/// Fits a law to every target.
///
/// Starts are seeded and their ends compared in order, so the same table gives the same bits on any number of cores.
///
/// # Errors
/// [`LawError::NotIdentified`] with the reasons and the mixtures that would identify the law, or
/// [`LawError::Option`] for options that can't be used.
pub fn fit(
    observations: &Observations,
    law: LawName,
    options: &FitOptions,
) -> Result<LawFit, LawError> {
    let setup = Setup::new(observations, law, options)?;
    identify::check_table(observations, law, &setup)?;
    let targets: Vec<Result<(TargetFit, Vec<Note>), LawError>> = setup
        .targets
        .par_iter()
        .map(|target| fit_target(observations, law, options, &setup, target))
        .collect();
    let mut fitted = Vec::new();
    let mut notes = Vec::new();
    notes.extend(setup.is_mean.then_some(Note::MeanReference));
    for target in targets {
        let (target, own_notes) = target?;
        fitted.push(target);
        notes.extend(own_notes);
    }
    Ok(LawFit {
        law,
        over: options.over,
        goal: (options.over == Over::Goal).then(|| options.goal.clone()),
        domains: observations.domains().to_vec(),
        scale: setup.scale,
        units: setup.units,
        reference: setup.reference,
        trained: trained(observations),
        targets: fitted,
        notes,
    })
}

fn trained(observations: &Observations) -> Vec<[f64; 2]> {
    let range = |j: usize| {
        let weights = observations.rows().iter().map(|row| row.weights[j]);
        weights.fold([f64::INFINITY, 0.0], |[low, high], w| [low.min(w), high.max(w)])
    };
    (0..observations.domains().len()).map(range).collect()
}

pub(super) fn form(law: LawName, setup: &Setup, target: &Target) -> Form {
    Form {
        law,
        domains: target.design.domains,
        scale: setup.scale,
        own: target.own,
        units: setup.units.clone(),
    }
}

fn fit_target(
    observations: &Observations,
    law: LawName,
    options: &FitOptions,
    setup: &Setup,
    target: &Target,
) -> Result<(TargetFit, Vec<Note>), LawError> {
    let form = form(law, setup, target);
    let mut notes = Vec::new();
    if target.left_out > 0 {
        notes.push(Note::LeftOut { target: target.name.clone(), rows: target.left_out });
    }
    if law == LawName::Trees {
        let forest = trees::grow(&target.design, setup.scale, &options.trees, options.seed);
        let predicted = (0..target.design.len())
            .map(|row| forest.predict(&target.design.input(row)))
            .collect::<Vec<_>>();
        let mut fitted = describe(observations, target, form, &predicted, 0);
        fitted.forest = Some(forest);
        return Ok((fitted, notes));
    }
    let model = Model::new(&form, target.design.smallest());
    let refuse = |reasons| identify::refuse(observations, law, Some(target), reasons, options.seed);
    let problem = Squares { design: &target.design, model: &model, huber: options.huber };
    let Some((best, agreeing)) = search(&problem, options) else {
        return Err(refuse(vec![Reason::NoFit]));
    };
    let verdict = identify::check_fit(observations, &form, &model, target, &best.at);
    if !verdict.reasons.is_empty() {
        return Err(refuse(verdict.reasons));
    }
    let name = || target.name.clone();
    if !verdict.harmless.is_empty() {
        notes.push(Note::Harmless { target: name(), parameters: verdict.harmless });
    }
    if agreeing < 2 && options.starts >= 8 {
        notes.push(Note::FewAgree { target: name(), agreeing });
    }
    let predicted: Vec<f64> = target.design.inputs().map(|x| model.value(&best.at, &x)).collect();
    let mut fitted = describe(observations, target, form, &predicted, model.slots.len());
    if fitted.degrees_of_freedom == 0 {
        notes.push(Note::Saturated { target: name() });
    }
    fitted.parameters = parameters(observations, &model, &best.at, setup);
    fitted.inner = best.at;
    fitted.agreeing_starts = agreeing;
    Ok((fitted, notes))
}

fn parameters(
    observations: &Observations,
    model: &Model,
    inner: &[f64],
    setup: &Setup,
) -> Vec<Parameter> {
    let named = model.report(inner, &setup.units).into_iter();
    named
        .map(|named| Parameter {
            name: named.name.to_owned(),
            domain: named.domain.map(|j| observations.domains()[j].clone()),
            value: named.value,
            at_bound: named.at_bound,
        })
        .collect()
}

/// What every fit says of its points.
fn describe(
    observations: &Observations,
    target: &Target,
    form: Form,
    predicted: &[f64],
    parameters: usize,
) -> TargetFit {
    let design = &target.design;
    let weight: f64 = design.weight.iter().sum();
    let mean = design.y.iter().zip(&design.weight).map(|(y, w)| w * y).sum::<f64>() / weight;
    let squares = |of: &dyn Fn(usize) -> f64| -> f64 {
        (0..design.len()).map(|row| design.weight[row] * of(row).powi(2)).sum()
    };
    let left = squares(&|row| design.y[row] - predicted[row]);
    let all = squares(&|row| design.y[row] - mean);
    let degrees = design.len().saturating_sub(parameters);
    let point = |(row, (observed, predicted)): (&usize, (&f64, &f64))| FittedPoint {
        row: observations.rows()[*row].name.clone(),
        observed: *observed,
        predicted: *predicted,
    };
    TargetFit {
        target: target.name.clone(),
        parameters: Vec::new(),
        rows: design.len(),
        left_out: target.left_out,
        rms: (left / weight).sqrt(),
        r2: if all > 0.0 { 1.0 - left / all } else { 0.0 },
        degrees_of_freedom: degrees,
        // Of trees the residuals say nothing: they are grown until few are left.
        noise_sd: (degrees > 0 && parameters > 0).then(|| (left / degrees as f64).sqrt()),
        points: target.rows.iter().zip(design.y.iter().zip(predicted)).map(point).collect(),
        agreeing_starts: 0,
        form,
        inner: Vec::new(),
        forest: None,
    }
}

/// The sum of squares of a target, or Huber's sum where residuals beyond `huber` count linearly.
pub(super) struct Squares<'a> {
    pub(super) design: &'a Design,
    pub(super) model: &'a Model,
    pub(super) huber: Option<f64>,
}

impl Squares<'_> {
    /// Half the loss of a residual and the weight its square has.
    fn loss(&self, residual: f64) -> (f64, f64) {
        match self.huber {
            Some(delta) if residual.abs() > delta => {
                (delta * (residual.abs() - 0.5 * delta), delta / residual.abs())
            }
            _ => (0.5 * residual * residual, 1.0),
        }
    }

    /// Half the sum of squares, or of Huber's losses.
    fn cost(&self, at: &[f64]) -> f64 {
        let rows = self.design.inputs().zip(&self.design.y).zip(&self.design.weight);
        rows.map(|((x, y), w)| w * self.loss(self.model.value(at, &x) - y).0).sum()
    }

    pub(super) fn limits(&self) -> Limits {
        let slots = &self.model.slots;
        Limits {
            lower: slots.iter().map(|slot| slot.lower).collect(),
            upper: slots.iter().map(|slot| slot.upper).collect(),
            reach: slots.iter().map(|s| if s.log { 1.0 } else { f64::INFINITY }).collect(),
        }
    }
}

impl LeastSquares for Squares<'_> {
    fn normal(&self, at: &[f64], jj: &mut [f64], jr: &mut [f64]) -> f64 {
        let n = at.len();
        jj.fill(0.0);
        jr.fill(0.0);
        let model = self.model.at(at);
        let mut gradients = vec![0.0; TOGETHER * n];
        let mut cost = 0.0;
        let mut row = 0;
        while row < self.design.len() {
            let count = TOGETHER.min(self.design.len() - row);
            let mut weights = [0.0; TOGETHER];
            for (place, gradient) in gradients.chunks_exact_mut(n).take(count).enumerate() {
                let residual = model.gradient(&self.design.input(row + place), gradient)
                    - self.design.y[row + place];
                let (loss, factor) = self.loss(residual);
                let weight = self.design.weight[row + place];
                cost += weight * loss;
                weights[place] = weight * factor;
                jr.iter_mut()
                    .zip(&*gradient)
                    .for_each(|(jr, g)| *jr += weight * factor * g * residual);
            }
            add_products(jj, &gradients[..count * n], &weights[..count], n);
            row += count;
        }
        cost
    }
}

/// Rows whose products are added to the normal equations in one pass, which else is bound by reading and writing them.
const TOGETHER: usize = 4;

/// Adds `sum_r weight_r g_r g_r'` to the lower triangle of `jj`, row after row of the gradients, so that sums do not depend on how many
/// are added in one pass.
fn add_products(jj: &mut [f64], gradients: &[f64], weights: &[f64], n: usize) {
    let mut each = gradients.chunks_exact(n);
    if let (&[w0, w1, w2, w3], [Some(g0), Some(g1), Some(g2), Some(g3)]) =
        (weights, [each.next(), each.next(), each.next(), each.next()])
    {
        for i in 0..n {
            let (s0, s1, s2, s3) = (w0 * g0[i], w1 * g1[i], w2 * g2[i], w3 * g3[i]);
            let pairs = g0[..=i].iter().zip(&g1[..=i]).zip(g2[..=i].iter().zip(&g3[..=i]));
            for (jj, ((g0, g1), (g2, g3))) in jj[i * n..=i * n + i].iter_mut().zip(pairs) {
                *jj = *jj + s0 * g0 + s1 * g1 + s2 * g2 + s3 * g3;
            }
        }
        return;
    }
    for (g, w) in gradients.chunks_exact(n).zip(weights) {
        for i in 0..n {
            let scaled = w * g[i];
            jj[i * n..=i * n + i].iter_mut().zip(g).for_each(|(jj, g)| *jj += scaled * g);
        }
    }
}

/// Steps that every start gets on all rows or on a sample, that the best ones get after, and that the best gets at last.
const FIRST: usize = 15;
const SAMPLED: usize = 30;
const MOST: usize = 400;
/// Relative fall of the cost at which all but the last descent end.
const ROUGH: f64 = 1e-9;
/// Ends, the best first, from which ridges are crossed.
const OVER_RIDGES: usize = 3;
/// What a descent beyond a ridge gets to show that it ends lower.
const ACROSS: Effort = Effort { steps: 40, fall: 1e-6 };
/// Twins of an end that are tried: all of seven domains.
const MOST_TWINS: usize = 8;
/// How often an end moves on over a ridge where not all twins are tried.
const MOST_ROUNDS: usize = 4;
/// Rows per parameter that a sample has, and that a table must have for one.
const SAMPLE: usize = 16;
const SAMPLED_ABOVE: usize = 3 * SAMPLE;

/// The best end over all starts and how many of the finished ones agree with it.
///
/// Every start descends a little, on every k-th row where there are many; only the better third goes on, and of those that
/// ended together only the first. The first of these cross ridges. The best ends are taken to the last bits.
pub(super) fn search(problem: &Squares<'_>, options: &FitOptions) -> Option<(End, usize)> {
    let parameters = problem.model.slots.len();
    let stride = match problem.design.len() / parameters.max(1) {
        many if many >= SAMPLED_ABOVE => many / SAMPLE,
        _ => 1,
    };
    let sample = (stride > 1).then(|| problem.design.every(stride));
    let rough = Squares { design: sample.as_ref().unwrap_or(problem.design), ..*problem };
    let mut ends = screen(&rough, problem.design, options, stride > 1);
    ends.sort_by(|p, q| p.1.cost.total_cmp(&q.1.cost).then(p.0.cmp(&q.0)));
    ends.truncate((options.starts / 3).max(4));
    let (leaders, followers) = lead(ends.into_iter().map(|(_, end)| end).collect());
    let limits = problem.limits();
    let go_on = |(place, end): (usize, End)| {
        let effort = Effort { steps: MOST, fall: ROUGH };
        let end = levenberg::resume(problem, &limits, end, effort);
        if place < OVER_RIDGES { over_ridges(problem, end, ACROSS, effort) } else { end }
    };
    let finished: Vec<End> = leaders.into_par_iter().enumerate().map(go_on).collect();
    let least = finished.iter().map(|end| end.cost).fold(f64::INFINITY, f64::min);
    let near = |cost: f64| cost <= least * (1.0 + 1e-5) + negligible(problem);
    let agreeing: usize =
        finished.iter().zip(&followers).filter(|(end, _)| near(end.cost)).map(|(_, n)| n).sum();
    let polished: Vec<End> = finished
        .into_iter()
        .filter(|end| near(end.cost))
        .take(3)
        .map(|end| levenberg::resume(problem, &limits, end, Effort::full(MOST)))
        .collect();
    choose(problem, polished).map(|end| (end, agreeing))
}

/// Goes on from the twins of an end (parameters beyond a ridge of the sum of squares) as long as one leads lower.
pub(super) fn over_ridges(
    problem: &Squares<'_>,
    mut best: End,
    across: Effort,
    effort: Effort,
) -> End {
    let limits = problem.limits();
    for round in 0.. {
        let (twins, are_all) = nearest_twins(problem, &best.at);
        if !are_all && round == MOST_ROUNDS {
            break;
        }
        let twins: Vec<End> = twins
            .into_par_iter()
            .map(|twin| levenberg::descend(problem, &limits, &twin, across))
            .collect();
        let lower = |end: &End| end.cost < best.cost * (1.0 - 1e-6) - negligible(problem);
        let least = twins.into_iter().filter(lower).min_by(|p, q| p.cost.total_cmp(&q.cost));
        let Some(end) = least else { return best };
        best = levenberg::resume(problem, &limits, end, effort);
    }
    best
}

/// The twins of an end, and whether they are all; of many those that start lowest, since each costs a descent over all parameters.
fn nearest_twins(problem: &Squares<'_>, at: &[f64]) -> (Vec<Vec<f64>>, bool) {
    let twins = problem.model.twins(at);
    if twins.len() <= MOST_TWINS {
        return (twins, true);
    }
    let mut costs: Vec<(f64, Vec<f64>)> =
        twins.into_iter().map(|twin| (problem.cost(&twin), twin)).collect();
    costs.sort_by(|p, q| p.0.total_cmp(&q.0));
    (costs.into_iter().take(MOST_TWINS).map(|(_, twin)| twin).collect(), false)
}

/// A short descent of every start, numbered.
fn screen(
    problem: &Squares<'_>,
    whole: &Design,
    options: &FitOptions,
    sampled: bool,
) -> Vec<(usize, End)> {
    let limits = problem.limits();
    let effort = Effort { steps: if sampled { SAMPLED } else { FIRST }, fall: ROUGH };
    let descend = |index: usize| {
        let mut stream = Stream::new(options.seed, index as u64);
        let start = problem.model.start(whole, index, &mut stream);
        (index, levenberg::descend(problem, &limits, &start, effort))
    };
    let ends = (0..options.starts.max(1)).into_par_iter().map(descend);
    ends.filter(|(_, end)| end.cost.is_finite()).collect()
}

/// Of converged ends with the same cost and parameters only the first, each with how many it stands for.
fn lead(ends: Vec<End>) -> (Vec<End>, Vec<usize>) {
    let mut leaders: Vec<End> = Vec::new();
    let mut followers: Vec<usize> = Vec::new();
    for end in ends {
        let same = |leader: &End| {
            let apart = |(p, q): (&f64, &f64)| (p - q).abs() > 1e-2 * (1.0 + q.abs());
            end.converged
                && leader.converged
                && end.cost <= leader.cost * (1.0 + 1e-6)
                && !end.at.iter().zip(&leader.at).any(apart)
        };
        match leaders.iter().position(same) {
            Some(place) => followers[place] += 1,
            None => {
                leaders.push(end);
                followers.push(1);
            }
        }
    }
    (leaders, followers)
}

/// A cost of rounding alone.
fn negligible(problem: &Squares<'_>) -> f64 {
    let rows = problem.design.y.iter().zip(&problem.design.weight);
    1e-26 * rows.map(|(y, w)| w * y * y).sum::<f64>()
}

/// The least cost; of costs equal to rounding the first.
fn choose(problem: &Squares<'_>, ends: Vec<End>) -> Option<End> {
    let least = ends.iter().map(|end| end.cost).fold(f64::INFINITY, f64::min);
    let slack = negligible(problem);
    ends.into_iter().find(|end| end.cost <= least * (1.0 + 1e-9) + slack)
}

/// The inner parameters that [`fit`] starts every target from, for benchmarks that give the same to another solver.
///
/// # Errors
/// [`LawError::Option`] for options that can't be used.
pub fn starts_of(
    observations: &Observations,
    law: LawName,
    options: &FitOptions,
) -> Result<Vec<Vec<Vec<f64>>>, LawError> {
    let setup = Setup::new(observations, law, options)?;
    let of = |target: &Target| {
        let model = Model::new(&form(law, &setup, target), target.design.smallest());
        let start = |index: usize| {
            model.start(&target.design, index, &mut Stream::new(options.seed, index as u64))
        };
        (0..options.starts.max(1)).map(start).collect()
    };
    Ok(setup.targets.iter().map(of).collect())
}
