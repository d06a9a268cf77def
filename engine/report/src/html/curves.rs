//! Held-out perplexity against steps (Fig. 2a): the mean over domains, its end enlarged with the
//! steps saved, and one small panel a domain.

use crate::data::Study;
use crate::number;
use crate::outcome;
use crate::verdict;

use super::scale::{Scale, extent, padded};
use super::style::{LineStyle, domain_class, line_styles};
use super::svg::{self, Anchor, Svg, fitted, spread};

/// Perplexities above this multiple of the best are cut off: the first steps tell nothing apart.
const HEADROOM: f64 = 5.0;
/// The same in the panels of single domains, which have less height to tell curves apart.
const HEADROOM_SMALL: f64 = 2.4;

/// Steps and perplexities of one training.
struct Curve {
    style: LineStyle,
    name: String,
    points: Vec<(f64, f64)>,
}

/// Margins and size of a panel.
struct Room {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

const LARGE: Room =
    Room { width: 440.0, height: 310.0, left: 42.0, right: 116.0, top: 26.0, bottom: 42.0 };
const SMALL: Room =
    Room { width: 228.0, height: 150.0, left: 38.0, right: 44.0, top: 8.0, bottom: 22.0 };

/// Whether any training has two evaluations with a known mean: less is not a curve.
pub(crate) fn has_curves(study: &Study) -> bool {
    mean_curves(study).iter().any(|c| c.points.len() > 1)
}

/// The mean over domains; `cut` says whether early evaluations fall outside the frame.
pub(crate) fn mean(study: &Study, id: &str) -> (String, bool) {
    let curves = mean_curves(study);
    let (x, y, cut) = whole_range(&curves, HEADROOM);
    let mut svg = Svg::new(
        LARGE.width,
        LARGE.height,
        "Mean held-out perplexity against steps",
        &describe(&curves),
    );
    panel(&mut svg, &LARGE, &curves, x, y);
    (svg.finish(id), cut)
}

/// The end of the mean curves with the steps saved at the baseline's final perplexity; none where
/// there is no baseline to save steps of.
pub(crate) fn end(study: &Study, id: &str) -> Option<String> {
    let curves = mean_curves(study);
    let base = curves.iter().find(|c| c.style.baseline && c.points.len() > 2)?;
    let (last_step, level) = *base.points.last()?;
    if curves.len() < 2 {
        return None;
    }
    let finals = extent(curves.iter().filter_map(|c| c.points.last().map(|p| p.1)))?;
    let reach = finals.1.max(level);
    // The second half of the baseline's way, unless it fell by too much to tell the ends apart.
    let early = base.points.iter().rev().find(|p| p.0 <= last_step * 0.5).map_or(reach, |p| p.1);
    let top = early.clamp(reach * 1.01, reach * 1.6);
    let shown: Vec<(f64, f64)> = curves.iter().flat_map(|c| c.points.iter().copied()).collect();
    let first = extent(shown.iter().filter(|p| p.1 <= top).map(|p| p.0))?;
    let y = padded((finals.0, top), 0.06);
    let mut svg = Svg::new(
        LARGE.width,
        LARGE.height,
        "The end of the mean curves, enlarged",
        &format!(
            "Final mean perplexity of the baseline: {}, at step {last_step}.",
            number::perplexity(Some(level))
        ),
    );
    let (x_scale, y_scale) = panel(&mut svg, &LARGE, &curves, (first.0 * 0.97, first.1), y);
    let saved = verdict::verdicts(study).iter().find_map(|v| {
        let saved = verdict::comparison(study, v.training)?.steps_saved?;
        (saved.is_finite() && saved > 0.0 && saved <= 1.0).then_some(saved)
    });
    annotate(&mut svg, &x_scale, &y_scale, (last_step, level), saved);
    Some(svg.finish(id))
}

/// The baseline's final level, and the arrow over the steps saved at it.
fn annotate(
    svg: &mut Svg,
    x: &Scale,
    y: &Scale,
    (last_step, level): (f64, f64),
    saved: Option<f64>,
) {
    let height = y.at(level);
    let (left, right) = (LARGE.left, LARGE.width - LARGE.right);
    svg.line("level", (left, height), (right, height));
    let Some(saved) = saved else { return };
    let crossing = x.at(last_step * (1.0 - saved)).max(left);
    let end = x.at(last_step);
    svg.line("saved", (crossing, height), (end, height));
    svg.line("saved", (crossing, height - 5.0), (crossing, height + 5.0));
    svg.line("saved", (end, height - 5.0), (end, height + 5.0));
    let text = format!("{} % fewer steps", number::short(100.0 * saved, 2));
    // Falling curves leave the corner below the line and before the crossing free.
    let width = svg::text_width(&text) + 8.0;
    let (anchor, at) = match crossing - left > width {
        true => (Anchor::End, (crossing - 7.0, height + 16.0)),
        false => (Anchor::End, (end, height - 10.0)),
    };
    svg.text("saved halo", anchor, at, &text);
}

/// One domain's perplexity in every training.
pub(crate) fn domain(study: &Study, domain: usize, id: &str) -> String {
    let curves = collect(study, |outcome| outcome.perplexities[domain]);
    let name = &study.domains[domain].name;
    let mut svg = Svg::new(
        SMALL.width,
        SMALL.height,
        &format!("Held-out perplexity of {name} against steps"),
        &describe(&curves),
    );
    let (x, y, _) = whole_range(&curves, HEADROOM_SMALL);
    let (x, y) = frame(&mut svg, &SMALL, x, y, 3);
    let own = domain_class(domain);
    let mut ends = Vec::new();
    for curve in &curves {
        let points = clipped(curve, &x, &y);
        svg.path(&curve.style.domain_class(domain), &points);
        hits(&mut svg, curve, &x, &y, &own);
        if let Some(last) = curve.points.last() {
            ends.push((y.at(last.1), last.1, curve.style.baseline));
        }
    }
    let places: Vec<f64> = ends.iter().map(|e| e.0 + 4.0).collect();
    let places = spread(&places, 12.5, SMALL.top + 6.0, SMALL.height - SMALL.bottom + 4.0);
    for ((_, value, baseline), place) in ends.iter().zip(places) {
        let class = if *baseline { "tick".to_string() } else { format!("own {own}") };
        let at = (SMALL.width - SMALL.right + 5.0, place);
        svg.text(&class, Anchor::Start, at, &number::perplexity(Some(*value)));
    }
    svg.finish(id)
}

fn mean_curves(study: &Study) -> Vec<Curve> {
    collect(study, |outcome| outcome.mean)
}

fn collect(study: &Study, pick: impl Fn(&outcome::Outcome) -> Option<f64>) -> Vec<Curve> {
    let curve = |style: LineStyle| {
        let training = &study.trainings[style.training];
        let known = training.evaluations.iter().filter_map(|e| {
            let value = pick(&outcome::at(study, e))?;
            (value < 1e300).then_some((e.step as f64, value))
        });
        Curve { points: known.collect(), name: training.name.clone(), style }
    };
    line_styles(study).into_iter().map(curve).collect()
}

/// Ranges of steps and perplexities, the top cut at `headroom` over the best.
fn whole_range(curves: &[Curve], headroom: f64) -> ((f64, f64), (f64, f64), bool) {
    let steps = extent(curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)));
    let values = || curves.iter().flat_map(|c| c.points.iter().map(|p| p.1));
    let (low, high) = extent(values()).unwrap_or((1.0, 2.0));
    let worst_end = extent(curves.iter().filter_map(|c| c.points.last().map(|p| p.1)));
    let limit = (headroom * low).max(1.2 * worst_end.map_or(low, |w| w.1));
    let steps = steps.map_or((0.0, 1.0), |s| (0.0, s.1));
    (steps, (low / 1.03, high.min(limit) * 1.02), high > limit)
}

fn frame(
    svg: &mut Svg,
    room: &Room,
    steps: (f64, f64),
    values: (f64, f64),
    ticks: usize,
) -> (Scale, Scale) {
    let (left, right) = (room.left, room.width - room.right);
    let (top, bottom) = (room.top, room.height - room.bottom);
    let x = Scale::linear(steps, left, right);
    let y = match values.1 / values.0 > 2.5 {
        true => Scale::log(values, bottom, top),
        false => Scale::linear(values, bottom, top),
    };
    svg.y_axis(&y, left, right, &y.ticks(ticks + 1));
    let places = x.ticks(ticks);
    let named: Vec<(f64, String)> = places.iter().map(|t| (*t, number::tokens(*t))).collect();
    svg.x_axis(&x, bottom, left, right, &named);
    (x, y)
}

fn panel(
    svg: &mut Svg,
    room: &Room,
    curves: &[Curve],
    steps: (f64, f64),
    values: (f64, f64),
) -> (Scale, Scale) {
    let (x, y) = frame(svg, room, steps, values, 4);
    let right = room.width - room.right;
    let log = if values.1 / values.0 > 2.5 { " (log scale)" } else { "" };
    svg.text("unit", Anchor::Start, (2.0, 12.0), &format!("mean held-out perplexity{log}"));
    svg.text("unit", Anchor::End, (right, room.height - 6.0), "steps");
    let mut ends = Vec::new();
    for curve in curves {
        svg.path(&curve.style.class(), &clipped(curve, &x, &y));
        hits(svg, curve, &x, &y, "ours");
        if let Some(last) = curve.points.last() {
            ends.push((curve, last.1, (x.at(last.0), y.at(last.1))));
        }
    }
    let wanted: Vec<f64> = ends.iter().map(|e| e.2.1 - 2.0).collect();
    let places = spread(&wanted, 30.0, room.top + 6.0, room.height - room.bottom - 17.0);
    for ((curve, value, end), place) in ends.iter().zip(places) {
        let left = right + 12.0;
        svg.line(
            &format!("leader {}", curve.style.tone()),
            (end.0 + 3.0, end.1),
            (left - 2.0, place),
        );
        let name = fitted(&curve.name, room.right - 14.0);
        let class = if curve.style.baseline { "label" } else { "strong" };
        svg.text(class, Anchor::Start, (left, place + 3.0), &name);
        let value = number::perplexity(Some(*value));
        svg.text("tick", Anchor::Start, (left, place + 17.0), &value);
    }
    (x, y)
}

/// The curve inside the frame; where it enters from above, from its crossing of the top.
fn clipped(curve: &Curve, x: &Scale, y: &Scale) -> Vec<(f64, f64)> {
    let (first, top) = (x.range().0, y.range().1);
    let mut out = Vec::new();
    let mut before: Option<(f64, f64)> = None;
    for &(step, value) in &curve.points {
        if value <= top && step >= first {
            if let Some(outside) = before.filter(|b| b.1 > top) {
                out.extend(entry(outside, (step, value), x, y));
            }
            out.push((x.at(step), y.at(value)));
        }
        before = Some((step, value));
    }
    out
}

/// Where the drawn segment from a point above the frame to one inside crosses its top.
fn entry(from: (f64, f64), to: (f64, f64), x: &Scale, y: &Scale) -> Option<(f64, f64)> {
    let (start, end) = ((x.at(from.0), y.at(from.1)), (x.at(to.0), y.at(to.1)));
    let top = y.at(y.range().1);
    let part = (top - start.1) / (end.1 - start.1);
    let crossing = start.0 + part * (end.0 - start.0);
    (crossing.is_finite() && crossing >= x.at(x.range().0)).then_some((crossing, top))
}

/// Small markers that carry the exact values as tooltips.
fn hits(svg: &mut Svg, curve: &Curve, x: &Scale, y: &Scale, colour: &str) {
    let class = format!("spot {}", if curve.style.baseline { "base" } else { colour });
    let inside = |p: &&(f64, f64)| p.1 <= y.range().1 && p.0 >= x.range().0;
    for (step, value) in curve.points.iter().filter(inside) {
        let exact = number::perplexity(Some(*value));
        let tip = format!("{}, step {}: {exact}", curve.name, number::count(*step as u64));
        svg.marker(&class, 0, (x.at(*step), y.at(*value)), 1.6, &tip);
    }
}

fn describe(curves: &[Curve]) -> String {
    let one = |c: &Curve| {
        let (first, last) = (c.points.first()?, c.points.last()?);
        Some(format!(
            "{}: from {} at step {} to {} at step {}.",
            c.name,
            number::perplexity(Some(first.1)),
            number::count(first.0 as u64),
            number::perplexity(Some(last.1)),
            number::count(last.0 as u64)
        ))
    };
    curves.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}
