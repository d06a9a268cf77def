//! The event stream of `run --json` holds to its published schema: every line of runs that succeed, fail,
//! are refused and are interrupted.

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Outcome, Workspace};
use crate::study;

/// Fails with the reason where `value` is not what `schema` says. Knows the keywords that the schema uses,
/// and refuses others, so that none is ignored.
fn check(schema: &Value, value: &Value, whole: &Value) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|name| name.strip_prefix("#/$defs/"));
                check(&whole["$defs"][name.ok_or("a name")?], value, whole)?;
            }
            "oneOf" => one_of(rule, value, whole)?,
            "const" => ensure(rule == value, || format!("{value} is not {rule}"))?,
            "type" => ensure(is_of_type(rule, value), || format!("{value} is not of type {rule}"))?,
            "minimum" => {
                ensure(value.as_f64() >= rule.as_f64(), || format!("{value} is below {rule}"))?;
            }
            "pattern" => {
                assert_eq!(rule, "^[0-9a-f]{64}$", "the one pattern that is known here");
                let is_hex = |text: &str| {
                    text.len() == 64 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
                };
                ensure(value.as_str().is_some_and(is_hex), || format!("{value} is no key"))?;
            }
            "required" => {
                for name in rule.as_array().ok_or("a list")? {
                    let name = name.as_str().ok_or("a name")?;
                    ensure(value.get(name).is_some(), || format!("no `{name}` in {value}"))?;
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().ok_or("an object")? {
                    value.get(name).map_or(Ok(()), |value| check(rule, value, whole))?;
                }
            }
            "additionalProperties" => {
                assert_eq!(*rule, false);
                for name in value.as_object().ok_or("an object")?.keys() {
                    let is_known = schema["properties"].get(name).is_some();
                    ensure(is_known, || format!("unknown `{name}` in {value}"))?;
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(rule, item, whole)?;
                }
            }
            other => panic!("the schema uses `{other}`, which is not checked here"),
        }
    }
    Ok(())
}

fn one_of(rules: &Value, value: &Value, whole: &Value) -> Result<(), String> {
    let rules = rules.as_array().ok_or("a list")?;
    let named = rules.iter().find(|rule| rule["properties"]["event"]["const"] == value["event"]);
    let named = named.ok_or_else(|| format!("no event `{}`", value["event"]))?;
    check(named, value, whole)?;
    let fitting = rules.iter().filter(|rule| check(rule, value, whole).is_ok()).count();
    ensure(fitting == 1, || format!("{fitting} variants fit {value}"))
}

fn ensure(holds: bool, reason: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    if let Some(rules) = rule.as_array() {
        return rules.iter().any(|rule| is_of_type(rule, value));
    }
    match rule.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

fn schema() -> Value {
    Workspace::new().mixmake(&["schema", "--events"]).expect(0).json()
}

/// Fails unless every line fits, and there is one start before all and one end after all actions.
#[track_caller]
fn check_stream(outcome: &Outcome, starts: usize) -> Vec<Value> {
    let schema = schema();
    let events = outcome.events();
    for event in &events {
        check(&schema, event, &schema).unwrap_or_else(|reason| panic!("{reason}"));
    }
    let places = |name: &str| -> Vec<_> {
        let named = events.iter().enumerate().filter(|(_, event)| event["event"] == name);
        named.map(|(place, _)| place).collect()
    };
    assert_eq!(places("run-started").len(), starts, "{}", outcome.stdout);
    assert_eq!(places("run-finished").len(), starts, "{}", outcome.stdout);
    let lines = events.len() - places("error").len();
    if starts == 1 {
        assert_eq!((places("run-started")[0], places("run-finished")[0]), (0, lines - 1));
    }
    let times: Vec<_> =
        events.iter().map(|event| event["time"].as_f64().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    events
}

#[test]
fn the_checker_finds_what_does_not_fit() {
    let schema = schema();
    let good = serde_json::json!({
        "event": "action-held", "time": 1.5, "target": "a", "holder": "b"
    });
    assert_eq!(check(&schema, &good, &schema), Ok(()));
    for (field, value) in [
        ("time", "now".into()),
        ("event", "other".into()),
        ("extra", 1.into()),
        ("target", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(check(&schema, &bad, &schema).is_err(), "{bad}");
    }
}

#[test]
fn a_run_of_two_passes_is_one_run() {
    let workspace = study::fresh();
    let outcome = workspace.run(&["-j", "2", "ddo/small/base"]);
    let events = check_stream(&outcome, 1);
    let (first, last) = (&events[0], &events[events.len() - 1]);
    assert_eq!(first["pending"], last["ran"], "{first} {last}");
    assert_eq!(first["jobs"], 2);
    assert_eq!(last["interrupted"], false);
    let finished = outcome.ran().len();
    assert_eq!(last["ran"], finished);
    assert!(events.iter().any(|event| event["event"] == "action-progress"));

    let events = check_stream(&workspace.run(&["ddo/small/base"]), 1);
    assert_eq!((events.len(), &events[1]["ran"]), (2, &Value::from(0)));
    assert_eq!(events[1]["up-to-date"], finished);
}

#[test]
fn failures_refusals_and_interruptions_fit_too() {
    let workspace = study::fresh();
    let failing = ["-k", "samples/*", "--set", "domain.alpha.min-chars=9000"];
    let outcome = workspace.run_any(&failing).expect(1);
    let events = check_stream(&outcome, 1);
    let failed: Vec<_> = events.iter().filter(|event| event["event"] == "action-failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["target"], "samples/alpha");
    assert_eq!(events[events.len() - 1]["failed"], 1);

    // Refused before it starts: no start, no end, one error with where it is.
    let outcome = workspace.run_any(&["--set", "corpus.min-chars=x"]).expect(2);
    let events = check_stream(&outcome, 0);
    assert_eq!((events.len(), &events[0]["event"]), (1, &"error".into()));
    assert_eq!(events[0]["diagnostics"][0]["labels"][0]["file"], "--set 1");

    // Refused once the data shows that it cannot be had: the error follows the end.
    let outcome =
        workspace.run_any(&["train/uniform", "--set", "train.uniform.tokens=1B"]).expect(2);
    let events = check_stream(&outcome, 1);
    assert_eq!(events[events.len() - 1]["event"], "error");

    let workspace = study::fresh();
    let mut running = workspace.start(&["run", "--json", "-j", "1"]);
    let mut seen = Vec::new();
    running.collect_until(&mut seen, |event| event["event"] == "action-finished");
    running.signal(Signal::INT);
    let mut outcome = running.wait().expect(130);
    let seen: String = seen.iter().map(|event| format!("{event}\n")).collect();
    outcome.stdout.insert_str(0, &seen);
    let events = check_stream(&outcome, 1);
    assert_eq!(events[events.len() - 1]["interrupted"], true);
}
