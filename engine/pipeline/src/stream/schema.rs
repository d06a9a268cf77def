//! The JSON Schema of one line of the event stream, from a table of events and their fields.
//!
//! Written down rather than derived, since a published format must not change with a type by accident; a
//! test holds every event to it.

use serde_json::{Map, Value, json};

/// What a field is; the rest of its schema follows.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Key,
    Count,
    Number,
    Flag,
    Progress,
    /// A text or null.
    Hint,
    /// A list of objects, or null.
    Diagnostics,
}

type Field = (&'static str, Kind, &'static str);

const TARGET: Field = ("target", Kind::Text, "The action's target.");
const KEY: Field = ("key", Kind::Key, "The key that decides its result.");

/// Every event: its name, what it means, and its fields beside `event` and `time`.
const EVENTS: &[(&str, &str, &[Field])] = &[
    (
        "run-started",
        "The first event of a run.",
        &[
            ("actions", Kind::Count, "Actions that the targets need."),
            ("pending", Kind::Count, "Those of them that run, or may have to."),
            (
                "expected-seconds",
                Kind::Number,
                "Work by the receipts of earlier runs, summed over actions.",
            ),
            ("expected-clock-seconds", Kind::Number, "The same on the clock, with `jobs` threads."),
            ("without-price", Kind::Count, "Pending actions of which no receipt gives a price."),
            ("jobs", Kind::Count, "Threads that may be busy at once."),
        ],
    ),
    ("action-started", "An action starts.", &[TARGET, ("kind", Kind::Text, "What it does."), KEY]),
    (
        "action-progress",
        "How far an action is.",
        &[TARGET, ("progress", Kind::Progress, "How far it is.")],
    ),
    (
        "action-cut-off",
        "Nothing to do after all: what it reads came out as before, or its result was made meanwhile.",
        &[TARGET, KEY],
    ),
    (
        "action-finished",
        "An action is done and its result is in the store.",
        &[TARGET, KEY, ("seconds", Kind::Number, "How long it took.")],
    ),
    (
        "action-held",
        "Another run on the same store does it; this one waits for that.",
        &[TARGET, ("holder", Kind::Text, "Who does it.")],
    ),
    (
        "action-failed",
        "An action failed.",
        &[
            TARGET,
            KEY,
            ("message", Kind::Text, "What happened."),
            ("hint", Kind::Hint, "What to do next."),
            ("log", Kind::Text, "Path of what its process wrote to standard error."),
        ],
    ),
    (
        "run-stopping",
        "A signal came: nothing new is started, and what runs is asked to stop.",
        &[("running", Kind::Count, "Actions under way.")],
    ),
    (
        "run-finished",
        "The last event of a run that started, however it ended.",
        &[
            ("ran", Kind::Count, "Actions that ran."),
            ("cut-off", Kind::Count, "Actions that had nothing to do after all."),
            ("up-to-date", Kind::Count, "Actions whose results were there before."),
            ("failed", Kind::Count, "Actions that failed."),
            ("not-run", Kind::Count, "Actions that were to run and did not."),
            ("interrupted", Kind::Flag, "A signal ended it."),
            ("seconds", Kind::Number, "How long it took."),
        ],
    ),
    (
        "error",
        "Why a run did not start, or did not go on: the last line, if it is there.",
        &[
            ("error", Kind::Text, "What happened."),
            ("hint", Kind::Hint, "What to do next."),
            ("exit", Kind::Count, "The exit code."),
            ("diagnostics", Kind::Diagnostics, "Located errors of the manifest."),
        ],
    ),
];

/// The JSON Schema (draft 2020-12) of one line.
#[must_use]
pub fn json_schema() -> Value {
    let variants: Vec<_> = EVENTS.iter().map(variant).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of `mixmake run --json`",
        "oneOf": variants,
        "$defs": {"key": key(), "progress": progress()},
    })
}

fn variant((name, description, fields): &(&str, &str, &[Field])) -> Value {
    let mut properties = Map::new();
    properties.insert("event".into(), json!({"const": name}));
    let time = json!({"type": "number", "description": "Seconds since 1970."});
    properties.insert("time".into(), time);
    for (name, kind, description) in *fields {
        let mut schema = kind.schema();
        schema.insert("description".into(), (*description).into());
        properties.insert((*name).to_owned(), Value::Object(schema));
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn key() -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
}

fn progress() -> Value {
    json!({
        "type": "object",
        "properties": {
            "done": {"type": "integer", "minimum": 0},
            "total": {"type": "integer", "minimum": 0},
            "unit": {"type": "string", "description": "What is counted."},
            "note": {"type": "string", "description": "A few words more; left out where there are none."},
        },
        "required": ["done", "total", "unit"],
        "additionalProperties": false,
    })
}

impl Kind {
    fn schema(self) -> Map<String, Value> {
        let schema = match self {
            Self::Text => json!({"type": "string"}),
            Self::Key => json!({"$ref": "#/$defs/key"}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Number => json!({"type": "number", "minimum": 0}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Progress => json!({"$ref": "#/$defs/progress"}),
            Self::Hint => json!({"type": ["string", "null"]}),
            Self::Diagnostics => json!({"type": ["array", "null"], "items": {"type": "object"}}),
        };
        schema.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mixmake_core::Key;
    use mixmake_core::event::{Event, Progress};

    use super::*;
    use crate::error::Error;
    use crate::stream::{Refusal, Timed};

    /// One of every event; a new one does not compile until it is here.
    fn samples() -> Vec<Event> {
        let (target, key) = ("a".to_owned(), Key::from_bytes([1; 32]));
        let progress = Progress { done: 1, total: 2, unit: "tokens".into(), note: "loss 4".into() };
        let samples = vec![
            Event::RunStarted {
                actions: 1,
                pending: 1,
                expected_seconds: 1.0,
                expected_clock_seconds: 1.0,
                without_price: 0,
                jobs: 1,
            },
            Event::ActionStarted { target: target.clone(), kind: "k".into(), key },
            Event::ActionProgress { target: target.clone(), progress },
            Event::ActionCutOff { target: target.clone(), key },
            Event::ActionFinished { target: target.clone(), key, seconds: 1.0 },
            Event::ActionHeld { target: target.clone(), holder: "h".into() },
            Event::ActionFailed { target, key, message: "m".into(), hint: None, log: "l".into() },
            Event::RunStopping { running: 1 },
            Event::RunFinished {
                ran: 1,
                cut_off: 0,
                up_to_date: 0,
                failed: 0,
                not_run: 0,
                interrupted: false,
                seconds: 1.0,
            },
        ];
        for sample in &samples {
            match sample {
                Event::RunStarted { .. }
                | Event::ActionStarted { .. }
                | Event::ActionProgress { .. }
                | Event::ActionCutOff { .. }
                | Event::ActionFinished { .. }
                | Event::ActionHeld { .. }
                | Event::ActionFailed { .. }
                | Event::RunStopping { .. }
                | Event::RunFinished { .. } => {}
            }
        }
        samples
    }

    #[test]
    fn every_event_has_exactly_the_fields_of_the_table() {
        let mut lines: Vec<Value> = samples()
            .into_iter()
            .map(|event| serde_json::to_value(Timed::now(event)).expect("a value"))
            .collect();
        let refusal = Refusal::now(&Error::usage("u"));
        lines.push(serde_json::to_value(refusal).expect("a value"));
        assert_eq!(lines.len(), EVENTS.len());
        for (line, (name, _, fields)) in lines.iter().zip(EVENTS) {
            let line = line.as_object().expect("an object");
            assert_eq!(line["event"], *name);
            let there: BTreeSet<_> = line.keys().map(String::as_str).collect();
            let told = fields.iter().map(|(name, ..)| *name).chain(["event", "time"]).collect();
            assert_eq!(there, told, "{name}");
        }
    }
}
