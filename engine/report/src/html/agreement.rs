//! Predicted against observed, one panel a validation domain.

use crate::evidence::Target;
use crate::number;

use super::scale::{Scale, extent, padded};
use super::svg::{Anchor, Svg, labels};

const WIDTH: f64 = 228.0;
const HEIGHT: f64 = 216.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = 218.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 184.0;

/// Points about the line on which prediction and measurement agree; both axes have one scale.
pub(crate) fn panel(target: &Target, id: &str) -> String {
    let points: Vec<(f64, f64)> =
        target.points.iter().map(|p| (p.observed, p.held_out.unwrap_or(p.predicted))).collect();
    let both = points.iter().flat_map(|p| [p.0, p.1]);
    let range = padded(extent(both).unwrap_or((0.0, 1.0)), 0.06);
    let description =
        format!("{} rows; rms of the fit {}.", points.len(), number::short(target.rms, 3));
    let title = format!("Predicted against observed loss of {}", target.name);
    let mut svg = Svg::new(WIDTH, HEIGHT, &title, &description);
    let (x, y) = (Scale::linear(range, LEFT, RIGHT), Scale::linear(range, BOTTOM, TOP));
    svg.y_axis(&y, LEFT, RIGHT, &y.ticks(4));
    let ticks = x.ticks(4);
    let ticks: Vec<(f64, String)> = ticks.iter().copied().zip(labels(&ticks)).collect();
    svg.x_axis(&x, BOTTOM, LEFT, RIGHT, &ticks);
    svg.text("unit", Anchor::Start, (0.0, 8.0), "predicted");
    svg.text("unit", Anchor::End, (RIGHT, BOTTOM + 30.0), "observed");
    svg.line("level", (x.at(range.0), y.at(range.0)), (x.at(range.1), y.at(range.1)));
    let places: Vec<(f64, f64)> = points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
    match places.len() {
        // Few rows can be named; many are one drawing.
        0..=40 => {
            for (place, point) in places.iter().zip(&target.points) {
                let tip = format!(
                    "{}: observed {}, predicted {}",
                    point.row,
                    number::short(point.observed, 5),
                    number::short(point.held_out.unwrap_or(point.predicted), 5)
                );
                svg.marker("dot ours", 0, *place, 3.4, &tip);
            }
        }
        _ => svg.spots("spot ours", &places, 1.5),
    }
    svg.finish(id)
}
