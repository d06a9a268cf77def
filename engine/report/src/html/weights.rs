//! Weights against scale (Figs. 3a and 6): lines by domain, and the same weights as shares of a bar.

use crate::data::Study;
use crate::number;
use crate::outcome;
use crate::tables;

use super::scale::{Scale, extent};
use super::style::domain_class;
use super::svg::{Anchor, Svg, fitted, labels, spread, text_width};

const WIDTH: f64 = 440.0;

/// Points of one domain: measured optima, predictions, and the way between.
struct Line<'a> {
    domain: usize,
    name: &'a str,
    measured: Vec<(f64, f64)>,
    predicted: Vec<(f64, f64)>,
    paths: Vec<Vec<(f64, f64)>>,
}

/// Weights against tokens; none where fewer than two scales are known.
pub(crate) fn lines(study: &Study, id: &str) -> Option<String> {
    let lines = collect(study);
    let all = || lines.iter().flat_map(|l| l.measured.iter().chain(&l.predicted));
    let (low, high) = extent(all().map(|p| p.0))?;
    if low >= high {
        return None;
    }
    let top_weight = extent(all().map(|p| p.1))?.1.clamp(0.01, 1.0);
    let shown = lines.len() as f64;
    let (left, right, top, bottom) =
        (40.0, WIDTH - 150.0, 26.0, f64::max(300.0, 60.0 + 16.0 * shown));
    let description = describe(&lines);
    let mut svg = Svg::new(WIDTH, bottom + 42.0, "Weights against scale", &description);
    let margin = (high / low).powf(0.04);
    let x = Scale::log((low / margin, high * margin), left, right);
    let y = Scale::linear((0.0, 100.0 * top_weight * 1.04), bottom, top);
    svg.y_axis(&y, left, right, &y.ticks(5));
    let mut scales: Vec<f64> = all().map(|p| p.0).collect();
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    let named: Vec<(f64, String)> = scales.iter().map(|t| (*t, number::tokens(*t))).collect();
    svg.x_axis(&x, bottom, left, right, &named);
    svg.text("unit", Anchor::Start, (2.0, 12.0), "weight, % of tokens");
    svg.text("unit", Anchor::End, (right, bottom + 36.0), "total tokens (log scale)");
    let point = |(tokens, weight): (f64, f64)| (x.at(tokens), y.at(100.0 * weight));
    for line in &lines {
        draw(&mut svg, line, point);
    }
    name_ends(&mut svg, &lines, point, (right, top, bottom));
    Some(svg.finish(id))
}

fn draw(svg: &mut Svg, line: &Line<'_>, point: impl Fn((f64, f64)) -> (f64, f64)) {
    let colour = domain_class(line.domain);
    let place = |points: &[(f64, f64)]| points.iter().map(|p| point(*p)).collect::<Vec<_>>();
    svg.path(&format!("curve {colour}"), &place(&line.measured));
    for path in &line.paths {
        svg.path(&format!("curve extend {colour}"), &place(path));
    }
    for (kind, points) in [("ring", &line.predicted), ("dot", &line.measured)] {
        let word = if kind == "ring" { "predicted" } else { "DDO" };
        for p in points {
            let (tokens, share) = (number::tokens(p.0), number::share(p.1));
            let tip = format!("{}, {word} at {tokens}: {share} %", line.name);
            svg.marker(&format!("{kind} {colour}"), line.domain, point(*p), 4.6, &tip);
        }
    }
}

/// Names at the right end of the lines, moved apart where they would overlap.
fn name_ends(
    svg: &mut Svg,
    lines: &[Line<'_>],
    point: impl Fn((f64, f64)) -> (f64, f64),
    (right, top, bottom): (f64, f64, f64),
) {
    let last = |l: &Line<'_>| {
        let ends = l.measured.iter().chain(&l.predicted).copied();
        ends.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let ends: Vec<_> = lines.iter().filter_map(|l| Some((l, last(l)?))).collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, p)| point(*p).1).collect();
    let places = spread(&wanted, 15.0, top, bottom);
    for ((line, end), y) in ends.iter().zip(places) {
        let colour = domain_class(line.domain);
        let from = point(*end);
        svg.line(&format!("leader {colour}"), (from.0 + 6.0, from.1), (right + 10.0, y));
        let share = number::share(end.1);
        let name = fitted(line.name, 132.0 - text_width(&share) - 6.0);
        let text = format!("{name} {share}");
        svg.text(&format!("own {colour}"), Anchor::Start, (right + 13.0, y + 4.0), &text);
    }
}

fn collect(study: &Study) -> Vec<Line<'_>> {
    let sorted = |mut points: Vec<(f64, f64)>| {
        points.retain(|p| p.0.is_finite() && p.0 > 0.0 && p.1.is_finite());
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let trained = outcome::trained(study).into_iter().enumerate();
    let line = |(place, (domain, name))| {
        let weight = |weights: &[f64]| weights.get(place).copied().unwrap_or(f64::NAN);
        let measured = sorted(study.fits.iter().map(|f| (f.tokens, weight(&f.weights))).collect());
        let predicted =
            sorted(study.predictions.iter().map(|p| (p.tokens, weight(&p.weights))).collect());
        let mut paths: Vec<Vec<(f64, f64)>> = study
            .predictions
            .iter()
            .map(|p| {
                let path = sorted(p.path.iter().map(|(t, w)| (*t, weight(w))).collect());
                clip(path, &measured, p.tokens)
            })
            .filter(|p| !p.is_empty())
            .collect();
        if paths.is_empty() {
            // Without a path the dashes only say which points belong together.
            paths.push(measured.last().into_iter().chain(&predicted).copied().collect());
        }
        Line { domain, name, measured, predicted, paths }
    };
    trained.map(line).collect()
}

/// The part of a path between the last measured scale and the prediction.
fn clip(path: Vec<(f64, f64)>, measured: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    let start = measured.last().copied();
    let inside = path.into_iter().filter(|p| p.0 <= end && start.is_none_or(|s| p.0 > s.0));
    let inside: Vec<_> = inside.collect();
    match inside.is_empty() {
        true => inside,
        false => start.into_iter().chain(inside).collect(),
    }
}

fn describe(lines: &[Line<'_>]) -> String {
    let one = |l: &Line<'_>| {
        let points = l.measured.iter().chain(&l.predicted);
        let told: Vec<String> = points
            .map(|p| format!("{} % at {}", number::share(p.1), number::tokens(p.0)))
            .collect();
        format!("{}: {}", l.name, told.join(", "))
    };
    lines.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Every set of weights as a bar of shares: reference, optima, predictions, what trainings drew.
pub(crate) fn shares(study: &Study, id: &str) -> Option<String> {
    let mut rows: Vec<(String, &[f64])> = tables::weight_columns(study)
        .into_iter()
        .map(|c| (format!("{} {}", c.head.name, c.head.sub).trim().to_string(), c.weights))
        .collect();
    rows.extend(study.trainings.iter().map(|t| {
        let tokens = number::tokens(t.tokens as f64);
        (format!("drawn by {} {tokens}", t.name), t.weights.as_slice())
    }));
    if rows.is_empty() {
        return None;
    }
    const ROW: f64 = 44.0;
    let height = ROW * rows.len() as f64 + 4.0;
    let domains = outcome::trained(study);
    let names: Vec<&str> = domains.iter().map(|d| d.1).collect();
    let told: Vec<String> = rows
        .iter()
        .map(|(label, weights)| {
            let parts = names.iter().zip(*weights);
            let parts: Vec<_> = parts.map(|(n, w)| format!("{n} {}", number::share(*w))).collect();
            format!("{label}: {}", parts.join(", "))
        })
        .collect();
    let mut svg = Svg::new(WIDTH, height, "Weights as shares, in percent", &told.join("; "));
    for (at, (label, weights)) in rows.iter().enumerate() {
        let top = ROW * at as f64;
        svg.text("label", Anchor::Start, (0.0, top + 12.0), &fitted(label, WIDTH));
        bar(&mut svg, &domains, weights, label, top + 18.0);
    }
    Some(svg.finish(id))
}

fn bar(svg: &mut Svg, domains: &[(usize, &str)], weights: &[f64], label: &str, top: f64) {
    let usable = |w: f64| if w.is_finite() && w > 0.0 { w.min(1.0) } else { 0.0 };
    let total: f64 = weights.iter().map(|w| usable(*w)).sum();
    let unit = WIDTH / total.max(1.0);
    let mut x = 0.0;
    for ((domain, name), weight) in domains.iter().zip(weights) {
        let width = usable(*weight) * unit;
        let share = labels(&[(100.0 * usable(*weight)).round()]).remove(0);
        let tip = format!("{label}, {name}: {} %", number::share(*weight));
        svg.rect(&format!("fill {}", domain_class(*domain)), (x, top), (width, 20.0), &tip);
        let full = format!("{name} {share}");
        let middle = (x + width / 2.0, top + 14.0);
        match width {
            w if w > text_width(&full) + 6.0 => svg.text("on", Anchor::Middle, middle, &full),
            w if w > text_width(&share) + 5.0 => svg.text("on", Anchor::Middle, middle, &share),
            _ => {}
        }
        x += width;
    }
}
