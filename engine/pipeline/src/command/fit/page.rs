//! What was found, as the pages of the report show it.

use mixmake_fit::ddo::{DdoFit, Interval as DdoInterval, Uncertainty as DdoUncertainty};
use mixmake_fit::mixing::{Interval, Outcome, Point, Verdict};
use mixmake_report::data::{Domain, Fit, FitCurve, Study};
use mixmake_report::evidence::{
    Agreement, DomainWeight, Evidence, Law, LawScore, Parameter, Slice, Suggestion, Target,
};

use super::answer::why;
use super::best::measured;
use super::laws::{Answer, scale_in_words};
use super::show::Shown;

/// Places at which a slice is drawn.
const PLACES: usize = 60;

/// The page of laws per validation domain.
pub(super) fn of_answer(answer: &Answer) -> Evidence {
    let fit = &answer.fit;
    let found = answer.uncertainty.as_ref();
    Evidence {
        title: title(answer),
        facts: vec![facts(answer)],
        verdict: answer.verdict().map(|words| {
            let is_better = found.is_some_and(|found| found.verdict == Verdict::Better);
            (is_better, capital(words))
        }),
        objective: answer.objective(),
        objective_reference: answer.optimum.reference_value,
        objective_optimum: answer.optimum.value,
        gain: answer.optimum.gain,
        gain_interval: found.map(|found| pair(&found.gain)),
        level: found.map(|found| found.level),
        law: Law {
            name: fit.law.to_string(),
            formula: fit.law.formula().into(),
            source: fit.law.source().into(),
        },
        laws: laws(answer),
        domains: domains(answer),
        targets: targets(answer),
        slices: slices(answer),
        parameters: parameters(answer),
        suggestions: answer
            .suggestions
            .iter()
            .map(|each| Suggestion {
                weights: each.weights.clone(),
                scale: scale_in_words(each.tokens, each.size),
                why: why(&each.why),
            })
            .collect(),
        notes: answer.all_notes(),
    }
}

/// The files without their folders, or what else the rows come from.
fn title(answer: &Answer) -> String {
    let name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
    match answer.table.paths.is_empty() {
        true => answer.table.title.clone(),
        false => answer.table.paths.iter().map(name).collect::<Vec<_>>().join(" and "),
    }
}

fn facts(answer: &Answer) -> String {
    format!(
        "{} runs of {} domains, {} validation domains. The objective is the {}{}.",
        answer.observations.rows().len(),
        answer.fit.domains.len(),
        answer.observations.validation().len(),
        answer.objective(),
        scale_in_words(answer.problem.tokens, answer.problem.size)
    )
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn pair(interval: &Interval) -> (f64, f64) {
    (interval.low, interval.high)
}

fn laws(answer: &Answer) -> Vec<LawScore> {
    let Some(choice) = &answer.choice else { return Vec::new() };
    let line = |line: &mixmake_fit::mixing::LawScore| LawScore {
        law: line.law.to_string(),
        taken: line.law == choice.best,
        scores: match &line.outcome {
            Outcome::Scored(s) => {
                Ok([s.rmse, s.mae, s.relative_error, s.spearman.unwrap_or(f64::NAN), s.r2])
            }
            Outcome::Refused(words) => Err(words.clone()),
        },
    };
    choice.table.iter().map(line).collect()
}

fn domains(answer: &Answer) -> Vec<DomainWeight> {
    let names = answer.fit.domains.iter().enumerate();
    names
        .map(|(place, name)| DomainWeight {
            name: name.clone(),
            reference: answer.fit.reference.weights[place],
            optimum: answer.optimum.weights[place],
            interval: answer.uncertainty.as_ref().map(|found| pair(&found.weights[place])),
            trained: answer.fit.trained[place].into(),
            mark: answer.mark(place).into(),
        })
        .collect()
}

fn targets(answer: &Answer) -> Vec<Target> {
    let target = |(place, target): (usize, &mixmake_fit::mixing::TargetFit)| {
        let scores = answer
            .validation
            .as_ref()
            .and_then(|found| found.targets.iter().find(|score| score.target == target.target));
        let held_out = |row: &str| {
            let point = scores?.points.iter().find(|point| point.row == row)?;
            Some(point.predicted)
        };
        let point = |point: &mixmake_fit::mixing::FittedPoint| Agreement {
            row: point.row.clone(),
            observed: point.observed,
            predicted: point.predicted,
            held_out: held_out(&point.row),
        };
        Target {
            name: target.target.clone(),
            points: target.points.iter().map(point).collect(),
            rms: target.rms,
            held_out: scores.map(|score| (score.rmse, score.spearman.unwrap_or(f64::NAN))),
            at_reference: answer.reference_losses[place],
            at_optimum: answer.optimum.losses[place],
            interval: answer.forecasts.as_ref().map(|[_, at_optimum]| pair(&at_optimum[place])),
        }
    };
    answer.fit.targets.iter().enumerate().map(target).collect()
}

fn parameters(answer: &Answer) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for (place, target) in answer.fit.targets.iter().enumerate() {
        for (index, parameter) in target.parameters.iter().enumerate() {
            let known = answer.uncertainty.as_ref();
            let interval = known.and_then(|found| found.parameters.get(place)?.get(index));
            parameters.push(Parameter {
                target: target.target.clone(),
                name: parameter.name.clone(),
                domain: parameter.domain.clone().unwrap_or_default(),
                value: parameter.value,
                interval: interval.map(pair),
                at_bound: parameter.at_bound,
            });
        }
    }
    parameters
}

/// The objective along every domain's share, with every row's residual at its own share.
fn slices(answer: &Answer) -> Vec<Slice> {
    let residuals = residuals(answer);
    let (weights, reference) = (&answer.optimum.weights, &answer.fit.reference.weights);
    let of = |place: usize| {
        let [low, high] = answer.fit.trained[place];
        let (low, high) = (low.min(weights[place]), high.max(weights[place]));
        let share = |step: usize| low + (high - low) * step as f64 / PLACES as f64;
        let line: Vec<(f64, f64)> = (0..=PLACES)
            .filter_map(|step| Some((share(step), along(answer, place, share(step))?)))
            .collect();
        let points = residuals.iter().filter_map(|(weights, residual)| {
            Some((weights[place], interpolated(&line, weights[place])? + residual))
        });
        Slice {
            points: points.collect(),
            line,
            optimum: weights[place],
            reference: reference[place],
        }
    };
    (0..answer.fit.domains.len()).map(of).collect()
}

/// The objective with one domain at `share` and the others in the optimum's proportions.
fn along(answer: &Answer, place: usize, share: f64) -> Option<f64> {
    let optimum = &answer.optimum.weights;
    let rest = 1.0 - optimum[place];
    let others = (optimum.len() - 1) as f64;
    let weight = |(other, weight): (usize, &f64)| match (other == place, rest > 1e-9) {
        (true, _) => share,
        (false, true) => weight * (1.0 - share) / rest,
        (false, false) => (1.0 - share) / others,
    };
    let point = Point {
        weights: optimum.iter().enumerate().map(weight).collect(),
        tokens: answer.problem.tokens,
        size: answer.problem.size,
    };
    let value = answer.fit.goal_value(&answer.goal, &point).ok()?;
    value.is_finite().then_some(value)
}

/// Measured less predicted objective of every row that has all losses.
fn residuals(answer: &Answer) -> Vec<(Vec<f64>, f64)> {
    let names = answer.observations.validation();
    let of = |row: &mixmake_fit::mixing::Row| {
        let losses: Option<Vec<f64>> = row.losses.iter().copied().collect();
        let point = Point { weights: row.weights.clone(), tokens: row.tokens, size: row.size };
        let predicted = answer.fit.goal_value(&answer.goal, &point).ok()?;
        let residual = measured(&answer.goal, names, &losses?) - predicted;
        residual.is_finite().then(|| (row.weights.clone(), residual))
    };
    answer.observations.rows().iter().filter_map(of).collect()
}

/// The line's height, linear between its places.
fn interpolated(line: &[(f64, f64)], share: f64) -> Option<f64> {
    let after = line.iter().position(|place| place.0 >= share - 1e-12)?;
    let (to, from) = (line[after], line[after.saturating_sub(1)]);
    let width = to.0 - from.0;
    let part = if width > 0.0 { (share - from.0) / width } else { 1.0 };
    Some(from.1 + part * (to.1 - from.1))
}

/// DDO fits as a study that has nothing else.
pub(super) fn of_fits(shown: &[Shown]) -> Study {
    let first = shown.first();
    let names = first.map(|each| in_order(each, &each.names)).unwrap_or_default();
    let domain = |name: String| Domain {
        name,
        trains: true,
        train_tokens: 0,
        held_out_tokens: 0,
        documents_read: 0,
        dropped: Vec::new(),
        train_samples: 0,
        held_out_samples: 0,
        chars: 0,
        duplicates: 0,
        lengths: Vec::new(),
    };
    Study {
        title: shown.iter().map(|each| each.name.as_str()).collect::<Vec<_>>().join(", "),
        domains: names.into_iter().map(domain).collect(),
        fits: shown.iter().map(fit).collect(),
        predictions: Vec::new(),
        trainings: Vec::new(),
        baseline: None,
        comparisons: Vec::new(),
    }
}

fn in_order<T: Clone>(shown: &Shown, values: &[T]) -> Vec<T> {
    shown.order.iter().map(|&place| values[place].clone()).collect()
}

fn fit(shown: &Shown) -> Fit {
    let fit = &shown.fit;
    let curve = |&place: &usize| {
        let domain = &fit.domains[place];
        FitCurve {
            points: domain.points.iter().map(|point| (point.x, point.y)).collect(),
            spread: match &fit.uncertainty {
                DdoUncertainty::Intervals { relative_sd: sd, .. } => {
                    domain.points.iter().map(|p| sd * p.y / (p.runs as f64).sqrt()).collect()
                }
                _ => Vec::new(),
            },
            law: domain.law.as_ref().map(|law| [law.a, law.b, law.c]),
            rms: domain.rms,
            at_floor: fit.optimum.at_floor.get(place).copied().unwrap_or(false),
        }
    };
    let (weight_intervals, objective_optimum_interval) = intervals(shown, fit);
    Fit {
        name: shown.name.clone(),
        tokens: fit.total,
        objective: shown.objective.clone(),
        reference_weights: in_order(shown, &shown.reference()),
        weights: in_order(shown, &fit.optimum.weights),
        multiples: in_order(shown, &fit.optimum.multiples),
        weight_intervals,
        curves: shown.order.iter().map(curve).collect(),
        objective_reference: fit.predicted.reference,
        objective_optimum: fit.predicted.optimum,
        objective_optimum_interval,
        notes: shown.notes.clone(),
    }
}

type Range = (f64, f64);

fn intervals(shown: &Shown, fit: &DdoFit) -> (Option<Vec<Range>>, Option<Range>) {
    let DdoUncertainty::Intervals { weights, gain, .. } = &fit.uncertainty else {
        return (None, None);
    };
    let range = |interval: &DdoInterval| (interval.low, interval.high);
    let weights = in_order(shown, &weights.iter().map(range).collect::<Vec<_>>());
    let reference = fit.predicted.reference;
    (Some(weights), Some((reference - gain.high, reference - gain.low)))
}
