//! TOML as a tree of owned, spanned values in the order of the file. The only module that sees the
//! `toml` crate; knows no key of a manifest.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Text(String),
    /// Saturated where it does not fit.
    Integer(i128),
    Float(f64),
    Flag(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    pub span: Option<Span>,
    pub message: String,
}

/// Parses a document; with errors the table holds what could be recovered. The parser refuses deep
/// nesting, so that walks of the tree may recurse.
pub fn document(text: &str) -> (Vec<Entry>, Vec<SyntaxError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .into_iter()
        .map(|error| SyntaxError { span: error.span(), message: error.message().to_owned() });
    (entries(table.into_inner()), errors.collect())
}

/// Parses a lone value, such as a default.
pub fn value(text: &str) -> Option<Node> {
    let (table, errors) = document(&format!("value = {text}"));
    if !errors.is_empty() {
        return None;
    }
    table.into_iter().next().map(|entry| entry.node)
}

fn entries(table: DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table.into_iter().map(|(key, value)| entry(key, value)).collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn entry(key: Spanned<std::borrow::Cow<'_, str>>, value: Spanned<DeValue<'_>>) -> Entry {
    let key_span = key.span();
    let mut node = node(value);
    if node.span.is_empty() {
        node.span = key_span.clone();
    }
    Entry { key: key.into_inner().into_owned(), key_span, node }
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => NodeKind::Text(text.into_owned()),
        DeValue::Integer(integer) => {
            NodeKind::Integer(saturated(integer.as_str(), integer.radix()))
        }
        DeValue::Float(float) => NodeKind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => NodeKind::Flag(flag),
        DeValue::Datetime(_) => NodeKind::Datetime,
        DeValue::Array(items) => NodeKind::Array(items.into_iter().map(node).collect()),
        DeValue::Table(table) => NodeKind::Table(entries(table)),
    };
    Node { span, kind }
}

fn saturated(digits: &str, radix: u32) -> i128 {
    let fallback = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(fallback)
}

impl Node {
    /// "a string", for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            NodeKind::Text(_) => "a string",
            NodeKind::Integer(_) => "an integer",
            NodeKind::Float(_) => "a float",
            NodeKind::Flag(_) => "a boolean",
            NodeKind::Datetime => "a date",
            NodeKind::Array(_) => "an array",
            NodeKind::Table(_) => "a table",
        }
    }
}

/// Every value's span by dotted path.
pub fn spans(root: &[Entry]) -> HashMap<String, Span> {
    let mut spans = HashMap::new();
    record(root, "", &mut spans);
    spans
}

fn record(entries: &[Entry], prefix: &str, spans: &mut HashMap<String, Span>) {
    for entry in entries {
        record_node(&entry.node, format!("{prefix}{}", entry.key), spans);
    }
}

fn record_node(node: &Node, path: String, spans: &mut HashMap<String, Span>) {
    match &node.kind {
        NodeKind::Table(entries) => record(entries, &format!("{path}."), spans),
        NodeKind::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                record_node(item, format!("{path}.{index}"), spans);
            }
        }
        _ => {}
    }
    spans.insert(path, node.span.clone());
}
