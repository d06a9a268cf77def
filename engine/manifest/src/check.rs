//! What the tables say of each other. Every check needs only the values it names, so that one
//! wrong key does not hide what is wrong elsewhere.

mod cycles;
mod domains;
mod limits;
mod remote;
mod scales;
mod shapes;
mod steps;
mod weights;

use crate::build::mixture_ref;
use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::keys::Kind;
use crate::schema::MixtureRef;
use crate::steps::Wiring;
use crate::suggest::{list, nearest};
use crate::tree::Span;

/// Runs every check.
pub fn document(document: &Document, wiring: &Wiring, sink: &mut Sink) {
    references(document, sink);
    steps::check(document, wiring, sink);
    domains::check(document, sink);
    remote::check(document, sink);
    weights::check(document, sink);
    shapes::check(document, sink);
    scales::check(document, sink);
    limits::check(document, sink);
    cycles::check(document, sink);
}

/// Every name of another table exists.
fn references(document: &Document, sink: &mut Sink) {
    for section in crate::keys::TABLES.iter().flat_map(|table| document.all(table.name)) {
        for key in section.table.keys {
            match key.kind {
                Kind::Name { table } => {
                    if let Some(name) = section.text(key.name) {
                        declared(document, table, &name, section.span(key.name), sink);
                    }
                }
                Kind::Names { table } => {
                    for name in section.texts(key.name).unwrap_or_default() {
                        declared(document, table, &name.value, &name.span, sink);
                    }
                    repeated(section, key.name, sink);
                }
                Kind::NamePairs { table } => {
                    for pair in section.pairs(key.name).unwrap_or_default() {
                        declared(document, table, &pair.key.value, &pair.key.span, sink);
                        declared(document, table, &pair.value.value, &pair.value.span, sink);
                    }
                }
                Kind::Mixture => {
                    if let Some(name) = section.text(key.name) {
                        mixture(document, &name, section.span(key.name), sink);
                    }
                }
                _ => {}
            }
        }
    }
}

fn declared(document: &Document, table: &'static str, name: &str, span: &Span, sink: &mut Sink) {
    if document.declares(table, name) {
        return;
    }
    let names: Vec<&str> =
        document.all(table).iter().map(|section| section.name.as_str()).collect();
    unknown(
        &format!("no `[{table}.{name}]`"),
        name,
        &names,
        &format!("add a table `[{table}.{name}]`"),
        span,
        sink,
    );
}

fn mixture(document: &Document, name: &str, span: &Span, sink: &mut Sink) {
    let exists = match mixture_ref(name) {
        MixtureRef::Uniform => true,
        MixtureRef::Named(name) => document.declares("mixture", &name),
        MixtureRef::Ddo(name) => document.declares("ddo", &name),
        MixtureRef::AutoScale(name) => document.declares("autoscale", &name),
    };
    if exists {
        return;
    }
    let mut names = vec!["uniform".to_owned()];
    names.extend(document.all("mixture").iter().map(|section| section.name.clone()));
    names.extend(
        ["ddo", "autoscale"].iter().flat_map(|table| document.all(table)).map(Section::path),
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = format!("add a table `[mixture.{name}]`, or name one that exists");
    let same = |full: &&&str| full.split_once('.').is_some_and(|(_, short)| short == name);
    match names.iter().find(same) {
        Some(full) => sink.push(
            sink.at(span, format!("no mixture `{name}`")).help(format!("did you mean \"{full}\"?")),
        ),
        None => unknown(&format!("no mixture `{name}`"), name, &names, &help, span, sink),
    }
}

fn unknown(
    message: &str,
    name: &str,
    names: &[&str],
    otherwise: &str,
    span: &Span,
    sink: &mut Sink,
) {
    let mut found = sink.at(span, message);
    if !names.is_empty() {
        let verb = if names.len() == 1 { "is" } else { "are" };
        found = found.note(format!("there {verb} {}", list(names.iter().copied(), "and")));
    }
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    };
    sink.push(found.help(help));
}

/// A list of names holds each once.
fn repeated(section: &Section, key: &str, sink: &mut Sink) {
    let names = section.texts(key).unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().find(|first| first.value == name.value) {
            sink.push(
                sink.at(&name.span, format!("`{}` is listed twice in `{key}`", name.value))
                    .label(first.span.clone(), "first here")
                    .help("remove one"),
            );
        }
    }
}
