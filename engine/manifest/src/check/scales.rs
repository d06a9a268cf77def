//! DDO and AutoScale: what they need to be able to answer.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::values::Piece;

pub fn check(document: &Document, sink: &mut Sink) {
    for ddo in document.all("ddo") {
        factors(ddo, sink);
        seeds(ddo, sink);
        several_domains(document, ddo, sink);
    }
    for autoscale in document.all("autoscale") {
        from(document, autoscale, sink);
    }
}

/// Algorithm 1 fits three parameters a domain: the base run and two factors at least.
fn factors(ddo: &Section, sink: &mut Sink) {
    let Some(factors) = ddo.numbers("factors") else { return };
    if factors.len() < 2 {
        sink.push(
            sink.at(ddo.span("factors"), "a fit needs at least two factors")
                .help("a domain's power law has three parameters: the base run gives one point, each factor another; [3, \"1/3\"] is usual"),
        );
    }
    for (index, factor) in factors.iter().enumerate() {
        let value = factor.value;
        if !(value > 0.0 && value.is_finite()) {
            sink.push(
                sink.at(&factor.span, "a factor must be more than 0")
                    .help("it multiplies a domain's tokens, such as 3 or \"1/3\""),
            );
        } else if value == 1.0 {
            sink.push(
                sink.at(&factor.span, "the factor 1 is the base run itself")
                    .help("remove it: the base run is always made"),
            );
        } else if let Some(first) = factors[..index].iter().find(|first| first.value == value) {
            sink.push(twice(sink, factor, first, "factor"));
        }
    }
}

fn twice<T>(sink: &Sink, again: &Piece<T>, first: &Piece<T>, what: &str) -> crate::Diagnostic {
    sink.at(&again.span, format!("the same {what} twice"))
        .label(first.span.clone(), "first here")
        .help("remove one")
}

fn seeds(ddo: &Section, sink: &mut Sink) {
    for key in ["seeds", "base-seeds"] {
        no_seed_twice(&ddo.counts(key).unwrap_or_default(), sink);
    }
}

fn no_seed_twice(seeds: &[Piece<u64>], sink: &mut Sink) {
    for (index, seed) in seeds.iter().enumerate() {
        if let Some(first) = seeds[..index].iter().find(|first| first.value == seed.value) {
            sink.push(twice(sink, seed, first, "seed"));
        }
    }
}

fn several_domains(document: &Document, ddo: &Section, sink: &mut Sink) {
    if document.training_domains().is_some_and(|names| names.len() == 1) {
        let found = sink.at(&ddo.header, format!("`[{}]` has one domain to mix", ddo.path()));
        sink.push(found.help("add another `[domain.NAME]`"));
    }
}

fn from(document: &Document, autoscale: &Section, sink: &mut Sink) {
    let Some(from) = autoscale.texts("from") else { return };
    if from.len() < 2 {
        let found =
            sink.at(autoscale.span("from"), "a prediction needs the optima of at least two scales");
        sink.push(found.help("list two or more `[ddo.NAME]`, from small to large"));
    }
    let ddos: Vec<(&Section, &Piece<String>)> =
        from.iter().filter_map(|name| Some((document.find("ddo", &name.value)?, name))).collect();
    for pair in ddos.windows(2) {
        if pair[0].1.value != pair[1].1.value {
            increasing(pair[0], pair[1], sink);
            comparable(document, pair[0], pair[1], sink);
        }
    }
    if from.len() == ddos.len() {
        stepping(autoscale, &ddos, sink);
    }
}

fn increasing(
    small: (&Section, &Piece<String>),
    large: (&Section, &Piece<String>),
    sink: &mut Sink,
) {
    let (Some(low), Some(high)) = (small.0.count("tokens"), large.0.count("tokens")) else {
        return;
    };
    if low < high {
        return;
    }
    let message = format!(
        "scales must grow: `{}` has {high} tokens and `{}` before it {low}",
        large.1.value, small.1.value
    );
    let help = if low == high {
        "two optima at one scale say nothing of another: change the `tokens` of one"
    } else {
        "list them from small to large"
    };
    sink.push(
        sink.at(&large.1.span, message)
            .label(large.0.span("tokens").clone(), format!("the scale of `{}`", large.1.value))
            .label(small.0.span("tokens").clone(), format!("the scale of `{}`", small.1.value))
            .help(help),
    );
}

/// Amounts follow a law only where nothing but the scale changes.
fn comparable(
    document: &Document,
    small: (&Section, &Piece<String>),
    large: (&Section, &Piece<String>),
    sink: &mut Sink,
) {
    let model = |ddo: &Section| document.find("recipe", &ddo.text("recipe")?)?.text("model");
    let pairs = [
        ("recipe", "trains the model", model(small.0), model(large.0)),
        ("objective", "minimises", small.0.text("objective"), large.0.text("objective")),
    ];
    for (key, verb, one, other) in pairs {
        let (Some(one), Some(other)) = (one, other) else { continue };
        if one == other {
            continue;
        }
        sink.push(
            sink.at(
                &large.1.span,
                format!(
                    "`{}` {verb} `{other}` and `{}` before it `{one}`",
                    large.1.value, small.1.value
                ),
            )
            .label(large.0.span(key).clone(), format!("`{}`", large.1.value))
            .label(small.0.span(key).clone(), format!("`{}`", small.1.value))
            .help("a prediction compares scales of tokens alone: use the same at every scale"),
        );
    }
}

/// Algorithm 2 goes up from exactly two scales; the continuous form also interpolates.
fn stepping(autoscale: &Section, ddos: &[(&Section, &Piece<String>)], sink: &mut Sink) {
    if autoscale.text("mode").as_deref() != Some("stepping") {
        return;
    }
    if ddos.len() > 2 {
        sink.push(
            sink.at(
                autoscale.span("from"),
                format!("stepping goes from two scales, not {}", ddos.len()),
            )
            .label(autoscale.span("mode").clone(), "the mode")
            .help("list two, or write `mode = \"continuous\"`, which fits any number"),
        );
    }
    let largest = ddos
        .iter()
        .filter_map(|(ddo, _)| Some((ddo.count("tokens")?, *ddo)))
        .max_by_key(|(tokens, _)| *tokens);
    let (Some((largest, ddo)), Some(target)) = (largest, autoscale.count("tokens")) else { return };
    if target <= largest {
        sink.push(
            sink.at(autoscale.span("tokens"), format!("stepping only goes up: {target} tokens are not above the largest scale, {largest}"))
                .label(ddo.span("tokens").clone(), "the largest scale")
                .help("raise `tokens`, or write `mode = \"continuous\"`, which also interpolates"),
        );
    }
}
