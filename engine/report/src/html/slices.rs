//! The law over its points: the objective along one domain's share.

use crate::evidence::Slice;
use crate::number;

use super::scale::{Scale, extent, padded};
use super::style::domain_class;
use super::svg::Svg;

const WIDTH: f64 = 228.0;
const HEIGHT: f64 = 168.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 218.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 140.0;
/// Share of the points, at either end, that may lie outside of the frame: one far row must not flatten all lines.
const OUTSIDE: f64 = 0.01;

/// The vertical range that all panels share: all lines, and nearly all points.
pub(crate) fn range(slices: &[Slice]) -> (f64, f64) {
    let mut points: Vec<f64> =
        slices.iter().flat_map(|s| &s.points).map(|p| p.1).filter(|y| y.is_finite()).collect();
    points.sort_by(f64::total_cmp);
    let skipped = (points.len() as f64 * OUTSIDE) as usize;
    let kept = points.get(skipped..points.len() - skipped).unwrap_or_default();
    let lines = slices.iter().flat_map(|s| &s.line).map(|p| p.1);
    padded(extent(lines.chain(kept.iter().copied())).unwrap_or((0.0, 1.0)), 0.05)
}

/// One domain's panel.
pub(crate) fn panel(
    slice: &Slice,
    (place, name): (usize, &str),
    range: (f64, f64),
    id: &str,
) -> String {
    let shares = slice.line.iter().chain(&slice.points).map(|p| p.0);
    let (low, high) = extent(shares.chain([slice.optimum, slice.reference])).unwrap_or((0.0, 1.0));
    let description = format!(
        "Shares of {} % to {} %; optimum {} %, reference {} %.",
        number::share(low),
        number::share(high),
        number::share(slice.optimum),
        number::share(slice.reference)
    );
    let mut svg =
        Svg::new(WIDTH, HEIGHT, &format!("The objective along the share of {name}"), &description);
    let x = Scale::linear(padded((100.0 * low, 100.0 * high), 0.03), LEFT, RIGHT);
    let y = Scale::linear(range, BOTTOM, TOP);
    svg.y_axis(&y, LEFT, RIGHT, &y.ticks(4));
    let ticks: Vec<(f64, String)> = x
        .ticks(4)
        .into_iter()
        .filter(|tick| *tick >= 0.0)
        .map(|tick| (tick, format!("{} %", number::short(tick, 3))))
        .collect();
    svg.x_axis(&x, BOTTOM, LEFT, RIGHT, &ticks);
    let inside = |p: &&(f64, f64)| p.1 >= range.0 && p.1 <= range.1;
    let at = |p: &(f64, f64)| (x.at(100.0 * p.0), y.at(p.1));
    let points: Vec<(f64, f64)> = slice.points.iter().filter(inside).map(at).collect();
    let radius = if points.len() > 60 { 1.3 } else { 2.8 };
    svg.spots("spot base", &points, radius);
    let reference = x.at(100.0 * slice.reference);
    svg.line("level", (reference, TOP), (reference, BOTTOM));
    let line: Vec<(f64, f64)> = slice.line.iter().filter(inside).map(at).collect();
    svg.path(&format!("curve {}", domain_class(place)), &line);
    let optimum = x.at(100.0 * slice.optimum);
    svg.line("zero", (optimum, BOTTOM - 9.0), (optimum, BOTTOM));
    let tip = format!("optimum: {} %", number::share(slice.optimum));
    svg.marker("tip", 4, (optimum, BOTTOM - 11.0), 4.5, &tip);
    svg.finish(id)
}
