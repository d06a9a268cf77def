//! Domains and the tokenizer: what must be there, what can't be there twice.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::tree::Span;
use crate::values::Value;

pub fn check(document: &Document, sink: &mut Sink) {
    tokenizer(document, sink);
    presence(document, sink);
    for domain in document.all("domain") {
        held_out(domain, sink);
        if domain.texts("files").is_some_and(|files| files.is_empty()) {
            let found = sink.at(domain.span("files"), format!("`{}` has no files", domain.name));
            sink.push(found.help("name at least one path or glob"));
        }
        if domain.texts("text").is_some_and(|columns| columns.is_empty()) {
            let found =
                sink.at(domain.span("text"), format!("`{}` has no text column", domain.name));
            sink.push(
                found.help("name the column that holds the text, or leave `text` out for \"text\""),
            );
        }
    }
    shared_files(document, sink);
}

/// Trainings need domains that train, and text needs a tokenizer.
fn presence(document: &Document, sink: &mut Sink) {
    let domains = document.all("domain");
    let drawing = ["mixture", "train", "ddo"].iter().find_map(|table| document.all(table).first());
    match (domains.first(), drawing) {
        (None, Some(first)) => sink.push(
            sink.at(
                &first.header,
                format!("`[{}]` needs domains, and the manifest has none", first.path()),
            )
            .help("add a table `[domain.NAME]` with `files`"),
        ),
        (Some(_), Some(first))
            if document.training_domains().is_some_and(|names| names.is_empty()) =>
        {
            sink.push(
                sink.at(&first.header, format!("`[{}]` needs a domain that trains", first.path()))
                    .help("remove `train = false` from a domain"),
            )
        }
        _ => {}
    }
    if let (Some(first), None) = (domains.first(), document.single("tokenizer")) {
        sink.push(
            sink.at(&first.header, "the manifest has domains and no `[tokenizer]`").help(
                "add `[tokenizer]` with `train = \"bpe\"`, `builtin = \"gpt2\"` or `file = \"tokenizer.json\"`",
            ),
        );
    }
}

fn tokenizer(document: &Document, sink: &mut Sink) {
    let Some(tokenizer) = document.single("tokenizer") else { return };
    let set: Vec<&str> = TOKENIZERS.into_iter().filter(|key| tokenizer.is_set(key)).collect();
    let [chosen] = set[..] else {
        let problem = match set[..] {
            [] => "has none of `file`, `builtin` and `train`".to_owned(),
            _ => format!("has both `{}` and `{}`", set[0], set[1]),
        };
        let span = tokenizer.span(set.get(1).unwrap_or(&""));
        let found = sink.at(span, format!("`[tokenizer]` {problem}"));
        sink.push(found.help(
            "set `file` to use one that exists, `builtin = \"gpt2\"`, or `train = \"bpe\"` to train one",
        ));
        return;
    };
    let owned = [("origin", "file"), ("vocabulary", "train"), ("min-frequency", "train")];
    for (key, owner) in owned {
        if tokenizer.is_set(key) && owner != chosen {
            sink.push(
                sink.at(
                    tokenizer.span(key),
                    format!("`{key}` goes with `{owner}`, and `[tokenizer]` has `{chosen}`"),
                )
                .help(format!("remove `{key}`")),
            );
        }
    }
}

/// Where a tokenizer may come from; exactly one is set.
const TOKENIZERS: [&str; 3] = ["file", "builtin", "train"];

/// Both splits must be able to hold something.
fn held_out(domain: &Section, sink: &mut Sink) {
    let (empty, whole) = match domain.get("held-out") {
        Some(Value::Count(documents)) => (documents == 0, false),
        Some(Value::Share(share)) => {
            (share <= 0.0, share >= 1.0 && domain.flag("train") == Some(true))
        }
        _ => return,
    };
    let message = if empty {
        format!("nothing of `{}` would be held out", domain.name)
    } else if whole {
        format!("all of `{}` would be held out", domain.name)
    } else {
        return;
    };
    let help = if empty {
        "hold out some documents, such as `held-out = \"2%\"`: losses are measured on them"
    } else {
        "hold out less than 100%, or set `train = false` to only evaluate on it"
    };
    sink.push(sink.at(domain.span("held-out"), message).help(help));
}

/// The very same glob in two domains that take the same rows of it is a slip of the hand.
fn shared_files(document: &Document, sink: &mut Sink) {
    let mut seen: Vec<(String, Span, &Section)> = Vec::new();
    for domain in document.all("domain") {
        for glob in domain.texts("files").unwrap_or_default() {
            let twin = seen
                .iter()
                .find(|(text, _, other)| *text == glob.value && same_rows(domain, other));
            match twin {
                None => seen.push((glob.value, glob.span, domain)),
                Some((_, first, other)) if other.name == domain.name => sink.push(
                    sink.at(&glob.span, format!("`{}` is listed twice in `files`", glob.value))
                        .label(first.clone(), "first here")
                        .help("remove one"),
                ),
                Some((_, first, other)) => sink.push(
                    sink.at(
                        &glob.span,
                        format!("`{}` and `{}` read the same files", other.name, domain.name),
                    )
                    .label(first.clone(), format!("`{}` reads them here", other.name))
                    .help("give each its own files, or tell their rows apart with `where`"),
                ),
            }
        }
    }
}

fn same_rows(one: &Section, other: &Section) -> bool {
    let excluded = |section: &Section| {
        let globs = section.texts("exclude").unwrap_or_default();
        globs.into_iter().map(|glob| glob.value).collect::<Vec<_>>()
    };
    let columns = |section: &Section| {
        let columns = section.texts("text").unwrap_or_default();
        columns.into_iter().map(|column| column.value).collect::<Vec<_>>()
    };
    one.filters("where") == other.filters("where")
        && excluded(one) == excluded(other)
        && columns(one) == columns(other)
}
