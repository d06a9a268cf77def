//! The way in: a path or a text to a [`Manifest`], or everything that is wrong with it.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, Sink};
use crate::schema::Manifest;
use crate::source::Source;
use crate::steps::Wiring;
use crate::tree::{self, Entry, SyntaxError};
use crate::{build, check, overrides, read};

/// Reads and validates the manifest at `path`; `overrides` are `key=value` as of `--set`.
///
/// # Errors
/// Every problem of the text, or the one of reading it.
pub fn load(path: &Path, overrides: &[String]) -> Result<Manifest, Diagnostics> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    parse(path, &text, overrides)
}

/// Validates `source` as the manifest that stands, or would stand, at `path`.
///
/// # Errors
/// Every problem of the text at once, in its order.
pub fn parse(path: &Path, source: &str, overrides: &[String]) -> Result<Manifest, Diagnostics> {
    let mut sink = Sink::new(Source::with_overrides(path, source, overrides));
    let (mut root, errors) = tree::document(source);
    overrides::apply(&mut root, &mut sink);
    if !errors.is_empty() {
        return Err(broken(&root, errors, sink));
    }
    let document = read::document(&root, false, &mut sink);
    let wiring = Wiring::of(&document);
    check::document(&document, &wiring, &mut sink);
    if !sink.items.is_empty() {
        return Err(sink.finish());
    }
    let whole = std::sync::Arc::clone(&sink.source);
    build::manifest(&document, &whole, &wiring, tree::spans(&root)).map_err(|absent| {
        let message = format!("internal error: `{}` was accepted without a value", absent.0);
        sink.push(
            Diagnostic::new(&whole, None, message).help("please report this with the manifest"),
        );
        sink.finish()
    })
}

/// Syntax errors, and what the recovered tree shows on other lines.
fn broken(root: &[Entry], errors: Vec<SyntaxError>, mut sink: Sink) -> Diagnostics {
    let line = |sink: &Sink, at: usize| sink.source.place(at).line;
    let lines: Vec<usize> = errors
        .iter()
        .filter_map(|error| error.span.as_ref())
        .flat_map(|span| line(&sink, span.start)..=line(&sink, span.end))
        .collect();
    read::document(root, true, &mut sink);
    let source = std::sync::Arc::clone(&sink.source);
    sink.items.retain(|item| {
        let first = item.labels.first().map_or(0, |label| label.span.start);
        !lines.contains(&source.place(first).line)
    });
    for error in errors {
        let found =
            Diagnostic::new(&source, error.span, format!("this is not TOML: {}", error.message));
        sink.push(if error.message.contains("duplicate") {
            found.help("a table or key stands once; merge the two, or rename one")
        } else {
            found
        });
    }
    sink.finish()
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostics {
    let source = std::sync::Arc::new(Source::new(path, ""));
    let found = Diagnostic::new(&source, None, format!("can't read the manifest: {error}"));
    let help = if error.kind() == std::io::ErrorKind::NotFound {
        "name another with `-m MANIFEST`, or write a first one with `mixmake init`"
    } else {
        "a manifest is a TOML file that you may read"
    };
    found.help(help).into()
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostics {
    let at = error.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
    let source = std::sync::Arc::new(Source::new(path, &before));
    Diagnostic::new(
        &source,
        Some(at..at),
        format!("the manifest is not UTF-8: byte {at} is not text"),
    )
    .help("save it as UTF-8")
    .into()
}
