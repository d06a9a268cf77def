//! Change of held-out perplexity against the baseline, by domain: who gains and who pays.

use crate::data::Study;
use crate::number;
use crate::outcome;

use super::scale::{Scale, extent};
use super::style::domain_class;
use super::svg::{Anchor, Svg, fitted, text_width};

const WIDTH: f64 = 440.0;
const ROW: f64 = 24.0;
const TOP: f64 = 30.0;

/// One training against the baseline; none without a domain to compare.
pub(crate) fn change(study: &Study, training: usize, id: &str) -> Option<String> {
    let baseline = study.trainings.get(outcome::baseline(study)?)?;
    let training = study.trainings.get(training)?;
    let (ours, theirs) = (outcome::end(study, training), outcome::end(study, baseline));
    let relative = |our: Option<f64>, their: Option<f64>| {
        let value = our? / their? - 1.0;
        (value.is_finite() && value.abs() < 1e6).then_some(value)
    };
    let mut rows: Vec<(Option<usize>, &str, Option<f64>)> = Vec::new();
    for (d, domain) in study.domains.iter().enumerate() {
        let value = relative(ours.perplexities[d], theirs.perplexities[d]);
        rows.push((Some(d), &domain.name, value));
    }
    rows.push((None, "mean", relative(ours.mean, theirs.mean)));
    let (low, high) = extent(rows.iter().filter_map(|r| r.2))?;
    let height = TOP + ROW * rows.len() as f64 + 10.0;
    let title = format!("Change of perplexity, {} against {}", training.name, baseline.name);
    let told = rows.iter().filter_map(|r| Some(format!("{} {}", r.1, number::change(r.2?))));
    let mut svg = Svg::new(WIDTH, height, &title, &told.collect::<Vec<_>>().join("; "));
    let left = rows.iter().map(|r| text_width(r.1)).fold(40.0, f64::max).min(150.0) + 10.0;
    let (low, high) = (low.min(0.0), high.max(0.0));
    // Room for the values, which stand outside the dots.
    let value_room = 62.0;
    let from = left + if low < 0.0 { value_room } else { 12.0 };
    let to = WIDTH - if high > 0.0 { value_room } else { 12.0 };
    let x = Scale::linear((low, high), from, to);
    draw(&mut svg, &rows, &x, left, height);
    Some(svg.finish(id))
}

fn draw(
    svg: &mut Svg,
    rows: &[(Option<usize>, &str, Option<f64>)],
    x: &Scale,
    left: f64,
    height: f64,
) {
    let zero = x.at(0.0);
    svg.line("zero", (zero, TOP - 8.0), (zero, height - 6.0));
    if zero - left > 90.0 {
        svg.text("unit", Anchor::End, (zero - 8.0, 12.0), "← better");
    }
    if WIDTH - zero > 90.0 {
        svg.text("unit", Anchor::Start, (zero + 8.0, 12.0), "worse →");
    }
    for (at, (domain, name, value)) in rows.iter().enumerate() {
        let y = TOP + ROW * (at as f64 + 0.5);
        let colour = domain.map_or("ours".to_string(), domain_class);
        if domain.is_none() {
            svg.line("axis", (0.0, y - ROW / 2.0), (WIDTH, y - ROW / 2.0));
        }
        let label = fitted(name, left - 8.0);
        let class = if domain.is_none() { "strong" } else { "label" };
        svg.text(class, Anchor::Start, (0.0, y + 4.0), &label);
        let Some(value) = value else {
            svg.text("tick", Anchor::Middle, (zero, y + 4.0), number::NONE);
            continue;
        };
        let end = x.at(*value);
        let text = number::change(*value);
        svg.line(&format!("bar {colour}"), (zero, y), (end, y));
        let tip = format!("{name}: {text}");
        svg.marker(&format!("dot {colour}"), domain.unwrap_or(0), (end, y), 5.0, &tip);
        let (anchor, beside) = match *value < 0.0 {
            true => (Anchor::End, end - 10.0),
            false => (Anchor::Start, end + 10.0),
        };
        svg.text("strong", anchor, (beside, y + 4.0), &text);
    }
}
