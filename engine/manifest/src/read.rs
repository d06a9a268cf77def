//! The tree against the table of keys: unknown names, types, ranges, missing keys. Knows the kinds
//! of values, not what any key means.

use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, Item, Section};
use crate::keys::{self, Preset, TABLES, Table};
use crate::suggest::{list, nearest};
use crate::tree::{Entry, NodeKind};
use crate::values;

/// Names become parts of paths.
const NAME_LEN_MAX: usize = 64;

/// Reads every table. A `partial` tree, recovered from syntax errors, is not blamed for what it lacks.
pub fn document(root: &[Entry], partial: bool, sink: &mut Sink) -> Document {
    let mut document = Document::default();
    for entry in root {
        let Some(table) = keys::table(&entry.key) else {
            sink.push(unknown_table(entry, sink));
            note_meant(entry, &mut document);
            continue;
        };
        match &entry.node.kind {
            NodeKind::Table(inner) if table.named => named(table, inner, sink, &mut document),
            NodeKind::Table(inner) => document.push(section(table, "", entry, inner, sink)),
            _ => sink.push(not_a_table(&table.header(), entry, sink)),
        }
    }
    inherit(&mut document);
    if !partial {
        missing(&document, sink);
    }
    document
}

fn named(table: &'static Table, entries: &[Entry], sink: &mut Sink, document: &mut Document) {
    for entry in entries {
        let NodeKind::Table(inner) = &entry.node.kind else {
            sink.push(not_a_table(&table.header(), entry, sink));
            document.note_unreadable(table.name, &entry.key);
            continue;
        };
        check_name(table, entry, sink);
        document.push(section(table, &entry.key, entry, inner, sink));
    }
}

fn section(
    table: &'static Table,
    name: &str,
    entry: &Entry,
    inner: &[Entry],
    sink: &mut Sink,
) -> Section {
    let mut section = Section::new(table, name, entry.node.span.clone());
    for entry in inner {
        let Some(key) = table.key(&entry.key) else {
            sink.push(unknown_key(table, entry, sink));
            continue;
        };
        match values::read(&key.kind, key.name, &entry.node) {
            Ok(value) => section.set(key.name, Item { value, span: entry.node.span.clone() }),
            Err(faults) => {
                section.refuse(key.name);
                for fault in faults {
                    let found = sink.at(&fault.span, fault.message).text(fault.text);
                    sink.push(Diagnostic { help: fault.help, ..found });
                }
            }
        }
    }
    section
}

/// `[corpus]` holds where a domain says nothing.
fn inherit(document: &mut Document) {
    if let Some(corpus) = document.single("corpus").cloned() {
        for domain in document.all_mut("domain") {
            domain.inherit(&corpus);
        }
    }
}

/// What stands under `[domains.c4]` was meant as a domain.
fn note_meant(entry: &Entry, document: &mut Document) {
    let near = nearest(&entry.key, TABLES.iter().map(|table| table.name)).and_then(keys::table);
    if let (Some(table), NodeKind::Table(inner)) = (near, &entry.node.kind) {
        for entry in inner {
            document.note_unreadable(table.name, &entry.key);
        }
    }
}

fn missing(document: &Document, sink: &mut Sink) {
    for section in TABLES.iter().flat_map(|table| document.all(table.name)) {
        let required = section.table.keys.iter().filter(|key| key.default == Preset::Required);
        for key in required.filter(|key| !section.is_set(key.name)) {
            let message = format!("`{}` is missing in `[{}]`", key.name, section.path());
            let found = sink.at(&section.header, message).help(format!(
                "`{}` takes {}",
                key.name,
                key.kind.expected()
            ));
            sink.push(found.note(format!("`{}`: {}", key.name, key.about)));
        }
    }
}

fn check_name(table: &Table, entry: &Entry, sink: &mut Sink) {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let problem = if entry.key.is_empty() {
        "is empty"
    } else if !entry.key.chars().all(legal) {
        "has a character that a name can't hold"
    } else if entry.key.starts_with('-') {
        "starts with `-`"
    } else if entry.key.len() > NAME_LEN_MAX {
        "is too long"
    } else {
        return;
    };
    let message = format!("the {} name `{}` {problem}", table.name, entry.key);
    sink.push(sink.at(&entry.key_span, message).help(format!(
        "names become paths: letters, digits, `_` and `-`, at most {NAME_LEN_MAX}, not starting with `-`"
    )));
}

fn not_a_table(header: &str, entry: &Entry, sink: &Sink) -> Diagnostic {
    let message = format!("`{}` must be a table `{header}`", entry.key);
    sink.at(&entry.key_span, message)
        .label(entry.node.span.clone(), format!("found {}", entry.node.describe()))
}

fn unknown_table(entry: &Entry, sink: &Sink) -> Diagnostic {
    let found = sink.at(&entry.key_span, format!("unknown table `{}`", entry.key));
    let found = found
        .note(format!("the tables are {}", list(TABLES.iter().map(|table| table.name), "and")));
    let near = nearest(&entry.key, TABLES.iter().map(|table| table.name)).and_then(keys::table);
    match near {
        Some(table) => found.help(format!("did you mean `{}`?", table.header())),
        None => match elsewhere(&entry.key) {
            Some(help) => found.help(help),
            None => found,
        },
    }
}

fn unknown_key(table: &Table, entry: &Entry, sink: &Sink) -> Diagnostic {
    let found = sink
        .at(&entry.key_span, format!("unknown key `{}` in `{}`", entry.key, table.header()))
        .note(format!("the keys are {}", list(table.keys.iter().map(|key| key.name), "and")));
    match nearest(&entry.key, table.keys.iter().map(|key| key.name)) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => match elsewhere(&entry.key) {
            Some(help) => found.help(help),
            None => found,
        },
    }
}

/// The tables that have a key of this very name.
fn elsewhere(key: &str) -> Option<String> {
    let owners: Vec<String> =
        TABLES.iter().filter(|table| table.key(key).is_some()).map(Table::header).collect();
    if owners.is_empty() {
        return None;
    }
    Some(format!("`{key}` is a key of {}", list(owners.iter().map(String::as_str), "and")))
}
