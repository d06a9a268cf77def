//! The sections of the page, from the verdict to how to read it.
//!
//! Decides what is shown and says it in words; drawing and layout are elsewhere.

use crate::data::{Fit, Study};
use crate::figure_tables;
use crate::number;
use crate::outcome;
use crate::prose::{escape_html, quoted, sentence_html};
use crate::tables;
use crate::verdict::{self, Standing, Verdict};

use super::page::Page;
use super::style::{domain_legend, line_legend, line_styles, swatch};
use super::{change, curves, fits, lengths, weights};

/// What came out, in sentences and in at most four numbers.
pub(crate) fn verdict(page: &mut Page, study: &Study) {
    let verdicts = verdict::verdicts(study);
    // Fits alone, of a table, were not meant to be compared with anything.
    if verdicts.is_empty() && !(study.trainings.is_empty() && study.baseline.is_none()) {
        page.raw(&format!("<p class=\"verdict\">{}</p>\n", verdict::nothing_compared(study)));
    }
    for verdict in &verdicts {
        let class = match verdict.standing {
            Standing::Better => " better",
            Standing::NotBetter => " not-better",
            Standing::Unknown => "",
        };
        let sentence = sentence_html(&verdict.sentence).replace("NOT", "<b>not</b>");
        page.raw(&format!("<p class=\"verdict{class}\">{sentence}</p>\n"));
    }
    if let Some(first) = verdicts.first() {
        facts(page, study, first);
    }
}

fn facts(page: &mut Page, study: &Study, verdict: &Verdict) {
    let Some(baseline) = outcome::baseline(study) else { return };
    let training = &study.trainings[verdict.training];
    let ours = outcome::end(study, training);
    let theirs = outcome::end(study, &study.trainings[baseline]);
    let against = |value: f64| {
        let base = escape_html(&study.trainings[baseline].name);
        format!("against {} for {base}", number::perplexity(Some(value)))
    };
    let mut facts: Vec<(&str, String, String)> = Vec::new();
    if let (Some(our), Some(their)) = (ours.mean, theirs.mean) {
        facts.push(("Mean perplexity", number::perplexity(Some(our)), against(their)));
    }
    if let (Some(our), Some(their)) = (ours.worst, theirs.worst) {
        facts.push(("Worst domain", number::perplexity(Some(our.1)), against(their.1)));
    }
    let pairs = || ours.perplexities.iter().zip(&theirs.perplexities);
    if pairs().all(|(o, t)| o.is_some() && t.is_some()) && !study.domains.is_empty() {
        let lower = pairs().filter(|(o, t)| o < t).count();
        let of = format!("of {}", study.domains.len());
        facts.push(("Domains with lower perplexity", lower.to_string(), of));
    }
    if let Some(comparison) = verdict::comparison(study, verdict.training) {
        let saved = comparison.steps_saved.filter(|s| s.is_finite());
        let shown = match saved {
            Some(s) => format!("{} %", number::short(100.0 * s, 2)),
            None => "none".to_string(),
        };
        let small =
            if saved.is_some() { "to the baseline’s end" } else { "baseline not reached" };
        facts.push(("Steps saved", shown, small.to_string()));
    }
    let items = facts.iter().map(|(name, value, small)| {
        format!("<div><dt>{name}</dt><dd>{value}<small>{small}</small></dd></div>\n")
    });
    page.raw(&format!("<dl class=\"facts\">\n{}</dl>\n", items.collect::<String>()));
}

/// The table of final perplexities, and who gains and who pays.
pub(crate) fn held_out(page: &mut Page, study: &Study) {
    if study.trainings.is_empty() {
        return;
    }
    page.section("held-out", "Held-out perplexity");
    let changes = changes(page, study);
    // A narrow table leaves room for the figure beside it.
    let beside = study.trainings.len() <= 3 && changes.len() == 1;
    if beside {
        page.raw("<div class=\"pair\">\n<div>\n");
    }
    page.table(&tables::held_out(study));
    steps_saved(page, study);
    if beside {
        page.raw("</div>\n<div>\n");
    }
    change_figure(page, study, &changes);
    if beside {
        page.raw("</div>\n</div>\n");
    }
}

fn steps_saved(page: &mut Page, study: &Study) {
    let lines = verdict::steps_saved(study);
    let words: Vec<String> =
        lines.iter().map(|(name, words)| format!("{}: {words}", quoted(name))).collect();
    if !words.is_empty() {
        page.heading("Steps saved at equal perplexity");
        page.list(words.iter().map(String::as_str));
    }
}

/// Name and drawing of every training that can be compared.
fn changes(page: &mut Page, study: &Study) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for verdict in verdict::verdicts(study) {
        if let Some(drawing) = change::change(study, verdict.training, &page.drawing()) {
            out.push((study.trainings[verdict.training].name.clone(), drawing));
        }
    }
    out
}

fn change_figure(page: &mut Page, study: &Study, changes: &[(String, String)]) {
    let Some(baseline) = outcome::baseline(study).filter(|_| !changes.is_empty()) else { return };
    let drawings: String = changes
        .iter()
        .map(|(name, drawing)| {
            let name = escape_html(name);
            format!("<div><p class=\"name\"><span>{name}</span></p>{drawing}</div>\n")
        })
        .collect();
    page.figure(
        &format!(
            "Change of held-out perplexity at the end of training, against {}, by domain and in \
             the mean. To the left is better. A change smaller than the spread between seeds says \
             nothing; this page does not know that spread.",
            quoted(&study.trainings[baseline].name)
        ),
        &format!("<div class=\"pair\">\n{drawings}</div>\n"),
    );
}

/// Loss curves: the mean, its end, every domain.
pub(crate) fn curves(page: &mut Page, study: &Study) {
    if !curves::has_curves(study) {
        return;
    }
    page.section("curves", "Perplexity while training");
    let legend = line_legend(study, &line_styles(study));
    page.raw(&legend);
    let (mean, cut) = curves::mean(study, &page.drawing());
    let end = curves::end(study, &page.drawing());
    let mut caption = "Mean held-out perplexity against steps".to_string();
    if end.is_some() {
        caption += ": all of it, and its end enlarged. The dotted line is the baseline’s \
                    final perplexity; where a mixture reaches it earlier, the bar is the steps \
                    saved";
    }
    caption += ".";
    if cut {
        caption += " Early evaluations above the frame are left out; the table has them all.";
    }
    let second = end.map_or(String::new(), |e| format!("<div>{e}</div>\n"));
    page.figure(&caption, &format!("<div class=\"pair\">\n<div>{mean}</div>\n{second}</div>\n"));
    page.data(&figure_tables::evaluations(study));
    let panels: String = (0..study.domains.len()).map(|d| domain_panel(page, study, d)).collect();
    page.figure(
        "Held-out perplexity against steps, by domain; each panel has its own vertical scale. In \
         colour the compared mixtures, in grey the baseline; at the right their last values, above \
         the change. The first evaluations may lie above the frame.",
        &format!("<div class=\"multiples\">\n{panels}</div>\n"),
    );
}

fn domain_panel(page: &mut Page, study: &Study, domain: usize) -> String {
    let drawing = curves::domain(study, domain, &page.drawing());
    let change = || {
        let first = verdict::verdicts(study).first()?.training;
        let end = |t: usize| outcome::end(study, &study.trainings[t]).perplexities[domain];
        Some(number::change(end(first)? / end(outcome::baseline(study)?)? - 1.0))
    };
    named(domain, &study.domains[domain].name, &change().unwrap_or_default(), &drawing)
}

/// A small panel under its domain's name.
fn named(domain: usize, name: &str, aside: &str, markup: &str) -> String {
    let name = escape_html(name);
    let aside = match aside.is_empty() {
        true => String::new(),
        false => format!("<em>{}</em>", escape_html(aside)),
    };
    format!(
        "<div><p class=\"name\">{}<span title=\"{name}\">{name}</span>{aside}</p>\n{markup}</div>\n",
        swatch(domain)
    )
}

/// Weights by scale: the table, the lines, the shares.
pub(crate) fn weights(page: &mut Page, study: &Study) {
    if study.fits.is_empty() && study.predictions.is_empty() {
        return;
    }
    page.section("weights", "Weights by scale");
    page.table(&tables::weights(study));
    for prediction in study.predictions.iter().filter(|p| !p.notes.is_empty()) {
        let tokens = number::tokens(prediction.tokens);
        page.heading(&format!("Prediction {} at {tokens} tokens", quoted(&prediction.name)));
        page.list(prediction.notes.iter().map(String::as_str));
    }
    let lines = weights::lines(study, &page.drawing());
    let shares = weights::shares(study, &page.drawing());
    let caption = match (lines.is_some(), shares.is_some()) {
        (true, _) => {
            "Weights against the total of training tokens. Filled: optima of DDO, measured at \
             their own scale; hollow and dashed: predicted from them. Beside it the same weights, \
             the reference and what each training drew, as shares of all tokens."
        }
        _ => "Weights as shares of all tokens.",
    };
    let both = [lines, shares].into_iter().flatten();
    let drawings: String = both.map(|d| format!("<div>{d}</div>\n")).collect();
    page.raw(&domain_legend(&outcome::trained(study)));
    page.figure(caption, &format!("<div class=\"pair\">\n{drawings}</div>\n"));
    if study.predictions.iter().any(|p| !p.path.is_empty()) {
        page.data(&figure_tables::paths(study));
    }
}

/// The DDO fits, one row of panels and one table a scale.
pub(crate) fn fits(page: &mut Page, study: &Study) {
    if study.fits.is_empty() {
        return;
    }
    page.section("fits", "DDO fits");
    for fit in &study.fits {
        page.heading(&format!("{} tokens", number::tokens(fit.tokens)));
        page.paragraph(&tables::fit_sentence(fit));
        page.list(fit.notes.iter().map(String::as_str));
        let panels = fit_panels(page, study, fit);
        page.figure(
            &format!(
                "Points and fitted laws y(x) = (x + a)^-b + c of {}. x: tokens of the domain in \
                 multiples of the reference’s, on a log scale; y: {} over the reference’s. The \
                 open circle is the reference (1, 1), the triangle on the axis the optimum{}; all panels share \
                 their axes.",
                quoted(&fit.name),
                fit.objective,
                match fit.curves.iter().any(|curve| !curve.spread.is_empty()) {
                    true => ", a bar one standard deviation of a point over seeds",
                    false => "",
                }
            ),
            &format!("<div class=\"multiples\">\n{panels}</div>\n"),
        );
        page.table(&tables::laws(study, fit));
        page.data(&figure_tables::points(study, fit));
    }
}

fn fit_panels(page: &mut Page, study: &Study, fit: &Fit) -> String {
    let ranges = fits::ranges(fit);
    let mut out = String::new();
    for (place, domain) in outcome::trained(study).into_iter().enumerate() {
        let panel = fits::panel(fit, place, domain, &ranges, &page.drawing());
        let markup = format!("{panel}{}", fits::law_line(fit, place));
        out += &named(domain.0, domain.1, "", &markup);
    }
    out
}

/// What was read and kept.
pub(crate) fn corpus(page: &mut Page, study: &Study) {
    // A table of losses has no corpus.
    if study.domains.iter().all(|domain| domain.documents_read == 0) {
        return;
    }
    page.section("corpus", "The corpus");
    page.table(&tables::corpus(study));
    page.raw(
        "<p class=\"note\">Characters per token over train and held-out tokens together.</p>\n",
    );
    document_lengths(page, study);
}

/// A histogram a domain, where lengths are known.
fn document_lengths(page: &mut Page, study: &Study) {
    let Some(buckets) = lengths::buckets(&study.domains) else { return };
    let mut panels = String::new();
    for (place, domain) in study.domains.iter().enumerate() {
        let panel = lengths::panel(place, domain, &buckets, &page.drawing());
        panels += &named(place, &domain.name, "", &panel);
    }
    page.figure(
        "Lengths of the documents read, before any rule on length: share of a domain’s documents in \
         percent, against characters by powers of two. All panels share their horizontal axis.",
        &format!("<div class=\"multiples\">\n{panels}</div>\n"),
    );
    page.data(&figure_tables::document_lengths(study, &buckets));
}

/// The words of this page.
pub(crate) fn reading(page: &mut Page, study: &Study) {
    let mut terms = vec![
        (
            "Perplexity",
            "exp of the mean token cross-entropy over a domain’s held-out set; the mean is over \
             domains, the worst is the highest of them.",
        ),
        (
            "Steps saved",
            "1 − steps of the mixture ÷ steps of the baseline, where the mixture first reaches the \
             baseline’s final mean perplexity.",
        ),
    ];
    if !study.fits.is_empty() {
        terms.push((
            "DDO",
            "direct data optimization: each domain’s amount is changed alone and a model trained, \
             a law y(x) = (x + a)^-b + c is fitted to each domain, and their sum is minimised at \
             equal total tokens.",
        ));
    }
    if !study.predictions.is_empty() {
        terms.push((
            "AutoScale",
            "carries the optimal amounts measured at smaller scales to a larger one.",
        ));
    }
    let items: String = terms
        .iter()
        .map(|(term, text)| {
            format!("<dt>{term}</dt><dd>{}</dd>\n", text.replace("^-b", "<sup>−b</sup>"))
        })
        .collect();
    page.raw(&format!("<footer>\nHow to read this page\n<dl>\n{items}</dl>\n</footer>\n"));
}
