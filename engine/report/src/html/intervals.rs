//! Weights with their intervals, a line a domain.

use crate::evidence::DomainWeight;
use crate::number;

use super::names;
use super::scale::Scale;
use super::style::domain_class;
use super::svg::{Anchor, Svg, fitted};

const WIDTH: f64 = 460.0;
const ROW: f64 = 26.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 446.0;

/// Optimum, interval, reference and trained range of every domain on one axis of percent.
pub(crate) fn drawing(domains: &[DomainWeight], id: &str) -> String {
    let bottom = 10.0 + ROW * domains.len() as f64;
    let told: Vec<String> = domains.iter().map(describe).collect();
    let mut svg = Svg::new(WIDTH, bottom + 40.0, "Weights with their intervals", &told.join("; "));
    let top = domains.iter().flat_map(|d| {
        let high = d.interval.map_or(d.optimum, |interval| interval.1);
        [d.reference, d.optimum, high]
    });
    let most = top.filter(|weight| weight.is_finite()).fold(0.02, f64::max);
    let x = Scale::linear((0.0, 104.0 * most), LEFT, RIGHT);
    let ticks: Vec<(f64, String)> =
        x.ticks(5).into_iter().map(|tick| (tick, number::short(tick, 3))).collect();
    for (tick, _) in &ticks {
        svg.line("grid", (x.at(*tick), 4.0), (x.at(*tick), bottom));
    }
    svg.x_axis(&x, bottom, LEFT, RIGHT, &ticks);
    svg.text("unit", Anchor::End, (RIGHT, bottom + 34.0), "weight, % of tokens");
    let at = |weight: f64| x.at((100.0 * weight).clamp(0.0, 104.0 * most));
    let names = names::apart(&domains.iter().map(|d| d.name.as_str()).collect::<Vec<_>>());
    for (place, domain) in domains.iter().enumerate() {
        let y = 8.0 + ROW * (place as f64 + 0.5);
        let colour = domain_class(place);
        svg.text("label", Anchor::End, (LEFT - 10.0, y + 4.0), &fitted(&names[place], LEFT - 16.0));
        svg.line("axis", (at(domain.trained.0), y), (at(domain.trained.1), y));
        if let Some((low, high)) = domain.interval {
            svg.line(&format!("bar {colour}"), (at(low), y), (at(high), y));
        }
        let tip = |what: &str, weight: f64| {
            format!("{}, {what}: {} %", domain.name, number::share(weight))
        };
        let (reference, optimum) = (domain.reference, domain.optimum);
        svg.marker(
            &format!("ring {colour}"),
            place,
            (at(reference), y),
            4.0,
            &tip("reference", reference),
        );
        svg.marker(
            &format!("dot {colour}"),
            place,
            (at(optimum), y),
            5.0,
            &tip("optimum", optimum),
        );
    }
    svg.finish(id)
}

fn describe(domain: &DomainWeight) -> String {
    let interval = domain.interval.map_or(String::new(), |(low, high)| {
        format!(" (interval {} to {})", number::share(low), number::share(high))
    });
    let (optimum, reference) = (number::share(domain.optimum), number::share(domain.reference));
    format!("{}: optimum {optimum} %{interval}, reference {reference} %", domain.name)
}
