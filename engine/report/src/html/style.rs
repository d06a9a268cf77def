//! Which mark means what, everywhere on the page: colour and shape mean a domain, line style means
//! a training.

use crate::data::Study;
use crate::outcome;
use crate::prose::escape_html;
use crate::verdict;

use super::svg;

/// Class that sets the colour of a domain.
pub(crate) fn domain_class(domain: usize) -> String {
    format!("d{}", domain % 8)
}

/// A domain's marker, for tables and headings.
pub(crate) fn swatch(domain: usize) -> String {
    format!(
        "<svg class=\"swatch {}\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><g class=\"dot\">\
         <path d=\"{}\"/></g></svg>",
        domain_class(domain),
        svg::shape_path(domain, (6.0, 6.0), 4.4)
    )
}

/// How the lines of a training look: the baseline grey and solid, the first other training solid,
/// the rest dashed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineStyle {
    pub training: usize,
    pub baseline: bool,
    dash: usize,
}

impl LineStyle {
    /// Classes of a line that has no domain.
    pub fn class(&self) -> String {
        let own = if self.baseline { "base" } else { "ours" };
        format!("curve {own} k{}", self.dash)
    }

    /// Classes of a line of one domain: the baseline stays grey.
    pub fn domain_class(&self, domain: usize) -> String {
        match self.baseline {
            true => self.class(),
            false => format!("curve {} k{}", domain_class(domain), self.dash),
        }
    }

    /// `base` or `ours`.
    pub fn tone(&self) -> &'static str {
        if self.baseline { "base" } else { "ours" }
    }
}

/// Line styles of all trainings, the baseline first so that it is drawn below.
pub(crate) fn line_styles(study: &Study) -> Vec<LineStyle> {
    let baseline = outcome::baseline(study);
    let verdicts = verdict::verdicts(study);
    let others: Vec<usize> = match verdicts.is_empty() {
        false => verdicts.iter().map(|v| v.training).collect(),
        true => (0..study.trainings.len()).filter(|t| Some(*t) != baseline).collect(),
    };
    let first = baseline.map(|training| LineStyle { training, baseline: true, dash: 0 });
    let rest = others.into_iter().enumerate().map(|(at, training)| LineStyle {
        training,
        baseline: false,
        dash: at % 4,
    });
    first.into_iter().chain(rest).collect()
}

/// A legend of the trainings' lines; empty for fewer than two.
pub(crate) fn line_legend(study: &Study, styles: &[LineStyle]) -> String {
    if styles.len() < 2 {
        return String::new();
    }
    let items: String = styles
        .iter()
        .map(|s| {
            let role = if s.baseline { " (baseline)" } else { "" };
            format!(
                "<li><svg class=\"sample\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path \
                 class=\"{}\" d=\"M0 5L30 5\"/></svg>{}{role}</li>",
                s.class(),
                escape_html(&study.trainings[s.training].name)
            )
        })
        .collect();
    format!("<ul class=\"legend\">{items}</ul>\n")
}

/// A legend of domains.
pub(crate) fn domain_legend(domains: &[(usize, &str)]) -> String {
    let items: String = domains
        .iter()
        .map(|(d, name)| format!("<li>{}{}</li>", swatch(*d), escape_html(name)))
        .collect();
    format!("<ul class=\"legend\">{items}</ul>\n")
}
