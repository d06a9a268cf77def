//! The DDO fits (Fig. 5): one domain's points and its law y(x) = (x + a)^-b + c.

use crate::data::{Fit, FitCurve};
use crate::number;
use crate::prose::escape_html;

use super::scale::{Scale, extent, padded};
use super::style::domain_class;
use super::svg::{Anchor, Svg};

const WIDTH: f64 = 228.0;
const HEIGHT: f64 = 168.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = 218.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 140.0;

/// Ranges that every panel of a fit shares, so that slopes compare.
pub(crate) struct Ranges {
    x: (f64, f64),
    y: (f64, f64),
    ticks: Vec<(f64, String)>,
}

/// Ranges over all points and laws of a fit.
pub(crate) fn ranges(fit: &Fit) -> Ranges {
    let points = || fit.curves.iter().flat_map(usable);
    let (low, high) = extent(points().map(|p| p.0).chain([1.0])).unwrap_or((1.0, 1.0));
    let x = (low / 1.35, high * 1.35);
    let y = extent(points().map(|p| p.1).chain([1.0])).unwrap_or((0.9, 1.1));
    let mut factors: Vec<f64> = points().map(|p| p.0).chain([1.0]).collect();
    factors.sort_by(f64::total_cmp);
    factors.dedup_by(|a, b| (*a / *b - 1.0).abs() < 0.02);
    let ticks = factors.into_iter().map(|f| (f, number::multiple(f))).collect();
    Ranges { x, y: padded(y, 0.1), ticks }
}

/// One domain: measured points, the reference, the law, and where the optimum lies.
pub(crate) fn panel(
    fit: &Fit,
    place: usize,
    domain: (usize, &str),
    r: &Ranges,
    id: &str,
) -> String {
    let empty = FitCurve::default();
    let curve = fit.curves.get(place).unwrap_or(&empty);
    let (index, name) = domain;
    let points = usable(curve);
    let mut svg = Svg::new(
        WIDTH,
        HEIGHT,
        &format!("DDO fit of {name} at {} tokens", number::tokens(fit.tokens)),
        &describe(curve, &points),
    );
    let x = Scale::log(r.x, LEFT, RIGHT);
    let y = Scale::linear(r.y, BOTTOM, TOP);
    svg.y_axis(&y, LEFT, RIGHT, &y.ticks(5));
    svg.x_axis(&x, BOTTOM, LEFT, RIGHT, &r.ticks);
    let colour = domain_class(index);
    // A steep law leaves the frame, which is set by the points.
    let (low, high) = y.range();
    let law = sampled(curve, r.x).into_iter().filter(|p| p.1 >= low && p.1 <= high);
    let law: Vec<_> = law.map(|p| (x.at(p.0), y.at(p.1))).collect();
    svg.path(&format!("curve {colour}"), &law);
    let origin = (x.at(1.0), y.at(1.0));
    svg.marker("origin", 0, origin, 7.5, "the reference: x = 1, y = 1");
    for ((px, py), sd) in curve.points.iter().zip(&curve.spread).filter(|(p, _)| p.0 > 0.0) {
        let inside = |y: f64| y.clamp(low, high);
        let (from, to) = (y.at(inside(py - sd)), y.at(inside(py + sd)));
        svg.line(&format!("thin {colour}"), (x.at(*px), from), (x.at(*px), to));
    }
    let kind = if curve.law.is_none() { "ring" } else { "dot" };
    for p in &points {
        let tip = format!(
            "{name}: {} × the reference amount, {} of its objective",
            number::multiple(p.0),
            number::short(p.1, 4)
        );
        svg.marker(&format!("{kind} {colour}"), index, (x.at(p.0), y.at(p.1)), 4.2, &tip);
    }
    if curve.law.is_none() {
        let size = (RIGHT - LEFT, BOTTOM - TOP);
        svg.rect("frame", (LEFT, TOP), size, "");
        svg.text("warn", Anchor::Middle, ((LEFT + RIGHT) / 2.0, TOP + 18.0), "no law identified");
    } else if let Some(best) = fit.multiples.get(place).filter(|m| m.is_finite() && **m > 0.0) {
        let at = x.at(best.clamp(r.x.0, r.x.1));
        let tip = format!("optimum: {} × the reference amount", number::short(*best, 4));
        svg.line("zero", (at, BOTTOM - 9.0), (at, BOTTOM));
        svg.marker("tip", 4, (at, BOTTOM - 11.0), 4.5, &tip);
    }
    svg.finish(id)
}

/// The line under a panel: the law's parameters and the optimum, or why there is none.
pub(crate) fn law_line(fit: &Fit, place: usize) -> String {
    let curve = fit.curves.get(place);
    let multiple = fit.multiples.get(place).copied().filter(|m| m.is_finite());
    let weight = fit.weights.get(place).filter(|w| w.is_finite());
    let weight =
        weight.map_or(String::new(), |w| format!(", weight {} %", escape_html(&number::share(*w))));
    let optimum =
        multiple.map_or(String::new(), |m| format!("optimum ×{}{weight}", number::short(m, 3)));
    let Some([a, b, c]) = curve.and_then(|c| c.law) else {
        let held = optimum.replace("optimum", "<br>held at");
        return format!("<p class=\"law none\">The points identify no law.{held}</p>\n");
    };
    let floor = if curve.is_some_and(|c| c.at_floor) { ", at its floor" } else { "" };
    let rms = match curve.and_then(|c| c.rms).filter(|r| r.is_finite()) {
        Some(rms) => format!(" · rms {}", number::residual(rms)),
        None => String::new(),
    };
    format!(
        "<p class=\"law\">a {} · b {} · c {}{rms}<br>{optimum}{floor}</p>\n",
        number::short(a, 4),
        number::short(b, 4),
        number::short(c, 4)
    )
}

/// Points that a log axis can show.
fn usable(curve: &FitCurve) -> Vec<(f64, f64)> {
    let shown = |p: &&(f64, f64)| p.0.is_finite() && p.0 > 0.0 && p.1.is_finite();
    curve.points.iter().filter(shown).copied().collect()
}

/// The law at 41 places, evenly spaced in log x, over the measured range and a little beyond.
fn sampled(curve: &FitCurve, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    let Some([a, b, c]) = curve.law else { return Vec::new() };
    let places = (0..=40).map(|i| low * (high / low).powf(i as f64 / 40.0));
    let law = places.map(|x| (x, (x + a).powf(-b) + c));
    law.filter(|p| p.0.is_finite() && p.1.is_finite()).collect()
}

fn describe(curve: &FitCurve, points: &[(f64, f64)]) -> String {
    let told: Vec<String> = points
        .iter()
        .map(|p| format!("({}, {})", number::multiple(p.0), number::short(p.1, 4)))
        .collect();
    let law = match curve.law {
        Some([a, b, c]) => format!(
            "Law: a {}, b {}, c {}.",
            number::short(a, 4),
            number::short(b, 4),
            number::short(c, 4)
        ),
        None => "The points identify no law.".to_string(),
    };
    format!("Points (x, y): {}. {law}", told.join(", "))
}
