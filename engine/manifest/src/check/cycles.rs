//! A `[ddo]` may start from the answer of another; somewhere it must end.

use crate::build::mixture_ref;
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, Section};
use crate::schema::MixtureRef;
use crate::tree::Span;

/// What a section needs first, and where it says so.
struct Need<'a> {
    section: &'a Section,
    span: Span,
}

pub fn check(document: &Document, sink: &mut Sink) {
    let mut done: Vec<String> = Vec::new();
    for start in ["ddo", "autoscale"].iter().flat_map(|table| document.all(table)) {
        let mut trail = Vec::new();
        follow(document, start, &mut trail, &mut done, sink);
    }
}

/// Depth first; `trail` holds the way here, `done` what leads to no cycle or to one already told.
fn follow<'a>(
    document: &'a Document,
    section: &'a Section,
    trail: &mut Vec<Need<'a>>,
    done: &mut Vec<String>,
    sink: &mut Sink,
) {
    if done.contains(&section.path()) {
        return;
    }
    for (target, span) in needs(document, section) {
        trail.push(Need { section, span });
        match trail.iter().position(|need| need.section.path() == target.path()) {
            Some(start) => sink.push(cycle(&trail[start..], sink)),
            None => follow(document, target, trail, done, sink),
        }
        trail.pop();
    }
    done.push(section.path());
}

fn needs<'a>(document: &'a Document, section: &Section) -> Vec<(&'a Section, Span)> {
    if section.table.name == "autoscale" {
        let from = section.texts("from").unwrap_or_default();
        return from
            .into_iter()
            .filter_map(|name| Some((document.find("ddo", &name.value)?, name.span)))
            .collect();
    }
    let target = match section.text("reference").as_deref().map(mixture_ref) {
        Some(MixtureRef::Ddo(name)) => document.find("ddo", &name),
        Some(MixtureRef::AutoScale(name)) => document.find("autoscale", &name),
        _ => None,
    };
    target.map(|target| (target, section.span("reference").clone())).into_iter().collect()
}

fn cycle(ring: &[Need<'_>], sink: &Sink) -> Diagnostic {
    let mut names: Vec<String> = ring.iter().map(|need| need.section.path()).collect();
    names.extend(names.first().cloned());
    let found = sink.at(&ring[0].span, format!("a cycle: {}", names.join(" -> ")));
    let found = found.text(format!("`{}` needs `{}`", names[0], names[1]));
    let rest = ring.iter().zip(names.windows(2)).skip(1);
    let found = rest.fold(found, |found, (need, pair)| {
        found.label(need.span.clone(), format!("`{}` needs `{}`", pair[0], pair[1]))
    });
    found.help("let one of them start from `uniform` or a `[mixture]`")
}
