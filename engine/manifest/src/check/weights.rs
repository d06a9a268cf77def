//! Weights of mixtures: over exactly the domains that train, none negative, summing to 1.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::suggest::{list, nearest};
use crate::values::Weight;

/// How far a sum may be from 1; published weights are rounded.
const SUM_TOLERANCE: f64 = 1e-6;

pub fn check(document: &Document, sink: &mut Sink) {
    let domains = document.training_domains().filter(|_| !document.all("domain").is_empty());
    for mixture in document.all("mixture") {
        if mixture.name == "uniform" {
            sink.push(
                sink.at(&mixture.header, "the mixture `uniform` exists without being declared")
                    .help("choose another name, or remove the table"),
            );
        }
        let Some(weights) = mixture.weights("weights") else { continue };
        let complete = domains.as_deref().is_none_or(|domains| {
            let known = names(document, domains, &weights, sink);
            present(mixture, domains, &weights, sink) && known
        });
        let finite = values(&weights, sink);
        if finite && complete && !weights.is_empty() {
            sum(mixture, &weights, sink);
        }
    }
}

fn names(document: &Document, domains: &[&str], weights: &[Weight], sink: &mut Sink) -> bool {
    let mut known = true;
    for weight in weights.iter().filter(|weight| !domains.contains(&weight.domain.as_str())) {
        known = false;
        let name = &weight.domain;
        if let Some(domain) = document.find("domain", name) {
            sink.push(
                sink.at(
                    &weight.key_span,
                    format!("`{name}` is only evaluated on, so no mixture may draw from it"),
                )
                .label(domain.span("train").clone(), "`train = false` here")
                .help(format!("remove `{name}` from the weights, or its `train = false`")),
            );
            continue;
        }
        let found = sink.at(&weight.key_span, format!("no domain `{name}`"));
        let near = nearest(name, domains.iter().copied());
        let help = near.map_or_else(
            || format!("add a table `[domain.{name}]`, or remove the weight"),
            |near| format!("did you mean `{near}`?"),
        );
        sink.push(
            found
                .note(format!(
                    "the domains that train are {}",
                    list(domains.iter().copied(), "and")
                ))
                .help(help),
        );
    }
    known
}

fn present(mixture: &Section, domains: &[&str], weights: &[Weight], sink: &mut Sink) -> bool {
    let has = |domain: &&str| weights.iter().any(|weight| weight.domain == *domain);
    let missing: Vec<&str> = domains.iter().copied().filter(|domain| !has(domain)).collect();
    if missing.is_empty() {
        return true;
    }
    let zeros: Vec<String> = missing.iter().map(|domain| format!("{domain} = 0")).collect();
    let verb = if missing.len() == 1 { "has no weight" } else { "have no weight" };
    sink.push(
        sink.at(
            mixture.span("weights"),
            format!("{} {verb} in `{}`", list(missing.iter().copied(), "and"), mixture.name),
        )
        .help(format!("a domain that is not drawn from is said to be: add `{}`", zeros.join(", "))),
    );
    false
}

fn values(weights: &[Weight], sink: &mut Sink) -> bool {
    let mut sound = true;
    for weight in weights {
        if weight.value >= 0.0 && weight.value.is_finite() {
            continue;
        }
        sound = false;
        let what = if weight.value < 0.0 { "negative" } else { "not a finite number" };
        let found = sink.at(&weight.span, format!("the weight of `{}` is {what}", weight.domain));
        sink.push(found.help("weights are shares of the mixture, 0 to 1"));
    }
    sound
}

fn sum(mixture: &Section, weights: &[Weight], sink: &mut Sink) {
    let sum: f64 = weights.iter().map(|weight| weight.value).sum();
    let span = mixture.span("weights");
    if sum <= 0.0 {
        let found = sink.at(span, format!("every weight of `{}` is 0", mixture.name));
        sink.push(found.help("give at least one domain a weight above 0"));
        return;
    }
    if (sum - 1.0).abs() <= SUM_TOLERANCE || mixture.flag("normalise") != Some(false) {
        return;
    }
    let off = format!("{:.6}", (sum - 1.0).abs());
    let side = if sum > 1.0 { "above" } else { "below" };
    let off = off.trim_end_matches('0').trim_end_matches('.');
    let scaled: Vec<String> = weights
        .iter()
        .map(|weight| format!("{} = {}", weight.domain, short(weight.value / sum)))
        .collect();
    let found = sink
        .at(span, format!("the weights of `{}` don't sum to 1", mixture.name))
        .text(format!("their sum is {}, {off} {side} 1", short(sum)))
        .note(format!("rescaled they would be {{ {} }}", scaled.join(", ")));
    sink.push(found.help(format!(
        "correct a weight, or write `normalise = true` in `[mixture.{}]` to have them rescaled",
        mixture.name
    )));
}

/// Six decimals at most.
fn short(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
