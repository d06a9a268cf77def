//! The graph as a picture: boxes from left to right in the colours of where they stand, with a legend. A line
//! that others imply is left out (`--format dot` has all).

use std::fmt::Write as _;

use super::layers::{Layers, lay_out, reduced};
use super::{Node, Picture, colors};
use crate::ui::text::width_of;

/// Sizes in pixels, at a font of 12.
const LETTER: f64 = 7.0;
const BOX: f64 = 22.0;
const ROW: f64 = 30.0;
/// Between two columns, for the edges.
const GAP: f64 = 56.0;
const MARGIN: f64 = 16.0;
const LEGEND: f64 = 34.0;

#[must_use]
pub fn text(picture: &Picture) -> String {
    let reads: Vec<_> = picture.nodes.iter().map(|node| node.reads.clone()).collect();
    let layers = lay_out(&reduced(&reads));
    let columns = Columns::of(picture, &layers);
    let width = columns.right() + MARGIN;
    let width = width.max(420.0);
    let height = LEGEND + MARGIN + layers.height * ROW + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    legend(&mut svg, picture);
    svg.push_str("<g fill=\"none\" stroke=\"#9aa0a6\" stroke-width=\"1.1\">\n");
    for edge in &layers.edges {
        let _ = writeln!(svg, "<path d=\"{}\"/>", columns.curve(edge));
    }
    svg.push_str("</g>\n");
    for (node, &(column, height)) in picture.nodes.iter().zip(&layers.places) {
        box_of(&mut svg, node, &columns, (column, height));
    }
    svg + "</svg>\n"
}

/// Left edge and width of every column.
struct Columns(Vec<(f64, f64)>);

impl Columns {
    fn of(picture: &Picture, layers: &Layers) -> Self {
        let mut widths = vec![0.0_f64; layers.columns];
        for (node, (column, _)) in picture.nodes.iter().zip(&layers.places) {
            widths[*column] = widths[*column].max(width_of(&node.target) as f64 * LETTER + 16.0);
        }
        let mut left = MARGIN;
        let columns = widths.into_iter().map(|width| {
            let column = (left, width);
            left += width + GAP;
            column
        });
        Self(columns.collect())
    }

    fn right(&self) -> f64 {
        self.0.last().map_or(0.0, |(left, width)| left + width)
    }

    fn middle(height: f64) -> f64 {
        LEGEND + MARGIN + height * ROW + BOX / 2.0
    }

    /// From the right side of the first box, straight through the columns between, to the left side of the
    /// last, with a smooth bend in every gap.
    fn curve(&self, edge: &[(usize, f64)]) -> String {
        let mut path = String::new();
        for (index, &(column, height)) in edge.iter().enumerate() {
            let (left, width) = self.0[column];
            let y = Self::middle(height);
            if index == 0 {
                let _ = write!(path, "M{:.1} {y:.1}", left + width);
                continue;
            }
            let (before, before_width) = self.0[column - 1];
            let from = before + before_width;
            let bend = (left - from) / 2.0;
            let from_y = Self::middle(edge[index - 1].1);
            let _ = write!(
                path,
                "C{:.1} {from_y:.1} {:.1} {y:.1} {left:.1} {y:.1}",
                from + bend,
                left - bend
            );
            if index + 1 < edge.len() {
                let _ = write!(path, "H{:.1}", left + width);
            }
        }
        path
    }
}

fn box_of(svg: &mut String, node: &Node, columns: &Columns, (column, height): (usize, f64)) {
    let (left, width) = columns.0[column];
    let (fill, edge) = colors(&node.standing);
    let top = Columns::middle(height) - BOX / 2.0;
    let _ = writeln!(
        svg,
        "<g><title>{name}: {word}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
         height=\"{BOX}\" rx=\"4\" fill=\"{fill}\" stroke=\"{edge}\"/>\
         <text x=\"{x:.1}\" y=\"{y:.1}\">{name}</text></g>",
        name = escaped(&node.target),
        word = node.standing.word(),
        x = left + 8.0,
        y = top + 15.0,
    );
}

/// The standings that are there, each with its colour and number.
fn legend(svg: &mut String, picture: &Picture) {
    let mut seen: Vec<(&str, (&str, &str), usize)> = Vec::new();
    for node in &picture.nodes {
        let word = node.standing.word();
        match seen.iter_mut().find(|(known, ..)| *known == word) {
            Some((.., number)) => *number += 1,
            None => seen.push((word, colors(&node.standing), 1)),
        }
    }
    let mut left = MARGIN;
    for (word, (fill, edge), number) in seen {
        let text = format!("{number} {word}");
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"14\" width=\"14\" height=\"14\" rx=\"3\" fill=\"{fill}\" \
             stroke=\"{edge}\"/><text x=\"{:.1}\" y=\"25\">{text}</text>",
            left + 20.0
        );
        left += 40.0 + text.len() as f64 * LETTER;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
