//! Steps: names of what they write, and references that mean something and end somewhere.

use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, Section};
use crate::steps::{Outputs, Unmatched, Wiring, is_reference, made, outputs_of};
use crate::suggest::{list, nearest};
use crate::tree::Span;
use crate::values::is_variable;

/// How many names a message lists.
const LISTED: usize = 8;

pub fn check(document: &Document, wiring: &Wiring, sink: &mut Sink) {
    for step in document.all("step") {
        outputs(step, sink);
        passed(step, sink);
        super::repeated(step, "inputs", sink);
    }
    let made = made(document);
    let index = outputs_of(document, &made);
    for (_, span, reference, why) in &wiring.unmatched {
        sink.push(unmatched(&index, span, reference, why, sink));
    }
    for domain in document.all("domain") {
        for pattern in domain.texts("files").unwrap_or_default() {
            if is_reference(&pattern.value)
                && let Err(why) = index.matching(&pattern.value)
            {
                sink.push(unmatched(&index, &pattern.span, &pattern.value, &why, sink));
            }
        }
    }
    if !wiring.ring.is_empty() {
        sink.push(cycle(document, &wiring.ring, sink));
    }
}

/// An output is a file of the folder that the command runs in.
fn outputs(step: &Section, sink: &mut Sink) {
    let outputs = step.texts("outputs").unwrap_or_default();
    if outputs.is_empty() && step.is_set("outputs") {
        let found = sink.at(step.span("outputs"), format!("`{}` has no outputs", step.path()));
        sink.push(found.help("name at least one file that the command writes"));
    }
    for output in outputs {
        let name = &output.value;
        let problem = if name.contains('/') {
            "is not a plain file name"
        } else if name.starts_with(['.', '-']) {
            "starts with `.` or `-`"
        } else if name.chars().any(char::is_control) {
            "holds a control character"
        } else if name.len() > 200 {
            "is too long"
        } else {
            continue;
        };
        sink.push(
            sink.at(&output.span, format!("the output `{name}` {problem}")).help(
                "a command writes its outputs into the folder it starts in: name a file, without folders",
            ),
        );
    }
    super::repeated(step, "outputs", sink);
}

fn passed(step: &Section, sink: &mut Sink) {
    for variable in step.texts("pass-environment").unwrap_or_default() {
        if !is_variable(&variable.value) {
            let message =
                format!("`{}` can't be the name of an environment variable", variable.value);
            sink.push(
                sink.at(&variable.span, message)
                    .help("letters, digits and `_`, not starting with a digit"),
            );
        }
    }
    let set = step.variables("environment").unwrap_or_default();
    for variable in step.texts("pass-environment").unwrap_or_default() {
        if set.iter().any(|(name, _)| *name == variable.value) {
            let message = format!("`{}` is both set and passed", variable.value);
            sink.push(
                sink.at(&variable.span, message)
                    .help("take it out of `environment` or of `pass-environment`"),
            );
        }
    }
    super::repeated(step, "pass-environment", sink);
}

fn unmatched(
    index: &Outputs<'_, String>,
    span: &Span,
    reference: &str,
    why: &Unmatched,
    sink: &Sink,
) -> Diagnostic {
    match why {
        Unmatched::NoStep(name) => {
            let found = sink.at(span, format!("no `[step.{name}]`"));
            match nearest(name, index.names()) {
                Some(near) => found.help(format!("did you mean `step.{near}/…`?")),
                None => found.help(format!(
                    "add a table `[step.{name}]`, or write `./{reference}` for a file"
                )),
            }
        }
        Unmatched::NoOutput { step } => {
            let wanted = reference.rsplit('/').next().unwrap_or_default();
            let found = sink.at(span, format!("that step does not write `{wanted}`"));
            let found =
                found.note(format!("it writes {}", list(index.of(*step).take(LISTED), "and")));
            match nearest(wanted, index.of(*step)) {
                Some(near) => found.help(format!("did you mean `{near}`?")),
                None => found.help(format!("add `{wanted}` to its `outputs`")),
            }
        }
        Unmatched::NoMatch => {
            let found = sink.at(span, format!("no output of a step matches `{reference}`"));
            found.help(format!("correct the glob, or write `./{reference}` for files"))
        }
        Unmatched::BadGlob(problem) => {
            sink.at(span, format!("`{reference}` is not a glob: {problem}"))
        }
    }
}

fn cycle(document: &Document, ring: &[usize], sink: &Sink) -> Diagnostic {
    let sections = document.all("step");
    let mut names: Vec<String> = ring.iter().map(|step| sections[*step].path()).collect();
    names.extend(names.first().cloned());
    let found =
        sink.at(sections[ring[0]].span("inputs"), format!("a cycle: {}", names.join(" -> ")));
    let found = found.text(format!("`{}` reads `{}`", names[0], names[1]));
    let rest = ring.iter().zip(names.windows(2)).skip(1).take(LISTED);
    let found = rest.fold(found, |found, (step, pair)| {
        let span = sections[*step].span("inputs").clone();
        found.label(span, format!("`{}` reads `{}`", pair[0], pair[1]))
    });
    found.help("let one of them start from files")
}
