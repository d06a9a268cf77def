//! Located messages, rendered as rustc does or as JSON. Knows nothing of what they are about, so
//! that later stages raise theirs through the same type.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use crate::schema::Manifest;
use crate::source::Source;

/// Everything wrong with a manifest, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    pub items: Vec<Diagnostic>,
}

/// One finding: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub message: String,
    /// The first is the place itself, the others its context.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// What is good to know, such as the valid names.
    pub note: Option<String>,
    pub source: Arc<Source>,
}

/// A stretch of the source and what is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Bytes of [`Source::text`].
    pub span: Range<usize>,
    /// May be empty: the span alone is underlined.
    pub text: String,
}

impl Diagnostic {
    /// A finding at `span`, or about the whole file without one.
    #[must_use]
    pub fn new(
        source: &Arc<Source>,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Self {
        let labels = span.map(|span| Label { span, text: String::new() });
        Self {
            message: message.into(),
            labels: labels.into_iter().collect(),
            help: None,
            note: None,
            source: Arc::clone(source),
        }
    }

    /// A later stage's finding, at the first of `fields` (dotted paths) that the manifest sets,
    /// else at the nearest table around them, else about the whole file.
    #[must_use]
    pub fn at(manifest: &Manifest, fields: &[&str], message: impl Into<String>) -> Self {
        let found = manifest.origin(fields).or_else(|| {
            fields
                .iter()
                .find_map(|field| ancestors(field).find_map(|path| manifest.origin(&[path])))
        });
        Self::new(&manifest.source, found.map(|origin| origin.span), message)
    }

    /// Says `text` under the place itself.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Shows one more place.
    #[must_use]
    pub fn label(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// As rustc shows its errors; `color` adds ANSI styles.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.clone()));
        if self.labels.is_empty() {
            let path = self.source.path.display().to_string();
            group = group.element(annotate_snippets::Origin::path(path));
        }
        for snippet in self.snippets() {
            group = group.element(snippet);
        }
        if let Some(note) = &self.note {
            group = group.element(Level::NOTE.message(note.clone()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.clone()));
        }
        renderer.render(&[group])
    }

    /// One snippet a text (the file, each override) that a label stands in.
    fn snippets(&self) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let mut parts: Vec<(Range<usize>, Snippet<'_, annotate_snippets::Annotation<'_>>)> =
            Vec::new();
        for (index, label) in self.labels.iter().enumerate() {
            let span = self.source.clamp(&label.span);
            let place = self.source.place(span.start);
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let local = span.start.max(place.part.start).min(place.part.end) - place.part.start
                ..span.end.max(place.part.start).min(place.part.end) - place.part.start;
            let text = (!label.text.is_empty()).then_some(label.text.as_str());
            let annotation = kind.span(local).label(text);
            let found = parts.iter().position(|(part, _)| *part == place.part);
            let (part, snippet) = match found {
                Some(at) => parts.remove(at),
                None => (
                    place.part.clone(),
                    Snippet::source(&self.source.text[place.part]).path(place.file),
                ),
            };
            parts.insert(found.unwrap_or(parts.len()), (part, snippet.annotation(annotation)));
        }
        parts.into_iter().map(|(_, snippet)| snippet).collect()
    }

    /// `{message, help, note, labels: [{file, line, column, start, end, text}]}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let labels: Vec<_> =
            self.labels.iter().map(|label| label_json(&self.source, label)).collect();
        json!({
            "message": self.message,
            "file": self.source.path.display().to_string(),
            "labels": labels,
            "note": self.note,
            "help": self.help,
        })
    }
}

fn label_json(source: &Source, label: &Label) -> serde_json::Value {
    let span = source.clamp(&label.span);
    let place = source.place(span.start);
    json!({
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "start": span.start.saturating_sub(place.part.start),
        "end": span.end.saturating_sub(place.part.start),
        "text": label.text,
    })
}

/// `a.b.c` gives `a.b`, then `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rfind('.').map(|dot| &path[..dot]), |path| {
        path.rfind('.').map(|dot| &path[..dot])
    })
}

impl Diagnostics {
    /// All of them, a blank line between two, and their number at the end.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let mut texts: Vec<String> = self.items.iter().map(|item| item.render(color)).collect();
        if self.items.len() > 1 {
            texts.push(format!("{} errors in the manifest", self.items.len()));
        }
        texts.join("\n\n")
    }

    /// An array of [`Diagnostic::to_json`].
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.items.iter().map(Diagnostic::to_json).collect()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(item: Diagnostic) -> Self {
        Self { items: vec![item] }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// Collects findings on one source.
#[derive(Debug)]
pub(crate) struct Sink {
    pub source: Arc<Source>,
    pub items: Vec<Diagnostic>,
}

impl Sink {
    pub fn new(source: Source) -> Self {
        Self { source: Arc::new(source), items: Vec::new() }
    }

    /// A finding to complete and [`push`](Self::push).
    pub fn at(&self, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, Some(span.clone()), message)
    }

    pub fn push(&mut self, item: Diagnostic) {
        self.items.push(item);
    }

    /// Everything found, in the order of the text.
    pub fn finish(mut self) -> Diagnostics {
        self.items.sort_by_key(|item| item.labels.first().map_or(0, |label| label.span.start));
        self.items.dedup();
        Diagnostics { items: self.items }
    }
}
