//! `--set key=value`, entered as if the manifest held it. Values are TOML; a bare word such as
//! `300k` or `data/c4/*.jsonl` is a string.

use crate::diagnostic::Sink;
use crate::tree::{self, Entry, Node, NodeKind, Span};

/// Enters every override into `root`, the later ones last.
pub fn apply(root: &mut Vec<Entry>, sink: &mut Sink) {
    let source = std::sync::Arc::clone(&sink.source);
    for range in &source.overrides {
        if let Some((path, node)) = read(&source.text, range, sink) {
            enter(root, path, node, sink);
        }
    }
}

/// The parts of the key, each with its place, and the value.
fn read(text: &str, range: &Span, sink: &mut Sink) -> Option<(Vec<(String, Span)>, Node)> {
    let line = &text[range.clone()];
    let shape = "write `--set key=value`, such as `--set recipe.small.learning-rate=3e-4`";
    if line.contains(['\n', '\r']) {
        sink.push(sink.at(range, "an override holds one key on one line").help(shape));
        return None;
    }
    let Some(equals) = unquoted_equals(line) else {
        sink.push(sink.at(range, "an override needs a `=`").help(shape));
        return None;
    };
    let key_span = range.start..range.start + equals;
    let path = path(&line[..equals], &key_span, sink)?;
    let node = value(&line[equals + 1..], range.start + equals + 1, sink)?;
    Some((path, node))
}

fn unquoted_equals(line: &str) -> Option<usize> {
    let mut quote = None;
    line.char_indices().find_map(|(at, letter)| {
        match (quote, letter) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        None
    })
}

/// A dotted key, read by TOML itself from behind so much white space that its spans are right.
fn path(key: &str, span: &Span, sink: &mut Sink) -> Option<Vec<(String, Span)>> {
    let (mut table, errors) = tree::document(&format!("{}{key}=0", " ".repeat(span.start)));
    let mut path = Vec::new();
    while table.len() == 1 {
        let entry = table.swap_remove(0);
        path.push((entry.key, entry.key_span));
        match entry.node.kind {
            NodeKind::Table(inner) => table = inner,
            _ => break,
        }
    }
    if errors.is_empty() && !path.is_empty() {
        return Some(path);
    }
    sink.push(
        sink.at(span, format!("`{}` is not a key", key.trim()))
            .help("a key is a dotted path, such as `train.large.tokens`"),
    );
    None
}

fn value(text: &str, start: usize, sink: &mut Sink) -> Option<Node> {
    let padded = format!("{}v={text}", " ".repeat(start.saturating_sub(2)));
    let (table, errors) = tree::document(&padded);
    if let (Some(entry), true) = (table.into_iter().next(), errors.is_empty()) {
        return Some(entry.node);
    }
    let lead = text.len() - text.trim_start().len();
    let word = text.trim();
    let span = start + lead..start + lead + word.len();
    if !word.is_empty() && !word.starts_with(['"', '\'', '[', '{']) {
        return Some(Node { span, kind: NodeKind::Text(word.to_owned()) });
    }
    let cause = errors.first().map_or("no value", |error| error.message.as_str());
    sink.push(sink.at(&span, format!("this value is not TOML: {cause}")).help(
        "quote it for the shell as a whole, such as `--set 'ddo.small.factors=[3, \"1/3\"]'`",
    ));
    None
}

/// Puts `node` at `path`, making the tables on the way.
fn enter(table: &mut Vec<Entry>, mut path: Vec<(String, Span)>, node: Node, sink: &mut Sink) {
    let (key, key_span) = path.remove(0);
    let at = table.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let empty = Node { span: key_span.clone(), kind: NodeKind::Table(Vec::new()) };
        table.push(Entry { key: key.clone(), key_span: key_span.clone(), node: empty });
        table.len() - 1
    });
    let entry = &mut table[at];
    if path.is_empty() {
        *entry = Entry { key, key_span, node };
        return;
    }
    match &mut entry.node.kind {
        NodeKind::Table(inner) => enter(inner, path, node, sink),
        _ => sink.push(
            sink.at(&key_span, format!("`{key}` is no table, so it has no key `{}`", path[0].0))
                .label(entry.node.span.clone(), "its value here"),
        ),
    }
}
