//! Floors and caps by domain: of domains that train, and such that a mixture fits between them.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::schema::Limit;
use crate::suggest::{list, nearest};
use crate::tree::Span;
use crate::values::Limits;

pub fn check(document: &Document, sink: &mut Sink) {
    let domains = document.training_domains().filter(|_| !document.all("domain").is_empty());
    for ddo in document.all("ddo") {
        for key in ["floor", "cap"] {
            let Some(Limits::ByDomain(named)) = ddo.limits(key) else { continue };
            for (name, _) in &named {
                if let Some(domains) = &domains {
                    trains(document, domains, &name.value, &name.span, sink);
                }
            }
        }
        shares(ddo, domains.as_ref().map_or(0, Vec::len), sink);
    }
}

fn trains(document: &Document, domains: &[&str], name: &str, span: &Span, sink: &mut Sink) {
    if domains.contains(&name) {
        return;
    }
    if document.find("domain", name).is_some() {
        sink.push(
            sink.at(span, format!("`{name}` is only evaluated on, so no mixture draws from it"))
                .help(format!("remove `{name}` here, or its `train = false`")),
        );
        return;
    }
    let near = nearest(name, domains.iter().copied());
    let help = near.map_or_else(
        || format!("add a table `[domain.{name}]`, or remove the bound"),
        |near| format!("did you mean `{near}`?"),
    );
    sink.push(
        sink.at(span, format!("no domain `{name}`"))
            .note(format!("the domains that train are {}", list(domains.iter().copied(), "and")))
            .help(help),
    );
}

/// Floors that are shares leave room for each other.
fn shares(ddo: &Section, domains: usize, sink: &mut Sink) {
    let sum: f64 = match ddo.limits("floor") {
        Some(Limits::All(Limit::Share(share))) => share * domains as f64,
        Some(Limits::ByDomain(named)) => {
            let share = |(_, limit): &(_, Limit)| match limit {
                Limit::Share(share) => *share,
                Limit::Multiple(_) => 0.0,
            };
            named.iter().map(share).sum()
        }
        _ => return,
    };
    if sum > 1.0 + 1e-9 {
        let percent = 100.0 * sum;
        sink.push(
            sink.at(ddo.span("floor"), format!("the floors sum to {percent:.4} % of all tokens"))
                .help("lower them to 100 % or less in all"),
        );
    }
}
