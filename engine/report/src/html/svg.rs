//! A small SVG writer: shapes, text, markers with tooltips, and an axis frame.
//!
//! Colours come from classes, so one drawing serves light and dark. Every text is escaped here.

use super::scale::Scale;
use crate::number;
use crate::prose::escape_html;

/// Font size of every label, in drawing units.
pub(crate) const FONT: f64 = 12.5;

/// A drawing of `width` by `height` units.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
    title: String,
    description: String,
}

/// Where a text hangs on its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// `title` names the drawing and `description` says what it shows, for readers who hear it.
    pub fn new(width: f64, height: f64, title: &str, description: &str) -> Svg {
        let (title, description) = (title.to_string(), description.to_string());
        Svg { width, height, body: String::new(), title, description }
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (unit(from.0), unit(from.1), unit(to.0), unit(to.1));
        self.body +=
            &format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>\n");
    }

    /// An open line through `points`; nothing for fewer than two.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 2 {
            return;
        }
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{} {}", unit(*x), unit(*y))).collect();
        self.body += &format!("<path class=\"{class}\" d=\"M{}\"/>\n", points.join("L"));
    }

    pub fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), tip: &str) {
        self.body += &format!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>\n",
            unit(at.0),
            unit(at.1),
            unit(size.0.max(0.0)),
            unit(size.1.max(0.0)),
            tooltip(tip)
        );
    }

    pub fn text(&mut self, class: &str, anchor: Anchor, at: (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.body += &format!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{}\" y=\"{}\">{}</text>\n",
            unit(at.0),
            unit(at.1),
            escape_html(text)
        );
    }

    /// A domain's marker with a tooltip over a generous area.
    pub fn marker(&mut self, class: &str, shape: usize, at: (f64, f64), radius: f64, tip: &str) {
        self.body += &format!(
            "<g class=\"{class}\">{}<circle class=\"hit\" cx=\"{}\" cy=\"{}\" r=\"10\"/>\
             <path d=\"{}\"/></g>\n",
            tooltip(tip),
            unit(at.0),
            unit(at.1),
            shape_path(shape, at, radius)
        );
    }

    /// Many small dots as one shape.
    pub fn spots(&mut self, class: &str, places: &[(f64, f64)], radius: f64) {
        if places.is_empty() {
            return;
        }
        let shapes: String = places.iter().map(|at| shape_path(0, *at, radius)).collect();
        self.body += &format!("<g class=\"{class}\"><path d=\"{shapes}\"/></g>\n");
    }

    /// The drawing, labelled for assistive technology. `id` must be unique in the page.
    pub fn finish(self, id: &str) -> String {
        format!(
            "<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 {} {}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n<title id=\"{id}-t\">{}</title>\n\
             <desc id=\"{id}-d\">{}</desc>\n{}</svg>\n",
            unit(self.width),
            unit(self.height),
            escape_html(&self.title),
            escape_html(&self.description),
            self.body
        )
    }

    /// Grid lines and labels of a vertical axis along the left edge of the plot.
    pub fn y_axis(&mut self, scale: &Scale, left: f64, right: f64, ticks: &[f64]) {
        for (tick, label) in ticks.iter().zip(labels(ticks)) {
            let y = scale.at(*tick);
            self.line("grid", (left, y), (right, y));
            self.text("tick", Anchor::End, (left - 6.0, y + 4.0), &label);
        }
    }

    /// Ticks and labels of a horizontal axis at height `y`.
    pub fn x_axis(&mut self, scale: &Scale, y: f64, from: f64, to: f64, ticks: &[(f64, String)]) {
        self.line("axis", (from, y), (to, y));
        let mut free = f64::NEG_INFINITY;
        for (tick, label) in ticks {
            let x = scale.at(*tick);
            self.line("axis", (x, y), (x, y + 4.0));
            let half = text_width(label) / 2.0;
            if x - half > free {
                self.text("tick", Anchor::Middle, (x, y + 17.0), label);
                free = x + half + 4.0;
            }
        }
    }
}

/// Tick labels with the same number of decimals each.
pub(crate) fn labels(ticks: &[f64]) -> Vec<String> {
    let shown: Vec<String> = ticks.iter().map(|t| number::short(*t, 5)).collect();
    let decimals = |s: &String| s.split_once('.').map_or(0, |(_, d)| d.len());
    let most = shown.iter().map(decimals).max().unwrap_or(0);
    let plain = ticks.iter().all(|t| *t == 0.0 || (1e-4..1e4).contains(&t.abs()));
    match plain && most > 0 && most < 6 {
        true => ticks.iter().map(|t| format!("{t:.most$}").replace('-', "−")).collect(),
        false => shown,
    }
}

/// Estimated width of a label, in drawing units.
pub(crate) fn text_width(text: &str) -> f64 {
    use unicode_width::UnicodeWidthStr;
    text.width() as f64 * FONT * 0.56
}

/// `text` cut to about `width` drawing units.
pub(crate) fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_string();
    }
    let mut out = String::new();
    for c in text.chars() {
        if text_width(&out) + FONT > width {
            break;
        }
        out.push(c);
    }
    format!("{}…", out.trim_end())
}

/// Moves labels apart to at least `gap`, in order, within `low..high` while they fit.
pub(crate) fn spread(places: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut out = places.to_vec();
    let mut free = low;
    for &i in &order {
        out[i] = out[i].max(free);
        free = out[i] + gap;
    }
    let mut free = high;
    for &i in order.iter().rev() {
        out[i] = out[i].min(free);
        free = out[i] - gap;
    }
    out
}

/// A coordinate with one decimal; never anything but a number.
fn unit(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

fn tooltip(tip: &str) -> String {
    match tip.is_empty() {
        true => String::new(),
        false => format!("<title>{}</title>", escape_html(tip)),
    }
}

/// Circle, square, triangle, diamond, inverted triangle: domains differ by more than colour.
pub(crate) fn shape_path(shape: usize, (x, y): (f64, f64), r: f64) -> String {
    let corners: &[(f64, f64)] = match shape % 5 {
        0 => {
            let (left, d) = (unit(x - r), unit(2.0 * r));
            let (r, y) = (unit(r), unit(y));
            return format!("M{left} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z");
        }
        1 => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        2 => &[(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
        3 => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        _ => &[(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)],
    };
    let points: Vec<String> = corners
        .iter()
        .map(|(dx, dy)| format!("{} {}", unit(x + dx * r), unit(y + dy * r)))
        .collect();
    format!("M{}z", points.join("L"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_moved_apart_in_order() {
        assert_eq!(spread(&[10.0, 11.0, 50.0], 10.0, 0.0, 100.0), [10.0, 20.0, 50.0]);
        assert_eq!(spread(&[99.0, 98.0], 10.0, 0.0, 100.0), [100.0, 90.0]);
        assert!(spread(&[], 10.0, 0.0, 1.0).is_empty());
    }

    #[test]
    fn coordinates_are_numbers() {
        for (value, expected) in
            [(1.0, "1"), (1.26, "1.3"), (-0.01, "0"), (f64::NAN, "0"), (f64::INFINITY, "0")]
        {
            assert_eq!(unit(value), expected);
        }
    }

    #[test]
    fn tick_labels_share_their_decimals() {
        assert_eq!(labels(&[1.0, 1.05, 1.1]), ["1.00", "1.05", "1.10"]);
        assert_eq!(labels(&[0.0, 500.0, 1000.0]), ["0", "500", "1000"]);
    }
}
